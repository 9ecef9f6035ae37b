"""The plain frozen records that travel through the grader, in the order of the journey.

    catalog -> Module
    submission -> Submission
    build -> Build
    observe -> Evidence (Runs, TestRuns)
    judge -> CheckResults with Diagnoses
    report -> text | json | html | platform formats

No record knows how it was made or how it will be shown.  Times are in seconds since the
program started, floats exact to the nanosecond on the virtual clock.  What the student
did wrong is a value in here; what the grader did wrong is a `GraderError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


POLL_S = 0.0025  # whoever waits for no longer than this, again and again, is polling
BUSY_CPU_S = 0.5  # of processor time in a run of some seconds that only waits
WAITS_PER_LINE = 50  # of a test: who wakes up so much more often than something is due, ticks


class GraderError(Exception):
    """The grader could not judge: one line that says what to do.  Exit status 2."""


# ---- catalog: what an author wrote about a module ---------------------------------------


@dataclass(frozen=True)
class ConsoleLine:
    """One line that the program must print, and when."""

    at_s: float
    text: str
    bar: str = ""  # the name of the bar in the timeline that this line belongs to
    edge: Literal["", "start", "end"] = ""  # ... and which end of the bar it marks
    group: str = ""  # neighbours of one group may come in any order


@dataclass(frozen=True)
class Console:
    """The timeline that drives the ordering check, the elapsed check and the pictures."""

    lines: tuple[ConsoleLine, ...]
    min_total_s: float
    max_total_s: float
    one_after_another_s: float
    late_s: float = 0.0  # how much later than it is due a line may come in simulated time
    early_start: str = ""  # the diagnosis for a bar that starts before it is due

    @property
    def total_s(self) -> float:
        """When the last line is due."""
        return max(line.at_s for line in self.lines)


@dataclass(frozen=True)
class CheckSpec:
    """One line of the report.  `tests` are the Check tests that it stands for."""

    id: str
    title: str
    points: int
    tests: tuple[str, ...] = ()
    diagnosis: str = ""  # what failed tests mean when nothing more telling is seen


@dataclass(frozen=True)
class TaskHints:
    """The staged hints of one numbered TODO; the last stage names the GLib function."""

    task: int
    title: str
    stages: tuple[str, ...]


@dataclass(frozen=True)
class DiagnosisText:
    """What a student reads about one misconception."""

    id: str
    title: str  # what is wrong, one sentence
    why: str  # why it matters, one sentence
    next: str  # what to try
    lesson: str  # a heading of the module's lesson.md
    task: int = 0  # the TODO whose hints fit; 0: none
    leads_to: tuple[str, ...] = ()  # ids of what follows from it, and is left out beside it


@dataclass(frozen=True)
class Todo:
    """A numbered TODO of the skeleton: what to achieve, and what stands in until then."""

    number: int
    text: str
    stub: str  # C lines that keep the skeleton free of warnings; may be empty


@dataclass(frozen=True)
class Module:
    """A module of the course, as its folder describes it."""

    id: str
    slug: str
    title: str
    minutes: int
    folder: Path  # modules/<id>-<slug>
    exercise: Path  # exercises/<id>-<slug>/<file>
    solution: Path  # solutions/<id>-<slug>/<file>
    packages: tuple[str, ...]  # pkg-config names
    sources: tuple[Path, ...]  # C files of the module that are linked with the student's
    tools: tuple[Path, ...]  # C programs of the module that the student's program starts
    data: tuple[Path, ...]  # files that they read, in the folder where they run
    allows_processes: bool  # whether the student's code may start child processes
    console: Console
    checks: tuple[CheckSpec, ...]
    todos: tuple[Todo, ...]
    hints: tuple[TaskHints, ...]
    diagnoses: Mapping[str, DiagnosisText]  # in order of precedence: root causes first


@dataclass(frozen=True)
class Scenario:
    """What one Check test is given, and what the oracle expects it to print, and when."""

    test: str
    given: tuple[str, ...] = ()  # lines for contract_given()
    expected: tuple[tuple[float, str], ...] | None = None  # (seconds since the test began, line)
    late_s: float = 0.0  # how much later than that a line may come


# ---- submission ------------------------------------------------------------------------


@dataclass(frozen=True)
class Submission:
    """What a student handed in."""

    module: Module
    name: str  # the path to show
    source: str  # the C code
    own: bool  # the exercise in this checkout, not a stranger's file
    first_line: int = 1  # where the code starts in the file (Markdown)
    claimed_output: str | None = None  # the console output the student says they observed
    altered: bool = False  # it names a digest that its code and output do not have


# ---- build -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Build:
    """Whether the program links, also with the contract tests, or why not."""

    command: str  # what the student can type to get the same program
    messages: str  # the compiler's, pointing at the student's own lines
    links: bool


# ---- observe: what happened, no opinion ------------------------------------------------

Exactness = Literal["exact", "inexact", "not measured"]


@dataclass(frozen=True)
class OutputLine:
    """One line of output, without its newline, and when it was complete."""

    time_s: float
    text: str


@dataclass(frozen=True)
class Site:
    """A place in the student's source."""

    function: str
    line: int  # 0: unknown


@dataclass(frozen=True)
class Wait:
    """One blocking call on the virtual clock."""

    start_s: float
    end_s: float
    call: str  # "poll", "nanosleep", "g_usleep", "pthread_cond_timedwait", ...
    asked_s: float | None  # how long it asked for; None: for ever
    by_loop: bool  # the main loop's own waiting, which blocks nobody
    in_dispatch: bool  # called from inside a callback of a running main loop
    loop_depth: int  # main loops running on this thread, one inside the other
    thread: int  # 0: the main thread of the first process
    process: int  # 0: the first process
    site: Site | None  # the innermost line of the student's, unless the loop is idle

    @property
    def idle(self) -> bool:
        """The one main loop waits, as it should: no code of anybody's stands still."""
        return self.by_loop and not self.in_dispatch and self.loop_depth <= 1


@dataclass(frozen=True)
class Started:
    """A thread or child process that the program started."""

    time_s: float
    kind: Literal["thread", "process"]
    process: int  # who started it
    site: Site | None
    name: str = ""  # what a thread calls itself; "" if it does not


@dataclass(frozen=True)
class Spin:
    """A stretch in which the program polled the clock or the loop instead of waiting."""

    start_s: float
    end_s: float
    call: str
    reads: int  # how many times it asked
    process: int
    site: Site | None
    by_loop: bool = False  # the main loop itself, which something in it never lets sleep


@dataclass(frozen=True)
class Stop:
    """A process that the grader ended, while the rest of the run may have gone on."""

    time_s: float
    process: int
    reason: str  # as Exit.stopped


@dataclass(frozen=True)
class Exit:
    """How a run ended.  Exactly one of `status`, `signal` and `stopped` is set."""

    status: int | None = None
    signal: int | None = None
    # "stuck" (all threads blocked for ever), "virtual limit", "wall limit", "cpu limit",
    # "memory limit", "output limit", "process limit", "file size limit", "polling"
    stopped: str = ""


@dataclass(frozen=True)
class Run:
    """One run of one binary on one clock."""

    clock: Literal["wall", "virtual"]
    exactness: Exactness
    reason: str  # why it is not exact; "" if it is
    stdout: tuple[OutputLine, ...]
    stderr: tuple[OutputLine, ...]
    report: tuple[OutputLine, ...]  # what the test harness wrote to its own channel
    exit: Exit
    elapsed_s: float
    cpu_s: float
    cut_bytes: int = 0  # output thrown away beyond the limit
    read_stdin: bool = False  # it took what it was given there
    waits: tuple[Wait, ...] = ()
    started: tuple[Started, ...] = ()
    spins: tuple[Spin, ...] = ()
    stops: tuple[Stop, ...] = ()
    loops_alive: int = 0  # GMainLoops not unreferenced when the first process ended


@dataclass(frozen=True)
class TestRun:
    """One Check test of the contract, as the parent saw it.

    Times count from the beginning of the test.
    """

    __test__ = False  # pytest: this is no test of ours

    scenario: Scenario
    status: Literal["pass", "fail", "missing"]  # missing: it never reported its end
    message: str  # Check's words
    diagnosis: str  # the diagnosis the test names; "" if none
    stdout: tuple[OutputLine, ...]
    stderr: tuple[OutputLine, ...]
    waits: tuple[Wait, ...]
    started: tuple[Started, ...]
    spins: tuple[Spin, ...]
    stopped: str = ""  # as Exit.stopped
    stopped_s: float = 0.0  # when that was
    died: bool = False  # before its end; message and diagnosis are what it said until then
    fresh: bool = True  # no other test had run in its process before

    @property
    def name(self) -> str:
        return self.scenario.test

    @property
    def is_restless(self) -> bool:
        """It woke up far more often than a line was due: in a short tick."""
        return len(self.waits) > WAITS_PER_LINE * len(self.scenario.expected or self.waits)


@dataclass(frozen=True)
class Evidence:
    """All that was observed about one submission."""

    submission: Submission
    build: Build
    wall: Run | None = None
    virtual: Run | None = None
    sanitized: Run | None = None
    tests: tuple[TestRun, ...] = ()
    tests_runs: tuple[Run, ...] = ()  # one for each shard of the tests
    host_late_s: float = 0.0  # the most by which this machine woke the grader too late
    seed: int = 0  # of the scenarios
    sandbox: str = "none"
    duration_s: float = 0.0


# ---- judge -----------------------------------------------------------------------------

Status = Literal["pass", "fail", "skipped", "error"]


@dataclass(frozen=True)
class Diagnosis:
    """One misconception, found in this submission."""

    text: DiagnosisText
    evidence: str  # expected and seen, with times or the source line
    lines: tuple[int, ...] = ()  # lines of the student's source that it points at

    @property
    def id(self) -> str:
        return self.text.id


@dataclass(frozen=True)
class CheckResult:
    """One line of the verdict."""

    id: str
    title: str
    status: Status
    points: int
    max_points: int
    message: str = ""
    diagnosis: str | None = None


@dataclass(frozen=True)
class Bar:
    """One stretch of the timeline picture."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class GradeResult:
    """The verdict, complete: every report is made from this and nothing else."""

    evidence: Evidence
    verdict: Literal["pass", "fail", "error"]
    checks: tuple[CheckResult, ...]
    diagnoses: tuple[Diagnosis, ...]  # the first is the root cause
    timeline: tuple[Bar, ...]
    blocked: tuple[Wait, ...] = ()  # waits that froze the main loop
    notes: tuple[str, ...] = field(default=())  # e.g. why a run was not exact

    @property
    def score(self) -> int:
        return sum(check.points for check in self.checks)

    @property
    def max_score(self) -> int:
        return sum(check.max_points for check in self.checks)
