"""The proof itself can fail: whatever is taken away from the course or the grader is noticed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from evidence import GATHER, RIGHT, evidence, lines, passed_tests, run, wait
from grader import catalog, verify
from grader.catalog import ROOT
from grader.judge import BY_CHANCE, judge
from grader.records import CheckSpec, Evidence, Exit, OutputLine, Site, Spin, Started


def failed_test(name: str, diagnosis: str) -> Evidence:
    """Evidence of a program that is right but for one contract test."""
    tests = tuple(
        replace(one, status="fail", diagnosis=diagnosis, message="x") if one.name == name else one
        for one in passed_tests()
    )
    return evidence(tests=tests)


def both(timeline: list[tuple[float, str]], **changes: object) -> Evidence:
    """Evidence of a program that did this on both clocks."""
    seen = run(timeline, **changes)
    return evidence(wall=replace(seen, clock="wall"), virtual=seen, sanitized=seen)


def leaking() -> Evidence:
    """Evidence of a program whose main loop is never released."""
    return evidence(virtual=run(loops_alive=1))


WARNING = (OutputLine(1.0, "(program:7): GLib-CRITICAL **: 10:00: no such source"),)
ONLY_SEEN_BY = {
    "console": (both([(0.0, "hello"), *RIGHT]), "unexpected-output"),
    "elapsed": (both([(t * 2, text) for t, text in RIGHT]), "wrong-unit"),
    "exit": (both(list(RIGHT), exit=Exit(status=3)), "wrong-exit-status"),
    "experiment": (failed_test("experiment_with_an_unusual_name", "wrong-unit"), "wrong-unit"),
    "gather": (failed_test("gather_slowest_first", "completion-order"), "completion-order"),
    "empty": (failed_test("gather_none", "empty-gather"), "empty-gather"),
    "several": (failed_test("gather_two_in_flight", "shared-state"), "shared-state"),
    "responsive": (evidence(virtual=run(waits=(wait(14, 1.0, 3.0),))), "blocks-the-loop"),
    "one-thread": (
        evidence(virtual=run(started=(Started(0.0, "thread", 0, Site("main", 9)),))),
        "uses-threads",
    ),
    "processor": (
        evidence(virtual=run(spins=(Spin(0.0, 3.0, "poll", 9999, 0, None),))),
        "busy-wait",
    ),
    "memory": (leaking(), "memory-leak"),
    "stderr": (evidence(virtual=run(stderr=WARNING)), "glib-critical"),
}


@pytest.mark.parametrize("check", [c.id for c in GATHER.checks if c.id != "builds"])
def test_deleting_a_check_is_noticed(check: str) -> None:
    """Without the one check that sees it, a wrong program would pass: verify says so."""
    seen, diagnosis = ONLY_SEEN_BY[check]
    case = verify.Case("0.5", "mistake", Path("wrong.c"), diagnosis)
    assert verify.problem(case, judge(seen)) == ""
    assert verify.problem(case, verify.without(seen, check)) == "passes, but is wrong"


def test_a_check_that_no_mistake_needs_is_named() -> None:
    """One row that needs all checks but one."""
    needed = tuple(check.id for check in GATHER.checks if check.id != "stderr")
    case = verify.Case("0.5", "mistake", Path("wrong.c"), "crash")
    row = verify.Row(case, "fail", 0, "crash", (), (), "", needed)
    assert verify.checks_without_a_mistake(GATHER, [row]) == ["no mistake needs the check 'stderr'"]


def test_what_random_tests_notice_does_not_spare_a_check() -> None:
    """They see something else in each grade: next time they may notice nothing."""
    seen, _ = ONLY_SEEN_BY["gather"]
    lucky = CheckSpec(BY_CHANCE, "Whatever comes", 0, ("gather_slowest_first",))
    module = replace(GATHER, checks=(*GATHER.checks, lucky))
    seen = replace(seen, submission=replace(seen.submission, module=module))
    assert judge(seen).verdict == "fail"
    assert verify.without(seen, "gather").verdict == "pass"


def test_a_skeleton_that_earns_points_is_named() -> None:
    """Nobody gets points for nothing."""
    case = verify.Case("0.5", "skeleton", Path("skeleton.c"))
    assert verify.problem(case, judge(evidence())).startswith("passes ")


def test_another_first_diagnosis_is_named() -> None:
    """The chain from mistake to message is exact."""
    case = verify.Case("0.5", "mistake", Path("wrong.c"), "crash")
    result = judge(evidence(virtual=run(waits=(wait(14, 1.0, 3.0),))))
    assert verify.problem(case, result) == "expected crash, got blocks-the-loop"


def test_a_second_diagnosis_of_one_mistake_is_named() -> None:
    """A student with one mistake must not look for two."""
    case = verify.Case("0.5", "mistake", Path("wrong.c"), "blocks-the-loop")
    seen = run(waits=(wait(14, 1.0, 3.0),), stderr=WARNING)
    assert verify.problem(case, judge(evidence(virtual=seen))) == (
        "has one cause, but got glib-critical beside blocks-the-loop"
    )


def test_a_variant_that_loses_marks_is_named() -> None:
    """No right program loses any."""
    case = verify.Case("0.5", "variant", Path("right.c"))
    seen = run(stderr=lines([(1.0, "(p:1): GLib-WARNING **: 1:00: x")]))
    assert (
        verify.problem(case, judge(evidence(virtual=seen))) == "should pass, but got glib-critical"
    )


def test_every_diagnosis_has_its_mistake_and_its_paragraph() -> None:
    """What needs no running: texts, headings, hints, quotes, the skeleton."""
    assert verify.problems_in_the_texts(GATHER) == []


def test_the_matrix_in_the_docs_has_every_program() -> None:
    """`make matrix` after programs were added, renamed, or promised another diagnosis."""
    page = (ROOT / "docs" / "matrix.md").read_text(encoding="utf-8")
    shown = re.findall(r"^(\w+) +[·Xx!-](?: [·Xx!-])+ +\d+  ?([\w-]*)$", page, re.MULTILINE)
    modules = map(catalog.find, catalog.module_ids())
    cases = [case for module in modules for case in verify.cases(module, more=True)[0]]
    promised = [(case.name[:33], case.expected) for case in cases if case.kind != "skeleton"]
    assert [row for row in shown if row[0] != "skeleton"] == promised


def test_texts_that_are_missing_are_named() -> None:
    """A heading that the lesson does not have, a consequence or a mistake that is not there."""
    crash = GATHER.diagnoses["crash"]
    diagnoses = {
        **GATHER.diagnoses,
        "crash": replace(crash, lesson="No such heading", task=99, leads_to=("crash", "rash")),
        "brand-new": replace(crash, id="brand-new"),
    }
    problems = verify.problems_in_the_texts(replace(GATHER, diagnoses=diagnoses))
    assert len(problems) == 5
    assert re.search("crash: .* no heading 'No such heading'", problems[0])
    assert "no hints for TODO 99" in problems[1]
    assert {words.split(", ")[0] for words in problems[2:4]} == {
        "crash: leads to 'crash'",
        "crash: leads to 'rash'",
    }
    assert "brand-new: no program in mistakes/" in problems[4]


def test_what_was_right_the_second_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unsteady verdict is no problem of the course, but it is not hidden either."""
    case = verify.Case("0.5", "variant", Path("right.c"))
    row = verify.Row(case, "fail", 95, "crash", (), (), "should pass, but got crash", ())
    monkeypatch.setattr(verify, "grade_case", lambda _: replace(row, problem=""))
    rows, unsteady = verify.grade_again([row])
    assert rows[0].problem == ""
    assert unsteady == ["0.5: right: should pass, but got crash"]


def test_more_programs_are_graded_on_demand() -> None:
    """The chain stands for itself; the programs beside it come on top, with first lines alike."""
    chain, _ = verify.cases(GATHER)
    every, problems = verify.cases(GATHER, more=True)
    assert set(chain) < set(every)
    assert problems == []
    assert all(case.path.is_relative_to(verify.MORE_PROGRAMS) for case in set(every) - set(chain))
