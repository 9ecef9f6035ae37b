"""The virtual clock, on small programs of their own (tests/clock_programs/*.c).

Each program is compiled once, run through grader.execute, and must show the same exact
times whatever the machine is doing: no test here looks at real time.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grader.clock import MOST_POLLS, NEVER, REQUEST, Clock, Flag, Kind, Reply
from grader.execute import Command, Limits, NoBox, run_on_virtual_clock
from grader.parts import package_flags, virtual_clock
from grader.records import Exit, Run, Wait

PROGRAMS = Path(__file__).parent / "clock_programs"
REFERENCE = Path(__file__).parent.parent / "solutions" / "0.5-gather" / "experiments.c"
HEADERS = REFERENCE.parents[2] / "modules" / "0.5-gather"
SANITIZE = ("-fsanitize=address,undefined",)
SANITIZED = ("leak", "threads")

RunProgram = Callable[..., Run]


def _compile(source: Path, target: Path, *flags: str) -> None:
    packages = [*package_flags(("gio-2.0", "check"), "--cflags")]
    libraries = package_flags(("gio-2.0", "check"), "--libs")
    command = ["gcc", "-g", "-O1", "-w", f"-I{HEADERS}", *flags, *packages]
    subprocess.run([*command, str(source), "-o", str(target), *libraries], check=True)


@pytest.fixture(scope="session")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all programs, and some sanitized as `asan-<name>`."""
    folder = tmp_path_factory.mktemp("clock")
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(_compile, REFERENCE, folder / "reference")]
        for source in PROGRAMS.glob("*.c"):
            jobs.append(pool.submit(_compile, source, folder / source.stem))
        for name in SANITIZED:
            target = folder / f"asan-{name}"
            jobs.append(pool.submit(_compile, PROGRAMS / f"{name}.c", target, *SANITIZE))
        static = ("-static", "-x", "c")
        bare = folder / "bare.c"
        bare.write_text('#include <stdio.h>\nint main (void) { puts ("bare"); return 0; }\n')
        jobs.append(pool.submit(_compile_bare, bare, folder / "static", *static))
    for job in jobs:
        job.result()
    return folder


def _compile_bare(source: Path, target: Path, *flags: str) -> None:
    subprocess.run(["gcc", *flags, str(source), "-o", str(target)], check=True)


@pytest.fixture
def run(binaries: Path, tmp_path: Path) -> RunProgram:
    """Runs one of the programs on the virtual clock."""

    def run_one(name: str, *arguments: str, limits: Limits | None = None) -> Run:
        source = "experiments.c" if name == "reference" else name.removeprefix("asan-") + ".c"
        command = Command((str(binaries / name), *arguments), tmp_path, {"PATH": os.defpath})
        return run_on_virtual_clock(
            command,
            limits or Limits(wall_s=60.0, cpu_s=20.0),
            box=NoBox(),
            vclock=virtual_clock(),
            source_name=source,
        )

    return run_one


def _timed(run: Run) -> list[tuple[float, str]]:
    return [(line.time_s, line.text) for line in run.stdout]


def _exact(run: Run) -> Run:
    assert (run.exactness, run.reason) == ("exact", "")
    return run


def _waits_of_main(run: Run) -> list[Wait]:
    return [wait for wait in run.waits if wait.thread == 0 and wait.process == 0]


# ---- GLib on one thread -------------------------------------------------------------------


def test_the_reference_takes_exactly_three_seconds(run: RunProgram) -> None:
    result = _exact(run("reference"))
    assert result.elapsed_s == 3.0
    assert [time_s for time_s, _ in _timed(result)] == [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 3.0]
    assert result.exit == Exit(status=0)
    assert all(wait.by_loop and not wait.in_dispatch for wait in result.waits)
    assert result.loops_alive == 0


def test_sleeps_are_named_as_the_student_wrote_them(run: RunProgram) -> None:
    result = _exact(run("sleep_in_sequence"))
    assert _timed(result) == [(1.0, "slept 1"), (3.0, "slept 2"), (6.0, "slept 3")]
    assert [(w.call, w.asked_s, w.site and w.site.function) for w in result.waits] == [
        ("g_usleep", 1.0, "main"),
        ("g_usleep", 2.0, "main"),
        ("g_usleep", 3.0, "main"),
    ]


def test_a_blocking_callback_is_found_with_its_line(run: RunProgram) -> None:
    result = _exact(run("blocking_callback"))
    blocked = [wait for wait in result.waits if wait.in_dispatch]
    lines = (PROGRAMS / "blocking_callback.c").read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "BLOCKS HERE" in text)
    assert len(blocked) == 1
    assert (blocked[0].call, blocked[0].start_s, blocked[0].end_s) == ("sleep", 0.35, 2.35)
    assert blocked[0].site is not None
    assert (blocked[0].site.function, blocked[0].site.line) == ("block", line)
    assert blocked[0].loop_depth == 1
    assert result.loops_alive == 1


def test_nested_loops_are_counted(run: RunProgram) -> None:
    result = _exact(run("nested_loops"))
    assert _timed(result) == [(1.5, "inner done"), (1.5, "outer done")]
    lengths = [(wait.loop_depth, wait.start_s, wait.end_s) for wait in result.waits]
    assert lengths == [(1, 0.0, 0.5), (2, 0.5, 0.5), (2, 0.5, 1.5)]  # its beginning, its wait


def test_an_inner_loop_is_traced_even_if_it_takes_no_time(run: RunProgram) -> None:
    result = _exact(run("inner_loop_for_the_killed"))
    assert _timed(result) == [(1.0, "dead")]
    assert [(wait.loop_depth, wait.end_s) for wait in result.waits][:2] == [(1, 1.0), (2, 1.0)]
    assert result.waits[1].site is not None
    assert result.waits[1].site.function == "kill_and_wait"
    assert all(wait.by_loop for wait in result.waits)


def test_a_thousand_timers_of_up_to_an_hour(run: RunProgram) -> None:
    result = _exact(run("many_timers", "1000", limits=Limits(wall_s=60.0, virtual_s=4000.0)))
    assert result.elapsed_s == 3600.0
    assert result.exit == Exit(status=0)


@pytest.mark.parametrize(
    ("name", "call"), [("spin_on_clock", "g_get_monotonic_time"), ("spin_on_loop", "poll")]
)
def test_a_spin_ends_and_is_on_record(run: RunProgram, name: str, call: str) -> None:
    result = _exact(run(name))
    assert result.exit == Exit(status=0)
    assert 3.0 <= result.elapsed_s <= 3.1
    assert [(spin.call, spin.start_s) for spin in result.spins] == [(call, 0.0)]
    assert result.spins[0].site is not None and result.spins[0].site.function == "main"
    assert result.spins[0].reads > 2000


# ---- Threads ------------------------------------------------------------------------------


def test_threads_sleep_at_the_same_time(run: RunProgram) -> None:
    result = _exact(run("threads"))
    assert _timed(result) == [
        (1.0, "thread 1"),
        (1.5, "task 42"),
        (2.0, "thread 2"),
        (3.0, "thread 3"),
        (3.0, "joined"),
    ]
    assert sum(one.kind == "thread" for one in result.started) >= 4
    assert not any(wait.in_dispatch for wait in result.waits)


def test_condition_variables_of_glib(run: RunProgram) -> None:
    result = _exact(run("gcond"))
    assert _timed(result) == [(1.0, "ready 1"), (3.0, "timeout")]
    assert [w.call for w in _waits_of_main(result)] == ["g_cond_wait_until", "g_cond_wait_until"]


def test_synchronisation_of_libc(run: RunProgram) -> None:
    assert _timed(_exact(run("pthreads"))) == [
        (1.0, "rwlock 0"),
        (2.0, "cond 0"),
        (2.25, "timedwait 1"),
        (2.5, "timedwait 1"),
        (2.7, "sem_timedwait 1"),
        (3.0, "sem_wait 0"),
        (3.0, "join 1"),
    ]


def test_whoever_is_woken_goes_on_at_once(run: RunProgram) -> None:
    """Who waits to be woken is left alone until somebody has woken: then he must be asked."""
    assert _timed(_exact(run("woken"))) == [(2.0, "answer 1"), (4.0, "answer 2")]


def test_the_run_is_over_with_the_program(run: RunProgram) -> None:
    """A child that it leaves behind does not make it longer."""
    seen = run("leaves_a_child")
    assert (seen.exit, seen.elapsed_s) == (Exit(status=0), 1.0)


def test_whoever_is_killed_dies_at_once(run: RunProgram) -> None:
    """However long the kernel takes to bury the one, when the other is gone already."""
    assert _timed(_exact(run("kills_two"))) == [(1.0, "large"), (1.0, "small")]


def test_polling_for_a_few_seconds_is_seen_to_its_end(run: RunProgram) -> None:
    assert _timed(_exact(run("polls", "3"))) == [(3.0, "time is up")]


def test_polling_for_an_hour_is_stopped(run: RunProgram) -> None:
    """It would take as long as all else in a grade together."""
    seen = run("polls", "3600")
    assert (seen.exit.stopped, [stop.reason for stop in seen.stops]) == ("polling", ["polling"])
    assert seen.elapsed_s == MOST_POLLS / 1000


def test_five_hundred_threads(run: RunProgram) -> None:
    assert _timed(_exact(run("many_threads", "10"))) == [(0.49, "done")]


def test_the_first_thread_may_leave_and_others_be_cancelled(run: RunProgram) -> None:
    assert _timed(_exact(run("first_thread_leaves"))) == [(1.0, "cancelled 1")]


def test_a_spin_on_a_flag_is_inexact_but_ends(run: RunProgram) -> None:
    result = run("flag")
    assert [line.text for line in result.stdout] == ["seen"]
    assert result.exactness == "inexact"
    assert "computes" in result.reason


# ---- File descriptors, timers, signals ----------------------------------------------------


def test_epoll_and_select(run: RunProgram) -> None:
    assert _timed(_exact(run("descriptors"))) == [
        (0.5, "epoll 0"),
        (1.0, "epoll 1"),
        (2.0, "select 1 left 4.000000"),
        (4.000005, "select 0 left 0.000000"),
    ]


def test_timers_of_the_kernel(run: RunProgram) -> None:
    result = _exact(run("timers"))
    assert _timed(result) == [
        (1.0, "poll 1"),
        (2.0, "expired 3"),
        (2.5, "expired 1"),
        (4.5, "left 8"),
        (7.4, "interrupted 1"),
        (7.4, "alarms 5"),
    ]
    assert result.elapsed_s == 8.4
    assert result.exit == Exit(signal=14)


def test_signals_interrupt_waits(run: RunProgram) -> None:
    assert _timed(_exact(run("signals"))) == [
        (1.0, "poll 1"),
        (1.0, "killed 9"),
        (2.0, "sleep left 9"),
    ]


def test_signals_can_be_waited_for(run: RunProgram) -> None:
    assert _timed(_exact(run("signals_awaited"))) == [
        (1.0, "sigwait 14"),
        (2.0, "poll 1"),
        (2.0, "signalfd 14"),
    ]


def test_who_closes_everything_stays_on_the_clock(run: RunProgram) -> None:
    assert _timed(_exact(run("close_all"))) == [(1.0, "slept")]


def test_input_from_outside_comes_in_real_time(run: RunProgram, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def write() -> None:  # returns from open() when the program has opened its end
        with open(fifo, "w", encoding="ascii") as stream:
            stream.write("from outside\n")

    writer = threading.Thread(target=write)
    writer.start()
    result = run("fifo", str(fifo))
    writer.join()
    assert [line.text for line in result.stdout] == ["waiting 2", "got from outside"]
    assert result.exit == Exit(status=0)


# ---- Child processes ----------------------------------------------------------------------


def test_children_run_on_the_same_clock(run: RunProgram) -> None:
    result = _exact(run("children"))
    assert _timed(result) == [
        (1.0, "subprocess 1"),
        (2.0, "subprocess 2"),
        (3.0, "subprocess 3"),
        (4.0, "spawn_sync out"),
        (5.0, "system 7"),
        (6.0, "popen piped"),
        (6.0, "pclose 3"),
        (7.0, "fork 5"),
    ]
    assert {one.process for one in result.started if one.kind == "process"} >= {0}


def test_children_in_other_ways(run: RunProgram) -> None:
    assert _timed(_exact(run("children_more"))) == [
        (2.0, "watched 4"),
        (4.0, "communicated got hello"),
        (5.0, "spawned 0"),
        (6.0, "vfork 9"),
        (7.0, "b"),
        (7.0, "to cat"),
        (8.0, "pclose 0"),
    ]


def test_a_subprocess_needs_no_copy_of_its_parent(run: RunProgram) -> None:
    """Unless there is a file to be closed in it, or one to be merged, or nothing to be run."""
    assert _timed(_exact(run("subprocesses"))) == [
        (1.0, "forks: 1, file: closed"),
        (2.0, "forks: 1, file: closed"),
        (2.0, "merged: out"),
        (2.0, "error"),
        (2.0, "missing: 1"),
    ]


def test_children_whose_end_no_signal_tells(run: RunProgram) -> None:
    assert _timed(_exact(run("child_unheard"))) == [(2.0, "status 2"), (5.0, "status 5")]


def test_check_in_fork_mode(run: RunProgram) -> None:
    result = _exact(run("check_suite", limits=Limits(wall_s=60.0, virtual_s=10.0)))
    text = "\n".join(line.text for line in result.stdout)
    assert re.findall(r":([PEF]):clock:(\w+):", text) == [
        ("P", "passes"),
        ("E", "is_stuck"),
        ("E", "never_ends"),
        ("E", "crashes"),
        ("P", "leaves"),
        ("F", "fails"),
    ]
    assert [(stop.time_s, stop.process, stop.reason) for stop in result.stops] == [
        (3.0, 2, "stuck"),
        (13.0, 3, "virtual limit"),
    ]
    assert result.exit == Exit(status=4)


# ---- Programs that do not end -------------------------------------------------------------


def test_a_loop_that_nobody_quits_is_stuck_at_once(run: RunProgram) -> None:
    result = _exact(run("stuck_loop"))
    assert result.exit == Exit(stopped="stuck")
    assert result.elapsed_s == 0.0
    assert result.waits[-1].by_loop and result.waits[-1].asked_s is None


def test_a_deadlock_is_stuck_at_once(run: RunProgram) -> None:
    result = _exact(run("deadlock"))
    assert result.exit == Exit(stopped="stuck")
    held = [wait for wait in result.waits if wait.asked_s is None]
    assert {(wait.thread, wait.site and wait.site.function) for wait in held} >= {
        (0, "main"),
        (1, "run"),
    }


def test_an_endless_program_reaches_its_limit(run: RunProgram) -> None:
    result = _exact(run("endless", limits=Limits(wall_s=60.0, virtual_s=100.0)))
    assert result.exit == Exit(stopped="virtual limit")
    assert result.elapsed_s == 100.0


# ---- Programs that evade the clock --------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("static", "the program is statically linked"),
        ("own_clock", "the program defines its own sleep()"),
        ("raw_syscall", "the program calls the kernel without libc"),
    ],
)
def test_evasion_is_not_measured(run: RunProgram, name: str, reason: str) -> None:
    result = run(name)
    assert (result.exactness, result.reason) == ("not measured", reason)


def test_meddling_with_the_channel_harms_only_the_program(run: RunProgram) -> None:
    result = run("meddle")
    assert result.exactness == "inexact"
    assert "meddled" in result.reason


# ---- Sanitizers ---------------------------------------------------------------------------


def test_a_leak_is_found_under_the_clock(run: RunProgram) -> None:
    result = _exact(run("asan-leak"))
    assert result.elapsed_s == 1.0
    assert any("10 byte(s)" in line.text for line in result.stderr)
    assert result.exit == Exit(status=1)


def test_sanitized_threads_keep_the_same_times(run: RunProgram) -> None:
    result = _exact(run("asan-threads"))
    assert [time_s for time_s, _ in _timed(result)] == [1.0, 1.5, 2.0, 3.0, 3.0]
    assert result.exit == Exit(status=0)


# ---- Determinism --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["reference", "threads", "gcond", "pthreads", "timers"])
def test_every_run_has_the_same_trace(run: RunProgram, name: str) -> None:
    first = run(name)
    for _ in range(5):
        again = run(name)
        assert again.waits == first.waits
        assert again.stdout == first.stdout
        assert (again.elapsed_s, again.exit) == (first.elapsed_s, first.exit)


# ---- The server alone ---------------------------------------------------------------------


class FakeHost:
    """Stands in for the run: remembers what it was told, and calls nobody."""

    def __init__(self) -> None:
        self.stopped: list[str] = []
        self.readable: dict[int, Callable[[], None]] = {}

    def drain(self) -> None:
        return

    def stop(self, reason: str) -> None:
        self.stopped.append(reason)

    def watch_fd(self, fd: int, on_readable: Callable[[], None]) -> None:
        self.readable[fd] = on_readable

    def forget_fd(self, fd: int) -> None:
        del self.readable[fd]


def _request(kind: Kind, flags: int = 0, deadline_ns: int = NEVER, asked_ns: int = -1) -> bytes:
    return REQUEST.pack(
        kind, flags, deadline_ns, asked_ns, 0, 1, 1, 0, 0, *[0] * 10, b"nanosleep", b""
    )


@pytest.fixture
def served() -> tuple[Clock, FakeHost, socket.socket]:
    """A clock with one thread, played by the test through the other end of its channel."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.settimeout(5)
    host = FakeHost()
    return Clock(ours, 10_000_000_000, host), host, theirs


def _ask(host: FakeHost, theirs: socket.socket, request: bytes) -> bytes:
    theirs.send(request)
    for on_readable in list(host.readable.values()):
        on_readable()
    return theirs.recv(64)


def test_server_jumps_to_the_deadline(served: tuple[Clock, FakeHost, socket.socket]) -> None:
    clock, host, theirs = served
    _ask(host, theirs, _request(Kind.HELLO, Flag.EXECUTED))
    reply = _ask(host, theirs, _request(Kind.BLOCK, 0, 2_500_000_000, 2_500_000_000))
    assert reply[0] == Reply.TIME_IS_UP
    assert clock.now_s == 2.5
    clock.close()
    assert [(wait.start_s, wait.asked_s) for wait, _ in clock.waits] == [(0.0, 2.5)]
    theirs.close()


def test_server_stops_who_waits_for_ever(served: tuple[Clock, FakeHost, socket.socket]) -> None:
    clock, host, theirs = served
    _ask(host, theirs, _request(Kind.HELLO, Flag.EXECUTED))
    reply = _ask(host, theirs, _request(Kind.BLOCK))
    assert reply[0] == Reply.EXPLAIN
    theirs.send(_request(Kind.BLOCK, Flag.RETRY))
    for on_readable in list(host.readable.values()):
        on_readable()
    assert host.stopped == ["stuck"]
    clock.close()
    theirs.close()


@pytest.mark.parametrize("noticed", ["its end", "the end of the run"])
def test_server_hears_out_who_is_dead(noticed: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    host, channel = FakeHost(), ours.fileno()
    clock = Clock(ours, 10_000_000_000, host)
    _ask(host, theirs, _request(Kind.HELLO, Flag.EXECUTED))
    for _ in range(3):
        theirs.send(_request(Kind.INNER_LOOP))
    if noticed == "its end":
        (pidfd,) = set(host.readable) - {channel}
        host.readable[pidfd]()
    clock.close()
    theirs.close()
    assert len(clock.waits) == 3


@pytest.mark.parametrize("junk", [b"x", b"\xff" * REQUEST.size, bytes(REQUEST.size)])
def test_server_survives_junk(served: tuple[Clock, FakeHost, socket.socket], junk: bytes) -> None:
    clock, host, theirs = served
    theirs.send(junk)
    for on_readable in list(host.readable.values()):
        on_readable()
    assert clock.exactness == "inexact"
    clock.close()
    theirs.close()
