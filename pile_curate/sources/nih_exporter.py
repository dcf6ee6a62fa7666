"""Read NIH ExPORTER's abstracts of funded projects: ``RePORTER_PRJABS_C_FY2020.csv``, plain, compressed or in a zip.

One record is one row. The same application stands in a year's file and in the weekly ones, and files are published
anew, so this format is threaded by application number: files count in the order of their names, rows in the order of
the file, and the last row that has an abstract is the document. Rows of the projects' files
(``RePORTER_PRJ_C_FY2020.csv``), if they are given too, lend their titles and facts.
Documentation: https://reporter.nih.gov/exporter and its data dictionary.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal

from pydantic import Field

from pile_curate.extract.nih import clean_abstract, is_placeholder
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
from pile_curate.sources.nih_frames import csv_rows, row_cuts
from pile_curate.sources.parts import unused
from pile_curate.sources.pubmed_abstracts import file_order

_ID, _TEXT, _TITLE = "APPLICATION_ID", "ABSTRACT_TEXT", "PROJECT_TITLE"
_FACTS = {
    "ORG_NAME": "organisation", "FY": "fiscal_year", "ACTIVITY": "activity", "CORE_PROJECT_NUM": "project",
    "IC_NAME": "institute", "PROJECT_START": "start", "PROJECT_END": "end",
}  # fmt: skip
_YEAR = re.compile(r"FY((?:19|20)[0-9]{2})", re.IGNORECASE)


class NihExporterOptions(SourceOptions):
    """Say what of an abstract is text."""

    relevance: Literal["keep", "drop"] = Field(
        "keep", description="The statement of public health relevance, or the narrative, behind the abstract."
    )
    title: bool = Field(True, description="Begin the text with the project's title, where its file is given.")
    encoding: Literal["auto", "utf-8", "cp1252"] = Field(
        "auto", description="Encoding; auto: a row that is valid UTF-8 is UTF-8, any other windows-1252."
    )
    max_row_bytes: int = Field(4 << 20, ge=1024, description="Longest row that is read, in bytes.")


class NihExporterSource(SourceFormat):
    """Read the abstracts' CSV files; large plain ones are cut where a row begins."""

    name: ClassVar[str] = "nih_exporter"
    version: ClassVar[int] = 2
    summary: ClassVar[str] = "NIH ExPORTER: abstracts of funded projects (CSV, plain or zipped)"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".zip")
    Options: ClassVar[type[SourceOptions]] = NihExporterOptions
    about: ClassVar[About] = About(
        publisher="National Institutes of Health, RePORTER ExPORTER",
        where="https://reporter.nih.gov/exporter/abstracts",
        licence="LicenseRef-US-government-work",
        consent="author",
        size="about 6 GB of CSV, a zip a year since 1985",
        splits="plain files at rows, a zip a task; threads meet once, by application",
        example="RePORTER_PRJABS_C_FY*.zip",
    )
    threaded: ClassVar[bool] = True

    def splits(self, files: Sequence[RawFile], options: Any, target: int = SPLIT_BYTES) -> list[Split]:
        """Cut large plain files at lines that begin with an application's number; pack the rest."""
        whole: list[RawFile] = []
        ranges: list[Split] = []
        for file in sorted(files, key=lambda f: f.rel):
            cuts = row_cuts(file, target) if file.size > target else []
            if cuts:
                edges = [0, *cuts]
                ranges += [Split((file,), a, b) for a, b in zip(edges, [*cuts, None], strict=True)]
            else:
                whole.append(file)
        return super().splits(whole, options, target) + ranges

    def frames(self, split: Split, options: NihExporterOptions, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each row."""
        yield from csv_rows(split, tally, options.max_row_bytes)

    def parse(self, raw: Raw, options: NihExporterOptions) -> list[Outcome]:
        """Turn one row into a part of its application's thread, or a reject."""
        return [_row(raw, options)]

    def assemble(self, thread: str, parts: Sequence[Document], options: NihExporterOptions) -> list[Outcome]:
        """Keep the last abstract of an application; the other rows are rejected by reason."""
        ordered = sorted(parts, key=lambda part: (file_order(part.rel), part.record))
        abstracts = [part for part in ordered if part.text]
        projects = [part for part in ordered if not part.text]
        used = projects[-1] if projects else None
        outcomes: list[Outcome] = [
            unused(part, "project_row", "it has facts and no abstract") for part in projects
        ]
        for part in abstracts:
            newest = abstracts[-1]
            if part is newest:
                outcomes.append(_document(part, used, options))
                continue
            same = part.text == newest.text
            where = f"{'the same' if same else 'a later'} abstract is in {newest.rel} at {newest.record}"
            outcomes.append(unused(part, "duplicate_record" if same else "superseded", where))
        return outcomes


def _document(part: Document, project: Document | None, options: NihExporterOptions) -> Document:
    facts = {**(project.meta if project else {}), **part.meta}
    title = part.title or (project.title if project else "")
    return Document(
        key=part.key,
        text=f"{title}\n\n{part.text}" if title and options.title else part.text,
        rel=part.rel,
        record=part.record,
        url=f"https://reporter.nih.gov/project-details/{part.key}",
        title=title,
        raw_bytes=part.raw_bytes,
        meta={name: value for name, value in facts.items() if name != "thread"},
    )


def _row(raw: Raw, options: NihExporterOptions) -> Outcome:
    size = len(raw.body)

    def reject(reason: str, detail: str, kind: Literal["policy", "error"] = "error", key: str = "") -> Reject:
        return Reject(reason, raw.rel, raw.record, detail, key, kind, raw_bytes=size)

    text, encoding = _decoded(raw.body, options.encoding)
    fields = _fields(text)
    columns = _columns(raw.meta.get("header", b""))
    if fields is None or len(fields) != len(columns):
        found = "a quotation mark within a field" if fields is None else f"{len(fields)} fields"
        return reject("bad_row", f"{found}; the header has {len(columns)}: {', '.join(columns)[:200]}")
    values = dict(zip(columns, (field.strip() for field in fields), strict=True))
    number = values.get(_ID, "")
    if not re.fullmatch(r"[0-9]{1,12}", number):
        return reject("no_application_id", f"{_ID} is {number[:60]!r}, not a number")
    number = str(int(number))
    meta: dict[str, Any] = {"thread": number, "application": number}
    year = _YEAR.search(raw.rel)
    if year:
        meta["fiscal_year"] = int(year[1])
    for column, name in _FACTS.items():
        if values.get(column):
            meta[name] = (
                int(values[column])
                if name == "fiscal_year" and values[column].isdigit()
                else values[column][:300]
            )
    title = " ".join(values.get(_TITLE, "").split())
    given = values.get(_TEXT, "")
    if _TEXT not in columns:
        if not title:
            return reject("no_abstract", f"the file has no column {_TEXT}", "policy", number)
        return Document(number, "", raw.rel, raw.record, title=title, raw_bytes=size, meta=meta)
    body = "" if is_placeholder(given) else clean_abstract(given, relevance=options.relevance == "keep")
    if not body or is_placeholder(body):
        return reject("no_abstract", given[:100], "policy", number)
    meta["encoding"] = encoding
    return Document(number, body, raw.rel, raw.record, title=title, raw_bytes=size, meta=meta)


@lru_cache(maxsize=16)
def _columns(header: bytes) -> tuple[str, ...]:
    """Return the columns' names in capitals; of a file without a header those of the abstracts' files."""
    names = _fields(_decoded(header, "auto")[0]) or [_ID, _TEXT]
    return tuple(name.strip("\ufeff \"'\t").upper() for name in names)


def _decoded(data: bytes, encoding: str) -> tuple[str, str]:
    if encoding != "cp1252":
        try:
            return data.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            if encoding == "utf-8":
                return data.decode("utf-8", "replace"), "utf-8"
    return data.decode("cp1252", "replace"), "windows-1252"


def _fields(text: str) -> list[str] | None:
    """Return the fields of a row; None if it is no CSV of one row."""
    text = text.strip("\r\n")
    if not text:
        return []
    csv.field_size_limit(1 << 30)  # the default of 128 KiB is less than some rows
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None
