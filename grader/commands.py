"""One function for each command: a straight line through the hops of a grade.

Each takes the parsed words and returns the exit status.  Packages that only one command
needs are imported in it, so that a grade starts at once.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import importlib
import os
import pwd
import shutil
import sys
import textwrap
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from grader import catalog, plain_text, submission
from grader.catalog import ROOT
from grader.parts import build_root
from grader.records import GraderError, GradeResult, Module, OutputLine, Submission

FULL_MARKS, MARKS_LOST, COULD_NOT_JUDGE = 0, 1, 2
STATUS = {"pass": FULL_MARKS, "fail": MARKS_LOST, "error": COULD_NOT_JUDGE}


def grade(arguments: argparse.Namespace) -> int:
    """Grades, prints the report, remembers the score."""
    module = _module(arguments)
    work = submission.read(module, module.solution if arguments.solution else arguments.file)
    result = grade_handed_in(work, fast=arguments.fast, trust=arguments.trust)
    if arguments.json != "-":
        _print_report(result)
    if arguments.json:
        _write_json(result, arguments.json)
    if not arguments.file and not arguments.solution:
        _remember(result)
    return STATUS[result.verdict]


def grade_submission(
    work: Submission,
    *,
    fast: bool,
    trust: bool = False,
    seed: int | None = None,
    side_by_side: bool = True,
) -> GradeResult:
    """The whole of a grade: sandbox, build, observe, judge.

    `seed`, `side_by_side`: see observe().
    """
    from grader import observe, sandbox

    walls = sandbox.probe(build_root() / "sandbox")
    if not work.own:
        walls.require_for_stranger(trust)
    evidence = observe.observe(
        work,
        walls,
        fast=fast,
        seed=seed,
        side_by_side=side_by_side,
        meanwhile=_load_what_the_end_needs,
    )
    from grader.judge import judge

    return judge(evidence)


def _load_what_the_end_needs() -> None:
    """Ahead of time; whoever needs what cannot be loaded will say so."""
    for name in ("grader.judge", "grader.report.text"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def grade_handed_in(work: Submission, *, fast: bool, trust: bool) -> GradeResult:
    """A grade, with notes on console output that does not reproduce and on a changed file."""
    result = grade_submission(work, fast=fast, trust=trust)
    if work.claimed_output is None:
        return result
    from grader import markdown

    notes = [*result.notes, *markdown.claim_notes(result)]
    if work.altered:
        notes.append("The file was changed after make submit wrote it: its digest does not fit.")
    return replace(result, notes=tuple(notes))


def list_modules(_: argparse.Namespace) -> int:
    """Shows every module, best and last score, and which is next."""
    from grader import progress
    from grader.report import course, terminal

    modules = [catalog.find(id_) for id_ in catalog.module_ids()]
    screen = terminal.of(sys.stdout)
    summary = progress.summary(progress_database(), modules)
    sys.stdout.write(
        course.render(summary, colour=screen.colour, width=screen.width, unicode=screen.unicode)
    )
    return FULL_MARKS


def run(arguments: argparse.Namespace) -> int:
    """Builds and runs the exercise, ungraded: the program's own output and nothing else."""
    from grader import build, observe, sandbox

    work = submission.read(_module(arguments))
    walls = sandbox.probe(build_root() / "sandbox")
    with build.workshop(work, walls) as shop:
        built = build.build_program(shop)
        if built.messages:
            print(built.messages, file=sys.stderr)
        if not built.path:
            return MARKS_LOST
        seen = observe.run_once(shop, built.path, fast=arguments.fast, on_line=_echo)
    if seen.exit.status == 0:
        return FULL_MARKS
    from grader.judge.program import ending_words

    print(f"run: it {ending_words(seen)}", file=sys.stderr)
    return MARKS_LOST


def _echo(stream: str, line: OutputLine) -> None:
    target = {"stdout": sys.stdout, "stderr": sys.stderr}.get(stream)
    if target:
        print(plain_text.line(line.text), file=target, flush=True)


def demo(arguments: argparse.Namespace) -> int:
    """Shows the reference at work, live, and grades it; or just runs it."""
    from grader import demo as show
    from grader import sandbox
    from grader.report import terminal

    module = _module(arguments)
    walls = sandbox.probe(build_root() / "sandbox")
    if arguments.plain:
        show.run_plain(module, walls, sys.stdout, fast=arguments.fast)
        return FULL_MARKS
    pace = 0.0 if arguments.fast else arguments.slowdown
    show.run(module, walls, sys.stdout, terminal.of(sys.stdout), pace=pace)
    print("\nThe reference, graded:\n")
    result = grade_submission(submission.read(module, module.solution), fast=True)
    _print_report(result)
    return STATUS[result.verdict]


def watch(arguments: argparse.Namespace) -> int:
    """Grades on every save, until q is pressed."""
    from grader import watch as watcher
    from grader.report import terminal

    def graded(module: Module, fast: bool) -> GradeResult:
        result = grade_submission(submission.read(module), fast=fast)
        _remember(result)
        return result

    def following(module: Module) -> Module | None:
        id_ = _next_module(module)
        return catalog.find(id_) if id_ else None

    keys = watcher.Commands(
        grade=graded,
        hint=lambda module: hint(argparse.Namespace(module=module.id, task=None)),
        reset=lambda module: reset(argparse.Namespace(module=module.id)),
        next_module=following,
    )
    watcher.run(_module(arguments), keys, sys.stdout, terminal.of(sys.stdout))
    return FULL_MARKS


def report(arguments: argparse.Namespace) -> int:
    """Grades, and writes the HTML report."""
    from grader.report import html

    module = _module(arguments)
    work = submission.read(module, arguments.file)
    result = grade_handed_in(work, fast=False, trust=arguments.trust)
    text = html.render(result, source=work.source, next_module=_next_module(module))
    path = build_root() / "reports" / f"{module.id}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    print(f"{result.score}/{result.max_score}: {_relative(path)}")
    return STATUS[result.verdict]


def submit(arguments: argparse.Namespace) -> int:
    """Grades, and writes the Markdown file to hand in."""
    from grader import markdown

    module = _module(arguments)
    result = grade_submission(submission.read(module), fast=False)
    _remember(result)
    name = os.environ.get("NAME") or pwd.getpwuid(os.getuid()).pw_gecos.split(",")[0]
    text = markdown.write_submission(
        result, name=name or getpass.getuser(), at=datetime.now().astimezone()
    )
    path = build_root() / "submissions" / f"{module.id}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    print(f"{result.score}/{result.max_score}: {_relative(path)} is ready to be handed in.")
    return STATUS[result.verdict]


def editor(_: argparse.Namespace) -> int:
    """Writes compile_commands.json, so that editors understand the exercises."""
    from grader.editor import write_compile_commands

    modules = [catalog.find(id_) for id_ in catalog.module_ids()]
    print(_relative(write_compile_commands(ROOT, modules)))
    return FULL_MARKS


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
    modules = [catalog.find(id_) for id_ in ids]
    return proof.verify(modules, arguments.only or "", more=arguments.all)


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

    _tell(progress.record(result, progress_database()))


def _tell(message: str) -> None:
    """Something about the grader's own files that the student should know."""
    if message:
        print(f"grader: {message}", file=sys.stderr)


def progress_database() -> Path:
    """Where best and last scores are kept."""
    return build_root() / "progress.sqlite"
