"""The matrix of `make verify`: which check gives which mistake away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from grader.records import Module

if TYPE_CHECKING:
    from grader.verify import Row

MARKS = {"pass": "·", "fail": "X", "skipped": "-", "error": "!"}
FOLLOWS = "x"


@contextmanager
def progress(total: int) -> Iterator[Callable[[Row], None]]:
    """A progress bar on stderr; yields what to call with each row that is ready."""
    columns = (
        TextColumn("verify"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[name]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verify", total=total, name="")
        yield lambda row: bar.update(task, advance=1, name=row.case.name)


def show(module: Module, rows: Sequence[Row]) -> None:
    """Prints one line a program, one column a check."""
    ids = [check.id for check in module.checks]
    print(f"\nModule {module.id}: X fails, x follows from another, - not judged, · passes\n")
    for number, id_ in enumerate(ids):
        print(" " * 34 + "│ " * number + f"┌ {id_}")
    for row in rows:
        print(_line(row))


def _line(row: Row) -> str:
    marks = []
    for id_, status in row.statuses:
        follows = status == "fail" and id_ not in row.own
        marks.append(FOLLOWS if follows else MARKS[status])
    wrong = f"  <- {row.problem}" if row.problem else ""
    return f"{row.case.name[:33]:33} {' '.join(marks)} {row.score:4d}  {row.first}{wrong}"


def show_summary(
    rows: Sequence[Row], unsteady: Sequence[str], problems: Sequence[str], *, whole: bool
) -> None:
    """Prints how many programs there are of each kind, what was unsteady, and every problem.

    `whole`: all of them were graded, not a part.
    """
    count = {kind: sum(row.case.kind == kind for row in rows) for kind in ("mistake", "variant")}
    print(f"\n{len(rows)} programs: {count['mistake']} mistakes, {count['variant']} variants")
    for words in unsteady:
        print(f"  unsteady, right when graded again alone: {words}")
    for problem in problems:
        print(f"  {problem}")
    sound = "The course is sound." if whole else "What was graded is sound, but that was not all."
    print(f"{len(problems)} problems." if problems else sound)
