"""Extract a recipe's sources in this process, step by step, for the benchmarks that look at single steps."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from pile_curate.files import Tally
from pile_curate.recipe import Recipe, load_recipe
from pile_curate.sources import SOURCES, links
from pile_curate.sources.base import Document, Outcome, Raw, Reject
from pile_curate.sources.work import WorkConfig, cleaned

T = TypeVar("T")


@dataclass
class Extracted:
    """What came out of a source, and the CPU seconds of each step."""

    name: str
    format: str
    documents: list[Document] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def timed(self, step: str, work: Callable[[], T]) -> T:
        """Do some work and add its CPU seconds to a step."""
        started = time.process_time()
        made = work()
        self.seconds[step] += time.process_time() - started
        return made


def recipe_of(path: str, inputs: list[str]) -> Recipe:
    """Load a recipe with ``NAME=DIR`` inputs."""
    formats = {name: fmt.Options for name, fmt in SOURCES.items()}
    prose = {name: fmt.prose for name, fmt in SOURCES.items()}
    given = dict(entry.split("=", 1) for entry in inputs)
    return load_recipe(path, formats=formats, prose=prose, inputs=given)


def extract(recipe: Recipe, name: str) -> Extracted:
    """Frame, parse, assemble and clean one source; every step's CPU time apart."""
    settings = recipe.settings(name)
    fmt = SOURCES[settings.format]
    made = Extracted(name, settings.format)
    config = WorkConfig(settings.format, settings.options, settings.cleaning)
    files = fmt.discover(settings.root, settings.paths, settings.options)
    threads: dict[str, list[Document]] = defaultdict(list)
    linked: list[Document] = []

    def clean(outcomes: list[Outcome]) -> None:
        for outcome in made.timed("clean", lambda: cleaned(outcomes, config.cleaning)):
            (made.rejects if isinstance(outcome, Reject) else made.documents).append(outcome)

    for split in fmt.splits(files, settings.options):
        frames: Iterator[Raw | Reject] = fmt.frames(split, settings.options, made.tally)
        while (framed := made.timed("frame", lambda frames=frames: next(frames, None))) is not None:  # type: ignore[misc]
            if isinstance(framed, Reject):
                made.rejects.append(framed)
                continue
            outcomes = made.timed("parse", lambda framed=framed: fmt.parse(framed, settings.options))  # type: ignore[misc]
            if not fmt.threaded:
                clean(outcomes)
                continue
            for outcome in outcomes:
                if isinstance(outcome, Reject):
                    made.rejects.append(outcome)
                elif fmt.linked:
                    linked.append(outcome)
                else:
                    threads[str(outcome.meta.get("thread", ""))].append(outcome)
    for thread, part in zip(made.timed("parse", lambda: threads_of(linked)), linked, strict=True):
        threads[thread].append(part)
    for key in sorted(threads):
        parts = sorted(threads[key], key=lambda part: (part.rel, part.record, part.key))
        clean(made.timed("parse", lambda key=key, parts=parts: fmt.assemble(key, parts, settings.options)))  # type: ignore[misc]
    return made


def threads_of(parts: list[Document]) -> list[str]:
    """Return the thread of each part of a linked format, found by following the parents."""
    nodes = np.array([part.meta["node"] for part in parts], np.int64)
    parents = [part.meta["parent"] for part in parts]
    named = np.array([links.NO_PARENT if parent is None else parent for parent in parents], np.int64)
    return links.threads_of(*links.resolve([(nodes, named)], len(parts)), nodes.tolist())
