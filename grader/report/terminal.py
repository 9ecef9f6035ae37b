"""What the terminal that we write to can show."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True)
class Screen:
    """How to draw for one output stream."""

    colour: bool
    width: int  # columns
    unicode: bool


def of(stream: TextIO) -> Screen:
    """Colour only on a terminal that has it and where NO_COLOR (no-color.org) is not set."""
    terminal = stream.isatty()
    dumb = os.environ.get("TERM", "") in ("", "dumb")
    width = shutil.get_terminal_size((80, 24)).columns if terminal else 80
    return Screen(
        colour=terminal and not dumb and not os.environ.get("NO_COLOR"),
        width=max(60, min(width, 100)),
        unicode=(stream.encoding or "").lower().replace("-", "") == "utf8",
    )
