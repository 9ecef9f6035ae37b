"""The bars of what really ran, from the lines that mark where each begins and ends."""

from __future__ import annotations

from collections.abc import Sequence

from grader.judge.console import seen_lines
from grader.records import Bar, Console, OutputLine


def bars(console: Console, lines: Sequence[OutputLine]) -> tuple[Bar, ...]:
    """One bar for each experiment that started and finished, times in seconds."""
    first: dict[str, float] = {}
    for line in seen_lines(lines):
        first.setdefault(line.text, line.time_s)
    found = []
    names = dict.fromkeys(line.bar for line in console.lines if line.bar)
    for name in names:
        edges = {line.edge: line.text for line in console.lines if line.bar == name}
        start_s, end_s = first.get(edges["start"]), first.get(edges["end"])
        if start_s is not None and end_s is not None:
            found.append(Bar(name, start_s, end_s))
    return tuple(found)
