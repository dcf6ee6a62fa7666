"""Spare Spark's JVM half of its start: keep the classes of an earlier session in a file that it maps.

Opening a session loads and verifies some 15,000 classes out of 280 jars. The JVM can write those it has loaded
to an archive and map it the next time ("class-data sharing", from Java 25 on the "AOT cache", which holds
what was learnt about hot methods too). A process of its own (``pile_curate.spark.record``) writes the archive
once, after the first session on a machine has ended: 160 to 190 MB below the user's cache folder.

An archive fits one JVM and one list of jars; both are in its name, and the JVM checks them again. Where
anything differs it starts as without an archive and says nothing. Nothing here delays or fails a run.
``PILE_CURATE_CLASS_ARCHIVE=0`` switches all of it off; ``read`` uses what is there and writes nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SWITCH = "PILE_CURATE_CLASS_ARCHIVE"
FORMAT = 1
AOT = 25
"""The first Java that writes an AOT cache in one step; it needs no archive of the JDK's own, older ones do."""

AGAIN = 24 * 3600.0
"""Seconds after which an attempt that came to nothing is repeated."""

UNUSED = 30 * 24 * 3600.0
"""Seconds after which an archive that no session used is removed."""

ROOM = 1 << 30
"""Bytes that must be free for an archive to be written."""

_UNFIT = re.compile(
    r"-XX:(Shared|ArchiveClasses|AOT|\+AutoCreate|[+-]UseComp|\+UseZGC|\+UseEpsilon|Flags=)|-Xshare|-javaagent"
    r"|-agent|-Xbootclasspath|--patch-module|-Xmx"
)


@dataclass(frozen=True, slots=True)
class Archive:
    """The archive of one JVM and one list of jars, whether it exists yet or not."""

    path: Path
    version: int

    @property
    def attempt(self) -> Path:
        """The file whose age says when writing was last begun; it goes when the archive is there."""
        return self.path.with_suffix(".attempt")

    def usable(self) -> bool:
        """Return whether the archive is there and nobody else could have written to it."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
        return mine and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and found.st_size > 0

    def reading(self) -> list[str]:
        """Return the JVM options that map the archive, and keep quiet where it does not fit."""
        if self.version >= AOT:
            return [f"-XX:AOTCache={self.path}", "-Xlog:aot*=off", "-Xlog:cds*=off"]
        return [f"-XX:SharedArchiveFile={self.path}", "-Xlog:cds*=off"]

    def recording(self, target: str) -> list[str]:
        """Return the JVM options that write the archive to ``target`` when the JVM ends."""
        if self.version >= AOT:
            return [f"-XX:AOTCacheOutput={target}", "-Xlog:aot*=off", "-Xlog:cds*=off"]
        return [f"-XX:ArchiveClassesAtExit={target}", "-Xlog:cds*=off"]


def mode(environ: Mapping[str, str] | None = None) -> str:
    """Return ``off``, ``read`` or ``on``, as the environment says; unknown words count as ``off``."""
    said = (os.environ if environ is None else environ).get(SWITCH, "1").strip().lower()
    return {"": "on", "1": "on", "on": "on", "read": "read"}.get(said, "off")


def spark_jars() -> Path | None:
    """Return the folder of the jars that Spark's JVM will load, or None."""
    home = os.environ.get("SPARK_HOME")
    if home:
        return Path(home) / "jars"
    try:
        spec = importlib.util.find_spec("pyspark")
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).parent / "jars" if spec is not None and spec.origin else None


def _folder(environ: Mapping[str, str]) -> Path | None:
    """Return a folder of this user alone, made if need be; a JVM runs what lies in it."""
    user = os.getuid() if hasattr(os, "getuid") else environ.get("USERNAME", "user")
    home = environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    bases = [
        environ.get("PILE_CURATE_CACHE", ""),
        os.path.join(home, "pile_curate"),
        os.path.join(tempfile.gettempdir(), f"pile_curate-{user}"),
    ]
    for base in bases:
        folder = Path(base, "classes")
        # Spark cuts option strings at white space, and the JVM cuts this option's value at colons.
        if not os.path.isabs(base) or re.search(r"[\s:'\"\\*]", base):
            continue
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            looked = [os.stat(base), os.stat(folder)]
        except OSError:
            continue
        if hasattr(os, "getuid") and any(
            s.st_uid != os.getuid() or s.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for s in looked
        ):
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def fits(options: str, memory: str = "") -> bool:
    """Return whether a JVM with these options and this heap can use an archive at all.

    From 32 GB of heap on, and with some collectors, objects are laid out in another way.

    >>> fits("-XX:TieredStopAtLevel=1", "2g"), fits("-XX:+UseZGC", "2g"), fits("", "48g")
    (True, False, False)
    """
    if _UNFIT.search(options):
        return False
    found = re.fullmatch(r"(\d+)([kmgt]?)b?", memory.strip().lower() or "1g")
    if found is None:
        return False
    # Spark reads a bare number as MiB.
    unit = {"k": 1 << 10, "": 1 << 20, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}[found[2]]
    return int(found[1]) * unit < 32 << 30


def find(home: str, version: int) -> Archive | None:
    """Return the archive for the Java in ``home`` and Spark's jars, or None where there can be none."""
    jars = spark_jars()
    server = Path(home, "lib", "server")
    if mode() == "off" or jars is None or (version < AOT and not (server / "classes.jsa").is_file()):
        return None
    try:
        # Through links: a home that is made of them for one run shall not have an archive of its own written.
        jars = jars.resolve(strict=True)
        jvm = (server / "libjvm.so").resolve(strict=True)
        files = [jvm, *sorted(path for path in jars.iterdir() if path.suffix == ".jar")]
        state = [f"{FORMAT} {version}"]
        for path in files:
            seen = path.stat()
            state.append(f"{path} {seen.st_size} {seen.st_mtime_ns}")
    except OSError:
        return None
    folder = _folder(os.environ)
    if folder is None or len(files) == 1:
        return None
    name = hashlib.sha256("\n".join(state).encode()).hexdigest()[:16]
    return Archive(folder / f"java{version}-{name}.{'aot' if version >= AOT else 'jsa'}", version)


def reading(archive: Archive | None) -> str:
    """Return the options, as one string, with which a JVM uses the archive; empty if there is none yet.

    The archive's time is set to now: what no session uses is removed some day.
    """
    if archive is None or not archive.usable():
        return ""
    try:
        os.utime(archive.path)
    except OSError:
        return ""
    return " ".join(archive.reading())


def wanted(archive: Archive | None) -> bool:
    """Return whether the archive is still to be written, by this user, here and now."""
    if archive is None or mode() != "on" or archive.usable():
        return False
    try:
        if time.time() - archive.attempt.stat().st_mtime < AGAIN:
            return False
    except OSError:
        pass
    try:
        return shutil.disk_usage(archive.path.parent).free > ROOM
    except OSError:
        return False


def write_later(archive: Archive | None) -> None:
    """Start the process that writes the archive, if it is wanted, and do not wait for it."""
    if archive is None or not wanted(archive):
        return
    dropped = (
        "PYSPARK_GATEWAY",
        "SPARK_SUBMIT_OPTS",
        "PYSPARK_SUBMIT_ARGS",
        "SPARK_ENV_LOADED",
        "PILE_CURATE_SPARK_CONF",
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parents[1]), *filter(None, [environ.get("PYTHONPATH")])]
    )
    try:
        # Whoever makes the file writes the archive; an old one is of an attempt that failed.
        archive.attempt.unlink(missing_ok=True)
        archive.attempt.touch(exist_ok=False)
        subprocess.Popen(
            [sys.executable, "-m", "pile_curate.spark.record", str(archive.path), str(archive.version)],
            cwd=archive.path.parent,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return


def remove_unused(folder: Path, now: float) -> None:
    """Remove archives and attempts that no session has touched for long, and nothing else."""
    for path in folder.glob("java*-*.*"):
        try:
            if path.suffix in (".jsa", ".aot", ".attempt") and now - path.stat().st_mtime > UNUSED:
                path.unlink()
        except OSError:
            continue
