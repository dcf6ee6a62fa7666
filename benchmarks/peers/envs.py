"""Make the throw-away environments of the peers: a venv each, with pinned versions."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Pins:
    """What is installed, and the least Python for it."""

    packages: tuple[str, ...]
    python: tuple[int, int] = (3, 11)


PINS = {
    "rensa": Pins(("rensa==0.5.0", "pyarrow==26.0.1")),
    "datasketch": Pins(("datasketch==2.0.0", "xxhash==4.1.0", "pyarrow==26.0.1")),
    # Of its extra "processing" only what the MinHash stages import; its own bound is xxhash < 4.
    "datatrove": Pins(
        (
            "datatrove[io]==0.10.1",
            "spacy==3.8.18",
            "tokenizers==0.23.3",
            "regex",
            "xxhash==3.8.2",
            "pyarrow==26.0.1",
        )
    ),
    "text-dedup": Pins(("text-dedup==0.4.1", "datasets==5.2.0", "pyarrow==26.0.1"), python=(3, 12)),
}


def interpreter(least: tuple[int, int], more: list[str]) -> str:
    """Return a Python of at least this version: of those named, then on the PATH, then of pyenv.

    Each is run, because a name on the PATH need not lead to a Python. Raises ``LookupError`` if none will do.
    """
    names = [f"python3.{minor}" for minor in range(11, 16)]
    found = [path for path in (shutil.which(name) for name in ("python3", *names)) if path]
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for path in [*more, *found, *sorted(glob.glob(os.path.join(root, "versions", "*", "bin", "python3")))]:
        asked = subprocess.run(
            [path, "-c", "import sys, ensurepip; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
        )
        if asked.returncode == 0 and tuple(map(int, asked.stdout.split())) >= least:
            return path
    raise LookupError(f"no Python {least[0]}.{least[1]} or newer found; name one with --python PATH")


def environment(name: str, folder: str, more: list[str]) -> str:
    """Return the Python of a peer's environment below ``folder``, made if it is not there with these pins."""
    home = os.path.join(folder, name)
    python, done = os.path.join(home, "bin", "python"), os.path.join(home, "pins.json")
    wanted = list(PINS[name].packages)
    if os.path.exists(done):
        with open(done, encoding="utf-8") as file:
            if json.load(file) == wanted:
                return python
    print(f"making the environment of {name}: {', '.join(wanted)}", flush=True)
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(folder, exist_ok=True)
    log = os.path.join(folder, f"{name}.log")
    with open(log, "wb") as output:
        for command in (
            [interpreter(PINS[name].python, more), "-m", "venv", home],
            [python, "-m", "pip", "install", "--disable-pip-version-check", *wanted],
        ):
            if subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode:
                raise RuntimeError(f"{' '.join(command[:4])} ... failed for {name}; see {log}")
    with open(done, "w", encoding="utf-8") as file:
        json.dump(wanted, file)
    return python
