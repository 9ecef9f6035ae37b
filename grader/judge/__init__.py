"""From evidence to a verdict: the fifth hop of a grade.  Pure: nothing here runs anything.

    verdict.py    the way through: every check's findings, points, the root cause
    console.py    the lines that were printed against the timeline that was asked for
    program.py    what the program did as a whole: end, time, waits, threads, processor
    contract.py   what the contract tests saw, and their timelines against the oracle's
    reports.py    what sanitizers and GLib wrote to stderr
    findings.py   the small record that they all return

A finding is one observed fact with the misconception that it stands for.  No verdict
looks at the source: it comes from what the program did, or from what the compiler and the
sanitizers said.
"""

from grader.judge.verdict import BY_CHANCE, judge

__all__ = ["BY_CHANCE", "judge"]
