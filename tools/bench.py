"""The benchmark: what a grade costs, and how often its verdict changes (`make bench`).

    python3 tools/bench.py [--quick | --full] [--docs]

All that is compared is measured in one run, by turns: A B A B.  Each part is written as soon
as it is there, so that a long run that is stopped leaves what it has:

    build/bench/bench.md    the machine and the tables
    build/bench/bench.svg   the same as a picture

docs/benchmark.md says what the parts are and how to read them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from grader import build, catalog, observe, sandbox, submission  # noqa: E402
from grader.execute import Box, Command, Limits, NoBox, run_on_virtual_clock  # noqa: E402
from grader.parts import build_root  # noqa: E402
from grader.records import GraderError, Run, Submission  # noqa: E402

MODULE = "0.5"
VARIANT = "modules/0.5-gather/variants/timeout_add_seconds.c"
NOMINAL_S = 3.0  # what the program must take
NARROW_S, WIDE_S = 0.2, 0.5  # the plain wall-clock checks
BUSY_LOOPS = 16
PERIOD_US = 100_000  # of a CPU quota
AT_ONCE = 4  # sleepers that are timed side by side: they need no processor
LIMIT_S = 600.0  # for one program that is timed, whatever happens to it
CALM_LOAD = 0.5  # with more than this running, "idle" is not true
STOP_S = 10.0  # for a program to clean up after itself
CGROUPS = Path("/sys/fs/cgroup")
GROUP_NAME = "glib-workbook-bench"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

Say = Callable[[str], None]
Joins = Sequence[Sequence[Path]]  # for each lane, the control groups to join
Job = TypeVar("Job")


# ---- How much -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Amount:
    """How often each thing is done."""

    rounds: int  # by hand, whole grade, fast grade
    fast: int  # grades of the reference under each condition
    whole: int
    variant: int  # fast grades of the variant
    plain: int  # wall-clock runs of each program
    valgrind: int  # the same under valgrind
    clock: int  # runs on the virtual clock
    thousand: int
    boxes: int
    lanes: int = 1  # grades at a time, where the machine is busy anyway


QUICK = Amount(
    rounds=1, fast=1, whole=0, variant=0, plain=1, valgrind=1, clock=10, thousand=2, boxes=5
)
USUAL = Amount(
    rounds=11, fast=6, whole=2, variant=2, plain=8, valgrind=3, clock=200, thousand=9, boxes=25
)
FULL = Amount(
    rounds=21,
    fast=1000,
    whole=100,
    variant=20,
    plain=40,
    valgrind=10,
    clock=2000,
    thousand=21,
    boxes=51,
    lanes=12,
)


# ---- What was measured ----------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What one grade said."""

    status: int  # exit status
    verdict: str
    score: int
    failed: tuple[str, ...]  # the checks that did not pass
    virtual_s: float | None
    took_s: float

    @property
    def right(self) -> bool:
        return (self.status, self.verdict, self.score) == (0, "pass", 100)


@dataclass
class Flakes:
    """Right programs under one condition: what the grades and the plain checks made of them."""

    condition: str
    unavailable: str = ""  # why it could not be had
    fast: list[Verdict] = field(default_factory=list)
    whole: list[Verdict] = field(default_factory=list)
    variant: list[Verdict] = field(default_factory=list)
    plain_s: dict[str, list[float]] = field(default_factory=dict)  # elapsed, by program


@dataclass
class Measured:
    """All results, filled in part by part."""

    machine: list[tuple[str, str]]
    hand_s: list[float] = field(default_factory=list)
    compile_s: list[float] = field(default_factory=list)
    whole: list[Verdict] = field(default_factory=list)
    fast: list[Verdict] = field(default_factory=list)
    flakes: list[Flakes] = field(default_factory=list)
    virtual_s: list[float] = field(default_factory=list)
    outputs: int = 0  # distinct ones, time stamps included
    thousand_s: list[float] = field(default_factory=list)
    thousand_virtual_s: list[float] = field(default_factory=list)
    boxed_s: list[float] = field(default_factory=list)
    bare_s: list[float] = field(default_factory=list)
    workspace_s: list[float] = field(default_factory=list)
    tier: str = ""


# ---- Processes: bounded, and gone at the end ------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """How a program ended that was timed."""

    status: int
    stdout: str
    took_s: float


def timed(argv: Sequence[str], *, join: Sequence[Path] = ()) -> Ended:
    """Runs a program from the checkout, in the control groups to `join`; LIMIT_S at most."""
    start_s = time.monotonic()
    child = subprocess.Popen(
        grouped(argv, join),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        stdout, _ = child.communicate(timeout=LIMIT_S)
        return Ended(child.returncode, stdout, time.monotonic() - start_s)
    except subprocess.TimeoutExpired:
        return Ended(-1, "", time.monotonic() - start_s)
    finally:
        end(child)


def timed_s(argv: Sequence[str], *, join: Sequence[Path] = ()) -> float:
    """How long a right program takes, in seconds."""
    ended = timed(argv, join=join)
    if ended.status != 0:
        raise GraderError(f"{Path(argv[0]).name} ended with status {ended.status}.")
    return ended.took_s


def grouped(argv: Sequence[str], join: Sequence[Path]) -> list[str]:
    """`argv` behind a shell that moves itself into the control groups first."""
    if not join:
        return list(argv)
    moves = "".join(f"echo 0 > {shlex.quote(str(file))} && " for file in join)
    return ["/bin/sh", "-c", f'{moves}exec "$@"', "sh", *argv]


def end(child: subprocess.Popen[str]) -> None:
    """Ends a program that still runs: asks first, so that a grader removes its sandbox."""
    for number, patience_s in ((signal.SIGINT, STOP_S), (signal.SIGKILL, None)):
        if child.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience_s)
    if child.stdout:
        child.stdout.close()


BUSY_LOOP = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(100000):
        pass
"""  # It ends with the benchmark, even when that was killed.


@contextlib.contextmanager
def busy_loops(number: int, join: Sequence[Path] = ()) -> Iterator[None]:
    """Keeps `number` processes busy meanwhile."""
    argv = grouped([sys.executable, "-IS", "-c", BUSY_LOOP, str(os.getpid())], join)
    loops: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(number):
            loops.append(subprocess.Popen(argv, start_new_session=True))
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


# ---- A CPU quota ----------------------------------------------------------------------------


class NoQuota(Exception):
    """No control group with a CPU quota can be had here."""


@contextlib.contextmanager
def cpu_quota(percent: int, number: int) -> Iterator[list[Path]]:
    """A control group that may use `percent` of one core; yields the files to join it by.

    `number` tells it from others that are held at the same time.
    Raises NoQuota where none can be made: that needs root, or a group that was delegated.
    """
    membership = Path("/proc/self/cgroup").read_text()
    reasons = []
    for parent, version in cgroup_parents(CGROUPS, membership):
        remove_stale(parent)
        group = parent / f"{GROUP_NAME}-{os.getpid()}-{number}"
        try:
            join = make_group(group, version, percent)
        except OSError as error:
            reasons.append(f"version {version}: {error.strerror}")
            remove_group(group)
            continue
        try:
            yield [join]
        finally:
            remove_group(group)
        return
    raise NoQuota("; ".join(dict.fromkeys(reasons)) or "no cpu controller is mounted")


def cgroup_parents(mount: Path, membership: str) -> list[tuple[Path, int]]:
    """Where a group with a quota may be made, and the version of control groups there.

    `membership` is /proc/self/cgroup.  Version 2 lets a group hold processes or groups, not
    both, so a new one goes beside one's own; only the topmost may hold both.
    """
    own = {}
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        own.update({name: path.lstrip("/") for name in controllers.split(",")})
    if "cpu" in own:
        folders = [path for path in mount.glob("cpu*") if "cpu" in path.name.split(",")]
        return [(folder / own["cpu"], 1) for folder in folders[:1]]
    if "" not in own:
        return []
    return [((mount / own[""]).parent if own[""] else mount, 2)]


def make_group(group: Path, version: int, percent: int) -> Path:
    """Makes the group; returns the file to join it by.  Raises OSError."""
    quota_us = PERIOD_US * percent // 100
    if version == 1:
        group.mkdir()
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(quota_us))
        return group / "cgroup.procs"
    # The grader makes a group for its sandbox beside its own: that must be within the quota.
    inner = group / "inner"
    group.mkdir()
    (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
    for controller in ("memory", "pids"):
        with contextlib.suppress(OSError):  # Then the sandbox has no control group here.
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
    inner.mkdir()
    return inner / "cgroup.procs"


def remove_stale(parent: Path) -> None:
    """Removes the groups of benchmarks that were killed."""
    for group in parent.glob(f"{GROUP_NAME}-*"):
        pid = group.name.removeprefix(f"{GROUP_NAME}-").partition("-")[0]
        if not Path("/proc", pid).exists():
            remove_group(group)


def remove_group(group: Path) -> None:
    """Kills what is inside, and removes the group with the groups in it."""
    folders = [group] if group.is_dir() else []
    folders += [path for path in group.rglob("*") if path.is_dir()]
    for folder in reversed(folders):
        for _ in range(200):
            with contextlib.suppress(OSError):
                folder.rmdir()
                break
            with contextlib.suppress(OSError, ProcessLookupError):
                for pid in map(int, (folder / "cgroup.procs").read_text().split()):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)


# ---- (a) (b) (c): by hand, whole, fast ------------------------------------------------------


def grade(*words: str, join: Sequence[Path] = ()) -> Verdict:
    """One grade, as the command line gives it."""
    ended = timed([sys.executable, "-m", "grader", "grade", MODULE, *words], join=join)
    return read_verdict(ended)


def read_verdict(ended: Ended) -> Verdict:
    """The verdict of a grade; without --json what its exit status tells."""
    if not ended.stdout.startswith("{"):
        word = {0: "pass", 1: "fail"}.get(ended.status, "error")
        return Verdict(ended.status, word, 100 * (word == "pass"), (), None, ended.took_s)
    told = json.loads(ended.stdout)
    failed = tuple(one["id"] for one in told["checks"] if one["status"] != "pass")
    virtual_s = told["elapsed"]["virtual_s"]
    return Verdict(ended.status, told["verdict"], told["score"], failed, virtual_s, ended.took_s)


def compile_by_hand(source: str, folder: Path) -> tuple[Path, float]:
    """The command that the student is shown.  Returns the program, and how long it took."""
    module = catalog.find(MODULE)
    program = folder / Path(source).stem
    work = replace(submission.read(module, module.solution), name=source)
    command = build.shown_command(work, shlex.quote(str(program)))
    ended = timed(["/bin/sh", "-c", command])
    if ended.status != 0:
        raise GraderError(f"{source} does not compile: run make setup.")
    return program, ended.took_s


def reference_name() -> str:
    """The reference, as the student would call it."""
    return str(catalog.find(MODULE).solution.relative_to(ROOT))


def measure_rounds(measured: Measured, amount: Amount, folder: Path, say: Say) -> None:
    """By turns: compiled and run by hand, graded whole, graded fast."""
    first = grade("--solution", "--fast", "--json", "-")  # What is made once is made now.
    if not first.right:
        raise GraderError("the reference does not get full marks: try make grade-solution.")
    for number in range(amount.rounds):
        say(f"by hand, whole, fast: round {number + 1} of {amount.rounds}")
        program, compile_s = compile_by_hand(reference_name(), folder)
        run_s = timed_s([str(program)])
        measured.compile_s.append(compile_s)
        measured.hand_s.append(compile_s + run_s)
        measured.whole.append(grade("--solution"))
        measured.fast.append(grade("--solution", "--fast"))


# ---- (d): how often a verdict changes -------------------------------------------------------


@dataclass(frozen=True)
class Condition:
    """What else the machine has to do meanwhile."""

    name: str
    busy: int = 0  # busy loops
    quota: int = 0  # per cent of one core; busy loops are inside as well
    share: int = 1  # do it that many times less often: it is slow
    quick: bool = False  # worth a look in a quick run

    @contextlib.contextmanager
    def holds(self, lanes: int) -> Iterator[list[Sequence[Path]]]:
        """Makes it so; yields what to join in each lane.  Raises NoQuota."""
        if not self.quota and not self.busy:
            lanes = 1
        with contextlib.ExitStack() as stack:
            if not self.quota:
                stack.enter_context(busy_loops(self.busy))
                yield [[] for _ in range(lanes)]
                return
            joins = [stack.enter_context(cpu_quota(self.quota, lane)) for lane in range(lanes)]
            for join in joins:
                stack.enter_context(busy_loops(self.busy, join))
            yield [*joins]


CONDITIONS = (
    Condition("idle", quick=True),
    Condition(f"{BUSY_LOOPS} busy loops", busy=BUSY_LOOPS, quick=True),
    Condition("CPU quota 10 %", quota=10, quick=True),
    Condition("CPU quota 20 %", quota=20, share=10),
    Condition("CPU quota 20 %, shared with a busy loop", busy=1, quota=20, share=10),
)


def measure_flakes(measured: Measured, amount: Amount, folder: Path, say: Say) -> Iterator[None]:
    """Every condition in turn; comes up for air after each."""
    programs = {
        "reference": compile_by_hand(reference_name(), folder)[0],
        "g_timeout_add_seconds": compile_by_hand(VARIANT, folder)[0],
    }
    for condition in CONDITIONS:
        if amount is QUICK and not condition.quick:
            continue
        flakes = Flakes(condition.name)
        measured.flakes.append(flakes)
        try:
            with condition.holds(amount.lanes) as joins:
                _grades(flakes, less_often(amount, condition.share), joins, say)
                _plain(flakes, less_often(amount, condition.share), programs, joins, say)
        except NoQuota as error:
            flakes.unavailable = f"no control group can be had here ({error})"
        yield


def less_often(amount: Amount, times: int) -> Amount:
    """Less of it, but not nothing."""
    less = {name: -(-getattr(amount, name) // times) for name in ("fast", "whole", "variant")}
    return replace(amount, **less)


def in_lanes(
    work: Callable[[Job, Sequence[Path]], None], jobs: Sequence[Job], joins: Joins
) -> None:
    """Does all jobs, one at a time in each lane."""
    free: SimpleQueue[Sequence[Path]] = SimpleQueue()
    for join in joins:
        free.put(join)

    def do(job: Job) -> None:
        join = free.get()
        try:
            work(job, join)
        finally:
            free.put(join)

    with ThreadPoolExecutor(len(joins)) as pool:
        list(pool.map(do, jobs))


def _grades(flakes: Flakes, amount: Amount, joins: Joins, say: Say) -> None:
    """Grades of right programs, kinds by turns."""
    kinds = (
        (flakes.fast, amount.fast, ("--solution", "--fast")),
        (flakes.whole, amount.whole, ("--solution",)),
        (flakes.variant, amount.variant, ("--file", VARIANT, "--trust", "--fast")),
    )
    jobs: list[tuple[list[Verdict], tuple[str, ...]]] = []
    for number in range(max(wanted for _, wanted, _ in kinds)):
        for done, wanted, words in kinds:  # the rarer ones spread evenly
            if number * wanted // amount.fast < (number + 1) * wanted // amount.fast:
                jobs.append((done, words))

    def work(job: tuple[list[Verdict], tuple[str, ...]], join: Sequence[Path]) -> None:
        done, words = job
        done.append(grade(*words, "--json", "-", join=join))
        say(f"{flakes.condition}: grade {len(flakes.fast)} of {amount.fast}")

    in_lanes(work, jobs, joins)


def _plain(
    flakes: Flakes, amount: Amount, programs: dict[str, Path], joins: Joins, say: Say
) -> None:
    """What a check of the elapsed time would go by: plain runs on the wall clock.

    g_timeout_add_seconds() rounds to a phase of the session, so the runs begin at random
    phases: one behind the other they would all begin at the same one.
    """
    light = [name for name in programs for _ in range(amount.plain)]
    random.shuffle(light)
    flakes.plain_s = {name: [] for name in (*programs, "valgrind")}

    def run(name: str) -> None:
        time.sleep(random.random())
        flakes.plain_s[name].append(timed_s([str(programs[name])], join=joins[0]))

    say(f"{flakes.condition}: {len(light)} plain runs, {AT_ONCE} at a time")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(run, light))
    if not shutil.which("valgrind"):
        return

    def run_slowly(argv: Sequence[str], join: Sequence[Path]) -> None:
        flakes.plain_s["valgrind"].append(timed_s(argv, join=join))

    say(f"{flakes.condition}: {amount.valgrind} plain runs under valgrind")
    in_lanes(run_slowly, [["valgrind", "-q", str(programs["reference"])]] * amount.valgrind, joins)


def changed(verdicts: Sequence[Verdict]) -> int:
    """How many grades did not give full marks to a right program."""
    return sum(not one.right for one in verdicts)


def failing(elapsed_s: Sequence[float], tolerance_s: float) -> int:
    """How many runs a plain wall-clock check would fail."""
    return sum(abs(one - NOMINAL_S) > tolerance_s for one in elapsed_s)


# ---- (e) (f) (g): the virtual clock and the sandbox -----------------------------------------

MAIN = re.compile(r"^main \(void\)$", re.MULTILINE)
THOUSAND = """
#define N_EXPERIMENTS 1000

static void
on_all_reported (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_print ("%" G_GSIZE_FORMAT " results, the last of %u s\\n", n_results,
           results[n_results - 1].seconds);
  g_main_loop_quit (user_data);
}

int
main (void)
{
  static Experiment experiments[N_EXPERIMENTS];
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  for (guint i = 0; i < N_EXPERIMENTS; i++)
    experiments[i] = (Experiment){ "one", (i + 1) * 7919 % 3600 };
  experiments[N_EXPERIMENTS - 1].seconds = 3600;
  gather_experiments (experiments, N_EXPERIMENTS, on_all_reported, loop);
  g_main_loop_run (loop);
  return 0;
}
"""
LIMITS = Limits(virtual_s=4000.0, wall_s=60.0)


def a_thousand(reference: Submission) -> Submission:
    """A program that gathers 1 000 experiments of up to 3 600 s with the reference's functions."""
    source, found = MAIN.subn("three_experiments (void)", reference.source)
    if found != 1:
        raise GraderError("the reference has no main that the benchmark recognises.")
    return replace(reference, source=source + THOUSAND)


@dataclass(frozen=True)
class Bench:
    """A program in a workshop, ready to be run on the virtual clock."""

    shop: build.Workshop
    program: Path

    @property
    def box(self) -> Box:
        return self.shop.space.box(read=("bin",))

    def run(self, box: Box) -> tuple[Run, float]:
        """One run, and how long it really took, looking up source lines included."""
        command = Command((str(self.program),), self.shop.bin, observe.ENVIRONMENT)
        name = self.shop.submission.name
        start_s = time.monotonic()
        run = run_on_virtual_clock(
            command, LIMITS, box=box, vclock=self.shop.clock, source_name=name
        )
        took_s = time.monotonic() - start_s
        if run.exit.status != 0 or run.exactness != "exact":
            raise GraderError(f"the reference ended with {run.exit}, {run.exactness}.")
        return run, took_s


@contextlib.contextmanager
def bench(work: Submission, walls: sandbox.Sandbox) -> Iterator[Bench]:
    """Builds a program in a workshop of its own."""
    with build.workshop(work, walls) as shop:
        built = build.build_program(shop)
        if not built.program:
            raise GraderError(f"the benchmark's own program does not compile: {built.messages}")
        yield Bench(shop, built.program)


def measure_clock(measured: Measured, amount: Amount, say: Say) -> None:
    """The virtual clock and the sandbox alone."""
    module = catalog.find(MODULE)
    reference = submission.read(module, module.solution)
    walls = sandbox.probe(build_root() / "sandbox")
    measured.tier = walls.name
    with bench(reference, walls) as small:
        _exact(measured, small, amount.clock, say)
        say(f"with and without the sandbox: {amount.boxes} runs each")
        for _ in range(amount.boxes):
            measured.boxed_s.append(small.run(small.box)[1])
            measured.bare_s.append(small.run(NoBox())[1])
    with bench(a_thousand(reference), walls) as large:
        say(f"1 000 experiments: {amount.thousand} runs")
        for _ in range(amount.thousand):
            run, took_s = large.run(large.box)
            measured.thousand_s.append(took_s)
            measured.thousand_virtual_s.append(run.elapsed_s)
    for _ in range(amount.boxes):
        start_s = time.monotonic()
        with walls.workspace():
            pass
        measured.workspace_s.append(time.monotonic() - start_s)


def _exact(measured: Measured, small: Bench, runs: int, say: Say) -> None:
    """The same run again and again."""
    outputs = set()
    for number in range(runs):
        if number % 100 == 0:
            say(f"on the virtual clock: run {number + 1} of {runs}")
        run, _ = small.run(small.box)
        measured.virtual_s.append(run.elapsed_s)
        outputs.add(run.stdout)
    measured.outputs = len(outputs)


# ---- The machine ----------------------------------------------------------------------------


def machine() -> list[tuple[str, str]]:
    """What it was measured on: nothing that tells whose it is or where."""
    load = os.getloadavg()[0]
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        ("cores", str(len(os.sched_getaffinity(0)))),
        ("processor", _processor()),
        ("memory", f"{gib:.0f} GiB"),
        ("kernel", f"Linux {os.uname().release}"),
        ("gcc", _version("gcc", "-dumpfullversion")),
        ("GLib", _version("pkg-config", "--modversion", "glib-2.0")),
        ("Python", platform.python_version()),
        ("valgrind", _version("valgrind", "--version")),
        ("load average before", f"{load:.1f}{' (not idle)' if load > CALM_LOAD else ''}"),
    ]


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1) if found else platform.machine()


def _version(*argv: str) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"


# ---- The tables -----------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def seconds(values: Sequence[float]) -> str:
    """The median, and from where to where."""
    if not values:
        return "-"
    return f"{median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def share(part: int, whole: int) -> str:
    """How many of how many."""
    return f"{part} of {whole} ({100 * part / whole:.0f} %)" if whole else "-"


def times_table(measured: Measured) -> str:
    """(a) (b) (c): the costs side by side, and their ratios."""
    hand, compiled = median(measured.hand_s), median(measured.compile_s)
    whole_s = [one.took_s for one in measured.whole]
    fast_s = [one.took_s for one in measured.fast]
    ratio_b = f"{median(whole_s) / hand:.2f} times by hand"
    ratio_c = f"{median(fast_s) / compiled:.1f} times compiling"
    rows = [
        ("compiling by hand", seconds(measured.compile_s), "", ""),
        ("compiling and running by hand", seconds(measured.hand_s), "", ""),
        ("grade 0.5 --solution", seconds(whole_s), ratio_b, str(changed(measured.whole))),
        ("grade 0.5 --solution --fast", seconds(fast_s), ratio_c, str(changed(measured.fast))),
    ]
    head = ("what", f"s, median of {len(measured.hand_s)}", "ratio", "verdicts changed")
    return table(head, rows)


def goals_table(measured: Measured) -> str:
    """The numbers to reach, and what was reached."""
    rows = [row for row in _goals(measured) if row[2]]
    words = {True: "yes", False: "**no**"}
    return table(
        ("what", "reach", "reached", "done"),
        [(what, goal, reached, words[done]) for what, goal, reached, done in rows],
    )


def _goals(measured: Measured) -> Iterator[tuple[str, str, str, bool]]:
    """What, how much, how much it is ("" if unknown), whether that will do."""
    if measured.fast:
        hand, compiled = median(measured.hand_s), median(measured.compile_s)
        ratio = median(one.took_s for one in measured.whole) / hand
        yield "grade / by hand", "at most 1.10", f"{ratio:.2f}", ratio <= 1.10
        fast_s = median(one.took_s for one in measured.fast)
        yield "fast grade", "at most 0.7 s", f"{fast_s:.2f} s", fast_s <= 0.7
        ratio = fast_s / compiled
        yield "fast grade / compiling", "at most 6, aim for 4", f"{ratio:.1f}", ratio <= 6
    grades = [one for some in measured.flakes for one in (*some.fast, *some.whole, *some.variant)]
    if grades:
        count = changed(grades)
        yield "changed verdicts, all conditions", "0", share(count, len(grades)), count == 0
    told_s = [one.virtual_s for one in grades if one.virtual_s is not None]
    if told_s:
        exact = told_s.count(NOMINAL_S)
        reached = f"{share(exact, len(told_s))} grades"
        yield "virtual time in these grades", "3.000 s, always", reached, exact == len(told_s)
    if measured.virtual_s:
        off = sum(one != NOMINAL_S for one in measured.virtual_s)
        reached = f"{share(len(measured.virtual_s) - off, len(measured.virtual_s))} runs"
        yield "virtual time of the reference", "exactly 3.000 s, always", reached, off == 0
        reached = str(measured.outputs)
        yield "different outputs in these runs", "1", reached, measured.outputs == 1
    if measured.thousand_s:
        took_s = median(measured.thousand_s)
        yield "1 000 experiments, gathered", "under 0.5 s", f"{took_s:.2f} s", took_s < 0.5


def grades_table(measured: Measured) -> str:
    """(d): changed verdicts of the grader, and how long its grades took."""
    rows = []
    for one in measured.flakes:
        cells = [
            f"{share(changed(some), len(some))}" for some in (one.fast, one.whole, one.variant)
        ]
        took = [seconds([each.took_s for each in some]) for some in (one.fast, one.whole)]
        rows.append((one.condition, *(["-"] * 5 if one.unavailable else [*cells, *took])))
    head = (
        *("changed verdicts", "fast", "whole", "fast, g_timeout_add_seconds"),
        *("a fast grade, s", "a whole grade, s"),
    )
    return table(head, rows)


def plain_table(measured: Measured) -> str:
    """(d): what plain wall-clock checks make of the same programs."""
    head = ("failed by a plain check", "program", f"±{NARROW_S} s", f"±{WIDE_S} s", "elapsed, s")
    rows = [
        (
            one.condition,
            name,
            *(share(failing(times_s, limit_s), len(times_s)) for limit_s in (NARROW_S, WIDE_S)),
            seconds(times_s),
        )
        for one in measured.flakes
        for name, times_s in one.plain_s.items()
    ]
    return table(head, rows)


def wrong_words(measured: Measured) -> str:
    """What the changed verdicts were."""
    seen: Counter[str] = Counter()
    for one in measured.flakes:
        for each in (*one.fast, *one.whole, *one.variant):
            if not each.right:
                failed = ", ".join(each.failed) or "no report"
                seen[f"{one.condition}: {each.verdict}, status {each.status} ({failed})"] += 1
    lines = [f"- {words}: {number} times\n" for words, number in sorted(seen.items())]
    lines += [
        f"- {one.condition}: {one.unavailable}\n" for one in measured.flakes if one.unavailable
    ]
    return "".join(lines)


def clock_table(measured: Measured) -> str:
    """(f) (g): single runs on the virtual clock."""
    hour = ", ".join(f"{one:.3f} s" for one in sorted(set(measured.thousand_virtual_s)))
    rows = [
        (f"the reference, sandbox: {measured.tier}", seconds(measured.boxed_s)),
        ("the reference, no sandbox", seconds(measured.bare_s)),
        ("making and removing a workspace, once a grade", seconds(measured.workspace_s)),
        (f"1 000 experiments: {hour} virtual", seconds(measured.thousand_s)),
    ]
    return table(("one run on the virtual clock", "s"), rows)


def render(measured: Measured) -> str:
    """All that was measured up to now, as Markdown."""
    parts = [table(("machine", ""), measured.machine), goals_table(measured)]
    if measured.fast:
        parts.append(times_table(measured))
    if measured.flakes:
        parts += [grades_table(measured), wrong_words(measured), plain_table(measured)]
    if measured.thousand_s:
        parts.append(clock_table(measured))
    return "\n".join(part for part in parts if part)


# ---- The picture ----------------------------------------------------------------------------


def plot(measured: Measured, path: Path) -> None:
    """Costs on the left, wrong verdicts on the right."""
    import matplotlib  # type: ignore[import]

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    costs = {
        "compiling by hand": measured.compile_s,
        "fast grade": [one.took_s for one in measured.fast],
        "compiling and running": measured.hand_s,
        "whole grade": [one.took_s for one in measured.whole],
    }
    for row, values in enumerate(costs.values()):
        left.plot(values, [row] * len(values), "o", color="tab:blue", alpha=0.3)
        left.plot(median(values), row, "|", color="black", markersize=24)
    left.set_yticks(range(len(costs)), costs)
    left.set(xlabel="seconds", title="What it costs, and the median", xlim=(0, None))
    left.invert_yaxis()
    _plot_wrong(right, [one for one in measured.flakes if not one.unavailable])
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _plot_wrong(axes: Any, conditions: Sequence[Flakes]) -> None:
    bars = wrong_percent(conditions)
    width = 0.8 / len(bars)
    for place, (label, heights) in enumerate(bars.items()):
        at = [row + (place - (len(bars) - 1) / 2) * width for row in range(len(heights))]
        axes.bar_label(axes.barh(at, heights, height=width, label=label), fmt=" %.0f")
    axes.set_yticks(range(len(conditions)), [one.condition for one in conditions])
    axes.set(xlabel="% of right programs failed", title="How often it is wrong", xlim=(0, 110))
    axes.invert_yaxis()
    axes.legend(fontsize="small", ncol=2, loc="upper center", bbox_to_anchor=(0.4, -0.15))


def wrong_percent(conditions: Sequence[Flakes]) -> dict[str, list[float]]:
    """For each kind of check its wrong verdicts under each condition, in per cent."""
    bars: dict[str, list[float]] = {
        "this grader": [
            _percent(changed(all_ := [*one.fast, *one.whole, *one.variant]), len(all_))
            for one in conditions
        ]
    }
    for name in ("reference", "g_timeout_add_seconds", "valgrind"):
        bars[f"plain ±{NARROW_S} s: {name}"] = [
            _percent(failing(times_s := one.plain_s.get(name, []), NARROW_S), len(times_s))
            for one in conditions
        ]
    return bars


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else float("nan")  # no bar


# ---- The way through ------------------------------------------------------------------------


def quote(page: str, text: str) -> str:
    """The page with `text` between its marks.  Raises ValueError when they are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, finish, after = rest.partition(END)
    if not begin or not finish:
        raise ValueError(f"the page has no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"


def write(measured: Measured, folder: Path) -> None:
    """The tables and the picture, as far as they are known."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.md").write_text(render(measured), encoding="utf-8")
    if measured.fast:
        plot(measured, folder / "bench.svg")


def write_docs(measured: Measured) -> None:
    """Quotes this run in docs/benchmark.md."""
    page = ROOT / "docs" / "benchmark.md"
    text = f"{render(measured)}\n![The same as a picture](benchmark.svg)"
    page.write_text(quote(page.read_text(encoding="utf-8"), text), encoding="utf-8")
    plot(measured, page.with_suffix(".svg"))


def measure(measured: Measured, amount: Amount, say: Say) -> Iterator[None]:
    """One part after the other; comes up for air after each."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        measure_rounds(measured, amount, folder, say)
        yield
        measure_clock(measured, amount, say)
        yield
        yield from measure_flakes(measured, amount, folder, say)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The workbook's benchmark.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="about a minute: does it work at all")
    size.add_argument("--full", action="store_true", help="1 000 grades a condition: an hour")
    parser.add_argument("--docs", action="store_true", help="quote the run in docs/benchmark.md")
    return parser.parse_args()


def stop(*_: object) -> None:
    """SIGTERM, like Ctrl-C, lets everything be cleaned up."""
    raise KeyboardInterrupt


def main() -> int:
    words = arguments()
    signal.signal(signal.SIGTERM, stop)
    os.environ["PYTHONPATH"] = str(ROOT)
    amount = QUICK if words.quick else FULL if words.full else USUAL
    measured = Measured(machine())
    folder = build_root() / "bench"
    start_s = time.monotonic()

    def say(text: str) -> None:
        print(f"bench: {time.monotonic() - start_s:6.0f} s  {text}", file=sys.stderr, flush=True)

    status = 0
    try:
        for _ in measure(measured, amount, say):
            write(measured, folder)
    except KeyboardInterrupt:
        say("stopped; what was measured is kept")
        status = 130
    except GraderError as error:
        say(str(error))
        status = 2
    sys.stdout.write(render(measured))
    if words.docs and status == 0:
        write_docs(measured)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
