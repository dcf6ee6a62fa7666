"""Test the WARC source: framing, the independent count, damage, HTTP and what becomes a document."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pile_curate.files import RawFile, Tally
from pile_curate.sources.base import Document, Raw, Reject, Split
from pile_curate.sources.warc import WarcOptions, WarcSource
from pile_curate.sources.warc_counter import WarcCounter

SOURCE, OPTIONS = WarcSource(), WarcOptions()
GOLDEN = Path(__file__).parents[2] / "golden" / "warc"
PROSE = "The ferry leaves the old harbour at seven and comes back when the fog has lifted from the bay. "
PAGE = f"<!doctype html><title>The ferry</title><body><main><h1>The ferry</h1><p>{PROSE * 3}</p></main>"


def record(
    kind: str, body: bytes, *, uri: str = "http://a.example/", length: int | str | None = None, **extra: str
) -> bytes:
    """Build one record; ``length`` overrides the declared length."""
    headers = {"WARC-Type": kind, "WARC-Date": "2024-05-18T01:58:10Z", "WARC-Record-ID": "<urn:uuid:1>"}
    if uri:
        headers["WARC-Target-URI"] = uri
    headers |= {name.replace("_", "-"): value for name, value in extra.items()}
    headers["Content-Length"] = str(len(body) if length is None else length)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return b"WARC/1.0\r\n" + head.encode() + b"\r\n" + body + b"\r\n\r\n"


def response(
    html: str | bytes = PAGE,
    *,
    status: str = "200 OK",
    kind: str = "text/html; charset=utf-8",
    headers: str = "",
    **extra: Any,
) -> bytes:
    """Build a response record around a page."""
    payload = html.encode() if isinstance(html, str) else html
    line = f"Content-Type: {kind}\r\n" if kind else ""
    return record("response", f"HTTP/1.1 {status}\r\n{line}{headers}\r\n".encode() + payload, **extra)


def read(path: Path, data: bytes) -> tuple[list[Raw], list[Reject], Tally]:
    """Frame the bytes as a file and check that every counted record has its outcome."""
    path.write_bytes(data)
    tally = Tally()
    frames = list(SOURCE.frames(Split((RawFile(str(path), path.name, len(data)),)), OPTIONS, tally))
    raws = [frame for frame in frames if isinstance(frame, Raw)]
    rejects = [frame for frame in frames if isinstance(frame, Reject)]
    assert len(raws) + sum(reject.records for reject in rejects) == tally.records
    return raws, rejects, tally


def parse(data: bytes, tmp_path: Path, options: WarcOptions = OPTIONS) -> Document | Reject:
    """Return the one outcome of the one record in ``data``."""
    raws, rejects, _ = read(tmp_path / "one.warc", data)
    assert len(raws) == 1 and not rejects
    outcomes = SOURCE.parse(raws[0], options)
    assert sum(outcome.records for outcome in outcomes) == 1
    return outcomes[0]


SMALL = (
    record("warcinfo", b"software: none\r\n", uri="")
    + record("request", b"GET / HTTP/1.1\r\n\r\n")
    + record("response", b"HTTP/1.1 200 OK\r\n\r\none")
    + record("response", b"HTTP/1.1 200 OK\r\n\r\ntwo\nWARC/1.0\r\nthree", uri="http://b.example/")
    + record("revisit", b"")
)


def test_records_are_framed_and_others_rejected_by_type(tmp_path: Path) -> None:
    raws, rejects, tally = read(tmp_path / "a.warc", SMALL)
    assert [raw.body[-5:] for raw in raws] == [b"\r\none", b"three"]
    assert [reject.reason for reject in rejects] == ["warcinfo", "request", "revisit"]
    assert all(reject.kind == "policy" for reject in rejects)
    assert tally.records == 5 and tally.files[0].complete
    assert SMALL[raws[0].record :].startswith(b"WARC/1.0\r\nWARC-Type: response")


@pytest.mark.parametrize("packing", ["gzip members", "one gzip", "zstd frames"])
def test_compressed_files_give_the_same_records(tmp_path: Path, packing: str) -> None:
    plain, _, _ = read(tmp_path / "a.warc", SMALL)
    parts = [b"WARC/1.0" + part for part in SMALL.split(b"WARC/1.0")[1:]]
    if packing == "gzip members":
        data = b"".join(gzip.compress(part) for part in parts)
    elif packing == "one gzip":
        data = gzip.compress(SMALL)
    else:
        data = b"".join(zstandard.compress(part) for part in parts)
    packed, _, _ = read(tmp_path / "a.warc.x", data)
    assert [(raw.record, raw.body) for raw in packed] == [(raw.record, raw.body) for raw in plain]


def test_lone_newlines_and_missing_final_newlines_are_accepted(tmp_path: Path) -> None:
    raws, rejects, _ = read(tmp_path / "a.warc", SMALL.replace(b"\r\n", b"\n").rstrip())
    assert not any(reject.kind == "error" for reject in rejects[:2])
    data = response().rstrip(b"\r\n")
    raws, rejects, _ = read(tmp_path / "b.warc", data)
    assert len(raws) == 1 and not rejects


@pytest.mark.parametrize("length", ["", "-3", "abc", "9" * 13, "12 34"])
def test_a_bad_length_costs_one_record(tmp_path: Path, length: str) -> None:
    bad = record("response", b"HTTP/1.1 200 OK\r\n\r\nx", length=length)
    raws, rejects, tally = read(tmp_path / "a.warc", response() + bad + response(uri="http://c.example/"))
    assert [raw.meta["warc-target-uri"] for raw in raws] == ["http://a.example/", "http://c.example/"]
    assert [(reject.reason, reject.kind, reject.records) for reject in rejects] == [
        ("bad_content_length", "error", 1)
    ]
    assert tally.records == 3


@pytest.mark.parametrize("delta", [-40, -1, 7, 40, 400, 10**7, 10**11])
def test_a_wrong_length_costs_one_record(tmp_path: Path, delta: int) -> None:
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE.encode()
    bad = record("response", body, uri="http://bad.example/", length=len(body) + delta)
    raws, rejects, tally = read(tmp_path / "a.warc", response() + bad + response(uri="http://c.example/") * 3)
    assert [raw.meta["warc-target-uri"] for raw in raws] == ["http://a.example/"] + ["http://c.example/"] * 3
    assert [reject.kind for reject in rejects] == ["error"] and tally.records == 5


def test_garbage_between_records_is_noted_and_counts_as_none(tmp_path: Path) -> None:
    raws, rejects, tally = read(tmp_path / "a.warc", response() + b"noise\nWARC/x\r\n" * 3000 + response())
    assert len(raws) == 2 and tally.records == 2
    assert [(reject.reason, reject.records) for reject in rejects] == [("not_a_record", 0)]


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    for data in (b"", gzip.compress(b"")):
        raws, rejects, tally = read(tmp_path / "a.warc.gz", data)
        assert not raws and tally.records == 0
        assert [(reject.reason, reject.kind, reject.records) for reject in rejects] == [
            ("empty_file", "error", 0)
        ]


def test_a_truncated_gzip_keeps_what_came_before(tmp_path: Path) -> None:
    whole = [gzip.compress(response(os.urandom(3000).hex(), uri=f"http://{i}.example/")) for i in range(3)]
    data = b"".join(whole)[: -len(whole[-1]) // 2]
    raws, rejects, tally = read(tmp_path / "a.warc.gz", data)
    assert len(raws) == 2 and tally.records == 3 and not tally.files[0].complete
    assert [(reject.reason, reject.records) for reject in rejects] == [
        ("truncated_record", 1),
        ("corrupt_file", 0),
    ]
    assert "a.warc.gz" in rejects[1].detail


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_every_truncation_balances(tmp_path: Path, pack: Any) -> None:
    data = pack(SMALL)
    for size in range(0, len(data), 7):
        read(tmp_path / "a.warc", data[:size])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes_balance(tmp_path: Path, flips: list[tuple[int, int]]) -> None:
    data = bytearray(SMALL)
    for at, value in flips:
        data[at] = value
    read(tmp_path / "a.warc", bytes(data))


PIECES = st.sampled_from(
    [
        b"WARC/1.0\r\n",
        b"WARC/1.1\n",
        b"\r\n",
        b"\n",
        b"Content-Length: 5\r\n",
        b"content-length : 12\n",
        b"hello",
    ]
    + [
        b"WARC-Type: response\r\n",
        b"\x1f",
        b"WAR",
        b"Content-Length: 999\r\n",
        b" folded\r\n",
        b"Content-Length: 0\n\n",
    ]
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=40))
def test_any_mixture_of_fragments_balances(tmp_path: Path, pieces: list[bytes]) -> None:
    read(tmp_path / "a.warc", b"".join(pieces))


@given(st.lists(PIECES, max_size=30), st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_the_count_does_not_depend_on_how_the_stream_is_cut(pieces: list[bytes], sizes: list[int]) -> None:
    data = b"".join(pieces) + SMALL
    counters = WarcCounter(), WarcCounter()
    counters[0].feed(data)
    at = step = 0
    while at < len(data):
        size = sizes[step % len(sizes)]
        counters[1].feed(data[at : at + size])
        at, step = at + size, step + 1
    assert counters[0].close() == counters[1].close()


def test_a_page_becomes_a_document(tmp_path: Path) -> None:
    page = PAGE.replace(
        "<title>", '<html lang="en-GB"><link rel="license" href="https://x.example/terms"><title>'
    )
    got = parse(response(page), tmp_path)
    assert isinstance(got, Document)
    assert got.text == "The ferry\n\n" + (PROSE * 3).strip()
    assert (got.title, got.url) == ("The ferry", "http://a.example/")
    assert got.key == "http://a.example/ 2024-05-18T01:58:10Z"
    assert got.licence is None and got.raw_bytes > len(page)
    assert got.meta == {
        "date": "2024-05-18T01:58:10Z",
        "encoding": "utf-8",
        "language": "en-GB",
        "licence_links": ["https://x.example/terms"],
    }


def test_the_key_survives_repackaging_and_falls_back(tmp_path: Path) -> None:
    keys = [
        parse(response(uri="<http://a.example/>", WARC_Record_ID="<urn:uuid:2>"), tmp_path).key,
        parse(response(uri=""), tmp_path).key,
        parse(response(uri="", WARC_Record_ID=""), tmp_path).key,
    ]
    assert keys == ["http://a.example/ 2024-05-18T01:58:10Z", "urn:uuid:1", "one.warc#0"]


def test_wet_conversion_is_plain_text(tmp_path: Path) -> None:
    got = parse(record("conversion", "Erste Zeile\nÄpfel\n".encode()), tmp_path)
    assert (
        isinstance(got, Document) and got.text == "Erste Zeile\nÄpfel\n" and got.key.endswith(" conversion")
    )


@pytest.mark.parametrize(
    ("data", "reason", "kind"),
    [
        (response(status="301 Moved"), "http_status", "policy"),
        (response(kind="application/pdf"), "content_type", "policy"),
        (response("no markup here", kind=""), "content_type", "policy"),
        (response("<title>x</title><nav><a href=/>Home</a></nav>"), "no_main_content", "policy"),
        (response(b"\x00\x01\x02" * 50), "not_text", "policy"),
        (response(b""), "empty_body", "policy"),
        (record("response", b"\x04\x1b\x81\x80\x00\x01"), "not_http", "policy"),
        (
            response(gzip.compress(PAGE.encode())[:-20], headers="Content-Encoding: gzip\r\n"),
            "content_encoding",
            "error",
        ),
        (response(b"\x8b", headers="Content-Encoding: br\r\n"), "content_encoding", "error"),
        (response("x", headers="Content-Encoding: sdch\r\n"), "content_encoding", "error"),
        (
            response(gzip.compress(bytes(40 << 20)), headers="Content-Encoding: gzip\r\n"),
            "body_too_large",
            "error",
        ),
        (
            response(brotli.compress(bytes(40 << 20)), headers="Content-Encoding: br\r\n"),
            "body_too_large",
            "error",
        ),
        (
            response(zstandard.compress(bytes(40 << 20)), headers="Content-Encoding: zstd\r\n"),
            "body_too_large",
            "error",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_wanted_says_why(tmp_path: Path, data: bytes, reason: str, kind: str) -> None:
    got = parse(data, tmp_path)
    assert isinstance(got, Reject)
    assert (got.reason, got.kind) == (reason, kind) and got.key and got.raw_bytes


RAW_DEFLATE = zlib.compressobj(wbits=-15)
CODED = {
    "gzip": gzip.compress(PAGE[:50].encode()) + gzip.compress(PAGE[50:].encode()),
    "br": brotli.compress(PAGE.encode()),
    "zstd": zstandard.compress(PAGE.encode()),
    "deflate": zlib.compress(PAGE.encode()),
    "Deflate": RAW_DEFLATE.compress(PAGE.encode()) + RAW_DEFLATE.flush(),
    "gzip, br": brotli.compress(gzip.compress(PAGE.encode())),
    "identity": PAGE.encode(),
}


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("stored", ["coded", "already decoded"])
def test_codings_are_undone(tmp_path: Path, coding: str, stored: str) -> None:
    body = CODED[coding] if stored == "coded" else PAGE.encode()
    if stored != "coded" and "," in coding:
        pytest.skip("a crawler that decodes, decodes all")
    got = parse(response(body, headers=f"Content-Encoding: {coding}\r\n"), tmp_path)
    assert isinstance(got, Document) and got.text.startswith("The ferry\n\nThe ferry leaves")


def test_chunked_transfer_is_undone(tmp_path: Path) -> None:
    raw = PAGE.encode()
    body = b"".join(
        b"%x;x=y\r\n%s\r\n" % (len(raw[i : i + 90]), raw[i : i + 90]) for i in range(0, len(raw), 90)
    )
    for data in (body + b"0\r\n\r\n", body, raw):
        got = parse(response(data, headers="Transfer-Encoding: chunked\r\n"), tmp_path)
        assert isinstance(got, Document) and got.text == "The ferry\n\n" + (PROSE * 3).strip()


def test_plain_text_is_taken_unless_told_otherwise(tmp_path: Path) -> None:
    data = response("A < b\nand a plain file.", kind="text/plain")
    got = parse(data, tmp_path)
    assert isinstance(got, Document) and got.text == "A < b\nand a plain file."
    refused = parse(data, tmp_path, WarcOptions(plain_text=False))
    assert isinstance(refused, Reject) and refused.reason == "content_type"


def test_golden_pair(tmp_path: Path) -> None:
    raws, rejects, tally = read(tmp_path / "pages.warc", (GOLDEN / "pages.warc").read_bytes())
    outcomes = [*rejects, *(outcome for raw in raws for outcome in SOURCE.parse(raw, OPTIONS))]
    got = [
        {"record": one.record, "key": one.key, "title": one.title, "text": one.text, "meta": one.meta}
        if isinstance(one, Document)
        else {"record": one.record, "reason": one.reason, "kind": one.kind}
        for one in sorted(outcomes, key=lambda one: one.record)
    ]
    assert tally.records == sum(one.records for one in outcomes)
    assert got == json.loads((GOLDEN / "expected.json").read_text())


def test_gold_segments_of_the_samples() -> None:
    root = os.environ.get("PILE_CURATE_SAMPLES")
    if not root:
        pytest.skip("PILE_CURATE_SAMPLES is not set")
    folder = Path(root) / "commoncrawl"
    gold = {
        url.partition(" ")[0]: parts
        for url, parts in json.loads((folder / "gold-segments.json").read_text()).items()
    }
    path = folder / "pages-00001.warc.gz"
    seen: Counter[str] = Counter()
    tally = Tally()
    for frame in SOURCE.frames(Split((RawFile(str(path), path.name, path.stat().st_size),)), OPTIONS, tally):
        if isinstance(frame, Raw):
            (outcome,) = SOURCE.parse(frame, OPTIONS)
            text = " ".join(outcome.text.split()) if isinstance(outcome, Document) else ""
            for side, parts in gold[frame.meta["warc-target-uri"].partition(" ")[0]].items():
                seen[side] += len(parts)
                seen[side + "_in"] += sum(" ".join(part.split()) in text for part in parts)
    assert tally.records == 331 and tally.files[0].complete
    assert seen["with_in"] / seen["with"] > 0.94
    assert 1 - seen["without_in"] / seen["without"] > 0.77
