"""Documentation trees: which files count, licences, titles, archives and damage."""

from pile_curate.demo.books_dump import tar
from tests.source_harness import extract

BOOST = b"Boost Software License - Version 1.0 - August 17th, 2003\n"


def run(tmp_path, files, **options):
    for name, body in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body if isinstance(body, bytes) else body.encode())
    found = extract("docs", tmp_path, ["."], options)
    assert found.records == found.tally.records
    return found


def test_kinds_of_files(tmp_path):
    files = {
        "a.md": "# A",
        "b.rst": "B\n==",
        "c.mdx": "<X/>\n\nC",
        "d.txt": "t",
        "e.py": "x",
        "node_modules/f.md": "# F",
        "LICENSE": BOOST,
    }
    found = run(tmp_path, files)
    assert {d.key: d.title for d in found.documents} == {"a.md": "A", "b.rst": "B", "c.mdx": "c.mdx"}
    assert found.reasons == {"not_docs": 2, "vendored": 1, "licence_file": 1}
    assert sorted(run(tmp_path, {}, formats=["rst"]).keys()) == ["b.rst"]


def test_licences(tmp_path):
    files = {
        "LICENSE": BOOST,
        "a.md": "# A",
        "b.md": "---\nlicense: https://creativecommons.org/licenses/by/4.0/\n---\n# B",
        "c.rst": ".. SPDX-License-Identifier: MIT\n\nC",
        "d.md": "---\nlicense: as you like\n---\n# D",
        "sub/COPYING": b"terms that nobody knows",
        "sub/e.md": "# E",
    }
    found = {d.key: d for d in run(tmp_path, files).documents}
    assert {key: d.licence for key, d in found.items()} == {
        "a.md": "BSL-1.0", "b.md": "CC-BY-4.0", "c.rst": "MIT", "d.md": "BSL-1.0", "sub/e.md": None,
    }  # fmt: skip
    assert (
        found["d.md"].meta["licence_claimed"] == "as you like" and found["a.md"].meta["licence_from"] == "."
    )


def test_titles_and_front_matter(tmp_path):
    files = {"a.md": "---\ntitle: T\nauthor: N\n---\n## Sub\nx", "b.md": "---\ntitle: T\n---\n# T\nx"}
    found = {d.key: d for d in run(tmp_path, files).documents}
    assert found["a.md"].text == "# T\n\n## Sub\n\nx" and found["a.md"].meta["authors"] == ["N"]
    assert found["b.md"].text == "# T\n\nx"


def test_plain(tmp_path):
    found = run(tmp_path, {"a.md": "# A *b*\n\n[c](d)", "b.rst": "A\n==\n\n``b`` *c*"}, markup="plain")
    assert [d.text for d in found.documents] == ["A b\n\nc", "A\n\nb c"]


def test_an_archive_whose_licence_comes_last(tmp_path):
    data = tar(
        {"p/a.md": b"# A", "p/LICENSE": BOOST, "../b.md": b"# B", "p/c.tar": b"x", "p/d.md": b"# D" * 10}
    )
    found = run(tmp_path, {"p.tar": data, "cut.tar": data[:700]}, max_file_bytes=20)
    assert [(d.key, d.licence) for d in found.documents] == [
        ("cut.tar!p/a.md", None),
        ("p.tar!p/a.md", "BSL-1.0"),
    ] or [d.key for d in found.documents] == ["p.tar!p/a.md"]
    assert (
        found.reasons["unsafe_path"] == 1
        and found.reasons["too_large"] == 1
        and found.reasons["corrupt_file"] == 1
    )


def test_bytes_that_are_no_text(tmp_path):
    found = run(
        tmp_path,
        {
            "a.md": b"\0\1",
            "b.md": "潮の高さを計算する".encode("shift_jis"),
            "c.md": b"",
            "d.md": "<!-- -->",
            "t.rst": "{% if a %}\nx\n{% endif %}\n" * 2,
            "e.md": "é".encode("cp1252"),
        },
    )
    assert found.reasons == {"binary": 1, "undecodable": 1, "empty": 1, "no_text": 1, "template": 1}
    assert found.documents[0].meta["encoding"] == "cp1252"
