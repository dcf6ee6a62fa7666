"""Who may import whom: the rules of CONTRIBUTING.md, read from the imports themselves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAGES = ("sources", "language", "quality", "dedup", "mix", "shards", "report")
HEAVY = ("pyspark", "torch", "numba", "fasttext")
FILES = sorted(p for top in ("pile_curate", "trainer", "jobs") for p in (ROOT / top).rglob("*.py"))


def imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.col_offset) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module, node.col_offset
            yield from ((f"{node.module}.{alias.name}", node.col_offset) for alias in node.names)


def room(module: str) -> str:
    """Name the part of the house that a module of the library belongs to."""
    parts = module.split(".")
    if parts[0] != "pile_curate" or len(parts) == 1:
        return parts[0]
    return parts[1] if parts[1] in (*STAGES, "spark", "cli", "demo") else "ground"


def place(path: Path) -> str:
    return room(".".join(path.relative_to(ROOT).with_suffix("").parts))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path):
    here = place(path)
    for module, column in imports(path):
        there = room(module)
        top = module.split(".")[0]
        if top == "pyspark":
            assert here in ("spark", "jobs") or (here == "cli" and column > 0), f"{module} in {here}"
        if top == "torch":
            assert here == "trainer", f"{module} in {here}"
        if top == "trainer":
            assert here == "trainer", f"{module} in {here}"
        if here == "ground":
            assert there not in (*STAGES, "spark", "cli"), f"ground imports {module}"
        if here in STAGES:
            assert there not in ({*STAGES, "spark", "cli"} - {here}), f"{here} imports {module}"
        if here == "spark":
            assert there != "cli", f"spark imports {module}"
        if here == "trainer":
            assert there not in ("spark", "cli", *(s for s in STAGES if s != "shards")), (
                f"trainer imports {module}"
            )


def test_importing_the_package_is_cheap():
    code = f"import sys, pile_curate, pile_curate.cli; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_are_short_and_folders_shallow():
    others = [p for top in ("tests", "benchmarks") for p in (ROOT / top).rglob("*.py")]
    tracked = [*FILES, *(p for p in others if "golden" not in p.parts)]  # golden files are input, not code
    long = {str(p.relative_to(ROOT)): n for p in tracked if (n := len(p.read_text().splitlines())) > 500}
    assert not long
    deep = [p for p in (ROOT / "pile_curate").rglob("*.py") if len(p.relative_to(ROOT).parts) > 3]
    assert not deep


def test_jobs_stay_thin():
    for path in (ROOT / "jobs").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 60, path
