"""`make demo`: the reference on a projector, live, and the slow way beside it.

    the code with its key lines -> the reference runs, its bars grow -> sequential.c runs

In real time the programs run on the wall clock, and what is drawn is what happens.  With
another pace they run on the virtual clock first, and are played back at that pace.  A
terminal that cannot move its cursor gets the lines as they come and the picture at the end.
"""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.console import Console as Terminal
from rich.live import Live
from rich.syntax import Syntax
from rich.text import Text

from grader import build, plain_text
from grader.execute import OnLine
from grader.observe import run_once
from grader.records import Exit, GraderError, Module, OutputLine, Run, Submission
from grader.report import live
from grader.report.live import Moment
from grader.report.terminal import Screen
from grader.report.text import ASCII, UNICODE, Ink
from grader.sandbox import Sandbox
from grader.skeleton import without_markers

FRAMES_PER_S = 20
SLOWEST = 100
SEQUENTIAL = "sequential.c"
TITLES = ("All at once", "One after another")
# What makes a line worth pointing at: it asks the loop for something, or counts.
KEY_LINE = re.compile(
    r"\bg_(timeout|idle|main_loop|main_context|source|task|child)_|G_SOURCE_|pending"
)

Program = Callable[[OnLine], Run]  # runs it, and calls back with each line as it comes


@dataclass(frozen=True)
class Show:
    """Where and how the demonstration is drawn."""

    module: Module
    terminal: Terminal
    ink: Ink
    pace: float  # real seconds for each second of the programs; 0: at once


class Stage:
    """One program of the demonstration, as far as it has got; drawn by another thread."""

    def __init__(self, title: str, pace: float, echo: Terminal | None) -> None:
        self.title = title
        self._pace = pace
        self._echo = echo  # where each line is printed at once, if nothing is drawn
        self._begun_s: float | None = None
        self._lines: list[OutputLine] = []
        self._total_s: float | None = None

    def begin(self) -> float:
        """The program begins now; returns when that is, on the monotonic clock."""
        self._begun_s = time.monotonic()
        return self._begun_s

    def add(self, line: OutputLine) -> None:
        self._lines.append(line)
        if self._echo:
            self._echo.print(Text(f"{line.time_s:7.3f} s  {plain_text.line(line.text)}"))

    def end(self, total_s: float) -> None:
        self._total_s = total_s

    def moment(self) -> Moment:
        """How things are now."""
        now_s = self._total_s
        if now_s is None and self._begun_s is not None:
            now_s = (time.monotonic() - self._begun_s) / (self._pace or 1.0)
        return Moment(self.title, now_s, tuple(self._lines), self._total_s is not None)


# ---- the programs ------------------------------------------------------------------------


@contextmanager
def built(module: Module, file: Path, sandbox: Sandbox, *, virtual: bool) -> Iterator[Program]:
    """A program of the course, ready to run on one of the clocks.

    Raises:
        GraderError: it does not compile; and when it is run, that it does not end well.
    """
    source = without_markers(file.read_text(encoding="utf-8"))
    with build.workshop(Submission(module, file.name, source, own=True), sandbox) as shop:
        made = build.build_program(shop)
        if made.path is None:
            raise GraderError(f"{file} does not compile: {plain_text.line(made.messages)}")
        path = made.path

        def program(on_line: OnLine) -> Run:
            run = run_once(shop, path, fast=virtual, on_line=on_line)
            if run.exit.status != 0:
                raise GraderError(f"{file} did not end well: {_how(run.exit)}")
            return run

        yield program


def _how(ended: Exit) -> str:
    return ended.stopped or f"status {ended.status}, signal {ended.signal}"


# ---- the demonstration -------------------------------------------------------------------


def run_plain(module: Module, sandbox: Sandbox, stream: TextIO, *, fast: bool) -> None:
    """Just run the reference; its lines appear as they come.

    Raises:
        GraderError: it does not compile, or does not end well.
    """

    def show(source: str, line: OutputLine) -> None:
        if source == "stdout":
            print(plain_text.line(line.text), file=stream, flush=True)

    with built(module, module.solution, sandbox, virtual=fast) as program:
        program(show)


def run(
    module: Module, sandbox: Sandbox, stream: TextIO, screen: Screen, *, pace: float = 1.0
) -> None:
    """The whole demonstration, on a terminal or any other stream.

    Args:
        pace: real seconds for each second of the programs: 1 is real time, 3 is three
            times slower, 0 shows the end at once.

    Raises:
        GraderError: a program of the course does not compile, or does not end well.
    """
    if not 0 <= pace <= SLOWEST:
        raise GraderError(f"SLOWDOWN must be a number from 0 to {SLOWEST}.")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # an ASCII terminal shows a ? and goes on
    ink = UNICODE if screen.unicode else ASCII
    show = Show(module, _terminal(stream, screen), ink, pace)
    _show_code(show)
    files = [module.solution, module.folder / SEQUENTIAL]
    with ExitStack() as stack:
        programs = [
            stack.enter_context(built(module, file, sandbox, virtual=pace != 1.0))
            for file in files
            if file.exists()
        ]
        _play(show, programs)


def _terminal(stream: TextIO, screen: Screen) -> Terminal:
    dumb = os.environ.get("TERM", "") in ("", "dumb")
    return Terminal(
        file=stream,
        width=screen.width,
        color_system="standard" if screen.colour else None,
        no_color=not screen.colour,
        force_terminal=stream.isatty() and not dumb,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def _show_code(show: Show) -> None:
    """The reference, without the markers of its regions, its key lines pointed at."""
    module, terminal = show.module, show.terminal
    terminal.print(Text(f"Module {module.id}  {module.title}: the reference", "bold"))
    terminal.print()
    code = without_markers(module.solution.read_text(encoding="utf-8"))
    highlighted = Syntax("", "c", theme="ansi_dark").highlight(code.rstrip("\n"))
    for number, line in enumerate(highlighted.split("\n"), 1):
        key = KEY_LINE.search(line.plain) is not None
        mark = show.ink.key if key else " "
        row = Text(f"{mark} {number:3}  ", "bold yellow" if key else "dim")
        row.append_text(line)
        row.truncate(terminal.width, overflow="ellipsis")
        if key:
            row.stylize("bold")
        terminal.print(row)
    terminal.print()


def _play(show: Show, programs: Sequence[Program]) -> None:
    """Run one program after the other while their common picture grows."""
    drawn = show.terminal.is_terminal
    echo = None if drawn else show.terminal
    stages = [Stage(title, show.pace, echo) for title in TITLES[: len(programs)]]

    def picture() -> Text:
        moments = [stage.moment() for stage in stages]
        return live.frame(moments, show.module.console, show.ink, show.terminal.width)

    if drawn:
        growing = Live(
            console=show.terminal,
            get_renderable=picture,
            refresh_per_second=FRAMES_PER_S,
            transient=True,
        )
        with growing:
            for stage, program in zip(stages, programs, strict=True):
                _perform(stage, program, show.pace)
    else:
        for stage, program in zip(stages, programs, strict=True):
            show.terminal.print(Text(f"{stage.title}:", "bold"))
            _perform(stage, program, show.pace)
            show.terminal.print()
    show.terminal.print(picture())
    show.terminal.print()
    show.terminal.print(
        live.summary([stage.moment() for stage in stages], show.module.console, show.ink)
    )


def _perform(stage: Stage, program: Program, pace: float) -> None:
    """Run a program on its stage: as it happens, or played back from a run that is over."""
    if pace == 1.0:
        stage.begin()
        run = program(lambda source, line: stage.add(line) if source == "stdout" else None)
    else:
        run = program(lambda source, line: None)
        begun_s = stage.begin()
        for line in run.stdout:
            _sleep_until(begun_s + line.time_s * pace)
            stage.add(line)
        _sleep_until(begun_s + run.elapsed_s * pace)
    stage.end(run.elapsed_s)


def _sleep_until(moment_s: float) -> None:
    time.sleep(max(0.0, moment_s - time.monotonic()))
