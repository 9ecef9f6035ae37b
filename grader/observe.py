"""Runs what was built, and writes down what happened: the fourth hop of a grade.

    the program             on the wall clock, on a pseudo-terminal: the one real run
    the sanitized program   on the virtual clock: ASan, UBSan, LeakSanitizer
    the contract tests      on the virtual clock, in the sanitized program
    the program             on the virtual clock, if the sanitizers have found anything

The others go on while the first is under way.  Nothing here judges; where the two clocks
disagree, the real run is repeated with nothing beside it.
"""

from __future__ import annotations

import importlib.util
import os
import random
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, TypeVar

from grader import build
from grader.build import Built, Workshop
from grader.clock import LOST
from grader.execute import Command, Limits, OnLine, run_on_virtual_clock, run_on_wall_clock
from grader.records import (
    BUSY_CPU_S,
    Build,
    Evidence,
    GraderError,
    Module,
    OutputLine,
    Run,
    Scenario,
    Spin,
    Submission,
    TestRun,
    Wait,
)
from grader.sandbox import Sandbox

Result = TypeVar("Result")

CLOCKS_AGREE_S = 0.5  # a difference that no calm machine makes
TICK_S = 0.02
TIMER_S = 0.0015  # whole milliseconds, and what rounds them
# Long enough to see that milliseconds were taken for seconds; the processor time is a hundred
# times what a right program needs, and what one that never stops asking gets.
VIRTUAL = Limits(virtual_s=4000.0, wall_s=60.0, cpu_s=2.0)
# The real time is for programs that count down in short ticks, on a busy machine; the
# processor time of one process is what one test may use.
TESTS = Limits(
    virtual_s=1e7,
    wall_s=120.0,
    cpu_s=60.0,
    process_cpu_s=5.0,
    open_files=2048,
    output_bytes=4 << 20,
)
ENTER = b"\n"  # what a program gets that waits for its user; none should
ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/nonexistent",
    "G_SLICE": "always-malloc",  # otherwise GLib's own allocator hides leaks
    "UBSAN_OPTIONS": "print_stacktrace=0",
}


def observe(
    submission: Submission,
    sandbox: Sandbox,
    *,
    fast: bool,
    seed: int | None = None,
    side_by_side: bool = True,
    meanwhile: Callable[[], None] = lambda: None,
) -> Evidence:
    """All that can be seen of one submission.

    Args:
        fast: leave out the run on the wall clock.
        seed: of the scenarios, to see the same again; None: scenarios that nobody has seen.
        side_by_side: the runs beside each other, and the contract tests in two shards, for two
            processors are common; False: one after another, for whoever has other grades for
            the processors.
        meanwhile: called while the compilers are at work, and there is nothing else to do.

    Raises:
        GraderError: something of the course itself is missing or broken.
    """
    start_s = time.monotonic()
    seed = int.from_bytes(os.urandom(4)) if seed is None else seed
    pool = ThreadPoolExecutor(5) if side_by_side else _OneByOne()
    n_shards = 2 if side_by_side else 1
    with build.workshop(submission, sandbox) as shop, pool:
        beside = pool.submit(_observe_sanitized, shop, seed, n_shards, pool)
        building = None if fast else pool.submit(build.build_program, shop)
        meanwhile()
        plain = building.result() if building else None
        wall, late_s = _run_wall(shop, plain)
        evidence = beside.result()
        if evidence.virtual is None:
            plain = plain or build.build_program(shop)
            evidence = replace(evidence, virtual=_run_virtual(shop, plain))
        evidence = replace(_with_plain(evidence, plain), wall=wall, host_late_s=late_s)
        if _clocks_disagree(evidence):
            wall, late_s = _run_wall(shop, plain)
            evidence = replace(evidence, wall=wall, host_late_s=late_s)
    return replace(evidence, seed=seed, duration_s=time.monotonic() - start_s)


class _OneByOne(Executor):
    """A pool of no threads: what it is given is done at once."""

    def submit(self, work: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        done: Future[Result] = Future()
        done.set_result(work(*args, **kwargs))
        return done


def _stands_for_plain(run: Run | None, module: Module) -> bool:
    """The plain program would do the same: a sanitized one that nothing was found in.

    The sanitizers take some processor time: who is not busy with them is not without.  They
    leave something else in memory that is freed or fresh: so no line may be of the program's
    own, and it must have come to its end.
    """
    known = {line.text for line in module.console.lines}
    return (
        run is not None
        and run.exactness == "exact"
        and run.exit.status == 0
        and not run.stderr
        and run.cpu_s < BUSY_CPU_S
        and all(line.text.rstrip() in known for line in run.stdout)
    )


def _with_plain(evidence: Evidence, plain: Built | None) -> Evidence:
    """What the plain build said counts as well; both compilers say the same, so only once."""
    if plain is None:
        return evidence
    both = evidence.build
    messages = plain.messages if plain.path is None or plain.messages else both.messages
    links = both.links and plain.path is not None
    return replace(evidence, build=replace(both, messages=messages, links=links))


def _clocks_disagree(evidence: Evidence) -> bool:
    wall, virtual = evidence.wall, evidence.virtual
    if wall is None or virtual is None or virtual.exactness != "exact" or virtual.exit.stopped:
        return False
    return abs(wall.elapsed_s - virtual.elapsed_s) > CLOCKS_AGREE_S


def run_once(shop: Workshop, program: Path, *, fast: bool, on_line: OnLine | None = None) -> Run:
    """One run of a program for somebody who wants to see it run, not to grade it."""
    limits = Limits(wall_s=600.0, virtual_s=3600.0)
    if fast:
        return _on_virtual_clock(shop, program, limits, on_line=on_line)
    command = Command((str(program),), shop.bin, ENVIRONMENT)
    return run_on_wall_clock(command, limits, box=shop.space.box(read=("bin",)), on_line=on_line)


# ---- The real run ----------------------------------------------------------------------


def wall_limits(module: Module) -> Limits:
    """Enough real time to see the whole of doing it one after another."""
    return Limits(wall_s=module.console.one_after_another_s + 4.0)


def _run_wall(shop: Workshop, program: Built | None) -> tuple[Run | None, float]:
    """Returns the run, and by how much this machine woke the grader too late meanwhile."""
    if not program or not program.path:
        return None, 0.0
    command = Command((str(program.path),), shop.bin, ENVIRONMENT, ENTER)
    box = shop.space.box(read=("bin",))
    with _host_lateness() as late_s:
        limits = wall_limits(shop.submission.module)
        run = run_on_wall_clock(command, limits, box=box)
    return run, late_s()


@contextmanager
def _host_lateness() -> Iterator[Callable[[], float]]:
    """Measures how late this machine wakes a sleeper; yields a reader of the worst, in seconds."""
    worst_s = 0.0
    over = threading.Event()

    def tick() -> None:
        nonlocal worst_s
        while not over.is_set():
            due_s = time.monotonic() + TICK_S
            over.wait(TICK_S)
            worst_s = max(worst_s, time.monotonic() - due_s)

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield lambda: worst_s
    finally:
        over.set()
        ticker.join()


# ---- On the virtual clock ----------------------------------------------------------------


def _run_virtual(shop: Workshop, program: Built) -> Run | None:
    if program.path is None:
        return None
    return _on_virtual_clock(shop, program.path, VIRTUAL, stdin=ENTER)


def _on_virtual_clock(
    shop: Workshop,
    program: Path,
    limits: Limits,
    *,
    stdin: bytes = b"",
    leaks: bool = False,
    first_process: int = 0,
    env: Mapping[str, str] = {},
    on_line: OnLine | None = None,
) -> Run:
    """One run in simulated time; `leaks`: LeakSanitizer looks at the end, and traces for it.

    Somebody may seem lost to the clock because this machine is too busy: seldom so twice.
    """
    # Freed memory is kept for a while, to see who still uses it; 8 MB are a long while here.
    asan = f"detect_stack_use_after_return=1:detect_leaks={int(leaks)}:quarantine_size_mb=8"
    if leaks:  # GLib has no frame pointers: the quick way skips the line that called g_new()
        asan += ":fast_unwind_on_malloc=0"
    environment = {**ENVIRONMENT, **env, "ASAN_OPTIONS": asan}

    def run() -> Run:
        return run_on_virtual_clock(
            Command((str(program),), shop.bin, environment, stdin),
            limits,
            box=shop.space.box(read=("bin",), ptrace=leaks),
            vclock=shop.clock,
            source_name=shop.submission.name,
            first_process=first_process,
            on_line=on_line,
        )

    seen = run()
    again = seen.reason.startswith(LOST) and "limit" not in seen.exit.stopped and on_line is None
    return run() if again else seen


def _observe_sanitized(shop: Workshop, seed: int, n_shards: int, pool: Executor) -> Evidence:
    """Builds the sanitized program, and runs it beside the contract tests that are in it."""
    built = build.build_sanitized(shop)
    command = build.shown_command(shop.submission)
    evidence = Evidence(
        shop.submission,
        Build(command, built.messages, links=built.path is not None),
        sandbox=shop.space.sandbox.name,
    )
    if built.path is None:
        return evidence
    beside = pool.submit(_run_sanitized, shop, built.path)
    runs, tests = _run_tests(shop, built.path, seed, n_shards, pool)
    run = beside.result()
    virtual = run if _stands_for_plain(run, shop.submission.module) else None
    return replace(evidence, tests=tests, tests_runs=runs, sanitized=run, virtual=virtual)


def _run_sanitized(shop: Workshop, program: Path) -> Run:
    return _on_virtual_clock(shop, program, VIRTUAL, stdin=ENTER, leaks=True)


# ---- The contract tests ------------------------------------------------------------------


@lru_cache(maxsize=8)  # whoever proves a grader grades hundreds with the same seed
def load_scenarios(module: Path, seed: int) -> tuple[Scenario, ...]:
    """What each test of the module in this folder is given, and what the oracle expects."""
    path = module / "scenarios.py"
    spec = importlib.util.spec_from_file_location(f"scenarios_of_{module.name}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise GraderError(f"{path} is missing: each module has one.")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    scenarios: list[Scenario] = loaded.scenarios(random.Random(seed))
    return tuple(scenarios)


def _run_tests(
    shop: Workshop, program: Path, seed: int, n_shards: int, pool: Executor
) -> tuple[tuple[Run, ...], tuple[TestRun, ...]]:
    """Runs the tests in shards, side by side."""
    scenarios = load_scenarios(shop.submission.module.folder, seed)
    shards = [scenarios[first::n_shards] for first in range(n_shards)]
    others = [pool.submit(_run_shard, shop, program, shard) for shard in shards[1:]]
    done = [_run_shard(shop, program, shards[0]), *(other.result() for other in others)]
    by_name = {test.name: test for _, tests in done for test in tests}
    return tuple(run for runs, _ in done for run in runs), tuple(
        by_name[one.test] for one in scenarios
    )


def _run_shard(
    shop: Workshop, program: Path, scenarios: tuple[Scenario, ...]
) -> tuple[tuple[Run, ...], tuple[TestRun, ...]]:
    """Runs some tests in few processes, and again, each in its own, what may be due to that."""
    run, tests = _run_scenarios(shop, program, scenarios)
    doubtful = tuple(
        one.scenario
        for one in tests
        if one.status == "pass" and not one.fresh and not _is_as_due(one)
    )
    if not doubtful:
        return (run,), tests
    run_again, again = _run_scenarios(shop, program, doubtful, alone=True)
    certain = {test.name: test for test in again}
    return (run, run_again), tuple(certain.get(test.name, test) for test in tests)


def _is_as_due(test: TestRun) -> bool:
    """It printed the very lines that the oracle expects, in time, and nothing else at all.

    Nor is there more of a restless program in it than its own.
    """
    if test.stderr or test.is_restless:
        return False
    if test.scenario.expected is None:
        return True
    due = sorted((text, at_s) for at_s, text in test.scenario.expected)
    seen = sorted((line.text.rstrip(), line.time_s) for line in test.stdout)
    late_s = test.scenario.late_s + TIMER_S
    return [text for text, _ in seen] == [text for text, _ in due] and all(
        -TIMER_S < came - at < late_s for (_, came), (_, at) in zip(seen, due)
    )


def _run_scenarios(
    shop: Workshop, program: Path, scenarios: tuple[Scenario, ...], *, alone: bool = False
) -> tuple[Run, tuple[TestRun, ...]]:
    """One run of the frame of the tests (harness.c); `alone`: no two in one process."""
    nonce = os.urandom(16).hex()
    given = [f"nonce {nonce}", *(["alone"] if alone else [])]
    for scenario in scenarios:
        given += [f"test {scenario.test}", *scenario.given]
    stdin = "".join(f"{line}\n" for line in given).encode()
    run = _on_virtual_clock(
        shop, program, TESTS, stdin=stdin, first_process=1, env={"CONTRACT_TESTS": "1"}
    )
    return run, split_tests(run, scenarios, nonce)


def split_tests(run: Run, scenarios: tuple[Scenario, ...], nonce: str) -> tuple[TestRun, ...]:
    """Cuts the run of a shard into one record a test, with times from the test's beginning.

    harness.c lets time pass between its own reports and the test, so that what belongs to
    whom can be told by time alone; each test begins on a whole second.  A test that dies
    does so at the very moment at which the next one is announced.  What begins twice was run
    again, and only that counts.
    """
    attempts: list[_Attempt] = []
    ends: set[str] = set()
    results: dict[str, tuple[str, str]] = {}
    notes: dict[str, str] = {}
    for line in run.report:
        words = line.text.split(" ", 4)
        if words[1:2] != [nonce] or len(words) < 3:
            continue
        kind, test, rest = words[0], words[2], " ".join(words[3:])
        if kind == "begin":
            attempts.append(_Attempt(test, line.time_s, fresh=rest == "fresh"))
            ends.discard(test)
            notes.pop(test, None)
        elif kind == "end":
            ends.add(test)
        elif kind == "result" and rest:
            results.setdefault(test, (words[3], words[4] if len(words) > 4 else ""))
        elif kind == "note":
            notes.setdefault(test, rest)
    for test, note in notes.items():
        if test not in ends and results.get(test, ("error", ""))[0] == "error":
            results[test] = ("died", note)
    return tuple(
        _test_run(run, scenario, attempts, scenario.test in ends, results.get(scenario.test))
        for scenario in scenarios
    )


@dataclass(frozen=True)
class _Attempt:
    """A test that was begun."""

    test: str
    time_s: float
    fresh: bool  # in a process that had run no other


def _test_run(
    run: Run,
    scenario: Scenario,
    attempts: list[_Attempt],
    ended: bool,
    result: tuple[str, str] | None,
) -> TestRun:
    begin = next((one for one in reversed(attempts) if one.test == scenario.test), None)
    if begin is None:
        return TestRun(scenario, "missing", "", "", (), (), (), (), ())
    start_s = float(int(begin.time_s) + 1)
    later_s = (one.time_s for one in attempts if one.time_s > begin.time_s)
    end_s = min(later_s, default=float("inf"))
    verdict, message = result or ("missing", "")
    diagnosis, _, words = message.partition(": ")
    status: Literal["pass", "fail", "missing"] = (
        "pass" if verdict == "pass" and ended else "missing" if not result else "fail"
    )
    return TestRun(
        scenario,
        status,
        words if verdict in ("fail", "died") else message,
        diagnosis if verdict in ("fail", "died") else "",
        _lines_between(run.stdout, start_s, end_s),
        _lines_between(run.stderr, start_s, end_s),
        _stretches_between(run.waits, start_s, end_s),
        tuple(
            replace(started, time_s=started.time_s - start_s)
            for started in run.started
            if start_s <= started.time_s < end_s
        ),
        _stretches_between(run.spins, start_s, end_s),
        *_stop_between(run, start_s, end_s),
        died=verdict == "died",
        fresh=begin.fresh,
    )


Stretch = TypeVar("Stretch", Wait, Spin)


def _stretches_between(
    stretches: tuple[Stretch, ...], start_s: float, end_s: float
) -> tuple[Stretch, ...]:
    return tuple(
        replace(one, start_s=one.start_s - start_s, end_s=one.end_s - start_s)
        for one in stretches
        if start_s <= one.start_s < end_s
    )


def _lines_between(
    lines: tuple[OutputLine, ...], start_s: float, end_s: float
) -> tuple[OutputLine, ...]:
    first = bisect_left(lines, start_s, key=attrgetter("time_s"))
    last = bisect_right(lines, end_s, key=attrgetter("time_s"))
    return tuple(OutputLine(line.time_s - start_s, line.text) for line in lines[first:last])


def _stop_between(run: Run, start_s: float, end_s: float) -> tuple[str, float]:
    within = (stop for stop in run.stops if start_s <= stop.time_s <= end_s)
    return next(((stop.reason, stop.time_s - start_s) for stop in within), ("", 0.0))
