"""Runs one program, once, on one clock: the part of `observe` that touches processes.

    observe --Command, Limits--> execute --Run--> observe

On the wall clock the program writes to a pseudo-terminal, as it would for the student, and
every line is stamped with the grader's monotonic clock.  On the virtual clock (clock.py) it
writes to pipes and every line is stamped with the simulated time.  Nothing here judges.

Each run has its own session, limits and file descriptors, and no state is shared, so that
several runs may go on in threads of one grader.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

from grader.clock import NS_PER_S, Clock, Sites
from grader.elf import ELF_ERRORS, Elf
from grader.evasion import find_evasion
from grader.records import Exit, GraderError, OutputLine, Run, Site, Spin, Started, Wait

OnLine = Callable[[str, OutputLine], None]  # stream ("stdout", "stderr", "report"), line
Traced = TypeVar("Traced", Wait, Started, Spin)

READ_BYTES = 1 << 16
LONGEST_LINE_BYTES = 1 << 16
FLOOD_FACTOR = 16  # how far beyond the output limit a program may go before it is stopped
EVADING_S = 10.0  # of real time, for a program that the virtual clock cannot measure
PIPE_BYTES = 1 << 20
POLL_S = 0.05  # how often memory and processor time of the tree are looked at
LOOK_PART = 20  # the look itself may take one part in so many of the time
TERMINAL_ROWS, TERMINAL_COLUMNS = 24, 80
BOX_TASKS = 4  # bubblewrap's own: the kernel, where it counts, leaves out those around the box
CLOCK_FILES = 512  # descriptors for the virtual clock, one per thread
SWEEPS = 1000  # how often what a run left behind is looked for, until there is nothing
PF_EXITING, PF_KTHREAD = 0x4, 0x200000  # flags in /proc/PID/stat: include/linux/sched.h
FRAME = "contract_"  # how the functions of harness.c begin
RUN_MARK = "GRADER_RUN"  # the environment variable that marks the processes of one run


@dataclass(frozen=True)
class Limits:
    """What one run may use.  The sandbox may hold it to less."""

    wall_s: float = 10.0
    cpu_s: float = 5.0  # of all processes together
    process_cpu_s: float = 60.0  # of each of them
    memory_bytes: int = 512 << 20  # resident, of all processes together
    processes: int = 64  # processes and threads at a time
    open_files: int = 64
    file_bytes: int = 16 << 20
    output_bytes: int = 1 << 20  # kept of each stream, half of its head and half of its tail
    virtual_s: float = 600.0  # virtual time, per process, since its own start


@dataclass(frozen=True)
class Command:
    """A program, and all that it is given."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    stdin: bytes = b""


@dataclass(frozen=True)
class Spawn:
    """What to hand to the operating system so that a command runs in its box."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path | None
    pass_fds: Sequence[int]


class Box(Protocol):
    """A sandbox, as far as a run must know it."""

    @property
    def contains(self) -> bool:
        """When the spawned process dies, the box leaves none of its descendants alive."""

    @property
    def own_user(self) -> bool:
        """The program's user id is used by nobody else, so that processes can be counted by it."""

    @property
    def shell_status(self) -> bool:
        """Death by signal N is reported as exit status 128 + N."""

    def wrap(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, pass_fds: Sequence[int]
    ) -> Spawn:
        """`argv` and `env` as the program must see them; `pass_fds` keep their numbers."""


class NoBox:
    """Runs the student's own program with limits but without walls."""

    contains = False
    own_user = False
    shell_status = False

    def wrap(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, pass_fds: Sequence[int]
    ) -> Spawn:
        return Spawn(argv, env, cwd, pass_fds)


# ---- Output: stamped lines, bounded -------------------------------------------------------


class LineReader:
    """Cuts one stream into stamped lines; keeps the head and the tail of too much output."""

    def __init__(self, name: str, fd: int, limit_bytes: int, on_line: OnLine | None) -> None:
        os.set_blocking(fd, False)
        self.name, self.fd, self.open = name, fd, True
        self.cut_bytes = 0
        self._half_bytes = limit_bytes // 2
        self._flood_bytes = limit_bytes * FLOOD_FACTOR
        self._on_line = on_line
        self._seen_bytes = self._head_bytes = self._tail_bytes = 0
        self._head: list[OutputLine] = []
        self._tail: deque[tuple[int, OutputLine]] = deque()
        self._partial = b""
        self._partial_s = 0.0

    @property
    def flooded(self) -> bool:
        """So much was written that the program must be stopped."""
        return self._seen_bytes > self._flood_bytes

    @property
    def lines(self) -> tuple[OutputLine, ...]:
        return (*self._head, *(line for _, line in self._tail))

    def drain(self, now_s: float) -> None:
        """Reads all that is there without waiting."""
        while self.open and not self.flooded:
            try:
                data = os.read(self.fd, READ_BYTES)
            except BlockingIOError:
                return
            self.open = bool(data)
            self._take(data, now_s)

    def finish(self) -> None:
        """Counts a last line that has no newline."""
        if self._partial:
            self._keep(self._partial, self._partial_s)
            self._partial = b""
        os.close(self.fd)
        self.open = False

    def _take(self, data: bytes, now_s: float) -> None:
        self._seen_bytes += len(data)
        *whole, rest = (self._partial + data).split(b"\n")
        for raw in whole:
            self._keep(self._cut(raw), now_s)
        if data:
            self._partial, self._partial_s = self._cut(rest), now_s

    def _cut(self, raw: bytes) -> bytes:
        self.cut_bytes += max(0, len(raw) - LONGEST_LINE_BYTES)
        return raw[:LONGEST_LINE_BYTES]

    def _keep(self, raw: bytes, time_s: float) -> None:
        line = OutputLine(time_s, raw.decode("utf-8", "replace"))
        size = len(raw) + 1
        if not self._tail and self._head_bytes + size <= self._half_bytes:
            self._head.append(line)
            self._head_bytes += size
        else:
            self._keep_at_the_end(line, size)
        if self._on_line:
            self._on_line(self.name, line)

    def _keep_at_the_end(self, line: OutputLine, size: int) -> None:
        self._tail.append((size, line))
        self._tail_bytes += size
        while self._tail_bytes > self._half_bytes:
            gone, _ = self._tail.popleft()
            self._tail_bytes -= gone
            self.cut_bytes += gone


# ---- Processes: one tree, limited, and gone at the end -------------------------------------


@dataclass(frozen=True)
class Usage:
    """What a tree of processes uses now."""

    cpu_s: float
    memory_bytes: int
    tasks: int


def _limited(argv: Sequence[str], limits: Limits, own_user: bool, preload: str) -> list[str]:
    """`argv` behind a shell that sets the limits: the shell is gone when the program starts."""
    blocks = limits.file_bytes // 512
    # A backstop, a little later: the tree as a whole is watched from outside.
    seconds = int(min(limits.process_cpu_s, limits.cpu_s + 2))
    script = f"ulimit -c 0; ulimit -S -t {seconds}; ulimit -H -t {seconds + 1};"
    script += f"ulimit -f {blocks};"
    if own_user:
        script += f"ulimit -p {limits.processes};"
    if preload:  # the clock's descriptors are beyond those that the program can have
        script += f"ulimit -S -n {limits.open_files};"
        script += f"ulimit -H -n {limits.open_files + CLOCK_FILES} 2>/dev/null;"
        script += 'LD_PRELOAD="$0"; export LD_PRELOAD;'
    else:
        script += f"ulimit -n {limits.open_files};"
    return ["/bin/sh", "-c", script + 'exec "$@"', preload or "sh", *argv]


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # It may end while it is looked at.
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                found += map(int, _read(f"/proc/{pid}/task/{task}/children").split())
    return found


def _read(path: str) -> bytes:
    """A small file of /proc, with no detour: a grade reads thousands."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, READ_BYTES)
    finally:
        os.close(fd)


def _usage(pid: int) -> Usage:
    """Sums over `pid` and its descendants; what has just died counts with its parent."""
    ticks = os.sysconf("SC_CLK_TCK")
    page = os.sysconf("SC_PAGE_SIZE")
    cpu_ticks = pages = tasks = 0
    todo = [pid]
    while todo:
        one = todo.pop()
        try:
            values = _read(f"/proc/{one}/stat").rpartition(b")")[2].split()
        except OSError:
            continue
        cpu_ticks += sum(map(int, values[11:15]))
        tasks += int(values[17])
        pages += int(values[21])
        todo += _children(one)
    return Usage(cpu_ticks / ticks, pages * page, tasks)


class Tree:
    """A spawned process with all that descends from it."""

    def __init__(self, spawn: Spawn, stdin: int, stdout: int, stderr: int, mark: str) -> None:
        try:
            self._popen = subprocess.Popen(
                list(spawn.argv),
                env=dict(spawn.env),
                cwd=spawn.cwd,
                pass_fds=tuple(spawn.pass_fds),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise GraderError(f"cannot start {spawn.argv[0]}: {error.strerror}") from error
        self.pid = self._popen.pid
        self.pidfd = os.pidfd_open(self.pid)
        self._mark = f"{RUN_MARK}={mark}".encode()

    def usage(self) -> Usage:
        return _usage(self.pid)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def reap(self) -> tuple[int, float]:
        """Waits for the end.  Returns the wait status, and the processor time in seconds."""
        _, status, used = os.wait4(self.pid, 0)
        self._popen.returncode = os.waitstatus_to_exitcode(status)
        os.close(self.pidfd)
        return status, used.ru_utime + used.ru_stime

    def sweep(self) -> None:
        """Kills what fled into a session of its own: it still has the mark of this run."""
        for _ in range(SWEEPS):
            if not [p for p in os.listdir("/proc") if p.isdigit() and self._is_left(int(p))]:
                return
            time.sleep(0.001)

    def _is_left(self, pid: int) -> bool:
        """Whether `pid` is of this run, and so was killed, or may still turn out to be."""
        try:
            environment = _environment(pid)
            if self._mark not in environment or pid == os.getpid():
                return not environment and _is_between_programs(pid)
            os.kill(pid, signal.SIGKILL)
        except OSError:  # ended meanwhile, or somebody else's
            return False
        return True


def _environment(pid: int) -> bytes:
    """What `pid` was started with; empty if it has no memory (any more, or yet)."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except ProcessLookupError:  # how newer kernels say so: it is there, but dying
        return b""


def _is_between_programs(pid: int) -> bool:
    """Whether its environment is only empty while it is in `exec`, or dying.

    The fields of its stat file are in proc(5): 3 state, 9 flags, 50 env_start, 51 env_end.
    """
    values = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    state, flags = values[0], int(values[6])
    env_start, env_end = int(values[47]), int(values[48])
    if state in "ZX" or flags & PF_KTHREAD:
        return False
    return flags & PF_EXITING != 0 or env_end == 0 or env_start != env_end


# ---- One run ------------------------------------------------------------------------------


@dataclass
class Session:
    """What a run watches: the tree, its streams, its limits.  One thread, one selector."""

    tree: Tree
    limits: Limits
    streams: tuple[LineReader, ...]
    now_s: Callable[[], float]  # the clock that stamps the lines
    stopped: str = ""
    over: bool = False  # the first process has ended
    ended_s: float = 0.0
    seen_cpu_s: float = 0.0  # of the tree, when its limits were last checked
    check_s: float = 0.0  # when they are to be checked again
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    written: select.epoll = field(default_factory=select.epoll)  # streams with news

    def __post_init__(self) -> None:
        for stream in self.streams:
            self.written.register(stream.fd, select.EPOLLIN)

    def drain(self) -> None:
        """Stamps all that was written up to now."""
        if ready := {fd for fd, _ in self.written.poll(0)}:
            self._read([stream for stream in self.streams if stream.fd in ready])

    def drain_all(self) -> None:
        """Stamps also what no news of has come yet: a terminal passes things on a little later."""
        self._read([stream for stream in self.streams if stream.open])

    def _read(self, streams: Sequence[LineReader]) -> None:
        now_s = self.now_s()
        for stream in streams:
            stream.drain(now_s)
            if stream.flooded:
                self.stop("output limit")
            if stream.flooded or not stream.open:
                with contextlib.suppress(FileNotFoundError):  # already
                    self.written.unregister(stream.fd)

    def stop(self, reason: str) -> None:
        """Kills the tree; the first reason counts."""
        self.stopped = self.stopped or reason
        self.tree.kill()

    def check_limits(self) -> None:
        usage = self.tree.usage()
        self.seen_cpu_s = max(self.seen_cpu_s, usage.cpu_s)
        if usage.cpu_s > self.limits.cpu_s:
            self.stop("cpu limit")
        elif usage.memory_bytes > self.limits.memory_bytes:
            self.stop("memory limit")
        elif usage.tasks > self.limits.processes + BOX_TASKS:
            self.stop("process limit")

    def watch_fd(self, fd: int, on_readable: Callable[[], None]) -> None:
        self.selector.register(fd, selectors.EVENT_READ, on_readable)

    def forget_fd(self, fd: int) -> None:
        self.selector.unregister(fd)

    def watch(self, clock: Clock | None = None) -> None:
        """Goes on until the first process has ended."""
        self.watch_fd(self.tree.pidfd, self._on_end)
        if not clock:  # which reads what was written before it lets time pass
            self.watch_fd(self.written.fileno(), self.drain)
        end_s = time.monotonic() + self.limits.wall_s
        looked_s = time.monotonic()
        while not self.over:
            patience_s = clock.patience_s if clock else POLL_S
            self._take_events(looked_s + patience_s - time.monotonic())
            now_s = time.monotonic()
            if now_s >= looked_s + patience_s:
                looked_s = now_s
                self._look(clock)
            if now_s >= end_s:
                self.stop("wall limit")

    def _take_events(self, patience_s: float) -> None:
        for key, _ in self.selector.select(max(0.0, patience_s)):
            # What came of an event before it may have closed this one.
            if self.selector.get_map().get(key.fd) is key:
                key.data()

    def _look(self, clock: Clock | None) -> None:
        """Sees to what brings no event."""
        if clock:
            self._take_events(0)  # what came while the grader itself was held up is not late
            self.drain()
            clock.tick()
        if time.monotonic() >= self.check_s:
            start_cpu_s = time.thread_time()
            self.check_limits()
            self.check_s = time.monotonic() + LOOK_PART * (time.thread_time() - start_cpu_s)

    def _on_end(self) -> None:
        self.drain_all()
        self.ended_s = self.now_s()
        self.over = True
        self.forget_fd(self.tree.pidfd)


class _Descriptors:
    """The file descriptors of one run: the program's ends are closed once it has them."""

    def __init__(self, with_terminal: bool) -> None:
        self.stdout, self.their_stdout = _terminal() if with_terminal else _large_pipe()
        self.held = (os.dup(self.their_stdout),) if with_terminal else ()
        self.stderr, self.their_stderr = _large_pipe()
        self.report, self.their_report = os.pipe()
        self.their_stdin, self.stdin = os.pipe()
        self.unread = os.dup(self.their_stdin)
        self.their_channel = -1

    def add_channel(self) -> socket.socket:
        """The virtual clock's; returns our end."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # who says hello
        self.their_channel = theirs.detach()
        return ours

    @property
    def passed(self) -> tuple[int, ...]:
        """What the program inherits under its own number."""
        return tuple(fd for fd in (self.their_report, self.their_channel) if fd >= 0)

    def readers(self, limit_bytes: int, on_line: OnLine | None) -> tuple[LineReader, ...]:
        """Of stdout, stderr and the report, in this order."""
        ends = {"stdout": self.stdout, "stderr": self.stderr, "report": self.report}
        return tuple(LineReader(name, fd, limit_bytes, on_line) for name, fd in ends.items())

    def close_theirs(self) -> None:
        for fd in (self.their_stdin, self.their_stdout, self.their_stderr, *self.passed):
            os.close(fd)

    def close_held(self) -> None:
        """Lets go of the terminal: up to now a read of it told truly whether all had come.

        When nobody holds the program's end, a read may say "end of file" (EIO) before it says
        what was written just before: the kernel looks for data first, for the end after
        (n_tty_read() in drivers/tty/n_tty.c).  While it is held, "nothing there" means so.
        """
        for fd in self.held:
            os.close(fd)

    def close_ours(self) -> None:
        self.close_held()
        for fd in (self.stdin, self.unread, self.stdout, self.stderr, self.report):
            os.close(fd)


def _large_pipe() -> tuple[int, int]:
    """Whoever writes a lot at once need not wait until it is read, if the system allows it."""
    reader, writer = os.pipe()
    with contextlib.suppress(OSError):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return reader, writer


def _terminal() -> tuple[int, int]:
    """A pseudo-terminal that passes every byte on as it was written."""
    master, slave = os.openpty()
    tty.setraw(slave)
    termios.tcsetwinsize(slave, (TERMINAL_ROWS, TERMINAL_COLUMNS))
    return master, slave


class _Stdin:
    """Gives the program its input piece by piece, then the end of file."""

    def __init__(self, files: _Descriptors, data: bytes, selector: selectors.BaseSelector) -> None:
        os.set_blocking(files.stdin, False)
        self._fd, self._data, self._selector = files.stdin, memoryview(data), selector
        self._unread = files.unread
        self._is_empty = not data
        self.was_read = False  # all of it; known when it is closed
        selector.register(self._fd, selectors.EVENT_WRITE, self.feed)

    def feed(self) -> None:
        try:
            written = os.write(self._fd, self._data[:READ_BYTES]) if self._data else 0
        except BrokenPipeError:
            written = len(self._data)
        self._data = self._data[written:]
        if not self._data:
            self._give_no_more()

    def _give_no_more(self) -> None:
        if self._fd >= 0:
            self._selector.unregister(self._fd)
            os.close(self._fd)
            self._fd = -1

    def close(self) -> None:
        self._give_no_more()
        left = fcntl.ioctl(self._unread, termios.FIONREAD, bytes(4))
        self.was_read = not self._is_empty and not any(left)
        os.close(self._unread)


def _exit(status: int, cpu_s: float, session: Session, box: Box) -> Exit:
    code = os.waitstatus_to_exitcode(status)
    number = -code if code < 0 else code - 128 if box.shell_status and code > 128 else 0
    if session.stopped:
        return Exit(stopped=session.stopped)
    if number == signal.SIGXFSZ:
        return Exit(stopped="file size limit")
    if number == signal.SIGXCPU or (number == signal.SIGKILL and cpu_s >= session.limits.cpu_s):
        return Exit(stopped="cpu limit")
    return Exit(signal=number) if number else Exit(status=code)


def _end(session: Session, stdin: _Stdin, box: Box) -> tuple[Exit, float]:
    """Buries the tree and closes everything.  Returns how it ended, and its processor time."""
    session.tree.kill()
    status, reaped_cpu_s = session.tree.reap()
    cpu_s = max(reaped_cpu_s, session.seen_cpu_s)  # bubblewrap does not reap what it starts
    if not box.contains:
        session.tree.sweep()
    session.drain_all()
    for stream in session.streams:
        stream.finish()
    stdin.close()
    session.selector.close()
    session.written.close()
    return _exit(status, cpu_s, session, box), cpu_s


def _start(
    command: Command,
    limits: Limits,
    box: Box,
    files: _Descriptors,
    env: Mapping[str, str],
    vclock: Path | None = None,
) -> Tree:
    """Starts `command` in its box, with `files` and, for the virtual clock, its client."""
    mark = os.urandom(16).hex()
    marked = {**env, RUN_MARK: mark, "REPORT_FD": str(files.their_report)}
    argv = _limited(command.argv, limits, box.own_user, preload=str(vclock or ""))
    spawn = box.wrap(argv, marked, command.cwd, files.passed)
    try:
        return Tree(spawn, files.their_stdin, files.their_stdout, files.their_stderr, mark)
    except GraderError:
        files.close_ours()
        raise
    finally:
        files.close_theirs()


def run_on_wall_clock(
    command: Command, limits: Limits, *, box: Box, on_line: OnLine | None = None
) -> Run:
    """Runs `command` in real time on a pseudo-terminal, as its author would see it.

    Times count from just before the program was started.  Never waits longer than the
    limits allow; all output up to then is kept.  Raises GraderError when it cannot start.
    """
    files = _Descriptors(with_terminal=True)
    start_s = time.monotonic()
    tree = _start(command, limits, box, files, command.env)
    streams = files.readers(limits.output_bytes, on_line)
    session = Session(tree, limits, streams, lambda: time.monotonic() - start_s)
    stdin = _Stdin(files, command.stdin, session.selector)
    try:
        session.watch()
    finally:
        ended, cpu_s = _end(session, stdin, box)
        files.close_held()
    return _wall_run(session, stdin, ended, cpu_s)


def run_on_virtual_clock(
    command: Command,
    limits: Limits,
    *,
    box: Box,
    vclock: Path,
    source_name: str,
    first_process: int = 0,
    on_line: OnLine | None = None,
) -> Run:
    """Runs `command` with simulated time, as fast as it can compute.

    `vclock` is the preloaded library; `source_name` the file that call sites are looked up
    in; `first_process` the first that runs it (1: process 0 is a frame of ours).  Times are
    virtual, exact to the nanosecond.  When the program evades the clock the run says so in
    `exactness` and `reason`.  Raises GraderError when it cannot start.
    """
    binary = _Binary(Path(command.argv[0]), box)
    evasion = find_evasion(binary, vclock)
    if evasion:  # it waits in real time, maybe for hours
        limits = replace(limits, wall_s=min(limits.wall_s, EVADING_S))
    files = _Descriptors(with_terminal=False)
    channel = files.add_channel()
    tree = _start(command, limits, box, files, _virtual_env(command.env, files), vclock)
    streams = files.readers(limits.output_bytes, on_line)
    session = Session(tree, limits, streams, lambda: clock.now_s)
    clock = Clock(channel, int(limits.virtual_s * NS_PER_S), session)
    stdin = _Stdin(files, command.stdin, session.selector)
    try:
        session.watch(clock)
    finally:
        clock.close()
        ended, cpu_s = _end(session, stdin, box)
    run = _wall_run(session, stdin, ended, cpu_s)
    places = _places(clock, binary, source_name, first_process)
    return _virtual_run(run, clock, places, evasion)


def _virtual_env(env: Mapping[str, str], files: _Descriptors) -> dict[str, str]:
    """Without what would give g_timeout_add_seconds() a phase, and with what the clock needs."""
    kept = {k: v for k, v in env.items() if k not in ("DBUS_SESSION_BUS_ADDRESS", "HOSTNAME")}
    asan = ":".join(filter(None, (kept.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
    return kept | {
        "ASAN_OPTIONS": asan,
        "VCLOCK_FD": str(files.their_channel),
        "VCLOCK_STDIN": str(os.fstat(files.their_stdin).st_ino),
    }


def _places(
    clock: Clock, binary: _Binary, source_name: str, first_process: int
) -> Mapping[int, Site]:
    """Where in the source the student's code did what is worth a line."""
    waits = [(wait, sites) for wait, sites in clock.waits if not wait.idle]
    traced: list[tuple[Wait | Started | Spin, Sites]] = [*waits, *clock.started, *clock.spins]
    theirs = (sites for one, sites in traced if one.process >= first_process)
    return binary.look_up(source_name, {site for sites in theirs for site in sites})


def _virtual_run(run: Run, clock: Clock, places: Mapping[int, Site], evasion: str) -> Run:
    def located(one: Traced, sites: Sites) -> Traced:
        """With the innermost of its sites in the student's file, if there is one."""
        site = next((places[address] for address in sites if address in places), None)
        return replace(one, site=site) if site else one

    exactness, reason = clock.exactness, clock.reason
    if evasion or not clock.has_reported:
        exactness, reason = "not measured", evasion or "the program did not load the clock"
    return replace(
        run,
        clock="virtual",
        exactness=exactness,
        reason=reason,
        waits=tuple(located(one, sites) for one, sites in clock.waits),
        started=tuple(located(one, sites) for one, sites in clock.started),
        spins=tuple(located(one, sites) for one, sites in clock.spins),
        stops=tuple(clock.stops),
        loops_alive=clock.loops_alive,
    )


@dataclass(frozen=True)
class _Binary:
    """A stranger's program to look into: with binutils, and those in its box as well."""

    path: Path
    box: Box

    def ask(self, argv: tuple[str, ...], question: bytes = b"") -> list[str]:
        """The lines that a tool prints; none if it fails: a trace without lines is not wrong."""
        command = Command(argv, self.path.parent, {"PATH": os.defpath, "LC_ALL": "C"}, question)
        run = run_on_wall_clock(command, Limits(), box=self.box)
        return [line.text for line in run.stdout]

    def _students_code(self) -> range:
        """Where it is: between what starts a program and the frame of the contract tests."""
        try:
            elf = Elf(self.path)
            functions = [one for one in elf.defined() if one.is_function]
            start = max(one.address for one in functions if one.name == "_start")
            begin = min(address for address in elf.functions if address > start)
        except ELF_ERRORS:
            return range(sys.maxsize)
        frame = (one.address for one in functions if one.name.startswith(FRAME))
        return range(begin, min(frame, default=sys.maxsize))

    def look_up(self, source_name: str, addresses: set[int]) -> dict[int, Site]:
        """Those of the return addresses that lie in the file `source_name`."""
        if addresses:
            students = self._students_code()
            addresses = {address for address in addresses if address in students}
        if not addresses:
            return {}
        # A return address is behind the call: one less is within it.
        asked = "".join(f"{address - 1:#x}\n" for address in sorted(addresses))
        tool = ("addr2line", "--functions", "--inlines", "--addresses", "-e", str(self.path))
        found: dict[int, Site] = {}
        address = 0
        lines = iter(self.ask(tool, asked.encode()))
        for line in lines:
            if line.startswith("0x"):
                address = int(line, 16) + 1
                continue
            file, _, number = next(lines, "").partition(" ")[0].rpartition(":")
            if Path(file).name == Path(source_name).name and address not in found:
                found[address] = Site(line, int(number) if number.isdigit() else 0)
        return found


def _wall_run(session: Session, stdin: _Stdin, ended: Exit, cpu_s: float) -> Run:
    stdout, stderr, report = (stream.lines for stream in session.streams)
    return Run(
        clock="wall",
        exactness="exact",
        reason="",
        stdout=stdout,
        stderr=stderr,
        report=report,
        exit=ended,
        elapsed_s=session.ended_s,
        cpu_s=cpu_s,
        cut_bytes=sum(stream.cut_bytes for stream in session.streams),
        read_stdin=stdin.was_read,
    )
