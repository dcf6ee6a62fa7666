"""The catalogue: every entry, listed from pages in the published layout, served through a proxy; and what is refused."""

import gzip
import itertools
import json
import threading
from dataclasses import replace

import pytest

from pile_curate import spdx
from pile_curate.errors import FetchError, SetupError, SourceUnavailable
from pile_curate.fetch import catalogue, listing
from pile_curate.fetch.client import Client
from pile_curate.fetch.settings import Refused
from tests.fetch_cases import QUICK
from tests.fetch_server import FastClock, Reply, after, answer, change, document

PILE = {
    "Pile-CC", "PubMed Central", "Books3", "OpenWebText2", "ArXiv", "Github", "FreeLaw", "StackExchange",
    "USPTO Backgrounds", "PubMed Abstracts", "Gutenberg (PG-19)", "OpenSubtitles", "Wikipedia (en)", "DM Mathematics",
    "Ubuntu IRC", "BookCorpus2", "EuroParl", "HackerNews", "YoutubeSubtitles", "PhilPapers", "NIH ExPorter", "Enron Emails",
}  # fmt: skip
MD5, SHA1, SHA256 = "a" * 32, "b" * 40, "c" * 64


def s3(*keys, token=""):
    rows = "".join(
        f"<Contents><Key>{k}</Key><ETag>&quot;x&quot;</ETag><Size>{n + 5}</Size></Contents>"
        for n, k in enumerate(keys)
    )
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return f'<?xml version="1.0"?>\n<ListBucketResult xmlns="x"><Name>b</Name>{rows}{more}</ListBucketResult>'.encode()


CC, WIKI, NCBI = (
    "http://data.commoncrawl.org/",
    "http://dumps.wikimedia.org/",
    "http://ftp.ncbi.nlm.nih.gov/pubmed/baseline/",
)
PMC = "http://pmc-oa-opendata.s3.amazonaws.com/"
LAW = "http://com-courtlistener-storage.s3-us-west-2.amazonaws.com/"
IRC = "http://irclogs.ubuntu.com/"
PAGES = {
    "http://index.commoncrawl.org/collinfo.json": b'[{"id": "CC-MAIN-2026-18"}, {"id": "CC-MAIN-2026-25"}, {"id": "CC-MAIN-2025-51"}]',
    f"{CC}crawl-data/CC-MAIN-2026-25/warc.paths.gz": gzip.compress(b"crawl-data/CC-MAIN-2026-25/segments/1/warc/CC-MAIN-1-00000.warc.gz\ncrawl-data/CC-MAIN-2026-25/segments/1/warc/CC-MAIN-1-00001.warc.gz\n"),
    f"{WIKI}other/mediawiki_content_current/enwiki/": b'<a href="../">../</a><a href="2026-10-01/">x</a><a href="2026-11-01/">x</a>',
    f"{WIKI}other/mediawiki_content_current/enwiki/2026-11-01/xml/bzip2/SHA256SUMS": f"{SHA256}  enwiki-2026-11-01-p10p1147431.xml.bz2\n{SHA256}  _SUCCESS\n".encode(),
    f"{WIKI}enwiki/latest/enwiki-latest-sha1sums.txt": f"{SHA1}  enwiki-20261101-pages-articles1.xml-p1p41242.bz2\n{SHA1}  enwiki-20261101-pages-articles-multistream.xml.bz2\n{SHA1}  enwiki-20261101-page.sql.gz\n".encode(),
    "http://archive.org/download/stackexchange/stackexchange_files.xml": f'<files>\n  <file name="ai.stackexchange.com.7z" source="original">\n<format>7z</format><size>17</size><md5>{MD5}</md5><crc32>1</crc32><sha1>{SHA1}</sha1></file>\n<file name="readme.txt" source="original"><size>3</size></file>\n<file source="original" name="a&amp;b.7z"><md5>{MD5}</md5></file></files>'.encode(),
    "http://www.gutenberg.org/robot/harvest?filetypes%5B%5D=txt&langs%5B%5D=en": b'<p><a href="http://aleph.gutenberg.org/1/0/10/10.zip">x</a></p><a href="harvest?offset=7&amp;filetypes[]=txt">Next Page</a>',
    "http://www.gutenberg.org/robot/harvest?offset=7&filetypes%5B%5D=txt": b"<A HREF='http://aleph.gutenberg.org/1/1/11/11.zip'>x</A><a href='/robot/harvest?offset=7&filetypes[]=txt'>again</a>",
    f"{PMC}?list-type=2&delimiter=/&prefix=inventory-reports/pmc-oa-opendata/metadata/2": b"<ListBucketResult><CommonPrefixes><Prefix>inventory-reports/pmc-oa-opendata/metadata/2026-11-23T01-00Z/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>inventory-reports/pmc-oa-opendata/metadata/2026-11-24T01-00Z/</Prefix></CommonPrefixes></ListBucketResult>",
    f"{PMC}inventory-reports/pmc-oa-opendata/metadata/2026-11-24T01-00Z/manifest.json": b'{"files": [{"key": "inventory-reports/pmc-oa-opendata/metadata/data/8f5c-1.csv.gz", "size": 9}]}',
    f"{PMC}inventory-reports/pmc-oa-opendata/metadata/data/8f5c-1.csv.gz": gzip.compress(b'"pmc-oa-opendata","metadata/PMC1300.1.json","2026-01-08T11:47:59.000Z","f2"\n"pmc-oa-opendata","metadata/PMC13001.2.json","2026","f2"\n"pmc-oa-opendata","metadata/PMC2.1.json","2026","f2"\n'),
    NCBI: b'<pre><a href="README.txt">README.txt</a> <a href="pubmed26n0001.xml.gz">x</a> <a href="pubmed26n0001.xml.gz.md5">x</a></pre>',
    f"{LAW}?list-type=2&prefix=bulk-data/opinions-": s3("bulk-data/opinions-2026-06-30.csv.bz2", "bulk-data/opinions-2026-09-30.csv.bz2"),
    "http://api.uspto.gov/api/v1/datasets/products/PTGRXML": json.dumps({"count": 1, "bulkDataProductBag": [{"productFileBag": {"count": 1, "fileDataBag": [{"fileName": "ipg260113.zip", "fileSize": 99, "fileDownloadURI": "http://api.uspto.gov/api/v1/datasets/products/files/PTGRXML/2026/ipg260113.zip"}]}}]}).encode(),
    f"{IRC}2023/01/": b'<a href="/2023/">up</a><a href="01/">01/</a><a href="02/">02/</a>',
    f"{IRC}2023/01/01/": b'<a href="%23ubuntu.txt">x</a><a href="%23ubuntu-de.txt">x</a><a href="%23ubuntu.html">x</a>',
    f"{IRC}2023/01/02/": b'<a href="%23ubuntu.txt">x</a>',
}  # fmt: skip
BULK = f"{LAW}bulk-data/"
EXPECTED = {
    "commoncrawl": ({}, [(f"{CC}crawl-data/CC-MAIN-2026-25/segments/1/warc/CC-MAIN-1-0000{n}.warc.gz", f"CC-MAIN-1-0000{n}.warc.gz") for n in (0, 1)]),
    "wikipedia": ({}, [(f"{WIKI}other/mediawiki_content_current/enwiki/2026-11-01/xml/bzip2/enwiki-2026-11-01-p10p1147431.xml.bz2", "enwiki-2026-11-01-p10p1147431.xml.bz2")]),
    "wikipedia-classic": ({}, [(f"{WIKI}enwiki/20261101/enwiki-20261101-pages-articles1.xml-p1p41242.bz2", "enwiki-20261101-pages-articles1.xml-p1p41242.bz2")]),
    "stackexchange": ({}, [("http://archive.org/download/stackexchange/ai.stackexchange.com.7z", "ai.stackexchange.com.7z"), ("http://archive.org/download/stackexchange/a%26b.7z", "a&b.7z")]),
    "gutenberg": ({}, [("http://aleph.gutenberg.org/cache/generated/feeds/txt-files.tar.zip", "txt-files.tar.zip"), ("http://aleph.gutenberg.org/cache/generated/feeds/pg_catalog.csv.gz", "pg_catalog.csv.gz")]),
    "gutenberg-harvest": ({}, [("http://aleph.gutenberg.org/1/0/10/10.zip", "10.zip"), ("http://aleph.gutenberg.org/1/1/11/11.zip", "11.zip")]),
    "pmc": ({"prefix": "PMC1300"}, [(f"{PMC}PMC1300.1/PMC1300.1.xml", "PMC1300.1.xml"), (f"{PMC}PMC13001.2/PMC13001.2.xml", "PMC13001.2.xml")]),
    "pubmed": ({}, [(f"{NCBI}pubmed26n0001.xml.gz", "pubmed26n0001.xml.gz")]),
    "freelaw": (
        {"table": "opinions,courts"},
        [(f"{BULK}{t}-2026-09-30.csv.bz2", f"{t}-2026-09-30.csv.bz2") for t in ("opinions", "courts")],
    ),
    "uspto": ({}, [("http://api.uspto.gov/api/v1/datasets/products/files/PTGRXML/2026/ipg260113.zip", "ipg260113.zip")]),
    "hackernews": ({"item": "8..9,11"}, [(f"http://hacker-news.firebaseio.com/v0/item/{n}.json", f"{n}.json") for n in (8, 9, 11)]),
    "europarl": ({}, [("http://www.statmt.org/europarl/v7/europarl.tgz", "europarl.tgz")]),
    "dm-mathematics": ({}, [("http://storage.googleapis.com/mathematics-dataset/mathematics_dataset-v1.0.tar.gz", "mathematics_dataset-v1.0.tar.gz")]),
    "enron": ({}, [("http://www.cs.cmu.edu/~enron/enron_mail_20150507.tar.gz", "enron_mail_20150507.tar.gz")]),
    "nih-exporter": (
        {"year": "2023..2024"},
        [
            (f"http://reporter.nih.gov/exporter/{t}/download/{y}", f"RePORTER_{n}_C_FY{y}.zip")
            for t, n in (("abstracts", "PRJABS"), ("projects", "PRJ"))
            for y in (2023, 2024)
        ],
    ),
    "ubuntu-irc": ({"year": "2023", "month": "01"}, [(f"{IRC}2023/01/{d}/%23ubuntu.txt", f"2023/01/{d}/#ubuntu.txt") for d in ("01", "02")]),
}  # fmt: skip


def over_http(entry):
    """The entry with plain addresses, so that a proxy can play its hosts."""
    return type(entry).model_validate_json(entry.model_dump_json().replace("https://", "http://"))


@pytest.fixture
def client(server):
    server.routes |= {url: document(page) for url, page in PAGES.items()}
    settings = replace(QUICK, proxies={"http": server.url("")})
    return Client(settings, FastClock(), threading.Event())


def files(client, entry, given, limit=None):
    values = listing.values_of(entry, given, client)
    return list(itertools.islice(listing.listed(entry, values, client), limit))


def test_the_components_of_the_pile_are_all_there():
    entries = catalogue.sources().values()
    assert {e.pile for e in entries if e.pile} == PILE
    assert {e.pile for e in entries if not e.consent} == {"Books3", "BookCorpus2", "OpenWebText2", "YoutubeSubtitles", "OpenSubtitles"}  # fmt: skip
    assert {e.name for e in entries if e.listings} == set(EXPECTED)
    for entry in entries:
        assert entry.basis or not entry.consent
        assert bool(entry.listings) <= bool(entry.format and entry.paths and entry.licence), entry.name
        assert not entry.licence or spdx.check_expression(entry.licence)
        text = entry.model_dump_json()
        assert not any(
            word in text.lower() for word in ("the-eye", "magnet:", "torrent", "libgen", "huggingface")
        )
        for part in entry.listings:
            used = set(catalogue._FIELD.findall(" ".join([part.url, *part.urls, part.name, part.base])))
            assert used <= set(entry.parameters) | {"match"}


@pytest.mark.parametrize("name", EXPECTED)
def test_listing(client, server, name):
    given, expected = EXPECTED[name]
    entry = over_http(catalogue.source(name))
    catalogue.check_values(entry, given)
    found = files(client, entry, given)
    assert [(f.url, f.path) for f in found] == expected
    hosts = {f.url.split("/")[2] for f in found}
    assert all(client.hosts._of(host).interval == entry.interval for host in hosts)
    if name == "wikipedia":
        assert found[0].sums[0][:2] == ("sha256", SHA256) and found[0].immutable
    if name == "stackexchange":
        assert found[0].size == 17 and [s[:2] for s in found[0].sums] == [("sha1", SHA1), ("md5", MD5)]
    if name == "pubmed":
        assert found[0].sum_url == found[0].url + ".md5"
    if name == "uspto":
        assert found[0].size == 99


@pytest.mark.parametrize("name", [e.name for e in catalogue.sources().values() if e.instead])
def test_what_is_not_fetched_says_why(name):
    with pytest.raises(SourceUnavailable, match=f"{name} is not fetched: .{{80,}}"):
        catalogue.source(name)


def test_names_of_the_pile_and_typing_mistakes():
    assert catalogue.source("Pile-CC").name == "commoncrawl" == catalogue.source("pile-cc").name
    assert catalogue.source("pubmed_abstracts").name == "pubmed"  # a format that one entry alone has
    with pytest.raises(SourceUnavailable, match="did you mean 'wikipedia'"):
        catalogue.source("wikipeda")


@pytest.mark.parametrize(
    "value", ["../x", "a/b", "a b", "", "%2e", "a..b", "{x}", "a\n", "http://x", "..", "1..2..3"]
)
def test_parameters_cannot_change_an_address(value):
    with pytest.raises(SetupError, match="letters, digits"):
        catalogue.check_values(catalogue.source("wikipedia"), {"wiki": value})


def test_parameters_are_known_and_needed(client):
    with pytest.raises(SetupError, match="no such parameter; it has crawl, kind"):
        catalogue.check_values(catalogue.source("commoncrawl"), {"year": "2024"})
    with pytest.raises(SetupError, match="pmc needs --set prefix=...: the beginning"):
        files(client, over_http(catalogue.source("pmc")), {})
    long = itertools.islice(catalogue.expand("1..9999999999"), 3)
    assert list(long) == ["1", "2", "3"]


def test_a_page_in_another_form_is_an_error_and_not_an_empty_list(client, server):
    server.routes["http://index.commoncrawl.org/collinfo.json"] = document(b"<html>moved</html>")
    with pytest.raises(FetchError, match="lists no crawl; say it with --set crawl="):
        files(client, over_http(catalogue.source("commoncrawl")), {})
    server.routes["http://api.uspto.gov/api/v1/datasets/products/PTGRXML"] = document(b'{"message": "new"}')
    with pytest.raises(FetchError, match="not the form that the catalogue knows"):
        files(client, over_http(catalogue.source("uspto")), {})


BUCKET = catalogue.Source(
    name="b", about="x", listings=[catalogue.Listing(kind="s3", url="http://b/?list-type=2&prefix=d/", pattern=r"\.gz$", base="http://b/")]
)  # fmt: skip


def test_buckets_are_listed_page_by_page(client, server):
    server.routes |= {
        "http://b/?list-type=2&prefix=d/": document(s3("d/a.gz", "d/x&amp;y.txt", token="1/t+=")),
        "http://b/?list-type=2&prefix=d/&continuation-token=1%2Ft%2B%3D": document(
            s3("d/e/a b&amp;c.gz", token="1/t+=")
        ),
    }
    found = files(client, BUCKET, {})
    assert [(f.url, f.path, f.size) for f in found] == [
        ("http://b/d/a.gz", "d/a.gz", 5),
        ("http://b/d/e/a%20b%26c.gz", "d/e/a b&c.gz", 5),
    ]
    server.routes["http://b/?list-type=2&prefix=d/"] = document(b"<Error><Code>AccessDenied</Code></Error>")
    with pytest.raises(FetchError, match="no bucket listing"):
        files(client, BUCKET, {})


def test_a_long_list_whose_connection_breaks_goes_on_at_its_line(client, server):
    entry = over_http(catalogue.source("commoncrawl"))
    lines = "".join(f"crawl-data/x/{n}.warc.gz\n" for n in range(4000))
    url = f"{CC}crawl-data/C/warc.paths.gz"
    good = document(gzip.compress(lines.encode(), 1))
    server.routes[url] = after(good, change(cut=4000), answer(503))
    found = files(client, entry, {"crawl": "C", "kind": "warc"})
    assert [f.path for f in found] == [f"{n}.warc.gz" for n in range(4000)]
    server.routes[url] = document(gzip.compress(lines.encode())[:-9] + b"nonsense!")
    with pytest.raises(FetchError, match="is damaged"):
        files(client, entry, {"crawl": "C", "kind": "warc"})
    server.routes[url] = document(gzip.compress(lines.encode())[:-2000])
    with pytest.raises(FetchError, match="cut off"):
        files(client, entry, {"crawl": "C", "kind": "warc"})
    server.routes[url] = document(gzip.compress(bytes(3 << 20)))
    with pytest.raises(Refused, match="longer than a megabyte"):
        files(client, entry, {"crawl": "C", "kind": "warc"})
    server.routes[url] = document(gzip.compress(b"//evil.example/x\nhttp://evil.example/y\n../../z\n"))
    assert {f.url.split("/")[2] for f in files(client, entry, {"crawl": "C", "kind": "warc"})} == {
        "data.commoncrawl.org"
    }


def test_hostile_index_pages(client, server):
    links = catalogue.Source(
        name="l",
        about="x",
        listings=[catalogue.Listing(kind="links", url="http://l/", pattern="gz$", depth=2)],
    )
    page = (
        b"<a " * 20_000
        + b'<a href="a/">'
        + b'<a href="http://other/b/">'
        + b'<a href="mailto:x">'
        + b'<a href="http://[">'
    )
    server.routes |= {
        "http://l/": document(page),
        "http://l/a/": document(b'<a href="../"><a href="./"><a href="/a/b/"><a href="x.gz">'),
        "http://l/a/b/": document(b'<a href="c/"><a href="/a/"><a href="y.gz">'),
    }
    assert [f.url for f in files(client, links, {})] == ["http://l/a/x.gz", "http://l/a/b/y.gz"]
    server.routes["http://l/"] = lambda r: Reply(404)
    with pytest.raises(Refused, match="no such file"):
        files(client, links, {})
