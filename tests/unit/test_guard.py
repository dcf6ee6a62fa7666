"""The guard survives whatever its function does, keeps the order, and blames the right item."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pile_curate import guard
from pile_curate.errors import SetupError
from pile_curate.guard import Guard, GuardFailure, InProcess, describe

TARGET = "tests.unit.guard_targets:work"
FATAL = {
    "abort": ("guard_crash", "the process was ended by SIGABRT"),
    "segfault": ("guard_crash", "the process was ended by SIGSEGV"),
    "swell": ("guard_memory", "more than 300 MiB of memory"),
    "spin": ("guard_cpu", "more than 1 CPU seconds"),
    "native spin": ("guard_cpu", "more than 1 CPU seconds"),
    "exit": ("guard_crash", "the process ended itself with status 0"),
}


def small(config=None, **more):
    return Guard(TARGET, config, **{"cpu_seconds": 0.1, "memory_bytes": 300 << 20, **more})


@pytest.mark.parametrize("kind", sorted(FATAL))
def test_one_killer_costs_one_item(kind):
    items = ["a", "b", kind, "c", "d"]
    with small("config") as g:
        results = list(g.map(items))
    assert [item for item, _ in results] == items
    assert results[2][1] == GuardFailure(*FATAL[kind])
    assert [r for i, r in results if i != kind] == [(i, "config") for i in items if i != kind]


def test_killers_may_follow_each_other_at_both_ends():
    items = ["abort", "abort", "x", "exit", "abort"]
    with small() as g:
        results = [r for _, r in g.map(items)]
        assert [isinstance(r, GuardFailure) for r in results] == [True, True, False, True, True]
        assert [r for _, r in g.map(["again"])] == [("again", None)]


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("raise", "ValueError: bad thing <object object at 0x…> second line"),
        ("sys.exit", "SystemExit: 3"),
    ],
)
def test_an_exception_is_a_failure_and_the_child_lives_on(kind, detail):
    with small() as g:
        results = [r for _, r in g.map(["pid", kind, "pid"])]
        assert g.children == 1
    assert results[1] == GuardFailure("guard_error", detail)
    assert results[0] == results[2]


def test_deep_recursion_and_unpicklable_results_are_errors():
    with small() as g:
        results = [r for _, r in g.map(["recurse", "lambda", "ok"])]
    assert [getattr(r, "reason", "") for r in results] == ["guard_error", "guard_error", ""]
    assert results[0].detail.startswith("RecursionError")


def test_a_result_that_cannot_be_rebuilt_is_its_items_failure():
    with Guard("tests.unit.guard_targets:unreadable") as g:
        ((_, result),) = g.map([1])
    assert result.reason == "guard_error"
    assert "ValueError" in result.detail


def test_an_item_above_its_limit_but_below_ten_times_it_passes_alone():
    with small(cpu_seconds=0.2) as g:
        assert [r for _, r in g.map(["a", "slow", "b"])] == [("a", None), "slow", ("b", None)]
        assert g.children == 2


def test_another_items_leak_is_not_the_next_items_failure():
    with small() as g:
        results = [r for _, r in g.map(["leak"] * 7)]
    assert results == ["leaked"] * 7


def test_prints_do_not_disturb_the_protocol_and_stdin_is_empty():
    with small() as g:
        assert [r for _, r in g.map(["print", "stdin", "x"])] == ["printed", "", ("x", None)]


def test_rubbish_in_the_result_pipe_is_a_crash_not_a_hang():
    with small() as g:
        results = [r for _, r in g.map(["a", "rubbish", "b"])]
    assert results[0] == ("a", None)
    assert results[1].reason == "guard_crash"
    assert results[2] == ("b", None)


def test_an_item_that_sleeps_meets_the_wall_clock(monkeypatch):
    monkeypatch.setattr(guard, "WALL_EXTRA", 0.2)
    monkeypatch.setattr(guard, "WALL_FACTOR", 1.0)
    with small(cpu_seconds=0.3) as g:
        results = [r for _, r in g.map(["a", "sleep", "b"])]
    assert results == [("a", None), GuardFailure("guard_cpu", "no result within 0.5 seconds"), ("b", None)]


def test_a_slow_consumer_is_not_the_childs_fault(monkeypatch):
    monkeypatch.setattr(guard, "WALL_EXTRA", 0.1)
    monkeypatch.setattr(guard, "WALL_FACTOR", 1.0)
    with small(cpu_seconds=0.2, batch_items=1) as g:
        for _, result in g.map(["a", "b", "c"]):
            assert not isinstance(result, GuardFailure)
            time.sleep(0.5)


def test_items_and_results_larger_than_any_pipe_pass():
    items = [("big", 5_000_000, b"y" * 5_000_000) for _ in range(6)]
    with small(batch_bytes=6_000_000) as g:
        assert [len(r) for _, r in g.map(items)] == [5_000_000] * 6


def test_items_are_taken_at_most_two_batches_ahead():
    taken = 0

    def source():
        nonlocal taken
        for i in range(100):
            taken += 1
            yield i

    with small(batch_items=4) as g:
        for done, (_, result) in enumerate(g.map(source()), 1):
            assert result[0] == done - 1
            assert taken - done <= 8


def test_a_consumer_may_leave_early_and_come_back():
    with small() as g:
        for _ in g.map(range(100)):
            break
        assert [r[0] for _, r in g.map(range(5))] == list(range(5))


def test_no_items_need_no_child():
    with small() as g:
        assert list(g.map([])) == []
        assert g.children == 0


@pytest.mark.parametrize("target", ["tests.unit.guard_targets:nothing", "no_such_module:f", "os", "os:sep"])
def test_a_target_that_cannot_be_had_is_a_setup_error(target):
    with Guard(target) as g, pytest.raises(SetupError, match="cannot start"):
        list(g.map([1]))


def test_the_childs_path_is_the_parents(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def f(item, config):\n    return item + 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Guard("only_here:f") as g:
        assert [r for _, r in g.map([1, 2])] == [2, 3]


def gone(pid):
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat") as handle:
                if handle.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_the_child_ends_with_the_guard():
    with small() as g:
        ((_, pid),) = g.map(["pid"])
        assert not os.path.exists("/proc") or os.path.exists(f"/proc/{pid}")
    assert gone(pid)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")
def test_the_child_dies_with_a_killed_parent_even_while_it_spins():
    code = (
        "from pile_curate.guard import Guard\n"
        f"g = Guard({TARGET!r}, cpu_seconds=600)\n"
        "for _, r in g.map(['pid', 'spin']): print(r, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert gone(pid)


def test_in_process_has_the_same_shape():
    with InProcess(TARGET, 5) as g:
        results = list(g.map(["a", "raise"]))
    assert results[0] == ("a", ("a", 5))
    assert results[1][1].reason == "guard_error"


@pytest.mark.parametrize("limit", [{"cpu_seconds": 0}, {"memory_bytes": -1}, {"batch_items": 0}])
def test_limits_must_be_positive(limit):
    with pytest.raises(ValueError, match="positive"):
        Guard(TARGET, **limit)


def test_describe_is_the_same_on_every_run():
    first, second = describe(KeyError(object())), describe(KeyError(object()))
    assert first == second == "KeyError: <object object at 0x…>"
    assert len(describe(ValueError("x" * 9999))) == 500
    describe(ValueError("\ud800")).encode()
