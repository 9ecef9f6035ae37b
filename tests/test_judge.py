"""The judge on recorded evidence: each hop is tested without running anything."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evidence import GATHER, NAME, RIGHT, evidence, lines, passed_tests, run, wait
from grader.judge import console, judge, reports, tests
from grader.judge.console import Due
from grader.records import (
    Build,
    CheckResult,
    Exit,
    GradeResult,
    Scenario,
    Site,
    Spin,
    Started,
    TestRun,
)


def check(result: GradeResult, id_: str) -> CheckResult:
    """One check of a verdict."""
    return next(one for one in result.checks if one.id == id_)


def first(result: GradeResult) -> str:
    """The root cause, "" if there is none."""
    return result.diagnoses[0].id if result.diagnoses else ""


def both_runs(timeline: list[tuple[float, str]], **changes: object) -> GradeResult:
    """The verdict when both clocks saw the same."""
    seen = run(timeline, **changes)
    return judge(evidence(wall=replace(seen, clock="wall"), virtual=seen, sanitized=seen))


def test_a_right_program_gets_full_marks() -> None:
    """Nothing to complain about: 100 of 100, no diagnosis, three bars."""
    result = judge(evidence())
    assert (result.verdict, result.score, result.max_score) == ("pass", 100, 100)
    assert result.diagnoses == ()
    assert [(bar.name, bar.start_s, bar.end_s) for bar in result.timeline] == [
        ("exp_small", 0.0, 1.0),
        ("exp_medium", 0.0, 2.0),
        ("exp_large", 0.0, 3.0),
    ]


def test_starting_lines_may_come_in_any_order() -> None:
    """The order of the starting lines is not graded."""
    timeline = [RIGHT[2], RIGHT[0], RIGHT[1], *RIGHT[3:]]
    assert both_runs(timeline).verdict == "pass"


def test_white_space_at_the_end_is_forgiven() -> None:
    """Trailing blanks, carriage returns and empty last lines cost nothing."""
    timeline = [(time_s, text + " \r") for time_s, text in RIGHT] + [(3.0, "")]
    assert both_runs(timeline).verdict == "pass"


def test_coarse_timers_are_fine() -> None:
    """g_timeout_add_seconds may come up to 0.75 s late, and a little early in total."""
    late = [(time_s + 0.7 * (time_s > 0), text) for time_s, text in RIGHT]
    assert judge(evidence(wall=run(late, clock="wall"))).verdict == "pass"


def test_simulated_time_sees_a_guess() -> None:
    """A main that quits by a timer of its own, half a second later to be safe: on the wall
    clock that could be a coarse timer."""
    guess = [*RIGHT[:6], (3.5, RIGHT[6][1])]
    result = both_runs(guess)
    assert first(result) == "wrong-elapsed"
    assert "came at 3.50 s, not at 3.00 s" in result.diagnoses[0].evidence
    looking = [*RIGHT[:6], (3.1, RIGHT[6][1])]  # ten times a second whether all are over
    assert both_runs(looking).verdict == "pass"


def test_nothing_printed_is_a_todo() -> None:
    """The untouched skeleton: it says so, and earns nothing."""
    tests = tuple(replace(test, status="fail", diagnosis="never-quits") for test in passed_tests())
    seen = run([])
    result = judge(evidence(wall=seen, virtual=seen, sanitized=seen, tests=tests))
    assert (first(result), result.score) == ("todo-left", 0)
    assert all(one.status != "pass" for one in result.checks if one.max_points)


def test_one_after_another_is_named() -> None:
    """6 s instead of 3 s, because each is started when the one before has finished."""
    timeline = [
        (0.0, RIGHT[0][1]),
        (1.0, RIGHT[3][1]),
        (1.0, RIGHT[1][1]),
        (3.0, RIGHT[4][1]),
        (3.0, RIGHT[2][1]),
        (6.0, RIGHT[5][1]),
        (6.0, RIGHT[6][1]),
    ]
    result = both_runs(timeline)
    assert first(result) == "sequential"
    assert "6.000 s" in check(result, "elapsed").message


def test_a_blocking_call_is_named_with_its_line() -> None:
    """The trace knows which line stood still, for how long, and by which call."""
    seen = run(waits=(wait(14, 1.0, 3.0),))
    result = judge(evidence(virtual=seen))
    assert first(result) == "blocks-the-loop"
    expected = "line 14 (on_timer) blocks the main loop for 2.000 s with g_usleep"
    assert check(result, "responsive").message == expected
    assert result.diagnoses[0].lines == (14,)


def test_the_loop_itself_may_wait() -> None:
    """The main loop's own poll blocks nobody."""
    own = wait(90, 0.0, 3.0, by_loop=True, in_dispatch=False, site=Site("main", 90))
    assert judge(evidence(virtual=run(waits=(own,)))).verdict == "pass"


def test_milliseconds_for_seconds_is_named() -> None:
    """Every line comes at a thousandth of its time."""
    timeline = [(time_s / 1000, text) for time_s, text in RIGHT]
    assert first(both_runs(timeline)) == "wrong-unit"


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_threads_and_children_are_named(kind: str) -> None:
    """One thread does it all, even if the output is right."""
    started = Started(0.0, kind, 0, Site("run_experiment", 20))  # type: ignore[arg-type]
    result = judge(evidence(virtual=run(started=(started,))))
    assert first(result) == "uses-threads"
    assert check(result, "one-thread").points == 0


def test_spinning_is_named() -> None:
    """Asking the clock over and over burns the processor."""
    spin = Spin(0.0, 3.0, "clock_gettime", 90000, 0, Site("main", 70))
    assert first(judge(evidence(virtual=run(spins=(spin,))))) == "busy-wait"


def test_a_main_loop_that_cannot_sleep_is_not_the_culprit() -> None:
    """An idle callback that asks for the time: the line that runs the loop is not to blame,
    and a line that asks for itself is told first."""
    loop = Spin(0.0, 3.0, "poll", 90000, 0, Site("main", 99), by_loop=True)
    result = judge(evidence(virtual=run(spins=(loop,))))
    assert (first(result), result.diagnoses[0].lines) == ("busy-wait", ())
    assert "never gets to sleep" in result.diagnoses[0].evidence
    own = Spin(0.0, 1.0, "clock_gettime", 9000, 0, Site("main", 70))
    assert judge(evidence(virtual=run(spins=(loop, own)))).diagnoses[0].lines == (70,)


def test_processor_time_is_seen_on_the_wall_clock() -> None:
    """A loop that asks nobody shows in the processor time alone."""
    assert first(judge(evidence(wall=run(clock="wall", cpu_s=2.9)))) == "busy-wait"


def test_waking_up_every_millisecond_is_polling() -> None:
    """A tick that counts down may be short, but not as short as that."""

    def ticks(tick_s: float) -> GradeResult:
        waits = tuple(
            wait(90, i * tick_s, (i + 1) * tick_s, by_loop=True, in_dispatch=False, site=None)
            for i in range(int(3 / tick_s))
        )
        return judge(evidence(virtual=run(waits=waits)))

    assert first(ticks(0.001)) == "busy-wait"
    assert ticks(0.01).verdict == "pass"


def test_computing_is_not_asking_for_the_time() -> None:
    """Who uses the processor in a callback, and never looks at the clock, has work to do."""
    loop = wait(90, 0.0, 1.0, by_loop=True, in_dispatch=False, site=None)
    result = judge(evidence(virtual=run(waits=(loop,), cpu_s=2.0)))
    assert first(result) == "blocks-the-loop"
    assert "computes for 2.0 s" in result.diagnoses[0].evidence


def test_no_finish_means_the_loop_never_ran() -> None:
    """All started, nothing finished, ended at once."""
    assert first(both_runs(list(RIGHT[:3]))) == "loop-not-run"


def test_a_loop_that_ends_before_anything_is_due_has_run_too_little() -> None:
    """One turn of the loop for each experiment is no waiting for them."""
    loop = wait(90, 0.0, 0.5, by_loop=True, in_dispatch=False, site=None)
    short = run(list(RIGHT[:3]), elapsed_s=0.5, waits=(loop,))
    result = judge(evidence(wall=replace(short, clock="wall"), virtual=short, sanitized=short))
    assert first(result) == "loop-not-run"


def test_ending_with_the_first_is_named() -> None:
    """The program ends when the fastest experiment has finished."""
    assert first(both_runs(list(RIGHT[:4]))) == "quits-on-first"


def test_ending_with_the_second_is_too_early_not_the_first() -> None:
    """Two of three have finished when the program ends: nobody quit on the first."""
    last = (2.0, "All done: [('exp_small', 1), ('exp_medium', 2), ('(null)', 0)]")
    assert first(both_runs([*RIGHT[:5], last])) == "done-too-early"


def test_who_ends_in_other_words_has_ended() -> None:
    """A report that comes too soon, but with an end of everything, has left nobody out."""
    ends = [(2.0, text.replace("finished", "gave up")) for _, text in RIGHT[4:6]]
    last = (2.0, "All done: [('exp_small', 1), ('exp_medium', 2), ('exp_large', 2)]")
    assert first(both_runs([*RIGHT[:4], *ends, last])) == "output-differs"


def test_a_loop_that_never_ends_is_named() -> None:
    """All lines are right, but the program waits for ever."""
    result = both_runs(list(RIGHT), exit=Exit(stopped="stuck"))
    assert first(result) == "never-quits"
    assert check(result, "exit").status == "fail"


def test_an_extra_line_is_shown() -> None:
    """Debug output belongs on stderr."""
    result = both_runs([(0.0, "hello"), *RIGHT])
    assert first(result) == "unexpected-output"
    assert "'hello'" in check(result, "console").message


def test_a_wrong_line_is_shown_beside_the_right_one() -> None:
    """Expected and seen, in this order."""
    result = both_runs([*RIGHT[:-1], (3.0, "All done!")])
    assert first(result) == "output-differs"
    assert check(result, "console").message.startswith("line 7: expected 'All done: [(")
    assert "saw 'All done!'" in check(result, "console").message


def test_an_exit_status_is_shown() -> None:
    """Right lines, status 3."""
    result = both_runs(list(RIGHT), exit=Exit(status=3))
    assert first(result) == "wrong-exit-status"
    assert check(result, "exit").message == "expected exit status 0, saw 3"


def test_a_crash_has_a_name() -> None:
    """The signal's name, and when."""
    result = both_runs(list(RIGHT[:5]), exit=Exit(signal=11))
    assert first(result) == "crash"
    assert "SIGSEGV" in check(result, "exit").message


def test_glib_criticals_fail_but_debug_output_does_not() -> None:
    """stderr is free for the student, not for GLib's complaints."""
    debug = lines([(0.0, "debug: WARNING ** is just my text")])
    assert judge(evidence(virtual=run(stderr=debug))).verdict == "pass"
    text = "(program:7): GLib-CRITICAL **: 10:00:00.000: Source ID 3 was not found"
    result = judge(evidence(virtual=run(stderr=lines([(1.0, text)]))))
    assert first(result) == "glib-critical"


def test_what_a_program_says_about_its_fault_is_not_the_fault() -> None:
    """A g_warning() of its own loses marks, and is shown where, but the report leads with what
    went wrong."""
    warned = lines([(0.0, "** (program:7): WARNING **: 10:00:00.000: no such experiment")])
    assert first(judge(evidence(virtual=run(stderr=warned)))) == "glib-critical"
    hangs = run(list(RIGHT[:6]), stderr=warned, exit=Exit(stopped="stuck"))
    result = judge(evidence(wall=hangs, virtual=hangs))
    assert [one.id for one in result.diagnoses] == ["never-quits"]
    stderr = next(check for check in result.checks if check.id == "stderr")
    assert "no such experiment" in stderr.message or stderr.status == "skipped"


def test_a_leak_is_named_with_its_line() -> None:
    """LeakSanitizer's report, read."""
    report = lines(
        [
            (3.0, "==7==ERROR: LeakSanitizer: detected memory leaks"),
            (3.0, "Direct leak of 32 byte(s) in 1 object(s) allocated from:"),
            (3.0, "    #0 0x7f in malloc (/lib/libasan.so+0x1)"),
            (3.0, "    #1 0x55 in run_experiment exercises/0.5-gather/experiments.c:31"),
        ]
    )
    result = judge(evidence(sanitized=run(stderr=report)))
    assert first(result) == "memory-leak"
    assert result.diagnoses[0].lines == (31,)


def test_a_leak_without_a_line_is_the_main_loop_if_that_is_still_alive() -> None:
    """What GLib allocated says nothing; that a loop was never released says it all."""
    report = lines([(3.0, "Direct leak of 16 byte(s) in 1 object(s) allocated from:")])
    result = judge(evidence(virtual=run(loops_alive=1), sanitized=run(stderr=report)))
    assert "g_main_loop_unref" in result.diagnoses[0].evidence


def test_use_after_free_is_named_with_its_line() -> None:
    """AddressSanitizer's report, read."""
    report = lines(
        [
            (1.0, "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x60 at pc 0x55"),
            (1.0, "    #0 0x55 in on_timer exercises/0.5-gather/experiments.c:23"),
        ]
    )
    result = judge(evidence(sanitized=run(stderr=report)))
    assert (first(result), result.diagnoses[0].lines) == ("dangling-user-data", (23,))


def test_the_oracle_decides_about_a_test_that_says_it_passed() -> None:
    """What a test printed must be what the oracle expects, at the exact time."""
    tests = list(passed_tests())
    scenario = Scenario(tests[0].name, (), ((0.0, "[a] starting..."), (2.0, "[a] finished")))
    for times, status in (((0.0, 2.0), "pass"), ((0.0, 2.5), "fail")):
        seen = lines([(times[0], "[a] starting..."), (times[1], "[a] finished")])
        tests[0] = replace(tests[0], scenario=scenario, stdout=seen)
        assert check(judge(evidence(tests=tuple(tests))), "experiment").status == status


@pytest.mark.parametrize(
    ("came_s", "status"), [(1.99, "fail"), (2.05, "pass"), (2.1, "pass"), (2.2, "fail")]
)
def test_a_module_may_allow_lines_to_be_a_tick_late(came_s: float, status: str) -> None:
    """A program that looks ten times a second what is over is late by up to a tick, never early."""
    tests = list(passed_tests())
    scenario = Scenario(tests[0].name, (), ((2.0, "[a] finished"),), late_s=0.1)
    seen = lines([(came_s, "[a] finished")])
    tests[0] = replace(tests[0], scenario=scenario, stdout=seen)
    assert check(judge(evidence(tests=tuple(tests))), "experiment").status == status


def test_a_line_that_is_late_is_told_from_a_late_end() -> None:
    """What had to wait for the end started when due: then only the line is late."""
    due = [Due(0, "[a] starts"), Due(1, "[a] ends"), Due(1, "[b] starts"), Due(3, "[b] ends")]
    late = [(0.0, "[a] starts"), (1.0, "[b] starts"), (3.0, "[a] ends"), (3.0, "[b] ends")]
    assert "'[b] starts', which waited for it" in console.printed_late(due, lines(late))
    both = [(0.0, "[a] starts"), (3.0, "[a] ends"), (3.0, "[b] starts"), (5.0, "[b] ends")]
    assert console.printed_late(due, lines(both)) == ""


def test_a_time_that_is_off_where_the_loop_stands_still_is_no_wrong_unit() -> None:
    """The trace knows better than the test which line held up everything."""
    tests = list(passed_tests())
    blocked = (wait(14, 1.0, 3.0),)
    tests[0] = replace(tests[0], status="fail", diagnosis="wrong-unit", message="x", waits=blocked)
    result = judge(evidence(tests=tuple(tests)))
    assert [(one.id, one.lines) for one in result.diagnoses] == [("blocks-the-loop", (14,))]


def test_what_is_too_small_for_main_itself_is_a_crash() -> None:
    """A table that main alone overruns was not made for main; nor is garbage on the console a
    riddle then."""
    report = lines([(0.0, "==1==ERROR: AddressSanitizer: global-buffer-overflow on address 0x1")])
    broken = run(stderr=report)
    assert first(judge(evidence(sanitized=broken))) == "crash"
    garbage = run([*RIGHT[:6], (3.0, "All done: [('\ufffd', 1), ('exp_medium', 2)]")])
    beside = evidence(wall=replace(garbage, clock="wall"), virtual=garbage)
    assert first(judge(beside)) == "dangling-user-data"
    assert first(judge(replace(beside, sanitized=broken))) == "crash"


def test_a_word_that_is_too_small_is_a_fixed_size() -> None:
    """A bit for each of them is a table, too, and so is no crash."""

    def diagnosis(words: str) -> str:
        found = reports.memory_errors(lines([(0.0, f"{NAME}:7:9: runtime error: {words}")]), NAME)
        return found[0].diagnosis

    assert diagnosis("shift exponent 40 is too large for 32-bit type 'int'") == "hard-coded"
    assert diagnosis("index 16 out of bounds for type 'int [16]'") == "hard-coded"
    assert diagnosis("member access within null pointer of type 'struct Batch'") == "crash"


def test_who_never_reports_does_not_mix_up_two() -> None:
    """Where the plainest gather gets no report, two at once get none for the same cause."""
    gather = next(check for check in GATHER.checks if check.id == "gather")
    silent = dict.fromkeys(gather.tests, "never-quits")
    assert first(failing(gather_two_in_flight="shared-state", **silent)) == "never-quits"
    assert first(failing(gather_two_in_flight="shared-state")) == "shared-state"


def test_a_test_that_does_not_report_fails() -> None:
    """exit (0) in student code ends the test; its end never arrives."""
    tests = list(passed_tests())
    tests[0] = replace(tests[0], status="fail", message="Early exit with return value 0")
    result = judge(evidence(tests=tuple(tests)))
    assert check(result, "experiment").points < check(result, "experiment").max_points


def failing(**diagnoses: str) -> GradeResult:
    """The verdict when these contract tests fail, each with its diagnosis."""
    tests = tuple(
        replace(one, status="fail", diagnosis=diagnoses[one.name], message="x")
        if one.name in diagnoses
        else one
        for one in passed_tests()
    )
    return judge(evidence(tests=tests))


def test_hard_coded_takes_a_check_in_which_little_passes() -> None:
    """Main is right: but whoever passes other tests of the same kind knows more than main."""
    gather = next(check for check in GATHER.checks if check.id == "gather")
    assert first(failing(**dict.fromkeys(gather.tests[:-1], "done-too-early"))) == "hard-coded"
    assert first(failing(gather_one="done-too-early")) == "done-too-early"


def test_what_is_null_is_no_table_that_is_too_small() -> None:
    """A crash in the plainest test means that functions know main only, but not if NULL is
    followed in it and the plainest test of something else passes."""
    report = ["==1==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000000"]
    report += ["==1==Hint: address points to the zero page."]

    def crash(*text: str) -> str:
        stderr = lines([(1.0, one) for one in text])
        own = next(check for check in GATHER.checks if check.id == "gather").tests[:-1]
        seen = tuple(
            replace(one, status="fail", message="signal 11", stderr=stderr)
            if one.name in own
            else one
            for one in passed_tests()
        )
        return first(judge(evidence(tests=seen)))

    assert crash("==1==ERROR: AddressSanitizer: heap-buffer-overflow") == "hard-coded"
    assert crash(*report) == "crash"


def test_a_wrong_number_is_not_hard_coded_where_other_numbers_are_right() -> None:
    """Whoever gathers other experiments has not written down those in main."""
    both = [check for check in GATHER.checks if check.id in ("experiment", "gather")]
    in_one, in_both = (
        dict.fromkeys((name for check in checks for name in check.tests), "wrong-unit")
        for checks in (both[:1], both)
    )
    assert first(failing(**in_both)) == "hard-coded"
    assert first(failing(**in_one)) == "wrong-unit"


def test_who_reports_too_early_alone_does_so_in_company() -> None:
    """It is not shared state, though a check for that fails as well."""
    result = failing(gather_two="quits-on-first", gather_two_in_flight="done-too-early")
    seen = tests.Tests(result.evidence)
    in_company = next(one for one in GATHER.checks if one.diagnosis == "shared-state")
    found = seen.findings["gather_two_in_flight"]
    assert seen.meaning(in_company, "gather_two_in_flight", found).diagnosis == "done-too-early"
    assert first(failing(gather_two_in_flight="done-too-early")) == "shared-state"


def test_what_is_mixed_up_only_in_company_is_shared() -> None:
    """A wrong end, where all is well with one alone, is somebody else's."""
    in_company = next(one for one in GATHER.checks if one.diagnosis == "shared-state")

    def meaning(**diagnoses: str) -> str:
        seen = tests.Tests(failing(**diagnoses).evidence)
        found = seen.findings["gather_two_in_flight"]
        assert found
        return seen.meaning(in_company, "gather_two_in_flight", found).diagnosis

    assert meaning(gather_two_in_flight="wrong-status") == "shared-state"
    assert meaning(gather_two_in_flight="wrong-status", gather_two="wrong-unit") == "wrong-status"


def test_who_is_late_with_nothing_is_late() -> None:
    """Who looks twice a second reports an empty gather late, and knows what to do of it."""
    assert first(failing(gather_none="wrong-elapsed")) == "wrong-elapsed"
    assert first(failing(gather_none="never-quits")) == "empty-gather"


def test_what_follows_in_company_is_not_told_as_well() -> None:
    """The tests of one gather fail for the same cause as those of two."""
    result = failing(gather_two="completion-order", gather_two_in_flight="shared-state")
    assert [one.id for one in result.diagnoses] == ["completion-order"]
    special = failing(gather_none="completion-order", gather_two_in_flight="shared-state")
    assert [one.id for one in special.diagnoses] == ["completion-order"]


def test_a_missing_test_fails() -> None:
    """The parent knows which tests there are."""
    result = judge(evidence(tests=passed_tests()[1:]))
    assert check(result, "experiment").status == "fail"


def test_partial_credit_counts_tests() -> None:
    """One of five tests fails: four fifths of the points."""
    tests = list(passed_tests())
    tests[0] = replace(tests[0], status="fail", diagnosis="done-twice", message="twice")
    assert check(judge(evidence(tests=tuple(tests))), "experiment").points == 8


def test_a_compiler_error_is_all_that_is_said() -> None:
    """Everything else waits until it compiles."""
    whole = evidence()
    broken = replace(
        whole.build,
        links=False,
        messages="exercises/0.5-gather/experiments.c:12:3: error: expected ';'",
    )
    result = judge(replace(whole, build=broken, wall=None, virtual=None, sanitized=None, tests=()))
    assert (first(result), result.score) == ("does-not-compile", 0)
    assert result.diagnoses[0].lines == (12,)
    assert [one.id for one in result.checks if one.status == "fail"] == ["builds"]


def test_a_busy_machine_is_no_fail() -> None:
    """Right on the virtual clock, late on the wall clock, and the machine was measurably late."""
    late = run([(time_s * 1.4, text) for time_s, text in RIGHT], clock="wall")
    assert judge(evidence(wall=late, host_late_s=0.5)).verdict == "error"
    assert judge(evidence(wall=late, host_late_s=0.001)).verdict == "fail"


def test_symptoms_follow_from_the_root_cause() -> None:
    """A wrong total is not a second mistake when a blocking call explains it."""
    timeline = [(time_s * 2, text) for time_s, text in RIGHT]
    seen = run(timeline, waits=(wait(14, 0.0, 3.0),))
    result = judge(evidence(wall=replace(seen, clock="wall"), virtual=seen, sanitized=seen))
    assert [one.id for one in result.diagnoses] == ["blocks-the-loop"]
    assert check(result, "elapsed").diagnosis == "blocks-the-loop"
    assert check(result, "elapsed").message.startswith("follows from")


def test_what_a_diagnosis_leads_to_follows_from_it() -> None:
    """Who reports at the first finish reports too early; alone, that is a mistake of its own."""
    right = passed_tests()

    def found(diagnoses: tuple[str, ...]) -> list[str]:
        """What is reported if the last tests fail with these diagnoses."""
        n = len(diagnoses)
        wrong = [
            replace(test, status="fail", diagnosis=diagnosis, message="x")
            for test, diagnosis in zip(right[-n:], diagnoses)
        ]
        return [one.id for one in judge(evidence(tests=(*right[:-n], *wrong))).diagnoses]

    assert found(("quits-on-first", "done-too-early")) == ["quits-on-first"]
    assert found(("done-too-early",)) == ["done-too-early"]
    assert found(("quits-on-first", "wrong-unit")) == ["wrong-unit", "quits-on-first"]


def test_a_program_that_goes_around_the_clock_gets_nothing_for_its_waiting() -> None:
    """Noticed, said, and never a pass."""
    around = run(exactness="not measured", reason="the program defines its own clock_gettime")
    result = judge(evidence(virtual=around, tests_runs=(around,)))
    assert result.verdict == "fail"
    assert check(result, "responsive").status == "fail"
    assert check(result, "experiment").points == 0
    assert any("clock_gettime" in note for note in result.notes)


def test_where_simulated_time_is_not_exact_the_real_run_decides() -> None:
    """A witness that is not sure does not accuse."""
    vague = run([(time_s * 2, text) for time_s, text in RIGHT], exactness="inexact", reason="x")
    assert check(judge(evidence(virtual=vague)), "elapsed").status == "pass"


def test_no_real_time_left_is_no_fail() -> None:
    """Contract tests that are stopped by the wall clock: the machine is overloaded."""
    stopped = run([], exit=Exit(stopped="wall limit"))
    tests = tuple(replace(test, status="missing") for test in passed_tests())
    assert judge(evidence(tests=tests, tests_runs=(stopped,))).verdict == "error"


RAN_AGAIN = """\
==3==ERROR: AddressSanitizer: heap-use-after-free on address 0x6030 at pc 0x55 bp 0x7f sp 0x7f
    #0 0x55afd8575e70 in on_time_is_up exercises/0.5-gather/experiments.c:25
    #1 0x7f08c7e3c179  (/lib/x86_64-linux-gnu/libglib-2.0.so.0+0x55179)
freed by thread T0 here:
    #0 0x7f08c80b76a8 in __interceptor_free asan_malloc_linux.cpp:52
    #1 0x55afd85760d8 in on_time_is_up exercises/0.5-gather/experiments.c:{}"""


@pytest.mark.parametrize(
    ("freed_at", "compiler", "diagnosis"),
    [
        (28, "cast from ‘void (*)(void *)’ to ‘gboolean (*)(void *)’ [-Wcast-function-type]", True),
        (28, "no return statement in function returning non-void [-Wreturn-type]", True),
        (28, "", False),  # another timer's data, perhaps
        (24, "no return statement in function returning non-void [-Wreturn-type]", False),
    ],
)
def test_a_callback_that_says_nothing_runs_again(
    freed_at: int, compiler: str, diagnosis: bool
) -> None:
    """Freed on a later line than it is used: that was the call before."""
    report = RAN_AGAIN.format(freed_at).splitlines()
    seen = evidence(sanitized=run(stderr=lines([(1.0, text) for text in report])))
    result = judge(replace(seen, build=replace(seen.build, messages=compiler)))
    assert first(result) == ("timer-repeats" if diagnosis else "dangling-user-data")


USED_AGAIN = """\
==3==ERROR: AddressSanitizer: heap-use-after-free on address 0x6030 at pc 0x55 bp 0x7f sp 0x7f
    #0 0x55afd8575e70 in bag_free exercises/0.5-gather/experiments.c:16
    #1 0x7f08c7e3c179  (/lib/x86_64-linux-gnu/libglib-2.0.so.0+0x55179)
freed by thread T0 here:
    #0 0x7f08c80b76a8 in __interceptor_free asan_malloc_linux.cpp:52
    #1 0x55afd85760d8 in {} exercises/0.5-gather/experiments.c:17
    #2 0x55afd85760d8 in on_time_is_up exercises/0.5-gather/experiments.c:26
previously allocated by thread T0 here:
    #0 0x7f08c80b76a8 in __interceptor_malloc asan_malloc_linux.cpp:69
    #1 0x55afd85760d8 in run_experiment exercises/0.5-gather/experiments.c:40"""


@pytest.mark.parametrize(
    ("freed_in", "diagnosis"),
    [("bag_free", "double-free"), ("on_time_is_up", "dangling-user-data")],
)
def test_who_frees_twice_may_look_before(freed_in: str, diagnosis: str) -> None:
    """The sanitizer sees the second call read first, but it came to free."""
    report = lines([(1.0, text) for text in USED_AGAIN.format(freed_in).splitlines()])
    result = judge(evidence(sanitized=run(stderr=report)))
    assert first(result) == diagnosis
    if diagnosis == "dangling-user-data":
        said = result.diagnoses[0].evidence
        assert said.endswith("line 16 (bag_free), freed before at line 17 (on_time_is_up)")


@pytest.mark.parametrize(("n_waits", "diagnosis"), [(2, "blocks-the-loop"), (900, "busy-wait")])
def test_a_short_tick_runs_out_of_processor_time_but_does_not_compute(
    n_waits: int, diagnosis: str
) -> None:
    """In the test that was stopped nothing may be on record any more."""
    scenario = Scenario("", (), ((0.0, "[a] starting..."), (5.0, "[a] finished")))
    before, stopped, *others = passed_tests()
    before = replace(
        before,
        scenario=replace(scenario, test=before.name),
        stdout=lines(scenario.expected or ()),
        waits=(wait(5, 0.0, 0.02, by_loop=True, in_dispatch=False),) * n_waits,
    )
    stopped = replace(stopped, status="fail", message="x", stopped="cpu limit")
    assert first(judge(evidence(tests=(before, stopped, *others)))) == diagnosis


NO_OBJECT = """\
==3==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000066 (pc 0x7f bp 0x61 sp 0x7f T0)
==3==The signal is caused by a READ memory access.
==3==Hint: address points to the zero page.
    #0 0x7f1d72f4b64d in g_type_check_instance_is_fundamentally_a (/lib/libgobject-2.0.so.0+0x39)
    #1 0x7f1d72f2d16a in {} (/lib/{}+0x1b16a)
    #2 0x55f4de28fbde in on_answer exercises/0.5-gather/experiments.c:33"""


@pytest.mark.parametrize(
    ("function", "library", "diagnosis"),
    [
        ("g_object_unref", "libgobject-2.0.so.0", "double-free"),
        ("g_task_get_task_data", "libgio-2.0.so.0", "dangling-user-data"),
    ],
)
def test_an_object_that_is_no_more_is_no_null_pointer(
    function: str, library: str, diagnosis: str
) -> None:
    """GLib refuses NULL; where an object was, there are numbers of the sanitizer's."""
    text = NO_OBJECT.format(function, library)
    reports = [text, text.replace("libgobject-2.0", "libx").replace(library, "libx.so")]
    gone, null = (
        judge(evidence(sanitized=run(stderr=lines([(1.0, one) for one in report.splitlines()]))))
        for report in reports
    )
    assert (first(gone), first(null)) == (diagnosis, "crash")
    assert "that is no more at line 33 (on_answer)" in gone.diagnoses[0].evidence
    assert "a NULL pointer is followed at line 33" in null.diagnoses[0].evidence


@pytest.mark.parametrize(
    ("error_s", "n_printed", "diagnosis"),
    [
        (10.0, 2, "timer-repeats"),
        (10.0, 1, "dangling-user-data"),
        (5.0, 2, "dangling-user-data"),
        (7.0, 2, "dangling-user-data"),
    ],
)
def test_an_error_one_interval_after_the_end_is_a_timer_that_goes_on(
    error_s: float, n_printed: int, diagnosis: str
) -> None:
    """When nothing is due; what came with an end, or at any time, or without an end having been
    printed, is another matter."""
    due = ((0.0, "[a] starting..."), (5.0, "[a] finished after 5 seconds"))
    one, *others = passed_tests()
    report = lines([(error_s, text) for text in USED_AGAIN.format("on_time_is_up").splitlines()])
    seen = lines(due[:n_printed])
    failed = replace(one, status="fail", message="x", stdout=seen, stderr=report)
    failed = replace(failed, scenario=replace(one.scenario, expected=due))
    assert first(judge(evidence(tests=(failed, *others)))) == diagnosis


def test_a_line_that_comes_twice_at_once_is_a_timer_that_goes_on() -> None:
    """Done is called twice because the callback runs twice."""
    line = (5.0, "[a] finished after 5 seconds")
    due = ((0.0, "[a] starting..."), line)
    one, *others = passed_tests()
    twice = replace(one, status="fail", message="x", diagnosis="done-twice")
    twice = replace(twice, scenario=replace(one.scenario, expected=due))
    for printed, diagnosis in (((*due, line), "timer-repeats"), (due, "done-twice")):
        tests = (replace(twice, stdout=lines(printed)), *others)
        assert first(judge(evidence(tests=tests))) == diagnosis


def test_the_c_librarys_last_words_are_quoted() -> None:
    """Signal 6 alone explains nothing."""
    one, *others = passed_tests()
    said = lines([(0.0, "*** %n in writable segment detected ***")])
    died = replace(one, status="fail", message="Received signal 6 (Aborted)", stderr=said)
    result = judge(evidence(tests=(died, *others)))
    assert "%n in writable segment" in result.diagnoses[0].evidence


def died(text: str = "", **changes: object) -> GradeResult:
    """The verdict on a program that ended like this before it printed anything."""
    seen = run([], stderr=lines([(0.0, text)] if text else []), **changes)
    return judge(evidence(wall=seen, virtual=seen, sanitized=run([])))


@pytest.mark.parametrize(
    "changes",
    [
        {"exit": Exit(signal=6)},
        {"exit": Exit(status=1)},
        {"exit": Exit(stopped="memory limit")},
        {"text": "the plan is refused"},
    ],
)
def test_who_does_something_has_no_todo_left(changes: dict[str, object]) -> None:
    """Nothing on stdout alone is no TODO: a crash, a complaint, a memory that runs full."""
    assert first(died(**changes)) not in ("", "todo-left")


def test_lines_on_stderr_are_found_there() -> None:
    """g_message() looks like output in a terminal."""
    log = lines([(time_s, f"** Message: {text}") for time_s, text in RIGHT])
    result = both_runs(list(RIGHT[6:]), stderr=log)
    assert first(result) == "output-differs"
    assert "came on stderr" in result.diagnoses[0].evidence


def test_a_slip_in_the_wording_costs_no_manners() -> None:
    """Exit, processor, memory and stderr are judged all the same."""
    slip = [(time_s, text.replace("seconds", "second")) for time_s, text in RIGHT]
    result = both_runs(slip)
    assert [c.id for c in result.checks if c.status == "skipped"] == []
    assert check(result, "memory").status == "pass"


def test_waiting_for_the_enter_key_is_no_end() -> None:
    """What a program takes from stdin, a person would have to type."""
    result = both_runs(list(RIGHT), read_stdin=True)
    assert (first(result), check(result, "exit").points) == ("never-quits", 0)
    assert "Enter" in result.diagnoses[0].evidence


def test_writing_messages_is_no_waiting() -> None:
    """GLib reads the clock for each message that it logs."""
    spin = Spin(0.0, 3.0, "g_log", 90000, 0, Site("main", 70))
    assert judge(evidence(virtual=run(spins=(spin,)))).verdict == "pass"


def test_an_error_in_a_macro_is_shown_where_it_is_used() -> None:
    """The line of the header means nothing to the student, nor does where it lies."""
    messages = (
        "/tmp/parts/plan.h:29:20: error: initializer element is not constant\n"
        "   29 | #define NEEDS(...)\n"
        f"{NAME}:310:12: note: in expansion of macro ‘NEEDS’"
    )
    broken = Build("gcc ...", messages, links=False)
    result = judge(evidence(build=broken))
    assert (first(result), result.diagnoses[0].lines) == ("does-not-compile", (310,))
    assert result.diagnoses[0].evidence.startswith(f"{NAME}:310: error in plan.h, line 29: init")


def test_the_first_warning_is_passed_on() -> None:
    """Beside lost marks: it often names the slip."""
    words = "suggest parentheses around assignment used as truth value [-Wparentheses]"
    built = replace(evidence().build, messages=f"{NAME}:40:7: warning: {words}\n   40 | if (n = 0)")
    result = judge(evidence(RIGHT[:3], build=built))
    assert result.notes == (f"The compiler warns: line 40: {words}",)


OVERFLOW = "==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000014"


def test_who_reaches_too_far_in_main_hits_anything_elsewhere() -> None:
    """Freed memory that an overflow happens to hit is not what is wrong."""
    name = "gather_starts_all_before_it_returns"
    freed = lines([(0.0, OVERFLOW.replace("heap-buffer-overflow", "heap-use-after-free"))])
    tests = tuple(
        replace(one, status="fail", stderr=freed) if one.name == name else one
        for one in passed_tests()
    )
    frame = f"    #0 0x55 in gather_experiments {NAME}:55"
    sanitized = run(stderr=lines([(0.0, OVERFLOW), (0.0, frame)]))
    result = judge(evidence(tests=tests, sanitized=sanitized))
    assert first(result) == "crash"
    assert result.diagnoses[0].lines == (55,)
    assert "dangling-user-data" not in [one.id for one in result.diagnoses]


def lose(*names: str) -> tuple[TestRun, ...]:
    """The contract tests, some of which got a wrong report."""
    return tuple(
        replace(one, status="fail", diagnosis="output-differs", message="0 results, expected 1")
        if one.name in names
        else one
        for one in passed_tests()
    )


def test_a_special_check_says_nothing_special_where_nothing_works() -> None:
    """Whoever loses every result does not lose them because two gathers share something."""
    all_of_them = judge(evidence(tests=lose(*(one.name for one in passed_tests()))))
    assert "shared-state" not in [one.id for one in all_of_them.diagnoses]
    two = "gather_two_in_flight"
    assert first(judge(evidence(tests=lose(two)))) == "shared-state"
    others = tuple(
        one if one.name == two else replace(one, status="fail", diagnosis="wrong-unit")
        for one in lose(two)
    )
    no_test_passes = judge(evidence(tests=others))
    assert "shared-state" not in [one.id for one in no_test_passes.diagnoses]


def test_what_is_due_twice_may_come_twice() -> None:
    """Two plans with the same names, one a second after the other: no timer fires again."""
    due = ((1.0, "[a] starting..."), (2.0, "[a] starting..."))
    name = "gather_two_in_flight"
    tests = tuple(
        replace(one, scenario=Scenario(name, (), due), stdout=lines(due))
        if one.name == name
        else one
        for one in passed_tests()
    )
    assert judge(evidence(tests=tests)).verdict == "pass"
    again = lines([*due, (3.0, "[a] starting...")])
    tests = tuple(replace(one, stdout=again) if one.name == name else one for one in tests)
    assert first(judge(evidence(tests=tests))) == "timer-repeats"
