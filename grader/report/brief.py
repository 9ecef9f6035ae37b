"""What `make watch` shows after each save: one screen, however small, and what changed.

    GradeResult, the one before -> at most `height` lines

Order of what must go when the screen is small: passed checks, then the rest of the failed
ones; the cause and what changed always stay.
"""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from grader import plain_text
from grader.records import CheckResult, GradeResult
from grader.report import reading
from grader.report.text import ASCII, STATUS_STYLE, UNICODE, Ink, console, drawn, header

EVIDENCE_LINES = 3
CHANGES = 3


def render(
    result: GradeResult,
    before: GradeResult | None,
    *,
    colour: bool,
    width: int,
    height: int,
    unicode: bool = True,
) -> str:
    """The screen as text that ends in a newline; the arguments are those of `text.render`.

    Args:
        before: the grade before this one, to tell what changed; None: this is the first.
        height: lines that may be filled.
    """
    ink = UNICODE if unicode else ASCII
    canvas = console(width, colour)
    head = drawn(canvas, [header(result)], unicode)
    rest = drawn(canvas, [*_changes(result, before), *_cause(result)], unicode)
    room = height - head.count("\n") - rest.count("\n") - 2
    checks = drawn(canvas, _checks(result.checks, ink, width, max(1, room)), unicode)
    lines = f"{head}\n{checks}\n{rest}".splitlines()
    return "\n".join(lines[:height]).rstrip() + "\n"


def changes(result: GradeResult, before: GradeResult) -> list[str]:
    """What is better or worse than before, one short line each: losses first, largest first."""
    old = {check.id: check.points for check in before.checks}
    moved = [
        (check.points - old[check.id], check.title) for check in result.checks if check.id in old
    ]
    moved = sorted((gain, title) for gain, title in moved if gain)
    losses = [pair for pair in moved if pair[0] < 0]
    gains = [pair for pair in reversed(moved) if pair[0] > 0]
    return [f"{gain:+d}  {title}" for gain, title in (*losses, *gains)]


def _changes(result: GradeResult, before: GradeResult | None) -> list[RenderableType]:
    if before is None:
        return []
    found = changes(result, before)
    if not found:
        return [Text(" Nothing changed since the last run.", "dim"), ""]
    shown: list[RenderableType] = [Text(" Since the last run:", "bold")]
    for change in found[:CHANGES]:
        shown.append(Text(f"   {change}", "red" if change.startswith("-") else "green"))
    if len(found) > CHANGES:
        shown.append(Text(f"   and {len(found) - CHANGES} more", "dim"))
    return [*shown, ""]


def _checks(
    checks: tuple[CheckResult, ...], ink: Ink, width: int, room: int
) -> list[RenderableType]:
    """All checks if there is room for them, else those that did not pass."""
    if len(checks) <= room:
        return [_check(check, ink, width) for check in checks]
    passed = sum(check.status == "pass" for check in checks)
    others = [check for check in checks if check.status != "pass"]
    rows: list[RenderableType] = [_check(check, ink, width) for check in others]
    rest = f" {passed} of {len(checks)} checks pass"
    if len(rows) > room - 1:
        rest += f", {len(rows) - (room - 1)} more do not"
        rows = rows[: room - 1]
    return [*rows, Text(rest, "dim")]


def _check(check: CheckResult, ink: Ink, width: int) -> Text:
    style = STATUS_STYLE[check.status]
    points = f"{check.points}/{check.max_points}"
    title = reading.short(check.title, width - 10 - len(points))
    row = Text.assemble(
        (f" {ink.marks[check.status]} {reading.STATUS_WORD[check.status]:5} ", style),
        title.ljust(width - 9 - len(points)),
        (points, "" if check.status == "pass" else style),
    )
    row.no_wrap = True
    return row


def _cause(result: GradeResult) -> list[RenderableType]:
    if not result.diagnoses:
        return [Text(f" {plain_text.line(note, 200)}", "yellow") for note in result.notes[:2]]
    cause = result.diagnoses[0]
    evidence = plain_text.block(cause.evidence.strip("\n"), 300).split("\n")
    if len(evidence) > EVIDENCE_LINES:
        evidence = [*evidence[: EVIDENCE_LINES - 1], "..."]
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=13, no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_row(Text(" Wrong", "bold red"), Text(cause.text.title, "bold"))
    grid.add_row(Text(" Evidence", "bold"), Text("\n".join(evidence)))
    grid.add_row(Text(" Try", "bold"), Text(cause.text.next))
    return [grid]
