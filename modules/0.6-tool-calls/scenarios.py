"""The tool calls that the contract tests of module 0.6 are given, and their oracle.

The oracle computes the start, end and status of each call exactly, from how long its tool
works, what it does then, the limits, and when the caller cancels.  It also computes when
the calls would start if a well-known mistake were made, so that a test can name it.

Latencies, failures, limits and cancellation times are new in each grade.  `scenarios` is
called by `grader/observe.py`; each `test` is a test of check_tool_calls.c, whose
given_plans() reads what describe() writes.  All times are in milliseconds.
"""

import heapq
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from grader.records import Scenario

NEVER = -1  # a call that never started
HANG_MS = 5_000_000  # how long a tool hangs: see tools/sim.c
LATER_MS = 60_000  # a time limit that is never reached
APART_MS = 30  # events closer than this may come in either order, so no scenario has them
MOST_GUESSED = 10  # limits that somebody may take who was given none
RANDOM_TESTS = 2
SPEAKING = ("answer", "grumble", "lines", "stubborn", "fail")  # the deeds that end with words


# ---- What is asked for ------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """One tool call.  `deed` is for the tool sim: see tools/sim.c."""

    deed: str
    after_ms: int = 0
    say: str = ""
    name: str = "sim"
    arguments: str = ""  # as they are, for other tools than sim, and for nonsense

    @property
    def runs_ms(self) -> int:
        """How long the tool works if nobody stops it."""
        return HANG_MS if self.deed == "hang" else self.after_ms

    @property
    def status(self) -> str:
        """What becomes of it if nobody stops it."""
        good = ("answer", "grumble", "lines", "stubborn", "huge", "linger")
        return "succeeded" if self.deed in good else "failed"


@dataclass(frozen=True)
class Plan:
    """One batch of calls, and how the caller treats it."""

    calls: tuple[Call, ...]
    max_parallel: int = 0
    timeout_ms: int = 0
    cancel_ms: int | None = None
    can_cancel: bool = False  # the caller could, but never does


# ---- The oracle -------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What becomes of one call, and when.  `start_ms` is NEVER for one that never ran."""

    start_ms: int
    end_ms: int
    status: str


def run_alone(call: Call, start_ms: int, plan: Plan) -> Outcome:
    """What becomes of a call whose turn comes at `start_ms`."""
    cancel_ms = float("inf") if plan.cancel_ms is None else plan.cancel_ms
    timeout_ms = plan.timeout_ms or float("inf")
    if start_ms >= cancel_ms:
        return Outcome(NEVER, start_ms, "cancelled")
    endings = [
        (start_ms + call.runs_ms, call.status),
        (start_ms + timeout_ms, "timed-out"),
        (cancel_ms, "cancelled"),
    ]
    end_ms, status = min(endings, key=lambda ending: ending[0])
    return Outcome(start_ms, int(end_ms), status)


def oracle(plan: Plan) -> list[Outcome]:
    """What becomes of each call: it starts as soon as there is room, in the calls' order."""
    outcomes: list[Outcome] = []
    running: list[int] = []  # the ends of those that run: a heap
    now_ms = 0
    for call in plan.calls:
        if plan.max_parallel and len(running) == plan.max_parallel:
            now_ms = max(now_ms, heapq.heappop(running))
        outcomes.append(run_alone(call, now_ms, plan))
        heapq.heappush(running, outcomes[-1].end_ms)
    return outcomes


def in_waves(plan: Plan) -> list[Outcome]:
    """The mistake: nothing starts before all that run have ended."""
    size = plan.max_parallel or len(plan.calls) or 1
    outcomes: list[Outcome] = []
    now_ms = 0
    for first in range(0, len(plan.calls), size):
        wave = [run_alone(call, now_ms, plan) for call in plan.calls[first : first + size]]
        outcomes += wave
        now_ms = max(outcome.end_ms for outcome in wave)
    return outcomes


def one_place_late(plan: Plan) -> list[Outcome]:
    """The mistake: the place of a call that has ended is given back after the next has looked
    for one."""
    outcomes: list[Outcome] = []
    running: list[int] = []
    taken = 0
    now_ms = 0
    while True:
        while taken < plan.max_parallel and len(outcomes) < len(plan.calls):
            outcomes.append(run_alone(plan.calls[len(outcomes)], now_ms, plan))
            heapq.heappush(running, outcomes[-1].end_ms)
            taken += 1
        if len(outcomes) == len(plan.calls) or not running:
            return outcomes
        taken -= now_ms > 0
        now_ms = heapq.heappop(running)


def places_lost(plan: Plan) -> list[Outcome]:
    """The mistake: who takes the calls of one place goes home when one fails, unless he is the
    last."""
    outcomes: list[Outcome] = []
    running: list[tuple[int, str]] = []
    places = plan.max_parallel
    now_ms = 0
    for call in plan.calls:
        while len(running) >= places:
            now_ms, status = heapq.heappop(running)
            places -= status == "failed" and places > 1
        outcomes.append(run_alone(call, now_ms, plan))
        heapq.heappush(running, (outcomes[-1].end_ms, outcomes[-1].status))
    return outcomes


def starts(outcomes: Sequence[Outcome]) -> list[int]:
    """When each call starts."""
    return [outcome.start_ms for outcome in outcomes]


def mistaken_starts(plan: Plan) -> list[tuple[str, list[int]]]:
    """When the calls would start if a well-known mistake were made: (diagnosis, starts).

    Only where that tells the mistakes from each other.
    """
    limit = plan.max_parallel
    mistakes: list[tuple[str, list[Outcome]]] = []
    if limit == 0:
        most = min(len(plan.calls), MOST_GUESSED)
        capped = [oracle(replace(plan, max_parallel=n)) for n in range(2, most)]
        mistakes += [("zero-is-no-limit", outcomes) for outcomes in capped]
    if plan.cancel_ms is not None or any(call.arguments for call in plan.calls):
        return []  # Calls that never start look alike, whatever the mistake.
    if limit > 1:
        mistakes.append(("limit-off-by-one", oracle(replace(plan, max_parallel=limit - 1))))
        mistakes.append(("limit-off-by-one", one_place_late(plan)))
        mistakes.append(("one-failure-sinks-all", places_lost(plan)))
    mistakes.append(("sequential", oracle(replace(plan, max_parallel=1))))
    if limit > 0:
        mistakes.append(("limit-ignored", oracle(replace(plan, max_parallel=0))))
        mistakes.append(("limit-off-by-one", oracle(replace(plan, max_parallel=limit + 1))))
        mistakes.append(("waves", in_waves(plan)))
    right = starts(oracle(plan))
    found = {(id_, tuple(starts(wrong))) for id_, wrong in mistakes if starts(wrong) != right}
    count = Counter(times for _, times in found)
    return [(id_, list(times)) for id_, times in sorted(found) if count[times] == 1]


def is_clear(plan: Plan) -> bool:
    """No two events are so close that their order would be a matter of taste."""
    outcomes = oracle(plan)
    ends = sorted(outcome.end_ms for outcome in outcomes if outcome.status != "cancelled")
    if any(later - earlier < APART_MS for earlier, later in pairwise(ends)):
        return False
    moments = [outcome.end_ms for outcome in outcomes if outcome.status != "cancelled"]
    if plan.cancel_ms is not None:
        if any(abs(moment - plan.cancel_ms) < APART_MS for moment in (0, *moments)):
            return False
    return all(abs(call.runs_ms - plan.timeout_ms) >= APART_MS for call in plan.calls)


# ---- In the form that check_tool_calls.c reads -------------------------------------------


def arguments(call: Call, tag: int) -> str:
    """JSON for the tool; the test puts the path of its journal in the place of @."""
    if call.arguments:
        return call.arguments
    return json.dumps(
        {"journal": "@", "tag": tag, "after_ms": call.after_ms, "do": call.deed, "say": call.say}
    )


def describe(plan: Plan) -> tuple[str, ...]:
    """The plan and what the oracle says of it, as lines for the test."""
    lines = [f"plan {plan.max_parallel} {plan.timeout_ms}"]
    if plan.cancel_ms is not None:
        lines.append(f"cancel {plan.cancel_ms}")
    elif plan.can_cancel:
        lines.append("cancel -1")
    for tag, (call, outcome) in enumerate(zip(plan.calls, oracle(plan), strict=True)):
        lines.append(f"call {call.name}")
        lines.append(f"arguments {arguments(call, tag)}")
        manner = "stubborn" if call.deed == "stubborn" else "polite"
        times = f"{outcome.start_ms} {outcome.end_ms} {outcome.status} {call.runs_ms}"
        lines.append(f"expect {times} {manner}")
        if outcome.status in ("succeeded", "failed") and call.deed in SPEAKING:
            lines.append(f"text {call.say}")
    for diagnosis, wrong in mistaken_starts(plan):
        lines.append(f"mistake {diagnosis} {' '.join(map(str, wrong))}")
    return tuple(lines)


def printed(plan: Plan) -> tuple[tuple[float, str], ...]:
    """What the batch prints, and when, in seconds; the calls' ids are c0, c1, ..."""
    lines: list[tuple[float, int, str]] = []
    for i, (call, outcome) in enumerate(zip(plan.calls, oracle(plan), strict=True)):
        word = outcome.status.replace("-", " ")
        lines.append((outcome.end_ms / 1000, 0, f"[c{i}] {call.name} {word}"))
        if outcome.start_ms != NEVER:
            lines.append((outcome.start_ms / 1000, 1, f"[c{i}] {call.name} starting..."))
    return tuple((at_s, text) for at_s, _, text in sorted(lines, key=lambda line: line[:2]))


def scenario(test: str, *plans: Plan) -> Scenario:
    """One test with its plans."""
    return Scenario(test, tuple(line for plan in plans for line in describe(plan)))


# ---- Calls ------------------------------------------------------------------------------


UNKNOWN = Call("", name="teleport", arguments='{"to": "Oslo"}')
ELSEWHERE = Call("", name="cat", arguments='{"result": "in the PATH"}')
FOLDER = Call("", name="shelf", arguments="{}")
OUTSIDE = Call("", name="../tools/sim", arguments="{}")  # names come from the model
MALFORMED = Call("", name="calculator", arguments='{"expression": "6 *')
NO_OBJECT = Call("", arguments='["at once"]')  # sim would answer to that, and to {}
SUM = Call("answer", 300, "42", "calculator", '{"expression": "6 * 7"}')
NO_JSON = Call("", arguments="at once")


def working(rng: random.Random, after_ms: int, deed: str = "answer") -> Call:
    """A call of sim whose answer nobody can have prepared for."""
    return Call(deed, after_ms, f"{deed} {rng.randrange(16**6):06x}")


def latencies(rng: random.Random, n: int) -> list[int]:
    """`n` different latencies from 0.1 to 3 s."""
    return [APART_MS * many for many in rng.sample(range(4, 100), n)]


def answers(rng: random.Random, n: int) -> tuple[Call, ...]:
    """`n` calls that answer, the slowest first, but the fastest is not the last."""
    slowest_first = sorted(latencies(rng, n), reverse=True)
    slowest_first[-2:] = reversed(slowest_first[-2:])
    return tuple(working(rng, ms) for ms in slowest_first)


def random_plan(rng: random.Random) -> Plan:
    """Any batch: most tools answer, some fail; limits; sometimes the caller cancels."""
    deeds = ["answer"] * 5 + ["stubborn", "fail", "quit", "garbage", "crash"]
    calls = [working(rng, ms, rng.choice(deeds)) for ms in latencies(rng, rng.randint(4, 6))]
    return Plan(
        tuple(calls),
        max_parallel=rng.choice([0, 1, 2, 2, 3, 3]),
        timeout_ms=rng.choice([0, 10 * rng.randrange(60, 250)]),
        cancel_ms=rng.choice([None, None, 10 * rng.randrange(20, 300) + 5]),
    )


def limited_plan(rng: random.Random) -> Plan:
    """More calls than may run at once; every mistake with the limit shows."""
    return Plan(tuple(working(rng, ms) for ms in latencies(rng, 7)), max_parallel=3)


def queued_time_out_plan(rng: random.Random) -> Plan:
    """Calls that wait for their turn for longer than the time limit, and one that hangs, whose
    place another one takes.

    It does not start at once: so its time limit is not over when that of the batch would be.
    """
    calls = [working(rng, 10 * rng.randrange(60, 90)) for _ in range(7)]
    calls[2] = working(rng, 0, "hang")
    return Plan(tuple(calls), max_parallel=2, timeout_ms=1000, can_cancel=True)


def cancelled_plan(rng: random.Random) -> Plan:
    """One call has ended, two run, and two wait when the caller cancels.

    Of the two that run, one ends when it is asked to; only a kill ends the other.
    """
    calls = [working(rng, ms) for ms in (300, 9000, 9500, 400, 500)]
    calls[1] = working(rng, 9000, "stubborn")
    return Plan(tuple(calls), 2, timeout_ms=LATER_MS, cancel_ms=rng.randrange(500, 1500))


def overlapping_plans(rng: random.Random) -> tuple[Plan, Plan]:
    """Calls of the second batch end while the first has the results of some calls, but not
    of all."""
    first = [working(rng, ms) for ms in (100, rng.randrange(2000, 3000), rng.randrange(500, 1000))]
    second = [working(rng, 10 * tens) for tens in rng.sample(range(15, 50), 3)]
    return Plan(tuple(first), 2), Plan(tuple(second), 1)


def plans_with_limits(rng: random.Random) -> list[Plan]:
    """Two for different time limits, two of which the first is cancelled, and one more."""
    hang = working(rng, 0, "hang")
    return [
        Plan((working(rng, 500), hang), max_parallel=1, timeout_ms=3000),
        Plan((working(rng, 1500), hang), max_parallel=2, timeout_ms=2000),
        Plan((working(rng, 300), working(rng, 2500)), 1, cancel_ms=rng.randrange(500, 900)),
        Plan((working(rng, 1500), working(rng, 2200)), max_parallel=2, can_cancel=True),
        Plan(answers(rng, 2), max_parallel=2, can_cancel=True),
    ]


def many_plan(rng: random.Random) -> Plan:
    """More calls than a table has places for, or a number bits; most ask for a tool that is not
    there, which costs no process."""
    calls = [UNKNOWN] * 300
    calls[0], calls[40], calls[299] = answers(rng, 3)
    return Plan(tuple(calls))


def shows_all_mistakes(plan: Plan) -> bool:
    """Each well-known mistake makes the calls start at times of its own."""
    wrong = [tuple(times) for _, times in mistaken_starts(plan)]
    return is_clear(plan) and len(wrong) == 6


def ends_badly_in_many_ways(plan: Plan) -> bool:
    """A tool writes garbage after another has timed out."""
    outcomes = oracle(plan)
    late = [one.end_ms for one in outcomes if one.status == "timed-out"]
    garbage = [
        outcome.end_ms
        for call, outcome in zip(plan.calls, outcomes, strict=True)
        if call.deed == "garbage" and outcome.status == "failed"
    ]
    return is_clear(plan) and bool(late and garbage) and min(late) < max(garbage)


def first(
    rng: random.Random,
    make: Callable[[random.Random], Plan],
    good: Callable[[Plan], bool] = is_clear,
) -> Plan:
    """The first of the plans that `make` makes that is good."""
    return next(plan for plan in (make(rng) for _ in range(100_000)) if good(plan))


# ---- The scenarios ----------------------------------------------------------------------


def scenarios(rng: random.Random) -> list[Scenario]:
    """One scenario for each test, in the order of the tests."""
    return (
        run_tool_scenarios(rng)
        + call_tools_scenarios(rng)
        + cancel_scenarios(rng)
        + manners_scenarios(rng)
        + random_scenarios(rng)
    )


def random_scenarios(rng: random.Random) -> list[Scenario]:
    """Whatever comes; but in each grade something comes that no other test has."""
    plans = [first(rng, random_plan, ends_badly_in_many_ways)]
    plans += [first(rng, random_plan) for _ in range(1, RANDOM_TESTS)]
    return [scenario(f"random_batch_{i}", plan) for i, plan in enumerate(plans, start=1)]


def run_tool_scenarios(rng: random.Random) -> list[Scenario]:
    """run_tool_async on its own: the calls of a plan one by one, each as if alone."""

    def alone(test: str, *calls: Call, timeout_ms: int = 0) -> Scenario:
        return scenario(test, *(Plan((call,), timeout_ms=timeout_ms) for call in calls))

    some_ms = rng.randrange(100, 900)
    ways = ("answer", "grumble", "lines")
    bad = ("fail", "quit", "garbage", "prose", "silence", "no-result", "false-answer", "crash")
    failures = [working(rng, some_ms, deed) for deed in bad]
    return [
        alone("tool_answers", *(working(rng, some_ms, deed) for deed in ways)),
        alone("tool_answers_at_length", working(rng, some_ms, "huge")),
        alone("tool_fails", *failures),
        alone("tool_cannot_start", UNKNOWN, ELSEWHERE, OUTSIDE, MALFORMED, NO_OBJECT, NO_JSON),
        alone("tool_is_a_folder", FOLDER),
        alone(
            "tool_times_out",
            working(rng, 0, "hang"),
            working(rng, 9000, "stubborn"),
            working(rng, 9000, "linger"),
            working(rng, some_ms),
            timeout_ms=1500,  # no whole number of seconds
        ),
        # More microseconds than 32 bits hold.
        alone("tool_has_an_hour", working(rng, 9000), timeout_ms=4_300_000),
        scenario(
            "tool_is_cancelled",
            Plan((working(rng, 2000),), timeout_ms=LATER_MS, cancel_ms=some_ms),
            Plan((working(rng, 9000, "stubborn"),), cancel_ms=some_ms),
            Plan((working(rng, 1000),), cancel_ms=0),
        ),
        alone("tool_call_is_freed_by_the_caller", *(working(rng, 100) for _ in range(4))),
    ]


def call_tools_scenarios(rng: random.Random) -> list[Scenario]:
    """call_tools_async: order, failures, limits, time limits."""
    one_fails = list(answers(rng, 4))
    one_fails.insert(2, working(rng, 50, "fail"))
    bad = [working(rng, 50, deed) for deed in ("fail", "crash", "garbage")]
    many_fail = (*bad, UNKNOWN, MALFORMED, *answers(rng, 2))
    one_hangs = [*answers(rng, 2), working(rng, 0, "hang")]
    return [
        scenario("calls_in_their_order", Plan(answers(rng, 5), max_parallel=0xFFFFFFFF)),
        scenario("calls_none", Plan(()), Plan((), cancel_ms=0)),
        scenario("calls_for_hours", Plan((working(rng, 4_400_000),))),
        scenario("calls_none_can_start", Plan((UNKNOWN, MALFORMED), 2)),
        scenario("calls_one_fails", Plan(tuple(one_fails), max_parallel=2)),
        scenario("calls_many_fail", Plan(many_fail, max_parallel=1)),
        scenario(
            "calls_some_cannot_start", Plan((UNKNOWN, *answers(rng, 2), MALFORMED, NO_JSON), 2)
        ),
        scenario("calls_one_hangs", Plan(tuple(one_hangs), timeout_ms=4000)),
        scenario("calls_limited", first(rng, limited_plan, shows_all_mistakes)),
        scenario("calls_one_at_a_time", Plan(answers(rng, 3), max_parallel=1)),
        scenario("calls_without_limit", Plan(answers(rng, 7))),
        scenario("calls_many", many_plan(rng)),
        scenario("calls_wait_without_timing_out", first(rng, queued_time_out_plan)),
    ]


def cancel_scenarios(rng: random.Random) -> list[Scenario]:
    """call_tools_async with a caller who cancels: under way, before, and after the end."""
    return [
        scenario("calls_cancelled", first(rng, cancelled_plan)),
        scenario("calls_cancelled_before", Plan(answers(rng, 3), max_parallel=2, cancel_ms=0)),
        scenario("calls_cancelled_after", Plan(answers(rng, 2), cancel_ms=5000)),
    ]


def manners_scenarios(rng: random.Random) -> list[Scenario]:
    """Calls that go away, several batches, a loop that stays free, a heap that stays the same."""
    hang = working(rng, 0, "hang")
    reused = Plan(answers(rng, 4), max_parallel=2)
    mixed = (working(rng, 200), UNKNOWN, working(rng, 0, "hang"), working(rng, 100, "fail"))
    heap = Plan((*mixed, working(rng, 100)), max_parallel=2, timeout_ms=500)
    # Two of them differ in their ids only, and both must run.
    printing = first(rng, lambda rng: Plan((*answers(rng, 3), SUM, SUM), max_parallel=2))
    return [
        scenario("calls_are_freed_by_the_caller", reused),
        scenario("batches_in_flight", *overlapping_plans(rng)),
        scenario("batches_with_limits_of_their_own", *plans_with_limits(rng)),
        scenario("batch_from_a_callback", Plan(answers(rng, 2)), Plan(answers(rng, 1))),
        replace(scenario("calls_are_printed", printing), expected=printed(printing)),
        scenario("loop_stays_responsive", Plan((*answers(rng, 2), working(rng, 700, "linger")))),
        scenario("one_thread_is_enough", Plan((*answers(rng, 2), hang), timeout_ms=4000)),
        scenario("batches_leave_nothing_behind", heap, replace(heap, cancel_ms=300), Plan(())),
    ]
