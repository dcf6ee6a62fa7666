"""The opt-out list: what an entry means, and that a bad line is never passed over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pile_curate.errors import InputError
from pile_curate.opt_out import load_opt_out, parse_opt_out

LIST = """# who asked to be left out
url https://www.example.org/diary/1?utm_source=x
domain\texample.net
id 000102030405060708090a0b0c0d0e0f
id wikipedia:enwiki/12

author  Jane Q.  DOE
"""
ID = bytes(range(16))


def match(doc_id: bytes = b"\xff" * 16, key: str = "k", url: str = "", authors: object = None) -> str:
    return parse_opt_out(LIST).match(doc_id, "wikipedia", key, url, json.dumps({"authors": authors}))


def test_each_kind_finds_its_documents_and_no_others() -> None:
    assert len(parse_opt_out(LIST)) == 5
    assert match(ID) == f"id {ID.hex()}"
    assert match(key="enwiki/12") == "id wikipedia:enwiki/12" and match(key="enwiki/1") == ""
    assert match(url="http://example.org/diary/1/") == "url example.org/diary/1"
    assert match(url="http://example.org/diary/2") == ""
    assert match(url="https://a.b.example.net:8080/x") == "domain example.net"
    assert match(url="https://notexample.net/") == match(url="https://example.net.org/") == ""
    assert match(authors=["Ann", "jane q. doe"]) == "author jane q. doe"
    assert match(authors=["Jane Doe"]) == match(authors=None) == match() == ""


def test_one_author_as_text_counts_as_well() -> None:
    listed = parse_opt_out("author ada")
    assert listed.match(ID, "s", "k", "", '{"author": "Ada"}') == "author Ada"
    assert listed.match(ID, "s", "k", "", "") == ""


def test_every_bad_line_is_named() -> None:
    bad = "domain example.org/path\nurl mailto:x\nid 12\nphone 5\nauthor\n"
    with pytest.raises(InputError, match="5 bad lines") as caught:
        parse_opt_out(bad, "list.txt")
    assert all(f"line {number}:" in str(caught.value) for number in range(1, 6))


def test_a_list_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot open .*none.txt"):
        load_opt_out(str(tmp_path / "none.txt"))
    (tmp_path / "latin.txt").write_bytes(b"author Zo\xeb\n")
    with pytest.raises(InputError, match="cannot be read"):
        load_opt_out(str(tmp_path / "latin.txt"))
