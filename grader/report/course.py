"""`make list`: the modules of the course, and how far the student is with each."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from grader import plain_text
from grader.progress import ModuleProgress, Score, Summary
from grader.report.text import ASCII, UNICODE, Ink, console, drawn

COLUMNS = ("", "", "title", "min", "best", "last", "when")


def render(summary: Summary, *, colour: bool, width: int = 80, unicode: bool = True) -> str:
    """The list as text that ends in a newline; arguments as for `text.render`."""
    ink = UNICODE if unicode else ASCII
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    for heading in COLUMNS:
        table.add_column(no_wrap=True, ratio=1 if heading == "title" else None)
    table.add_row(*(Text(heading, "dim") for heading in COLUMNS))
    for row in summary.modules:
        table.add_row(*_cells(row, row.module.id == summary.next_module, ink))
    done = sum(row.done for row in summary.modules)
    parts: list[RenderableType] = [
        table,
        "",
        _next(summary),
        Text(f" {done} of {len(summary.modules)} modules done."),
    ]
    if summary.message:
        parts.append(Text(f" Note: {plain_text.line(summary.message)}", "yellow"))
    return drawn(console(width, colour), parts, unicode)


def _cells(row: ModuleProgress, is_next: bool, ink: Ink) -> list[Text]:
    style = "bold" if is_next else ""
    mark = Text(f" {ink.marks['pass']}", "green") if row.done else Text(" >" if is_next else "")
    when = row.last.at.astimezone().strftime("%Y-%m-%d %H:%M") if row.last else ""
    return [
        mark,
        Text(row.module.id, style),
        Text(row.module.title, style),
        Text(str(row.module.minutes), "dim"),
        Text(_score(row.best), "green" if row.done else ""),
        Text(_score(row.last)),
        Text(when, "dim"),
    ]


def _score(score: Score | None) -> str:
    return "" if score is None else f"{score.score}/{score.max_score}"


def _next(summary: Summary) -> Text:
    row = next((row for row in summary.modules if row.module.id == summary.next_module), None)
    if row is None:
        return Text(" Full marks everywhere: the course is done.", "bold green")
    words = Text(" Next: read ")
    words.append(f"modules/{row.module.folder.name}/lesson.md", "bold")
    words.append(", then ")
    return words.append(f"make grade MODULE={row.module.id}", "bold cyan")
