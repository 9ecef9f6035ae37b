"""The lines that a program printed, against the timeline that was asked for.

One function compares; it serves the console of the program and the timelines that the
oracle expects of the contract tests.  White space at the end of lines is forgiven, and so
is order where the timeline leaves it open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from grader.judge.findings import MOMENT_S, Finding
from grader.records import Console, OutputLine

LONGEST_QUOTE = 100


@dataclass(frozen=True)
class Due:
    """A line that must come, when, and which neighbours may take its place."""

    at_s: float
    text: str
    group: str = ""


def due_lines(console: Console) -> list[Due]:
    """The timeline of a module's program."""
    return [Due(line.at_s, line.text, line.group) for line in console.lines]


def seen_lines(lines: Sequence[OutputLine]) -> list[OutputLine]:
    """`lines` without trailing white space and without empty lines at the end."""
    stripped = [
        line if line.text == (text := line.text.rstrip()) else OutputLine(line.time_s, text)
        for line in lines
    ]
    while stripped and not stripped[-1].text:
        stripped.pop()
    return stripped


def missing(due: Sequence[Due], seen: Sequence[OutputLine]) -> list[Due]:
    """The lines that never came, in the order in which they were due."""
    left = Counter(line.text for line in seen)
    never = []
    for line in due:
        if left[line.text] > 0:
            left[line.text] -= 1
        else:
            never.append(line)
    return never


def extra(due: Sequence[Due], seen: Sequence[OutputLine]) -> list[OutputLine]:
    """The lines that nobody asked for, in the order in which they came."""
    left = Counter(line.text for line in due)
    unasked = []
    for line in seen:
        if left[line.text] > 0:
            left[line.text] -= 1
        else:
            unasked.append(line)
    return unasked


def in_order(due: Sequence[Due], seen: Sequence[OutputLine]) -> list[OutputLine]:
    """`seen` with the lines of each open group put into the order of `due`."""
    rank = {(line.group, line.text): n for n, line in enumerate(due) if line.group}
    group_of = {line.text: line.group for line in due if line.group}
    ordered: list[OutputLine] = []
    run: list[OutputLine] = []
    for line in [*seen, OutputLine(0.0, "")]:
        group = group_of.get(line.text, "")
        if run and group != group_of.get(run[0].text, ""):
            ordered += sorted(run, key=lambda one: rank[group_of[one.text], one.text])
            run = []
        if group:
            run.append(line)
        else:
            ordered.append(line)
    return ordered[:-1]


def compare(due: Sequence[Due], lines: Sequence[OutputLine]) -> Finding | None:
    """The first difference in text or order, and the misconception it points at."""
    seen = in_order(due, seen_lines(lines))
    if [line.text for line in seen] == [line.text for line in due]:
        return None
    never, unasked = missing(due, seen), extra(due, seen)
    if never:
        return _something_is_missing(due, seen, never)
    if unasked:
        return _something_is_too_much(due, unasked)
    return _first_difference(due, seen)


def _something_is_missing(
    due: Sequence[Due], seen: Sequence[OutputLine], never: Sequence[Due]
) -> Finding:
    if not seen:
        return Finding("todo-left", f"expected {len(due)} lines, saw none")
    if [line.text for line in seen] == [line.text for line in due][: len(seen)]:
        after = quote(seen[-1].text)
        return Finding(
            "output-differs", f"after {after} the line {quote(never[0].text)} never came"
        )
    return _first_difference(due, seen)


def _something_is_too_much(due: Sequence[Due], unasked: Sequence[OutputLine]) -> Finding:
    first = unasked[0]
    if any(first.text == line.text for line in due):
        return Finding("output-differs", f"{quote(first.text)} came more than once")
    count = f"{len(unasked)} lines" if len(unasked) > 1 else "a line"
    return Finding(
        "unexpected-output", f"{count} too much: {quote(first.text)} at {first.time_s:.1f} s"
    )


def on_stderr(due: Sequence[Due], stderr: Sequence[OutputLine]) -> Finding | None:
    """The first line that was due on stdout, but was written to stderr."""
    for line in due:
        if any(line.text in one.text for one in stderr):
            return Finding("output-differs", f"{quote(line.text)} came on stderr, not on stdout")
    return None


def repeated(due: Sequence[Due], lines: Sequence[OutputLine]) -> str:
    """Words for the first line that came when it was due and again at twice that time, as of
    a timer that fires again; "" if there is none."""
    came: dict[str, list[float]] = {}
    for one in lines:
        came.setdefault(one.text, []).append(one.time_s)
    for line in due:
        times = came.get(line.text, [])
        on_time = [
            abs(time_s - n * line.at_s) < 0.1 * line.at_s for n, time_s in enumerate(times, 1)
        ]
        if len(times) > 1 and all(on_time[:2]):
            return f"{quote(line.text)} came at {times[0]:.1f} s and again at {times[1]:.1f} s"
    return ""


def _first_difference(due: Sequence[Due], seen: Sequence[OutputLine]) -> Finding:
    for number, (expected, got) in enumerate(zip(due, seen), start=1):
        if expected.text != got.text:
            return Finding(
                "dangling-user-data" if _is_garbage(got.text) else "output-differs",
                f"line {number}: expected {quote(expected.text)}, "
                f"saw {quote(got.text)} at {got.time_s:.1f} s",
            )
    return Finding("output-differs", f"expected {len(due)} lines, saw {len(seen)}")


def _is_garbage(text: str) -> bool:
    """Bytes that nobody writes on purpose: what freed memory looks like.  g_print() announces
    some of them itself."""
    return "\ufffd" in text or "[Invalid UTF-8]" in text or not text.isprintable()


def quote(text: str) -> str:
    """A line in a sentence, shortened in the middle if it is long."""
    if len(text) > LONGEST_QUOTE:
        half = LONGEST_QUOTE // 2
        text = f"{text[:half]} [{len(text) - 2 * half} characters] {text[-half:]}"
    return f"'{text}'"


# ---- When the lines came ---------------------------------------------------------------


def printed_late(due: Sequence[Due], lines: Sequence[OutputLine]) -> str:
    """Words for an end that came late, though what waited for it started when due; "" if there
    is none.  Of the lines "[name] ...", the first with a name is its start."""
    came = {line.text: line.time_s for line in reversed(seen_lines(lines))}
    started: set[str] = set()
    for end, start in pairwise(due):
        started.add(end.text.partition("]")[0])
        if start.at_s != end.at_s or start.text.partition("]")[0] in started:
            continue
        end_s, start_s = came.get(end.text, 0.0), came.get(start.text, 0.0)
        if end_s > end.at_s + MOMENT_S and abs(start_s - start.at_s) <= MOMENT_S < start_s:
            words = f"{quote(end.text)} came at {end_s:.2f} s, not at {end.at_s:.2f} s"
            return f"{words}, though {quote(start.text)}, which waited for it, came when due"
    return ""


def times_differ(
    due: Sequence[Due],
    lines: Sequence[OutputLine],
    tolerance_s: float = MOMENT_S,
    late_s: float = 0.0,
) -> tuple[Due, float] | None:
    """The first line that came at another time than it was due, and when it came, in seconds.

    Only for lines whose text is right; equal lines are taken in order.  A line may come
    `tolerance_s` too early, and that and `late_s` too late.
    """
    times: dict[str, list[float]] = {}
    for line in seen_lines(lines):
        times.setdefault(line.text, []).append(line.time_s)
    for expected in due:
        came = times.get(expected.text)
        if came:
            time_s = came.pop(0)
            if not -tolerance_s <= time_s - expected.at_s <= tolerance_s + late_s:
                return expected, time_s
    return None
