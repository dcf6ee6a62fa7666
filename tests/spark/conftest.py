"""A finished corpus that many tests read, and a PATH without Java."""

import os
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def bare_path(tmp_path_factory):
    """Return a PATH with this environment and the machine's programs, but no java."""
    folder = tmp_path_factory.mktemp("bin")
    for directory in ("/usr/local/bin", "/usr/bin", "/bin"):
        for program in Path(directory).iterdir():
            known = (folder / program.name).is_symlink()
            if not known and not program.name.startswith("java") and "/jvm/" not in os.path.realpath(program):
                (folder / program.name).symlink_to(program)
    return os.pathsep.join([os.path.dirname(sys.executable), str(folder)])


@pytest.fixture(scope="session")
def corpus(spark, tmp_path_factory):
    """Return the recipe and the output of a finished run on local[2,3]; tests change copies only."""
    from pile_curate.spark.pipeline import run
    from tests.spark.test_pipeline import write_dumps

    root = tmp_path_factory.mktemp("corpus")
    recipe = write_dumps(root)
    run(str(recipe), str(root / "out"), spark=spark, quiet=True)
    return recipe, root / "out"
