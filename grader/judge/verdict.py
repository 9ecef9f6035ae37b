"""The way through the judge: findings for every check, points, and one root cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from grader.judge import program, reports
from grader.judge.findings import MOMENT_S, SYMPTOMS, Finding, blocking_waits
from grader.judge.program import EXAMINERS
from grader.judge.tests import Tests
from grader.judge.timeline import bars
from grader.records import (
    CheckResult,
    CheckSpec,
    Diagnosis,
    Evidence,
    GradeResult,
)

# Good manners say nothing about a program that does not do its work: these need it to have
# got as far as the end of every experiment.
MANNERS = frozenset({"exit", "responsive", "one-thread", "processor", "memory", "stderr"})

# A check whose tests differ from grade to grade: its findings name a cause only where no
# other check fails, so that the same program gets the same diagnoses each time.
BY_CHANCE = "random"

# While one of these holds and nothing works yet, everything else follows from it.
COVERS_ALL = frozenset({"does-not-compile", "todo-left"})

NOT_YET = "Not judged until the program gets to the end of its work."
BUSY_HOST_S = 0.15  # a machine that wakes a sleeper later than this is too busy to be a witness


def judge(evidence: Evidence) -> GradeResult:
    """The verdict on what was observed.  Total: it has an answer for any evidence."""
    module = evidence.submission.module
    tests = Tests(evidence)
    found = {check.id: _examine(tests, check) for check in module.checks}
    fixed = [one for id_, some in found.items() if id_ != BY_CHANCE for one in some]
    diagnoses = _diagnoses(tests, fixed or found.get(BY_CHANCE, []))
    too_busy = _host_was_too_busy(evidence)
    checks = tuple(
        _result(tests, check, found[check.id], diagnoses, too_busy) for check in module.checks
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


def _examine(tests: Tests, check: CheckSpec) -> list[Finding]:
    """All findings against one check."""
    evidence = tests.evidence
    if not evidence.build.links:
        return EXAMINERS["builds"](evidence) if check.id == "builds" else []
    found = list(EXAMINERS[check.id](evidence)) if check.id in EXAMINERS else []
    for name in check.tests:
        if name not in tests.findings:
            found.append(Finding("crash", f"the test {name} did not run"))
        elif one := tests.findings[name]:
            found.append(tests.meaning(check, name, one))
    return found


def _result(
    tests: Tests,
    check: CheckSpec,
    found: Sequence[Finding],
    diagnoses: Sequence[Diagnosis],
    too_busy: bool,
) -> CheckResult:
    evidence = tests.evidence
    if not found:
        return _without_findings(evidence, check)
    best = _first(evidence, found)
    if (too_busy and check.id in ("console", "elapsed")) or _ran_out_of_real_time(evidence, check):
        return CheckResult(check.id, check.title, "error", 0, check.points, best.evidence)
    points = _partial_points(tests, check)
    follows = best.diagnosis not in {one.id for one in diagnoses}
    message = f"follows from the first: {best.evidence}" if follows else best.evidence
    diagnosis = diagnoses[0].id if follows and diagnoses else best.diagnosis
    return CheckResult(check.id, check.title, "fail", points, check.points, message, diagnosis)


def _ran_out_of_real_time(evidence: Evidence, check: CheckSpec) -> bool:
    """Simulated time needs hardly any real time: without it, this machine is overloaded."""
    late = [run for run in evidence.tests_runs if run.exit.stopped == "wall limit"]
    return bool(check.tests) and any(run.exactness == "exact" for run in late)


def _without_findings(evidence: Evidence, check: CheckSpec) -> CheckResult:
    reached = check.id == "builds" or (
        evidence.build.links
        and (check.id not in MANNERS or program.got_to_the_experiments(evidence))
    )
    if reached:
        return CheckResult(check.id, check.title, "pass", check.points, check.points)
    return CheckResult(check.id, check.title, "skipped", 0, check.points, NOT_YET)


def _partial_points(tests: Tests, check: CheckSpec) -> int:
    """A failed check gives credit for the tests of it that pass, if it is about tests alone."""
    if not check.tests or check.id in EXAMINERS:
        return 0
    return check.points * len(tests.passed & set(check.tests)) // len(check.tests)


# ---- One root cause first ------------------------------------------------------------------


def _rank(evidence: Evidence, diagnosis: str) -> int:
    order = list(evidence.submission.module.diagnoses)
    return order.index(diagnosis) if diagnosis in order else len(order)


def _first(evidence: Evidence, found: Sequence[Finding]) -> Finding:
    return min(found, key=lambda one: _rank(evidence, one.diagnosis))


def _diagnoses(tests: Tests, found: Sequence[Finding]) -> tuple[Diagnosis, ...]:
    """Every misconception once, root causes first, mere symptoms left out behind a cause."""
    evidence = tests.evidence
    texts = evidence.submission.module.diagnoses
    best: dict[str, Finding] = {}

    def order(one: Finding) -> tuple[bool, int, bool]:
        own_words = one.vague and one.diagnosis == "glib-critical"  # no cause, but a comment
        return own_words, _rank(evidence, one.diagnosis), not one.lines  # a line tells more

    for one in sorted(found, key=order):
        best.setdefault(one.diagnosis, one)
    ids = [id_ for id_ in best if id_ in texts]
    # Whoever fails alone fails in company, and for the same cause.
    checks = evidence.submission.module.checks
    special = {check.diagnosis for check in checks if ids and ids[0] in tests.elsewhere(check)}
    if not tests.passed and ids and ids[0] in COVERS_ALL:
        ids = ids[:1]
    kept: list[str] = []
    for id_ in ids:
        follows = any(id_ in texts[cause].leads_to for cause in kept)
        if not kept or not (follows or id_ in SYMPTOMS | special):
            kept.append(id_)
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
