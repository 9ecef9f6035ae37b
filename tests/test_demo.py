"""`make demo`: driven in real terminals, wide and dumb, and drawn moment by moment."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pexpect
import pytest
import report_samples as samples

from grader import catalog, demo, parts, sandbox
from grader.records import GraderError, Module, OutputLine
from grader.report import live, terminal
from grader.report.live import Moment
from grader.report.text import ASCII, UNICODE

DRIVER = """
import sys
from grader import catalog, demo, parts, sandbox
from grader.report import terminal
box = sandbox.probe(parts.build_root() / "sandbox")
demo.run(catalog.find("0.5"), box, sys.stdout, terminal.of(sys.stdout), pace=float(sys.argv[1]))
"""
PATIENCE_S = 60
LINES = [line.text for line in samples.console().lines]
SGR = re.compile(r"\x1b\[[0-9;]*m")
BAR = re.compile(r"exp_large +(█*)")


def environ(term: str, encoding: str = "utf-8") -> dict[str, str]:
    """The environment of a terminal."""
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return kept | {"TERM": term, "PYTHONPATH": str(catalog.ROOT), "PYTHONIOENCODING": encoding}


def spawn(pace: float, term: str) -> pexpect.spawn[str]:
    """The demonstration in a terminal of 80 columns and 24 rows."""
    return pexpect.spawn(
        sys.executable,
        ["-c", DRIVER, str(pace)],
        env=environ(term),
        dimensions=(24, 80),
        encoding="utf-8",
        timeout=PATIENCE_S,
    )


def test_bars_grow_while_the_programs_run() -> None:
    """Each frame is at least as long as the one before, and there are many between."""
    child = spawn(0.2, "xterm-256color")
    child.expect(pexpect.EOF)
    lengths = [len(bar) for bar in BAR.findall(SGR.sub("", child.before))]
    together, slow = lengths[::2], lengths[1::2]  # two rows in each frame
    assert together == sorted(together) and slow == sorted(slow)
    assert len(set(together)) >= 5 and len(set(slow)) >= 5
    assert slow[together.index(max(together))] == 0
    summary = "All at once: 3.00 s, One after another: 6.00 s: 2.0× as long"
    assert summary in SGR.sub("", child.before)
    assert child.before.rfind("\x1b[?25h") > child.before.rfind("\x1b[?25l") >= 0


def test_everything_is_on_one_screen_of_80_by_24(tmp_path: Path) -> None:
    """What a projector shows at the end: both pictures and the sentence, nothing torn."""
    socket = f"demo-{os.getpid()}"
    tmux = ["tmux", "-L", socket, "-f", "/dev/null"]
    words = f"{sys.executable} -c '{DRIVER}' 0.05; {' '.join(tmux)} wait-for -S over; cat"
    session = [*tmux, "new-session", "-d", "-x", "80", "-y", "24", words]
    env = environ("xterm-256color") | {"LC_ALL": "C.UTF-8"}
    try:
        subprocess.run(session, check=True, timeout=PATIENCE_S, env=env)
        subprocess.run([*tmux, "wait-for", "over"], check=True, timeout=PATIENCE_S)
        pane = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, check=True)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    screen = pane.stdout.decode().splitlines()
    assert sum("exp_large" in line and "█" in line for line in screen) == 2
    assert sum(line.startswith(" All at once ") for line in screen) == 1
    assert any("2.0× as long" in line for line in screen)


def test_dumb_terminal_gets_lines_and_the_picture() -> None:
    """No escape sequences at all; the lines in order, then the bars."""
    child = spawn(0.05, "dumb")
    child.expect(pexpect.EOF)
    assert "\x1b" not in child.before
    places = [child.before.index(line) for line in LINES]
    assert places == sorted(places)
    assert child.before.index("One after another:") > places[-1]
    assert len([bar for bar in BAR.findall(child.before) if bar]) == 2


def test_interrupt_gives_the_terminal_back() -> None:
    """Ctrl-C in the middle of the real run: cursor visible, program gone."""
    child = spawn(1.0, "xterm-256color")
    child.expect("█████")
    child.sendintr()
    child.expect(pexpect.EOF)
    assert "\x1b[?25h" in child.before
    child.close()
    assert child.exitstatus != 0


def test_ascii_pipe() -> None:
    """LANG=C and no terminal: the same in ASCII."""
    words = [sys.executable, "-c", DRIVER, "0"]
    env = environ("xterm", "ascii")
    done = subprocess.run(words, env=env, capture_output=True, timeout=PATIENCE_S, check=True)
    assert done.stdout.isascii()
    assert done.stdout.count(b"####") >= 6 and b"2.0x as long" in done.stdout


def test_code_is_shown_without_markers_with_key_lines() -> None:
    """The markers are for the skeleton's maker, the key lines for the audience."""
    stream = io.StringIO()
    demo.run(module(), box(), stream, terminal.Screen(False, 80, True), pace=0)
    text = stream.getvalue()
    assert "BEGIN SOLUTION" not in text and "END SOLUTION" not in text
    key = [line for line in text.splitlines() if line.startswith("▶")]
    assert any("g_timeout_add (" in line for line in key)
    assert any("g_main_loop_run (" in line for line in key)
    assert not any("include" in line for line in key)


def module() -> Module:
    return catalog.find("0.5")


def box() -> sandbox.Sandbox:
    return sandbox.probe(parts.build_root() / "sandbox")


@pytest.mark.parametrize("fast", [True, False])
def test_plain_just_runs_it(fast: bool) -> None:
    """The console output of the reference and nothing else, on either clock."""
    stream = io.StringIO()
    demo.run_plain(module(), box(), stream, fast=fast)
    assert stream.getvalue().splitlines() == LINES


@pytest.mark.parametrize("pace", [-1.0, 101.0, float("nan"), float("inf")])
def test_impossible_pace_is_one_line(pace: float) -> None:
    with pytest.raises(GraderError, match="SLOWDOWN must be a number from 0 to 100"):
        demo.run(module(), box(), io.StringIO(), terminal.Screen(False, 80, True), pace=pace)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("int main (void) { return x; }\n", "does not compile"),
        ("int main (void) { return 3; }\n", "status 3"),
    ],
)
def test_broken_reference_is_one_line(code: str, words: str, tmp_path: Path) -> None:
    """An author's mistake is told, not shown as a timeline."""
    solution = tmp_path / "experiments.c"
    solution.write_text(code)
    broken = replace(module(), solution=solution)
    with pytest.raises(GraderError, match=words) as error:
        demo.run_plain(broken, box(), io.StringIO(), fast=True)
    assert "\n" not in str(error.value)


# ---- moments -----------------------------------------------------------------------------

STARTS = tuple(OutputLine(0.0, line) for line in LINES[:3])


def rows(moments: list[Moment], width: int = 80, unicode: bool = True) -> list[str]:
    ink = UNICODE if unicode else ASCII
    return live.frame(moments, samples.console(), ink, width).plain.split("\n")


def test_bar_is_as_long_as_it_has_been_running() -> None:
    """And the one that has ended stays."""
    lines = (*STARTS, OutputLine(1.0, LINES[3]))
    moment = Moment("All at once", 1.545, lines, False)
    small, large = (next(r for r in rows([moment]) if name in r) for name in ("small", "large"))
    assert small.count("█") == round(54 / 3.09) and "1.00 s" in small
    assert large.count("█") == 27 and " s" not in large


def test_program_that_has_not_begun_has_a_place() -> None:
    """So that nothing jumps when it begins; the axis is long enough for it."""
    moments = [
        Moment("All at once", 3.0, STARTS, True),
        Moment("One after another", None, (), False),
    ]
    before = rows(moments)
    moments[1] = Moment("One after another", 0.0, (), False)
    assert len([row for row in rows(moments) if "exp_" in row]) == 6
    assert before[0] == rows(moments)[0] and "6 s" in before[0]


def test_output_of_the_running_program_is_shown() -> None:
    """Its last eight lines, harmless."""
    lines = tuple(OutputLine(n / 10, f"line {n}\x1b[2J") for n in range(20))
    shown = rows([Moment("All at once", 2.0, lines, False)])
    assert shown[-1].endswith("line 19\\x1b[2J") and shown[-8].endswith("line 12\\x1b[2J")
    assert "line 11" not in "".join(shown)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_rows_fit(width: int) -> None:
    """Long names and lines are cut."""
    lines = (*STARTS, OutputLine(0.0, "x" * 300))
    for row in rows([Moment("t" * 200, 7.0, lines, False)], width):
        assert len(row) <= width
