"""From a submission to binaries: the third hop of a grade.

The student's file is compiled twice, as the student would do it and with sanitizers.  The
sanitized object is linked twice: with the contract tests, whose `main` takes the place of
the student's, and as the program.  A compiler error is a value, in the student's own line numbers.

All of it happens in a workspace of the sandbox, whose shelves are

    course   the module's public headers and ready-made objects; read only
    plain, sanitized   where the compiler works, one for each build
    bin      the finished programs with the module's tools and data; where they run
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grader import parts
from grader.execute import Command, Limits, run_on_wall_clock
from grader.records import Build, GraderError, Run, Submission
from grader.sandbox import Sandbox, Workspace

LIMITS = Limits(
    wall_s=20.0,
    cpu_s=10.0,
    memory_bytes=1 << 30,
    processes=32,
    file_bytes=64 << 20,
    output_bytes=1 << 16,
)
HARNESS_WRAPS = ("-Wl,--wrap=main", "-Wl,--wrap=check_get_clockid")  # harness.c says why
BIND_ONCE = "-Wl,-z,now"  # each test is a fork: what it calls is looked up before, once
DOES_NOT_COMPILE = 9  # a status that no compiler ends with
MATHS = "-lm"  # who rounds with <math.h> should not have to know how to link it
GCC = (parts.CC, "-fdiagnostics-color=never")
QUICK_LINKER = ("-fuse-ld=gold", "-Wl,--as-needed")  # three times as fast


@dataclass(frozen=True)
class Workshop:
    """One submission in a workspace of its own, with what it takes to compile it."""

    submission: Submission
    space: Workspace
    parts: parts.Parts  # their copies in the workspace
    clock: Path  # the library of the virtual clock, likewise

    @property
    def bin(self) -> Path:
        """Where the programs are and run."""
        return self.space.shelf("bin")


@contextmanager
def workshop(submission: Submission, sandbox: Sandbox) -> Iterator[Workshop]:
    """A workspace for one grade, gone afterwards."""
    module = submission.module
    ready_made = parts.for_module(module)
    with sandbox.workspace() as space:
        course = ready_made.moved_to(space.put("course", ready_made.folder))
        if module.tools:
            space.put("bin", ready_made.tools)
        for data in module.data:
            space.put("bin", data)
        clock = space.put("bin", parts.virtual_clock())
        yield Workshop(submission, space, course, clock)


def shown_command(submission: Submission, output: str = "a.out") -> str:
    """What a student can type to build the same program."""
    module = submission.module
    folder = f"modules/{module.folder.name}"
    sources = " ".join(f"{folder}/{path.name}" for path in module.sources)
    packages = " ".join(module.packages)
    command = (
        f"{parts.CC} {' '.join(parts.STUDENT_FLAGS)} -I {folder} {submission.name} {sources} "
        f"-o {output} $(pkg-config --cflags --libs {packages}) {MATHS}"
    )
    return " ".join(command.split())


def build_program(shop: Workshop) -> Build:
    """The program as the student would build it."""
    module = shop.submission.module
    run = _run(
        shop,
        "plain",
        *GCC,
        *parts.BUILD_FLAGS,
        *parts.package_flags(module.packages, "--cflags"),
        f"-I{shop.parts.include}",
        _source(shop, "plain"),
        *map(str, shop.parts.objects),
        *("-g1", *QUICK_LINKER, "-o", "program"),
        *parts.package_flags(module.packages, "--libs"),
        MATHS,
    )
    return Build(
        shown_command(shop.submission),
        _messages(run),
        program=_finished(shop, "plain", "program", run),
    )


def build_tests(shop: Workshop) -> tuple[bool, Path | None, str]:
    """The contract tests around the student's functions, with sanitizers.

    Leaves the student's object for link_program().  Returns whether it compiles, the tests
    if they link, and the compiler's words.
    """
    compiling = (
        *GCC,
        *parts.BUILD_FLAGS,
        *parts.SANITIZE_FLAGS,
        *parts.package_flags(shop.submission.module.packages, "--cflags"),
        f"-I{shop.parts.sanitized_include}",
        *("-c", _source(shop, "sanitized"), "-o", "student.o"),
    )
    objects = [*shop.parts.contract_objects, *shop.parts.sanitized_objects]
    check_libs = parts.package_flags(("check",), "--libs")
    linking = _linking(shop, "contract", *map(str, objects), *check_libs, *HARNESS_WRAPS, BIND_ONCE)
    # One box for both: opening it takes a tenth of the time of a compiler.
    script = f"{shlex.join(compiling)} || exit {DOES_NOT_COMPILE}; exec {shlex.join(linking)}"
    run = _run(shop, "sanitized", "/bin/sh", "-c", script)
    compiles = run.exit.status not in (None, DOES_NOT_COMPILE)
    return compiles, _finished(shop, "sanitized", "contract", run), _messages(run)


def link_program(shop: Workshop) -> Path | None:
    """The program with ASan, UBSan and LeakSanitizer; None if it does not link."""
    linking = _linking(shop, "sanitized", *map(str, shop.parts.sanitized_objects))
    return _finished(shop, "sanitized", "sanitized", _run(shop, "sanitized", *linking))


def _source(shop: Workshop, shelf: str) -> str:
    """The student's code on a shelf, with messages that name the file as the student does."""
    submission = shop.submission
    name = submission.module.exercise.name
    shown = submission.name.replace("\\", "/").replace('"', "'").replace("\n", "?")
    line = f'#line {submission.first_line} "{shown}"\n'
    shop.space.write(shelf, name, line + submission.source)
    return name


def _linking(shop: Workshop, output: str, *objects: str) -> tuple[str, ...]:
    libs = parts.package_flags(shop.submission.module.packages, "--libs")
    flags = (*parts.SANITIZE_FLAGS, *QUICK_LINKER)
    return (*GCC, *flags, "-o", output, "student.o", *objects, *libs, MATHS)


def _finished(shop: Workshop, shelf: str, name: str, run: Run) -> Path | None:
    """The program that was made, moved to where nothing can change it any more."""
    if run.exit.status != 0:
        return None
    return shop.space.take(shop.space.shelf(shelf) / name, "bin")


def _run(shop: Workshop, shelf: str, *argv: str) -> Run:
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    box = shop.space.box(read=("course",), write=(shelf,))
    command = Command(argv, shop.space.shelf(shelf), environment)
    run = run_on_wall_clock(command, LIMITS, box=box)
    if run.exit.status in (126, 127):
        raise GraderError(f"{argv[0]} cannot be started: run make setup.")
    if run.exit.status != 0:
        shop.space.require_open()
    return run


def _messages(run: Run) -> str:
    """The compiler's words, and what stopped it if it did not end by itself."""
    lines = [line.text for line in (*run.stdout, *run.stderr)]
    if run.exit.stopped:
        lines.append(f"The compiler was stopped: {run.exit.stopped}.")
    return "\n".join(lines)
