"""Test the arXiv source: identifiers, inner archives, other formats, damage, the metadata snapshot."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from pile_curate.errors import InputError
from pile_curate.sources.arxiv import ArxivOptions, identifier
from pile_curate.sources.arxiv_metadata import Snapshot, licence_of, order, stated_licence
from pile_curate.sources.base import Document, Reject
from tests.source_harness import Extracted, extract

PAPER = b"\\documentclass{article}\\title{Tides}\\begin{document}\\maketitle Water rises. %s\\end{document}"


def tar(**files: bytes | tarfile.TarInfo) -> bytes:
    """Pack files; ``__`` in a name is a slash, ``_`` a dot; a TarInfo stands for itself."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            if isinstance(data, tarfile.TarInfo):
                archive.addfile(data)
                continue
            info = tarfile.TarInfo(name.replace("__", "/").replace("_", "."))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def run(tmp_path: Path, data: bytes, name: str = "2401.00001.gz", **options: object) -> Extracted:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(data)
    result = extract("arxiv", tmp_path, [name], options)
    assert result.records == result.tally.records
    return result


def one(tmp_path: Path, data: bytes, name: str = "2401.00001.gz", **options: object) -> Document:
    (document,) = run(tmp_path, data, name, **options).documents
    return document


def refused(tmp_path: Path, data: bytes, name: str = "2401.00001.gz", **options: object) -> Reject:
    result = run(tmp_path, data, name, **options)
    assert not result.documents
    return result.rejects[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("2401/2401.00001.gz", ("2401.00001", "2024-01", "")),
        ("0704/0704.0001.gz", ("0704.0001", "2007-04", "")),
        ("2401.12345v3.tar.gz", ("2401.12345", "2024-01", "3")),
        ("9901/hep-th9901001.gz", ("hep-th/9901001", "1999-01", "")),
        ("hep-th/9901001.tex", ("hep-th/9901001", "1999-01", "")),
        ("0003/math0003118.gz", ("math/0003118", "2000-03", "")),
        ("math.GT/0309136v1", ("math/0309136", "2003-09", "1")),
        ("2401/2401.00001.pdf", ("2401.00001", "2024-01", "")),
        ("notes/x2401.00001.gz", ("", "", "")),
        ("paper.tex", ("", "", "")),
    ],
)
def test_identifiers(name: str, expected: tuple[str, str, str]) -> None:
    assert identifier(name) == expected


def test_one_gzipped_file_and_an_inner_tar(tmp_path: Path) -> None:
    single = one(tmp_path, gzip.compress(PAPER % b""))
    assert (single.text, single.title, single.key) == ("Tides\n\nWater rises.", "Tides", "2401.00001")
    assert single.url == "https://arxiv.org/abs/2401.00001" and single.licence is None
    project = tar(main_tex=PAPER % b"\\input{a/b}", a__b_tex=b"Slowly.", fig_pdf=b"%PDF")
    got = one(tmp_path, gzip.compress(project))
    assert got.text.endswith("Water rises. Slowly.") and got.meta["used"] == ["main.tex", "a/b.tex"]
    assert one(tmp_path, gzip.compress(project), "2401.00002.tar.gz").key == "2401.00002"
    assert one(tmp_path, PAPER % b"", "loose/some.tex").key == "loose/some.tex"


def test_members_of_a_bulk_tar(tmp_path: Path) -> None:
    bulk = tar(
        **{
            "2401__2401_00001_gz": gzip.compress(PAPER % b""),
            "2401__2401_00002_pdf": b"%PDF-1.5",
            "2401__2401_00003_gz": gzip.compress(b"%PDF-1.5"),
            "2401__2401_00004_gz": gzip.compress(b"<!DOCTYPE html><html>"),
            "2401__2401_00005_gz": gzip.compress(tar(fig_ps=b"%!PS", a_eps=b"%!PS")),
        }
    )
    result = run(tmp_path, bulk, "arXiv_src_2401_001.tar")
    assert [d.key for d in result.documents] == ["2401.00001"]
    reasons = {r.key: (r.reason, r.kind) for r in result.rejects}
    assert reasons == {
        "2401.00002": ("pdf_only", "policy"),
        "2401.00003": ("pdf_only", "policy"),
        "2401.00004": ("html_only", "policy"),
        "2401.00005": ("postscript_only", "policy"),
    }


def test_what_is_no_paper(tmp_path: Path) -> None:
    def reason(data: bytes, **options: object) -> tuple[str, str]:
        got = refused(tmp_path, data, **options)
        return got.reason, got.kind

    def packed(**files: bytes) -> bytes:
        return gzip.compress(tar(**files))

    assert reason(gzip.compress(b"%auto-ignore\nThis paper has been withdrawn.")) == ("withdrawn", "policy")
    assert reason(gzip.compress(PAPER % b"")[:-20])[1] == "error"
    assert reason(gzip.compress(b"\0\1\2" * 500)) == ("corrupt", "error")
    assert reason(packed(fig_png=b"\x89PNG", README=b"hi")) == ("no_tex", "policy")
    assert reason(packed(a_tex=b"\\documentclass{article}\\begin{document}\\end{document}")) == (
        "no_text",
        "policy",
    )
    assert (
        reason(gzip.compress(b"\\def\\a{\\b\\b}" + b"x" * 5000), max_file_bytes=2000)[0] == "record_too_large"
    )
    assert reason(gzip.compress(bytes(3_000_000)), max_file_bytes=1_000_000) == ("record_too_large", "error")
    nested = gzip.compress(gzip.compress(PAPER % b""))
    assert run(tmp_path, nested).records == 1


def test_hostile_members_are_left_out(tmp_path: Path) -> None:
    link = tarfile.TarInfo("b.tex")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    project = tar(a_tex=PAPER % b"\\input{b}\\input{../c}\\input{/etc/passwd}", b=link)
    info = tarfile.TarInfo("../c.tex")
    info.size = 4
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(info, io.BytesIO(b"evil"))
    got = one(tmp_path, gzip.compress(project))
    assert got.text == "Tides\n\nWater rises."
    assert refused(tmp_path, gzip.compress(buffer.getvalue())).reason == "no_tex"


def test_a_torn_inner_archive_gives_what_it_holds(tmp_path: Path) -> None:
    project = tar(main_tex=PAPER % b"", rest_tex=b"x" * 3000)
    got = one(tmp_path, gzip.compress(project[:2500]))
    assert got.text == "Tides\n\nWater rises." and got.meta["damage"]
    assert refused(tmp_path, gzip.compress(project[:540])).kind == "error"


def snapshot(path: Path, ids: list[str]) -> Path:
    lines = [
        {
            "id": one,
            "title": f"Title of\n {one}",
            "authors_parsed": [["Keeper", "A.", ""], ["Writer", "B.", "Jr."]],
            "categories": "math.CA physics.ao-ph",
            "license": "http://creativecommons.org/licenses/by/4.0/",
            "abstract": "long " * 200,
            "update_date": "2024-01-02",
        }
        for one in ids
    ]
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    return path


def test_finds_every_paper_in_the_snapshot(tmp_path: Path) -> None:
    ids = sorted(
        [f"24{m:02}.{n:05}" for m in range(1, 13) for n in range(1, 60)] + ["hep-th/9901001", "math/0001"],
        key=order,
    )
    found = Snapshot(str(snapshot(tmp_path / "meta.json", ids)))
    for wanted in [*ids[::37], ids[0], ids[-1], ids[-2]]:
        assert found.find(wanted)["title"] == f"Title of {wanted}"
    for missing in ("0001.00001", "2401.99999", "zzz/1", ""):
        assert found.find(missing) == {}


def test_the_snapshot_gives_licence_authors_and_categories(tmp_path: Path) -> None:
    snapshot(tmp_path / "meta.json", ["2401.00001"])
    options = {"metadata": "meta.json", "require_metadata": True}
    got = one(tmp_path, gzip.compress(PAPER % b""), "src/2401.00001.gz", **options)
    assert got.licence == "CC-BY-4.0" and got.meta["authors"] == ["A. Keeper", "B. Writer Jr."]
    assert got.meta["categories"] == ["math.CA", "physics.ao-ph"] and got.title == "Tides"
    assert refused(tmp_path, gzip.compress(PAPER % b""), "2401.00009.gz", **options).reason == "no_metadata"
    with pytest.raises(InputError, match="metadata"):
        run(tmp_path, gzip.compress(PAPER % b""), metadata="missing.json")


def test_licences() -> None:
    assert licence_of("http://creativecommons.org/publicdomain/zero/1.0/") == "CC0-1.0"
    assert licence_of("http://creativecommons.org/licenses/by-nc-nd/4.0/") == "CC-BY-NC-ND-4.0"
    assert licence_of(None) is None and licence_of("https://example.org") is None
    assert stated_licence("%\\usepackage[modifier={by}]{doclicense}") is None
    assert (
        stated_licence("\\hypersetup{pdflicenseurl={http://creativecommons.org/licenses/by/4.0/}}")
        == "CC-BY-4.0"
    )
    assert stated_licence("This work is under a Creative Commons licence.") is None


def test_options() -> None:
    assert ArxivOptions().captions and not ArxivOptions().tables
