"""Graded results made by hand, for the tests of everything that people look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from grader.records import (
    Bar,
    Build,
    CheckResult,
    CheckSpec,
    Console,
    ConsoleLine,
    Diagnosis,
    DiagnosisText,
    Evidence,
    Exit,
    GradeResult,
    Module,
    OutputLine,
    Run,
    Site,
    Submission,
    TaskHints,
    Todo,
    Wait,
)

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("exp_small", "exp_medium", "exp_large")
LAST_LINE = "All done: [('exp_small', 1), ('exp_medium', 2), ('exp_large', 3)]"
BLOCKING_SOURCE = """\
#include "experiments.h"

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  g_print ("[%s] starting...\\n", name);
  g_usleep (seconds * G_USEC_PER_SEC); /* waits here */
  g_print ("[%s] finished after %u seconds\\n", name, seconds);
  done (name, seconds, user_data);
}
"""

BLOCKS = DiagnosisText(
    id="blocks-the-loop",
    title="A callback sleeps, and while it sleeps nothing else can run.",
    why="One thread serves every experiment: whoever blocks it, stops them all.",
    next="Ask for a callback with g_timeout_add() instead of waiting, and return.",
    lesson="Never wait inside a callback",
    task=2,
)
SEQUENTIAL = DiagnosisText(
    id="sequential",
    title="The experiments run one after another.",
    why="Starting all of them first is what saves the time.",
    next="Start the next experiment before the last one has finished.",
    lesson="Gather",
    task=4,
)


def console() -> Console:
    """The seven lines of module 0.5."""
    starts = [ConsoleLine(0.0, f"[{name}] starting...", name, "start", "starts") for name in NAMES]
    ends = [
        ConsoleLine(float(s), f"[{name}] finished after {s} seconds", name, "end")
        for s, name in enumerate(NAMES, 1)
    ]
    return Console((*starts, *ends, ConsoleLine(3.0, LAST_LINE)), 2.7, 3.8, 6.0)


def module() -> Module:
    """Module 0.5 as the catalogue would read it."""
    return Module(
        id="0.5",
        slug="gather",
        title="Three waits at once",
        minutes=60,
        folder=ROOT / "modules/0.5-gather",
        exercise=ROOT / "exercises/0.5-gather/experiments.c",
        solution=ROOT / "solutions/0.5-gather/experiments.c",
        packages=("gio-2.0",),
        sources=(),
        tools=(),
        data=(),
        allows_processes=False,
        console=console(),
        checks=(CheckSpec("console", "The console shows the seven lines in order", 25),),
        todos=(Todo(2, "Start one experiment.", ""), Todo(4, "Gather.", "")),
        hints=(
            TaskHints(2, "Run one experiment", ("Who waits?", "Not you.", "g_timeout_add()")),
            TaskHints(4, "Gather", ("Count.", "Count down.", "Slots")),
        ),
        diagnoses={"blocks-the-loop": BLOCKS, "sequential": SEQUENTIAL},
    )


def virtual_run(lines: tuple[OutputLine, ...], waits: tuple[Wait, ...], elapsed_s: float) -> Run:
    """An exact run that ended well."""
    return Run(
        clock="virtual",
        exactness="exact",
        reason="",
        stdout=lines,
        stderr=(),
        report=(),
        exit=Exit(status=0),
        elapsed_s=elapsed_s,
        cpu_s=0.002,
        waits=waits,
    )


def wall_run(run: Run, late_s: float = 0.004) -> Run:
    """The same run on the wall clock, a little late."""
    lines = tuple(OutputLine(line.time_s + late_s, line.text) for line in run.stdout)
    return replace(run, clock="wall", stdout=lines, waits=(), elapsed_s=run.elapsed_s + late_s)


def loop_wait(start_s: float, end_s: float) -> Wait:
    """The main loop's own waiting."""
    return Wait(start_s, end_s, "poll", end_s - start_s, True, False, 1, 0, 0, None)


def blocking_wait(start_s: float, end_s: float, line: int = 7) -> Wait:
    """A sleep inside a callback."""
    site = Site("run_experiment", line)
    asked_s = end_s - start_s
    return Wait(start_s, end_s, "g_usleep", asked_s, False, True, 1, 0, 0, site)


def evidence(run: Run, source: str, name: str = "exercises/0.5-gather/experiments.c") -> Evidence:
    """Evidence with both runs of one program."""
    return Evidence(
        submission=Submission(module(), name, source, own=True),
        build=Build("gcc -Wall -Wextra ...", "", links=True),
        wall=wall_run(run),
        virtual=run,
        sandbox="bubblewrap",
        duration_s=3.21,
    )


def passing() -> GradeResult:
    """The reference: full marks, three bars at once."""
    lines = tuple(OutputLine(line.at_s, line.text) for line in console().lines)
    waits = tuple(loop_wait(float(s), s + 1.0) for s in range(3))
    source = module().solution.read_text()
    return GradeResult(
        evidence=evidence(virtual_run(lines, waits, 3.0), source),
        verdict="pass",
        checks=(
            CheckResult("build", "Compiles without warnings", "pass", 10, 10),
            CheckResult("console", "The console shows the seven lines in order", "pass", 25, 25),
            CheckResult("elapsed", "Takes about 3 s, not 6 s", "pass", 25, 25),
            CheckResult("contract", "Works for experiments it has never seen", "pass", 40, 40),
        ),
        diagnoses=(),
        timeline=tuple(Bar(name, 0.0, float(s)) for s, name in enumerate(NAMES, 1)),
    )


def blocking() -> GradeResult:
    """A sleep in the callback: 6 s, one root cause, one that follows from it."""
    starts = (0.0, 1.0, 3.0)
    lines: list[OutputLine] = []
    for name, start_s, seconds in zip(NAMES, starts, (1, 2, 3), strict=True):
        lines.append(OutputLine(start_s, f"[{name}] starting..."))
        lines.append(OutputLine(start_s + seconds, f"[{name}] finished after {seconds} seconds"))
    lines.append(OutputLine(6.0, LAST_LINE))
    blocked = tuple(blocking_wait(s, s + d) for s, d in zip(starts, (1, 2, 3), strict=True))
    found = Diagnosis(
        BLOCKS,
        "expected: the loop free while experiments wait\n"
        "seen:     line 7 blocks it for 1.000 s, 2.000 s and 3.000 s with g_usleep",
        (7,),
    )
    return GradeResult(
        evidence=evidence(virtual_run(tuple(lines), blocked, 6.0), BLOCKING_SOURCE),
        verdict="fail",
        checks=(
            CheckResult("build", "Compiles without warnings", "pass", 10, 10),
            CheckResult(
                "console",
                "The console shows the seven lines in order",
                "fail",
                0,
                25,
                "line 2: expected [exp_medium] starting... at 0 s",
                "blocks-the-loop",
            ),
            CheckResult(
                "elapsed",
                "Takes about 3 s, not 6 s",
                "fail",
                0,
                25,
                "expected 2.7 s to 3.8 s, seen 6.004 s",
                "blocks-the-loop",
            ),
            CheckResult(
                "memory",
                "Frees what it allocates",
                "fail",
                0,
                10,
                "48 bytes leaked in 3 blocks, allocated at line 6",
                "memory-leak",
            ),
            CheckResult("contract", "Works for experiments it has never seen", "skipped", 0, 30),
        ),
        diagnoses=(found, Diagnosis(SEQUENTIAL, "expected 3 s, seen 6 s")),
        timeline=tuple(
            Bar(name, s, s + d) for name, s, d in zip(NAMES, starts, (1.0, 2.0, 3.0), strict=True)
        ),
        blocked=blocked,
        notes=("the wall clock run was repeated once: the machine was busy",),
    )


HOSTILE = (
    "</script><script>window.owned = 1</script>\x1b[2J\x1b]0;title\x07\u202egnp.exe\x00\ufffd\ud800"
)


def hostile() -> GradeResult:
    """A submission that tries to write to the reader's terminal and browser."""
    image = '<img src=x onerror="window.owned = 1">'
    source = f"/* {HOSTILE} */\nint main (void) {{ return 0; }} // {image}\n"
    run = virtual_run((OutputLine(0.0, HOSTILE), OutputLine(0.5, "[bold]&amp;[/]")), (), 0.5)
    base = blocking()
    text = DiagnosisText(
        "output-differs", "The output differs.", "People read it.", "Compare.", "Output", 2
    )
    return replace(
        base,
        evidence=evidence(run, source, name=f"{HOSTILE}.c"),
        diagnoses=(Diagnosis(text, f"seen: {HOSTILE}", (1, 99999)),),
        checks=(CheckResult("console", "Lines", "fail", 0, 25, f"{HOSTILE}\n[red]x[/]", None),),
        timeline=(Bar(HOSTILE, 0.0, 1e300),),
        blocked=(replace(blocking_wait(0.0, 1e300), call=HOSTILE, site=Site(HOSTILE, 1)),),
        notes=(HOSTILE,),
    )
