"""Find every duplicate of a corpus on Spark, equal to the sequential walk of ``dedup.greedy``.

    parts -> twins (who represents whom) -> keys -> edges -> components -> runs -> shingle sets -> walk -> names

Each step is one RDD job whose tasks exchange blocks of columns (``exchange``) and leave files below ``scratch``,
under names of their own; a step's results name the files that count. What a step does stands in its module:
``twins``, ``edges``, ``walks``, ``naming``. That the result equals the sequential walk: representatives
(proof in ``twins``), components (``dedup.stars``), a union of components (``dedup.greedy``).

**Memory**, by the bounds of ``Bounds``. Driver: 60 bytes an edge up to ``edges`` of them (then rounds in Spark),
a few hundred bytes a file. Tasks: ``meeting_rows`` narrow rows (100 bytes) or key rows (16, and 32 of table); ``run_rows``
rows of about 700 bytes; ``memory`` bytes of shingle sets and as much of the walk's state, beyond which both lie in
files that the system pages; 32 MB of texts. No step holds a bucket, the graph, or a component's texts.

**Partitioning** never shows: groups and components are minima, and runs are sorted by the total order.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pile_curate.dedup import DedupSettings
from pile_curate.dedup.parts import Part
from pile_curate.dedup.results import EXACT, URL, Found, Output
from pile_curate.spark import edges, exchange, naming, twins, walks
from pile_curate.spark.runner import pack
from pile_curate.spark.session import worker_cores
from pile_curate.spark.twins import Copies

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SURVIVORS_VERSION = 2
"""Bump when the same input and settings would give other duplicates; part of dedup's fingerprint."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one process may hold; changing them changes time and memory, never the result."""

    edges: int = edges.EDGE_BOUND
    group_rows: int = 4 << 20
    meeting_rows: int = 1 << 20
    key_rows: int = 4 << 20
    run_rows: int = 100_000
    prune: int = 1_000_000
    memory: int = 512 << 20


def find_duplicates(
    spark: SparkSession,
    parts: Sequence[Part],
    *,
    settings: DedupSettings,
    scratch: str,
    output: Output,
    partitions: int | None = None,
    bounds: Bounds | None = None,
) -> Found:
    """Write the duplicates among the documents of ``parts`` and return what was found.

    ``scratch`` is a directory that all executors share; ``clear`` removes it when ``Found.dropped`` has been used.
    Raises ``DatasetDamaged`` on repeated ids, listing some.
    """
    os.makedirs(scratch, exist_ok=True)
    return _Run(spark, parts, settings, scratch, output, partitions, bounds or Bounds()).find()


class _Run:
    def __init__(
        self,
        spark: SparkSession,
        parts: Sequence[Part],
        settings: DedupSettings,
        scratch: str,
        output: Output,
        partitions: int | None,
        bounds: Bounds,
    ) -> None:
        self.spark, self.settings, self.scratch, self.output, self.bounds = (
            spark,
            settings,
            scratch,
            output,
            bounds,
        )
        self.steps: dict[str, float] = {}
        self.cores = partitions or worker_cores(spark)
        ordered = sorted(parts, key=lambda part: part.number)
        sizes = [part.rows + 1 for part in ordered]
        wanted = max(partitions or 3 * self.cores, sum(sizes) // bounds.group_rows)
        self.parts = pack(ordered, sizes, wanted)
        count = max((part.number for part in ordered), default=-1) + 1
        group = np.zeros(count, np.int64)
        for number, mine in enumerate(self.parts):
            for part in mine:
                group[part.number] = number
        self.documents = sum(part.rows for part in ordered)
        meetings = self.targets(self.documents, bounds.meeting_rows)
        self.layout = twins.Layout(group, max(1, len(self.parts)), meetings)

    def results(self, rdd: Any, label: str) -> list[Any]:
        started = time.monotonic()
        found = exchange.results(self.spark, rdd, f"dedup: {label}")
        self.steps[label] = round(time.monotonic() - started, 3)
        return found

    def targets(self, rows: int, bound: int) -> int:
        return max(1, min(self.cores, rows), -(-rows // bound))

    def tasks(self, *files: dict[int, Any]) -> list[Any]:
        return [(g, parts, *(f.get(g) for f in files)) for g, parts in enumerate(self.parts)]

    def find(self) -> Found:
        by_url = self.twins("url", {}) if self.settings.urls else {}
        by_text = self.twins("digest", {g: c.path for g, c in by_url.items()})
        gone = {g: self.both(c, by_url.get(g)) for g, c in by_text.items()}
        linked = self.link(gone)
        started = time.monotonic()
        members = edges.connect(
            self.spark, linked, self.scratch, self.layout,
            bound=self.bounds.edges, run_rows=self.bounds.run_rows, runs=self.cores,
        )  # fmt: skip
        self.steps["connect"] = round(time.monotonic() - started, 3)
        runs = self.sort(gone, members)
        walked = self.walk(runs, members)
        finals = self.resolve([w.path for w in walked if w.path], by_text, EXACT)
        finals = self.resolve(finals, by_url, URL)
        named = self.name(finals)
        facts = {
            "steps": self.steps,
            "documents": sum(c.documents for c in by_text.values()) + sum(c.copies for c in by_url.values()),
            "copies": {"text": sum(c.copies for c in by_text.values()), "url": sum(c.copies for c in by_url.values())},
            "components": {
                "count": members.components, "largest": members.largest, "members": members.members,
                "method": members.method, "rounds": members.rounds,
            },
            "edges": sum(e.edges for e in linked),
            "keys": sum(e.keys for e in linked),
            "shingle_sets": {"count": sum(w.sets for w in walked), "shingles": sum(w.shingles for w in walked)},
            "pairs": {"examined": sum(w.examined for w in walked), "refused": sum(w.refused for w in walked)},
        }  # fmt: skip
        return self.found(named, facts)

    def twins(self, by: str, before: dict[int, str]) -> dict[int, Copies]:
        find = partial(twins.find, settings=self.settings, layout=self.layout, by=by)
        blocks = exchange.start(self.spark, self.tasks(before), find)
        met = exchange.then(
            blocks, self.layout.meetings + self.layout.groups, partial(twins.meet, layout=self.layout)
        )
        kept = exchange.then(met, self.layout.groups, partial(twins.keep, directory=self.scratch))
        found = {copies.group: copies for copies in self.results(kept, f"same {by}")}
        self.check([pair for copies in found.values() for pair in copies.suspects])
        return found

    def check(self, suspects: Sequence[tuple[int, int]]) -> None:
        """Raise if two documents have one id; equal hashes of different ids are nothing."""
        if not suspects:
            return
        wanted = np.unique(np.array(suspects, np.int64))
        ids: dict[int, bytes] = {}
        for mine in self.parts:
            for rows, batch in naming.identities(mine, wanted, ["doc_id"]):
                ids.update(zip(wanted[rows].tolist(), batch.column("doc_id").to_pylist(), strict=True))
        self.output.refuse_repeated([ids[a] for a, b in suspects if ids[a] == ids[b]])

    def both(self, copies: Copies, more: Copies | None) -> str:
        """Return a file of all vertices that others represent, ascending."""
        if more is None or more.copies == 0:
            return copies.path
        rows = np.concatenate([np.load(copies.path), np.load(more.path)])
        path = os.path.join(self.scratch, f"gone-{copies.group:05d}.npy")
        np.save(path, rows[np.argsort(rows[:, 0])])
        return path

    def link(self, gone: dict[int, str]) -> list[edges.Edges]:
        targets = self.targets(self.documents * (self.settings.bands + 1), self.bounds.key_rows)
        keys = partial(edges.keys, settings=self.settings, targets=targets)
        linked = exchange.then(
            exchange.start(self.spark, self.tasks(gone), keys), targets,
            partial(edges.link, scoped=self.settings.scope != "global", directory=self.scratch),
        )  # fmt: skip
        found: list[edges.Edges] = self.results(linked, "bands")
        return found

    def sort(self, gone: dict[int, str], members: edges.Members) -> list[walks.Run]:
        if members.members == 0:
            return []
        rows = exchange.start(
            self.spark, self.tasks(gone, members.files), partial(walks.send_rows, settings=self.settings)
        )
        work = partial(
            walks.sort_run,
            settings=self.settings,
            walks=members.walks,
            limit=self.bounds.prune,
            memory=self.bounds.memory,
            directory=self.scratch,
        )
        found: list[walks.Run] = self.results(exchange.then(rows, len(members.walks), work), "runs")
        return found

    def walk(self, runs: Sequence[walks.Run], members: edges.Members) -> list[walks.Walked]:
        if not runs:
            return []
        paths: dict[int, list[str]] = {}
        for run in sorted(runs):
            paths.setdefault(members.walks[run.run], []).append(run.path)
        tasks = [(run.path, members.walks[run.run]) for run in runs if run.marked]
        marks = exchange.start(self.spark, tasks, partial(walks.send_marks, layout=self.layout))
        sets = exchange.then(
            marks, self.layout.groups,
            partial(walks.make_sets, parts=self.parts, directory=self.scratch, settings=self.settings),
        )  # fmt: skip
        walk = partial(
            walks.walk, runs=paths, settings=self.settings, directory=self.scratch, memory=self.bounds.memory
        )
        found: list[walks.Walked] = self.results(exchange.then(sets, max(members.walks) + 1, walk), "walk")
        return found

    def resolve(self, paths: Sequence[str], copies: dict[int, Copies], kind: int) -> list[str]:
        """Return the files of final verdicts: those there are, and those of the copies."""
        of_group = {group: c.path for group, c in copies.items() if c.copies}
        if not of_group:
            return list(paths)
        tasks = [("finals", path, 0) for path in paths]
        tasks += [("copies", path, group) for group, path in of_group.items()]
        targets = self.targets(self.documents, self.bounds.key_rows)
        sent = exchange.start(self.spark, tasks, partial(naming.send_verdicts, targets=targets))
        answered = exchange.then(sent, targets, naming.answer_verdicts)
        work = partial(naming.settle, copies=of_group, kind=kind, directory=self.scratch)
        settled = self.results(exchange.then(answered, self.layout.groups, work), "verdicts")
        return [*paths, *(final.path for final in settled)]

    def name(self, paths: Sequence[str]) -> list[naming.Named]:
        if not paths:
            return []
        sent = exchange.start(self.spark, paths, partial(naming.send_finals, layout=self.layout))
        groups, directory = self.layout.groups, self.scratch
        asked = exchange.then(
            sent, groups, partial(naming.ask_names, parts=self.parts, layout=self.layout, directory=directory)
        )
        answered = exchange.then(asked, groups, partial(naming.answer_names, parts=self.parts))
        written = exchange.then(
            answered, groups, partial(naming.write_names, parts=self.parts, output=self.output)
        )
        found: list[naming.Named] = self.results(written, "names")
        return found

    def found(self, named: Sequence[naming.Named], facts: dict[str, Any]) -> Found:
        entries = [n.entry for n in named if n.entry is not None]
        paths = {n.group: n.dropped for n in named if n.dropped}
        dropped = {
            part.number: paths[group]
            for group, mine in enumerate(self.parts)
            for part in mine
            if group in paths
        }
        sizes: Counter[int] = Counter()
        kinds: Counter[str] = Counter()
        for n in named:
            sizes.update(n.sizes)
            kinds.update(n.kinds)
        largest = [cluster for n in named for cluster in n.largest]
        return Found.of(entries, dropped, facts, sizes, kinds, sum(n.cross_split for n in named), largest)


def clear(scratch: str) -> None:
    """Remove the scratch files once what was found is written elsewhere."""
    shutil.rmtree(scratch, ignore_errors=True)
