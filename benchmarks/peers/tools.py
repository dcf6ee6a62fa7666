"""Know the tools that are compared: how each is called, what it does, and where its output lies."""

from __future__ import annotations

import glob
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from benchmarks.peers import envs

HERE = os.path.dirname(os.path.abspath(__file__))


@dataclass(frozen=True)
class Tool:
    """One row of the comparison. ``env`` None is this project; ``words`` and ``check`` are printed with the table."""

    name: str
    env: str | None
    script: str
    variant: str
    cores: int
    words: str
    check: str


_WORD_LOOP = r"lower case, \w+"
TOOLS = {
    tool.name: tool
    for tool in (
        Tool("ours-local", None, "", "local", 2, "the project's", "exact Jaccard"),
        Tool("ours-spark", None, "", "spark", 2, "the project's", "exact Jaccard"),
        Tool("rensa", "rensa", "run_rensa.py", "", 1, _WORD_LOOP, "exact Jaccard"),
        Tool("rensa-estimate", "rensa", "run_rensa.py", "estimate", 1, _WORD_LOOP, "sketches agree"),
        Tool("datasketch", "datasketch", "run_datasketch.py", "", 1, _WORD_LOOP, "exact Jaccard"),
        Tool(
            "datatrove",
            "datatrove",
            "run_datatrove.py",
            "",
            2,
            "simplified, spaCy's blank English",
            "none, chains",
        ),
        Tool(
            "datatrove-split",
            "datatrove",
            "run_datatrove.py",
            "split",
            2,
            "simplified, str.split",
            "none, chains",
        ),
        Tool(
            "text-dedup",
            "text-dedup",
            "run_text_dedup.py",
            "",
            2,
            r"lower case, split at \W",
            "exact in a cluster",
        ),
    )
}
GROUPS = {"ours": ("ours-local", "ours-spark")}


def chosen(names: str) -> list[Tool]:
    """Return the tools of a comma-separated list; raises ``ValueError`` on an unknown name."""
    tools = []
    for name in names.split(","):
        for one in GROUPS.get(name, (name,)):
            if one not in TOOLS:
                raise ValueError(f"tool is {one!r}; allowed: {', '.join([*GROUPS, *TOOLS])}")
            tools.append(TOOLS[one])
    return tools


def command(
    tool: Tool,
    python: str,
    source: str,
    output: str,
    *,
    threshold: str,
    own: bool,
    cores: int,
    more: Sequence[str],
) -> list[str]:
    """Return the command line; ``more`` goes to this project's command only."""
    if tool.env is None:
        program = os.path.join(os.path.dirname(sys.executable), "pile-curate")
        settings = ["--text-column", "text", "--id-column", "id", "--threshold", threshold]
        return [
            program,
            "dedup",
            "--input",
            source,
            "--output",
            output,
            "--engine",
            tool.variant,
            *settings,
            *more,
        ]
    script = [python, os.path.join(HERE, tool.script), "--input", source, "--output", output]
    workers = str(min(cores, tool.cores))
    settings = ["--threshold", threshold, "--workers", workers, "--variant", tool.variant]
    return [*script, *settings, *(["--own"] if own else [])]


def environment(tool: Tool, scratch: str) -> dict[str, str]:
    """Return the environment of a run: caches of its own for a peer, so that no run finds the last one's."""
    own = dict(os.environ)
    if tool.env is not None:
        own.pop("PYTHONPATH", None)
        own |= {"HF_HOME": os.path.join(scratch, "hf"), "HF_HUB_OFFLINE": "1", "TMPDIR": scratch}
        own |= {"TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore"}
    return own


def python_of(tool: Tool, folder: str, more: list[str]) -> str:
    """Return the interpreter that runs the tool, its environment made if need be."""
    return sys.executable if tool.env is None else envs.environment(tool.env, folder, more)


def kept(tool: Tool, output: str) -> list[str]:
    """Return the ids of the documents that the tool wrote out."""
    folder = os.path.join(output, "data") if tool.env is None else output
    parquet = sorted(glob.glob(os.path.join(folder, "**", "*.parquet"), recursive=True))
    arrow = sorted(glob.glob(os.path.join(folder, "kept", "*.arrow")))
    names: list[Any] = []
    for path in parquet:
        names.extend(pq.read_table(path, columns=["id"], partitioning=None).column("id").to_pylist())
    for path in arrow:
        with pa.memory_map(path) as source:
            names.extend(pa.ipc.open_stream(source).read_all().column("id").to_pylist())
    return [str(name) for name in names]


def seconds(tool: Tool, output: str) -> dict[str, float]:
    """Return the seconds by step that this project's summary states; nothing for a peer."""
    path = os.path.join(output, "summary.json")
    if tool.env is not None or not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        found: dict[str, float] = json.load(file).get("seconds", {})
    return found
