"""One function for each command: a straight line through the hops of a grade.

Each takes the parsed words and returns the exit status.  Packages that only one command
needs are imported in it, so that a grade starts at once.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from datetime import datetime
from pathlib import Path

from grader import catalog, submission
from grader.catalog import ROOT
from grader.parts import build_root
from grader.records import GraderError, GradeResult, Module, Submission

FULL_MARKS, MARKS_LOST, COULD_NOT_JUDGE = 0, 1, 2
STATUS = {"pass": FULL_MARKS, "fail": MARKS_LOST, "error": COULD_NOT_JUDGE}


def grade(arguments: argparse.Namespace) -> int:
    """Grades, prints the report, remembers the score."""
    module = _module(arguments)
    work = submission.read(module, module.solution if arguments.solution else arguments.file)
    result = grade_submission(work, fast=arguments.fast, trust=arguments.trust)
    if arguments.json != "-":
        _print_report(result)
    if arguments.json:
        _write_json(result, arguments.json)
    if not arguments.file and not arguments.solution:
        _remember(result)
    return STATUS[result.verdict]


def grade_submission(work: Submission, *, fast: bool, trust: bool = False) -> GradeResult:
    """The whole of a grade: sandbox, build, observe, judge."""
    from grader import judge, observe, sandbox

    walls = sandbox.probe(build_root() / "sandbox")
    if not work.own:
        walls.require_for_stranger(trust)
    return judge.judge(observe.observe(work, walls, fast=fast))


def skeletons(_: argparse.Namespace) -> int:
    """Makes every skeleton from its reference; an exercise that was untouched follows."""
    from grader.skeleton import skeleton

    for module_id in catalog.module_ids():
        module = catalog.find(module_id)
        pristine = pristine_path(module)
        text = skeleton(module)
        before = pristine.read_text(encoding="utf-8") if pristine.exists() else None
        exercise = module.exercise
        if not exercise.exists() or exercise.read_text(encoding="utf-8") == before:
            exercise.parent.mkdir(parents=True, exist_ok=True)
            exercise.write_text(text, encoding="utf-8")
        pristine.parent.mkdir(parents=True, exist_ok=True)
        pristine.write_text(text, encoding="utf-8")
        print(f"{_relative(pristine)}")
    return FULL_MARKS


def pristine_path(module: Module) -> Path:
    """Where the skeleton of a module is kept."""
    return module.folder / "skeleton" / module.exercise.name


def reset(arguments: argparse.Namespace) -> int:
    """Puts the skeleton back; what was there is kept beside it."""
    module = _module(arguments)
    exercise, pristine = module.exercise, pristine_path(module)
    if not pristine.exists():
        raise GraderError(f"{_relative(pristine)} is missing: run make skeletons.")
    if exercise.exists() and exercise.read_bytes() == pristine.read_bytes():
        print(f"{_relative(exercise)} is the skeleton already.")
        return FULL_MARKS
    if exercise.exists():
        stamp = datetime.now().strftime("%Y-%m-%d-%H%M%S")
        backups = build_root() / "backups" / module.folder.name
        backups.mkdir(parents=True, exist_ok=True)
        backup = backups / f"{exercise.stem}-{stamp}{exercise.suffix}"
        shutil.copy2(exercise, backup)
        print(f"Your work is kept in {_relative(backup)}.")
    exercise.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(pristine, exercise)
    print(f"{_relative(exercise)} is the skeleton again.")
    return FULL_MARKS


def hint(arguments: argparse.Namespace) -> int:
    """Shows the next hint."""
    from grader.hints import next_hint

    module = _module(arguments)
    one = next_hint(module, build_root() / "hints.json", arguments.task)
    print(f"TODO {one.task}: {one.title}\n")
    print(textwrap.fill(one.text, 78))
    again = f"make hint MODULE={module.id}"
    if one.stage < one.stages:
        more = f"{again} TASK={one.task}" if arguments.task else again
        print(f"\nHint {one.stage} of {one.stages}. Try it first; then: {more}")
    elif one.next_task:
        print(f"\nThat was the last hint for TODO {one.task}. For the next: {again}")
    else:
        print("\nThat was the last hint. The rest is in the lesson, and in the report's evidence.")
    return FULL_MARKS


def verify(arguments: argparse.Namespace) -> int:
    """Proves that the course, or one module of it, is sound."""
    from grader import verify as proof

    ids = [arguments.module] if arguments.module else catalog.module_ids()
    return proof.verify([catalog.find(id_) for id_ in ids], arguments.only or "")


# ---- what the commands share ----------------------------------------------------------


def _module(arguments: argparse.Namespace) -> Module:
    if not arguments.module:
        known = " ".join(catalog.module_ids())
        raise GraderError(f"Say which module, for example MODULE=0.5. The modules are: {known}")
    return catalog.find(arguments.module)


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _write_json(result: GradeResult, target: str) -> None:
    from grader.report import json

    text = json.render(result)
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise GraderError(f"{target} cannot be written: {error.strerror}.") from error


def _print_report(result: GradeResult) -> None:
    from grader.report import terminal, text

    screen = terminal.of(sys.stdout)
    sys.stdout.write(
        text.render(
            result,
            colour=screen.colour,
            width=screen.width,
            unicode=screen.unicode,
            next_module=_next_module(result.evidence.submission.module),
        )
    )


def _next_module(module: Module) -> str:
    ids = catalog.module_ids()
    later = ids[ids.index(module.id) + 1 :] if module.id in ids else []
    return later[0] if later else ""


def _remember(result: GradeResult) -> None:
    from grader import progress

    progress.record(result, progress_database())


def progress_database() -> Path:
    """Where best and last scores are kept."""
    return build_root() / "progress.sqlite"
