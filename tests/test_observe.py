"""Cutting the run of all contract tests into one record a test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from evidence import GATHER, lines, run, wait
from grader import observe
from grader.build import Built
from grader.observe import load_scenarios, split_tests
from grader.records import Exit, Run, Scenario, TestRun

NONCE = "c0ffee"
SCENARIOS = (Scenario("one"), Scenario("two"))
REPORT = [
    (0.0, f"begin {NONCE} one fresh"),
    (3.001, f"end {NONCE} one"),
    (3.002, f"begin {NONCE} two"),
    (6.001, f"end {NONCE} two"),
    (6.002, f"result {NONCE} one pass Passed"),
    (6.002, f"result {NONCE} two fail done-twice: done was called 2 times, not once"),
]


def split(report: list[tuple[float, str]], **changes: object) -> tuple[TestRun, TestRun]:
    """The records of the tests "one" and "two"."""
    stdout = lines([(1.0, "[a] starting..."), (3.0, "[a] finished"), (4.0, "[b] starting...")])
    whole = run([], report=lines(report), stdout=stdout, **changes)
    one, two = split_tests(whole, SCENARIOS, NONCE)
    return one, two


def test_each_test_gets_its_own_lines_and_times() -> None:
    """Times count from the whole second on which the test began."""
    one, two = split(REPORT, waits=(wait(5, 4.5, 5.0),))
    assert one.stdout == lines([(0.0, "[a] starting..."), (2.0, "[a] finished")])
    assert two.stdout == lines([(0.0, "[b] starting...")])
    assert (one.waits, two.waits) == ((), (wait(5, 0.5, 1.0, asked_s=0.5),))


def test_results_and_diagnoses_are_read() -> None:
    """A failed requirement names its diagnosis."""
    one, two = split(REPORT)
    assert (one.status, one.diagnosis) == ("pass", "")
    assert (two.status, two.diagnosis) == ("fail", "done-twice")
    assert two.message == "done was called 2 times, not once"


def test_a_test_without_its_end_does_not_pass() -> None:
    """Check says pass for exit (0); the end with the nonce never came."""
    one, _ = split([line for line in REPORT if line[1] != f"end {NONCE} one"])
    assert one.status == "fail"


def test_a_guessed_nonce_counts_for_nothing() -> None:
    """Printed results are not results."""
    one, two = split([(time_s, text.replace(NONCE, "guess")) for time_s, text in REPORT])
    assert (one.status, two.status) == ("missing", "missing")


def test_a_killed_parent_leaves_tests_missing() -> None:
    """No results at all."""
    one, two = split(REPORT[:3])
    assert (one.status, two.status) == ("missing", "missing")


def test_what_a_test_said_before_it_died_is_kept() -> None:
    """Its last words are the reason, if they carry the nonce."""
    died = [*REPORT[:3], (6.002, f"result {NONCE} two error Received signal 6 (Aborted)")]
    said = (4.0, f"note {NONCE} two done-too-early: done was called at 1 s")
    _, two = split([*died[:3], said, *died[3:]])
    assert (two.status, two.died, two.diagnosis) == ("fail", True, "done-too-early")
    assert two.message == "done was called at 1 s"
    forged = (4.0, "note guess two done-too-early: done was called at 1 s")
    _, two = split([*died[:3], forged, *died[3:]])
    assert (two.died, two.message) == (False, "Received signal 6 (Aborted)")


def test_what_a_test_noticed_does_not_count_when_it_ends() -> None:
    """A later verdict knows more."""
    said = (4.0, f"note {NONCE} two done-too-early: done was called at 1 s")
    _, two = split([*REPORT[:3], said, *REPORT[3:]])
    assert (two.died, two.diagnosis) == (False, "done-twice")


def test_who_reached_the_end_did_not_die_there() -> None:
    """If a later test takes the whole run along there are no results, but the end was seen."""
    said = (1.5, f"note {NONCE} one done-too-early: done was called at 1 s")
    one, _ = split([REPORT[0], said, *REPORT[1:3]])
    assert (one.status, one.died, one.diagnosis) == ("missing", False, "")


def test_what_begins_again_is_judged_by_that_alone() -> None:
    """Behind other tests it had failed: that may have been due to them."""
    again = (5.001, f"begin {NONCE} two fresh")
    before = (4.0, f"note {NONCE} two done-too-early: done was called at 1 s")
    end, result = (8.001, f"end {NONCE} two"), (8.002, f"result {NONCE} two pass")
    _, two = split([*REPORT[:3], before, again, end, result])
    assert (two.status, two.fresh, two.stdout) == ("pass", True, ())
    one, two = split([*REPORT[:3], before, again, (8.002, f"result {NONCE} two error")])
    assert (two.status, two.died, two.diagnosis) == ("fail", False, "")
    assert one.stdout == lines([(0.0, "[a] starting..."), (2.0, "[a] finished")])


@pytest.mark.parametrize("forged", ["begin guess one", f"result {NONCE} one", f"begin {NONCE}", ""])
def test_what_the_frame_does_not_say_moves_nothing(forged: str) -> None:
    assert split([REPORT[0], (1.5, forged), *REPORT[1:]]) == split(REPORT)


DUE = Scenario("due", expected=((0.0, "[a] starting..."), (2.0, "[a] finished")), late_s=0.1)


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({}, False),
        ({"stdout": ((0.0, "[a] starting..."), (2.05, "[a] finished  "))}, False),
        ({"stdout": ((0.0, "[a] starting..."), (2.2, "[a] finished"))}, True),
        ({"stdout": ((0.0, "[a] starting..."), (1.9, "[a] finished"))}, True),
        ({"stdout": ((0.0, "[a] starting..."),)}, True),
        ({"stdout": (), "scenario": Scenario("due")}, False),
        ({"stderr": ((0.0, "GLib-CRITICAL **: no source"),)}, True),
        ({"waits": (wait(5, 0.0, 0.005),) * 101}, True),  # it may be another test's ticker
        ({"stdout": (), "fresh": True}, False),  # no other can be blamed
        ({"stdout": (), "status": "fail", "diagnosis": "crash"}, False),  # run again already
    ],
)
def test_what_printed_something_else_behind_others_runs_again_alone(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], again: bool
) -> None:
    """A right program may leave something behind, and Check does not see what is printed."""
    stdout = changes.pop("stdout", DUE.expected)
    kept = {"stdout": lines(stdout), "fresh": False, "scenario": DUE, **changes}
    if "stderr" in changes:
        kept["stderr"] = lines(changes["stderr"])
    first = TestRun(DUE, "pass", "", "", (), (), (), (), ())
    shared, alone = replace(first, **kept), replace(first, message="alone")
    asked = []

    def run_scenarios(
        _shop: object, _program: object, scenarios: tuple[Scenario, ...], *, alone_: bool = False
    ) -> tuple[Run, tuple[TestRun, ...]]:
        asked.append((scenarios, alone_))
        return run([]), (alone if alone_ else shared,)

    monkeypatch.setattr(
        observe,
        "_run_scenarios",
        lambda *arguments, alone=False: run_scenarios(*arguments, alone_=alone),
    )
    runs, tests = observe._run_shard(MagicMock(), Path("program"), (DUE,))
    assert tests == ((alone,) if again else (shared,))
    assert len(runs) == len(asked) == (2 if again else 1)


def test_scenarios_are_new_in_each_grade_and_can_be_repeated() -> None:
    """The seed decides, and is kept in the record."""
    once = load_scenarios(GATHER.folder, 1)
    load_scenarios.cache_clear()
    assert load_scenarios(GATHER.folder, 1) == once
    assert load_scenarios(GATHER.folder, 1) != load_scenarios(GATHER.folder, 2)


def test_every_test_of_a_check_has_a_scenario() -> None:
    """The parent knows the number and the names of all tests."""
    named = {name for check in GATHER.checks for name in check.tests}
    assert named == {scenario.test for scenario in load_scenarios(GATHER.folder, 1)}


@pytest.mark.parametrize(
    ("reason", "stopped", "runs"),
    [
        ("a child process did not load the clock", "", 2),
        ("a child process did not load the clock", "wall limit", 1),
        ("it waits for input from outside", "", 1),
    ],
)
def test_what_a_busy_machine_disturbed_is_run_again(
    monkeypatch: pytest.MonkeyPatch, reason: str, stopped: str, runs: int
) -> None:
    """A process that seems lost to the clock may just have been late."""
    ended = Exit(stopped=stopped) if stopped else Exit(status=0)
    seen = [run([]), run([], exactness="inexact", reason=reason, exit=ended)]
    count = len(seen)
    monkeypatch.setattr(observe, "run_on_virtual_clock", lambda *_, **__: seen.pop())
    observe._run_virtual(MagicMock(), Built("", Path("/box/bin/program")))
    assert count - len(seen) == runs


@pytest.mark.parametrize(
    ("changes", "stands"),
    [
        ({}, True),
        ({"exit": Exit(status=1)}, False),
        ({"exit": Exit(stopped="stuck")}, False),
        ({"stderr": lines([(0.0, "GLib-CRITICAL **: no source")])}, False),
        ({"exactness": "not measured"}, False),
        ({"cpu_s": 0.6}, False),
        ({"stdout": lines([(3.0, "All done: [y]")])}, False),
    ],
)
def test_the_sanitized_run_stands_for_the_plain_one(
    changes: dict[str, object], stands: bool
) -> None:
    """As long as nothing is in it that the sanitizers may have changed."""
    assert observe._stands_for_plain(run(**changes), GATHER) == stands
