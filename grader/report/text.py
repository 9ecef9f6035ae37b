"""The terminal report: the checks, one root cause, the timeline, the next step.

    GradeResult -> text

It is read from top to bottom by somebody who wants to know three things: how far am I,
what is wrong, what do I do now.  So the root cause comes once, in four parts, and checks
that fail only because of it are folded.  80 columns are enough; without UTF-8 the same
report is drawn in ASCII.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader import plain_text
from grader.records import Bar, Diagnosis, GradeResult, Status
from grader.report import picture, reading
from grader.report.picture import Lane, Picture, Stretch
from grader.report.reading import Step, seconds

STATUS_STYLE: Mapping[Status, str] = {
    "pass": "green",
    "fail": "bold red",
    "skipped": "yellow",
    "error": "bold magenta",
}
VERDICT_STYLE = {"pass": "bold green", "fail": "bold red", "error": "bold magenta"}
LABEL_COLUMNS = 14  # "Why it matters"
NAME_COLUMNS = (13, 22)  # of the timeline's row labels, at least and at most
FIGURE_COLUMNS = 10  # of the durations at the end of its rows


@dataclass(frozen=True)
class Ink:
    """The characters that the pictures are drawn with."""

    marks: Mapping[Status, str]
    seen: str
    expected: str
    blocked: str
    idle: str
    overflow: str
    rule: str
    tick: str
    times: str
    key: str
    follows: str


UNICODE = Ink(
    marks={"pass": "✓", "fail": "✗", "skipped": "–", "error": "!"},
    seen="█",
    expected="─",
    blocked="▓",
    idle="·",
    overflow="▶",
    rule="─",
    tick="┬",
    times="×",
    key="▶",
    follows="↳",
)
ASCII = Ink(
    marks={"pass": "+", "fail": "x", "skipped": "-", "error": "!"},
    seen="#",
    expected="-",
    blocked="X",
    idle=".",
    overflow=">",
    rule="-",
    tick="+",
    times="x",
    key=">",
    follows="^",
)


@dataclass(frozen=True)
class Page:
    """What every part of the report needs to know."""

    result: GradeResult
    ink: Ink
    width: int
    next_module: str


def render(
    result: GradeResult,
    *,
    colour: bool,
    width: int = 80,
    unicode: bool = True,
    next_module: str = "",
) -> str:
    """The report as text that ends in a newline.

    Args:
        colour: use the terminal's own 16 colours.
        width: columns, at least 60.
        unicode: False when the terminal's encoding is not UTF-8: plain ASCII only.
        next_module: the id to offer after full marks; "" when the course is done.
    """
    page = Page(result, UNICODE if unicode else ASCII, width, next_module)
    return drawn(console(width, colour), _parts(page), unicode)


def drawn(canvas: Console, parts: Sequence[RenderableType], unicode: bool) -> str:
    """The parts, one under the other, as text that ends in a newline."""
    with canvas.capture() as capture:
        for part in parts:
            canvas.print(part)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    text = "\n".join(lines).strip("\n") + "\n"
    return text if unicode else _ascii(text)


def console(width: int, colour: bool) -> Console:
    """A canvas that takes nothing from the environment, so that a report is a function."""
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )


def _ascii(text: str) -> str:
    """What an ASCII terminal can show of it: typographic signs by their look-alikes."""
    plain_signs = str.maketrans(
        {"…": "...", "“": '"', "”": '"', "’": "'", "–": "-", "×": "x", "·": "."}
    )
    return text.translate(plain_signs).encode("ascii", "replace").decode("ascii")


def _parts(page: Page) -> list[RenderableType]:
    result = page.result
    parts: list[RenderableType] = [header(result), "", _checks(page), ""]
    if result.diagnoses:
        parts += [_root_cause(page, result.diagnoses[0]), ""]
    if len(result.diagnoses) > 1:
        parts += [_also_found(result.diagnoses[1:]), ""]
    timeline = picture.of(result)
    if timeline is not None:
        parts += [*_timeline(page, timeline), ""]
    notes = [Text(f" Note: {plain_text.line(note)}", "yellow") for note in result.notes]
    parts += [*notes, ""] if notes else []
    steps = reading.steps(result, page.next_module)
    parts += [_next_step(steps), ""] if steps else []
    return [*parts, Text(" " + ", ".join(reading.facts(result)), "dim")]


# ---- header and checks -------------------------------------------------------------------


def header(result: GradeResult) -> RenderableType:
    """Module, verdict, score and file, in two lines."""
    submission = result.evidence.submission
    module = submission.module
    title = Text(f"Module {module.id}  {module.title}", "bold")
    verdict = f"{reading.VERDICT_WORD[result.verdict]}  {result.score}/{result.max_score}"
    right = Text(verdict, VERDICT_STYLE[result.verdict], no_wrap=True)
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(title, right)
    grid.add_row(Text(plain_text.line(submission.name), "dim"), "")
    return grid


def _checks(page: Page) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
    grid.add_column(width=1)
    grid.add_column(width=5)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    shared: dict[str, str] = {}
    for check, remark in zip(page.result.checks, reading.remarks(page.result), strict=True):
        style = STATUS_STYLE[check.status]
        mark = page.ink.marks[check.status]
        if remark.shared:
            mark = page.ink.follows if remark.follows else mark
            shared[remark.text] = mark
        word = Text(reading.STATUS_WORD[check.status], style)
        points = Text(f"{check.points}/{check.max_points}", "" if check.status == "pass" else style)
        grid.add_row(Text(mark, style), word, Text(check.title), points)
        if remark.text and not remark.shared:
            grid.add_row("", "", Text(remark.text, "dim" if remark.follows else ""), "")
    for text, mark in shared.items():
        grid.add_row(Text(mark, "dim"), "", Text(text, "dim"), "")
    return Padding(grid, (0, 0, 0, 1))


# ---- causes ------------------------------------------------------------------------------


def _labelled() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=LABEL_COLUMNS, no_wrap=True)
    grid.add_column(ratio=1)
    return grid


def _root_cause(page: Page, diagnosis: Diagnosis) -> RenderableType:
    grid = _labelled()
    what = Text.assemble((diagnosis.text.title, "bold"), (f"  [{diagnosis.id}]", "dim"))
    grid.add_row(Text("What is wrong", "bold red"), what)
    grid.add_row("", "")
    grid.add_row(Text("Evidence", "bold"), Text(plain_text.block(diagnosis.evidence.strip("\n"))))
    for line in _source_lines(page, diagnosis):
        grid.add_row("", line)
    grid.add_row("", "")
    grid.add_row(Text("Why it matters", "bold"), Text(diagnosis.text.why))
    if diagnosis.text.lesson:
        lesson = f"Read “{diagnosis.text.lesson}” in {reading.lesson_file(page.result)}"
        grid.add_row("", Text(lesson))
    grid.add_row("", "")
    grid.add_row(Text("What to try", "bold"), Text(diagnosis.text.next))
    return Padding(grid, (0, 0, 0, 1))


def _source_lines(page: Page, diagnosis: Diagnosis) -> list[Text]:
    """The student's own lines that the evidence points at."""
    submission = page.result.evidence.submission
    source = submission.source.splitlines()
    shown = []
    for number in diagnosis.lines[:5]:
        index = number - submission.first_line
        if 0 <= index < len(source):
            code = reading.short(source[index].strip(), page.width - LABEL_COLUMNS - 13)
            shown.append(Text.assemble((f"line {number}  ", "cyan"), code, overflow="ellipsis"))
    return shown


def _also_found(diagnoses: tuple[Diagnosis, ...]) -> RenderableType:
    grid = _labelled()
    for number, diagnosis in enumerate(diagnoses):
        label = Text("Also found", "bold") if number == 0 else Text()
        grid.add_row(label, Text.assemble(diagnosis.text.title, (f"  [{diagnosis.id}]", "dim")))
    return Padding(grid, (0, 0, 0, 1))


# ---- timeline ----------------------------------------------------------------------------


def _timeline(page: Page, timeline: Picture) -> list[RenderableType]:
    scale = fitting([lane.name for lane in timeline.lanes], page.width, timeline.axis_s)
    rows: list[RenderableType] = [Text(" Timeline", "bold"), _axis(page, scale)]
    for lane in timeline.lanes:
        rows += _lane(page, lane, scale)
    if timeline.loop:
        rows.append(_loop_lane(page, timeline.loop, scale))
    rows += [_key(page, timeline, scale), "", _figures(page, timeline)]
    return rows


@dataclass(frozen=True)
class Scale:
    """Seconds to columns."""

    axis_s: float
    columns: int
    name_columns: int  # of the labels to the left

    def at(self, time_s: float) -> int:
        """The column of a moment, within the picture."""
        return max(0, min(self.columns, round(time_s / self.axis_s * self.columns)))

    def draw(self, start_s: float, end_s: float, ink: str, overflow: str) -> str:
        """A bar from `start_s` to `end_s`, at least one column wide."""
        start = min(self.at(start_s), self.columns - 1)
        length = max(1, self.at(end_s) - start)
        bar = ink * length
        if end_s > self.axis_s * 1.001:
            bar = bar[:-1] + overflow
        return " " * start + bar

    def label(self, name: str) -> str:
        """The name of a row, one column from the left, cut if need be."""
        return " " + reading.short(name, self.name_columns).ljust(self.name_columns + 1)

    def axis(self) -> str:
        """The seconds under which the bars stand."""
        labels = [" "] * (self.columns + 12)
        for time_s in picture.ticks(self.axis_s):
            for offset, character in enumerate(f"{time_s:g}"):
                labels[self.at(time_s) + offset] = character
        return " " * (self.name_columns + 2) + "".join(labels).rstrip() + " s"


def fitting(names: Sequence[str], width: int, axis_s: float) -> Scale:
    """The scale that leaves room for these names, and for a duration at the right."""
    least, most = NAME_COLUMNS
    name_columns = max(least, min(most, max((len(name) for name in names), default=0)))
    return Scale(axis_s, width - name_columns - 1 - FIGURE_COLUMNS - 2, name_columns)


def _row(scale: Scale, name: str, bar: Text, figure: str, style: str = "") -> Text:
    row = Text(scale.label(name), style, no_wrap=True, end="")
    row.append_text(bar)
    return row.append("  " + figure, style)


def _axis(page: Page, scale: Scale) -> Text:
    line = [page.ink.rule] * (scale.columns + 1)
    for time_s in picture.ticks(scale.axis_s):
        line[scale.at(time_s)] = page.ink.tick
    rule = " " * (scale.name_columns + 2) + "".join(line)
    return Text(f"{scale.axis()}\n{rule}", "dim", no_wrap=True)


def _lane(page: Page, lane: Lane, scale: Scale) -> list[Text]:
    rows = []
    if lane.seen is None:
        rows.append(_row(scale, lane.name, Text(picture.NOT_SEEN, "red"), ""))
    else:
        style = "green" if picture.agrees(lane, scale.axis_s) else "red"
        bar = scale.draw(lane.seen.start_s, lane.seen.end_s, page.ink.seen, page.ink.overflow)
        rows.append(
            _row(scale, lane.name, Text(bar.ljust(scale.columns), style), _length(lane.seen))
        )
    if lane.expected is not None:
        bar = scale.draw(
            lane.expected.start_s, lane.expected.end_s, page.ink.expected, page.ink.overflow
        )
        text = Text(bar.ljust(scale.columns), "dim")
        rows.append(_row(scale, "  expected", text, _length(lane.expected), "dim"))
    return rows


def _loop_lane(page: Page, stretches: tuple[Stretch, ...], scale: Scale) -> Text:
    cells = [" "] * scale.columns
    for stretch in stretches:
        ink = page.ink.blocked if stretch.kind == "blocked" else page.ink.idle
        for column in range(scale.at(stretch.start_s), scale.at(stretch.end_s)):
            cells[column] = ink
    bar = Text("".join(cells))
    bar.highlight_regex(f"{page.ink.blocked}+", "bold red")
    blocked_s = sum(part.end_s - part.start_s for part in stretches if part.kind == "blocked")
    figure = seconds(blocked_s).rjust(FIGURE_COLUMNS - 2) if blocked_s else ""
    return _row(scale, "main loop", bar, figure)


def _key(page: Page, timeline: Picture, scale: Scale) -> Text:
    kinds = {stretch.kind for stretch in timeline.loop}
    words = []
    if "blocked" in kinds:
        words.append(f"{page.ink.blocked} blocked: nothing else can run")
    if "idle" in kinds:
        words.append(f"{page.ink.idle} idle: free to serve others")
    return Text(" " * (scale.name_columns + 2) + "   ".join(words), "dim", no_wrap=True)


def _figures(page: Page, timeline: Picture) -> Text:
    expected = f"expected {timeline.expected_s:g} s"
    if timeline.total_s is None:
        total = Text("it did not end by itself", "bold red")
    else:
        total = Text(seconds(timeline.total_s), "bold")
    row = Text.assemble(" Total ", total, f" ({expected})")
    if timeline.one_after_another_s:
        row.append(f", one after another {timeline.one_after_another_s:g} s")
    if timeline.speed_up is not None:
        faster = timeline.speed_up >= 1.05
        words = f"{timeline.speed_up:.1f}{page.ink.times} as fast" if faster else "no time saved"
        row.append(f": {words}", "bold")
    return row


def _length(bar: Bar) -> str:
    return seconds(bar.end_s - bar.start_s).rjust(FIGURE_COLUMNS - 2)


# ---- what now ----------------------------------------------------------------------------


def _next_step(steps: list[Step]) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=LABEL_COLUMNS, no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    for number, step in enumerate(steps):
        label = Text("Next", "bold") if number == 0 else Text()
        grid.add_row(label, Text(step.command, "bold cyan"), Text(step.why))
    return Padding(grid, (0, 0, 0, 1))
