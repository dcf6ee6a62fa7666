"""Turn a record of named values, a JSON object or a table's row, into a document: what jsonl and parquet share."""

from __future__ import annotations

import json
from typing import Any

import orjson
from pydantic import Field

from pile_curate.sources.base import Document, Outcome, Raw, Reject, SourceOptions
from pile_curate.spdx import check_expression

_META_BYTES = 16 << 10
_MAX_DEPTH = 32
_MISSING = object()


class RecordOptions(SourceOptions):
    """Say where in a record the text and its facts stand. A key may be dotted: ``meta.url``."""

    text_key: str = Field("text", min_length=1, description="Key of the text: a string or a list of strings.")
    id_key: str | None = Field(None, min_length=1, description="Key of the record's id, string or integer.")
    url_key: str | None = Field(None, min_length=1, description="Key of the document's address.")
    title_key: str | None = Field(None, min_length=1, description="Key of the document's title.")
    meta_key: str = Field(
        "meta", min_length=1, description="Key of an object that is kept with the document."
    )
    licence_key: str | None = Field(None, min_length=1, description="Key of an SPDX licence expression.")
    joiner: str = Field("\n\n", description="What joins the parts where the text is a list.")


def record_outcome(raw: Raw, options: Any) -> Outcome:
    """Turn one record, as JSON, into one document, or one reject that says what is wrong with it.

    ``raw.meta`` may give the key of a record without an id (``key``), and facts to keep (``facts``).
    """
    try:
        return _document(_object(raw.body), raw, options)
    except _Bad as bad:
        return _rejected(raw, bad)


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


class _Bad(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def _rejected(raw: Raw, bad: _Bad) -> Reject:
    return Reject(bad.reason, raw.rel, raw.record, bad.detail, kind="error", raw_bytes=len(raw.body))


def _object(body: bytes) -> dict[str, Any]:
    record = _load(body)
    if not isinstance(record, dict):
        raise _Bad("not_an_object", f"the line is a JSON {type(record).__name__}, not an object")
    return record


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
    if text is None:
        raise _Bad("missing_text", f"{options.text_key!r} is null")
    if text is _MISSING:
        raise _Bad("missing_text", f"no {options.text_key!r}; the object has {_names(record)}")
    if isinstance(text, list) and all(isinstance(part, str) for part in text):
        text = options.joiner.join(text)
    if not isinstance(text, str):
        kind = type(text).__name__
        raise _Bad("bad_text", f"{options.text_key!r} is a {kind}, not a string or a list of strings")
    key = str(raw.meta.get("key") or f"{raw.rel}:{raw.record}")
    if options.id_key is not None:
        key = _id(record, options.id_key)
    licence, facts = None, dict(raw.meta.get("facts", {}))
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
