"""Cut PubMed's files into citations and deletions, and count both another way.

A record is one ``<PubmedArticle>`` or ``<PubmedBookArticle>``, and one ``<PMID>`` in ``<DeleteCitation>``, the list at the
end of an update file. That list ends at its end tag or where a citation begins, whichever comes first; so damage
there cannot make deletions of the numbers inside citations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pile_curate.errors import CorruptInput
from pile_curate.extract.xml import ElementFramer, Framed
from pile_curate.files import RawFile, RecordCounter, Tally
from pile_curate.sources.base import Raw, Reject, Split

ARTICLE, BOOK = b"<PubmedArticle>", b"<PubmedBookArticle>"
_ENDS = (b"</PubmedArticle>", b"</PubmedBookArticle>")
_LIST, _LIST_END, _ROOT_END = b"<DeleteCitation>", b"</DeleteCitation>", b"</PubmedArticleSet>"
_PMID = b"<PMID"
_LONGEST = max(len(tag) for tag in (ARTICLE, BOOK, _LIST, _LIST_END))
_PMID_BYTES = 4096
_TOKEN = re.compile(rb"<(?:PubmedArticle>|PubmedBookArticle>|DeleteCitation>|/DeleteCitation>|PMID)")
_IN_LIST = re.compile(rb"<(?:PubmedArticle>|PubmedBookArticle>|/DeleteCitation>|PMID)")
_FAULTS = {"too_large": "record_too_large", "unclosed": "unclosed_record"}


class PubMedCounter(RecordCounter):
    """Count citations, and the numbers in lists of deletions, token by token."""

    def __init__(self) -> None:
        super().__init__()
        self._tail = b""
        self._listing = False

    def feed(self, data: bytes | memoryview) -> None:
        """Walk over the tags that matter and end in these bytes."""
        joined = self._tail + bytes(data)
        end = 0
        if not self._listing and b"DeleteCitation>" not in joined:
            for opening in (ARTICLE, BOOK):
                self.count += joined.count(opening)
                last = joined.rfind(opening)
                end = max(end, last + len(opening)) if last >= 0 else end
        else:
            for token in _TOKEN.finditer(joined):
                tag, end = token[0], token.end()
                if tag == _PMID:
                    self.count += self._listing
                else:
                    self._listing = tag == _LIST
                    self.count += tag in (ARTICLE, BOOK)
        self._tail = joined[max(end, len(joined) - _LONGEST + 1) :]


class DeletionFramer:
    """Cut the ``<PMID>`` elements of deletion lists out of chunks: (offset, bytes, whether it ends)."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._base = 0
        self._inside = False

    def feed(self, offset: int, data: bytes) -> Iterator[tuple[int, bytes, bool]]:
        """Take one chunk; yield the elements whose end has been seen, or that are too long to have one."""
        if not self._buffer:
            self._base = offset
        self._buffer += data
        at = 0  # what lies before it is done with
        while True:
            if not self._inside:
                found = self._buffer.find(_LIST, at)
                if found < 0:
                    at = max(at, len(self._buffer) - len(_LIST) + 1)
                    break
                at, self._inside = found + len(_LIST), True
            begin = _IN_LIST.search(self._buffer, at)
            if begin is None:
                at = max(at, len(self._buffer) - _LONGEST + 1)
                break
            at = begin.start()
            if begin[0] != _PMID:
                self._inside = False
                at += 1
                continue
            after = _IN_LIST.search(self._buffer, begin.end())
            if after is None and len(self._buffer) - at < _PMID_BYTES:
                break
            stop = after.start() if after else at + len(_PMID)
            yield self._base + at, bytes(self._buffer[at:stop]), True
            at = stop
        del self._buffer[:at]
        self._base += at

    def finish(self) -> Iterator[tuple[int, bytes, bool]]:
        """Yield the element that was open at the end."""
        if self._inside and self._buffer.startswith(_PMID):
            yield self._base, bytes(self._buffer), b"</PMID>" in self._buffer
        self._buffer.clear()


def pubmed_records(split: Split, tally: Tally) -> Iterator[Raw | Reject]:
    """Yield a split's records; ``record`` is the offset in the decompressed file."""
    for file in split.files:
        if file.size == 0:
            with tally.open(file, PubMedCounter()):
                pass
            yield Reject("empty_file", file.rel, 0, "the file has no bytes", kind="error", records=0)
        else:
            yield from _records(file, split, tally)


def _records(file: RawFile, split: Split, tally: Tally) -> Iterator[Raw | Reject]:
    framers = (ElementFramer(ARTICLE, _ENDS[0]), ElementFramer(BOOK, _ENDS[1]))
    deletions = DeletionFramer()
    damage: CorruptInput | None = None
    tail = b""
    with tally.open(file, PubMedCounter(), start=split.start, stop=split.stop) as stream:
        try:
            for chunk in stream.chunks():
                tail = (tail + chunk.data)[-256:]
                for framer in framers:
                    for framed in framer.feed(chunk.member, chunk.offset, chunk.data):
                        yield _citation(file, framed, False)
                for deletion in deletions.feed(chunk.offset, chunk.data):
                    yield _deletion(file, deletion)
        except CorruptInput as caught:
            damage = caught
        for framer in framers:
            for framed in framer.finish():
                yield _citation(file, framed, True)
        for deletion in deletions.finish():
            yield _deletion(file, deletion)
        end = stream.position
    if damage is not None:
        yield Reject("corrupt_file", file.rel, end, str(damage), kind="error", records=0)
    elif split.stop is None and _ROOT_END not in tail:
        why = f"the file ends without {_ROOT_END.decode()} after {end} bytes: it was cut short, or is another format"
        yield Reject("corrupt_file", file.rel, end, why, kind="error", records=0)


def _citation(file: RawFile, framed: Framed, at_end: bool) -> Raw | Reject:
    if not framed.fault:
        return Raw(file.rel, framed.offset, framed.data)
    reason = "truncated_record" if at_end and framed.fault == "unclosed" else _FAULTS[framed.fault]
    detail = f"the citation at byte {framed.offset} does not end, or is larger than 256 MiB"
    return Reject(reason, file.rel, framed.offset, detail, kind="error", raw_bytes=framed.size)


def _deletion(file: RawFile, deletion: tuple[int, bytes, bool]) -> Raw | Reject:
    offset, data, whole = deletion
    if whole:
        return Raw(file.rel, offset, data)
    detail = "the file ends inside a list of deletions"
    return Reject("truncated_record", file.rel, offset, detail, kind="error", raw_bytes=len(data))
