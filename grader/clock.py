"""The virtual clock: who may run, and what time it is.

    execute --Session--> Clock <--one channel per thread--> vclock.so in the program

Time is simulated as discrete events.  Of all threads of all controlled processes exactly one
runs at a time.  When it would block it says so, with its deadline, and the next one looks
whether it can go on.  When a whole lap has brought no progress, time jumps to the earliest
deadline.  All output between two jumps has one time stamp.

The program holds nothing but its ends of the channels: it can ask, and what it asks for are
its waits.  The time, the trace and the stamps are kept here.  grader/clib/vclock/vclock.h
says what is covered and has the structures of the messages.
"""

from __future__ import annotations

import array
import contextlib
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from grader.records import POLL_S, Exactness, Spin, Started, Stop, Wait

NS_PER_S = 1_000_000_000
NEVER = 2**63 - 1
REQUEST = struct.Struct("<IIqqqIIII10Q32s32s")
REPLY = struct.Struct("<IIq")
CREDENTIALS = struct.Struct("3i")

# How far one more look of a spinner moves the clock: twice as far after each sixteen looks,
# up to the most, or by a part of the spin so far, so that a long one ends soon, too.
SPIN_FIRST_NS, SPIN_MOST_NS, SPIN_PART = 20_000, 1_000_000, 100
SPIN_PROBE_EVERY = 16  # after so many looks of a spinner, the others look again too
OUTSIDE_TICK_S = 0.01  # how often to look again for what comes from outside
ASLEEP_S = 0.1  # a runner asleep for so long is in a call that the clock does not know
COMPUTING_S = 0.2  # of processor time, until other threads of the process may run as well
ENDING_S = 1.0  # how long the end of a process may lag behind the end of its channels
SETTLING_S = 0.02  # how long to wait for what a signal does to another process
HELLO_S = 3.0  # how long a new process may take to report
# How the reasons begin for which somebody was lost who may just have been late.
LOST = ("a process went on without", "a child process did not load", "it sleeps in")
MOST_POLLS = 6_000  # of one process: each costs a request, and there may be millions
MOST_THREADS = 500  # at a time
MOST_LAST_WORDS = 1_000  # of a dead thread: more than a socket holds
MOST_TRACED = 20_000  # waits, so that an endless program does not fill the memory


class Kind(IntEnum):
    HELLO = 1
    BLOCK = 2
    SPIN = 3
    NEW_THREAD = 4
    NEW_PROCESS = 5
    GOODBYE = 6
    INTERRUPTED = 7
    KILLED = 8
    NOTE = 9
    UNCONTROLLED = 10
    LOOPS = 11
    NAME = 12
    INNER_LOOP = 13


class Flag(IntEnum):
    RETRY = 1
    BY_LOOP = 2
    IN_DISPATCH = 4
    OUTSIDE = 8
    EXECUTED = 16
    FOR_TIME = 32
    FOR_THREADS = 64
    FOR_AN_END = 128
    FOR_A_WAKE = 256
    HAS_WOKEN = 512


class Reply(IntEnum):
    PROBE = 1
    TIME_IS_UP = 2
    EXPLAIN = 3


class State(Enum):
    NEW = "created, has not reported yet"
    WAITS = "waits for its turn"
    RUNS = "has its turn"
    OUTSIDE = "goes on outside of our control, in real time"


Ancillary = list[tuple[int, int, bytes]]
Sites = tuple[int, ...]  # return addresses in the first executable, innermost first


class Request(NamedTuple):  # made thousands of times a second
    """What a thread asks or says."""

    kind: Kind
    flags: int
    deadline_ns: int
    asked_ns: int
    value: int
    pid: int
    tid: int
    loop_depth: int
    sites: Sites
    call: str
    reason: str

    @staticmethod
    def unpack(data: bytes) -> Request:
        kind, flags, deadline, asked, value, pid, tid, depth, n, *rest = REQUEST.unpack(data)
        sites = tuple(rest[: min(n, 10)])
        call, reason = _text(rest[10]), _text(rest[11])
        return Request(
            Kind(kind), flags, deadline, asked, value, pid, tid, depth, sites, call, reason
        )


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("ascii", "replace")


@dataclass(eq=False)
class Process:
    """One process of the run."""

    index: int
    pid: int = 0  # as the grader sees it; 0: it has not reported yet
    local_pid: int = 0  # as the program sees it
    pidfd: int = -1
    inode: int = 0  # of its executable
    parent: Process | None = None
    age_ns: int = 0  # virtual, without the time in which it had children
    progress: int = 0  # the progress of the run when one of its threads last ran
    woken: int = 0  # the same when one of them was last woken by another
    child_ended: int = 0  # the same when a child of it last ended
    ended: bool = False
    ending_since_s: float = 0.0  # real; 0: it is not ending
    n_threads: int = 0  # that were ever created
    n_polls: int = 0  # waits of up to POLL_S


@dataclass(eq=False)
class Spinning:
    """A stretch of looking instead of waiting."""

    start_ns: int
    request: Request
    looks: int = 0
    requests: int = 0


@dataclass(eq=False)
class Thread:
    """One thread of a process, at its end of a channel."""

    channel: socket.socket
    process: Process
    index: int
    created_s: float  # real
    state: State = State.NEW
    request: Request | None = None  # the last one that waits for a reply
    waiting: Request | None = None  # the first request of the wait that is going on
    wait_start_ns: int = 0
    wait_end_ns: int = 0
    tid: int = 0  # as the program sees it
    probed: int = 0  # the progress of the run when it last looked
    interrupted: bool = False
    events: int = 0  # what had happened when it was last given the turn
    explained: int = -1  # the progress of the run when it last explained itself
    granted_s: float = 0.0  # real
    granted_cpu_s: float = 0.0
    asleep_in: str = ""  # the sleep that the watchdog saw it in
    asleep_since_s: float = 0.0  # real
    spin: Spinning | None = None
    record: int = -1  # its place in Clock.started

    @property
    def deadline_ns(self) -> int:
        return self.request.deadline_ns if self.request else NEVER


class Host(Protocol):
    """What the clock needs of the run that it belongs to (execute.Session)."""

    def drain(self) -> None:
        """Stamps all that was written up to now."""

    def stop(self, reason: str) -> None:
        """Ends the run."""

    def watch_fd(self, fd: int, on_readable: Callable[[], None]) -> None:
        """Calls `on_readable` whenever `fd` can be read."""

    def forget_fd(self, fd: int) -> None:
        """No longer."""


class Clock:
    """The server.  One thread; all that happens is a call from the run's selector loop."""

    def __init__(self, channel: socket.socket, limit_ns: int, host: Host) -> None:
        """`channel`: this end of the first thread's.  `limit_ns`: virtual, per process."""
        self.now_ns = 0
        self.exactness: Exactness = "exact"
        self.reason = ""
        self.waits: list[tuple[Wait, Sites]] = []
        self.started: list[tuple[Started, Sites]] = []
        self.spins: list[tuple[Spin, Sites]] = []
        self.stops: list[Stop] = []
        self.loops_alive = 0
        self._limit_ns = limit_ns
        self._host = host
        self._n_processes = 0  # that there ever were
        self._alive: list[Process] = []  # those that have not ended
        self._threads: list[Thread] = []
        self._progress = 1  # grows whenever somebody has run
        self._events = 0  # what has happened while nobody, or somebody else, had the turn
        self._last = -1  # the place in _threads of who ran last
        self._runner: Thread | None = None
        self._settling_until_s = 0.0
        self._real_s = 0.0  # when time last passed as real time; 0: it is virtual
        self._first = self._new_process(None)
        self._add(channel, self._first)

    @property
    def now_s(self) -> float:
        return self.now_ns / NS_PER_S

    @property
    def patience_s(self) -> float:
        """When tick() must be called again at the latest, in real seconds."""
        return OUTSIDE_TICK_S if self._real_s or self._settling_until_s else ASLEEP_S / 2

    @property
    def has_reported(self) -> bool:
        """The program has loaded the clock."""
        return self._first.pid != 0

    def tick(self) -> None:
        """Real time has passed: is somebody lost, and what has come from outside?"""
        real_s = time.monotonic()
        if self._settling_until_s and real_s >= self._settling_until_s:
            self._settling_until_s = 0.0
        for process in list(self._alive):
            if process.ending_since_s and real_s > process.ending_since_s + ENDING_S:
                self._note("a process went on without the clock")
                self._bury(process)
        for thread in self._threads:
            if thread.state is State.NEW and real_s > thread.created_s + HELLO_S:
                self._lose(thread, "a child process did not load the clock")
        if self._runner:
            self._watch_runner(self._runner, real_s)
        if self._real_s:
            self._pass_real_time(real_s)
        self._schedule()

    def close(self) -> None:
        """The run is over: what still waits is on record as waiting until now."""
        for thread in [one for one in self._threads if one.process is self._first]:
            self._hear_out(thread)
        for thread in list(self._threads):
            self._end_wait(thread, self.now_ns, unended=True)
            self._end_spin(thread)
            thread.channel.close()
        # The threads of a process that ends go in any order.
        self.waits.sort(key=lambda one: (one[0].end_s, one[0].process, one[0].thread))
        for process in self._alive:
            if process.pidfd >= 0:
                os.close(process.pidfd)

    # -- Newcomers and their end

    def _new_process(self, parent: Process | None) -> Process:
        process = Process(index=self._n_processes, parent=parent)
        self._n_processes += 1
        self._alive.append(process)
        return process

    def _add(self, channel: socket.socket, process: Process) -> Thread:
        thread = Thread(channel, process, process.n_threads, time.monotonic())
        process.n_threads += 1
        channel.setblocking(False)
        self._threads.append(thread)
        self._host.watch_fd(channel.fileno(), lambda: self._on_readable(thread))
        return thread

    def _take_name(self, thread: Thread, name: str) -> None:
        """Only the first thread of a process has no record of its own start."""
        if thread.record >= 0:
            record, sites = self.started[thread.record]
            self.started[thread.record] = (replace(record, name=name), sites)

    def _drop(self, thread: Thread) -> None:
        """The thread is gone; its process may be, too."""
        self._events += 1
        self._end_wait(thread, thread.wait_end_ns)
        self._end_spin(thread)
        place = self._threads.index(thread)
        del self._threads[place]
        if place <= self._last:
            self._last -= 1
        self._host.forget_fd(thread.channel.fileno())
        thread.channel.close()
        if self._runner is thread:
            self._runner = None
        process = thread.process
        self._advance(process)
        if not process.ended and all(other.process is not process for other in self._threads):
            if process.pidfd < 0:
                self._end(process)
            else:
                process.ending_since_s = time.monotonic()

    def _on_end(self, process: Process) -> None:
        """Its pidfd says so, a moment before the kernel tells its parent.

        Whoever asks for its status has to wait until both are done (exit_notify and do_wait
        in the kernel's exit.c take the same lock), even if it is not his to have.
        """
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        self._bury(process)

    def _bury(self, process: Process) -> None:
        """The process has ended: its parent can wait for it now."""
        if process.ended:
            return
        self._events += 1
        for thread in [one for one in self._threads if one.process is process]:
            self._hear_out(thread)
        self._end(process)
        self._settling_until_s = 0.0
        for thread in [one for one in self._threads if one.process is process]:
            self._drop(thread)
        self._schedule()

    def _end(self, process: Process) -> None:
        process.ended = True
        process.ending_since_s = 0.0
        self._progress += 1
        if process.parent:
            process.parent.child_ended = self._progress
        self._alive.remove(process)
        if process.pidfd >= 0:
            self._host.forget_fd(process.pidfd)
            os.close(process.pidfd)

    # -- What the threads say

    def _on_readable(self, thread: Thread) -> None:
        if self._hear(thread):
            self._schedule()

    def _hear_out(self, thread: Thread) -> None:
        """Takes the last words of a thread that is dead."""
        for _ in range(MOST_LAST_WORDS):
            if thread not in self._threads or not self._hear(thread):
                return

    def _hear(self, thread: Thread) -> bool:
        """Takes what the thread says next, or that it has gone; False: it is silent."""
        try:
            size = socket.CMSG_SPACE(CREDENTIALS.size) + socket.CMSG_SPACE(4)
            data, ancillary, _, _ = thread.channel.recvmsg(REQUEST.size, size)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data, ancillary = b"", []
        self._host.drain()
        fds = _passed_fds(ancillary)
        try:
            if data or not _has_event(thread.channel, select.POLLRDHUP):
                self._take(thread, Request.unpack(data), fds, ancillary)
            else:
                self._drop(thread)
        except (struct.error, ValueError):
            self._note("the program meddled with the clock")
            self._drop(thread)
        for fd in fds:
            os.close(fd)
        return True

    def _take(self, thread: Thread, request: Request, fds: list[int], ancillary: Ancillary) -> None:
        if request.flags & Flag.HAS_WOKEN:
            self._progress += 1
            thread.process.woken = self._progress
        match request.kind:
            case Kind.HELLO:
                self._take_hello(thread, request, ancillary)
            case Kind.BLOCK:
                self._take_block(thread, request)
            case Kind.SPIN:
                self._take_spin(thread, request)
            case Kind.NEW_THREAD | Kind.NEW_PROCESS:
                self._take_newcomer(thread, request, fds)
            case Kind.GOODBYE:
                self._drop(thread)
            case Kind.INTERRUPTED:
                thread.interrupted = True
                self._settling_until_s = 0.0
            case Kind.KILLED:
                self._take_killed(thread.process, request)
            case Kind.NOTE:
                self._note(request.call)
            case Kind.UNCONTROLLED:
                self._lose(thread, request.call)
            case Kind.LOOPS:
                if thread.process.index == 0:
                    self.loops_alive = request.value
            case Kind.NAME:
                self._take_name(thread, request.call)
            case Kind.INNER_LOOP:
                self._take_inner_loop(thread, request)

    def _take_inner_loop(self, thread: Thread, request: Request) -> None:
        """On record as a wait of no length, whether or not it then has to wait."""
        self._end_wait(thread, thread.wait_end_ns)
        self._trace_wait(thread, request, self.now_ns, self.now_ns)

    def _take_hello(self, thread: Thread, request: Request, ancillary: Ancillary) -> None:
        process = thread.process
        thread.tid = request.tid
        if process.pidfd < 0:
            self._identify(process, request, ancillary)
        if request.flags & Flag.EXECUTED:
            process.inode = request.value
        elif process.parent and not process.inode:
            process.inode = process.parent.inode
        thread.channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        self._release(thread)
        thread.state, thread.request = State.WAITS, request

    def _identify(self, process: Process, request: Request, ancillary: Ancillary) -> None:
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                process.pid = CREDENTIALS.unpack(data[: CREDENTIALS.size])[0]
        process.local_pid = request.pid
        with contextlib.suppress(OSError):  # It may be gone already.
            process.pidfd = os.pidfd_open(process.pid)
            self._host.watch_fd(process.pidfd, lambda: self._on_end(process))

    def _take_newcomer(self, thread: Thread, request: Request, fds: list[int]) -> None:
        """Takes the first of `fds` out, as the newcomer's channel."""
        if not fds or len(self._threads) >= MOST_THREADS:
            return
        try:
            channel = socket.socket(fileno=fds[0])
        except OSError as error:
            raise ValueError("no channel") from error
        del fds[0]
        is_thread = request.kind is Kind.NEW_THREAD
        process = thread.process if is_thread else self._new_process(thread.process)
        self._add(channel, process).record = len(self.started)
        record = Started(
            time_s=self.now_s,
            kind="thread" if is_thread else "process",
            process=thread.process.index,
            site=None,
        )
        self.started.append((record, self._sites(thread, request)))

    def _take_block(self, thread: Thread, request: Request) -> None:
        retry = bool(request.flags & Flag.RETRY) and thread.waiting is not None
        self._release(thread, progress=not retry)
        if retry and thread.request and thread.request.flags & Flag.OUTSIDE:
            flags = request.flags | Flag.OUTSIDE
            request = request._replace(flags=flags, reason=thread.request.reason)
        if not retry:
            self._end_wait(thread, thread.wait_end_ns)
            thread.waiting, thread.wait_start_ns = request, self.now_ns
            self._end_spin(thread)
        thread.state, thread.request = State.WAITS, request
        # A process may have ended since the thread has looked: then it must look again.
        thread.probed = self._progress if thread.events == self._events else -1
        thread.interrupted = False

    def _take_spin(self, thread: Thread, request: Request) -> None:
        self._end_wait(thread, thread.wait_end_ns)
        if thread.spin is None:
            thread.spin = Spinning(self.now_ns, request)
        spin = thread.spin
        spin.looks += request.value
        spin.requests += 1
        self._release(thread, progress=spin.requests % SPIN_PROBE_EVERY == 0)
        step_ns = min(SPIN_MOST_NS, SPIN_FIRST_NS << min(spin.requests // SPIN_PROBE_EVERY, 16))
        step_ns = max(step_ns, (self.now_ns - spin.start_ns) // SPIN_PART)
        self._pass(min(self.now_ns + step_ns, max(self._earliest_ns(), self.now_ns)))
        thread.state, thread.request = State.WAITS, request

    def _take_killed(self, process: Process, request: Request) -> None:
        """A thread or another process was sent a signal: see what that does to it.

        SIGKILL ends a process for sure, but on a busy machine that may take its time.
        """
        if request.call == "SIGKILL":
            for other in self._alive:
                if request.value in (other.local_pid, -other.local_pid):
                    other.ending_since_s = time.monotonic()
        if request.value:
            self._settling_until_s = time.monotonic() + SETTLING_S
            return
        for thread in self._threads:
            if thread.process is process:
                thread.interrupted = True

    def _release(self, thread: Thread, progress: bool = True) -> None:
        """The thread no longer has its turn."""
        if self._runner is thread:
            self._runner = None
        if thread.state is State.OUTSIDE or progress:
            self._advance(thread.process)
        thread.asleep_in = ""
        thread.state = State.OUTSIDE

    def _advance(self, process: Process) -> None:
        """One of its threads has run: others may be able to go on."""
        self._progress += 1
        process.progress = self._progress

    def _note(self, reason: str) -> None:
        if self.exactness == "exact":
            self.exactness, self.reason = "inexact", reason

    # -- Whose turn it is

    def _schedule(self) -> None:
        """Gives somebody the turn, unless somebody has it or is still to be heard of."""
        while self._runner is None and not self._must_wait():
            thread = self._next()
            if thread:
                self._grant(thread, self._reply_for(thread))
            elif self._real_s or not self._jump():
                return

    def _must_wait(self) -> bool:
        return (
            self._settling_until_s > 0
            or any(thread.state is State.NEW for thread in self._threads)
            or any(process.ending_since_s for process in self._alive)
        )

    def _next(self) -> Thread | None:
        n = len(self._threads)
        for step in range(1, n + 1):
            place = (self._last + step) % n
            if self._can_go_on(self._threads[place]):
                self._last = place
                return self._threads[place]
        return None

    def _can_go_on(self, thread: Thread) -> bool:
        if thread.state is not State.WAITS or thread.request is None:
            return False
        if thread.request.kind is not Kind.BLOCK or thread.interrupted:
            return True
        return thread.request.deadline_ns <= self.now_ns or thread.probed < self._news_of(thread)

    def _news_of(self, thread: Thread) -> int:
        """When something happened last that could end the wait of `thread`."""
        flags = thread.request.flags if thread.request else 0
        if flags & Flag.FOR_TIME:
            return 0
        if flags & Flag.FOR_THREADS:
            return thread.process.progress
        if flags & Flag.FOR_A_WAKE and not self._real_s:
            return thread.process.woken
        if flags & Flag.FOR_AN_END and not self._real_s:
            return thread.process.child_ended
        return self._progress

    def _reply_for(self, thread: Thread) -> Reply:
        return Reply.TIME_IS_UP if thread.deadline_ns <= self.now_ns else Reply.PROBE

    def _grant(self, thread: Thread, reply: Reply) -> None:
        self._runner = thread
        thread.state = State.RUNS
        thread.granted_s = time.monotonic()
        thread.granted_cpu_s = -1.0
        if reply is not Reply.EXPLAIN:
            thread.wait_end_ns = self.now_ns
            thread.events = self._events
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, BlockingIOError):
            thread.channel.send(REPLY.pack(reply, 0, self.now_ns))

    # -- Time passes

    def _earliest_ns(self) -> int:
        waits = (t.deadline_ns for t in self._threads if t.state is State.WAITS)
        return min(waits, default=NEVER)

    def _jump(self) -> bool:
        """Nobody can go on now.  Returns whether there is more to schedule."""
        if any(thread.state is State.OUTSIDE for thread in self._threads):
            self._real_s = time.monotonic()
            return False
        if not self._threads or self._first.ended:
            return False  # what goes on without the program is not its run any more
        earliest_ns = self._earliest_ns()
        if earliest_ns == NEVER:
            return self._nobody_can_go_on()
        return self._pass(earliest_ns)

    def _pass(self, until_ns: int) -> bool:
        """Time goes on, but not beyond the limit of any process."""
        until_ns = max(until_ns, self.now_ns)
        step_ns = until_ns - self.now_ns
        busy = {process.parent for process in self._alive}
        idle = [process for process in self._alive if process not in busy]
        for process in idle:
            if process.age_ns + step_ns > self._limit_ns:
                self.now_ns += self._limit_ns - process.age_ns
                self._stop(process, "virtual limit")
                return False
        for process in idle:
            process.age_ns += step_ns
        self.now_ns = until_ns
        return True

    def _nobody_can_go_on(self) -> bool:
        for thread in self._threads:
            if thread.explained != self._progress:
                thread.explained = self._progress
                self._grant(thread, Reply.EXPLAIN)
                return False
        for thread in self._threads:
            if thread.request and thread.request.flags & Flag.OUTSIDE:
                self._note(f"it waits for {thread.request.reason}")
                self._real_s = time.monotonic()
                return False
        self._stop(self._threads[-1].process, "stuck")
        return False

    def _stop(self, process: Process, reason: str) -> None:
        """Ends the youngest process; if it is the only one, the run."""
        youngest = max(self._alive, key=lambda process: process.index)
        if reason == "stuck":
            process = youngest
        self.stops.append(Stop(self.now_s, process.index, reason))
        for thread in self._threads:
            if thread.process is process:
                self._end_wait(thread, self.now_ns, unended=True)
        if process.index == 0:
            self._host.stop(reason)
        elif process.pidfd >= 0:
            signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
        process.ending_since_s = time.monotonic()

    def _pass_real_time(self, real_s: float) -> None:
        """Somebody outside goes on in real time, and so must the clock."""
        step_ns = int((real_s - self._real_s) * NS_PER_S)
        self._real_s = real_s
        self._pass(min(self.now_ns + step_ns, max(self._earliest_ns(), self.now_ns)))
        for process in self._alive:
            self._advance(process)
        outside = any(thread.state is State.OUTSIDE for thread in self._threads)
        waits = any(t.request and t.request.flags & Flag.OUTSIDE for t in self._threads)
        if not outside and not waits:
            self._real_s = 0.0

    # -- Who is lost

    def _lose(self, thread: Thread, reason: str) -> None:
        """From here on the thread runs beside the others, in real time."""
        self._note(reason)
        if self._runner is thread:
            self._runner = None
        thread.state = State.OUTSIDE
        self._advance(thread.process)

    def _watch_runner(self, thread: Thread, real_s: float) -> None:
        if real_s < thread.granted_s + ASLEEP_S or not thread.process.pid:
            return
        if _has_event(thread.channel, select.POLLIN):
            return  # It is waiting for us.
        task = _Task.of(thread.process.pid, thread.process.local_pid, thread.tid)
        if task is None:
            return
        if not task.asleep or thread.asleep_in != task.fingerprint:
            thread.asleep_in = task.fingerprint if task.asleep else ""
            thread.asleep_since_s = real_s
        elif real_s > thread.asleep_since_s + ASLEEP_S:
            self._lose(thread, f"it sleeps in {task.call}, which the clock does not know")
        if thread.granted_cpu_s < 0:
            thread.granted_cpu_s = task.cpu_s
        crowd = [other for other in self._threads if other.process is thread.process]
        if len(crowd) > 1 and task.cpu_s > thread.granted_cpu_s + COMPUTING_S:
            self._lose(thread, "a thread computes while others wait")

    # -- The trace

    def _sites(self, thread: Thread, request: Request) -> Sites:
        """Addresses in another executable would say nothing about the student's source."""
        return request.sites if thread.process.inode == self._first.inode else ()

    def _end_wait(self, thread: Thread, end_ns: int, unended: bool = False) -> None:
        """What others made ready before any time had passed was no wait."""
        request = thread.waiting
        thread.waiting = None
        if request is None or (end_ns <= thread.wait_start_ns and not unended):
            return
        if end_ns <= thread.wait_start_ns + POLL_S * NS_PER_S and not unended:
            self._count_poll(thread.process)
        self._trace_wait(thread, request, thread.wait_start_ns, end_ns)

    def _trace_wait(self, thread: Thread, request: Request, start_ns: int, end_ns: int) -> None:
        if len(self.waits) >= MOST_TRACED:
            return
        wait = Wait(
            start_s=start_ns / NS_PER_S,
            end_s=end_ns / NS_PER_S,
            call=request.call,
            asked_s=None if request.asked_ns < 0 else request.asked_ns / NS_PER_S,
            by_loop=bool(request.flags & Flag.BY_LOOP),
            in_dispatch=bool(request.flags & Flag.IN_DISPATCH),
            loop_depth=request.loop_depth,
            thread=thread.index,
            process=thread.process.index,
            site=None,
        )
        self.waits.append((wait, self._sites(thread, request)))

    def _count_poll(self, process: Process) -> None:
        """In a minute of polling there are as many requests as in days of anything else."""
        process.n_polls += 1
        if process.n_polls == MOST_POLLS:
            self._stop(process, "polling")

    def _end_spin(self, thread: Thread) -> None:
        spin = thread.spin
        thread.spin = None
        if spin is None:
            return
        record = Spin(
            start_s=spin.start_ns / NS_PER_S,
            end_s=self.now_s,
            call=spin.request.call,
            reads=spin.looks,
            process=thread.process.index,
            site=None,
            by_loop=bool(spin.request.flags & Flag.BY_LOOP),
        )
        self.spins.append((record, self._sites(thread, spin.request)))


def _has_event(channel: socket.socket, event: int) -> bool:
    """Whether there is something to read, or (POLLRDHUP) the other end is closed.

    An empty message, when it is read, looks like a closed channel.
    """
    poll = select.poll()
    poll.register(channel, event)
    return bool(poll.poll(0))


def _passed_fds(ancillary: Ancillary) -> list[int]:
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


@dataclass(frozen=True)
class _Task:
    """A thread, as the kernel sees it."""

    asleep: bool
    call: str
    cpu_s: float
    fingerprint: str  # the same as long as it has not moved

    @staticmethod
    def of(pid: int, local_pid: int, local_tid: int) -> _Task | None:
        """None when it is gone, or not ours to look at."""
        try:
            tid = local_tid if pid == local_pid else _global_tid(pid, local_tid)
            folder = Path(f"/proc/{pid}/task/{tid}")
            state, *values = (folder / "stat").read_text().rpartition(")")[2].split()
            number = (folder / "syscall").read_text().split()[0]
            switches = (folder / "status").read_text().rpartition("\nvoluntary_ctxt_switches:")[2]
        except (OSError, StopIteration, IndexError):
            return None
        cpu_ticks = int(values[10]) + int(values[11])
        return _Task(
            asleep=state == "S" and number.isdigit(),
            call=f"system call {number}",
            cpu_s=cpu_ticks / os.sysconf("SC_CLK_TCK"),
            fingerprint=f"{number} {switches.split()[0]}",
        )


def _global_tid(pid: int, local_tid: int) -> int:
    """In a box of its own, the program sees other numbers than the grader."""
    for folder in Path(f"/proc/{pid}/task").iterdir():
        for line in (folder / "status").read_text().splitlines():
            if line.startswith("NSpid:") and int(line.split()[-1]) == local_tid:
                return int(folder.name)
    raise StopIteration
