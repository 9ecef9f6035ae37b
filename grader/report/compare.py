"""Expected and seen console output, side by side, for the eye: no verdict is made here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from grader.records import ConsoleLine, OutputLine

# difflib needs quadratic time; nobody reads further than this anyway.
MOST_LINES = 200


@dataclass(frozen=True)
class Row:
    """One line of the table; one of its halves may be missing."""

    expected: ConsoleLine | None
    seen: OutputLine | None

    @property
    def same(self) -> bool:
        """Whether both texts agree, trailing white space apart."""
        if self.expected is None or self.seen is None:
            return False
        return self.expected.text.rstrip() == self.seen.text.rstrip()

    @property
    def off_s(self) -> float:
        """How far apart the two times are; 0 if there is only one."""
        if self.expected is None or self.seen is None:
            return 0.0
        return abs(self.seen.time_s - self.expected.at_s)


def side_by_side(expected: Sequence[ConsoleLine], seen: Sequence[OutputLine]) -> list[Row]:
    """Align the lines; those that may come in any order stand in the order seen."""
    seen = seen[:MOST_LINES]
    expected = _in_order_seen(expected, [line.text.rstrip() for line in seen])
    left = [line.text.rstrip() for line in expected]
    right = [line.text.rstrip() for line in seen]
    rows: list[Row] = []
    for _, i1, i2, j1, j2 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        rows += [Row(a, b) for a, b in zip_longest(expected[i1:i2], seen[j1:j2])]
    return rows


def _in_order_seen(expected: Sequence[ConsoleLine], seen: Sequence[str]) -> list[ConsoleLine]:
    """`expected` with each group of interchangeable neighbours sorted as they came."""
    ordered: list[ConsoleLine] = []
    group: list[ConsoleLine] = []
    for line in expected:
        if group and (not line.group or line.group != group[0].group):
            ordered += _sorted_as_seen(group, seen)
            group = []
        group.append(line)
    return ordered + _sorted_as_seen(group, seen)


def _sorted_as_seen(group: list[ConsoleLine], seen: Sequence[str]) -> list[ConsoleLine]:
    place = {text: index for index, text in reversed(list(enumerate(seen)))}
    return sorted(group, key=lambda line: place.get(line.text.rstrip(), len(seen)))
