"""The command line, thinly: what each command calls, exit statuses, clean errors, and that README tells of all."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pile_curate import __version__, cli, errors, manifest, schema
from pile_curate.components import COMPONENTS
from pile_curate.sources import SOURCES
from pile_curate.spark import pipeline
from pile_curate.spark.submit import explain, guarded
from pile_curate.tables import PartWriter

ROOT = Path(__file__).parents[2]
RECIPE = """
version: 1
name: tiny
seed: 1
sources:
  - {name: lines, format: jsonl, paths: ["*.jsonl"], licence: CC0-1.0, consent: author, weight: 1}
tokenizer: {train: {vocab_size: 400, sample_bytes: 1000}}
"""


@pytest.fixture
def call(capsys):
    """Return a function that runs the command line and returns status, standard output and error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        status = cli.main([str(a) for a in arguments])
        told = capsys.readouterr()
        assert "Traceback" not in told.err + told.out
        return status, told.out, told.err

    return run


def commands() -> list[str]:
    return list(cli._parser()._subparsers._group_actions[0].choices)


def write(folder: Path, name: str, table: str, rows: list[dict], facts=None) -> None:
    attempt = manifest.begin(str(folder / name), name)
    writer = PartWriter(attempt.directory, "part.parquet", getattr(schema, table))
    writer.write(rows)
    attempt.commit([writer.close()], stage_version=1, fingerprint="f", inputs={}, facts=facts)


@pytest.fixture
def corpus(tmp_path):
    """A corpus as far as select, of three documents: two whose ids begin alike, one dropped by a rule."""
    out = tmp_path / "corpus"
    ids = [bytes.fromhex(digits.ljust(32, "0")) for digits in ("abc1", "abc2", "f0")]
    who = [{"doc_id": i, "source": "lines", "split": "train"} for i in ids]
    write(out, "documents", "DOCUMENTS", [{**w, "key": f"k{n}", "text": "x"} for n, w in enumerate(who)])
    reject = {"stage": "extract", "source": "lines", "file": "a.jsonl", "record": 7, "key": "bad", "kind": "error",
              "reason": "bad_json", "detail": "no }", "records": 1, "raw_bytes": 3}  # fmt: skip
    write(out, "rejects", "REJECTS", [reject])
    verdict = [{"kept": True}, {"kept": True}, {"kept": False, "stage": "decide", "reason": "gopher_quality.word_count",
                                               "measured": "4", "threshold": "at least 50"}]  # fmt: skip
    write(out, "ledger", "LEDGER", [{**w, **v} for w, v in zip(who, verdict)])
    write(
        out,
        "eligibility",
        "ELIGIBILITY",
        [{**who[2], "eligible": False, "failed": ["gopher_quality.word_count"]}],
    )
    return out


def test_every_command_is_told_of_in_readme_and_nothing_else():
    told = set(re.findall(r"pile-curate ([a-z]+)", (ROOT / "README.md").read_text()))
    assert told == set(commands())


@pytest.mark.parametrize("command", [[], *[[name] for name in commands()]])
def test_help_of_every_command(command, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([*command, "--help"])
    assert left.value.code == 0 and len(capsys.readouterr().out) > 60


def test_version_and_mistakes_in_arguments(capsys):
    for arguments, status, text in (
        (["--version"], 0, __version__),
        ([], 2, "COMMAND"),
        (["frobnicate"], 2, "invalid choice"),
        (["run", "r.yaml"], 2, "--out"),
        (["run", "r.yaml", "--out", "o", "--only", "mix", "--until", "mix"], 2, "not allowed with"),
        (["materialize", "--out", "o", "--to", "t", "--format", "csv"], 2, "invalid choice"),
    ):
        with pytest.raises(SystemExit) as left:
            cli.main(arguments)
        told = capsys.readouterr()
        assert left.value.code == status and text in told.out + told.err


def test_sources_and_stages(call):
    status, out, _ = call("sources")
    blocks = [block.split(":")[0] for block in out.split("\n\n")]
    assert status == 0 and set(SOURCES) < set(blocks)
    for word in ("from", "licence", "size", "splits", "paths"):
        assert len(re.findall(rf"^    {word} ", out, re.M)) == len(SOURCES)
    assert all(component.name in out for component in COMPONENTS)
    status, out, _ = call("sources", "jsonl")
    assert status == 0 and "text_key (default 'text')" in out and "format: jsonl" in out
    status, out, _ = call("sources", "--json")
    assert [fmt["name"] for fmt in json.loads(out)] == list(SOURCES)
    status, _, told = call("sources", "jsonL")
    assert status == 2 and "did you mean 'jsonl'" in told
    status, out, _ = call("stages")
    assert status == 0 and [line.split()[0] for line in out.splitlines()] == list(pipeline.BY_NAME)


def test_env_prints_what_a_shell_can_read(call):
    status, out, _ = call("env")
    assert status == 0
    assert re.findall(r"^export (\w+)=", out, re.M) == [
        "JAVA_HOME", "PATH", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "SPARK_LOCAL_IP", "SPARK_SUBMIT_OPTS",
    ]  # fmt: skip


@pytest.mark.parametrize(("state", "status"), [("ok", 0), ("note", 0), ("missing", 1)])
def test_doctor_status(call, monkeypatch, state, status):
    from pile_curate import doctor

    monkeypatch.setattr(doctor, "examine", lambda: [doctor.Finding("Luck", state, "some")])
    assert call("doctor") == (status, f"{state:8s} Luck            some\n", "")


def run_arguments(monkeypatch, up_to_date=False):
    """Stand in for the pipeline: note what it is called with."""
    seen = {}

    def make_context(recipe, out, **rest):
        seen["context"] = {"recipe": recipe, "out": out, **rest}
        return "the context"

    def run(**rest):
        seen.setdefault("runs", []).append(rest)
        outcome = "up to date" if up_to_date else "done"
        return pipeline.RunResult("the out", (pipeline.StageRun("x", outcome, 1.0, 0, ""),), 1.0)

    monkeypatch.setattr(pipeline, "make_context", make_context)
    monkeypatch.setattr(pipeline, "run", run)
    monkeypatch.setattr(cli, "_show", lambda out: seen.setdefault("shown", out) and 0)
    monkeypatch.setattr(cli, "_train", lambda out: seen.setdefault("trained", out))
    monkeypatch.setattr(cli, "_call_trainer", lambda module, out, extra: seen.setdefault(module, out))
    return seen


def test_run_hands_everything_on(call, monkeypatch):
    seen = run_arguments(monkeypatch)
    status, _, _ = call(
        "run", "r.yaml", "--out", "o", "--master", "local[1]", "--partitions", 3, "--input", "a=b=c", "--update",
        "--verify-inputs", "--until", "select",
    )  # fmt: skip
    assert status == 0 and "shown" not in seen
    assert seen["context"] == {
        "recipe": "r.yaml", "out": "o", "master": "local[1]", "partitions": 3, "inputs": {"a": "b=c"},
        "update": True, "verify_inputs": True,
    }  # fmt: skip
    assert seen["runs"] == [{"context": "the context", "until": "select", "only": None}]


def test_a_whole_run_trains_reports_again_and_shows(call, monkeypatch):
    seen = run_arguments(monkeypatch, up_to_date=True)
    status, out, _ = call("run", "r.yaml", "--out", "o", "--train")
    assert status == 0 and "everything is up to date" in out
    assert seen["trained"] == seen["shown"] == "the out"
    assert seen["runs"][1] == {"context": "the context", "only": "report"}


def test_training_runs_in_processes_of_their_own_and_fails_loudly(monkeypatch):
    ran = []
    monkeypatch.setattr(
        cli.subprocess, "run", lambda command, check: ran.append(command) or type("D", (), {"returncode": 0})
    )
    cli._train("o")
    assert [c[2] for c in ran] == ["trainer.train", "trainer.evaluate", "trainer.evaluate"]
    monkeypatch.setattr(cli.subprocess, "run", lambda command, check: type("D", (), {"returncode": 9}))
    with pytest.raises(errors.PileCurateError, match="trainer.train ended with status 9"):
        cli._train("o")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--input", "nonsense"], "SETUP", "write NAME=DIR"),
        (["--until", "polish"], "SETUP", "no stage 'polish'; there are: extract"),
        (["--partitions", "0"], "SETUP", "--partitions 0"),
        (["--input", "moon=/"], "RECIPE", "moon"),
        (["--until", "extract"], "INPUT", "*.jsonl"),
    ],
)
def test_run_refuses_mistakes_with_one_message(call, tmp_path, arguments, code, text):
    (tmp_path / "r.yaml").write_text(RECIPE)
    status, out, err = call("run", tmp_path / "r.yaml", "--out", tmp_path / "o", *arguments)
    assert status == 2 and out == "" and err.startswith(f"{code}: ") and text in err


def test_a_recipe_with_mistakes_names_them_all(call, tmp_path):
    (tmp_path / "r.yaml").write_text(RECIPE.replace("seed: 1", "sede: 1").replace("weight: 1", "wieght: 1"))
    status, _, err = call("run", tmp_path / "r.yaml", "--out", tmp_path / "o")
    assert status == 2 and err.startswith("RECIPE: ") and "sede" in err and "wieght" in err
    status, _, err = call("run", tmp_path / "none.yaml", "--out", tmp_path / "o")
    assert status == 2 and "none.yaml" in err


def test_object_stores_are_refused_as_output(call, tmp_path):
    (tmp_path / "r.yaml").write_text(RECIPE)
    assert call("run", tmp_path / "r.yaml", "--out", "s3://bucket/corpus")[0] == 2


def test_why(call, corpus):
    status, out, _ = call("why", "f0", "--out", corpus)
    assert status == 0 and "word_count" in out and "measured 4" in out and "at least 50" in out
    status, out, _ = call("why", "0xABC1", "--out", corpus)
    assert status == 0 and "KEPT" in out and "abc1" in out
    status, out, _ = call("why", "abc", "--out", corpus)
    assert status == 0 and out.startswith("2 documents begin with abc; give more digits:")
    for key in ("bad", "a.jsonl"):
        status, out, _ = call("why", key, "--out", corpus)
        assert status == 0 and "a.jsonl record 7: rejected at extract: bad_json (error) no }" in out


@pytest.mark.parametrize("prefix", ["0123", "no-such-key", "f" * 33])
def test_why_of_the_unknown(call, corpus, prefix):
    status, out, err = call("why", prefix, "--out", corpus)
    assert status == 2 and out == "" and err.startswith("INPUT: ") and "32 hexadecimal digits" in err


@pytest.mark.parametrize(
    "arguments",
    [["why", "ab"], ["table"], ["materialize", "--to", "TO"]],
)
def test_commands_on_nothing_say_what_to_run(call, tmp_path, arguments):
    arguments = [str(tmp_path / "to") if a == "TO" else a for a in arguments]
    status, _, err = call(*arguments, "--out", tmp_path)
    assert status == 2 and err.startswith("DATASET_MISSING: ") and "run" in err
    assert not (tmp_path / "to").exists()


def test_verify(call, corpus, tmp_path):
    status, out, _ = call("verify", corpus / "ledger", "--deep")
    assert status == 0 and out.split()[:2] == ["ledger", "1"] and out.split()[-1] == "ok"
    status, _, err = call("verify", tmp_path / "nowhere")
    assert status == 2 and err.startswith("DATASET_MISSING: ")
    part = next((corpus / "ledger" / "attempts").glob("*/*.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    status, out, _ = call("verify", corpus / "ledger")
    assert status == 3 and re.search(
        r"ledger .* 1 problem\n    attempts/\w+/part.parquet: has \d+ bytes, the manifest", out
    )


def test_materialize_refuses_a_folder_in_use(call, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    status, _, err = call("materialize", "--out", tmp_path, "--to", tmp_path)
    assert status == 2 and "not empty" in err and (tmp_path / "thesis.tex").exists()


def test_an_unwritable_output_is_no_traceback(call, tmp_path):
    (tmp_path / "r.yaml").write_text(RECIPE)
    (tmp_path / "file").write_text("")
    status, _, err = call("run", tmp_path / "r.yaml", "--out", tmp_path / "file" / "corpus")
    assert status == 1 and err.startswith("SYSTEM: ") and "file/corpus" in err


@pytest.mark.parametrize("where", [["--debug", "why", "zz"], ["why", "zz", "--debug"]])
def test_debug_lets_the_traceback_through(tmp_path, where):
    with pytest.raises(errors.DatasetMissing):
        cli.main([*where, "--out", str(tmp_path)])


def test_the_environment_can_ask_for_tracebacks(tmp_path, monkeypatch):
    monkeypatch.setenv("PILE_CURATE_DEBUG", "1")
    with pytest.raises(errors.DatasetMissing):
        cli.main(["why", "zz", "--out", str(tmp_path)])


def test_every_error_keeps_its_status(capsys):
    def all_of(kind):
        return [kind, *(sub for child in kind.__subclasses__() for sub in all_of(child))]

    for kind in all_of(errors.PileCurateError):
        error = kind([errors.Problem("a", "b")]) if kind is errors.RecipeError else kind("what")
        assert explain(error)[0] == kind.code and explain(error)[2] == kind.exit_status


def raiser(error):
    def call():
        raise error

    return call


class PythonException(Exception):
    """Looks as Spark hands an exception on that was raised in a worker."""

    def __init__(self, end: str) -> None:
        super().__init__(
            "An exception was thrown from the Python worker:\nTraceback (most recent call last):\n"
            '  File "worker.py", line 4, in invoke\n    process()\n    ^^^^^^^^^\n'
            f'  File "x.py", line 5, in f\n    raise SomeError("x")\n{end}'
        )


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (PythonException("pile_curate.errors.MixtureError: short\nby 3"), 2, "MIXTURE: short\nby 3 ("),
        (PythonException("pile_curate.errors.DatasetDamaged: cut\n"), 3, "DATASET_DAMAGED: cut ("),
        (PythonException("ValueError: bad thing"), 1, "WORKER: ValueError: bad thing ("),
        (PythonException("KeyError"), 1, "WORKER: KeyError:"),
        (ZeroDivisionError("division by zero"), 1, "UNEXPECTED: ZeroDivisionError: division by zero ("),
        (
            OSError(28, "No space left on device", "/x"),
            1,
            "SYSTEM: OSError: [Errno 28] No space left on device: '/x'",
        ),
        (KeyboardInterrupt(), 130, "interrupted; finished stages stay finished"),
    ],
)
def test_failures_become_one_message(capsys, error, status, told):
    assert guarded(raiser(error)) == status
    assert capsys.readouterr().err.startswith(told)


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m pile_curate.cli --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    code = "from pile_curate.spark.submit import guarded\ndef f():\n  while True: print('x' * 9999, flush=True)\nraise SystemExit(guarded(f))"
    command = f'{sys.executable} -c "$0" | head -c 9; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", command, code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "x" * 9, "")


def test_a_dead_worker_is_told_without_the_stack_of_the_jvm():
    class Py4JJavaError(Exception):
        pass

    text = (
        "An error occurred while calling z:org.apache.spark.api.python.PythonRDD.collectAndServe.\n"
        ": org.apache.spark.SparkException: Job aborted: Task 0 failed 4 times: Python worker exited unexpectedly\n"
        "\tat org.apache.spark.X.y(X.scala:1)\n"
    )
    assert explain(Py4JJavaError(text)) == (
        "SPARK", "Job aborted: Task 0 failed 4 times: Python worker exited unexpectedly", 1,
    )  # fmt: skip


def test_demo_builds_trains_once_and_shows(call, monkeypatch, tmp_path):
    from pile_curate import demo

    seen = run_arguments(monkeypatch)
    monkeypatch.setenv("PILE_CURATE_JVM_OPTIONS", "-Xmx1g")
    monkeypatch.setattr(demo, "build_demo", lambda raw: raw / "recipe.yaml")
    status, _, _ = call("demo", "--out", tmp_path / "demo")
    assert status == 0 and seen["trained"] == seen["shown"] == str(tmp_path / "demo")
    assert seen["trainer.generate"] == str(tmp_path / "demo")
    assert [run.get("until", run.get("only")) for run in seen["runs"]] == ["mix", "report"]
    assert seen["context"]["update"] is True
    (tmp_path / "demo" / "evaluation").mkdir()
    (tmp_path / "demo" / "evaluation" / "after.json").write_text("{}")
    again = run_arguments(monkeypatch, up_to_date=True)
    call("demo", "--out", tmp_path / "demo")
    assert "trained" not in again


def test_table_prints_the_figures(call, monkeypatch):
    from pile_curate import report
    from pile_curate.spark import report as collected

    monkeypatch.setattr(collected, "collect", lambda out: json.dumps({"out": Path(out).name}))
    monkeypatch.setattr(report, "terminal_table", lambda data: f"table of {data}")
    status, out, _ = call("table", "--out", "corpus")
    assert status == 0 and 'table of {"out": "corpus"}' in out and out.endswith("corpus/report/index.html\n")
