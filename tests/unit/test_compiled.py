"""Where compiled kernels are cached: a private folder, one per state of the sources, wherever HOME is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pile_curate import compiled


def folder_in_a_fresh_process(**environment: str) -> Path:
    code = "from pile_curate.compiled import cache_folder; print(cache_folder())"
    base = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=base | environment, capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip())


def test_the_named_folder_wins_and_an_unusable_home_is_no_obstacle(tmp_path: Path) -> None:
    named = folder_in_a_fresh_process(PILE_CURATE_CACHE=str(tmp_path / "mine"), HOME=str(tmp_path))
    assert named.is_relative_to(tmp_path / "mine")
    (tmp_path / "file").write_text("")
    fallback = folder_in_a_fresh_process(HOME=str(tmp_path / "file"), TMPDIR=str(tmp_path))
    assert fallback.is_dir() and fallback.is_relative_to(tmp_path)


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    assert not compiled._private(str(tmp_path / "open"))
    assert compiled._private(str(tmp_path / "closed"))


def test_every_file_with_kernels_is_among_the_sources() -> None:
    """A kernel whose file is not listed would keep its old cache entry when a helper of its changes."""
    package = Path(compiled.__file__).parent
    using = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if any(line.startswith(("@compiled", "@inlined")) for line in path.read_text().splitlines())
    }
    missing = using - set(compiled.SOURCES)
    assert not missing, f"add {sorted(missing)} to compiled.SOURCES"


@pytest.mark.parametrize("name", compiled.SOURCES)
def test_sources_exist(name: str) -> None:
    assert (Path(compiled.__file__).parent / name).is_file()
