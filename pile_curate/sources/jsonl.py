"""Read JSON lines as lm_dataformat writes them: one object a line, ``{"text": …, "meta": {…}}``.

Plain, gz, zst (several frames), bz2 and xz files; large plain files are cut at line ends, so that many
tasks share one. A line is a record; blank lines are none. A line that is no JSON, no object, not
UTF-8, without text or too long is rejected with its reason, and reading goes on at the next newline.

The native key is the record's id where the options name one. Otherwise it is file and byte offset,
which is stable as long as the file's name and everything before the record stay: appending to a
file keeps ids, editing or renaming one changes them (and with them the documents' splits).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import orjson
from pydantic import Field

from pile_curate.decode import HEAD_BYTES, sniff
from pile_curate.errors import CorruptInput
from pile_curate.files import RawFile, RawStream, RecordCounter, Tally, open_raw
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
from pile_curate.spdx import check_expression

_STEP = 1 << 20
_BLANK = b" \t\r\n\x0b\x0c"
_CONTENT = re.compile(rb"[^ \t\r\n\x0b\x0c][^\n]*")
_META_BYTES = 16 << 10
_MAX_DEPTH = 32
_MISSING = object()


class JsonlOptions(SourceOptions):
    """Say where in an object the text and its facts stand. A key may be dotted: ``meta.url``."""

    text_key: str = Field("text", min_length=1, description="Key of the text: a string or a list of strings.")
    id_key: str | None = Field(None, min_length=1, description="Key of the record's id, string or integer.")
    url_key: str | None = Field(None, min_length=1, description="Key of the document's address.")
    title_key: str | None = Field(None, min_length=1, description="Key of the document's title.")
    meta_key: str = Field(
        "meta", min_length=1, description="Key of an object that is kept with the document."
    )
    licence_key: str | None = Field(None, min_length=1, description="Key of an SPDX licence expression.")
    joiner: str = Field("\n\n", description="What joins the parts where the text is a list.")
    max_line_bytes: int = Field(64 << 20, ge=1024, description="Longest line that is read, in bytes.")


class LineCounter(RecordCounter):
    """Count the lines that hold more than blanks, chunk by chunk, without cutting lines."""

    _inside = False

    def feed(self, data: bytes | memoryview) -> None:
        """Count the lines whose first visible byte is among these."""
        data = bytes(data)
        if not data:
            return
        begin = 0
        if self._inside:
            begin = data.find(b"\n")
            if begin < 0:
                return
            self._inside = False
        for _ in _CONTENT.finditer(data, begin):
            self.count += 1
        last = data.rfind(b"\n")
        self._inside = bool(data[max(last + 1, begin) :].strip(_BLANK))


class JsonlSource(SourceFormat):
    """Read lm_dataformat's JSON lines and anything that looks like them."""

    name = "jsonl"
    version = 1
    summary = "JSON lines with a text field (lm_dataformat), plain or compressed"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".jsonl.zst", ".jsonl.gz", ".ndjson")
    libraries: ClassVar[tuple[str, ...]] = ("orjson",)
    Options: ClassVar[type[SourceOptions]] = JsonlOptions
    about = About(
        publisher="Corpora in lm_dataformat (OpenWebText2, BookCorpus2, Books3)",
        where="https://github.com/leogao2/lm_dataformat",
        licence="as the corpus says",
        consent="public",
        size="any",
        splits="plain files at lines; compressed ones a file a task",
        example="*.jsonl.zst",
    )

    def splits(self, files: Sequence[RawFile], options: Any, target: int = SPLIT_BYTES) -> list[Split]:
        """Cut plain files above ``target`` bytes at line ends; pack the rest whole."""
        whole: list[RawFile] = []
        ranges: list[Split] = []
        for file in sorted(files, key=lambda f: f.rel):
            edges = _edges(file, target) if file.size > target else []
            if len(edges) > 2:
                ranges += [Split((file,), a, b) for a, b in zip(edges, edges[1:], strict=False)]
            else:
                whole.append(file)
        return super().splits(whole, options, target) + ranges

    def frames(self, split: Split, options: Any, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield one ``Raw`` a line that is not blank; ``record`` is its decompressed byte offset."""
        for file in split.files:
            with tally.open(file, LineCounter(), start=split.start, stop=split.stop) as stream:
                yield from _lines(stream, file.rel, options.max_line_bytes)

    def parse(self, raw: Raw, options: Any) -> list[Outcome]:
        """Turn one line into one document, or one reject that says what is wrong with it."""
        try:
            return [_document(_object(raw.body), raw, options)]
        except _Bad as bad:
            return [_rejected(raw, bad)]


class _Bad(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def json_object(raw: Raw) -> dict[str, Any] | Reject:
    """Return a record that is one JSON object, or the reject that says why it is none; its strings can be stored."""
    try:
        found = _object(raw.body)
        if b"\\ud" in raw.body or b"\\uD" in raw.body:
            # Only an escape can bring in half of a surrogate pair.
            found = orjson.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))
        return found
    except _Bad as bad:
        return _rejected(raw, bad)
    except (ValueError, RecursionError) as error:
        return _rejected(raw, _Bad("bad_json", str(error)))


def _rejected(raw: Raw, bad: _Bad) -> Reject:
    return Reject(bad.reason, raw.rel, raw.record, bad.detail, kind="error", raw_bytes=len(raw.body))


def _object(body: bytes) -> dict[str, Any]:
    record = _load(body)
    if not isinstance(record, dict):
        raise _Bad("not_an_object", f"the line is a JSON {type(record).__name__}, not an object")
    return record


def _edges(file: RawFile, target: int) -> list[int]:
    """Return line starts that cut a plain file into ranges of about ``target`` bytes; [] if compressed."""
    with open_raw(file.path) as handle:
        if sniff(handle.read(HEAD_BYTES)):
            return []
        edges = [0]
        for goal in range(target, file.size, target):
            if goal <= edges[-1]:
                continue
            handle.seek(goal - 1)
            at = goal - 1
            while piece := handle.read(_STEP):
                found = piece.find(b"\n")
                if found >= 0:
                    at += found + 1
                    break
                at += len(piece)
            if at < file.size:
                edges.append(at)
    return [*edges, file.size]


def _lines(stream: RawStream, rel: str, cap: int) -> Iterator[Raw | Reject]:
    held = bytearray()
    begin = stream.position
    lost = 0  # bytes of the present line that were thrown away because it is too long
    visible = False  # whether those held anything but blanks
    error: CorruptInput | None = None
    while True:
        try:
            data = stream.read(_STEP)
        except CorruptInput as caught:
            error = caught
            break
        if not data:
            break
        at = 0
        while (end := data.find(b"\n", at)) >= 0:
            if lost or len(held) + end - at > cap:
                visible = visible or _visible(held) or _visible(data[at:end])
                if visible:
                    yield _too_long(rel, begin, lost + len(held) + end - at, cap)
            else:
                line = bytes(held) + data[at:end] if held else data[at:end]
                if _visible(line):
                    yield Raw(rel, begin, line)
            begin += lost + len(held) + end - at + 1
            held.clear()
            lost, visible, at = 0, False, end + 1
        held += data[at:]
        if len(held) > cap:
            visible = visible or _visible(held)
            lost += len(held)
            held.clear()
    pending = visible or _visible(held)
    if error is None:
        if stream.position == 0:
            yield Reject("empty_file", rel, 0, "the file holds no bytes", kind="error", records=0)
        elif pending:
            yield _too_long(rel, begin, lost + len(held), cap) if lost else Raw(rel, begin, bytes(held))
        return
    if pending:
        detail = f"the file is damaged inside this line, after {lost + len(held)} bytes of it"
        yield Reject("truncated_record", rel, begin, detail, kind="error", raw_bytes=lost + len(held))
    yield Reject("corrupt_file", rel, stream.position, str(error), kind="error", records=0)


def _visible(data: bytes | bytearray) -> bool:
    return bool(data) and not data.isspace()


def _too_long(rel: str, begin: int, size: int, cap: int) -> Reject:
    detail = f"the line is {size} bytes long; the option max_line_bytes allows {cap}"
    return Reject("line_too_long", rel, begin, detail, kind="error", raw_bytes=size)


def _load(body: bytes) -> Any:
    if body[:3] == b"\xef\xbb\xbf":
        body = body[3:]
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        first = str(error)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        detail = f"byte 0x{body[error.start]:02x} at {error.start}: {error.reason}"
        raise _Bad("invalid_utf8", detail) from error
    try:
        # Python's own writer emits NaN and lone surrogates, which orjson refuses.
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _Bad("bad_json", first or str(error)) from error


def _document(record: dict[str, Any], raw: Raw, options: Any) -> Document:
    text = _find(record, options.text_key)
    if text is _MISSING or text is None:
        raise _Bad("missing_text", f"no {options.text_key!r}; the object has {_names(record)}")
    if isinstance(text, list) and all(isinstance(part, str) for part in text):
        text = options.joiner.join(text)
    if not isinstance(text, str):
        kind = type(text).__name__
        raise _Bad("bad_text", f"{options.text_key!r} is a {kind}, not a string or a list of strings")
    key = f"{raw.rel}:{raw.record}"
    if options.id_key is not None:
        key = _id(record, options.id_key)
    licence, facts = None, {}
    if options.licence_key is not None:
        claimed = _string(record, options.licence_key)
        licence = _spdx(claimed)
        if claimed and licence is None:
            facts["licence_claimed"] = claimed
    return Document(
        key=key,
        text=text,
        rel=raw.rel,
        record=raw.record,
        url=_string(record, options.url_key),
        title=_string(record, options.title_key),
        licence=licence,
        raw_bytes=len(raw.body),
        meta={**_meta(record, options.meta_key), **facts},
    )


def _find(record: dict[str, Any], key: str) -> Any:
    """Look a key up as it stands, else along its dots."""
    if key in record:
        return record[key]
    value: Any = record
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return _MISSING
        value = value[part]
    return value


def _id(record: dict[str, Any], key: str) -> str:
    value = _find(record, key)
    if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
        return _storable(str(value))
    what = "is missing" if value is _MISSING else f"is {json.dumps(value)[:80]}, not a string or an integer"
    raise _Bad("bad_id", f"the id {key!r} {what}; leave id_key out to use file and offset")


def _string(record: dict[str, Any], key: str | None) -> str:
    value = _find(record, key) if key is not None else ""
    return _storable(value) if isinstance(value, str) else ""


def _spdx(claimed: str) -> str | None:
    try:
        return check_expression(claimed) if claimed else None
    except ValueError:
        return None


def _meta(record: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the record's ``meta`` as it can be stored: no lone surrogates, 64-bit numbers, bounded size."""
    meta = _find(record, key)
    if not isinstance(meta, dict):
        return {}
    plain = _plain(meta)
    size = len(json.dumps(plain))
    return plain if size <= _META_BYTES else {"meta_omitted_bytes": size}


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, dict):
        return {_storable(str(k)): _plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v, depth + 1) for v in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _names(record: dict[str, Any]) -> str:
    names = sorted(_storable(str(name)) for name in record)
    return repr(names[:10]) + (" …" if len(names) > 10 else "")
