"""What the terminal can show: asked once, by whoever is about to print a report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True)
class Look:
    """How to render text."""

    colour: bool
    unicode: bool  # False: plain ASCII
    width: int  # columns


def of(stream: TextIO, environ: Mapping[str, str]) -> Look:
    """The look that suits `stream`: no colour in pipes, with NO_COLOR or in a dumb terminal."""
    encoding = (stream.encoding or "ascii").lower().replace("-", "").replace("_", "")
    interactive = stream.isatty()
    colour = interactive and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"
    columns = shutil.get_terminal_size((80, 24)).columns if interactive else 80
    return Look(colour=colour, unicode=encoding == "utf8", width=max(60, min(columns, 100)))
