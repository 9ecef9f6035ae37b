"""From a submission to binaries: the third hop of a grade.

The student's file is compiled twice, as the student would do it and with sanitizers.  The
sanitized object is linked twice: as the program, and, with its `main` renamed, with the
contract tests.  A compiler error is a value, in the student's own line numbers.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grader import parts
from grader.execute import Box, Command, Limits, run_on_wall_clock
from grader.records import Build, GraderError, Run, Submission

LIMITS = Limits(
    wall_s=20.0,
    cpu_s=10.0,
    memory_bytes=1 << 30,
    processes=32,
    file_bytes=64 << 20,
    output_bytes=1 << 16,
)


@dataclass(frozen=True)
class Workshop:
    """One submission in a folder of its own, with what it takes to compile it."""

    submission: Submission
    folder: Path
    parts: parts.Parts
    box: Box

    @property
    def object(self) -> Path:
        """The student's file, sanitized, not linked yet."""
        return self.folder / "student.o"


@contextmanager
def workshop(submission: Submission, box: Box) -> Iterator[Workshop]:
    """A folder for one grade, gone afterwards."""
    ready_made = parts.for_module(submission.module)
    root = parts.build_root() / "grades"
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as name:
        folder = Path(name)
        folder.chmod(0o755)
        source = folder / submission.module.exercise.name
        shown = submission.name.replace("\\", "/").replace('"', "'")
        line = f'#line {submission.first_line} "{shown}"\n'
        source.write_text(line + submission.source, encoding="utf-8", newline="")
        _add_what_it_reads(submission, folder, ready_made)
        yield Workshop(submission, folder, ready_made, box)


def _add_what_it_reads(submission: Submission, folder: Path, ready_made: parts.Parts) -> None:
    """The module's tools and data stand beside the program."""
    if submission.module.tools:
        os.symlink(ready_made.tools, folder / "tools")
    for data in submission.module.data:
        target = folder / data.relative_to(submission.module.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(data, target)


def shown_command(submission: Submission, output: str = "a.out") -> str:
    """What a student can type to build the same program."""
    module = submission.module
    folder = f"modules/{module.folder.name}"
    sources = " ".join(f"{folder}/{path.name}" for path in module.sources)
    packages = " ".join(module.packages)
    return " ".join(
        f"{parts.CC} {' '.join(parts.STUDENT_FLAGS)} -I {folder} {submission.name} {sources}"
        f" -o {output} $(pkg-config --cflags --libs {packages})".split()
    )


def build_program(shop: Workshop) -> Build:
    """The program as the student would build it."""
    module = shop.submission.module
    program = shop.folder / "program"
    run = _gcc(
        shop,
        *parts.STUDENT_FLAGS,
        *parts.package_flags(module.packages, "--cflags"),
        f"-I{shop.parts.include}",
        module.exercise.name,
        *map(str, shop.parts.objects),
        *("-o", program.name),
        *parts.package_flags(module.packages, "--libs"),
    )
    built = program if run.exit.status == 0 and program.is_file() else None
    return Build(shown_command(shop.submission), _messages(run), built, folder=shop.folder)


def build_tests(shop: Workshop) -> Build:
    """The sanitized program, and the contract tests around the student's functions."""
    module = shop.submission.module
    sanitize = parts.SANITIZE_FLAGS
    libs = parts.package_flags(module.packages, "--libs")
    compiled = _gcc(
        shop,
        *parts.STUDENT_FLAGS,
        *sanitize,
        *parts.package_flags(module.packages, "--cflags"),
        f"-I{shop.parts.sanitized_include}",
        *("-c", module.exercise.name, "-o", shop.object.name),
    )
    if compiled.exit.status != 0:
        return Build(shown_command(shop.submission), _messages(compiled))
    objects = [str(path) for path in shop.parts.sanitized_objects]
    link = [*sanitize, "-fuse-ld=gold"]
    program = _gcc(shop, *link, shop.object.name, *objects, "-o", "sanitized", *libs)
    _run(shop, "objcopy", "--redefine-sym", "main=student_main", shop.object.name, "tests.o")
    contract_objects = [*map(str, shop.parts.contract_objects), *objects]
    check_libs = parts.package_flags(("check",), "--libs")
    contract = _gcc(
        shop, *link, "tests.o", *contract_objects, "-o", "contract", *libs, *check_libs
    )
    return Build(
        shown_command(shop.submission),
        _messages(contract),
        sanitized=shop.folder / "sanitized" if program.exit.status == 0 else None,
        contract=shop.folder / "contract" if contract.exit.status == 0 else None,
        folder=shop.folder,
    )


def _gcc(shop: Workshop, *arguments: str) -> Run:
    return _run(shop, parts.CC, "-fdiagnostics-color=never", *arguments)


def _run(shop: Workshop, *argv: str) -> Run:
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TMPDIR": str(shop.folder)}
    command = Command(argv, shop.folder, environment)
    run = run_on_wall_clock(command, LIMITS, box=shop.box)
    if run.exit.status is not None and run.exit.status in (126, 127):
        raise GraderError(f"{argv[0]} cannot be started: run make setup.")
    return run


def _messages(run: Run) -> str:
    """The compiler's words, and what stopped it if it did not end by itself."""
    lines = [line.text for line in (*run.stdout, *run.stderr)]
    if run.exit.stopped:
        lines.append(f"The compiler was stopped: {run.exit.stopped}.")
    return "\n".join(lines)
