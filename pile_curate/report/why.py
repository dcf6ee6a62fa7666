"""Say in words why a document is, or is not, in the corpus: the text behind ``pile-curate why DOC_ID``.

Pure functions over rows of the metadata, ledger, eligibility and rejects tables (as dicts). The answer
names the stage, the rule with the measured value and the threshold, or the kept twin and the
similarity, or the reject's reason; of a kept document also what was cut from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pile_curate.report.format import count, size, visible, words

Row = Mapping[str, Any]

_PLACE = (("source", ""), ("split", "split"))
_HOW = {
    "exact": "the same text as",
    "near": "nearly the text of",
    "near_unverified": "perhaps nearly the text of",
    "url": "the same web address as",
}
_CUTS = 20
_REJECTS = {
    "policy": "meant so: the source's reader leaves such records out",
    "error": "damage: the record could not be read",
}


def explain(
    document: Row,
    ledger: Row | None,
    twin: Row | None = None,
    failed: Sequence[str] = (),
    *,
    shards: Sequence[str] = (),
    edits: Sequence[Row] = (),
) -> str:
    """Return why a document is kept or dropped.

    ``document`` is its metadata row, ``ledger`` its ledger row (None before select has run), ``twin`` the
    metadata row of the kept document that it repeats, ``failed`` all the rules it failed, ``shards`` the
    files that hold it if it is kept, ``edits`` the spans cut from it.
    """
    return "\n".join([*_identity(document), "", *_verdict(ledger, twin, failed, shards, edits)])


def explain_reject(reject: Row) -> str:
    """Return why a raw record became no document, from its row in the rejects table."""
    place = f"{_text(reject.get('file'))}, record {reject.get('record')}"
    lines = [
        f"record of {_text(reject.get('source'))}: {place}",
        *_line("key", reject.get("key")),
        "",
        f"REJECTED at {_text(reject.get('stage')) or 'extract'}: {words(_text(reject.get('reason')))}"
        f" ({_REJECTS.get(str(reject.get('kind')), _text(reject.get('kind')))})",
    ]
    if reject.get("detail"):
        lines.append(f"  {_text(reject['detail'])}")
    return "\n".join(lines)


def explain_missing(prefix: str, documents: int) -> str:
    """Return what to say when no document's id begins with ``prefix``."""
    return (
        f"No document's id begins with {_text(prefix)!r}; {count(documents)} documents were searched. Ids"
        " are hexadecimal, as in meta.doc_id of the shards. A raw record that became no document has no id:"
        " look in the rejects table, by file and record."
    )


def explain_many(prefix: str, found: Sequence[Row], more: bool = False) -> str:
    """Return what to say when several ids begin with ``prefix``: the first of them, to choose from."""
    some = f"{'More than ' if more else ''}{len(found)} documents' ids begin with {_text(prefix)!r}"
    lines = [f"{some}; give more digits:"]
    lines += [f"  {_hex(row['doc_id'])}  {_text(row['source'])}  {_name(row)}" for row in found]
    return "\n".join(lines)


def _identity(row: Row) -> list[str]:
    language = _text(row.get("language"))
    score = row.get("language_score")
    measures = [
        f"language {language} ({score:.2f})" if language and score is not None else "",
        f"{count(row['words'])} words" if row.get("words") is not None else "",
        size(row["text_bytes"]) if row.get("text_bytes") is not None else "",
    ]
    place = f"{_text(row.get('file'))}, record {row.get('record')}" if row.get("file") else ""
    licence = ", consent ".join(_text(row[k]) for k in ("licence", "consent") if row.get(k))
    return [
        f"document {_hex(row['doc_id'])}",
        *_line("source", ", ".join(f"{row[k]} {t}".strip() for k, t in _PLACE if row.get(k))),
        *_line("title", row.get("title")),
        *_line("url", row.get("url")),
        *_line("key", row.get("key")),
        *_line("read from", place),
        *_line("licence", licence),
        *_line("measured", ", ".join(part for part in measures if part)),
        *_line("extractor", row.get("extractor")),
    ]


def _verdict(
    ledger: Row | None, twin: Row | None, failed: Sequence[str], shards: Sequence[str], edits: Sequence[Row]
) -> list[str]:
    if ledger is None:
        return ["UNDECIDED: the stage select has not run; run the recipe to its end."]
    if ledger["kept"]:
        lines = ["KEPT: it passed every rule, and it repeats no document that comes before it."]
        return lines + [f"  in {path}" for path in shards] + _cuts(ledger, edits)
    stage, reason = _text(ledger.get("stage")), _text(ledger.get("reason"))
    if stage == "edits":
        return [
            f"DROPPED at edits: {words(reason)}; earlier documents of the source have what it says",
            f"  measured {_text(ledger.get('measured'))}, threshold {_text(ledger.get('threshold'))}",
        ]
    if ledger.get("twin") is None:
        lines = [f"DROPPED at {stage}: rule {reason}"]
        lines.append(
            f"  measured {_text(ledger.get('measured')) or 'nothing'}, threshold"
            f" {_text(ledger.get('threshold')) or 'none'}"
        )
        others = [rule for rule in failed if rule != reason]
        if others:
            lines.append(f"  it also failed: {', '.join(map(_text, others))}")
        return lines
    similarity = ledger.get("jaccard")
    unverified = "unverified" in reason
    how = _HOW.get(reason.removesuffix("_duplicate"), "nearly the text of")
    lines = [f"DROPPED at {stage}: {words(reason)}, {how} a document that was kept"]
    if unverified:
        lines.append("  UNVERIFIED: their signatures alone say so; the exact similarity was not computed")
    if twin is None:
        lines.append(f"  kept: {_hex(ledger['twin'])}")
    else:
        lines.append(f"  kept: {_hex(ledger['twin'])}  {_text(twin['source'])}  {_name(twin)}")
    if similarity is not None:
        what = "Estimated Jaccard similarity" if unverified else "Jaccard similarity"
        lines.append(f"  {what} of their word shingles: {similarity:.4f}")
    if twin is not None and twin.get("kept") is False:
        lines.append(
            f"  it was dropped later, at {_text(twin.get('stage'))}: what it says stands elsewhere in the source"
        )
    if ledger.get("cross_split"):
        where = f" ({_text(twin.get('split'))})" if twin is not None else ""
        lines.append(f"  the kept document is in another split{where}: left in, it would have leaked")
    return lines


def _cuts(ledger: Row, edits: Sequence[Row]) -> list[str]:
    number = ledger.get("edits") or 0
    if not number:
        return []
    what = f"{count(number)} edit{'s' if number != 1 else ''} took {size(ledger.get('removed_bytes') or 0)} from it"
    lines = [f"  {what}; in code points of the extracted text:"]
    lines += [
        f"    {words(_text(row['kind']))}: characters {count(row['start'])} to {count(row['end'])}"
        for row in edits[:_CUTS]
    ]
    return lines + ([f"    ... and {count(len(edits) - _CUTS)} more"] if len(edits) > _CUTS else [])


def _line(name: str, value: Any) -> list[str]:
    return [f"  {name:<10}{_text(value)}"] if value not in (None, "") else []


def _name(row: Row) -> str:
    return _text(row.get("title") or row.get("url") or row.get("key"))


def _text(value: Any) -> str:
    """Return a value on one line, safe for a terminal."""
    return " ".join(visible(str(value)).split()) if value is not None else ""


def _hex(value: bytes | str) -> str:
    return value.hex() if isinstance(value, bytes) else value
