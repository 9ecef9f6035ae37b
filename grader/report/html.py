"""The HTML report: one self-contained file, made from the same record as the text.

    GradeResult -> html

Layout and words are in templates/; here the record is turned into what the template
shows.  Two lines of defence against student code: every string that the template prints
is made visible (plain_text.py) and escaped, and a content security policy lets nothing run
or load but this file's own script and style.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import CLexer

from grader import plain_text
from grader.records import Bar, GradeResult, OutputLine, TaskHints
from grader.report import compare, picture, reading
from grader.report.picture import Lane, Picture, Stretch
from grader.report.reading import seconds

TEMPLATES = Path(__file__).parent / "templates"
LONGEST_CODE_LINE = 1000  # characters
MOST_CODE_LINES = 1 << 20  # none is left out: their numbers are what evidence names
MOST_MARKS = 200  # of one kind in the timeline
NEAR = 0.8  # percent of the axis: lines closer than this share one mark
LINES_OF_A_MARK = 8
LONGEST_NAME = 30  # characters that fit above a bar on a phone


@dataclass(frozen=True)
class Mark:
    """Something in the timeline that can be pointed at; places in percent of the axis."""

    kind: str  # seen, expected, blocked, idle, line
    left: float
    width: float
    label: str  # one sentence, also for screen readers
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One lane of the timeline."""

    name: str
    figure: str
    marks: tuple[Mark, ...]
    agrees: bool = True


@dataclass(frozen=True)
class CodeLine:
    """One line of the student's code, highlighted, and what is to be said about it."""

    number: int
    html: Markup
    notes: tuple[str, ...]


def render(result: GradeResult, *, source: str, next_module: str = "") -> str:
    """A complete HTML document without any reference to the outside.

    Args:
        source: the student's C code; its first line is `Submission.first_line` of the file.
        next_module: the id to offer after full marks; "" when the course is done.
    """
    timeline = picture.of(result)
    run = reading.run_shown(result)
    submission = result.evidence.submission
    template = _environment().get_template("report.html.j2")
    return template.render(
        result=result,
        submission=submission,
        module=submission.module,
        reading=reading,
        near=picture.NEAR,
        checks=list(zip(result.checks, reading.remarks(result), strict=True)),
        steps=reading.steps(result, next_module),
        timeline=timeline,
        rows=[] if timeline is None else list(_rows(result, timeline)),
        ticks=[] if timeline is None else _ticks(timeline),
        output=compare.side_by_side(submission.module.console.lines, run.stdout if run else ()),
        run=run,
        hints=_hints(result),
        code=_code(result, source),
        script=_asset("report.js"),
        style=_asset("report.css"),
        hash_of=_hash,
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters["seconds"] = seconds
    return environment


def _visible(value: object) -> object:
    """Every string that the template prints passes here, whoever wrote it."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return plain_text.block(value)
    return value


def _asset(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    """The source expression that allows exactly this text in a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# ---- timeline ----------------------------------------------------------------------------


def _rows(result: GradeResult, timeline: Picture) -> Iterator[Row]:
    for lane in timeline.lanes:
        yield _lane(result, lane, timeline)
    if timeline.loop:
        yield _loop(timeline)
    run = reading.run_shown(result)
    if run is not None and run.stdout:
        yield Row("console", f"{len(run.stdout)} lines", tuple(_line_marks(run.stdout, timeline)))


def _place(timeline: Picture, start_s: float, end_s: float) -> tuple[float, float]:
    """Left edge and width in percent, within the picture."""
    left = max(0.0, min(100.0, 100 * start_s / timeline.axis_s))
    right = max(left, min(100.0, 100 * end_s / timeline.axis_s))
    return round(left, 3), round(right - left, 3)


def _lane(result: GradeResult, lane: Lane, timeline: Picture) -> Row:
    marks = []
    if lane.seen is not None:
        words = f"{lane.name}: ran {_span(lane.seen)}"
        if lane.expected is not None:
            words += f"; expected {_span(lane.expected)}"
        place = _place(timeline, lane.seen.start_s, lane.seen.end_s)
        marks.append(Mark("seen", *place, words, _printed(result, lane.name)))
    if lane.expected is not None:
        place = _place(timeline, lane.expected.start_s, lane.expected.end_s)
        marks.append(Mark("expected", *place, f"{lane.name}: expected {_span(lane.expected)}"))
    figure = picture.NOT_SEEN
    if lane.seen is not None:
        figure = seconds(lane.seen.end_s - lane.seen.start_s)
    return Row(
        reading.short(lane.name, LONGEST_NAME),
        figure,
        tuple(marks),
        picture.agrees(lane, timeline.axis_s),
    )


def _span(bar: Bar) -> str:
    return f"{bar.start_s:.2f} s to {seconds(bar.end_s)} ({seconds(bar.end_s - bar.start_s)})"


def _printed(result: GradeResult, name: str) -> tuple[str, ...]:
    """The lines that the program printed about one bar."""
    run = reading.run_shown(result)
    console = result.evidence.submission.module.console
    texts = {line.text.rstrip() for line in console.lines if line.bar == name}
    lines = () if run is None else run.stdout
    return tuple(_stamped(line) for line in lines if line.text.rstrip() in texts)[:LINES_OF_A_MARK]


def _stamped(line: OutputLine) -> str:
    return f"{seconds(line.time_s, 3)}  {line.text}"


def _loop(timeline: Picture) -> Row:
    marks = []
    for stretch in timeline.loop[:MOST_MARKS]:
        place = _place(timeline, stretch.start_s, stretch.end_s)
        marks.append(Mark(stretch.kind, *place, *_stretch_words(stretch)))
    blocked_s = sum(part.end_s - part.start_s for part in timeline.loop if part.kind == "blocked")
    figure = f"blocked {seconds(blocked_s)}" if blocked_s else "never blocked"
    return Row("main loop", figure, tuple(marks), not blocked_s)


def _stretch_words(stretch: Stretch) -> tuple[str, tuple[str, ...]]:
    span = _span(Bar("", stretch.start_s, stretch.end_s))
    if stretch.kind == "idle":
        return f"main loop: idle {span}", ("free to serve others",)
    details = f"{stretch.call}()" if stretch.call.isidentifier() else stretch.call
    if stretch.site is not None and stretch.site.line:
        details += f" in {stretch.site.function}, line {stretch.site.line}"
    return f"main loop: blocked {span}", (details, "nothing else can run")


def _line_marks(lines: tuple[OutputLine, ...], timeline: Picture) -> Iterator[Mark]:
    """One mark per moment at which something was printed."""
    near: list[OutputLine] = []
    left = 0.0
    marks = 0
    for line in sorted(lines, key=lambda line: line.time_s):
        place, _ = _place(timeline, line.time_s, line.time_s)
        if near and place - left > NEAR:
            yield _line_mark(near, left)
            marks += 1
            near = []
            if marks == MOST_MARKS:
                return
        left = left if near else place
        near.append(line)
    if near:
        yield _line_mark(near, left)


def _line_mark(lines: list[OutputLine], left: float) -> Mark:
    printed = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
    details = [_stamped(line) for line in lines[:LINES_OF_A_MARK]]
    if len(lines) > LINES_OF_A_MARK:
        details.append(f"... and {len(lines) - LINES_OF_A_MARK} more")
    return Mark("line", left, 0.0, f"{printed} at {seconds(lines[0].time_s)}", tuple(details))


def _ticks(timeline: Picture) -> list[tuple[float, str]]:
    """Place in percent and label of each mark on the axis."""
    return [(_place(timeline, at, at)[0], f"{at:g}") for at in picture.ticks(timeline.axis_s)]


# ---- code and hints ----------------------------------------------------------------------


def _code(result: GradeResult, source: str) -> list[CodeLine]:
    """The code, line by line, with what the evidence says about each line."""
    visible = plain_text.block(source.replace("\r\n", "\n"), LONGEST_CODE_LINE, MOST_CODE_LINES)
    html = highlight(visible, CLexer(stripnl=False), HtmlFormatter(nowrap=True))
    notes = _notes(result)
    first = result.evidence.submission.first_line
    lines = html.rstrip("\n").split("\n")
    return [
        CodeLine(number, Markup(line), tuple(notes.get(number, ())))
        for number, line in enumerate(lines, first)
    ]


def _notes(result: GradeResult) -> dict[int, list[str]]:
    """What is to be said about which line of the file."""
    notes: defaultdict[int, list[str]] = defaultdict(list)
    for diagnosis in result.diagnoses:
        for line in diagnosis.lines:
            notes[line].append(diagnosis.text.title)
    blocked: defaultdict[tuple[int, str], list[float]] = defaultdict(list)
    for wait in result.blocked:
        if wait.site is not None:
            blocked[wait.site.line, wait.call].append(wait.end_s - wait.start_s)
    for (line, call), lengths in blocked.items():
        times = "once" if len(lengths) == 1 else f"{len(lengths)} times"
        notes[line].append(f"{call} blocks the main loop {times}, {seconds(sum(lengths))} in all")
    return notes


def _hints(result: GradeResult) -> list[TaskHints]:
    """The hints that fit, those of the root cause first; none after full marks."""
    if result.verdict == "pass" or not result.evidence.submission.own:
        return []
    tasks = [diagnosis.text.task for diagnosis in result.diagnoses]
    fitting = [hint for hint in result.evidence.submission.module.hints if hint.task in tasks]
    return sorted(fitting, key=lambda hint: tasks.index(hint.task))
