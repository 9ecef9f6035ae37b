"""Whole grades of a handful of programs, some of them on the wall clock."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from grader.catalog import ROOT
from grader import catalog, commands, submission
from grader.judge import judge
from grader.observe import observe
from grader.parts import build_root
from grader.records import GradeResult, Module
from grader.sandbox import probe
from grader.skeleton import skeleton

MODULE = catalog.find("0.5")
MISTAKES = MODULE.folder / "mistakes"


def grade(path: Path, *, fast: bool, module: Module = MODULE) -> GradeResult:
    """The verdict on one file of the course."""
    return commands.grade_submission(submission.read(module, path), fast=fast)


def test_the_reference_gets_full_marks_on_both_clocks() -> None:
    """Exactly 3 s of virtual time, about 3 s of real time, three bars."""
    result = grade(MODULE.solution, fast=False)
    assert (result.verdict, result.score) == ("pass", 100)
    evidence = result.evidence
    assert evidence.virtual and evidence.wall
    assert evidence.virtual.elapsed_s == 3.0
    assert evidence.virtual.exactness == "exact"
    assert [bar.name for bar in result.timeline] == ["exp_small", "exp_medium", "exp_large"]


@pytest.mark.parametrize(
    ("name", "diagnosis"),
    [
        ("sleeps_between_printed_lines", "hard-coded"),
        ("next_one_started_in_the_callback", "sequential"),
        ("first_finisher_reports", "quits-on-first"),
        ("forgot_to_quit", "never-quits"),
        ("no_user_data", "crash"),
        ("missing_semicolon", "does-not-compile"),
    ],
)
def test_wrong_programs_on_the_wall_clock(name: str, diagnosis: str) -> None:
    """Right lines by sleeping, 6 s, quitting early, hanging, crashing, not compiling."""
    result = grade(MISTAKES / f"{name}.c", fast=False)
    assert result.verdict == "fail"
    assert result.score < 100
    assert diagnosis in [one.id for one in result.diagnoses]


SAMPLE = [
    *("mistakes/returns_continue", "mistakes/results_never_freed", "mistakes/no_user_data"),
    *("mistakes/nested_loop_in_gather", "mistakes/missing_semicolon", "mistakes/main_left_empty"),
    *("variants/timeout_add_seconds", "variants/timerfd_watched", "skeleton/experiments"),
]


@pytest.mark.parametrize("name", SAMPLE)
def test_the_sandbox_changes_no_verdict(name: str) -> None:
    """The same checks, marks and root cause as with limits only."""
    walls = probe(build_root() / "sandbox")
    bare = replace(walls, name="limits", counts_alone=False)
    work = submission.read(MODULE, MODULE.folder / f"{name}.c")
    inside, outside = (judge(observe(work, box, fast=True, seed=1)) for box in (walls, bare))
    assert [(one.id, one.points) for one in inside.checks] == [
        (one.id, one.points) for one in outside.checks
    ]
    assert [one.id for one in inside.diagnoses] == [one.id for one in outside.diagnoses]


def test_the_plain_program_is_only_built_if_need_be() -> None:
    """To be run in real time, or since the sanitized one ended with a report of its own."""
    right = grade(MODULE.solution, fast=True).evidence
    assert right.virtual is right.sanitized
    leaking = grade(MISTAKES / "results_never_freed.c", fast=True).evidence
    assert leaking.sanitized and leaking.sanitized.exit.status != 0
    assert leaking.virtual and leaking.virtual.exit.status == 0


def test_each_contract_test_runs_in_one_shard() -> None:
    """Together the shards run what the module has, and nothing twice."""
    evidence = grade(MODULE.solution, fast=True).evidence
    reported = [line.text.split() for run in evidence.tests_runs for line in run.report]
    begun = [words[2] for words in reported if words[0] == "begin"]
    assert len(evidence.tests_runs) > 1
    assert sorted(begun) == sorted(test.name for test in evidence.tests)


def test_the_line_that_blocks_is_named() -> None:
    """From the trace of the virtual clock, through the compiler's line table."""
    path = MISTAKES / "short_pause_in_callback.c"
    result = grade(path, fast=True)
    (line,) = result.diagnoses[0].lines
    assert "g_usleep" in path.read_text().splitlines()[line - 1]


def test_compiler_errors_point_at_the_students_own_lines() -> None:
    """The file's name as the student knows it, the line as in the editor."""
    path = MISTAKES / "missing_semicolon.c"
    result = grade(path, fast=True)
    name = str(path.relative_to(ROOT))
    assert result.diagnoses[0].evidence.startswith(f"{name}:{result.diagnoses[0].lines[0]}:")


def test_a_markdown_submission_is_run_and_its_claim_is_checked(tmp_path: Path) -> None:
    """The code is extracted and graded; output that does not reproduce is reported."""
    code = MODULE.solution.read_text(encoding="utf-8")
    for claim, honest in (("All done: nothing", False), (expected_output(), True)):
        path = tmp_path / "answer.md"
        path.write_text(f"# Mine\n\n```c\n{code}```\n\n```text\n{claim}\n```\n", encoding="utf-8")
        work = submission.read(MODULE, path)
        result = commands.grade_handed_in(work, fast=True, trust=True)
        assert result.score == 100
        assert any("does not reproduce" in note for note in result.notes) != honest


CHECKPOINT = re.compile(r"^\| (\d+) \| .+ \| (\d+) \|$", re.MULTILINE)


@pytest.mark.parametrize("module_id", catalog.module_ids())
def test_a_student_scores_on_the_way_what_the_lesson_says(module_id: str, tmp_path: Path) -> None:
    """The table under "Your task": the first TODOs solved, the others still as they were."""
    module = catalog.find(module_id)
    lesson = (module.folder / "lesson.md").read_text(encoding="utf-8")
    checkpoints = CHECKPOINT.findall(lesson)
    assert checkpoints and int(checkpoints[-1][0]) == len(module.todos)
    for solved, score in checkpoints:
        path = tmp_path / f"after_todo_{solved}.c"
        path.write_text(skeleton(module, int(solved)), encoding="utf-8")
        assert grade(path, fast=True, module=module).score == int(score), f"after TODO {solved}"


def expected_output() -> str:
    """What the program must print."""
    return "\n".join(line.text for line in MODULE.console.lines)
