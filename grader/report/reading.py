"""How a result is put into words: what the terminal report and the HTML report share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grader import plain_text
from grader.records import CheckResult, GradeResult, Run, Status, Submission

STATUS_WORD: Mapping[Status, str] = {
    "pass": "ok",
    "fail": "FAIL",
    "skipped": "skip",
    "error": "ERROR",
}
VERDICT_WORD = {"pass": "PASS", "fail": "not yet", "error": "NOT GRADED"}
LONGEST_MESSAGE = 12  # lines of one check's message; the compiler can say much more


@dataclass(frozen=True)
class Remark:
    """What stands under a check."""

    text: str
    follows: bool  # it failed because of the root cause, which is told elsewhere
    shared: bool  # other checks have the same remark


@dataclass(frozen=True)
class Step:
    """A command to type next, and what for."""

    command: str
    why: str


def remarks(result: GradeResult) -> list[Remark]:
    """One remark per check, empty if it passed; the root cause is not told again."""
    root = result.diagnoses[0].id if result.diagnoses else ""
    follows = [check.status != "pass" and check.diagnosis == root for check in result.checks]
    texts = [
        "follows from the cause below" if because else _message(check)
        for check, because in zip(result.checks, follows, strict=True)
    ]
    return [
        Remark(text, because, shared=bool(text) and texts.count(text) > 1)
        for text, because in zip(texts, follows, strict=True)
    ]


def _message(check: CheckResult) -> str:
    if check.status == "pass":
        return ""
    return plain_text.block(check.message.strip("\n"), most_lines=LONGEST_MESSAGE)


def steps(result: GradeResult, next_module: str) -> list[Step]:
    """What to type next; nothing for a file that is not this student's exercise."""
    if not is_exercise(result.evidence.submission):
        return []
    module = result.evidence.submission.module.id
    if result.verdict == "error":
        return [Step(f"make grade MODULE={module}", "again, when what is said above is mended")]
    if result.verdict == "fail":
        return [
            Step(_hint(result), "a hint, each time a little more"),
            Step(f"make run MODULE={module}", "your program, ungraded"),
        ]
    compare = Step(f"make demo MODULE={module}", "compare with the reference")
    if next_module:
        return [Step(f"make grade MODULE={next_module}", "the next module"), compare]
    return [compare, Step("make list", "where you are in the course")]


def _hint(result: GradeResult) -> str:
    """The hint that fits the root cause."""
    task = result.diagnoses[0].text.task if result.diagnoses else 0
    fits = f" TASK={task}" if task and result.diagnoses[0].id != "todo-left" else ""
    return f"make hint MODULE={result.evidence.submission.module.id}{fits}"


def is_exercise(submission: Submission) -> bool:
    """Whether it is the exercise in this checkout, not a reference or another file."""
    exercise = submission.module.exercise
    return submission.own and exercise.parents[2] / submission.name == exercise


def lesson_file(result: GradeResult) -> str:
    """The lesson's path, as the student would open it."""
    return f"modules/{result.evidence.submission.module.folder.name}/lesson.md"


def facts(result: GradeResult) -> list[str]:
    """How the grade came about: times, clocks, sandbox."""
    evidence = result.evidence
    words = []
    if evidence.wall is not None:
        words.append(f"processor {seconds(evidence.wall.cpu_s, 3)}")
    if evidence.virtual is not None and not evidence.virtual.exit.stopped:
        words.append(f"virtual clock {seconds(evidence.virtual.elapsed_s, 3)}")
    words.append(f"graded in {evidence.duration_s:.1f} s")
    words.append(f"sandbox: {plain_text.line(evidence.sandbox)}")
    return words


def run_shown(result: GradeResult) -> Run | None:
    """The run whose lines are shown: the real one, from which the bars are, if there is one."""
    return result.evidence.wall or result.evidence.virtual


def short(text: str, longest: int) -> str:
    """One harmless line of at most `longest` characters."""
    shown = plain_text.line(text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def seconds(duration_s: float, digits: int = 2) -> str:
    """A duration for people: two decimals as long as they mean something."""
    if duration_s < 1000:
        return f"{duration_s:.{digits}f} s"
    return f"{duration_s:.0f} s" if duration_s < 1e6 else f"{duration_s:.0e} s"
