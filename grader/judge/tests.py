"""What the findings of the contract tests mean, seen together: with each other and with main.

One test alone knows only what went wrong in it.  Whether that is due to what is special about
the test, to a program that was written for its own main, or to main itself, the rest tells.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from grader.judge import contract, program, reports
from grader.judge.findings import SYMPTOMS, Finding
from grader.judge.program import EXAMINERS
from grader.records import CheckSpec, Evidence

# What a test alone cannot explain, so that the check it belongs to may know better.
VAGUE = SYMPTOMS - {"todo-left", "crash"}

# The same for checks that stand for one of these: whoever has nothing to gather reports at
# once, and whoever mixes up two gathers does whatever to either of them.
VAGUE_FOR = {
    "empty-gather": (VAGUE - {"wrong-elapsed"}) | {"crash", "done-too-early"},
    "shared-state": VAGUE
    | {"crash", "done-too-early", "done-twice", "result-missing"}
    | {"limit-ignored", "limit-off-by-one", "own-seconds-only", "list-order-start"},
}

# What it looks like where several at once are given each other's limits, or ends, if all is
# well with one alone.
MIXED_UP = frozenset(
    {"wrong-status", "wrong-duration", "no-timeout", "cancel-ignored", "zero-is-no-timeout"}
)

# Names for the same thing: which of them a test gives depends on what it is given.
TOO_EARLY = frozenset({"done-too-early", "quits-on-first"})

# What it means if no report comes in a special test, unless none comes in the plainest.
SILENCE = frozenset({"empty-plan", "shared-state", "wrong-schedule"})

# How functions fail in their plainest test if they were written for one case only.
FOR_MAIN_ONLY = frozenset({"never-quits", "done-too-early", "shared-state", "wrong-unit", "crash"})


class Tests:
    """The contract tests of one submission, each looked at once."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.findings = {one.name: contract.examine(evidence, one) for one in evidence.tests}
        self._checks = evidence.submission.module.checks

    @cached_property
    def passed(self) -> frozenset[str]:
        """The names of the tests that count as passed."""
        return frozenset(name for name, found in self.findings.items() if found is None)

    def elsewhere(self, check: CheckSpec) -> frozenset[str | None]:
        """The diagnoses of the tests of other checks; None if one passes."""
        return self._diagnoses(set(self.findings) - set(check.tests))

    def meaning(self, check: CheckSpec, test: str, found: Finding) -> Finding:
        """What a finding of a test means, from the check it belongs to and from the rest.

        The first test of a check is its plainest.  A program that is right, but whose functions
        fail even there, was written for the numbers and names in its own main.
        """
        if self._is_for_main_only(test, found):
            return Finding("hard-coded", found.evidence, found.lines)
        if found.diagnosis == "dangling-user-data" and self._reaches_too_far:
            return Finding("crash", found.evidence, found.lines)
        if found.diagnosis == "cancel-never-completes" and self._never_reports:
            return Finding("never-quits", found.evidence, found.lines)
        if found.diagnosis in SILENCE and self._is_silent:
            return Finding("never-quits", found.evidence, found.lines)
        right = self._program_is_right
        if (found.diagnosis == "todo-left" and right) or (
            found.diagnosis == "hard-coded" and not right
        ):
            return Finding("output-differs", found.evidence, found.lines)
        vague = found.vague or found.diagnosis in VAGUE_FOR.get(check.diagnosis, VAGUE)
        if check.diagnosis == "shared-state" and self._plain == {None}:
            vague = vague or found.diagnosis in MIXED_UP
        if vague and self._is_special(check, found.diagnosis):
            return Finding(check.diagnosis, found.evidence, found.lines)
        return found

    def _diagnoses(self, names: set[str]) -> frozenset[str | None]:
        found = (self.findings[name] for name in names)
        return frozenset(one.diagnosis if one else None for one in found)

    def _is_special(self, check: CheckSpec, diagnosis: str) -> bool:
        """Plain tests pass, and no test of another check fails in the same way."""
        if not check.diagnosis or None not in self._plain:
            return False
        if diagnosis == "wrong-elapsed" and program.takes_its_time(self.evidence):
            return False  # main itself is late
        alike = TOO_EARLY if diagnosis in TOO_EARLY else {diagnosis}
        return not alike & self.elsewhere(check)

    @cached_property
    def _plain(self) -> frozenset[str | None]:
        """The diagnoses of the tests that stand for nothing special; None if one passes."""
        special = {name for check in self._checks if check.diagnosis for name in check.tests}
        return self._diagnoses(set(self.findings) - special)

    @cached_property
    def _never_reports(self) -> bool:
        """Not even where nobody cancels."""
        names = {name for check in self._plain_checks for name in check.tests}
        return "never-quits" in self._diagnoses(names)

    @cached_property
    def _is_silent(self) -> bool:
        """The plainest test of some check gets no report."""
        return "never-quits" in self._diagnoses({check.tests[0] for check in self._plain_checks})

    @cached_property
    def _reaches_too_far(self) -> bool:
        """Main itself goes beyond a block: what that hits in a test, freed or not, is chance."""
        return any(one.diagnosis == "crash" for one in program.errors_in_main(self.evidence))

    @cached_property
    def _program_is_right(self) -> bool:
        ways = (program.prints_the_lines, program.takes_its_time, program.ends_by_itself)
        wrong = any(way(self.evidence) for way in ways)
        return not wrong and not program.errors_in_main(self.evidence)

    @cached_property
    def _waits_well(self) -> bool:
        ways = (program.uses_one_thread, program.leaves_the_processor_alone, program.never_blocks)
        return not any(way(self.evidence) for way in ways)

    def _is_for_main_only(self, test: str, found: Finding) -> bool:
        if not self._program_is_right:
            return False
        diagnosis = found.diagnosis
        plainest = {check.tests[0] for check in self._plain_checks}
        seen = {name: one.diagnosis for name, one in self.findings.items() if one}
        if diagnosis == "todo-left":  # main does it all, the functions nothing
            return any(seen.get(name) == "todo-left" for name in plainest)
        if test not in plainest or diagnosis not in FOR_MAIN_ONLY:
            return False
        if diagnosis == "never-quits" and "done-too-early" not in seen.values():
            return False  # with fewer than in main it would wait for ever, with more be early
        if diagnosis == "wrong-unit" and self._is_on_time(test):
            return False  # it takes other seconds than those in main, and misreports them
        if reports.NULL_FOLLOWED in found.evidence and plainest & self.passed:
            return False  # what is NULL there has nothing to do with main
        # How it waits would explain the failure better.
        return self._waits_well and not self._is_right_for_others(test, diagnosis)

    def _is_on_time(self, name: str) -> bool:
        """What the test had printed when it failed had come when due, and not all at once."""
        test = next(one for one in self.evidence.tests if one.name == name)
        due = (test.scenario.expected or ())[: len(test.stdout)]
        begun = replace(test, scenario=replace(test.scenario, expected=due))
        return any(due_s for due_s, _ in due) and not contract.examine_timeline(
            self.evidence, begun
        )

    @cached_property
    def _plain_checks(self) -> list[CheckSpec]:
        """The checks that are about tests alone, and stand for nothing special."""
        checks = [check for check in self._checks if check.tests and not check.diagnosis]
        return [check for check in checks if check.id not in EXAMINERS]

    def _is_right_for_others(self, test: str, diagnosis: str) -> bool:
        """Half of the tests of the same check pass; or, where it is only a number that is wrong,
        all of another plain check, whose tests give other numbers, too."""
        own = [check for check in self._plain_checks if test in check.tests]
        if any(2 * len(self.passed & set(check.tests)) >= len(check.tests) for check in own):
            return True
        right = any(set(check.tests) <= self.passed for check in self._plain_checks)
        return diagnosis == "wrong-unit" and right
