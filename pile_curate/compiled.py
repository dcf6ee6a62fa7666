"""Compile hot loops with numba, once per machine: the cache on disk also works on Spark executors.

numba's own choice of a cache folder fails on an executor whose library is read-only and whose HOME is
missing, and numba notices a changed source file only of the function itself, not of the functions it
calls in other files. So the folder is chosen here: ``$PILE_CURATE_CACHE``, else the user's cache folder,
else a private folder under the temporary directory; below it, one folder per state of the kernels'
sources. numba adds the CPU's name to each entry, so machines of different kinds may share a folder, and
writes entries atomically, so tasks that compile at the same time do no harm.

No ``parallel=True`` and no ``fastmath`` anywhere: a Spark task owns one core, and results are exact.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from importlib import resources
from typing import TypeVar

import numba
import numba.core.config

Function = TypeVar("Function", bound=Callable[..., object])

SOURCES = (
    "compiled.py",
    "blocks.py",
    "white_space.py",
    "word_hashes.py",
    "text_digests.py",
    "dedup/shingles.py",
    "dedup/minhash.py",
    "dedup/band_lists.py",
    "dedup/digest_index.py",
    "dedup/walk_kernels.py",
    "dedup/components.py",
    "dedup/paragraphs.py",
    "dedup/stars.py",
    "dedup/band_kernel.py",
    "dedup/id_hashes.py",
    "dedup/pools.py",
    "quality/ngrams.py",
    "quality/pieces.py",
    "quality/signal_kernel.py",
)
"""Files that hold kernels, relative to the package: a change in any of them starts a fresh cache folder."""


def _private(folder: str) -> bool:
    """Say whether the folder exists (made if need be), is writable, and belongs to this user alone.

    Cache entries are unpickled, so a folder that another user could write to is not used.
    """
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.stat(folder)
    except OSError:
        return False
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & stat.S_IWOTH):
        return False
    return os.access(folder, os.W_OK | os.X_OK)


@functools.cache
def cache_folder() -> str:
    """Return the folder that holds compiled kernels, made if need be."""
    state = hashlib.sha256(numba.__version__.encode())
    for name in SOURCES:
        state.update(resources.files("pile_curate").joinpath(name).read_bytes())
    leaf = os.path.join("kernels", state.hexdigest()[:16])
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    choices = [
        os.environ.get("PILE_CURATE_CACHE", ""),
        os.path.join(home, "pile_curate"),
        os.path.join(tempfile.gettempdir(), f"pile_curate-{user}"),
    ]
    for base in choices:
        if base and os.path.isabs(base) and _private(base) and _private(os.path.join(base, leaf)):
            return os.path.join(base, leaf)
    return tempfile.mkdtemp(prefix="pile_curate-kernels-")


def cold() -> bool:
    """Say whether nothing was compiled yet, so that what comes next takes half a minute longer, once."""
    return not any(name.endswith(".nbi") for _, _, names in os.walk(cache_folder()) for name in names)


def compiled(function: Function) -> Function:
    """Compile the function on its first call, without the interpreter and with the GIL released."""
    before = numba.core.config.CACHE_DIR
    numba.core.config.CACHE_DIR = cache_folder()
    try:
        jitted: Function = numba.njit(cache=True, nogil=True)(function)
    finally:
        numba.core.config.CACHE_DIR = before
    return jitted


def inlined(function: Function) -> Function:
    """Mark a small helper that only other kernels call: compiled into them, never cached on its own."""
    jitted: Function = numba.njit(nogil=True)(function)
    return jitted
