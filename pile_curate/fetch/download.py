"""Bring one file home: resumed where that is safe, checked against everything known of it, named in one step.

The rules, and where they come from: a part is continued only under ``If-Range`` with a strong validator
(RFC 9110, 13.1.5), or without one if a published checksum will judge the result. An answer to a range that
is not exactly the range asked for begins the file anew. A file is complete if its length is the one
announced; if none was, if its format proves its end or a checksum agrees. Then come the checksums.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import unquote, urlsplit

from pile_curate.errors import PileCurateError
from pile_curate.fetch import answers, checks, sums
from pile_curate.fetch.answers import Again
from pile_curate.fetch.client import Answer, Client
from pile_curate.fetch.ledger import Entry, Ledger
from pile_curate.fetch.part import Origin, Part
from pile_curate.fetch.patience import Patience
from pile_curate.fetch.settings import Interrupted, Refused, Transient
from pile_curate.fetch.targets import Budget, Outcome, State, Target
from pile_curate.storage import CHUNK, open_raw, sha256_file

PROGRESS = 1 << 20
"""A file that grew by this much is not failing, however often its connection breaks."""


class _Over(Exception):
    """The run's byte budget ends here."""


class Download:
    """One target's way through; ``run`` returns what became of it and raises only what ends the whole run."""

    def __init__(
        self, client: Client, ledger: Ledger, target: Target, budget: Budget, *, recheck: bool = False
    ) -> None:
        self.client, self.ledger, self.target, self.budget = client, ledger, target, budget
        self.recheck = recheck
        self.file = os.path.join(ledger.root, target.path)
        self.sums = list(target.sums)
        self.moved = self.reserved = 0
        self.part = Part(ledger.root, target.path, client.settings.sync_bytes)
        self.spliced = False

    def run(self) -> Outcome:
        """Fetch, or find out that there is nothing to do."""
        try:
            return self._run()
        except Refused as refused:
            return self._outcome("failed", refused.reason)
        except _Over:
            return self._outcome("over", "over --max-bytes; run again to go on")
        except Interrupted:
            return self._outcome("interrupted", "the part is kept" if self.part.size else "")

    def _outcome(self, state: State, reason: str = "", entry: Entry | None = None) -> Outcome:
        size, verified = (int(entry["bytes"]), tuple(entry.get("verified", ()))) if entry else (0, ())
        return Outcome(self.target, state, reason, size, self.moved, verified)

    def _run(self) -> Outcome:
        entry = self.ledger.entries.get(self.target.path)
        if entry is not None and not self._intact(entry):
            entry = None
        if entry is not None and self.target.immutable and not self._contradicted(entry):
            return self._outcome("fresh", "published under a URL that never changes", entry)
        self._published()
        if entry is not None:
            agreed = self._agreed(entry)
            if agreed:
                return self._outcome("fresh", f"the published {agreed} is that of the file here", entry)
            if agreed is None and not (entry.get("etag") or entry.get("last_modified")):
                entry = None  # nothing to ask with: fetch it again
            if agreed == "":
                entry = None  # known to have changed
        elif self.target.path not in self.ledger.entries and os.path.lexists(self.file):
            return self._adopt()
        return self._fetch(entry)

    def _intact(self, entry: Entry) -> bool:
        """Say whether the file of an entry is here as it was left, by size, or with ``recheck`` by its sha256."""
        if entry["url"] != self.target.url or not os.path.isfile(self.file):
            return False
        if os.path.getsize(self.file) != entry["bytes"]:
            return False
        return not self.recheck or sha256_file(self.file)[0] == entry["sha256"]

    def _contradicted(self, entry: Entry) -> bool:
        return self._agreed(entry) == ""

    def _agreed(self, entry: Entry) -> str | None:
        """Return the algorithm whose published digest is the entry's; ``""`` if it differs, None if none is known."""
        known = {"sha256": entry["sha256"], **dict(entry.get("published") or {})}
        for algorithm, digest, _ in self.sums:
            if algorithm in known:
                return algorithm if known[algorithm] == digest else ""
        return None

    def _published(self) -> None:
        """Read the checksum file that stands beside the file."""
        if self.target.sum_url:
            text = self.client.text(self.target.sum_url, 4 << 20).decode("utf-8", "replace")
            name = unquote(urlsplit(self.target.url).path.rpartition("/")[2])
            algorithm, digest = sums.of_file(text, name, self.target.sum_url)
            self.sums.append((algorithm, digest, self.target.sum_url))

    def _adopt(self) -> Outcome:
        """Take up a file that is here and not from us, if a published checksum says that it is the one."""
        if not self.sums or not os.path.isfile(self.file):
            raise Refused(
                f"{self.file!r} exists and is not in fetch.ledger; move it away, or it would be overwritten"
            )
        found, size = _digests(self.file, {a for a, _, _ in self.sums})
        if any(found[algorithm] != digest for algorithm, digest, _ in self.sums):
            raise Refused(
                f"{self.file!r} exists, is not in fetch.ledger, and differs from the published checksum"
            )
        entry = self._entry(Origin(url=self.target.url, final_url=self.target.url), found, size, [])
        self.ledger.add(entry)
        return self._outcome("adopted", "the file was here and has the published checksum", entry)

    def _fetch(self, entry: Entry | None) -> Outcome:
        patience = Patience(self.client.hosts, self.target.url)
        best = 0
        with self._opened():
            while True:
                try:
                    made = self._attempt(entry)
                    if made is entry:
                        return self._outcome("fresh", "the server says that it has not changed", entry)
                    return self._outcome("fetched", "", made)
                except Transient as error:
                    failure = error
                except Again as error:
                    self.part.restart()
                    failure = Transient(str(error), wait=0.0)
                if self.part.size >= best + PROGRESS:
                    best = self.part.size
                    patience.progressed()
                patience.failed(failure)

    @contextmanager
    def _opened(self) -> Iterator[None]:
        """Open the part, and whatever happens keep what came: refused content is gone from it already."""
        with closing(self.part):
            self.spliced = self.part.open(self.target.url, {a for a, _, _ in self.sums}) > 0
            try:
                yield
            except (Refused, Interrupted, _Over):
                self.part.keep()
                raise
            except PileCurateError:
                with contextlib.suppress(
                    PileCurateError
                ):  # on a full disk, the first error is the one to tell
                    self.part.keep()
                raise

    def _attempt(self, entry: Entry | None) -> Entry:
        """Make one request; return the new entry, or ``entry`` itself if the server says that it still holds."""
        headers: dict[str, str] = {}
        have, origin = self.part.size, self.part.origin
        if have and origin.total == have and origin.framed:
            return self._complete()
        if have and (origin.validator or self.sums):
            headers["Range"] = f"bytes={have}-"
            if origin.validator:
                headers["If-Range"] = origin.validator
        elif have:
            self.part.restart()
        if not self.part.size and entry is not None:
            if entry.get("etag"):
                headers["If-None-Match"] = str(entry["etag"])
            elif entry.get("last_modified"):
                headers["If-Modified-Since"] = str(entry["last_modified"])
        with self.client.open("GET", self.target.url, headers) as answer:
            if answer.status == 304:
                if entry is None or self.part.size:
                    raise Again("the server answers 304 to a request without conditions")
                self.part.discard()
                return entry
            try:
                self._start(answer, have=self.part.size)
                self._receive(answer)
            finally:
                self.budget.give(self.reserved)
                self.reserved = 0
        return self._complete()

    def _start(self, answer: Answer, have: int) -> None:
        """Decide from the head of an answer where its bytes belong."""
        if answer.status == 416:
            if have and answers.ends_at(answer) == have and self.part.origin.validator:
                self.part.origin.total, self.part.origin.framed = have, True
                raise Transient("every byte had come already", wait=0.0)
            raise Again("the server cannot go on from here (status 416)")
        found = answers.origin(answer, self.target.url)
        if answer.status == 206:
            found = answers.continued(answer, self.part.origin, found, have)
            self.spliced = True
            self.part.begin(found)
        elif answer.status == 200:
            if have:
                self.part.restart()  # the file changed, or the server knows no ranges
            found.total, found.framed = answer.length, answer.length is not None or answer.chunked
            self.spliced = False
            self.part.begin(found)
        else:
            raise Refused(f"{answer.url} answers with status {answer.status}, which brings no file")
        size = self.target.size
        if size is not None and found.total is not None and found.total != size and not found.encoding:
            self.part.restart()
            raise Refused(
                f"the listing says {size} bytes and the server {found.total}; the listing may be old"
            )
        if found.total is not None:
            more = found.total - self.part.size
            self.part.room(more)
            if not self.budget.take(more):
                raise _Over
            self.reserved = more

    def _receive(self, answer: Answer) -> None:
        """Write the body down, and stop as soon as it cannot be the file."""
        unseen = self.part.size < checks.HEAD
        total = self.part.origin.total
        for data in answer.chunks():
            if total is not None and self.part.size + len(data) > total:
                raise Again(f"more bytes come than the {total} announced")
            if self.reserved >= len(data):
                self.reserved -= len(data)
            elif not self.budget.take(len(data)):
                raise _Over
            self.part.write(data)
            self.moved += len(data)
            if unseen and self.part.size >= checks.HEAD:
                unseen = False
                self._head()
        if total is not None and self.part.size < total:
            raise Transient(f"{self.part.size} of {total} bytes came")

    def _head(self) -> None:
        problem = checks.head_problem(self.target.path, self.part.head(checks.HEAD), self.part.size)
        if problem:
            self.part.restart()
            raise Refused(f"{self.target.url}: {problem}")

    def _complete(self) -> Entry:
        """Judge the whole file, and give it its name."""
        part, origin = self.part, self.part.origin
        self._head()
        verified = self._checksums()
        size = self.target.size
        if size is not None and part.size != size and not origin.encoding:
            self._reject(f"the listing says {size} bytes, {part.size} came")
        if size is not None:
            verified.append("the length in the listing")
        head, tail = part.head(checks.HEAD), part.tail(checks.TAIL)
        problem = checks.tail_problem(self.target.path, head, tail, part.size)
        if problem:
            self._reject(problem)
        if origin.framed:
            verified.append(
                "the announced length" if origin.total is not None else "the end of the chunked body"
            )
        elif not verified and checks.proves_its_end(self.target.path):
            verified.append("the end that its format has")
        elif not verified:
            ended = checks.end_problem(self.target.path, part.file)
            if ended and ended.startswith(checks.CUT):
                # A connection that broke looks the same as one that ended: go on from here, if that can be.
                raise Transient(f"no length was announced, and {ended}")
            if ended:
                raise Again(f"no length was announced, and {ended}")
            if ended == "":
                verified.append("decompression to its end")
        entry = self._entry(origin, part.digests(), part.size, verified)
        when = answers.date(origin.last_modified)
        part.finish(entry, when.timestamp() if when else None)
        self.ledger.add(entry)
        part.forget()
        return entry

    def _checksums(self) -> list[str]:
        found = self.part.digests()
        for algorithm, digest, where in self.sums:
            if found[algorithm] != digest:
                coded = (
                    f"; it came with Content-Encoding {self.part.origin.encoding}"
                    if self.part.origin.encoding
                    else ""
                )
                self._reject(f"its {algorithm} is {found[algorithm]}, {where} says {digest}{coded}")
        return [f"{algorithm} of {where}" for algorithm, _, where in self.sums]

    def _reject(self, problem: str) -> None:
        """Throw the file away; one put together from several answers gets another try from zero."""
        if self.spliced:
            self.spliced = False
            raise Again(f"put together from several answers, {problem}")
        self.part.restart()
        raise Refused(f"{self.target.url}: {problem}")

    def _entry(self, origin: Origin, found: dict[str, str], size: int, verified: list[str]) -> Entry:
        return {
            "url": self.target.url,
            "final_url": origin.final_url,
            "path": self.target.path,
            "bytes": size,
            "sha256": found["sha256"],
            "etag": origin.etag,
            "last_modified": origin.last_modified,
            "encoding": origin.encoding,
            "fetched": self.client.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "verified": verified or [f"{a} of {where}" for a, _, where in self.sums],
            "published": {algorithm: digest for algorithm, digest, _ in self.sums},
            "immutable": self.target.immutable,
            "source": self.target.source,
        }


def _digests(path: str, algorithms: set[str]) -> tuple[dict[str, str], int]:
    states = {name: hashlib.new(name, usedforsecurity=False) for name in {"sha256", *algorithms}}
    size = 0
    with open_raw(path) as handle:
        while data := handle.read(CHUNK):
            size += len(data)
            for state in states.values():
                state.update(data)
    return {name: state.hexdigest() for name, state in states.items()}, size
