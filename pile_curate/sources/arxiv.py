r"""Read arXiv's bulk source files: tars of papers, each a gzipped TeX file or a gzipped tar of a whole project.

One record is one member of ``arXiv_src_YYMM_NNN.tar``, so one paper; its native key is the arXiv identifier that
the member's name spells (``2401/2401.00001.gz``, ``0001/hep-th0001001.gz``, ``hep-th/9901001.gz``). Papers that were
submitted as PDF, PostScript or HTML have no source and are rejects of kind ``policy``, withdrawn ones too. A loose
``.tex``, ``.gz`` or ``.tar.gz`` is one paper. What becomes text is said in ``extract/latex_text.py``.

Few sources declare a licence (packages doclicense, hyperxmp), and what their prose says is not guessed at. The option
``metadata`` names the snapshot that arXiv publishes beside them (``arxiv-metadata-oai-snapshot.json``, one JSON object a
line, sorted by identifier); each paper is found in it by bisection, so that its five gigabytes are never read.
Layout: https://info.arxiv.org/help/bulk_data_s3.html.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from pile_curate.archives import members
from pile_curate.errors import CorruptInput
from pile_curate.extract.encoding import public_name
from pile_curate.extract.latex_project import TEX_NAME, read_paper
from pile_curate.extract.latex_stack import TexLimit
from pile_curate.extract.latex_text import TextOptions
from pile_curate.files import Caps, RecordCounter, Tally
from pile_curate.sources.arxiv_metadata import Snapshot, licence_of, stated_licence
from pile_curate.sources.base import About, Document, Outcome, Raw, Reject, SourceFormat, SourceOptions, Split
from pile_curate.sources.blobs import Inflate, blob_records, inflated, whole_file

_NEW_ID = re.compile(r"(\d{2})(\d{2})\.\d{4,5}(?:v(\d{1,3}))?$")
_OLD_ID = re.compile(r"([a-z]{2,9}(?:-[a-z]{2,4})?)(?:\.[A-Z]{2})?/?((\d{2})(\d{2})\d{3})(?:v(\d{1,3}))?$")
_ENDING = re.compile(
    r"\.(?:tar\.gz|tgz|tex\.gz|gz|tex|tar|ltx|latex|pdf|ps|html?|dvi|docx)(?:\.gz)?$", re.IGNORECASE
)
_LOOSE_PAPER = re.compile(
    r"\.(?:tar\.gz|tgz)$|(?:^|/)(?:[a-z-]+)?\d{4}\.?\d{3,5}(?:v\d+)?\.tar$", re.IGNORECASE
)
_BY_NAME = {
    ".pdf": "pdf_only", ".ps": "postscript_only", ".html": "html_only", ".docx": "word_only", ".html.gz": "html_only",
    ".ps.gz": "postscript_only", ".dvi": "dvi_only", ".pdf.gz": "pdf_only",
}  # fmt: skip
_BY_CONTENT = (
    (b"%PDF", "pdf_only"),
    (b"%!PS", "postscript_only"),
    (b"\x04%!PS", "postscript_only"),
    (b"PK\x03\x04", "word_only"),
    (b"\xf7\x02", "dvi_only"),
)
_HTML = re.compile(rb"\s*(?:<!DOCTYPE\s+html|<html)", re.IGNORECASE)
_TEXT_BYTES = 16 << 20
"""The longest single TeX file; the longest paper in the samples has 0.2 MB in one file."""
_WITHDRAWN = 3000
_PREAMBLE = 1 << 17


class ArxivOptions(SourceOptions):
    """What of a paper becomes text, and where its metadata is."""

    unfit: ClassVar[tuple[str, ...]] = ("gopher_quality", "gopher_repetition")

    captions: bool = Field(True, description="Keep the captions of figures and tables, behind the paragraph.")
    tables: bool = Field(False, description="Keep tables, a row a line, cells between bars.")
    footnotes: bool = Field(True, description="Keep footnotes, behind the paragraph.")
    metadata: str | None = Field(
        None,
        description="Path (absolute, or relative to the source's root) of arXiv's metadata snapshot, a JSON object a "
        "line, sorted by id as published; gives licence, authors, categories and dates.",
    )
    require_metadata: bool = Field(
        False, description="Reject papers that the metadata snapshot does not hold."
    )
    max_file_bytes: int = Field(64 << 20, ge=1024, description="Largest paper, packed or unpacked, in bytes.")


def identifier(name: str) -> tuple[str, str, str]:
    """Return the arXiv id that a member's name spells, the month it was submitted, and the version; else empty.

    >>> identifier("2401/2401.00001.gz"), identifier("9901/hep-th9901001.gz"), identifier("math.GT/0309136v2")
    (('2401.00001', '2024-01', ''), ('hep-th/9901001', '1999-01', ''), ('math/0309136', '2003-09', '2'))
    """
    stem = _ENDING.sub("", name)
    if new := _NEW_ID.search(stem):
        if new.start() == 0 or stem[new.start() - 1] == "/":
            return new[0].split("v")[0], _month(new[1], new[2]), new[3] or ""
        return "", "", ""
    if (old := _OLD_ID.search(stem)) and (old.start() == 0 or stem[old.start() - 1] == "/"):
        return f"{old[1]}/{old[2]}", _month(old[3], old[4]), old[5] or ""
    return "", "", ""


def _month(year: str, month: str) -> str:
    return f"{'19' if year > '90' else '20'}{year}-{month}" if "01" <= month <= "12" else ""


def _wanted(name: str) -> str:
    lower = name.lower()
    return next((reason for ending, reason in _BY_NAME.items() if lower.endswith(ending)), "")


class ArxivSource(SourceFormat):
    """Read papers as TeX source."""

    name: ClassVar[str] = "arxiv"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "arXiv bulk source: LaTeX to text, formulas as TeX"
    suffixes: ClassVar[tuple[str, ...]] = (".tar", ".gz", ".tar.gz", ".tgz", ".tex")
    Options: ClassVar[type[SourceOptions]] = ArxivOptions
    about: ClassVar[About] = About(
        publisher="arXiv, from the S3 bucket s3://arxiv (requester pays)",
        where="https://info.arxiv.org/help/bulk_data_s3.html",
        licence="LicenseRef-arXiv-nonexclusive",
        consent="author",
        size="about 3 TB packed; about 1% of that is text",
        splits="one or more tars of 500 MB each; small files packed to 256 MB",
        example="**/arXiv_src_*.tar",
    )

    def frames(self, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each member of a bulk tar, and each loose paper, as one record."""
        for file in split.files:
            one = Split((file,))
            snapshot = None
            if options.metadata:
                root = file.path[: -len(file.rel)] if file.path.endswith(file.rel) else ""
                snapshot = Snapshot(os.path.join(root, options.metadata))
            framed: Iterator[Raw | Reject]
            if _LOOSE_PAPER.search(file.rel):
                with tally.open(file, RecordCounter()) as stream:
                    framed = iter(list(whole_file(stream, file.rel, options.max_file_bytes)))
            else:
                framed = blob_records(one, tally, limit=options.max_file_bytes, wanted=_wanted)
            for record in framed:
                if isinstance(record, Raw) and snapshot is not None:
                    found = snapshot.find(identifier(record.meta["name"])[0])
                    record.meta["metadata"] = found
                elif isinstance(record, Reject) and record.key:
                    record.key = identifier(record.key.rpartition("!")[2])[0] or record.key
                yield record

    def parse(self, raw: Raw, options: Any) -> list[Outcome]:
        """Turn one paper into a document or a reject."""
        return [_outcome(raw, options)]


def _outcome(raw: Raw, options: Any) -> Outcome:
    arxiv, month, version = identifier(raw.meta["name"])
    key = arxiv or raw.meta["key"]

    def reject(reason: str, detail: str = "", kind: Literal["policy", "error"] = "policy") -> Reject:
        return Reject(reason, raw.rel, raw.record, detail, key, kind, raw_bytes=len(raw.body))

    found = raw.meta.get("metadata")
    if options.metadata and options.require_metadata and not found:
        return reject("no_metadata", "the snapshot has no line for this identifier")
    try:
        body = inflated(raw.body, options.max_file_bytes)
    except Inflate as error:
        return reject(error.reason, str(error), "error")
    if reason := _other_format(body):
        return reject(reason)
    try:
        files, damage = project_files(body, options.max_file_bytes)
    except Inflate as error:
        return reject(error.reason, str(error), "error")
    if not files:
        other = damage.removeprefix("only ")
        if other != damage:
            return reject(other)
        return reject("corrupt" if damage else "no_tex", damage, "error" if damage else "policy")
    if _is_withdrawn(files):
        return reject("withdrawn")
    try:
        paper = read_paper(files, TextOptions(options.captions, options.tables, options.footnotes))
    except TexLimit as error:
        return reject("macro_bomb", str(error), "error")
    if paper is None:
        return reject("corrupt" if damage else "no_tex", damage, "error" if damage else "policy")
    if not any(char.isalpha() for char in paper.text):
        return reject("corrupt" if damage else "no_text", damage, "error" if damage else "policy")
    meta: dict[str, Any] = {"main": paper.main, "files": len(paper.used)}
    if len(paper.used) > 1:
        meta["used"] = paper.used[:50]
    meta |= {
        name: value
        for name, value in {
            "submitted": month, "version": version, "stopped": paper.stopped, "damage": damage,
            "encoding": "" if paper.encoding == "utf-8" else public_name(paper.encoding),
        }.items()
        if value
    }  # fmt: skip
    licence = stated_licence(files[paper.main][:_PREAMBLE].decode("latin-1"))
    if found:
        licence = licence_of(found.get("license")) or licence
        meta |= {name: value for name, value in found.items() if name != "license"}
    return Document(
        key,
        paper.text,
        raw.rel,
        raw.record,
        url=f"https://arxiv.org/abs/{arxiv}" if arxiv else "",
        title=paper.title or str(meta.get("title", "")),
        licence=licence,
        raw_bytes=len(raw.body),
        meta={name: value for name, value in meta.items() if name != "title"},
    )


def _other_format(body: bytes) -> str:
    head = body[:1024]
    for mark, reason in _BY_CONTENT:
        if head.startswith(mark):
            return reason
    return "html_only" if _HTML.match(head) else ""


def _is_withdrawn(files: dict[str, bytes]) -> bool:
    """Say whether this is the stub that stands in for a paper taken back."""
    if len(files) != 1:
        return False
    (data,) = files.values()
    return len(data) < _WITHDRAWN and (
        data.lstrip().startswith(b"%auto-ignore") or (b"withdrawn" in data and b"\\begin" not in data)
    )


def project_files(body: bytes, limit: int) -> tuple[dict[str, bytes], str]:
    """Return the text files of a paper by path, and what was wrong with its tar; no tar is one file.

    The damage ``only REASON`` says that the tar held files of another format and no TeX.
    """
    if not _is_tar(body):
        if b"\0" in body[:4096] or len(body) > _TEXT_BYTES:
            return {}, "no TeX: it begins with " + repr(body[:8])
        return {"paper.tex": body}, ""
    files: dict[str, bytes] = {}
    total = 0
    damage = other = ""
    try:
        for member in members(io.BytesIO(body), caps=Caps(member_bytes=_TEXT_BYTES)):
            if member.data is None:
                continue
            name, data = member.name, member.data
            if name.lower().endswith(".gz") and TEX_NAME.search(name[:-3]):
                name, data = name[:-3], inflated(data, limit)
            if TEX_NAME.search(name) and b"\0" not in data[:4096] and data.strip():
                total += len(data)
                if total > limit:
                    raise Inflate("record_too_large", f"its text files have more than {limit} bytes")
                files[name] = data
            else:
                other = other or _wanted(name) or _other_format(data)
    except CorruptInput as error:
        damage = str(error)
    if (
        not any(re.search(r"\.(?:tex|ltx|latex|txt)$|(?:^|/)[^.]+$", name, re.I) for name in files)
        and not damage
    ):
        return {}, f"only {other}" if other else ""
    return files, damage


def _is_tar(body: bytes) -> bool:
    if len(body) < 512:
        return False
    if body[257:262] == b"ustar":
        return True
    stated = body[148:156].strip(b" \0")
    if not re.fullmatch(rb"[0-7]{1,7}", stated):
        return False
    return int(stated, 8) == sum(body[:148]) + sum(body[156:512]) + 8 * 32
