"""What the timeline shows, as numbers: shared by the terminal report and the HTML report.

    GradeResult -> Picture -> text | html

A picture has one lane per bar (what really ran, what was expected) and one lane for the
main loop: where it was blocked, where it was idle and so free to serve others.  All
times are in seconds since the program started.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from grader.records import Bar, Console, GradeResult, Run, Site, Wait

# A program that never ends would otherwise squeeze its first seconds into one column.
LONGEST_AXIS = 2.5  # times the duration of one experiment after another

NEAR = 0.1  # of the axis: times closer than this look the same

NOT_SEEN = "no full run seen"  # of a lane whose start or end was not printed


@dataclass(frozen=True)
class Lane:
    """One row of the picture; either half may be missing."""

    name: str
    seen: Bar | None
    expected: Bar | None


def agrees(lane: Lane, axis_s: float) -> bool:
    """Whether both bars look alike; only for their colour, and deaf to a slow machine."""
    if lane.seen is None or lane.expected is None:
        return False
    starts_s = abs(lane.seen.start_s - lane.expected.start_s)
    ends_s = abs(lane.seen.end_s - lane.expected.end_s)
    return max(starts_s, ends_s) <= NEAR * axis_s


@dataclass(frozen=True)
class Stretch:
    """A part of the main loop's life."""

    kind: Literal["blocked", "idle"]
    start_s: float
    end_s: float
    call: str
    site: Site | None


@dataclass(frozen=True)
class Picture:
    """The timeline: lanes, the loop's stretches, and the figures underneath."""

    lanes: tuple[Lane, ...]
    loop: tuple[Stretch, ...]
    axis_s: float
    total_s: float | None  # None: the program did not end by itself
    expected_s: float
    one_after_another_s: float

    @property
    def speed_up(self) -> float | None:
        """How many times faster than one after another; None if something never ran."""
        whole = all(lane.seen is not None for lane in self.lanes)
        if not whole or not self.total_s or not self.one_after_another_s:
            return None
        return self.one_after_another_s / self.total_s


def of(result: GradeResult) -> Picture | None:
    """The picture of a graded run; None if the run never got as far as a bar."""
    if not result.timeline:
        return None
    console = result.evidence.submission.module.console
    loop = _loop(result)
    ends = [bar.end_s for bar in result.timeline] + [stretch.end_s for stretch in loop]
    longest = max([*ends, console.total_s])
    bound = LONGEST_AXIS * max(console.one_after_another_s, console.total_s)
    axis_s = min(longest, bound) or 1.0
    return Picture(
        lanes=lanes(result.timeline, expected_bars(console)),
        loop=loop,
        axis_s=axis_s,
        total_s=_total(result),
        expected_s=console.total_s,
        one_after_another_s=console.one_after_another_s,
    )


def expected_bars(console: Console) -> tuple[Bar, ...]:
    """The bars that the module's console lines describe, in order of their starts."""
    ends = [line for line in console.lines if line.edge == "end"]
    bars = []
    for start in (line for line in console.lines if line.edge == "start"):
        end = next((line for line in ends if line.bar == start.bar), None)
        if end is not None:
            ends.remove(end)
            bars.append(Bar(start.bar, start.at_s, end.at_s))
    return tuple(bars)


def lanes(seen: Sequence[Bar], expected: Sequence[Bar]) -> tuple[Lane, ...]:
    """Pair what ran with what was expected, by name; what nobody expected comes last."""
    left = list(seen)
    rows = []
    for bar in expected:
        match = next((other for other in left if other.name == bar.name), None)
        if match is not None:
            left.remove(match)
        rows.append(Lane(bar.name, match, bar))
    return tuple(rows + [Lane(bar.name, bar, None) for bar in left])


def tick(axis_s: float) -> float:
    """A step of 1, 2 or 5 times a power of ten that gives at most 8 labels."""
    step = 0.001
    while True:
        for factor in (1, 2, 5):
            if axis_s / (step * factor) <= 8:
                return step * factor
        step *= 10


def ticks(axis_s: float) -> list[float]:
    """The places of the axis labels, in seconds."""
    step_s = tick(axis_s)
    return [number * step_s for number in range(int(axis_s / step_s + 1e-9) + 1)]


def _loop(result: GradeResult) -> tuple[Stretch, ...]:
    """The main thread's life, in order: blocked stretches and the loop's own waits."""
    blocked = [_stretch("blocked", wait) for wait in result.blocked]
    run = result.evidence.virtual
    idle = [] if run is None else [_stretch("idle", wait) for wait in _loop_waits(run)]
    return tuple(sorted(blocked + _merged(idle), key=lambda stretch: stretch.start_s))


def _merged(stretches: list[Stretch]) -> list[Stretch]:
    """Neighbours made one: a loop that ticks ten times a second is idle all the time."""
    merged: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda part: part.start_s):
        if merged and stretch.start_s <= merged[-1].end_s:
            longer = max(merged[-1].end_s, stretch.end_s)
            merged[-1] = replace(merged[-1], end_s=longer)
        else:
            merged.append(stretch)
    return merged


def _loop_waits(run: Run) -> list[Wait]:
    return [
        wait
        for wait in run.waits
        if wait.by_loop and wait.process == 0 and wait.thread == 0 and wait.end_s > wait.start_s
    ]


def _stretch(kind: Literal["blocked", "idle"], wait: Wait) -> Stretch:
    return Stretch(kind, wait.start_s, wait.end_s, wait.call, wait.site)


def _total(result: GradeResult) -> float | None:
    """How long the program ran: the wall clock's word, else the virtual clock's."""
    for run in (result.evidence.wall, result.evidence.virtual):
        if run is not None:
            return None if run.exit.stopped else run.elapsed_s
    return None
