"""What the program did as a whole: its console, its end, its time, its waits.

Each function examines one check and returns the findings against it, none if it passes.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePath

from grader.judge import console, reports
from grader.judge.console import due_lines
from grader.judge.findings import MOMENT_S, Finding, at, blocking_waits, lines_of
from grader.records import (
    BUSY_CPU_S,
    POLL_S,
    Console,
    Evidence,
    OutputLine,
    Run,
    Spin,
    TestRun,
    Wait,
)

# Threads that GLib starts for itself, as soon as a GTask or a child watch is made.
GLIBS_OWN_THREADS = frozenset({"pool-spawner", "gmain", "gdbus"})
WAITING = ("stuck", "virtual limit", "wall limit")  # what ended a run that only waited
EARLY_S = 0.1  # that much before it is due, a start is no matter of chance
MOST_POLLS_PER_S = 300  # a tick of 5 ms is short; who looks more often does so for nothing
_ERROR_LINE = re.compile(r"(.*?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)")


def main_run(evidence: Evidence) -> Run | None:
    """The run that the student sees: on the wall clock, or with FAST=1 on the virtual one."""
    return evidence.wall or evidence.virtual


def runs(evidence: Evidence) -> tuple[Run, ...]:
    """The runs of the plain program that can be believed: where simulated time is not exact,
    the real run alone decides."""
    wall, virtual = evidence.wall, evidence.virtual
    if wall and virtual and virtual.exactness != "exact":
        return (wall,)
    return tuple(run for run in (wall, virtual) if run)


def not_measured(run: Run | None) -> list[Finding]:
    """A program that goes around the clock gets no marks for what only the clock can see."""
    if run is None or run.exactness != "not measured":
        return []
    return [Finding("wrong-elapsed", f"its waiting cannot be judged: {run.reason}")]


def got_to_the_experiments(evidence: Evidence) -> bool:
    """Whether everything that was started also finished, so that manners can be judged.

    A slip in the wording does not make it another program.
    """
    run = main_run(evidence)
    if run is None:
        return False
    timeline = evidence.submission.module.console
    lines = console.seen_lines(run.stdout)
    seen = {line.text for line in lines}
    if all(line.text in seen for line in timeline.lines if line.edge == "end"):
        return True
    as_many = len(lines) >= len(timeline.lines)
    return as_many and run.exit.status == 0 and run.elapsed_s >= timeline.min_total_s


# ---- builds -----------------------------------------------------------------------------


def builds(evidence: Evidence) -> list[Finding]:
    """The program compiles and links, and so do the contract tests around its functions."""
    if evidence.build.links:
        return []
    messages = evidence.build.messages.splitlines()
    for number, text in enumerate(messages):
        if error := _ERROR_LINE.match(text):
            return [_compile_error(error, messages[number:], evidence.submission.name)]
    undefined = next((text for text in messages if "undefined reference" in text), "")
    words = undefined or next(iter(messages), "the compiler gave no reason")
    return [Finding("does-not-compile", words.strip())]


def _compile_error(error: re.Match[str], messages: list[str], name: str) -> Finding:
    """The first error; one in a macro of a header is the fault of the line that uses it."""
    file, line, words = error.groups()
    if file == name:
        return Finding("does-not-compile", error.group(), (int(line),))
    uses = (re.match(rf"{re.escape(name)}:(\d+):", text) for text in messages)
    used = next((int(use.group(1)) for use in uses if use), 0)
    where = f"{name}:{used}: " if used else ""
    words = f"{where}error in {PurePath(file).name}, line {line}: {words}"
    return Finding("does-not-compile", words, (used,) if used else ())


# ---- console ----------------------------------------------------------------------------


def prints_the_lines(evidence: Evidence) -> list[Finding]:
    """The right lines in the right order, on both clocks."""
    due = due_lines(evidence.submission.module.console)
    for run in runs(evidence):
        if found := console.compare(due, run.stdout):
            return _why_lines_differ(evidence, run, found)
    return []


def _why_lines_differ(evidence: Evidence, run: Run, found: Finding) -> list[Finding]:
    """The difference, and more telling diagnoses for it from how the run went."""
    timeline = evidence.submission.module.console
    due, seen = due_lines(timeline), console.seen_lines(run.stdout)
    texts = {line.text for line in seen}
    starts = [line.text in texts for line in timeline.lines if line.edge == "start"]
    ends = [_has_ended(line.text, texts) for line in timeline.lines if line.edge == "end"]
    reports = [line.time_s for line in seen if line.text == timeline.lines[-1].text]
    if elsewhere := console.on_stderr(console.missing(due, seen), run.stderr):
        return [elsewhere]
    if found.diagnosis == "dangling-user-data" and (errors := errors_in_main(evidence)):
        return [replace(found, diagnosis=errors[0].diagnosis)]  # garbage, and why it came
    if not seen and (_did_something(run) or (run.exit.stopped and _works_in_tests(evidence))):
        return [Finding("output-differs", found.evidence)]
    begun = [line.text for line in seen] == [line.text for line in due[: len(seen)]]
    if begun and not any(starts) and run.exit.status == 0 and not run.stderr:
        return [Finding("todo-left", found.evidence)]
    if again := console.repeated(due, seen):
        return [found, Finding("timer-repeats", again)]
    if len(reports) > 1:
        return [found, Finding("done-twice", f"the last line came {len(reports)} times")]
    if sum(ends) == 1 and reports:
        words = f"the last line came at {reports[0]:.1f} s, with the first that had finished"
        return [found, Finding("quits-on-first", words)]
    if not all(ends) and reports and reports[0] < timeline.min_total_s:
        words = f"the last line came at {reports[0]:.1f} s, before everything had finished"
        return [found, Finding("done-too-early", words)]
    if run.exit.status != 0 or all(ends):
        return [found]
    ended = f"{found.evidence}; it ended after {run.elapsed_s:.1f} s"
    if any(starts) and not any(ends) and _loop_ran_too_little(evidence, run):
        return [Finding("loop-not-run", ended)]
    if any(ends) and run.elapsed_s < timeline.min_total_s:
        return [Finding("quits-on-first" if sum(ends) == 1 else "done-too-early", ended)]
    return [found]


def _has_ended(end: str, texts: set[str]) -> bool:
    """Whether the line `end`, or another one than the first with its "[name]", has come."""
    name = end.partition("]")[0]
    return end in texts or sum(text.startswith(name) for text in texts) > 1


def _did_something(run: Run) -> bool:
    """Whether somebody has worked here, though nothing is on stdout: an empty TODO neither
    complains nor fails, but it may leave the loop waiting."""
    return bool(run.stderr) or (run.exit.status != 0 and run.exit.stopped not in WAITING)


def _loop_ran_too_little(evidence: Evidence, run: Run) -> bool:
    """No main loop ever waited, or it did not go on until the first end was due."""
    timeline = evidence.submission.module.console
    first_end_s = min(line.at_s for line in timeline.lines if line.edge == "end")
    virtual = evidence.virtual
    if run.elapsed_s <= first_end_s + MOMENT_S:
        return True
    if virtual is None or virtual.exactness != "exact" or virtual.spins:
        return False
    return not any(wait.by_loop for wait in virtual.waits)


# ---- elapsed ----------------------------------------------------------------------------


def takes_its_time(evidence: Evidence) -> list[Finding]:
    """The whole takes as long as the longest, on both clocks, and each line comes when due."""
    timeline = evidence.submission.module.console
    slack_s = max(timeline.max_total_s - timeline.total_s, MOMENT_S)
    for run in runs(evidence):
        simulated = run is evidence.virtual and run.exactness == "exact"
        early_s, late_s = (MOMENT_S, timeline.late_s) if simulated else (slack_s, 0.0)
        total_s = _last_line_s(run)
        if not timeline.min_total_s <= total_s <= timeline.max_total_s:
            return [_explain_times(evidence, _total_words(evidence, run, total_s))]
        if late := console.times_differ(due_lines(timeline), run.stdout, early_s, late_s):
            line, came_s = late
            words = f"{console.quote(line.text)} came at {came_s:.2f} s, not at {line.at_s:.2f} s"
            return [_explain_times(evidence, words)]
    return []


def _last_line_s(run: Run) -> float:
    """When the program had done its work: it may take a moment longer to end."""
    return max([run.elapsed_s, *(line.time_s for line in run.stdout[-1:])])


def _total_words(evidence: Evidence, run: Run, total_s: float) -> str:
    expected = f"expected about {evidence.submission.module.console.total_s:.0f} s"
    if run.exit.stopped:
        return f"{expected}; {stopped_words(run.exit.stopped, total_s)}"
    return f"{expected}, took {total_s:.3f} s"


def _explain_times(evidence: Evidence, words: str) -> Finding:
    """Why lines came at other times than they were due; the virtual clock sees furthest."""
    run = evidence.virtual or evidence.wall
    timeline = evidence.submission.module.console
    if run is None or blocking_waits(run.waits):
        return Finding("wrong-elapsed", words)  # the check "responsive" tells more
    lines = console.seen_lines(run.stdout)
    starts = _times_of(timeline, lines, "start")
    ends = _times_of(timeline, lines, "end")
    due_starts = {due.at_s for due in timeline.lines if due.edge == "start"}
    if len(due_starts) == 1 and starts and max(starts) - min(starts) > 0.2:
        late = f"the last experiment was started {max(starts):.1f} s after the program"
        return Finding("sequential", f"{words}; {late}")
    if early := _starts_early(timeline, lines):
        return Finding(timeline.early_start, early)
    if late := console.printed_late(due_lines(timeline), lines):
        return Finding("output-differs", late)
    if early := _printed_early(timeline, lines):
        return Finding("output-differs", early)
    if factor := _common_factor(timeline, lines):
        return Finding("wrong-unit", f"{words}; everything came at {factor:g} times its time")
    if ends and abs(_last_line_s(run) - timeline.one_after_another_s) < 0.1:
        return Finding("sequential", f"{words}; the waits add up")
    return Finding("wrong-elapsed", words)


def _printed_early(timeline: Console, lines: list[OutputLine]) -> str:
    """Words for the first start that came early, where all ends came when due; "" if there is
    none."""
    came = {line.text: line.time_s for line in reversed(lines)}
    if any(line.text not in came for line in timeline.lines):
        return ""
    off = [line for line in timeline.lines if abs(came[line.text] - line.at_s) > MOMENT_S]
    if not off or any(line.edge != "start" or came[line.text] > line.at_s for line in off):
        return ""
    first, came_s = off[0], came[off[0].text]
    words = f"{console.quote(first.text)} came at {came_s:.2f} s, not at {first.at_s:.2f} s"
    return f"{words}, though the end of it came when due"


def _starts_early(timeline: Console, lines: list[OutputLine]) -> str:
    """Words for the first bar that is before its time, its end as well; "" if there is none, or
    that says nothing here."""
    came = {line.text: line.time_s for line in reversed(lines)}
    early = [
        line for line in timeline.lines if came.get(line.text, line.at_s) < line.at_s - EARLY_S
    ]
    starts = [line for line in early if line.edge == "start"]
    if not timeline.early_start or not starts or all(line.edge != "end" for line in early):
        return ""
    line = starts[0]
    if any(
        one.edge == "start" and one.at_s < line.at_s and one.text not in came
        for one in timeline.lines
    ):
        return ""  # it takes the place of one that never started
    return f"{console.quote(line.text)} came at {came[line.text]:.2f} s, not at {line.at_s:.2f} s"


def _times_of(timeline: Console, lines: list[OutputLine], edge: str) -> list[float]:
    """When the lines came that mark this edge of a bar."""
    marks = {due.text for due in timeline.lines if due.edge == edge}
    return [line.time_s for line in lines if line.text in marks]


def _common_factor(timeline: Console, lines: list[OutputLine]) -> float:
    """By which all due times must be multiplied to get those that were seen; 0 if by none."""
    due = [line for line in timeline.lines if line.at_s > 0]
    came = {line.text: line.time_s for line in reversed(lines)}
    factors = [came[line.text] / line.at_s for line in due if line.text in came]
    if len(factors) < 2 or 0.8 < factors[0] < 1.25:
        return 0.0
    steady = max(factors) - min(factors) <= 0.05 * max(factors)
    return factors[0] if steady else 0.0


# ---- exit -------------------------------------------------------------------------------


def ends_by_itself(evidence: Evidence) -> list[Finding]:
    """It ends with status 0, on both clocks."""
    for run in runs(evidence):
        if run.exit.status == 0 and run.read_stdin:
            words = "started by hand, it waits on standard input until somebody presses Enter"
            return [Finding("never-quits", words)]
        if run.exit.status == 0:
            continue
        if run.exit.signal is not None:
            return [_crash(run)]
        if run.exit.status is not None:
            words = f"expected exit status 0, saw {run.exit.status}"
            return [Finding("wrong-exit-status", words)]
        return [_never_ended(evidence, run)]
    return []


def _crash(run: Run) -> Finding:
    name = signal.Signals(run.exit.signal or 0).name
    description = signal.strsignal(run.exit.signal or 0) or ""
    said = reports.glib_error(run.stderr)
    because = f": {said}" if said else ""
    return Finding("crash", f"ended by {name} ({description}) at {run.elapsed_s:.1f} s{because}")


STOPPED_WORDS = {
    "stuck": "all of it waits, and no timer is set on the loop that could wake it",
    "virtual limit": "it was still going after {virtual:.0f} simulated seconds",
    "wall limit": "it was still going after {wall:.0f} s and was stopped",
    "cpu limit": "it used all the processor time it was allowed and was stopped",
    "computing": "it went on computing, in which nobody else gets a turn, and was stopped",
    "polling": "it looked every millisecond or two whether it was time, and was stopped",
    "memory limit": "it used all the memory it was allowed and was stopped",
    "output limit": "it printed more than it was allowed and was stopped",
    "process limit": "it started more processes than it was allowed and was stopped",
    "file size limit": "it wrote a larger file than it was allowed and was stopped",
}


def stopped_words(reason: str, elapsed_s: float) -> str:
    """What a limit means, in words that a student understands."""
    words = STOPPED_WORDS.get(reason, f"it was stopped: {reason}")
    return words.format(virtual=elapsed_s, wall=elapsed_s)


def ending_words(run: Run) -> str:
    """How a run ended, as the rest of a sentence that begins with "it"."""
    if run.exit.stopped:
        return stopped_words(run.exit.stopped, run.elapsed_s).removeprefix("it ")
    if run.exit.signal is not None:
        return _crash(run).evidence
    return f"ended with exit status {run.exit.status}"


def _never_ended(evidence: Evidence, run: Run) -> Finding:
    seen = console.seen_lines(run.stdout)
    after = f" after {console.quote(seen[-1].text)}" if seen else ", and it printed nothing"
    computes = run.exit.stopped == "cpu limit" and _computes(evidence)
    reason = "computing" if computes else run.exit.stopped
    words = f"it never ended{after}: {stopped_words(reason, run.elapsed_s)}"
    if computes:
        return Finding("blocks-the-loop", words)
    if run.exit.stopped in ("cpu limit", "polling"):
        return Finding("busy-wait", words)
    nothing = not seen and not _did_something(run) and not _works_in_tests(evidence)
    return Finding("todo-left" if nothing else "never-quits", words)


def ran_out_of_cpu(test: TestRun) -> bool:
    """Whether a contract test was stopped for that, by us or by the kernel."""
    return test.stopped == "cpu limit" or "CPU time limit" in test.message


def _computes(evidence: Evidence) -> bool:
    """Whoever uses the processor and never asks for the time has something to compute, if it
    is in a callback, before all that is due at once has begun, or in a function that the tests
    call as well; else it waits for a flag."""
    run = evidence.virtual
    if run is None or run.spins:
        return False
    lines = evidence.submission.module.console.lines
    printed = {line.text for line in console.seen_lines(run.stdout)}
    first = [line.text in printed for line in lines if line.edge == "start" and line.at_s == 0]
    in_tests = any(ran_out_of_cpu(test) and not test.spins for test in evidence.tests)
    in_callback = any(wait.by_loop for wait in run.waits)
    return in_tests or in_callback or (any(first) and not all(first))


def _works_in_tests(evidence: Evidence) -> bool:
    """Something has been written, even if the program shows nothing of it."""
    return any(test.status == "pass" for test in evidence.tests)


# ---- responsive, one thread, processor ------------------------------------------------------


def never_blocks(evidence: Evidence) -> list[Finding]:
    """Only the main loop waits."""
    if evidence.virtual is None or evidence.virtual.exactness == "not measured":
        return not_measured(evidence.virtual)
    waits = blocking_waits(evidence.virtual.waits)
    loop_ran = any(wait.by_loop for wait in evidence.virtual.waits)
    if not waits or not (loop_ran or got_to_the_experiments(evidence)):
        return []  # where no loop runs, that is what there is to say
    longest = max(waits, key=lambda wait: wait.end_s - wait.start_s)
    return [Finding("blocks-the-loop", blocking_words(longest), lines_of(longest.site))]


def blocking_words(wait: Wait) -> str:
    """Which line stood still, for how long, and by which call."""
    took_s = wait.end_s - wait.start_s
    if wait.by_loop:
        how_long = f" {took_s:.3f} s" if took_s >= MOMENT_S else ""
        return f"{at(wait.site)} waits{how_long} in a main loop of its own"
    return f"{at(wait.site)} blocks the main loop for {took_s:.3f} s with {wait.call}"


def uses_one_thread(evidence: Evidence) -> list[Finding]:
    """Neither threads nor child processes.

    Where a module is about child processes, threads cannot be told by counting: GSubprocess
    starts some itself.  The module's contract tests look for the student's own instead.
    """
    if evidence.submission.module.allows_processes:
        return []
    started = [one for run in runs(evidence) for one in run.started]
    started += [one for test in evidence.tests for one in test.started if one.process != 0]
    for one in (one for one in started if one.name not in GLIBS_OWN_THREADS):
        kind = "a thread" if one.kind == "thread" else "a child process"
        return [Finding("uses-threads", f"{at(one.site)} starts {kind}", lines_of(one.site))]
    return not_measured(evidence.virtual)


def leaves_the_processor_alone(evidence: Evidence) -> list[Finding]:
    """It waits instead of asking again and again."""
    spins = [spin for run in runs(evidence) for spin in run.spins]
    # A log stamps each message with the time: whoever writes thousands does not wait.
    if spins := [spin for spin in spins if not spin.call.startswith("g_log")]:
        spin = max(spins, key=lambda one: (not one.by_loop, one.reads))
        return [
            Finding("busy-wait", _spin_words(spin), () if spin.by_loop else lines_of(spin.site))
        ]
    if often := _polls_per_s(evidence):
        words = f"it wakes up {often:.0f} times a second to look whether it is time yet"
        return [Finding("busy-wait", words)]
    for run in runs(evidence):
        if run.cpu_s > BUSY_CPU_S and _computes(evidence):
            words = f"it computes for {run.cpu_s:.1f} s, and the main loop has to wait for that"
            return [Finding("blocks-the-loop", words)]
        if run.cpu_s > BUSY_CPU_S:
            words = f"it used {run.cpu_s:.1f} s of processor time in {run.elapsed_s:.1f} s"
            return [Finding("busy-wait", words)]
    return []


def _polls_per_s(evidence: Evidence) -> float:
    """How often it wakes up after next to nothing; 0 if that is not often."""
    run = evidence.virtual
    if run is None or run.exactness != "exact":
        return 0.0
    short = [wait for wait in run.waits if 0 < wait.end_s - wait.start_s <= POLL_S]
    often = len(short) / max(run.elapsed_s, 1.0)
    return often if often > MOST_POLLS_PER_S else 0.0


def _spin_words(spin: Spin) -> str:
    """Who asks.  Where the main loop does, the line that runs it is not to blame."""
    if spin.by_loop:
        return (
            f"the main loop that {at(spin.site)} runs never gets to sleep: either it is told not "
            "to wait (FALSE), or a source of yours is always ready to run again"
        )
    by = "" if spin.call == "clock_gettime" else f" with {spin.call}"  # GLib's, mostly
    return f"{at(spin.site)} asks over and over{by} instead of waiting"


# ---- memory, stderr -------------------------------------------------------------------------


def memory_errors(evidence: Evidence, stderr: tuple[OutputLine, ...]) -> list[Finding]:
    """What the sanitizers wrote about one run, knowing what the compiler had said."""
    can_repeat = "timer-repeats" in evidence.submission.module.diagnoses
    nothing = can_repeat and reports.returns_nothing(evidence.build.messages)
    return reports.memory_errors(stderr, evidence.submission.name, returns_nothing=nothing)


def errors_in_main(evidence: Evidence) -> list[Finding]:
    """What ASan and UBSan found in the program as a whole."""
    found = memory_errors(evidence, evidence.sanitized.stderr) if evidence.sanitized else []
    # A table that is too small for main itself was not made for main only.
    return [
        replace(one, diagnosis="crash") if one.diagnosis == "hard-coded" else one for one in found
    ]


def is_clean_in_memory(evidence: Evidence) -> list[Finding]:
    """ASan, UBSan and LeakSanitizer have nothing to say, and every main loop is released."""
    name = evidence.submission.name
    if found := errors_in_main(evidence):
        return found[:1]
    stderr = evidence.sanitized.stderr if evidence.sanitized else ()
    leak = reports.leaks(stderr, name)
    virtual = evidence.virtual
    if virtual and virtual.exit.status == 0 and virtual.loops_alive and not (leak and leak.lines):
        return [Finding("memory-leak", "the GMainLoop is never released (g_main_loop_unref)")]
    return [leak] if leak else []


def has_a_clean_stderr(evidence: Evidence) -> list[Finding]:
    """No warnings or criticals from GLib; debug output is free."""
    streams = [run.stderr for run in runs(evidence)] + [test.stderr for test in evidence.tests]
    for stream in streams:
        if messages := reports.glib_messages(stream):
            second = reports.is_second_release(messages[0])
            own = reports.is_own_message(messages[0])
            return [Finding("double-free" if second else "glib-critical", messages[0], vague=own)]
    return []


# What each check of the program as a whole looks at.  A check with contract tests of its
# own needs these to pass as well.
EXAMINERS: Mapping[str, Callable[[Evidence], list[Finding]]] = {
    "builds": builds,
    "console": prints_the_lines,
    "elapsed": takes_its_time,
    "exit": ends_by_itself,
    "responsive": never_blocks,
    "one-thread": uses_one_thread,
    "processor": leaves_the_processor_alone,
    "memory": is_clean_in_memory,
    "stderr": has_a_clean_stderr,
}
