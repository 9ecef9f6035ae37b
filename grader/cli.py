"""The command line: words -> one function of commands.py, faults -> one line and status 2."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from grader.records import GraderError

COULD_NOT_JUDGE = 2
LONGEST_MESSAGE = 2000  # characters


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        from grader import commands  # late: `--help` and a wrong word answer at once

        status: int = getattr(commands, arguments.function)(arguments)
        sys.stdout.flush()
        return status
    except GraderError as error:
        print(f"grader: {_plain(str(error))}", file=sys.stderr)
    except ModuleNotFoundError as error:
        print(_missing_package(error), file=sys.stderr)
    except KeyboardInterrupt:
        print("\ngrader: stopped", file=sys.stderr)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:  # a bug of ours must never look like the student's
        if os.environ.get("GRADER_TRACEBACK"):
            raise
        words = _plain(f"{type(error).__name__}: {error}")
        print(f"grader: a fault of the grader, not yours: {words}", file=sys.stderr)
        print("grader: GRADER_TRACEBACK=1 shows where; please report it.", file=sys.stderr)
    return COULD_NOT_JUDGE


def _plain(text: str) -> str:
    """One harmless line: messages name files, and a stranger has named the file."""
    from grader import plain_text

    return plain_text.line(text, LONGEST_MESSAGE)


def _missing_package(error: ModuleNotFoundError) -> str:
    return (
        f"grader: {sys.executable} does not find the Python package {error.name!r}: "
        "run make setup, or name the Python that has it with make PYTHON=/usr/bin/python3"
    )


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the words."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(COULD_NOT_JUDGE, f"grader: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python3 -m grader", description="The GLib Async Workbook.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, *, module: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(function="list_modules" if name == "list" else name)
        if module:
            sub.add_argument("module", nargs="?", default="", help="a module's id, such as 0.5")
        return sub

    def with_file(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--file", type=Path, help="a .c or .md file in place of the exercise")
        sub.add_argument("--trust", action="store_true", help="run it even without a sandbox")

    command("list", "the modules and your progress", module=False)
    grade = command("grade", "grade the exercise, or another file")
    with_file(grade)
    grade.add_argument("--solution", action="store_true", help="grade the reference")
    grade.add_argument("--fast", action="store_true", help="leave out the wall-clock run")
    grade.add_argument("--json", metavar="PATH", help="write the verdict as JSON; - for stdout")
    run = command("run", "build and run the exercise, ungraded")
    run.add_argument("--fast", action="store_true", help="in simulated time")
    demo = command("demo", "build and run the reference, live")
    demo.add_argument("--fast", action="store_true", help="in simulated time")
    demo.add_argument("--plain", action="store_true", help="just run it")
    demo.add_argument("--slowdown", type=float, default=1.0, help="how many times slower")
    hint = command("hint", "the next hint")
    hint.add_argument("--task", type=int, help="for this TODO")
    command("reset", "put the skeleton back (keeps a backup)")
    html = command("report", "grade, and write an HTML report")
    with_file(html)
    command("submit", "grade, and write a Markdown submission")
    command("watch", "grade on every save")
    command("skeletons", "make the skeletons from the references", module=False)
    command("editor", "write compile_commands.json", module=False)
    verify = command("verify", "prove that the course is sound")
    verify.add_argument("--only", metavar="NAME", help="only files whose name contains NAME")
    verify.add_argument("--all", action="store_true", help="also the programs of tests/programs")
    return parser
