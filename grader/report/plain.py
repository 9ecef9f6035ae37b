"""Text from student code, made harmless to show: one line, nothing invisible, bounded."""

from __future__ import annotations

import unicodedata

LONGEST_LINE = 400  # characters
# Control, format (bidirectional overrides, zero width), surrogate, private, unassigned; and
# the separators that some terminals and browsers take for a new line.
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def line(text: str, longest: int = LONGEST_LINE) -> str:
    """`text` with every invisible character spelled out (`\\x1b`), cut at `longest`."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(_visible(character) for character in cut.expandtabs(4))


def block(text: str, longest: int = LONGEST_LINE) -> str:
    """The same for several lines."""
    return "\n".join(line(part, longest) for part in text.split("\n"))


def _visible(character: str) -> str:
    if unicodedata.category(character) not in INVISIBLE:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
