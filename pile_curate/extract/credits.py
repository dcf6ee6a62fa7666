"""Find the cues of a subtitle that are no speech: who translated and synchronised it, and advertisements.

They are the most repeated lines of any subtitle corpus. Phrases that nobody says in a film count wherever they
stand; what a character might say ("translated by monks") counts only in a short cue at the very beginning or end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pile_curate.extract.cues import Cue

EDGE = 8
"""Cues at the beginning and at the end in which the weaker signs count."""

_LONG = 160

_SURE = re.compile(
    r"opensubtitles|addic7ed|podnapisi\.|subscene|tvsubtitles|yify|titlovi\.com|napiprojekt|divxsubs|subdivx|"
    r"argenteam|subswiki|tusubtitulo|legendas\.tv|shooter\.cn|yyets|altyazi\.org|turkcealtyazi|amara\.org|"
    r"bsplayer|viki\.com|"
    r"advertise your product or brand|support us and become vip|remove all ads from|please rate this subtitle|"
    r"help other users to choose the best|watch (?:any|online) (?:video|movies and series)|download movies|"
    r"subtitles? downloaded from|best watched using|sub(?:title)?s? (?:rip(?:ped)?|sync(?:hronized|ed)?|edited) by|"
    r"ripped by|re-?sync(?:h?ed|hronized)? by|sync(?:h?ed|hronized)?(?: (?:and|&) correct(?:ed|ions?))? by|"
    r"closed[- ]caption(?:ed|ing) by|caption(?:s|ed|ing) (?:by|made possible|sponsored|performed)|"
    r"subtit(?:les|ling) (?:by|provided by|made by)|transcript(?:ion)?s? (?:by|provided by)|"
    r"sous-titr(?:es|age|ages) (?:par|de|:|soci[eé]t[eé]|st['’ ]|fr\b)|"
    r"untertitel(?:ung)?(?: von|:| im auftrag)|untertitelung de[sr] (?:zdf|wdr|ard|swr|ndr|mdr|rbb|orf|br|hr|sr)\b|"
    r"subt[ií]tulos (?:por|de |:)|"
    r"sottotitoli (?:a cura|di |creati)|legendas? por|legendado por|napisy (?:pobrane|:)|"
    r"субтитры (?:сделал|создавал|подготовлены)|редактор субтитров|ondertitel(?:ing|d)(?: door|:)|"
    r"undertekst(?:er|et)? (?:av|af)|svensktextning|tekstitys:|teksting av|tekstet a[vf]|titulky vytvo[rř]il|"
    r"(?:timing|subtitles?)[^.?!]{0,30} brought to you by|字幕志愿者|yts\.mx",
    re.IGNORECASE,
)
_LIKELY = re.compile(
    r"\b(?:translat(?:ed|ion)|subtitled|captioned|corrections?|corrected|sync|timing|encoded|edited|proofread)\b"
    r"[^.?!]{0,20}(?:\bby\b|:)|^[-~*= ]*(?:subtitles?|captions?|resync)\s*(?:by\b|[-:~]|$)|"
    r"(?:traduction|traducci[oó]n|traducido|traduzione|tradu[cç][aã]o|adapta[ct]ion|[uü]bersetz(?:t|ung)|vertal(?:ing|d)|"
    r"t[łl]umaczenie|p[řr]eklad|[çc]eviri|altyaz[ıi]|fel[ií]rat|ford[ií]totta|titulky|перев[её]л|перевод|субтитры|prijevod)"
    r"[^.?!]{0,20}(?:[:–-]|\b(?:par|de|por|di|von|door|av|af)\b)|"
    r"(?:https?://|www\.)\S+|\b[a-z0-9-]{3,}\.(?:com|org|net|tv|ru|pl|br|mx)\b|"
    r"^\W*(?:subs?|legendas?|textning|subrip|(?:blu-?ray|dvd|web) ?rip)(?: by\b|\s?:)|"
    r"^\W*(?:copyright|©) \w[^.?!]{0,30}\b(?:19|20)\d\d\W*$|"
    r"^\W*(?:ترجمة|altyazı)\b[^?!]{0,40}$|\bdownloaded from\b|"
    r"字幕[:：组組]|翻[译譯][:：]|校[对對][:：]|[时時][间間][轴軸]|자막\s*[:：]",
    re.IGNORECASE,
)

_ROLE = (
    r"(?:transcriber|transcriptor|translat(?:or|ion)|reviewer|subtitler|traduct(?:or|ora|eur|rice|ion)|traducci[oó]n|revis(?:or|ora|ore|ione|ão|ión)|"
    r"relect(?:eur|rice|ure)|tradut(?:or|ora)|tradução|traduttor[ei]|traduttrice|traduzione|[uü]bersetz(?:er|erin|ung)|lektorat|vertaler|"
    r"(?:vertaald|nagekeken) door|t[łl]umacz(?:enie)?|korekta|перевод(?:чик)?|редактор|μετάφραση|επιμέλεια|çeviri|gözden geçirme|"
    r"翻[译譯訳](?:人员|人員|者)?|校[对對正](?:人员|人員|者)?|번역|검토|المترجم|المدق[ّ]?ق|תרגום|עריכה)"
    r"\s{0,2}[:：]\s{0,3}(?:[^.?!:：]|(?<=\b\w)\.){1,60}"
)
_ROLES = re.compile(rf"\W{{0,3}}(?:{_ROLE}\s*){{1,4}}\W{{0,3}}", re.IGNORECASE)
"""Who transcribed, translated and reviewed a talk: the first line of a TED talk's captions, in the captions' language."""

_HINTS = (
    "opensubtitles addic7ed podnapisi subscene tvsubtitles yify titlovi napiprojekt divxsubs subdivx argenteam subswiki "
    "tusubtitulo legenda shooter.cn yyets altyaz amara.org bsplayer viki.com advertise vip remove rate help watch "
    "download sub ripped sync caption transcript sous-titr untertitel sottotitoli napisy субтитр ondertitel undertekst "
    "svensktext tekst titulky 字幕 yts.mx"
).split()
"""Each sure sign holds one of these; looking for them in a whole film costs a hundredth of the expression."""


def is_credit(text: str, edge: bool) -> bool:
    """Say whether a cue's text is a credit or an advertisement; ``edge``: it stands at the beginning or end."""
    return len(text) <= _LONG and bool(
        _SURE.search(text) or (edge and (_LIKELY.search(text) or _ROLES.fullmatch(text)))
    )


def without_credits(cues: Sequence[Cue]) -> tuple[list[Cue], int]:
    """Return the cues that are speech, and how many were not."""
    last = len(cues) - EDGE
    texts = [" ".join(cue.lines) for cue in cues]
    lower = [text.lower() for text in texts]
    whole = "\n".join(lower)
    hints = [hint for hint in _HINTS if hint in whole]
    kept: list[Cue] = []
    for n, (cue, text) in enumerate(zip(cues, texts, strict=True)):
        edge = n < EDGE or n >= last
        if not (edge or any(hint in lower[n] for hint in hints)) or not is_credit(text, edge):
            kept.append(cue)
    return kept, len(cues) - len(kept)
