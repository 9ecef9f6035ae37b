"""The experiments that the contract tests of module 0.5 are given, and their oracle.

Names and durations are new in each grade, so that nothing can be prepared for them.
`scenarios` is called by `grader/observe.py`; each `test` is a test of check_experiments.c.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from grader.records import Scenario

LONGEST_S = (2**32 - 1) // 1000  # G_MAXUINT / 1000, as experiments.h allows
AFTERWARDS_S = 60  # as in check_experiments.c
TICK_S = 0.1  # a program may legally look only so often which of its experiments are over

Experiments = Sequence[tuple[str, int]]
Timeline = tuple[tuple[float, str], ...]


def started_together(experiments: Experiments, start_s: float = 0.0) -> Timeline:
    """What experiments print that start together `start_s` seconds after the test began."""
    starting = [(start_s, f"[{name}] starting...") for name, _ in experiments]
    finished = [
        (start_s + seconds, f"[{name}] finished after {seconds} seconds")
        for name, seconds in experiments
    ]
    return tuple(sorted(starting + finished, key=lambda line: line[0]))


def one_by_one(experiments: Experiments) -> Timeline:
    """The same, each after the one before, with the pauses of require_report() between."""
    timeline: Timeline = ()
    start_s = 0.0
    for experiment in experiments:
        timeline += started_together([experiment], start_s)
        start_s += experiment[1] + min(experiment[1], AFTERWARDS_S) + 1
    return timeline


def in_turn(experiments: Experiments) -> Timeline:
    """The first one alone, then the others together."""
    first_s = experiments[0][1]
    pause_s = min(first_s, AFTERWARDS_S) + 1
    return one_by_one(experiments[:1]) + started_together(experiments[1:], first_s + pause_s)


def new_name(rng: random.Random) -> str:
    """A name that nobody can have prepared for."""
    return f"exp_{rng.randrange(16**6):06x}"


def named(rng: random.Random, seconds: Sequence[int]) -> list[tuple[str, int]]:
    """Experiments of the given durations in seconds, each with a name of its own."""
    return [(new_name(rng), duration_s) for duration_s in seconds]


def scenario(
    test: str, experiments: Experiments, expected: Timeline | None, late_s: float = TICK_S
) -> Scenario:
    """The experiments in the form that given_experiments() of check_experiments.c reads."""
    given = tuple(f"{seconds} {name}" for name, seconds in experiments)
    return Scenario(test, given, expected, late_s)


def scenarios(rng: random.Random) -> list[Scenario]:
    """One scenario for each test, in the order of the tests."""
    return run_experiment_scenarios(rng) + gather_scenarios(rng) + manners_scenarios(rng)


def run_experiment_scenarios(rng: random.Random) -> list[Scenario]:
    """run_experiment on its own."""
    some = named(rng, rng.sample(range(1, 60), 3))
    zero = named(rng, [0])
    # Longer than 16 bits of milliseconds and 8 bits of seconds; then, than 32 bits of
    # microseconds, 16 bits of seconds, a day, and the longest of all.
    minutes = named(rng, [rng.randint(66, 90), rng.randint(256, 300)])
    days = rng.randint(10**5, 10**6)
    hours = named(rng, [rng.randint(4295, 4330), rng.randint(65537, 65590), days, LONGEST_S])
    hours_begin = tuple((0.0, f"[{name}] starting...") for name, _ in hours)
    unusual = [
        (new_name(rng) + " 100%% sure", 1),
        (new_name(rng) + " 100% %s %d %n", 1),
        (new_name(rng) + "_" + "long" * rng.randint(2050, 2150), 2),
        ("", 1),
        (new_name(rng) + ' \\ "quoted" {0} $HOME', 1),
    ]
    between = named(rng, [4, 2])
    promptly = named(rng, [rng.randint(1, 60)])
    together = named(rng, rng.sample(range(0, 40), 5))
    return [
        scenario("experiment_takes_its_seconds", some, one_by_one(some)),
        scenario("experiment_of_zero_seconds_waits_for_the_loop", zero, one_by_one(zero)),
        scenario("experiment_of_minutes", minutes, one_by_one(minutes)),
        scenario("experiments_of_hours", hours, hours_begin),
        scenario("experiment_with_an_unusual_name", unusual, one_by_one(unusual)),
        scenario(
            "experiment_between_two_seconds",
            between,
            started_together(between[:1]) + started_together(between[1:], 0.5),
            late_s=0.5 + TICK_S,
        ),
        scenario("experiment_starts_before_it_returns", promptly, one_by_one(promptly)),
        scenario("experiments_side_by_side", together, started_together(together)),
    ]


def gather_scenarios(rng: random.Random) -> list[Scenario]:
    """gather_experiments, one call a test."""
    slowest_first = named(rng, sorted(rng.sample(range(1, 90), 5), reverse=True))
    name = new_name(rng)
    equal_names = [(name, seconds) for seconds in (9, 4, 7)]
    slowest_first[2] = (new_name(rng) + " 100%d" * rng.randint(60, 80), slowest_first[2][1])
    equal_seconds = named(rng, [rng.randint(1, 20)] * 4)
    no_seconds = named(rng, [0, 0, 0])
    hours = named(rng, [rng.randint(4295, 4330), 4300])
    held_up = named(rng, [9, 1, 2])
    one = named(rng, [rng.randint(1, 60)])
    two = named(rng, rng.sample(range(1, 60), 2))
    dozens = named(rng, [rng.randint(1, 20) for _ in range(60)])
    more_than_a_table = rng.randint(1030, 1100)
    thousand = named(rng, [rng.randint(0, 60) for _ in range(more_than_a_table)])
    given = {
        "gather_slowest_first": slowest_first,
        "gather_equal_names": equal_names,
        "gather_equal_seconds": equal_seconds,
        "gather_one": one,
        "gather_two": two,
        "gather_of_no_seconds": no_seconds,
        "gather_none": [],
        "gather_none_twice": [],
        "gather_starts_all_before_it_returns": dozens,
        "gather_a_thousand": thousand,
    }
    return [
        *(scenario(test, list_, started_together(list_)) for test, list_ in given.items()),
        scenario("gather_of_hours", hours, None),
        scenario("gather_when_the_loop_is_late", held_up, started_together(held_up), late_s=20),
    ]


def manners_scenarios(rng: random.Random) -> list[Scenario]:
    """Several gathers at once, a loop that stays free, a heap that stays the same."""
    reused = named(rng, [3, 1, 2])
    lent = named(rng, [2, 3, 3])
    flight = named(rng, [7, 3, 5, 2, 8, 1])
    chain = named(rng, [3, 2, 1, 4])
    heart = named(rng, [rng.randint(3, 9), rng.randint(1, 4), 2])
    heap = named(rng, [2, 1, 0, 3])
    without, pair = named(rng, [2]), named(rng, [1, 2])
    in_flight = started_together(flight[:3]) + started_together(flight[3:], 1.0)
    in_chain = started_together(chain[:2]) + started_together(chain[2:], 3.0)
    return [
        scenario("gather_array_is_reused", reused, started_together(reused)),
        scenario("names_go_away_when_done_is_called", lent, in_turn(lent)),
        scenario("gather_two_in_flight", flight, in_flight),
        scenario("gather_from_a_callback", chain, in_chain, late_s=2 * TICK_S),
        scenario("experiment_without_user_data", without, started_together(without)),
        scenario("gather_without_user_data", pair, started_together(pair)),
        scenario("gathers_with_equal_user_data", pair, started_together(pair)),
        scenario("loop_stays_responsive", heart, None),
        scenario("gather_leaves_nothing_behind", heap, None),
        scenario("gather_of_none_leaves_nothing_behind", [], None),
    ]
