"""Read CourtListener's court opinions (Free Law Project): bulk CSV, bulk JSON, JSON lines.

One record is one opinion: a row of ``opinions-YYYY-MM-DD.csv.bz2`` (see ``freelaw_csv``), a JSON file in a court's
``COURT.tar.gz`` as the bulk data were until 2022, or a line of JSON. An opinion is stored in up to seven forms; its text is
that of the first which holds any, in the order of The Pile's reader (thoppe/The-Pile-FreeLaw, which by a slip took
the last). The key is the opinion's number.

The opinions themselves are in the public domain. The CSV's rows name neither court nor title; those stand in the tables
of dockets and clusters, and ``meta`` has the cluster's number to join them by.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pile_curate.extract.court import court_markup, court_text
from pile_curate.files import RawFile, Tally
from pile_curate.sources.base import (
    SPLIT_BYTES,
    About,
    Document,
    Outcome,
    Raw,
    Reject,
    SourceFormat,
    SourceOptions,
    Split,
)
from pile_curate.sources.blobs import ARCHIVE, blob_records
from pile_curate.sources.edges import plain_edges
from pile_curate.sources.freelaw_csv import BadRow, RowCounter, columns, fields, header_of, next_row, rows
from pile_curate.sources.json_record import json_object
from pile_curate.sources.jsonl import JsonlOptions, JsonlSource

FORMS = (
    "plain_text",
    "html",
    "html_lawbox",
    "html_columbia",
    "html_anon_2020",
    "html_with_citations",
    "xml_harvard",
)
"""Where an opinion's text may stand, in order."""

_CSV = re.compile(r"\.csv(\.(gz|bz2|xz|zst))?$", re.I)
_LINES = re.compile(r"\.(jsonl|ndjson)(\.(gz|bz2|xz|zst))?$", re.I)
_JSON = re.compile(r"\.json(\.(gz|bz2|xz|zst))?$", re.I)
_NUMBER = re.compile(r"(?:^|/)(\d{1,12})(?:/|\.json)?$")
_UNREADABLE = "Unable to extract the content from this file"
_LINE_READER = JsonlSource()


class FreeLawOptions(SourceOptions):
    """Which form of an opinion is read, and which opinions."""

    prefer: Literal["plain_text", "html"] = Field(
        "plain_text", description="What comes first where an opinion has both."
    )
    ocr: Literal["keep", "reject"] = Field("keep", description="Opinions whose text was read from images.")
    max_file_bytes: int = Field(64 << 20, ge=1024, description="Largest opinion that is read, in bytes.")


class FreeLawSource(SourceFormat):
    """CourtListener's opinions; plain CSV files and JSON lines are read in parallel."""

    name: ClassVar[str] = "freelaw"
    version: ClassVar[int] = 2
    summary: ClassVar[str] = "CourtListener bulk data: court opinions from CSV, JSON files or JSON lines"
    suffixes: ClassVar[tuple[str, ...]] = (".csv.bz2", ".csv", ".tar.gz", ".jsonl", ".json")
    libraries: ClassVar[tuple[str, ...]] = ("orjson",)
    Options: ClassVar[type[SourceOptions]] = FreeLawOptions
    about: ClassVar[About] = About(
        publisher="Free Law Project (CourtListener)",
        where="https://www.courtlistener.com/help/api/bulk-data/",
        licence="LicenseRef-public-domain-US",
        consent="author",
        size="about 10 million opinions, 50 GB as opinions.csv.bz2",
        splits="plain CSV at rows, plain JSON lines at lines; compressed files and archives a file a task",
        example="opinions-*.csv.bz2",
    )

    def splits(self, files: Sequence[RawFile], options: Any, target: int = SPLIT_BYTES) -> list[Split]:
        """Cut large plain files at rows or lines; pack the rest."""
        lines = [file for file in files if _LINES.search(file.rel)]
        cut: list[Split] = _LINE_READER.splits(lines, options, target) if lines else []
        whole = []
        for file in sorted(files, key=lambda f: f.rel):
            if _LINES.search(file.rel):
                continue
            large = file.size > target and _CSV.search(file.rel)
            edges = plain_edges(file, target, next_row) if large else []
            if len(edges) > 2:
                cut += [Split((file,), a, b) for a, b in zip(edges, edges[1:], strict=False)]
            else:
                whole.append(file)
        return cut + super().splits(whole, options, target)

    def frames(self, split: Split, options: FreeLawOptions, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each row, each line, or each JSON file as a record."""
        limit = options.max_file_bytes
        for file in split.files:
            one = Split((file,), split.start, split.stop)
            if _CSV.search(file.rel):
                named = header_of(file) if split.start else columns(b"")
                with tally.open(file, RowCounter(), start=split.start, stop=split.stop) as stream:
                    yield from rows(stream, file.rel, limit, named)
            elif _LINES.search(file.rel):
                yield from _LINE_READER.frames(one, JsonlOptions(max_line_bytes=limit), tally)
            else:
                yield from blob_records(one, tally, limit=limit, wanted=_wanted)

    def parse(self, raw: Raw, options: FreeLawOptions) -> list[Outcome]:
        """Turn one opinion into a document or a reject."""
        if "columns" in raw.meta:
            item = _row(raw)
        else:
            item = json_object(raw)
        return [item if isinstance(item, Reject) else _outcome(item, raw, options)]


def _wanted(name: str) -> str:
    if ARCHIVE.search(name):
        return "nested_archive"
    return "" if _JSON.search(name) else "not_json"


def _row(raw: Raw) -> dict[str, Any] | Reject:
    reason = detail = ""
    try:
        found = fields(raw.body, raw.meta["columns"])
        return {name: value.decode("utf-8") for name, value in found.items()}
    except BadRow as error:
        reason, detail = "bad_row", str(error)
    except UnicodeDecodeError as error:
        reason, detail = "invalid_utf8", str(error)
    return Reject(reason, raw.rel, raw.record, detail, kind="error", raw_bytes=len(raw.body))


def _outcome(item: dict[str, Any], raw: Raw, options: FreeLawOptions) -> Outcome:
    name = raw.meta.get("name", "")
    number = _number(item.get("id")) or _number(item.get("resource_uri")) or _number(name)

    def reject(reason: str, detail: str = "", kind: Literal["policy", "error"] = "policy") -> Reject:
        return Reject(reason, raw.rel, raw.record, detail, number, kind, raw_bytes=len(raw.body))

    if not number:
        return reject(
            "no_id", f"id {item.get('id')!r:.40}, resource_uri {item.get('resource_uri')!r:.80}", "error"
        )
    if not any(form in item for form in FORMS):
        return reject("no_opinion", f"it has none of {', '.join(FORMS)}", "error")
    read_from_image = item.get("extracted_by_ocr") in (True, "t", "true", "True")
    if read_from_image and options.ocr == "reject":
        return reject("ocr")
    form, text = _text(item, options)
    if not text:
        return reject("no_text", "each of its forms is blank")
    if text.startswith(_UNREADABLE):
        return reject("not_extracted", text[:100])
    cluster = _number(item.get("cluster_id")) or _number(item.get("cluster"))
    path = _string(item, "absolute_url")
    author = _string(item, "author_str") or _string(item, "author")
    facts: dict[str, Any] = {
        "cluster": cluster,
        "court": _court(item, raw.rel, name),
        "date": _string(item, "date_filed") or _string(item, "dateFiled"),
        "created": _string(item, "date_created"),
        "type": _string(item, "type"),
        "form": form,
        "ocr": read_from_image,
        # A link to a judge's record is no name.
        "authors": [author] if author and "://" not in author and not author.startswith("/") else [],
    }
    return Document(
        key=number,
        text=text,
        rel=raw.rel,
        record=raw.record,
        url=_url(path, cluster),
        title=" ".join((_string(item, "case_name") or _string(item, "caseName")).split()),
        raw_bytes=len(raw.body),
        meta={fact: value for fact, value in facts.items() if value not in ("", [])},
    )


def _text(item: dict[str, Any], options: FreeLawOptions) -> tuple[str, str]:
    """Return the first form that holds text, and its text."""
    order = FORMS if options.prefer == "plain_text" else (*FORMS[1:], FORMS[0])
    for form in order:
        stored = item.get(form)
        if not isinstance(stored, str) or not stored.strip():
            continue
        text = court_text(stored) if form == "plain_text" else court_markup(stored)
        if text.strip():
            return form, text
    return "", ""


def _string(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    return value.strip() if isinstance(value, str) else ""


def _number(value: Any) -> str:
    """Return a number, or that which an address or a file's name ends with, as a string."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 < value < 10**12 else ""
    found = _NUMBER.search(value) if isinstance(value, str) else None
    return found[1] if found else ""


def _url(path: str, cluster: str) -> str:
    if path.startswith("/"):
        return f"https://www.courtlistener.com{path}"
    return path or (f"https://www.courtlistener.com/opinion/{cluster}/" if cluster else "")


def _court(item: dict[str, Any], rel: str, name: str) -> str:
    """Return the court's short name: as the opinion says, else of the archive or the folder that it lies in."""
    said = _string(item, "court_id") or _string(item, "court").rstrip("/").rpartition("/")[2]
    if said or not name:
        return said
    if ARCHIVE.search(rel):
        return ARCHIVE.sub("", posixpath.basename(rel))
    return posixpath.basename(posixpath.dirname(rel))
