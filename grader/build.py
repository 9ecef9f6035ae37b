"""From a submission to binaries: the third hop of a grade.

The student's file is compiled as the student would do it, and with sanitizers.  The sanitized
program holds the contract tests as well: harness.c, which comes first, runs either of them.
A compiler error is a value, in the student's own line numbers.

All of it happens in a workspace of the sandbox, whose shelves are

    course   the module's public headers and ready-made objects; read only
    plain, sanitized   where the compiler works, one for each build
    bin      the finished programs with the module's tools and data; where they run
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grader import parts
from grader.execute import Command, Limits, run_on_wall_clock
from grader.records import GraderError, Run, Submission
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
MATHS = "-lm"  # who rounds with <math.h> should not have to know how to link it
GCC = (parts.CC, "-fdiagnostics-color=never")
# Three times as fast as the other; what it does not map whole, it need not page in.
QUICK_LINKER = ("-fuse-ld=gold", "-Wl,--no-map-whole-files", "-Wl,--as-needed")


@dataclass(frozen=True)
class Built:
    """What a compiler made of the student's file, and what it said."""

    messages: str  # in the student's own line numbers
    path: Path | None  # of the binary; None if it does not compile or link


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


def build_program(shop: Workshop) -> Built:
    """The program as the student would build it."""
    packages = shop.submission.module.packages
    run = _run(
        shop,
        "plain",
        *GCC,
        *parts.BUILD_FLAGS,
        *parts.package_flags(packages, "--cflags"),
        f"-I{shop.parts.include}",
        _source(shop, "plain"),
        *map(str, shop.parts.objects),
        *("-g1", *QUICK_LINKER, "-o", "program"),
        *parts.package_flags(packages, "--libs"),
        MATHS,
    )
    return Built(_messages(run), _finished(shop, "plain", "program", run))


def build_sanitized(shop: Workshop) -> Built:
    """The program and the contract tests in one, with ASan, UBSan and LeakSanitizer."""
    packages = shop.submission.module.packages
    run = _run(
        shop,
        "sanitized",
        *GCC,
        *parts.BUILD_FLAGS,
        *parts.SANITIZE_FLAGS,
        *parts.package_flags(packages, "--cflags"),
        f"-I{shop.parts.sanitized_include}",
        _source(shop, "sanitized"),
        *map(str, shop.parts.sanitized_objects),
        *(*QUICK_LINKER, *HARNESS_WRAPS, BIND_ONCE, "-o", "sanitized"),
        *parts.package_flags(("check",), "--libs"),
        *parts.package_flags(packages, "--libs"),
        MATHS,
    )
    return Built(_messages(run), _finished(shop, "sanitized", "sanitized", run))


def _source(shop: Workshop, shelf: str) -> str:
    """The student's code on a shelf, with messages that name the file as the student does."""
    submission = shop.submission
    name = submission.module.exercise.name
    shown = submission.name.replace("\\", "/").replace('"', "'").replace("\n", "?")
    line = f'#line {submission.first_line} "{shown}"\n'
    shop.space.write(shelf, name, line + submission.source)
    return name


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
