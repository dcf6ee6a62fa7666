"""Say what this machine has, and how to mend what is missing; works also when packages are missing."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from pile_curate.errors import PileCurateError

State = Literal["ok", "note", "missing"]
_PACKAGES = (
    "pyspark", "pyarrow", "numba", "numpy", "fasttext-community", "ftfy", "resiliparse", "safetensors", "tokenizers", "zstandard",
    "datasketch", "pydantic", "orjson", "xxhash", "Jinja2", "PyYAML", "pandas", "brotli", "pypdfium2", "urllib3",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: ``missing`` stops pile_curate, ``note`` limits it."""

    what: str
    state: State
    found: str
    mend: str = ""


def _python() -> Finding:
    return Finding("Python", "ok", f"{sys.version.split()[0]} at {sys.executable}")


def _java() -> Finding:
    from pile_curate.java import choose, home_for_spark

    choice = choose()
    home_for_spark(choice)
    return Finding("Java", "ok", f"{choice.version} at {choice.home} (from {choice.origin})")


def _packages() -> Finding:
    absent, found = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            absent.append(name)
    if absent:
        names = " ".join(absent)
        return Finding(
            "Packages",
            "missing",
            f"not installed: {names}",
            "Run `make .venv/.ready`, or install them with pip.",
        )
    return Finding("Packages", "ok", ", ".join(found))


def _spark() -> Finding:
    pyspark = importlib.import_module("pyspark")
    home = os.environ.get("SPARK_HOME")
    note = f"; SPARK_HOME={home}" if home else ""
    return Finding("Spark", "ok", f"{pyspark.__version__}{note}")


def _class_archive() -> Finding:
    from pile_curate import class_archive
    from pile_curate.java import choose

    what = "Class archive"
    if class_archive.mode() == "off":
        mend = f"Spark starts in half the time with it: unset {class_archive.SWITCH}."
        return Finding(what, "note", f"switched off by {class_archive.SWITCH}", mend)
    choice = choose()
    archive = class_archive.find(choice.home, choice.version)
    if archive is None:
        return Finding(
            what, "note", "none possible for this Java, Spark and cache folder", "Spark starts slower."
        )
    if archive.usable():
        return Finding(what, "ok", f"{archive.path}, {archive.path.stat().st_size / 2**20:.0f} MiB")
    if class_archive.wanted(archive):
        return Finding(what, "ok", "none yet; a process of its own writes it after the first session")
    mend = (
        f"It is tried again after a day, or once {archive.attempt} is removed; Spark starts slower meanwhile."
    )
    return Finding(what, "note", "none; being written, or the last attempt failed", mend)


def _model() -> Finding:
    from pile_curate.fasttext import SHIPPED, load_model

    load_model()
    return Finding("Language model", "ok", f"{SHIPPED.name}, sha256 as expected")


def _torch() -> Finding:
    try:
        torch = importlib.import_module("torch")
    except ModuleNotFoundError:
        return Finding(
            "torch", "note", "not installed", "Curating works; to train the reference model, install torch."
        )
    gpu = (
        torch.cuda.get_device_name(0)
        if torch.cuda.is_available()
        else "no GPU; the tiny preset trains on the CPU"
    )
    return Finding("torch", "ok", f"{torch.__version__}, {gpu}")


def _memory() -> Finding:
    if not hasattr(os, "sysconf"):
        return Finding("Memory", "note", "unknown")
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = f"{total:.1f} GiB, {os.cpu_count()} cores"
    if total < 4:
        return Finding(
            "Memory", "note", found, "Spark and its workers want 4 GiB; set PILE_CURATE_DRIVER_MEMORY=1g."
        )
    return Finding("Memory", "ok", found)


def _disk() -> Finding:
    free = shutil.disk_usage(os.getcwd()).free / 2**30
    found = f"{free:.1f} GiB free at {os.getcwd()}"
    if free < 5:
        return Finding("Disk", "note", found, "A corpus needs about three times the size of its text.")
    return Finding("Disk", "ok", found)


CHECKS: tuple[tuple[str, Callable[[], Finding]], ...] = (
    ("Python", _python),
    ("Packages", _packages),
    ("Java", _java),
    ("Spark", _spark),
    ("Class archive", _class_archive),
    ("Language model", _model),
    ("torch", _torch),
    ("Memory", _memory),
    ("Disk", _disk),
)


def examine() -> list[Finding]:
    """Return one finding for each check; a check that fails is a finding, never an exception."""
    findings = []
    for what, check in CHECKS:
        try:
            findings.append(check())
        except PileCurateError as err:
            findings.append(Finding(what, "missing", str(err)))
        except (ImportError, OSError, RuntimeError, ValueError) as err:
            mend = "Run `make .venv/.ready`, or install the package with pip."
            findings.append(Finding(what, "missing", f"{type(err).__name__}: {err}", mend))
    return findings


def render(findings: list[Finding]) -> str:
    """Return the findings as lines, each with its mend below it."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:8s} {finding.what:15s} {finding.found}")
        if finding.mend:
            lines.append(f"{'':24s} -> {finding.mend}")
    return "\n".join(lines)
