"""Runs on the wall clock: streams, limits, and that nothing is left behind.

The programs are shell commands.  No test asserts how long anything takes.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from grader.execute import (
    LONGEST_LINE_BYTES,
    Command,
    Limits,
    LineReader,
    NoBox,
    Session,
    Spawn,
    run_on_wall_clock,
)
from grader.records import Exit, GraderError, OutputLine, Run

Shell = Callable[..., Run]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Runs a shell command on the wall clock."""

    def run(script: str, stdin: bytes = b"", limits: Limits | None = None) -> Run:
        command = Command(("/bin/sh", "-c", script), tmp_path, {"PATH": os.defpath}, stdin)
        return run_on_wall_clock(command, limits or Limits(wall_s=60.0), box=NoBox())

    return run


def _texts(lines: Sequence[OutputLine]) -> list[str]:
    return [line.text for line in lines]


def test_streams_are_kept_apart(shell: Shell) -> None:
    run = shell("echo out; echo err >&2; echo rep >/dev/fd/$REPORT_FD")
    assert (_texts(run.stdout), _texts(run.stderr), _texts(run.report)) == (
        ["out"],
        ["err"],
        ["rep"],
    )
    assert run.exit == Exit(status=0)
    assert (run.clock, run.exactness) == ("wall", "exact")


def test_stdout_is_a_terminal_that_changes_nothing(shell: Shell) -> None:
    run = shell("test -t 1 && echo terminal; printf 'a\\r\\tb\\n'; stty size <&1")
    assert _texts(run.stdout) == ["terminal", "a\r\tb", "24 80"]


def test_lines_are_stamped_in_order(shell: Shell) -> None:
    run = shell("echo one; echo two; printf three")
    times = [line.time_s for line in run.stdout]
    assert _texts(run.stdout) == ["one", "two", "three"]
    assert times == sorted(times)
    assert 0 < times[0] and times[-1] <= run.elapsed_s


def test_what_was_written_last_is_stamped_before_the_end() -> None:
    ours, theirs = os.pipe()
    pidfd = os.pidfd_open(os.getpid())
    clock = itertools.count()
    reader = LineReader("stdout", ours, 1 << 20, None)
    tree = MagicMock(pidfd=pidfd)
    session = Session(tree, Limits(), (reader,), lambda: float(next(clock)))
    session.watch_fd(pidfd, session._on_end)
    os.write(theirs, b"last\n")
    session._on_end()
    assert [line.text for line in reader.lines] == ["last"]
    assert reader.lines[0].time_s < session.ended_s
    session.written.close()
    session.selector.close()
    for fd in (ours, theirs, pidfd):
        os.close(fd)


def test_lines_are_reported_as_they_come(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []
    command = Command(("/bin/sh", "-c", "echo a; echo b >&2"), tmp_path, {"PATH": os.defpath})
    run_on_wall_clock(
        command,
        Limits(),
        box=NoBox(),
        on_line=lambda stream, line: seen.append((stream, line.text)),
    )
    assert sorted(seen) == [("stderr", "b"), ("stdout", "a")]


def test_it_is_known_who_takes_what_is_on_stdin(shell: Shell) -> None:
    """Nobody is asked: what is left in the pipe tells."""
    assert shell("read line", stdin=b"\n").read_stdin
    assert not shell("exec true", stdin=b"\n").read_stdin
    assert not shell("exec true").read_stdin


def test_stdin_is_given_then_ends(shell: Shell) -> None:
    data = b"".join(b"line %d\n" % i for i in range(20_000))
    run = shell("wc -l; cat", stdin=data)
    assert _texts(run.stdout) == ["20000"]


def test_a_program_need_not_read_its_input(shell: Shell) -> None:
    assert shell("exec true", stdin=b"x" * 1_000_000).exit == Exit(status=0)


@pytest.mark.parametrize(
    ("script", "ended"),
    [
        ("exit 3", Exit(status=3)),
        ("kill -SEGV $$", Exit(signal=11)),
        ("kill -KILL $$", Exit(signal=9)),
    ],
)
def test_how_it_ended(shell: Shell, script: str, ended: Exit) -> None:
    assert shell(script).exit == ended


@pytest.mark.parametrize(
    ("script", "limits", "reason"),
    [
        ("sleep 1000", Limits(wall_s=0.2), "wall limit"),
        ("while :; do :; done", Limits(wall_s=60.0, cpu_s=0.2), "cpu limit"),
        ("exec yes", Limits(wall_s=60.0, output_bytes=1 << 16), "output limit"),
        ("exec yes >file", Limits(wall_s=60.0, file_bytes=1 << 16), "file size limit"),
        (
            "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait",
            Limits(wall_s=60.0, processes=4),
            "process limit",
        ),
        (
            f"exec {sys.executable} -c 'import time; x = bytearray(200 << 20); time.sleep(1000)'",
            Limits(wall_s=60.0, memory_bytes=100 << 20),
            "memory limit",
        ),
    ],
)
def test_limits_hold(shell: Shell, script: str, limits: Limits, reason: str) -> None:
    run = shell(f"echo before; {script}", limits=limits)
    assert run.exit == Exit(stopped=reason)
    assert _texts(run.stdout)[0] == "before"


def test_open_files_are_limited(shell: Shell) -> None:
    assert _texts(shell("ulimit -n", limits=Limits(open_files=40)).stdout) == ["40"]


def test_no_grandchild_survives(shell: Shell, tmp_path: Path) -> None:
    run = shell(
        "(setsid sh -c 'echo $$ >pid; exec sleep 1000' >/dev/null 2>&1 &); "
        "until test -s pid; do :; done"
    )
    assert run.exit == Exit(status=0)
    pid = (tmp_path / "pid").read_text().strip()
    assert not _is_alive(pid)


def test_nothing_hides_by_starting_programs(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "again").write_text("exec /bin/sh $0\n")
    for _ in range(30):  # a sweep that takes `exec` for the end misses one in eight
        run = shell(
            "rm -f pid; (setsid sh -c 'echo $$ >pid; exec sh ./again' >/dev/null 2>&1 &); "
            "until test -s pid; do :; done"
        )
        assert run.exit == Exit(status=0)
        assert not _is_alive((tmp_path / "pid").read_text().strip())


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_runs_in_threads_do_not_meet(tmp_path: Path) -> None:
    def run(number: int) -> Run:
        argv = ("/bin/sh", "-c", f"echo {number}; exit {number}")
        command = Command(argv, tmp_path, {"PATH": os.defpath})
        return run_on_wall_clock(command, Limits(wall_s=60.0), box=NoBox())

    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(run, range(20)))
    assert [run.exit.status for run in runs] == list(range(20))
    assert [_texts(run.stdout) for run in runs] == [[str(n)] for n in range(20)]


def test_what_cannot_be_started_is_the_graders_fault(tmp_path: Path) -> None:
    class NoSuchBox(NoBox):
        def wrap(
            self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, pass_fds: Sequence[int]
        ) -> Spawn:
            return Spawn(["/nonexistent/box", *argv], env, cwd, pass_fds)

    with pytest.raises(GraderError, match="cannot start /nonexistent/box"):
        run_on_wall_clock(Command(("true",), tmp_path, {}), Limits(), box=NoSuchBox())


def test_signals_are_told_from_a_boxs_exit_status(tmp_path: Path) -> None:
    class ShellLikeBox(NoBox):
        shell_status = True

    command = Command(("/bin/sh", "-c", "exit 139"), tmp_path, {"PATH": os.defpath})
    assert run_on_wall_clock(command, Limits(), box=ShellLikeBox()).exit == Exit(signal=11)


# ---- Reading lines ------------------------------------------------------------------------


def _read(data: bytes, limit_bytes: int) -> LineReader:
    ours, theirs = os.pipe()
    reader = LineReader("stdout", ours, limit_bytes, None)
    for start in range(0, len(data), 4096):
        os.write(theirs, data[start : start + 4096])
        reader.drain(start)
    os.close(theirs)
    reader.drain(len(data))
    reader.finish()
    return reader


def test_head_and_tail_are_kept_of_too_much() -> None:
    reader = _read(b"".join(b"%05d\n" % i for i in range(1000)), 1200)
    assert [line.text for line in reader.lines] == [
        *(f"{i:05d}" for i in range(100)),
        *(f"{i:05d}" for i in range(900, 1000)),
    ]
    assert reader.cut_bytes == 800 * 6


def test_a_line_without_end_is_cut() -> None:
    reader = _read(b"x" * (LONGEST_LINE_BYTES + 100), 1 << 20)
    assert [len(line.text) for line in reader.lines] == [LONGEST_LINE_BYTES]
    assert reader.cut_bytes == 100


def test_broken_utf8_is_shown() -> None:
    assert [line.text for line in _read(b"a\xffb\n\n", 1 << 10).lines] == ["a\ufffdb", ""]
