"""What the contract tests saw, and their timelines against the oracle's."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from grader.judge import console, reports
from grader.judge.console import Due
from grader.judge.findings import MOMENT_S, Finding, blocking_waits, lines_of
from grader.judge.program import (
    blocking_words,
    memory_errors,
    not_measured,
    ran_out_of_cpu,
    stopped_words,
)
from grader.records import Evidence, TestRun


def examine(evidence: Evidence, test: TestRun) -> Finding | None:
    """Why a test does not count, None if it does."""
    for run in evidence.tests_runs:
        if around_the_clock := not_measured(run):
            return around_the_clock[0]
    found = _examine_end(evidence, test) or examine_timeline(evidence, test)
    if found is None:
        return None
    words = f"{test.name.replace('_', ' ')}: {found.evidence}"
    return replace(found, evidence=words)


def _examine_end(evidence: Evidence, test: TestRun) -> Finding | None:
    """The test did not reach its end, or one of its requirements failed."""
    if test.status == "pass":
        return None
    if test.died:
        return Finding(test.diagnosis, test.message)
    if found := memory_errors(evidence, test.stderr):
        can_repeat = "timer-repeats" in evidence.submission.module.diagnoses
        again = _fired_again(test) if can_repeat else ""
        return Finding("timer-repeats", again, found[0].lines) if again else found[0]
    if ran_out_of_cpu(test) and not test.diagnosis:
        return _ran_out_of_processor_time(evidence, test)
    if test.stopped:
        diagnosis = "busy-wait" if test.stopped == "polling" else "never-quits"
        return Finding(diagnosis, stopped_words(test.stopped, test.stopped_s))
    if test.diagnosis:
        return _sharpen(evidence, test, Finding(test.diagnosis, test.message))
    if said := reports.glib_error(test.stderr):
        return Finding("crash", said)
    if said := reports.glibc_error(test.stderr):
        return Finding("crash", f"the C library ended the program: {said}")
    if "signal" in test.message:
        return Finding("crash", test.message)
    if test.message:
        return Finding("wrong-exit-status", f"your code ended the program: {test.message}")
    return Finding("crash", "the test did not reach its end")


def _ran_out_of_processor_time(evidence: Evidence, test: TestRun) -> Finding:
    """By asking for the time, or by computing, which nobody else can bear either."""
    if test.spins:
        return Finding("busy-wait", stopped_words("cpu limit", test.stopped_s))
    if often := next((one for one in evidence.tests if one.is_restless), None):
        words = f"it woke up {len(often.waits)} times, and on and on elsewhere until it was stopped"
        return Finding("busy-wait", f"in {often.name.replace('_', ' ')} {words}")
    return Finding("blocks-the-loop", stopped_words("computing", test.stopped_s))


def _does_nothing(evidence: Evidence, test: TestRun) -> bool:
    """Nothing is printed here nor in the other tests of the same check."""
    checks = [check for check in evidence.submission.module.checks if test.name in check.tests]
    siblings = {name for check in checks for name in check.tests}
    return not any(one.stdout for one in evidence.tests if one.name in siblings)


def _finished_again(test: TestRun) -> str:
    """Words for a line that came twice at the same time, as of a timer that fires on and on."""
    due = {text for at_s, text in test.scenario.expected or () if at_s > 0}
    count = Counter((line.text, line.time_s) for line in test.stdout if line.text in due)
    text, time_s = max(count, key=count.__getitem__, default=("", 0.0))
    if count[text, time_s] < 2 or sum(one == text for _, one in test.scenario.expected or ()) > 1:
        return ""
    return f"{console.quote(text)} came at {time_s:.1f} s, and at once again"


def _fired_again(test: TestRun) -> str:
    """Words for an error when nothing was due, as long after an end as it had come after its
    start: what a timer uses that goes on is often freed by then."""
    error_s = next((line.time_s for line in test.stderr if "ERROR: " in line.text), 0.0)
    expected = test.scenario.expected or ()
    if any(abs(due_s - error_s) < MOMENT_S for due_s, _ in expected):
        return ""
    printed = {line.text for line in test.stdout}
    starts: dict[str, float] = {}
    for due_s, text in expected:
        start_s = starts.setdefault(text.partition("]")[0], due_s)
        if text in printed and due_s > start_s and abs(2 * due_s - start_s - error_s) < MOMENT_S:
            came = f"{console.quote(text)} came at {due_s:.1f} s"
            return f"{came}, and at {error_s:.1f} s the same callback ran again"
    return ""


def _sharpen(evidence: Evidence, test: TestRun, found: Finding) -> Finding:
    """What the clock's trace knows better than the test that failed."""
    waits = blocking_waits(test.waits)
    if found.diagnosis == "done-twice" and (again := _finished_again(test)):
        return Finding("timer-repeats", again)
    if found.diagnosis in ("blocks-the-loop", "wrong-elapsed", "wrong-unit") and waits:
        longest = max(waits, key=lambda wait: wait.end_s - wait.start_s)
        words = f"{found.evidence}; {blocking_words(longest)}"
        return Finding("blocks-the-loop", words, lines_of(longest.site))
    if found.diagnosis == "never-quits" and test.scenario.expected and not test.stdout:
        nothing = _does_nothing(evidence, test)
        words = "nothing was printed and done was never called"
        return Finding("todo-left" if nothing else "never-quits", words)
    return found


def examine_timeline(evidence: Evidence, test: TestRun) -> Finding | None:
    """The lines that the oracle expects of the test, each at its exact time."""
    expected = test.scenario.expected
    if expected is None:
        return None
    due = [Due(at_s, text, f"{at_s:.3f}") for at_s, text in expected]
    seen = console.seen_lines(test.stdout)
    never, unasked = console.missing(due, seen), console.extra(due, seen)
    if never and not seen:
        if elsewhere := console.on_stderr(due, test.stderr):
            return elsewhere
        diagnosis = "todo-left" if _does_nothing(evidence, test) else "output-differs"
        return Finding(diagnosis, f"expected {console.quote(never[0].text)}, saw nothing")
    if never:
        saw = f"saw {console.quote(unasked[0].text)}" if unasked else "which never came"
        return Finding("output-differs", f"expected {console.quote(never[0].text)}, {saw}")
    if unasked:
        again = console.repeated(due, test.stdout)
        return Finding("timer-repeats", again) if again else console.compare(due, test.stdout)
    if late := console.printed_late(due, test.stdout):
        return Finding("output-differs", late)
    if wrong := console.times_differ(due, test.stdout, late_s=test.scenario.late_s):
        line, came_s = wrong
        words = f"{console.quote(line.text)} came at {came_s:.3f} s, not at {line.at_s:.3f} s"
        return _sharpen(evidence, test, Finding("wrong-elapsed", words))
    return None
