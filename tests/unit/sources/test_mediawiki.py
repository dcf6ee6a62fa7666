"""MediaWiki dumps: what becomes a document, and that cutting a file changes nothing."""

from __future__ import annotations

import bz2
import gzip
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pile_curate.files import Tally
from pile_curate.sources.base import Document, Outcome, Raw, Reject, Split
from pile_curate.sources.mediawiki import MediaWikiOptions, MediaWikiSource, page_url, siteinfo

HEAD = """<mediawiki version="0.11" xml:lang="en">
  <siteinfo>
    <dbname>testwiki</dbname>
    <base>https://test.example/wiki/Main_Page</base>
    <namespaces><namespace key="6" case="first-letter">Pic &amp; Co</namespace></namespaces>
  </siteinfo>
"""
SAMPLES = os.environ.get("PILE_CURATE_SAMPLES", "")
FORMAT = MediaWikiSource()


def page(number: int, text: str = "Some text.", *, title: str = "", ns: str = "0", extra: str = "") -> str:
    return (
        f"<page><title>{title or f'Page {number}'}</title><ns>{ns}</ns><id>{number}</id>{extra}"
        f"<revision><id>{number}0</id><timestamp>2024-01-01T00:00:00Z</timestamp>"
        f'<text xml:space="preserve">{text}</text></revision></page>\n'
    )


def run(root: Path, target: int = 1 << 28, **options: Any) -> tuple[list[Document], list[Reject], Tally]:
    chosen = MediaWikiOptions(**options)
    tally = Tally()
    outcomes: list[Outcome] = []
    for split in FORMAT.splits(FORMAT.discover(str(root), ["."], chosen), chosen, target):
        for framed in FORMAT.frames(split, chosen, tally):
            outcomes += FORMAT.parse(framed, chosen) if isinstance(framed, Raw) else [framed]
    assert sum(o.records for o in outcomes) == tally.records
    return (
        [o for o in outcomes if isinstance(o, Document)],
        [o for o in outcomes if isinstance(o, Reject)],
        tally,
    )


def one(tmp_path: Path, body: str, **options: Any) -> Document | Reject:
    (tmp_path / "dump.xml").write_text(HEAD + body + "</mediawiki>", "utf-8")
    documents, rejects, _ = run(tmp_path, **options)
    assert len(documents) + len(rejects) == 1, (documents, rejects)
    return (documents or rejects)[0]  # type: ignore[return-value]


def test_a_page(tmp_path: Path) -> None:
    document = one(
        tmp_path, page(7, "The '''sea'''.[[Pic &amp;amp; Co:x.jpg|thumb|y]]", title="The A &amp; B?")
    )
    assert isinstance(document, Document)
    assert (document.key, document.title, document.licence) == ("testwiki/7", "The A & B?", None)
    assert document.url == "https://test.example/wiki/The_A_%26_B%3F"
    assert document.text.startswith("The A & B?\n\nThe sea.")
    assert document.meta["revision"] == 70 and document.raw_bytes > 100


def test_title_can_be_left_out(tmp_path: Path) -> None:
    document = one(tmp_path, page(7, "The sea."), title=False)
    assert isinstance(document, Document) and document.text == "The sea."


REJECTED = {
    "redirect": page(1, "x", extra='<redirect title="Y" />'),
    "redirect by text": page(1, "#REDIRECT [[Y]]"),
    "namespace": page(1, ns="1"),
    "disambiguation": page(1, "A or B {{disambiguation}}"),
    "empty_page": page(1, " \n"),
    "empty_page without prose": page(1, "{{Infobox|a=b}}"),
    "content_model": page(1).replace("<timestamp>", "<model>json</model><timestamp>"),
    "xml_error by entity": page(1, "&lol;"),
    "xml_error by nesting": page(1, "<b>"),
    "xml_error by encoding": page(1, "SURROGATE"),
    "no_page_id": page(1).replace("<id>1</id>", "", 1),
    "empty_page without revision": "<page><title>A</title><ns>0</ns><id>1</id></page>",
}


@pytest.mark.parametrize("case", REJECTED)
def test_rejected_with_a_reason(case: str, tmp_path: Path) -> None:
    reason = case.split(" ")[0]
    path = tmp_path / "dump.xml"
    path.write_bytes(
        (HEAD + REJECTED[case] + "</mediawiki>").encode().replace(b"SURROGATE", b"\xed\xa0\x80\xff")
    )
    documents, rejects, _ = run(tmp_path)
    assert documents == [] and [r.reason for r in rejects] == [reason]
    assert rejects[0].kind == ("error" if reason in ("xml_error", "no_page_id") else "policy")


def test_what_may_be_kept(tmp_path: Path) -> None:
    assert isinstance(one(tmp_path, REJECTED["disambiguation"], disambiguation="keep"), Document)
    assert isinstance(one(tmp_path, REJECTED["namespace"], namespaces=[0, 1]), Document)


def test_the_latest_revision_counts(tmp_path: Path) -> None:
    def revision(number: int, time: str, text: str) -> str:
        return f"<revision><id>{number}</id><timestamp>{time}</timestamp><text>{text}</text></revision>"

    revisions = (
        revision(3, "2024-02-01", "newest")
        + revision(9, "2024-01-01", "older")
        + revision(2, "2024-02-01", "no")
    )
    document = one(tmp_path, f"<page><title>A</title><ns>0</ns><id>1</id>{revisions}</page>", title=False)
    assert isinstance(document, Document) and document.text == "newest"


def test_a_dump_without_siteinfo_needs_a_name(tmp_path: Path) -> None:
    (tmp_path / "d.xml").write_text("<mediawiki>" + page(1) + "</mediawiki>")
    assert [r.reason for r in run(tmp_path)[1]] == ["no_wiki"]
    documents, _, _ = run(tmp_path, wiki="mine", base_url="https://x.example/")
    assert (documents[0].key, documents[0].url) == ("mine/1", "https://x.example/Page_1")


def test_siteinfo_and_urls() -> None:
    info = siteinfo(HEAD.encode() + b"<page><dbname>no</dbname>")
    assert (info["wiki"], info["file"], info["category"], info["language"]) == (
        "testwiki",
        "Pic & Co",
        "",
        "en",
    )
    assert siteinfo(b"\xff\x00")["wiki"] == ""
    assert (
        page_url("https://x.example/w/index.php?title=Main_Page", "A b")
        == "https://x.example/w/index.php?title=A_b"
    )
    assert page_url("", "A") == ""


def dump(count: int) -> list[str]:
    return [page(n, f"Text of page {n}. " * (n % 5 + 1)) for n in range(1, count + 1)]


def known(documents: list[Document]) -> list[tuple[str, int, str]]:
    return sorted((d.key, d.record, d.text) for d in documents)


def test_a_plain_file_in_ranges_gives_what_it_gives_whole(tmp_path: Path) -> None:
    (tmp_path / "d.xml").write_text(HEAD + "".join(dump(60)) + "</mediawiki>")
    whole, _, _ = run(tmp_path)
    size = (tmp_path / "d.xml").stat().st_size
    for target in (100, 333, 1000, 5000, size // 2):
        parts, rejects, tally = run(tmp_path, target)
        assert known(parts) == known(whole) and rejects == []
        assert len(tally.files) > 1 and sum(f.bytes for f in tally.files) == size
        assert all(f.complete for f in tally.files)


def test_multistream_bzip2_is_cut_at_streams(tmp_path: Path) -> None:
    pages = dump(60)
    streams = [HEAD, *("".join(pages[at : at + 10]) for at in range(0, 60, 10)), "</mediawiki>"]
    (tmp_path / "d.xml.bz2").write_bytes(b"".join(bz2.compress(s.encode()) for s in streams))
    whole, _, _ = run(tmp_path)
    assert len(whole) == 60
    for target in (100, 300, 700):
        parts, rejects, tally = run(tmp_path, target)
        assert known(parts) == known(whole) and rejects == [] and len(tally.files) > 1
        assert parts[-1].url.startswith("https://test.example/"), "a later split needs the head, too"


def test_bzip2_whose_streams_begin_anywhere_is_read_whole(tmp_path: Path) -> None:
    data = (HEAD + "".join(dump(60)) + "</mediawiki>").encode()
    cuts = [bz2.compress(data[at : at + 997]) for at in range(0, len(data), 997)]
    (tmp_path / "d.xml.bz2").write_bytes(b"".join(cuts))
    documents, rejects, tally = run(tmp_path, 200)
    assert len(documents) == 60 and rejects == [] and len(tally.files) == 1
    assert len({d.record for d in documents}) == 60


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, bz2.compress])
def test_compressed_files(pack: Any, tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(pack((HEAD + "".join(dump(5)) + "</mediawiki>").encode()))
    documents, rejects, _ = run(tmp_path, 50)
    assert len(documents) == 5 and rejects == []


def test_small_files_share_a_split(tmp_path: Path) -> None:
    for name in "cab":
        (tmp_path / f"{name}.xml").write_text(HEAD + page(ord(name)) + "</mediawiki>")
    options = MediaWikiOptions()
    splits = FORMAT.splits(FORMAT.discover(str(tmp_path), ["."], options), options)
    assert [[f.rel for f in s.files] for s in splits] == [["a.xml", "b.xml", "c.xml"]]


def test_damage_is_reported_and_what_precedes_it_is_kept(tmp_path: Path) -> None:
    whole = bz2.compress((HEAD + "".join(dump(2000)) + "</mediawiki>").encode())
    (tmp_path / "d.xml.bz2").write_bytes(whole[: len(whole) // 2])
    documents, rejects, tally = run(tmp_path)
    assert rejects[-1].reason == "corrupt_file" and "truncated" in rejects[-1].detail
    assert not tally.files[0].complete and len(documents) < 2000


def test_a_file_cut_between_pages_is_not_silently_shorter(tmp_path: Path) -> None:
    (tmp_path / "d.xml").write_text(HEAD + page(1))
    documents, rejects, _ = run(tmp_path)
    assert len(documents) == 1
    assert [(r.reason, r.kind, r.records) for r in rejects] == [("corrupt_file", "error", 0)]
    assert "</mediawiki>" in rejects[0].detail


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "d.xml").write_bytes(b"")
    assert [(r.reason, r.records) for r in run(tmp_path)[1]] == [("empty_file", 0)]


def test_a_page_that_never_ends_costs_itself_only(tmp_path: Path) -> None:
    (tmp_path / "d.xml").write_text(HEAD + "<page><title>A</title>" + page(2) + "</mediawiki>")
    documents, rejects, _ = run(tmp_path)
    assert [d.key for d in documents] == ["testwiki/2"] and [r.reason for r in rejects] == ["unclosed_record"]


@pytest.mark.skipif(not SAMPLES, reason="PILE_CURATE_SAMPLES is not set")
def test_the_sample_dump() -> None:
    documents, rejects, _ = run(Path(SAMPLES) / "wikipedia")
    assert Counter(r.reason for r in rejects) == {"redirect": 99, "disambiguation": 8, "namespace": 1}
    assert len(documents) == 98
    text = "\n".join(d.text for d in documents)
    words = len(text.split())
    import re

    prose = re.sub(r"\$[^$\n]*\$|```.*?```", "", text, flags=re.S)  # formulas and code may hold braces
    markup = re.findall(
        r"\{\{|\}\}|\[\[|\]\]|''+|</?(?:ref|br|su[bp]|div|span|small|t[rdh]|li|code)\b|^[=|!][^\n]*$|\|\||&\w+;"
        r"|(?:style|align|rowspan)=|\bthumb\||(?:File|Image|Category):\w|\(\s*[;,]|[;,]\s*\)|[\x01-\x08]",
        prose,
        flags=re.M,
    )
    assert 1000 * len(markup) / words <= 0.1, Counter(markup)


def test_splits_keep_their_shape() -> None:
    assert FORMAT.splits([], MediaWikiOptions()) == []
    assert Split(()).size == 0


LANGUAGES = {
    "ja": (
        {6: "ファイル", 14: "Category"},
        "'''港'''（みなと）は[[船]]の場所。\n[[ファイル:P.jpg|サムネイル|右|[[港]]の写真]]\n[[画像:P.jpg|thumb|古い]]\n\n== 歴史 ==\n古い。\n\n"
        "== 脚注 ==\n{{Reflist}}\n\n== 関連項目 ==\n* [[船]]\n[[カテゴリ:港]]\n[[en:Port]]",
        "港（みなと）は船の場所。\n\n歴史\n\n古い。",
        "#転送 [[港]]",
        "{{地名の曖昧さ回避}}\n* [[港]]",
    ),
    "ar": (
        {6: "ملف", 14: "تصنيف"},
        "'''الميناء''' مكان [[سفينة|السفن]].\n[[ملف:P.jpg|تصغير|يسار|صورة]]\n[[صورة:B.jpg|قديمة]]\n\n== التاريخ ==\nقديم.\n\n"
        "== مراجع ==\n{{مراجع}}\n\n== وصلات خارجية ==\n* [http://x X]\n[[تصنيف:موانئ]]",
        "الميناء مكان السفن.\n\nالتاريخ\n\nقديم.",
        "#تحويل [[ميناء]]",
        "{{توضيح}}\n* [[ميناء]]",
    ),
    "ru": (
        {6: "Файл", 14: "Категория"},
        "'''Порт''' — место [[судно|судов]].\n[[Файл:P.jpg|мини|справа|Вид [[порт]]а]]\n[[Изображение:C.jpg|Старый]]\n\n== История ==\nДавно.\n\n"
        "== См. также ==\n* [[Гавань]]\n\n== Литература ==\n* Книга.\n[[Категория:Порты]]",
        "Порт — место судов.\n\nИстория\n\nДавно.",
        "#перенаправление [[Порт]]",
        "{{неоднозначность}}\n* [[Порт]]",
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_wikis_in_other_languages(tmp_path: Path, language: str) -> None:
    namespaces, article, expected, redirect, meanings = LANGUAGES[language]
    spaces = "".join(f'<namespace key="{key}">{name}</namespace>' for key, name in namespaces.items())
    head = HEAD.replace('xml:lang="en"', f'xml:lang="{language}"').replace("testwiki", f"{language}wiki")
    head = head[: head.index("<namespaces>")] + f"<namespaces>{spaces}</namespaces></siteinfo>\n"
    pages = page(1, article, title="A") + page(2, redirect, title="B") + page(3, meanings, title="C")
    (tmp_path / "a.xml").write_text(head + pages + "</mediawiki>", "utf-8")
    documents, rejects, _ = run(tmp_path, title=False)
    assert [(d.key, d.text, d.meta["language"]) for d in documents] == [
        (f"{language}wiki/1", expected, language)
    ]
    assert [reject.reason for reject in rejects] == ["redirect", "disambiguation"]


def test_titles_tell_lists_of_meanings_in_other_languages(tmp_path: Path) -> None:
    titles = [
        "港 (曖昧さ回避)",
        "Порт (значения)",
        "Hafen (Begriffsklärung)",
        "Port (homonymie)",
        "Port (ville)",
    ]
    body = "".join(page(n, "Text.", title=title) for n, title in enumerate(titles, 1))
    (tmp_path / "a.xml").write_text(HEAD + body + "</mediawiki>", "utf-8")
    documents, rejects, _ = run(tmp_path)
    assert [d.title for d in documents] == ["Port (ville)"] and {r.reason for r in rejects} == {
        "disambiguation"
    }
