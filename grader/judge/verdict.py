"""The way through the judge: findings for every check, points, and one root cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from grader.judge import contract, program, reports
from grader.judge.findings import MOMENT_S, Finding, blocking_waits
from grader.judge.timeline import bars
from grader.records import (
    CheckResult,
    CheckSpec,
    Diagnosis,
    Evidence,
    GradeResult,
)

Examiner = Callable[[Evidence], list[Finding]]

# What each check of the program as a whole looks at.  A check with contract tests of its
# own needs these to pass as well.
EXAMINERS: Mapping[str, Examiner] = {
    "builds": program.builds,
    "console": program.prints_the_lines,
    "elapsed": program.takes_its_time,
    "exit": program.ends_by_itself,
    "responsive": program.never_blocks,
    "one-thread": program.uses_one_thread,
    "processor": program.leaves_the_processor_alone,
    "memory": program.is_clean_in_memory,
    "stderr": program.has_a_clean_stderr,
}

# Good manners say nothing about a program that does not do its work: these need it to have
# got as far as the end of every experiment.
MANNERS = frozenset({"exit", "responsive", "one-thread", "processor", "memory", "stderr"})

# A check whose tests differ from grade to grade: its findings name a cause only where no
# other check fails, so that the same program gets the same diagnoses each time.
BY_CHANCE = "random"

# While one of these holds and nothing works yet, everything else follows from it.
COVERS_ALL = frozenset({"does-not-compile", "todo-left"})

# What is only a symptom when something more telling was found.
SYMPTOMS = frozenset(
    {"output-differs", "wrong-elapsed", "never-quits", "wrong-exit-status", "crash", "todo-left"}
)

# What a test alone cannot explain.
VAGUE = SYMPTOMS | {"done-too-early", "shared-state"}

# Whoever mixes up two gathers reports to one of them twice.
VAGUE_FOR = {"shared-state": VAGUE | {"done-twice"}}

# How functions fail in their plainest test if they were written for one case only.
FOR_MAIN_ONLY = frozenset({"never-quits", "done-too-early", "shared-state", "wrong-unit", "crash"})

NOT_YET = "Not judged until the program gets to the end of its work."
BUSY_HOST_S = 0.15  # a machine that wakes a sleeper later than this is too busy to be a witness


def judge(evidence: Evidence) -> GradeResult:
    """The verdict on what was observed.  Total: it has an answer for any evidence."""
    module = evidence.submission.module
    found = {check.id: _examine(evidence, check) for check in module.checks}
    fixed = [one for id_, some in found.items() if id_ != BY_CHANCE for one in some]
    diagnoses = _diagnoses(evidence, fixed or found.get(BY_CHANCE, []))
    too_busy = _host_was_too_busy(evidence)
    checks = tuple(
        _result(evidence, check, found[check.id], diagnoses, too_busy) for check in module.checks
    )
    run = program.main_run(evidence)
    return GradeResult(
        evidence=evidence,
        verdict=_verdict(checks),
        checks=checks,
        diagnoses=diagnoses,
        timeline=bars(module.console, run.stdout) if run else (),
        blocked=blocking_waits(evidence.virtual.waits) if evidence.virtual else (),
        notes=_notes(evidence, too_busy),
    )


def _verdict(checks: Sequence[CheckResult]) -> Literal["pass", "fail", "error"]:
    if any(check.status == "error" for check in checks):
        return "error"
    return "pass" if all(check.status == "pass" for check in checks) else "fail"


def _examine(evidence: Evidence, check: CheckSpec) -> list[Finding]:
    """All findings against one check."""
    if not evidence.build.program or not evidence.build.contract:
        return EXAMINERS["builds"](evidence) if check.id == "builds" else []
    found = list(EXAMINERS[check.id](evidence)) if check.id in EXAMINERS else []
    tests = {test.name: test for test in evidence.tests}
    for name in check.tests:
        if name not in tests:
            found.append(Finding("crash", f"the test {name} did not run"))
        elif one := contract.examine(evidence, tests[name]):
            found.append(_sharpen(evidence, check, name, one))
    return found


def _sharpen(evidence: Evidence, check: CheckSpec, test: str, found: Finding) -> Finding:
    """What a vague finding of a test means, from the check it belongs to and from the rest.

    The first test of a check is its plainest.  A program that is right, but whose functions
    fail even there, was written for the numbers and names in its own main.
    """
    if _is_for_main_only(evidence, test, found.diagnosis):
        return Finding("hard-coded", found.evidence, found.lines)
    if found.diagnosis == "dangling-user-data" and _reaches_too_far(evidence):
        return Finding("crash", found.evidence, found.lines)
    right = _program_is_right(evidence)
    if (found.diagnosis == "todo-left" and right) or (
        found.diagnosis == "hard-coded" and not right
    ):
        return Finding("output-differs", found.evidence, found.lines)
    plain = _plain_findings(evidence)
    special = check.diagnosis and None in plain and found.diagnosis not in plain
    if found.diagnosis == "wrong-elapsed" and program.takes_its_time(evidence):
        special = False  # main itself is late
    vague = VAGUE_FOR.get(check.diagnosis, VAGUE) - {"todo-left"}
    if special and (found.vague or found.diagnosis in vague):
        return Finding(check.diagnosis, found.evidence, found.lines)
    return found


def _plain_findings(evidence: Evidence) -> set[str | None]:
    """The diagnoses of the tests that stand for nothing in particular; None if one passes."""
    checks = evidence.submission.module.checks
    special = {name for check in checks if check.diagnosis for name in check.tests}
    found = [contract.examine(evidence, one) for one in evidence.tests if one.name not in special]
    return {one.diagnosis if one else None for one in found}


def _reaches_too_far(evidence: Evidence) -> bool:
    """Main itself goes beyond a block: what that hits in a test, freed or not, is chance."""
    return any(one.diagnosis == "crash" for one in program.errors_in_main(evidence))


def _program_is_right(evidence: Evidence) -> bool:
    ways = (program.prints_the_lines, program.takes_its_time, program.ends_by_itself)
    return not any(way(evidence) for way in ways) and not program.errors_in_main(evidence)


def _plainest_tests(evidence: Evidence) -> set[str]:
    """The first test of each check that is about tests alone and stands for nothing special."""
    checks = evidence.submission.module.checks
    return {c.tests[0] for c in checks if c.tests and not c.diagnosis and c.id not in EXAMINERS}


def _is_for_main_only(evidence: Evidence, test: str, diagnosis: str) -> bool:
    if not _program_is_right(evidence):
        return False
    plainest = _plainest_tests(evidence)
    found = {one.name: contract.examine(evidence, one) for one in evidence.tests}
    seen = {name: one.diagnosis for name, one in found.items() if one}
    if diagnosis == "todo-left":  # main does it all, the functions nothing
        return any(seen.get(name) == "todo-left" for name in plainest)
    if test not in plainest or diagnosis not in FOR_MAIN_ONLY:
        return False
    if diagnosis == "never-quits" and "done-too-early" not in seen.values():
        return False  # with fewer than in main it would wait for ever, with more be early
    # How it waits would explain the failure better.
    ways = (program.uses_one_thread, program.leaves_the_processor_alone, program.never_blocks)
    return not any(way(evidence) for way in ways)


def _result(
    evidence: Evidence,
    check: CheckSpec,
    found: Sequence[Finding],
    diagnoses: Sequence[Diagnosis],
    too_busy: bool,
) -> CheckResult:
    if not found:
        return _without_findings(evidence, check)
    best = _first(evidence, found)
    if (too_busy and check.id in ("console", "elapsed")) or _ran_out_of_real_time(evidence, check):
        return CheckResult(check.id, check.title, "error", 0, check.points, best.evidence)
    points = _partial_points(evidence, check)
    follows = best.diagnosis not in {one.id for one in diagnoses}
    message = f"follows from the first: {best.evidence}" if follows else best.evidence
    diagnosis = diagnoses[0].id if follows and diagnoses else best.diagnosis
    return CheckResult(check.id, check.title, "fail", points, check.points, message, diagnosis)


def _ran_out_of_real_time(evidence: Evidence, check: CheckSpec) -> bool:
    """Simulated time needs hardly any real time: without it, this machine is overloaded."""
    late = [run for run in evidence.tests_runs if run.exit.stopped == "wall limit"]
    return bool(check.tests) and any(run.exactness == "exact" for run in late)


def _without_findings(evidence: Evidence, check: CheckSpec) -> CheckResult:
    built = evidence.build.program is not None and evidence.build.contract is not None
    reached = check.id == "builds" or (
        built and (check.id not in MANNERS or program.got_to_the_experiments(evidence))
    )
    if reached:
        return CheckResult(check.id, check.title, "pass", check.points, check.points)
    return CheckResult(check.id, check.title, "skipped", 0, check.points, NOT_YET)


def _partial_points(evidence: Evidence, check: CheckSpec) -> int:
    """A failed check gives credit for the tests of it that pass, if it is about tests alone."""
    if not check.tests or check.id in EXAMINERS:
        return 0
    passed = [
        test
        for test in evidence.tests
        if test.name in check.tests and contract.passes(evidence, test)
    ]
    return check.points * len(passed) // len(check.tests)


# ---- One root cause first ------------------------------------------------------------------


def _rank(evidence: Evidence, diagnosis: str) -> int:
    order = list(evidence.submission.module.diagnoses)
    return order.index(diagnosis) if diagnosis in order else len(order)


def _first(evidence: Evidence, found: Sequence[Finding]) -> Finding:
    return min(found, key=lambda one: _rank(evidence, one.diagnosis))


def _diagnoses(evidence: Evidence, found: Sequence[Finding]) -> tuple[Diagnosis, ...]:
    """Every misconception once, root causes first, mere symptoms left out behind a cause."""
    texts = evidence.submission.module.diagnoses
    best: dict[str, Finding] = {}  # what names a line tells more
    for one in sorted(found, key=lambda one: (_rank(evidence, one.diagnosis), not one.lines)):
        best.setdefault(one.diagnosis, one)
    ids = [id_ for id_ in best if id_ in texts]
    nothing_works = not any(contract.passes(evidence, test) for test in evidence.tests)
    covered = nothing_works and bool(ids) and ids[0] in COVERS_ALL
    kept = ids[:1] + [id_ for id_ in ids[1:] if not covered and id_ not in SYMPTOMS]
    return tuple(Diagnosis(texts[id_], best[id_].evidence, best[id_].lines) for id_ in kept)


# ---- Two clocks ----------------------------------------------------------------------------


def _host_was_too_busy(evidence: Evidence) -> bool:
    """The virtual clock says that all is well, the wall clock does not, and the host was late."""
    wall, virtual = evidence.wall, evidence.virtual
    if wall is None or virtual is None or virtual.exactness != "exact":
        return False
    timeline = evidence.submission.module.console
    off_s = wall.elapsed_s - virtual.elapsed_s
    fits = timeline.min_total_s <= virtual.elapsed_s <= timeline.max_total_s
    return fits and off_s > MOMENT_S and evidence.host_late_s > BUSY_HOST_S and not virtual.spins


def _notes(evidence: Evidence, too_busy: bool) -> tuple[str, ...]:
    notes = []
    if evidence.virtual and evidence.virtual.exactness != "exact":
        notes.append(f"Simulated time is {evidence.virtual.exactness}: {evidence.virtual.reason}")
    if too_busy:
        late = f"{evidence.host_late_s:.2f} s"
        notes.append(f"This machine is too busy to judge the time (it wakes up {late} late).")
    if warning := reports.first_warning(evidence.build.messages):
        notes.append(f"The compiler warns: {warning}")
    if evidence.wall and evidence.wall.cut_bytes:
        notes.append(f"{evidence.wall.cut_bytes} bytes of output were left out.")
    return tuple(notes)
