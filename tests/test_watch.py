"""`make watch`, driven as a person does: in terminals of 80 by 24, wide awake and dumb."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pexpect
import pytest
import report_samples as samples

from grader.report import brief

DRIVER = [sys.executable, str(samples.ROOT / "tests" / "watch_driver.py")]
PATIENCE_S = 30
READY = "q quit\r\n"
SGR = re.compile(r"\x1b\[[0-9;]*m")


def environ(term: str, **more: str) -> dict[str, str]:
    """The environment of a terminal."""
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return (
        kept | {"TERM": term, "PYTHONPATH": str(samples.ROOT), "PYTHONIOENCODING": "utf-8"} | more
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two exercises."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "experiments.c").write_text("sleep ();\n")
    return tmp_path


def log(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def start(folder: Path, term: str = "xterm-256color", **more: str) -> pexpect.spawn[str]:
    """A watch that has graded for the first time."""
    child = pexpect.spawn(
        DRIVER[0],
        [*DRIVER[1:], str(folder)],
        env=environ(term, **more),
        dimensions=(24, 80),
        encoding="utf-8",
        timeout=PATIENCE_S,
    )
    child.expect_exact(READY)
    return child


@pytest.fixture
def child(folder: Path) -> Iterator[pexpect.spawn[str]]:
    """The same, ended by q: every test ends with a clean exit."""
    process = start(folder)
    yield process
    process.send("q")
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0


def shown(child: pexpect.spawn[str]) -> str:
    """What has been shown up to the line of keys."""
    child.expect_exact(READY)
    return SGR.sub("", child.before)


def test_save_is_graded_and_changes_are_shown(folder: Path, child: pexpect.spawn[str]) -> None:
    """Better and worse than the run before."""
    exercise = folder / "first" / "experiments.c"
    exercise.write_text("timeout ();\n")
    text = shown(child)
    assert "PASS  100/100" in text and "Since the last run:" in text
    assert "+25  Takes about 3 s, not 6 s" in text
    exercise.write_text("sleep ();\n")
    assert "-25  Takes about 3 s, not 6 s" in shown(child)
    exercise.write_text("sleep (); // again\n")
    assert "Nothing changed since the last run." in shown(child)


def test_editor_that_replaces_the_file(folder: Path, child: pexpect.spawn[str]) -> None:
    """Write beside it, rename over it: twice, since the first file is gone then."""
    for number in range(2):
        fresh = folder / "first" / f".experiments.c.{number}.swp"
        fresh.write_text(f"timeout ({number});\n")
        os.replace(fresh, folder / "first" / "experiments.c")
        assert "PASS" in shown(child)
    assert log(folder)[1:] == ["fast 'timeout (0);\\n'", "fast 'timeout (1);\\n'"]


def test_editor_that_moves_the_file_away_first(folder: Path, child: pexpect.spawn[str]) -> None:
    """As vim does with backupcopy=no."""
    exercise = folder / "first" / "experiments.c"
    exercise.rename(folder / "first" / "experiments.c~")
    exercise.write_text("timeout ();\n")
    assert "PASS" in shown(child)
    assert log(folder)[1:] == ["fast 'timeout ();\\n'"]


def test_half_saved_file_is_not_graded(folder: Path, child: pexpect.spawn[str]) -> None:
    """An editor truncates the file before it writes: the empty one gets no verdict."""
    with (folder / "first" / "experiments.c").open("w") as file:
        file.flush()
        file.write("timeout")
        file.flush()
        file.write(" ();\n")
    assert "PASS" in shown(child)
    assert log(folder)[1:] == ["fast 'timeout ();\\n'"]


def test_save_without_a_change_is_no_news(folder: Path, child: pexpect.spawn[str]) -> None:
    """Nor are other files of the folder."""
    exercise = folder / "first" / "experiments.c"
    exercise.write_text("sleep ();\n")
    (folder / "first" / "notes.txt").write_text("hello\n")
    exercise.write_text("timeout ();\n")
    assert "PASS" in shown(child)
    assert len(log(folder)) == 2


def test_deleted_file_is_told_and_its_return_is_graded(
    folder: Path, child: pexpect.spawn[str]
) -> None:
    exercise = folder / "first" / "experiments.c"
    exercise.unlink()
    shown(child)
    assert log(folder)[-1] == "fast 'missing'"
    exercise.write_text("sleep ();\n")
    assert "not yet" in shown(child)


def test_what_cannot_be_graded_is_told(folder: Path, child: pexpect.spawn[str]) -> None:
    """One line; the next save is graded again."""
    exercise = folder / "first" / "experiments.c"
    exercise.write_text("impossible\n")
    assert "grader: this cannot be graded: try again." in shown(child)
    exercise.write_text("timeout ();\n")
    assert "PASS" in shown(child)


def test_whole_grade_shows_the_whole_report(folder: Path, child: pexpect.spawn[str]) -> None:
    """g leaves nothing out, and the timeline is there."""
    child.send("g")
    text = shown(child)
    assert log(folder)[-1] == "whole 'sleep ();\\n'"
    assert "Timeline" in text and "Why it matters" in text


def test_hint_and_unknown_keys(child: pexpect.spawn[str]) -> None:
    """A key without a meaning does nothing."""
    child.send("x?\x1b[Ah")
    assert "A hint for first." in shown(child)


def test_lesson_opens_in_the_pager(folder: Path) -> None:
    """And the report is there again afterwards."""
    child = start(folder, PAGER="sh -c 'echo paging $0; head -n 1 $0; stty -a'")
    child.send("l")
    text = shown(child)
    assert "lesson.md" in text and " icanon" in text and " echo " in text
    assert "not yet  10/100" in text[text.index("icanon") :]
    child.send("q")
    child.expect(pexpect.EOF)


def test_less_is_opened_at_the_heading_that_fits(folder: Path, tmp_path: Path) -> None:
    """The lesson's paragraph about this very mistake."""
    less = tmp_path / "less"
    less.write_text('#!/bin/sh\nprintf "[%s]" "$@"\n')
    less.chmod(0o755)
    child = start(folder, PAGER=str(less))
    child.send("l")
    assert "[+/Never wait inside a callback]" in shown(child)
    child.send("q")
    child.expect(pexpect.EOF)


def test_reset_asks_first(folder: Path, child: pexpect.spawn[str]) -> None:
    """Anything but y leaves the work alone."""
    exercise = folder / "first" / "experiments.c"
    child.send("rn")
    assert "no: nothing changed" in shown(child)
    assert exercise.read_text() == "sleep ();\n"
    child.send("ry")
    assert "Your work is kept in a backup." in shown(child)
    text = shown(child)  # the skeleton is graded like any other save
    assert log(folder)[-1] == "fast 'skeleton\\n'"
    assert "\x1b[2J" not in text  # so that the backup's name can still be read


def test_next_module_is_watched_instead(folder: Path, child: pexpect.spawn[str]) -> None:
    """The old one no longer; after the last there is none."""
    child.send("n")
    assert "The second module" in shown(child)
    (folder / "first" / "experiments.c").write_text("not watched any more\n")
    (folder / "second" / "experiments.c").write_text("timeout ();\n")
    assert "PASS" in shown(child)
    child.send("n")
    assert "This is the last module." in shown(child)
    assert len(log(folder)) == 3


def test_dumb_terminal_gets_no_escapes(folder: Path) -> None:
    """Everything works line by line; the lesson is named, not paged."""
    child = start(folder, "dumb")
    text = child.before
    child.send("l")
    text += shown(child)
    assert 'Read modules/0.5-gather/lesson.md, "Never wait inside a callback"' in text
    (folder / "first" / "experiments.c").write_text("timeout ();\n")
    text += shown(child)
    assert "\x1b" not in text and "PASS" in text
    child.send("q")
    child.expect(pexpect.EOF)


def test_screen_of_80_by_24_holds_it_all(folder: Path) -> None:
    """From the module's name in the first row to the keys in the last but one."""
    tmux = ["tmux", "-L", f"watch-{os.getpid()}", "-f", "/dev/null"]
    words = " ".join([*DRIVER, str(folder)])
    session = [*tmux, "new-session", "-d", "-x", "80", "-y", "24"]
    env = environ("xterm-256color", LC_ALL="C.UTF-8")
    script = f"{' '.join(tmux)} wait-for -S graded"
    hook = f"({words}) ; {script}"
    try:
        subprocess.run([*session, hook], check=True, env=env, timeout=PATIENCE_S)
        subprocess.run([*tmux, "set", "-g", "remain-on-exit", "on"], check=True)
        subprocess.run([*tmux, "send-keys", "hq"], check=True)
        subprocess.run([*tmux, "wait-for", "graded"], check=True, timeout=PATIENCE_S)
        pane = subprocess.run(
            [*tmux, "capture-pane", "-p", "-S", "-24"], capture_output=True, check=True
        )
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    rows = pane.stdout.decode().split("\n")
    top = next(i for i, row in enumerate(rows) if row.startswith("Module first"))
    keys = next(i for i, row in enumerate(rows) if "q quit" in row)
    assert keys - top < 23


# ---- the terminal is given back ----------------------------------------------------------


def ended(folder: Path, how: str) -> tuple[list[object], list[object], int]:
    """Terminal settings before and after a watch that ends in that way, and its status."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with subprocess.Popen(
        [*DRIVER, str(folder)],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ("dumb"),
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "q quit" in line)
        assert termios.tcgetattr(theirs) != before
        if how == "q":
            os.write(ours, b"q")
        elif how == "fault":
            (folder / "first" / "experiments.c").write_text("broken\n")
        else:
            process.send_signal(signal.Signals[how])
        process.stdout.read()
        status = process.wait(PATIENCE_S)
    after = termios.tcgetattr(theirs)
    os.close(ours)
    os.close(theirs)
    return before, after, status


@pytest.mark.parametrize(
    ("how", "status"),
    [("q", 0), ("SIGINT", 0), ("SIGTERM", 143), ("SIGHUP", 129), ("fault", 1)],
)
def test_terminal_is_as_before(folder: Path, how: str, status: int) -> None:
    """Echo and line editing are back, whatever ended the watch."""
    before, after, seen = ended(folder, how)
    assert after == before
    assert seen == status


def test_end_of_input_ends_the_watch(folder: Path) -> None:
    """Without a keyboard there is nobody to stop it later."""
    words = [*DRIVER, str(folder)]
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environ("dumb", PYTHONIOENCODING="ascii"),
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout.isascii() and b"q quit" in done.stdout


def test_folder_that_is_missing_is_one_line(folder: Path) -> None:
    (folder / "first" / "experiments.c").unlink()
    (folder / "first").rmdir()
    words = [*DRIVER, str(folder)]
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, env=environ("dumb"), text=True
    )
    assert done.returncode == 1
    assert re.fullmatch(r"grader: \S+/first cannot be watched: .*\.\n", done.stderr)


# ---- the brief report --------------------------------------------------------------------


@pytest.mark.parametrize("height", [5, 12, 16, 21, 40])
@pytest.mark.parametrize("name", ["passing", "blocking", "hostile"])
def test_brief_report_is_never_higher_than_the_screen(name: str, height: int) -> None:
    """The head stays; on a screen of 24 rows the cause does, too."""
    result = getattr(samples, name)()
    text = brief.render(result, samples.passing(), colour=False, width=80, height=height)
    assert text.count("\n") <= height
    assert text.startswith("Module 0.5")
    assert max(len(line) for line in text.splitlines()) <= 80
    if height >= 21 and result.diagnoses:
        assert result.diagnoses[0].text.title in text and result.diagnoses[0].text.next[:20] in text


def test_losses_come_first_then_the_largest_gains() -> None:
    """What was broken by this save must not hide behind what it mended."""
    before, after = samples.blocking(), samples.passing()
    worse = replace(after.checks[0], points=3)
    moved = replace(after, checks=(worse, *after.checks[1:]))
    gains = ["+40  Works", "+25  The console", "+25  Takes"]
    seen = brief.changes(moved, before)
    assert seen[0] == "-7  Compiles without warnings"
    assert [change[:4] for change in seen[1:]] == [gain[:4] for gain in gains]


def test_small_screen_counts_what_it_leaves_out() -> None:
    """Failed checks come before passed ones."""
    text = brief.render(samples.blocking(), None, colour=False, width=80, height=13)
    assert "1 of 5 checks pass, 2 more do not" in text
    assert "Compiles" not in text and "The console shows" in text
