"""Proves that a module is sound: the chain from misconception to lesson holds everywhere.

    misconception -> wrong program -> failing check -> diagnosis -> message -> lesson

The reference gets full marks; the skeleton fails every check that carries points; every
program in `mistakes/` gets the diagnosis that its first line names, and no other; every
program in `variants/` gets full marks; every diagnosis has a text, a heading in the lesson
and a mistake; every check is what gives some mistake away.

Beside the chain, which an author writes, stand the programs of tests/programs/: others that
were tried against the grader, with the verdict that each must get ever after.
"""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Literal

from grader import catalog, commands, submission
from grader.catalog import ROOT
from grader.judge import BY_CHANCE, judge
from grader.records import Evidence, GraderError, GradeResult, Module
from grader.skeleton import skeleton

Kind = Literal["reference", "skeleton", "mistake", "variant"]
MORE_PROGRAMS = ROOT / "tests" / "programs"
SEED = 1  # the same scenarios each time: a proof can be repeated
MISTAKE = re.compile(r"^// mistake: ([a-z0-9-]+)\s*$")
VARIANT = re.compile(r"^// variant: (\S.*)$")
QUOTE = re.compile(r"<!-- from (\S+): (\S+) -->\n+```c\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Case:
    """One program, and the verdict that it must get."""

    module_id: str
    kind: Kind
    path: Path
    expected: str = ""  # the first diagnosis of a mistake

    @property
    def name(self) -> str:
        """How the matrix calls it."""
        return self.kind if self.kind in ("reference", "skeleton") else self.path.stem


@dataclass(frozen=True)
class Row:
    """One line of the matrix: what became of one case."""

    case: Case
    verdict: str
    score: int
    first: str  # diagnosis
    statuses: tuple[tuple[str, str], ...]  # check id, status
    own: tuple[str, ...]  # the checks that fail with a diagnosis of their own
    problem: str  # "" if all is as it must be
    needs: tuple[str, ...]  # without any one of these checks it would be a problem


def cases(module: Module, only: str = "", *, more: bool = False) -> tuple[list[Case], list[str]]:
    """The programs of a module, and what is wrong with their first lines.

    `more`: those of tests/programs/ as well.
    """
    folders = [module.folder, *([MORE_PROGRAMS / module.folder.name] if more else [])]
    found = [
        Case(module.id, "reference", module.solution),
        Case(module.id, "skeleton", commands.pristine_path(module)),
    ]
    problems = []
    for path in _programs(folders, "mistakes"):
        if match := MISTAKE.match(_first_line(path)):
            found.append(Case(module.id, "mistake", path, match.group(1)))
        else:
            problems.append(f"{path.name}: the first line is not '// mistake: <diagnosis>'")
    for path in _programs(folders, "variants"):
        if VARIANT.match(_first_line(path)):
            found.append(Case(module.id, "variant", path))
        else:
            problems.append(f"{path.name}: the first line is not '// variant: <what differs>'")
    return [case for case in found if only in case.name], problems


def _programs(folders: Iterable[Path], kind: str) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.glob(f"{kind}/*.c"))]


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").partition("\n")[0].rstrip("\r")


# ---- what needs no running ---------------------------------------------------------------


def problems_in_the_texts(module: Module) -> list[str]:
    """Diagnoses without a text, a heading, a mistake or a hint; quotes that have drifted."""
    lesson = (module.folder / "lesson.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^#+ (.*?)\s*$", lesson, re.MULTILINE))
    programs, _ = cases(module, more=True)
    mistakes = {case.expected for case in programs if case.kind == "mistake"}
    tasks = {hint.task for hint in module.hints}
    problems = [
        f"no diagnosis {id_!r} in diagnoses.toml" for id_ in mistakes - set(module.diagnoses)
    ]
    for id_, text in module.diagnoses.items():
        if text.lesson not in headings:
            problems.append(f"{id_}: lesson.md has no heading {text.lesson!r}")
        if not (text.title and text.why and text.next):
            problems.append(f"{id_}: a part of its message is empty")
        if text.task and text.task not in tasks:
            problems.append(f"{id_}: there are no hints for TODO {text.task}")
        if id_ not in mistakes:
            problems.append(f"{id_}: no program in mistakes/ has it")
        for other in set(text.leads_to) - (set(module.diagnoses) - {id_}):
            problems.append(f"{id_}: leads to {other!r}, which is no other diagnosis")
    for hint in module.hints:
        if len(hint.stages) != 3:
            problems.append(f"TODO {hint.task} has {len(hint.stages)} hints, not 3")
    if commands.pristine_path(module).read_text(encoding="utf-8") != skeleton(module):
        problems.append("the skeleton differs from the reference: run make skeletons")
    return problems + _drifted_quotes(module, lesson)


def _drifted_quotes(module: Module, lesson: str) -> list[str]:
    """C in a lesson comes from a file that is compiled; it must still say the same."""
    problems = []
    for file, name, quoted in QUOTE.findall(lesson):
        text = (module.folder / file).read_text(encoding="utf-8")
        marked = re.search(rf"// BEGIN {name}\n(.*?)// END {name}\n", text, re.DOTALL)
        if not marked or marked.group(1) != quoted:
            problems.append(f"lesson.md: the quote from {file} ({name}) is not what the file says")
    return problems


# ---- what is graded ------------------------------------------------------------------------


def grade_case(case: Case) -> Row:
    """Grades one program in simulated time, and compares the verdict with the promise."""
    work = submission.read(_module(case.module_id), case.path)
    result = commands.grade_submission(work, fast=True, seed=SEED, side_by_side=False)
    first = result.diagnoses[0].id if result.diagnoses else ""
    own = [one for one in result.checks if one.diagnosis and "follows" not in one.message]
    # No other check could be what gives this mistake away.
    telling = [one.id for one in own if one.diagnosis == first]
    return Row(
        case,
        result.verdict,
        result.score,
        first,
        tuple((check.id, check.status) for check in result.checks),
        tuple(check.id for check in own),
        problem(case, result),
        tuple(id_ for id_ in telling if problem(case, without(result.evidence, id_))),
    )


_module = cache(catalog.find)  # for whoever grades hundreds


def without(evidence: Evidence, check_id: str) -> GradeResult:
    """The verdict on the same evidence if the grader did not have this check.

    Nor the one whose tests see something else in each grade: what it notices is luck.
    """
    work = evidence.submission
    gone = {check_id, BY_CHANCE}
    checks = tuple(check for check in work.module.checks if check.id not in gone)
    less = replace(work, module=replace(work.module, checks=checks))
    return judge(replace(evidence, submission=less))


def problem(case: Case, result: GradeResult) -> str:
    """What is wrong with the verdict on a case, "" if it is as promised."""
    first = result.diagnoses[0].id if result.diagnoses else ""
    if result.verdict == "error":
        return "could not be judged"
    if case.kind == "skeleton":
        earned = ", ".join(c.id for c in result.checks if c.status == "pass" and c.max_points)
        return f"passes {earned}" if earned else "" if result.verdict == "fail" else "passes"
    if case.kind == "mistake":
        if result.verdict != "fail":
            return "passes, but is wrong"
        if first != case.expected:
            return f"expected {case.expected}, got {first}"
        also = ", ".join(one.id for one in result.diagnoses[1:])
        return f"has one cause, but got {also} beside {first}" if also else ""
    return "" if result.verdict == "pass" else f"should pass, but got {first}"


def checks_without_a_mistake(module: Module, rows: Iterable[Row]) -> list[str]:
    """Checks that could be deleted unnoticed, because no mistake needs them."""
    needed = {id_ for row in rows if row.case.kind == "mistake" for id_ in row.needs}
    return [f"no mistake needs the check {c.id!r}" for c in module.checks if c.id not in needed]


def grade_all(all_cases: Sequence[Case], on_row: Callable[[Row], None]) -> list[Row]:
    """Grades all cases in processes of their own, one for each processor.

    More are slower: what costs most is to start and end processes, and systems do that one
    after another.  The last modules, whose grades take longest, come first: so no processor
    is idle at the end for long.
    """
    processors = os.sched_getaffinity(0)
    free: SimpleQueue[int] = multiprocessing.SimpleQueue()
    for processor in processors:
        free.put(processor)
    with ProcessPoolExecutor(len(processors), None, _stay_on_one, (free,)) as pool:
        pending = [pool.submit(grade_case, case) for case in reversed(all_cases)]
        rows = []
        for done in as_completed(pending):
            rows.append(done.result())
            on_row(rows[-1])
    order = {case: number for number, case in enumerate(all_cases)}
    return sorted(rows, key=lambda row: order[row.case])


def _stay_on_one(free: SimpleQueue[int]) -> None:
    """Takes a free processor for this process and all that it starts, which run in turn.

    To move between processors is what costs most where they are virtual.
    """
    os.sched_setaffinity(0, {free.get()})


def grade_again(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Grades what was not as promised once more, with nothing beside it.

    Returns the rows with the second verdicts, and in words what was right the second time:
    it is told, because a grader should not need a calm machine.
    """
    again = [grade_case(row.case) if row.problem else row for row in rows]
    unsteady = [
        f"{before.case.module_id}: {before.case.name}: {before.problem}"
        for before, after in zip(rows, again)
        if before.problem and not after.problem
    ]
    return again, unsteady


# ---- the command ---------------------------------------------------------------------------


def verify(modules: Sequence[Module], only: str, *, more: bool) -> int:
    """Verifies the modules, prints the matrix of each and all problems; the exit status.

    `only`: what the programs' names must contain; then what takes all of them is not proved:
    that every check is needed.  `more`: grade the programs of tests/programs/ as well.
    """
    from grader.report import matrix

    if not modules:
        raise GraderError("There is no module to verify.")
    problems: list[str] = []
    all_cases: list[Case] = []
    for module in modules:
        some, wrong = cases(module, only, more=more)
        all_cases += some
        wrong += problems_in_the_texts(module)
        problems += [f"{module.id}: {words}" for words in wrong]
    with matrix.progress(len(all_cases)) as on_row:
        rows = grade_all(all_cases, on_row)
    rows, unsteady = grade_again(rows)
    for module in modules:
        own = [row for row in rows if row.case.module_id == module.id]
        matrix.show(module, own)
        if not only:
            problems += [f"{module.id}: {words}" for words in checks_without_a_mistake(module, own)]
    problems += [
        f"{row.case.module_id}: {row.case.name}: {row.problem}" for row in rows if row.problem
    ]
    matrix.show_summary(rows, unsteady, problems, whole=not only)
    return 1 if problems else 0
