"""List the names that wikitext gives a meaning to: namespaces, languages, other wikis, end matter.

A dump's own ``siteinfo`` names its namespaces in its own language, but not their aliases (``Bild:`` beside
``Datei:``), and editors copy English names everywhere; so these lists hold for every wiki and
``Wiki.of_siteinfo`` adds what the dump says. Sources: MediaWiki's ``languages/messages`` (namespace aliases)
and the section titles of the larger Wikipedias' manuals of style.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


def names(text: str) -> frozenset[str]:
    """Split at white space; an underscore stands for a space within a name."""
    return frozenset(name.replace("_", " ") for name in text.split())


FILE_NAMES = names(
    "file image media datei bild fichier archivo imagen immagine ficheiro arquivo imagem файл изображение зображення "
    "plik grafika bestand afbeelding fil tiedosto kuva soubor súbor fájl kép slika датотека слика αρχείο εικόνα "
    "dosya resim קובץ תמונה ملف صورة پرونده تصویر ファイル 画像 파일 그림 文件 檔案 档案 图像 圖像 चित्र ছবি ไฟล์ ภาพ "
    "tập_tin hình berkas gambar fitxer imatge fitxategi irudi imaxe ficheru fișier imagine failas vaizdas attēls pilt "
    "dosiero skrá mynd պատկեր სურათი ფაილი fayl şəkil выява"
)
"""Namespace 6 (and Media, -2), lower case."""

CATEGORY_NAMES = names(
    "category kategorie catégorie categoría categoria категория categorie kategoria kategori luokka kategória "
    "kategorija категорија κατηγορία קטגוריה تصنيف رده カテゴリ 분류 分类 分類 श्रेणी বিষয়শ্রেণী หมวดหมู่ "
    "категорія kateqoriya კატეგორია կատեգորիա flokkur kategooria катэгорыя санат thể_loại kategorio"
)
"""Namespace 14, lower case."""

LANGUAGES = names(
    "aa ab ace ady af ak als alt am ami an ang anp ar arc ary arz as ast atj av avk awa ay az azb ba ban "
    "bar bat-smg bbc bcl be be-tarask be-x-old bg bh bi bjn blk bm bn bo bpy br bs bug bxr ca cbk-zam cdo "
    "ce ceb ch cho chr chy ckb co cr crh cs csb cu cv cy da dag de dga din diq dsb dty dv dz ee el eml en "
    "eo es et eu ext fa fat ff fi fiu-vro fj fo fon fr frp frr fur fy ga gag gan gcr gd gl glk gn gom gor "
    "got gpe gsw gu guc gur guw gv ha hak haw he hi hif ho hr hsb ht hu hy hyw hz ia id ie ig ii ik ilo "
    "inh io is it iu ja jam jbo jv ka kaa kab kbd kbp kcg kg ki kj kk kl km kn ko koi kr krc ks ksh ku kv "
    "kw ky la lad lb lbe lez lfn lg li lij lld lmo ln lo lrc lt ltg lv lzh mad mai map-bms mdf mg mh mhr "
    "mi min mk ml mn mni mnw mo mr mrj ms mt mus mwl my myv mzn na nah nan nap nds nds-nl ne new ng nia "
    "nl nn no nov nqo nrm nso nv ny oc olo om or os pa pag pam pap pcd pcm pdc pfl pi pih pl pms pnb pnt "
    "ps pt pwn qu rm rmy rn ro roa-rup roa-tara ru rue rw sa sah sat sc scn sco sd se sg sh shi shn si "
    "simple sk skr sl sm smn sn so sq sr srn ss st stq su sv sw szl szy ta tay tcy te tet tg th ti tk tl "
    "tly tn to tpi tr trv ts tt tum tw ty tyv udm ug uk ur uz ve vec vep vi vls vo wa war wo wuu xal xh "
    "xmf yi yo yue za zea zgh zh zh-classical zh-min-nan zh-yue zu"
)
"""Wikipedias' language codes: a link that starts with one, and no colon before it, goes to the side bar."""

INTERWIKI = names(
    "w wikipedia wikt wiktionary s wikisource q wikiquote b wikibooks n wikinews v wikiversity voy "
    "wikivoyage d wikidata c commons m meta mw mediawikiwiki species wikispecies wmf foundation doi rfc "
    "pmid bugzilla google imdbname imdbtitle arxiv"
)
"""Prefixes of other wikis: shown without the prefix where a link has no label."""

BEHAVIOUR_SWITCHES = names(
    "NOTOC FORCETOC TOC NOEDITSECTION NEWSECTIONLINK NONEWSECTIONLINK NOGALLERY HIDDENCAT "
    "NOCONTENTCONVERT NOCC NOTITLECONVERT NOTC START END INDEX NOINDEX STATICREDIRECT NOGLOBAL DISAMBIG "
    "EXPECTUNUSEDCATEGORY EXPECTUNUSEDTEMPLATE KEIN_INHALTSVERZEICHNIS INHALTSVERZEICHNIS_ERZWINGEN "
    "INHALTSVERZEICHNIS ABSCHNITTE_NICHT_BEARBEITEN AUCUNSOMMAIRE SOMMAIRE FORCERSOMMAIRE TDC NOTDC "
    "FORZARTDC INDICE NOINDICE БЕЗОГЛАВЛЕНИЯ БЕЗ_ОГЛ ОГЛАВЛЕНИЕ ОГЛ БЕЗОГЛ SPIS BEZSPISU GEENINHOUD "
    "INHOUD 目次非表示 目次強制 目次"
)

END_MATTER = frozenset(
    {
        # en
        "references", "external links", "external link", "see also", "further reading", "footnotes", "citations",
        "notes and references", "references and notes", "footnotes and references", "works cited", "references and sources",
        "sources and references", "references and further reading", "further reading and external links", "general references",
        "external links and references", "references and external links", "bibliography and references", "weblinks",
        "image gallery", "gallery", "related links", "inline citations", "references and footnotes",
        # de, nl
        "einzelnachweise", "siehe auch", "einzelnachweise und anmerkungen", "literatur und weblinks",
        "referenties", "externe links", "externe link", "zie ook", 
        # fr
        "références", "liens externes", "lien externe", "voir aussi", "notes et références", "articles connexes",
        "annexes", "liens et références",
        # es, pt, it, ca, gl
        "referencias", "enlaces externos", "véase también", "notas y referencias", "referências", "ligações externas",
        "ver também", "notas e referências", "collegamenti esterni", "voci correlate", "altri progetti", "referències",
        "enllaços externs", "vegeu també", "véxase tamén", "ligazóns externas",
        # ru, uk, pl, cs
        "примечания", "ссылки", "см. также", "посилання", "примітки", "див. також", "przypisy", "linki zewnętrzne",
        "zobacz też", "externí odkazy", "související články", "poznámky",
        # sv, da, no, fi, hu, ro, tr, vi, id
        "referenser", "externa länkar", "se även", "referencer", "eksterne henvisninger", "se også", "referanser",
        "eksterne lenker", "lähteet", "aiheesta muualla", "katso myös", "források", "jegyzetek", "további információk",
        "legături externe", "vezi și", "kaynakça", "dış bağlantılar", "ayrıca bakınız", "tham khảo",
        "liên kết ngoài", "xem thêm", "referensi", "pranala luar", "lihat pula",
        # ja, zh, ko, ar, fa, he, hi
        "脚注", "出典", "外部リンク", "関連項目", "参考資料", "外部链接", "外部連結", "参见", "參見", "注释", "參考資料", "参考来源",
        "각주", "외부 링크", "같이 보기", "المراجع", "مراجع", "وصلات خارجية", "انظر أيضا", "انظر أيضًا", "منابع", "پانویس",
        "پیوند به بیرون", "جستارهای وابسته", "הערות שוליים", "קישורים חיצוניים", "ראו גם", "सन्दर्भ", "बाहरी कड़ियाँ", "इन्हें भी देखें",
    }
)  # fmt: skip
"""Titles of sections that hold references and links only, lower case: dropped with their subsections."""

LISTS_OF_WORKS = frozenset(
    {
        "notes", "sources", "bibliography", "selected bibliography", "primary sources", "secondary sources", "literature",
        "footnotes and sources", "literature cited", "sources and further reading",
        "literatur", "quellen", "anmerkungen", "literatuur", "bronnen", "noten",
        "bibliographie", "sources et bibliographie", "bibliografía", "notas", "fuentes", "bibliografia", "note", "fonti", "fontes",
        "литература", "источники", "література", "джерела", "literatura", "reference",
        "litteratur", "källor", "kilder", "noter", "kirjallisuutta", "irodalom", "kaynaklar", "参考文献", "注釈", "參考文獻",
        "참고 문헌", "ביבליוגרפיה",
    }
)  # fmt: skip
"""Titles that name a list in one article and prose in another: dropped only where they hold no prose."""

DISAMBIGUATION = names(
    "disambiguation disambig dab hndis geodis hospitaldis mathdab roaddis schooldis shipindex numberdis letterdis "
    "letter_disambig letter-number_combination_disambiguation airport_disambiguation human_name_disambiguation "
    "place_name_disambiguation disambiguation_cleanup disamb disam letter-numbercombdisambig begriffsklärung homonymie "
    "patronymie toponymie desambiguación desambiguacion disambigua desambiguação desambig dp doorverwijspagina "
    "неоднозначность многозначность багатозначність ujednoznacznienie rozcestník förgrening grensida flertydig "
    "pekerside täsmennyssivu egyért dezambiguizare anlam_ayrımı trang_định_hướng định_hướng aimai 曖昧さ回避 "
    "消歧義 消歧义 동음이의 توضيح ابهام‌زدایی פירושונים बहुविकल्पी 地名の曖昧さ回避 人名の曖昧さ回避 "
    "駅の曖昧さ回避 同名の人物 人名消歧义 人名消歧義 地名消歧义 地名消歧義 消歧義頁 消歧义页 동명이인 صفحة_توضيح"
)
"""Templates that mark a page as a list of meanings, lower case."""

DISAMBIGUATION_TITLES = tuple(
    f" ({word})"
    for word in names(
        "disambiguation 曖昧さ回避 消歧义 消歧義 동음이의 توضيح ابهام‌زدایی פירושונים значения значення begriffsklärung homonymie "
        "desambiguación desambiguação disambigua doorverwijspagina ujednoznacznienie rozcestník olika_betydelser"
    )
)
"""How titles of such pages end, lower case."""

REDIRECTS = names(
    "redirect weiterleitung redirection redirección redireccion redirecionamento rinvia перенаправление "
    "перенапр doorverwijzing patrz przekieruj tam přesměruj omdirigering omdiriger ohjaus uudelleenohjaus "
    "átirányítás yönlendirme đổi 転送 リダイレクト 넘겨주기 重定向 تحويل تغییرمسیر הפניה"
)

LANGUAGE_LABELS: Mapping[str, str] = {
    "ang": "Old English", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali",
    "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "ga": "Irish",
    "gd": "Scottish Gaelic", "gl": "Galician", "grc": "Ancient Greek", "grc-gre": "Ancient Greek", "gr": "Greek",
    "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian",
    "id": "Indonesian", "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh",
    "ko": "Korean", "ku": "Kurdish", "la": "Latin", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian",
    "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi", "ms": "Malay", "mt": "Maltese", "ne": "Nepali", "nl": "Dutch",
    "no": "Norwegian", "non": "Old Norse", "pa": "Punjabi", "pl": "Polish", "ps": "Pashto", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sa": "Sanskrit", "sk": "Slovak", "sl": "Slovene", "sq": "Albanian",
    "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "syr": "Syriac", "ta": "Tamil", "te": "Telugu", "th": "Thai",
    "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "yi": "Yiddish", "zh": "Chinese",
}  # fmt: skip
"""What the English Wikipedia's ``{{lang-xx}}`` writes before the word."""


@dataclass(frozen=True, slots=True)
class Wiki:
    """What one wiki's settings change in its markup: its language and the names of its namespaces."""

    language: str = "en"
    files: frozenset[str] = FILE_NAMES
    categories: frozenset[str] = CATEGORY_NAMES

    @classmethod
    def of_siteinfo(cls, language: str, namespaces: Mapping[int, str]) -> Wiki:
        """Build it from a dump's ``xml:lang`` and the namespace names in its ``siteinfo``."""
        files = {namespaces[key].lower() for key in (-2, 6) if namespaces.get(key)}
        categories = {namespaces[14].lower()} if namespaces.get(14) else set()
        return cls(language or "en", FILE_NAMES | files, CATEGORY_NAMES | categories)
