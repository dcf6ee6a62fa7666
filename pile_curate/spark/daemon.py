"""Start Python workers that have what the tasks import: load it once, then fork.

Spark's own daemon forks each worker from a process that has imported next to nothing, since a library may
have started threads. So every worker imports pyarrow and numba anew and makes numba read its first kernel:
about a second of CPU each, before the first row. This daemon does that once and keeps the rule: what it
imports starts no thread here (that is looked at), and if one did, or if anything cannot be imported, it makes
way for Spark's own. The memory of what is loaded is shared by the workers until one writes to it.

Spark starts it by name (``spark.python.daemon.module``), in the interpreter and environment of the workers.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys

WORKER_MODULES = (
    "pyspark.worker",
    "pyarrow",
    "pyarrow.compute",
    "pyarrow.parquet",
    "orjson",
    "xxhash",
    "zstandard",
)
"""What tasks of most stages import; the kernels are below."""

QUIET = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""pyarrow's allocator would start a thread when it is loaded, although the workers use the system's."""


def threads() -> int:
    """Return how many threads this process has, as far as the system tells (1 where it does not)."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def preload() -> None:
    """Import what tasks need and have numba read one small kernel, which makes it load its own machinery."""
    for name in WORKER_MODULES:
        importlib.import_module(name)
    import numpy as np

    from pile_curate.dedup.minhash import intersection

    nothing = np.zeros(0, np.uint64)
    intersection(nothing, nothing)


def main() -> None:
    """Load, then serve; or serve as Spark's own daemon would, if loading fails or starts a thread."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    try:
        preload()
        ready = threads() == 1
    except Exception:
        # Whatever is amiss, a task that needs it will say so; one that does not shall run.
        ready = False
    if not ready:
        os.execv(sys.executable, [sys.executable, "-m", "pyspark.daemon", *sys.argv[1:]])
    from pyspark.daemon import manager

    # Each worker collects garbage after each task; what is loaded by now is none and need not be walked.
    gc.collect()
    gc.freeze()
    manager()


if __name__ == "__main__":
    main()
