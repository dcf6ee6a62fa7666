"""One page, one name: URLs that differ only in spelling meet, others do not."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pile_curate.urls import normalise_url, url_keys


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://example.org", "example.org"),
        ("https://www.Example.ORG./", "example.org"),
        ("HTTP://EXAMPLE.org:80/Path", "example.org/Path"),
        ("https://example.org:443/#top", "example.org"),
        ("https://example.org:8080/a", "example.org:8080/a"),
        ("//example.org/a", "example.org/a"),
        ("http://user:secret@example.org/a", "example.org/a"),
        ("  https://example.org/a\n", "example.org/a"),
        ("https://exa\nmple.org/a\tb", "example.org/ab"),
        ("https://www.com/", "www.com"),
        ("https://www.www.example.org", "example.org"),
        ("https://bücher.example/straße", "xn--bcher-kva.example/stra%C3%9Fe"),
        ("https://B%C3%BCcher.example/", "xn--bcher-kva.example"),
        ("http://[2001:DB8::1]:80/x", "[2001:db8::1]/x"),
        ("http://localhost/x", "localhost/x"),
        ("https://example.org/%7euser/%3a%2F", "example.org/~user/%3A%2F"),
        ("https://example.org/a b|c", "example.org/a%20b%7Cc"),
        ("https://example.org/100%", "example.org/100%25"),
        ("https://example.org/a/./b/../c", "example.org/a/c"),
        ("https://example.org/a/b/%2e%2E/c/.", "example.org/a/c"),
        ("https://example.org/../../a", "example.org/a"),
        ("https://example.org/.hidden", "example.org/.hidden"),
        ("https://example.org/a//b/", "example.org/a//b"),
        ("https://example.org/a\\b", "example.org/a/b"),
        ("https://example.org/index.html", "example.org"),
        ("https://example.org/a/index.php/?p=1", "example.org/a?p=1"),
        ("https://example.org/index.htmlx", "example.org/index.htmlx"),
        ("https://example.org/my-index.html", "example.org/my-index.html"),
        ("https://example.org/?b=2&a=1&&a=0", "example.org?a=1&a=0&b=2"),
        ("https://example.org/a?utm_source=x&UTM_Medium=y&gclid=1&fbclid=2", "example.org/a"),
        ("https://example.org/a?id=3&utm_campaign=z#f", "example.org/a?id=3"),
        ("https://example.org?x=%7e", "example.org?x=~"),
        ("https://example.org/a?", "example.org/a"),
        ("https://example.org/a?q=http://x.org/?y", "example.org/a?q=http://x.org/?y"),
    ],
)
def test_spelling(url, name):
    assert normalise_url(url) == name
    assert normalise_url(f"https://{name}") == name


@pytest.mark.parametrize(
    "url",
    ["", " ", "example.org/a", "mailto:a@example.org", "ftp://example.org/a", "http://", "https:///a", "/a/b",
     "http://a b/", "http://exa<mple.org/", "http://example.org:99999/", "http://example.org:x/", "http://..",
     "http://" + "ü" * 70 + ".org", "http://[::1", "urn:isbn:1", "http://a..b/"],
)  # fmt: skip
def test_what_is_no_url(url):
    assert normalise_url(url) == ""


def test_the_quick_way_agrees_with_the_long_one():
    for tail in ("", "/", "/a", "/a/b.html", "/a/b-c_d~e/", "/x.y/"):
        for host in ("example.org", "www.example.org", "a.b-c.example.org"):
            quick = normalise_url(f"https://{host}{tail}")
            assert quick == normalise_url(f"https://{host}:443{tail}") != ""


PARTS = st.text(st.sampled_from("aZ09.-_~/?#%&=:@[]\\ \t;+üß日www.indexhtmlutm_2eE\x00\ud800"), max_size=25)


@given(st.sampled_from(["", "http://", "HTTPS://", "//", "https://www.", "http://a.b"]), PARTS)
def test_any_text_has_a_stable_name(start, rest):
    name = normalise_url(start + rest)
    assert name.isascii() and not set(name) & set(" \t\n#")
    assert normalise_url("https://" + name) == name
    assert normalise_url("http://" + name + "#there") == name


def test_keys():
    urls = ["https://example.org/a", "http://www.example.org/a/", None, "", "no url", "https://example.org/A"]
    wanted = url_keys(pa.array(urls))
    assert wanted.type == pa.binary(16)
    assert [key.is_valid for key in wanted] == [True, True, False, False, False, True]
    assert wanted[0] == wanted[1] != wanted[5]
    assert wanted[0].as_py().hex() == "e744c13f3525f7c765eb4962c77d23a3"
    for kind in (pa.large_string(), pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.string())):
        assert url_keys(pa.array(urls).cast(kind)).equals(wanted)
    assert url_keys(pa.array(urls).slice(2, 3)).null_count == 3
    assert url_keys(pa.nulls(2)).null_count == 2
    assert url_keys(pa.array([b"http://\xff\xfe.org"])).null_count == 1
    with pytest.raises(TypeError, match="chunks"):
        url_keys(pa.chunked_array([pa.array(urls)]))
