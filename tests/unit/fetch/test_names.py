"""URLs made regular, and names that cannot leave the folder or meet."""

import itertools
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate.fetch import names
from pile_curate.fetch.settings import Refused


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Example.ORG:80/a b", "http://example.org/a%20b"),
        ("https://example.org:443", "https://example.org/"),
        ("https://example.org:8443/x#frag", "https://example.org:8443/x"),
        ("https://example.org/caf\u00e9?q=\u00fc&r=%20", "https://example.org/caf%C3%A9?q=%C3%BC&r=%20"),
        ("https://b\u00fccher.example/", "https://xn--bcher-kva.example/"),
        ("http://[::1]:8080/a", "http://[::1]:8080/a"),
        ("https://e.org/a\r\nHost: x", "https://e.org/aHost:%20x"),
    ],
)
def test_normal(url, expected):
    assert names.normal(url) == expected == names.normal(expected)


@pytest.mark.parametrize(
    "url",
    ["ftp://h/a", "file:///etc/passwd", "/a", "", "http://", "http://u:p@h/", "http://u@h/", "http://h:99999/", "http://[::1/", "javascript:x"],
)  # fmt: skip
def test_refused(url):
    with pytest.raises(Refused):
        names.normal(url)


@pytest.mark.parametrize(
    ("url", "base", "path"),
    [
        ("http://h/a/b.gz", "", "b.gz"),
        ("http://h/", "", "index.html"),
        ("http://h/a/", "", "a"),
        ("http://h/x/..%2f..%2fetc%2fpasswd", "", "_._.._etc_passwd"),
        ("http://h/%2e%2e", "", "_."),
        ("http://h/.bashrc", "", "_bashrc"),
        ("http://h/-rf", "", "_rf"),
        ("http://h/a%00b%0a%1b[31m.txt", "", "a_b__[31m.txt"),
        ("http://h/%e2%80%aegpj.exe", "", "_gpj.exe"),
        ("http://h/%ff.txt", "", "%ff.txt"),
        ("http://h/get.php?f=../x.gz", "", "get.php_f=.._x.gz"),
        ("http://h/2023/01/%23ubuntu.txt", "http://h/", "2023/01/#ubuntu.txt"),
        ("http://h/d/2023/%2e%2e/x", "http://h/d/", "2023/_./x"),
        ("http://other/2023/x", "http://h/", "x"),
    ],
)
def test_local_path(url, base, path):
    assert names.local_path(url, base) == path


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.booleans())
def test_no_name_leaves_the_folder(text, deep):
    try:
        url = names.normal(f"http://h/{text}")
    except Refused:
        return
    path = names.local_path(url, "http://h/" if deep else "")
    assert path and not os.path.isabs(path) and os.path.normpath(path) == path
    for part in path.split("/"):
        assert part not in ("", ".", "..") and not part.startswith(".") and "\0" not in part
        assert len(part.encode()) <= 200


def test_colliding_names_are_settled_whatever_the_order():
    wanted = [("http://h/1/a.tar.gz", "a.tar.gz"), ("http://h/2/A.tar.gz", "A.tar.gz"), ("http://h/b", "b")]
    results = {frozenset(names.assign(order, {}).items()) for order in itertools.permutations(wanted)}
    assert len(results) == 1
    paths = dict(results.pop())
    assert (
        paths["http://h/b"] == "b"
        and paths["http://h/1/a.tar.gz"] == f"a~{names.digest8('http://h/1/a.tar.gz')}.tar.gz"
    )
    assert len({p.casefold() for p in paths.values()}) == 3


def test_names_that_are_taken_are_kept():
    owners = {"a.gz": "http://h/1/a.gz", "d/x": "http://h/x"}
    wanted = [
        ("http://h/2/a.gz", "a.gz"),
        ("http://h/1/a.gz", "a.gz"),
        ("http://h/d", "d"),
        ("http://h/f", "fetch.ledger"),
    ]
    paths = names.assign(wanted, owners)
    assert paths["http://h/1/a.gz"] == "a.gz" and paths["http://h/2/a.gz"].startswith("a~")
    assert paths["http://h/d"].startswith("d~"), "a file cannot have a folder's name"
    assert paths["http://h/f"].startswith("fetch~")
