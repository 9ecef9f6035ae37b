"""A timeline that grows: one moment of one or more programs, drawn in a terminal.

    Stages, lines so far, time -> a picture of at most 20 rows

Pure: what the clock says is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from grader.records import Console, OutputLine
from grader.report import reading
from grader.report.reading import seconds
from grader.report.text import FIGURE_COLUMNS, Ink, Scale, fitting

OUTPUT_ROWS = 8
INDENT = "  "  # of the bars below their program's title


@dataclass(frozen=True)
class Moment:
    """One program at one moment."""

    title: str
    now_s: float | None  # since it began; None: it has not begun
    lines: tuple[OutputLine, ...]
    over: bool


@dataclass(frozen=True)
class GrowingBar:
    """A bar that may not have ended yet, or not begun."""

    name: str
    start_s: float | None
    end_s: float | None


def frame(moments: Sequence[Moment], console: Console, ink: Ink, width: int) -> Text:
    """The picture of all programs on one axis, and what the last one has printed."""
    names = [f"{INDENT}{line.bar}" for line in console.lines]
    scale = fitting(names, width, axis_s(moments, console))
    rows = [Text(scale.axis(), "dim", no_wrap=True)]
    for moment in moments:
        rows.append(_heading(moment, width))
        rows += [_bar_row(bar, moment, scale, ink) for bar in bars(console, moment.lines)]
    begun = [moment for moment in moments if moment.now_s is not None]
    if begun and not all(moment.over for moment in moments):
        rows.append(Text())
        rows += [_line(line, width) for line in begun[-1].lines[-OUTPUT_ROWS:]]
    return Text("\n").join(rows)


def axis_s(moments: Sequence[Moment], console: Console) -> float:
    """The length of the common axis: all that is known to come, or has come already."""
    known = console.one_after_another_s if len(moments) > 1 else console.total_s
    # A little room, or the axis would jump when real time is a little late.
    return max([1.03 * known, *(moment.now_s or 0.0 for moment in moments)]) or 1.0


def bars(console: Console, lines: Sequence[OutputLine]) -> list[GrowingBar]:
    """The bars of the module in their order, as far as the lines tell."""
    first: dict[str, float] = {}
    for line in lines:
        first.setdefault(line.text.rstrip(), line.time_s)
    names = dict.fromkeys(line.bar for line in console.lines if line.bar)
    found = []
    for name in names:
        edges = {line.edge: line.text for line in console.lines if line.bar == name}
        start, end = edges.get("start", ""), edges.get("end", "")
        found.append(GrowingBar(name, first.get(start), first.get(end)))
    return found


def summary(moments: Sequence[Moment], console: Console, ink: Ink) -> Text:
    """The sentence that the demonstration is about."""
    totals = [moment.now_s or 0.0 for moment in moments]
    parts = [
        Text.assemble(f"{moment.title}: ", (seconds(total_s), "bold green"))
        for moment, total_s in zip(moments, totals, strict=True)
    ]
    slow_s = totals[1] if len(totals) > 1 else console.one_after_another_s
    if len(totals) == 1 and slow_s:
        parts.append(Text(f"one after another it would be {slow_s:g} s"))
    text = Text(" ").append_text(Text(", ").join(parts))
    if slow_s and totals[0]:
        text.append(f": {slow_s / totals[0]:.1f}{ink.times} as long", "bold")
    return text


def _heading(moment: Moment, width: int) -> Text:
    clock = "" if moment.now_s is None else seconds(moment.now_s)
    style = "bold" if moment.now_s is not None else "dim"
    title = reading.short(moment.title, width - 14)
    return Text(f" {title}{clock.rjust(width - 2 - len(title))}", style, no_wrap=True)


def _bar_row(bar: GrowingBar, moment: Moment, scale: Scale, ink: Ink) -> Text:
    row = Text(scale.label(f"{INDENT}{bar.name}"), no_wrap=True)
    if bar.start_s is None or moment.now_s is None:
        return row
    end_s = moment.now_s if bar.end_s is None else bar.end_s
    drawn = scale.draw(bar.start_s, end_s, ink.seen, ink.overflow)
    running = bar.end_s is None and not moment.over
    row.append(drawn.ljust(scale.columns), "yellow" if running else "green")
    if not running:
        row.append("  " + seconds(end_s - bar.start_s).rjust(FIGURE_COLUMNS - 2), "dim")
    return row


def _line(line: OutputLine, width: int) -> Text:
    stamp = f" {seconds(line.time_s)}  "
    return Text.assemble((stamp, "dim"), reading.short(line.text, width - len(stamp) - 1))
