"""Makes whatever student code printed, or is called, harmless to show: in every report.

A terminal, a browser and a spreadsheet obey some characters instead of showing them: escape
sequences, control characters, NUL, marks that turn the direction of writing, marks that
take no width.  Here they are spelled out (`\\x1b`), so that what is seen is what was there.
What is too long loses its middle: both ends are kept, and it says how much was cut.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

LONGEST_LINE = 400  # characters as shown, without the words about the cut
MOST_LINES = 400
MOST_MARKS = 3  # accents on one letter; a hundred of them cover the lines above
TAB = "    "
# Control, format (bidirectional overrides, zero width), surrogate, private, unassigned; and
# the separators that some terminals and browsers take for a new line.
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
MARKS = frozenset({"Mn", "Me"})


def from_bytes(raw: bytes) -> str:
    """The text of `raw`; what is not UTF-8 is spelled out as `\\xff`.  Not harmless yet."""
    return raw.decode("utf-8", "backslashreplace")


def line(text: str, longest: int = LONGEST_LINE) -> str:
    """`text` as one harmless line; its middle is cut if it is longer than `longest`."""
    head_room = longest - longest // 3
    head = _fit(_spelled(text[: longest + 1]), longest)
    if len(head) == len(text):
        return "".join(head)
    head = _fit(head, head_room)
    rest = text[len(head) :]
    tail = _fit(reversed(_spelled(rest[-(longest // 3) :])), longest // 3) if longest >= 3 else []
    cut = len(rest) - len(tail)
    return "".join([*head, f" … {cut} characters cut … ", *reversed(tail)])


def block(text: str, longest: int = LONGEST_LINE, most_lines: int = MOST_LINES) -> str:
    """`text` as harmless lines; lines in the middle are cut if there are too many."""
    lines = text.split("\n")
    if len(lines) <= most_lines:
        return "\n".join(line(part, longest) for part in lines)
    tail = most_lines // 3
    head = most_lines - tail
    cut = len(lines) - head - tail
    shown = [line(part, longest) for part in (*lines[:head], *lines[len(lines) - tail :])]
    return "\n".join([*shown[:head], f"… {cut} lines cut …", *shown[head:]])


def _spelled(text: str) -> list[str]:
    """What to show for each character of `text`."""
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in MARKS else 0
        if character == "\t":
            shown.append(TAB)
        elif category in INVISIBLE or marks > MOST_MARKS:
            shown.append(_code(character))
        else:
            shown.append(character)
    return shown


def _code(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _fit(pieces: Iterable[str], room: int) -> list[str]:
    """The first of `pieces` that fit into `room` characters together."""
    fitting: list[str] = []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        fitting.append(piece)
    return fitting
