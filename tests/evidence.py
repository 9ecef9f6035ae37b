"""Recorded evidence for the judge's tests: what runs of module 0.5 looked like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from grader import catalog
from grader.records import (
    Build,
    Evidence,
    Exit,
    OutputLine,
    Run,
    Scenario,
    Site,
    Submission,
    TestRun,
    Wait,
)

GATHER = catalog.find("0.5")
NAME = "exercises/0.5-gather/experiments.c"
RIGHT: tuple[tuple[float, str], ...] = (
    (0.0, "[exp_small] starting..."),
    (0.0, "[exp_medium] starting..."),
    (0.0, "[exp_large] starting..."),
    (1.0, "[exp_small] finished after 1 seconds"),
    (2.0, "[exp_medium] finished after 2 seconds"),
    (3.0, "[exp_large] finished after 3 seconds"),
    (3.0, "All done: [('exp_small', 1), ('exp_medium', 2), ('exp_large', 3)]"),
)


def lines(timeline: Sequence[tuple[float, str]]) -> tuple[OutputLine, ...]:
    """Output lines from (seconds, text) pairs."""
    return tuple(OutputLine(time_s, text) for time_s, text in timeline)


def run(timeline: Sequence[tuple[float, str]] = RIGHT, **changes: object) -> Run:
    """A run on the virtual clock that printed `timeline` and ended with status 0."""
    plain = Run(
        clock="virtual",
        exactness="exact",
        reason="",
        stdout=lines(timeline),
        stderr=(),
        report=(),
        exit=Exit(status=0),
        elapsed_s=timeline[-1][0] if timeline else 0.0,
        cpu_s=0.01,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def passed_tests() -> tuple[TestRun, ...]:
    """All contract tests of module 0.5, passed; none of them has a timeline to compare."""
    names = [name for check in GATHER.checks for name in check.tests]
    return tuple(TestRun(Scenario(name), "pass", "", "", (), (), (), (), ()) for name in names)


def evidence(timeline: Sequence[tuple[float, str]] = RIGHT, **changes: object) -> Evidence:
    """What is observed of a program that prints `timeline` and is right otherwise."""
    program = run(timeline)
    whole = Evidence(
        submission=Submission(GATHER, NAME, "", own=True),
        build=Build("gcc ...", "", links=True),
        wall=replace(program, clock="wall"),
        virtual=program,
        sanitized=program,
        tests=passed_tests(),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def wait(line: int, start_s: float, end_s: float, **changes: object) -> Wait:
    """A wait in the student's own code, in a callback."""
    plain = Wait(
        start_s=start_s,
        end_s=end_s,
        call="g_usleep",
        asked_s=end_s - start_s,
        by_loop=False,
        in_dispatch=True,
        loop_depth=1,
        thread=0,
        process=0,
        site=Site("on_timer", line),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]
