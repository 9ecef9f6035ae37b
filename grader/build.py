"""From a submission to binaries: the third hop of a grade.

The student's file is compiled twice, as the student would do it and with sanitizers.  The
sanitized object is linked twice: as the program, and, with its `main` renamed, with the
contract tests.  A compiler error is a value, in the student's own line numbers.

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
CHECK_CLOCK = "-Wl,--wrap=check_get_clockid"  # harness.c says why
GCC = (parts.CC, "-fdiagnostics-color=never")


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
        f"-o {output} $(pkg-config --cflags --libs {packages})"
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
        *("-o", "program"),
        *parts.package_flags(module.packages, "--libs"),
    )
    return Build(
        shown_command(shop.submission),
        _messages(run),
        program=_finished(shop, "plain", "program", run),
    )


def compile_sanitized(shop: Workshop) -> tuple[bool, str]:
    """The student's file with sanitizers, ready for link_program() and link_tests().

    Returns whether it compiles, and the compiler's words.
    """
    run = _run(
        shop,
        "sanitized",
        *GCC,
        *parts.BUILD_FLAGS,
        *parts.SANITIZE_FLAGS,
        *parts.package_flags(shop.submission.module.packages, "--cflags"),
        f"-I{shop.parts.sanitized_include}",
        *("-c", _source(shop, "sanitized"), "-o", "student.o"),
    )
    return run.exit.status == 0, _messages(run)


def link_program(shop: Workshop) -> Path | None:
    """The program with ASan, UBSan and LeakSanitizer; None if it does not link."""
    run = _link(shop, "sanitized", "student.o", *map(str, shop.parts.sanitized_objects))
    return _finished(shop, "sanitized", "sanitized", run)


def link_tests(shop: Workshop) -> tuple[Path | None, str]:
    """The contract tests around the student's functions, and the linker's words."""
    rename = ("objcopy", "--redefine-sym", "main=student_main", "student.o", "tests.o")
    if _run(shop, "sanitized", *rename).exit.status != 0:
        return None, ""
    objects = [*shop.parts.contract_objects, *shop.parts.sanitized_objects]
    check_libs = parts.package_flags(("check",), "--libs")
    run = _link(shop, "contract", "tests.o", *map(str, objects), *check_libs, CHECK_CLOCK)
    return _finished(shop, "sanitized", "contract", run), _messages(run)


def _source(shop: Workshop, shelf: str) -> str:
    """The student's code on a shelf, with messages that name the file as the student does."""
    submission = shop.submission
    name = submission.module.exercise.name
    shown = submission.name.replace("\\", "/").replace('"', "'").replace("\n", "?")
    line = f'#line {submission.first_line} "{shown}"\n'
    shop.space.write(shelf, name, line + submission.source)
    return name


def _link(shop: Workshop, output: str, *objects: str) -> Run:
    libs = parts.package_flags(shop.submission.module.packages, "--libs")
    flags = (*parts.SANITIZE_FLAGS, "-fuse-ld=gold")  # gold: three times as fast
    return _run(shop, "sanitized", *GCC, *flags, "-o", output, *objects, *libs)


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
    if run.exit.status is not None and run.exit.status in (126, 127):
        raise GraderError(f"{argv[0]} cannot be started: run make setup.")
    return run


def _messages(run: Run) -> str:
    """The compiler's words, and what stopped it if it did not end by itself."""
    lines = [line.text for line in (*run.stdout, *run.stderr)]
    if run.exit.stopped:
        lines.append(f"The compiler was stopped: {run.exit.stopped}.")
    return "\n".join(lines)
