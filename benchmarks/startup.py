"""Measure what starting Spark costs, and what each thing that takes some of it away is worth.

    python benchmarks/startup.py [--rounds 5] [--only NAME,NAME] [--java HOME]

Every variant is a process of its own that opens a session on ``local[2]``, runs its jobs and ends; variants
take turns, and the table holds medians: wall seconds, and below them CPU seconds of the process and all that it
has started. On a machine with other work only the CPU seconds mean something. The archive of classes is
written once before, into a folder of its own that is removed at the end; so are the compiled kernels.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

PLAIN = {"PILE_CURATE_CLASS_ARCHIVE": "0"}
SPARKS_OWN = (
    "spark.python.daemon.module=pyspark.daemon,"
    "spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled=true"
)
EAGER = " ".join(
    f"-XX:Tier4{name}Threshold={value}"
    for name, value in (("Invocation", 5000), ("MinInvocation", 600), ("Compile", 15000), ("BackEdge", 40000))
)
READ = {"PILE_CURATE_CLASS_ARCHIVE": "read"}
C1 = "-XX:TieredStopAtLevel=1"
VARIANTS: dict[str, dict[str, str]] = {
    "spark's own": PLAIN | {"PILE_CURATE_SPARK_CONF": SPARKS_OWN, "PILE_CURATE_JVM_OPTIONS": EAGER},
    "+ late compiler": PLAIN | {"PILE_CURATE_SPARK_CONF": SPARKS_OWN},
    "+ class archive": READ | {"PILE_CURATE_SPARK_CONF": SPARKS_OWN},
    "+ daemon = default": READ,
    "+ C1 = short run": READ | {"PILE_CURATE_JVM_OPTIONS": C1},
    "+ serial GC": READ | {"PILE_CURATE_JVM_OPTIONS": f"{C1} -XX:+UseSerialGC"},
    "+ lean launcher": READ
    | {"PILE_CURATE_JVM_OPTIONS": C1, "SPARK_LAUNCHER_OPTS": f"{C1} -XX:+UseSerialGC"},
}


def spent() -> float:
    """Return the CPU seconds of this process and of all below it that still run or were waited for."""
    below: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stream:
                fields = stream.read().rpartition(")")[2].split()
        except OSError:
            continue
        below.setdefault(int(fields[1]), []).append(int(name))
        ticks[int(name)] = sum(map(int, fields[11:15]))
    todo, total = [os.getpid()], 0
    while todo:
        pid = todo.pop()
        total += ticks.get(pid, 0)
        todo += below.get(pid, [])
    return total / os.sysconf("SC_CLK_TCK")


def kernel_task(rows: Iterator[Any]) -> list[int]:
    import pyarrow as pa

    from pile_curate.dedup.minhash import shingle_pool

    return [len(shingle_pool(pa.array(["one two three four five six"] * len(list(rows))))[1])]


def same(batches: Iterator[Any]) -> Iterator[Any]:
    yield from batches


def probe(started: float) -> None:
    """Open a session, run the jobs and print what each step took, as one line of JSON."""
    from pile_curate.spark.session import open_session

    steps: dict[str, tuple[float, float]] = {}
    before = [started, 0.0]

    def mark(step: str) -> None:
        now, cpu = time.time(), spent()
        steps[step] = (now - before[0], cpu - before[1])
        before[:] = now, cpu

    spark = open_session("local[2]")
    mark("session")
    context = spark.sparkContext

    def shuffled() -> list[int]:
        pairs = context.parallelize(range(100), 4).map(lambda i: (i % 4, b"block")).partitionBy(4)
        return pairs.mapPartitions(lambda rows: [len(list(rows))]).collect()

    shuffled()
    mark("RDD job")
    shuffled()
    mark("again")
    context.parallelize(range(20), 2).mapPartitions(kernel_task).collect()
    mark("kernel")
    context.parallelize(range(50), 50).mapPartitions(kernel_task).collect()
    mark("50 tasks")
    spark.range(1000).selectExpr("id % 7 as k").groupBy("k").count().collect()
    mark("SQL job")
    spark.range(10).mapInArrow(same, "id long").collect()
    mark("mapInArrow")
    jvm = context._gateway.proc
    spark.stop()
    context._gateway.shutdown()
    jvm.stdin.close()
    jvm.wait()
    # Workers that end unwaited for take their CPU seconds with them.
    steps["exit"] = (time.time() - before[0], 0.0)
    print(json.dumps(steps), flush=True)
    os._exit(0)


def measure(variant: dict[str, str], environ: dict[str, str]) -> dict[str, tuple[float, float]]:
    command = [sys.executable, os.path.abspath(__file__), "--probe", str(time.time())]
    done = subprocess.run(command, env=environ | variant, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"a probe failed:\n{done.stderr[-2000:]}")
    steps: dict[str, tuple[float, float]] = json.loads(done.stdout.splitlines()[-1])
    return steps | {"all": (sum(s[0] for s in steps.values()), sum(s[1] for s in steps.values()))}


def write_archive(environ: dict[str, str]) -> None:
    """Write the archive now and say what that took."""
    code = (
        "from pile_curate import class_archive, java\n"
        "from pile_curate.spark.record import record\n"
        "chosen = java.activate()\n"
        "archive = class_archive.find(chosen.home, chosen.version)\n"
        "record(archive)\n"
        "print(f'Java {chosen.version}; archive of {archive.path.stat().st_size / 2**20:.0f} MiB', end='')\n"
    )
    started = time.time()
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"no archive was written:\n{done.stderr[-2000:]}")
    print(f"{done.stdout.splitlines()[-1]}, written in {time.time() - started:.1f} s", flush=True)


def table(measured: dict[str, list[dict[str, tuple[float, float]]]]) -> str:
    if not measured:
        return "nothing measured"
    names = list(next(iter(measured.values()))[0])
    lines = [f"{'':20s}" + "".join(f"{name:>11s}" for name in names)]
    for variant, runs in measured.items():
        for index, unit in enumerate(("wall", "cpu")):
            cells = (statistics.median(run[name][index] for run in runs) for name in names)
            lines.append(
                f"{variant if index == 0 else '':20s}" + "".join(f"{c:11.2f}" for c in cells) + f"  {unit}"
            )
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", default=",".join(VARIANTS), help="variants by name, separated by commas")
    options.add_argument("--java", help="another JAVA_HOME")
    options.add_argument("--probe", type=float, help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.probe is not None:
        return probe(args.probe)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen = {name: VARIANTS[name] for name in args.only.split(",")}
    with tempfile.TemporaryDirectory(prefix="startup-") as cache:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PILE_CURATE_")}
        environ |= {"PILE_CURATE_CACHE": cache, "SPARK_LOCAL_IP": "127.0.0.1"}
        environ |= {"JAVA_HOME": args.java} if args.java else {}
        write_archive(environ)
        measure(PLAIN, environ)
        measured: dict[str, list[dict[str, tuple[float, float]]]] = {name: [] for name in chosen}
        try:
            for number in range(1, args.rounds + 1):
                for name, variant in chosen.items():
                    measured[name].append(measure(variant, environ))
                print(f"round {number} of {args.rounds} done", file=sys.stderr, flush=True)
        finally:
            # An interrupted run still says what it has seen.
            print(table({name: runs for name, runs in measured.items() if runs}))


if __name__ == "__main__":
    main()
