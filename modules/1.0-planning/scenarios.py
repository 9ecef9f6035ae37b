# SPDX-License-Identifier: MIT
"""The plans that the contract tests of module 1.0 are given, and their oracle.

Names, durations and shapes are new in each grade, so that nothing can be prepared for them.
`scenarios` is called by `grader/observe.py`; each `test` is a test of check_plan.c, which
says how it reads the lines.  The oracle also computes what a plan would look like under the
usual misconceptions, so that a wrong schedule can be recognised and not only rejected.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from grader.records import GraderError, Scenario

Timeline = tuple[tuple[float, str], ...]
ATTEMPTS = 1000  # to find a random plan with certain properties; a few are enough
LONGEST_S = 0xFFFFFFFF // 1000  # of a step: what its milliseconds fit into, G_MAXUINT
DAY_S = 24 * 3600
PAUSE_S = 2  # between the end of one plan of a test and the start of the next


class Step(NamedTuple):
    """One step of a plan, as in plan.h."""

    name: str
    seconds: int
    needs: tuple[str, ...] = ()


Plan = Sequence[Step]


# ---- The oracle: what a right program does ---------------------------------------------


def arrows(plan: Plan) -> tuple[list[set[int]], list[list[int]]]:
    """For each step the positions of those that it needs, and of those that need it."""
    position = {step.name: i for i, step in enumerate(plan)}
    needs = [{position[need] for need in step.needs} for step in plan]
    needed_by: list[list[int]] = [[] for _ in plan]
    for i, needed in enumerate(needs):
        for need in needed:
            needed_by[need].append(i)
    return needs, needed_by


def topological_order(plan: Plan) -> list[int]:
    """The positions in order; where several could come next, the first in the plan does."""
    needs, needed_by = arrows(plan)
    pending = [len(needed) for needed in needs]
    ready = [i for i, count in enumerate(pending) if count == 0]
    order = []
    while ready:
        step = heapq.heappop(ready)
        order.append(step)
        for other in needed_by[step]:
            pending[other] -= 1
            if pending[other] == 0:
                heapq.heappush(ready, other)
    return order


def depth_first_order(plan: Plan, backwards: bool) -> list[int]:
    """Another order that fits: each step before all that it leads to, found from either end."""
    _, needed_by = arrows(plan)
    order: list[int] = []

    def visit(step: int) -> None:
        for other in sorted(needed_by[step], reverse=backwards):
            if other not in order:
                visit(other)
        order.insert(0, step)

    for step in sorted(range(len(plan)), reverse=backwards):
        if step not in order:
            visit(step)
    return order


def remaining_s(plan: Plan) -> list[int]:
    """For each step its own seconds and those of the longest path of steps after it."""
    _, needed_by = arrows(plan)
    remaining = [0] * len(plan)
    for i in reversed(topological_order(plan)):
        after_s = max((remaining[other] for other in needed_by[i]), default=0)
        remaining[i] = plan[i].seconds + after_s
    return remaining


def makespan_s(plan: Plan) -> int:
    """The length of the critical path."""
    return max(remaining_s(plan), default=0)


Urgency = Callable[[int], tuple[float, ...]]


def start_times(
    plan: Plan,
    limit: int,
    urgency: Urgency,
    needed: Callable[[int, set[int]], int] | None = None,
    one_per_finish: bool = False,
) -> list[int]:
    """When each step starts, in seconds, if the ready step with the least `urgency` goes first.

    `needed` says how many of its needs a step waits for; without it: all.  `one_per_finish`:
    a finish sets off one step at most, even if more places are free.
    """
    needs, needed_by = arrows(plan)
    pending = [needed(i, need) if needed else len(need) for i, need in enumerate(needs)]
    ready = [(urgency(i), i) for i, count in enumerate(pending) if count <= 0]
    heapq.heapify(ready)
    running: list[tuple[int, int]] = []
    starts = [0] * len(plan)
    now_s = 0
    while ready or running:
        while ready and (limit == 0 or len(running) < limit):
            _, step = heapq.heappop(ready)
            starts[step] = now_s
            heapq.heappush(running, (now_s + plan[step].seconds, step))
            if one_per_finish and now_s > 0:
                break
        now_s, step = heapq.heappop(running)
        for other in needed_by[step]:
            pending[other] -= 1
            if pending[other] == 0:
                heapq.heappush(ready, (urgency(other), other))
    return starts


def right_starts(plan: Plan, limit: int) -> list[int]:
    """When each step of a right program starts: the longest remaining path goes first."""
    remaining = remaining_s(plan)
    return start_times(plan, limit, lambda i: (-remaining[i], i))


def ends(plan: Plan, starts: Sequence[int]) -> list[int]:
    """When each step has finished."""
    return [start + step.seconds for step, start in zip(plan, starts, strict=True)]


# ---- What programs do that have not quite understood -----------------------------------


def wave_starts(plan: Plan, limit: int) -> list[int]:
    """Everything that is ready starts together, and only when all before has finished."""
    remaining = remaining_s(plan)
    needs, _ = arrows(plan)
    starts = [-1] * len(plan)
    done: set[int] = set()
    now_s = 0
    while len(done) < len(plan):
        ready = [i for i in range(len(plan)) if i not in done and needs[i] <= done]
        ready.sort(key=lambda i: (-remaining[i], i))
        wave = ready[:limit] if limit else ready
        for i in wave:
            starts[i] = now_s
        now_s += max(plan[i].seconds for i in wave)
        done.update(wave)
    return starts


def level_starts(plan: Plan, limit: int) -> list[int]:
    """Steps are sorted into levels beforehand, and a level starts when the last one is over."""
    remaining = remaining_s(plan)
    needs, _ = arrows(plan)
    level = [0] * len(plan)
    for i in topological_order(plan):
        level[i] = max((level[need] + 1 for need in needs[i]), default=0)
    starts = [0] * len(plan)
    now_s = 0
    for one in sorted(set(level)):
        ids = [i for i in range(len(plan)) if level[i] == one]
        own = [Step(plan[i].name, plan[i].seconds) for i in ids]
        within = start_times(own, limit, lambda k: (-remaining[ids[k]], ids[k]))
        for i, start_s in zip(ids, within, strict=True):
            starts[i] = now_s + start_s
        now_s = max(starts[i] + plan[i].seconds for i in ids)
    return starts


def one_by_one_starts(plan: Plan) -> list[int]:
    """One step at a time, in the order of plan_order()."""
    starts = [0] * len(plan)
    now_s = 0
    for i in topological_order(plan):
        starts[i] = now_s
        now_s += plan[i].seconds
    return starts


def hasty_starts(plan: Plan, limit: int, at_first: bool, last_first: bool) -> list[int]:
    """A step that becomes ready starts, if there is a place, before the next one is looked at
    that becomes ready at the same moment.

    `at_first`: so do those that need nothing.  `last_first`: of those that need the same step,
    the last one is looked at first.
    """
    remaining = remaining_s(plan)
    needs, needed_by = arrows(plan)
    pending = [len(need) for need in needs]
    ready: list[tuple[int, int]] = []
    running: list[tuple[int, int]] = []
    starts = [0] * len(plan)
    now_s = 0

    def start_some() -> None:
        while ready and len(running) < limit:
            _, step = heapq.heappop(ready)
            starts[step] = now_s
            heapq.heappush(running, (now_s + plan[step].seconds, step))

    for i in range(len(plan)):
        if pending[i] == 0:
            heapq.heappush(ready, (-remaining[i], i))
        if at_first:
            start_some()
    start_some()
    while running:
        now_s, step = heapq.heappop(running)
        for other in sorted(needed_by[step], reverse=last_first):
            pending[other] -= 1
            if pending[other] == 0:
                heapq.heappush(ready, (-remaining[other], other))
                start_some()
        start_some()
    return starts


def hasty(plan: Plan, limit: int) -> Iterator[tuple[str, list[int]]]:
    """The diagnosis, and the schedules that hasty programs come to: not all of them in all plans
    that tell the other misconceptions apart, which would be hard to find."""
    if limit > 1:
        for at_first, last_first in itertools.product((False, True), repeat=2):
            yield "list-order-start", hasty_starts(plan, limit, at_first, last_first)


def by_turn(first: Callable[[int], float]) -> Urgency:
    """An urgency, of equals that of the step that has been ready for the longest time."""
    turn = itertools.count()
    turns: dict[int, int] = {}

    def urgency(i: int) -> tuple[float, ...]:
        return (first(i), turns.setdefault(i, next(turn)))

    return urgency


def first_come_starts(plan: Plan, limit: int) -> list[int]:
    """The step that has been ready for the longest time goes first."""
    return start_times(plan, limit, by_turn(lambda _: 0))


def misunderstood_starts(plan: Plan, limit: int) -> Iterator[tuple[str, list[int]]]:
    """Diagnoses, and the schedule that a program with that misconception comes to."""
    remaining = remaining_s(plan)

    def longest_first(i: int) -> tuple[float, ...]:
        return (-remaining[i], i)

    if limit != 1:
        yield "sequential", one_by_one_starts(plan)
        yield "waves", wave_starts(plan, limit)
    yield "waves", level_starts(plan, limit)
    if limit not in (1, 2):
        yield "sequential", right_starts(plan, 1)
        yield "sequential", first_come_starts(plan, 1)
    for wait_for in (1, 0):
        starts = start_times(plan, limit, longest_first, lambda _, need: min(wait_for, len(need)))
        yield "one-need-is-enough", starts
    if limit:
        yield from misunderstood_limits(plan, limit, longest_first)


def misunderstood_limits(
    plan: Plan, limit: int, longest_first: Urgency
) -> Iterator[tuple[str, list[int]]]:
    """The same for what can only be misunderstood when there is a limit."""
    remaining = remaining_s(plan)
    behind = ends(plan, right_starts(plan, 0))
    _, needed_by = arrows(plan)
    yield "ties-by-position", start_times(plan, limit, by_turn(lambda i: -remaining[i]))
    yield "limit-ignored", start_times(plan, 0, longest_first)
    yield "limit-off-by-one", start_times(plan, limit + 1, longest_first)
    if limit > 1:
        yield "limit-off-by-one", start_times(plan, limit - 1, longest_first)
        one_per_finish = start_times(plan, limit, longest_first, one_per_finish=True)
        yield "wrong-schedule", one_per_finish
    yield "list-order-start", start_times(plan, limit, lambda i: (i,))
    yield "list-order-start", first_come_starts(plan, limit)
    yield "shortest-first", start_times(plan, limit, lambda i: (plan[i].seconds, i))
    yield "shortest-first", start_times(plan, limit, lambda i: (remaining[i], i))
    for urgency in (
        lambda i: (-plan[i].seconds, i),
        lambda i: (plan[i].seconds - remaining[i], i),
        lambda i: (-len(needed_by[i]), i),
        lambda i: (-behind[i], i),
    ):
        yield "own-seconds-only", start_times(plan, limit, urgency)


def greedy_length_s(plan: Plan, first: int) -> int:
    """The length of a path that always goes on to the longest of the next steps."""
    _, needed_by = arrows(plan)
    length_s, step = 0, first
    while True:
        length_s += plan[step].seconds
        if not needed_by[step]:
            return length_s
        step = max(needed_by[step], key=lambda i: (plan[i].seconds, -i))


def most_steps_s(plan: Plan) -> int:
    """The length of the path with the most steps; of several, the longest."""
    _, needed_by = arrows(plan)
    best = [(1, step.seconds) for step in plan]
    for i in reversed(topological_order(plan)):
        steps, seconds = max((best[other] for other in needed_by[i]), default=(0, 0))
        best[i] = (steps + 1, seconds + plan[i].seconds)
    return max(best)[1]


def misunderstood_makespans(plan: Plan) -> Iterator[tuple[str, int]]:
    """Diagnoses, and the makespan that a program with that misconception comes to."""
    first = max(range(len(plan)), key=lambda i: (not plan[i].needs, plan[i].seconds, -i))
    roots = [i for i, step in enumerate(plan) if not step.needs]
    waves = wave_starts(plan, 0)
    yield "makespan-is-sum", sum(step.seconds for step in plan)
    yield "makespan-is-longest-step", max(step.seconds for step in plan)
    yield "waves", max(ends(plan, waves))
    yield "wrong-critical-path", remaining_s(plan)[topological_order(plan)[0]]
    yield "greedy-path", greedy_length_s(plan, first)
    yield "greedy-path", max(greedy_length_s(plan, root) for root in roots)
    yield "greedy-path", most_steps_s(plan)


# ---- Plans of many shapes --------------------------------------------------------------


def new_name(rng: random.Random) -> str:
    """A name that nobody can have prepared for."""
    return f"step_{rng.randrange(16**8):08x}"


def build(rng: random.Random, seconds: Sequence[int], needs: Sequence[Sequence[int]]) -> list[Step]:
    """A plan from durations and the positions needed, in an order that gives nothing away."""
    names = [new_name(rng) for _ in seconds]
    plan = [
        Step(name, duration_s, tuple(names[i] for i in rng.sample(list(need), len(need))))
        for name, duration_s, need in zip(names, seconds, needs, strict=True)
    ]
    rng.shuffle(plan)
    return plan


def durations(rng: random.Random, n_steps: int, longest_s: int = 120) -> list[int]:
    """Seconds for each step, all different; few enough for a program that counts ticks."""
    return rng.sample(range(1, longest_s + 1), n_steps)


def chain(rng: random.Random, n_steps: int) -> list[Step]:
    """Each step needs the one before it."""
    needs = [[i - 1] if i else [] for i in range(n_steps)]
    return build(rng, durations(rng, n_steps), needs)


def diamond(rng: random.Random, width: int) -> list[Step]:
    """One step, then `width` at once, then one that needs them all."""
    middle = list(range(1, width + 1))
    return build(rng, durations(rng, width + 2), [[], *([0] for _ in middle), middle])


def layers(rng: random.Random, n_layers: int, width: int) -> list[Step]:
    """Layers, in which each step needs one or two of the layer before it."""
    needs: list[list[int]] = []
    for layer in range(n_layers):
        before = range((layer - 1) * width, layer * width)
        needs += [rng.sample(before, rng.randint(1, 2)) if layer else [] for _ in range(width)]
    return build(rng, durations(rng, n_layers * width), needs)


def forest(rng: random.Random, n_steps: int) -> list[Step]:
    """Several trees: each step needs at most one other, and several need none."""
    needs = [[rng.randrange(i)] if i > 2 and rng.random() < 0.8 else [] for i in range(n_steps)]
    return build(rng, durations(rng, n_steps), needs)


def dense(rng: random.Random, n_steps: int) -> list[Step]:
    """Each step needs about half of all those before it."""
    needs = [[k for k in range(i) if rng.random() < 0.5] for i in range(n_steps)]
    return build(rng, durations(rng, n_steps), needs)


def of_all_shapes(rng: random.Random) -> list[list[Step]]:
    """One plan of each shape."""
    return [
        chain(rng, rng.randint(4, 8)),
        diamond(rng, rng.randint(3, 6)),
        layers(rng, rng.randint(3, 4), rng.randint(3, 4)),
        forest(rng, rng.randint(9, 14)),
        dense(rng, rng.randint(8, 12)),
    ]


def has_simultaneous_ends(plan: Plan, limit: int) -> bool:
    """Whether two steps finish at the same moment: who goes next is then a matter of luck."""
    end_s = ends(plan, right_starts(plan, limit))
    return len(set(end_s)) < len(end_s)


def tells_apart(plan: Plan, limit: int, diagnoses: Sequence[str]) -> bool:
    """Whether each of the misconceptions shows in this plan, and looks like no other one."""
    schedules: dict[tuple[int, ...], set[str]] = {tuple(right_starts(plan, limit)): {"right"}}
    for diagnosis, starts in misunderstood_starts(plan, limit):
        schedules.setdefault(tuple(starts), set()).add(diagnosis)
    mixed_up = [ids for ids in schedules.values() if len(ids) > 1]
    return not any(ids & set(diagnoses) for ids in mixed_up)


def telling_plan(rng: random.Random, limit: int, diagnoses: Sequence[str]) -> list[Step]:
    """A plan in which each of the misconceptions leads to a schedule of its own."""
    for _ in range(ATTEMPTS):
        plan = rng.choice([layers(rng, 4, 4), forest(rng, 14), dense(rng, 10)])
        if not has_simultaneous_ends(plan, limit) and tells_apart(plan, limit, diagnoses):
            return plan
    raise GraderError("module 1.0: no plan tells these apart: " + ", ".join(diagnoses))


# ---- Scenarios -------------------------------------------------------------------------


def given_plan(plan: Plan, limit: int = 0) -> list[str]:
    """A plan in the form that given_plans() of check_plan.c reads."""
    lines = [f"plan {limit}"]
    return lines + [" ".join(["step", str(s.seconds), s.name, *s.needs]) for s in plan]


def numbers(word: str, values: Sequence[int]) -> str:
    """A line of a word and numbers."""
    return " ".join([word, *map(str, values)])


def order_scenario(test: str, plans: Sequence[Plan]) -> Scenario:
    """Plans to put in order."""
    lines: list[str] = []
    for plan in plans:
        lines += [*given_plan(plan), numbers("order", topological_order(plan))]
    return Scenario(test, tuple(lines), ())


def path_scenario(test: str, plans: Sequence[Plan]) -> Scenario:
    """Plans whose critical path is asked for."""
    lines: list[str] = []
    for plan in plans:
        right_s = makespan_s(plan)
        lines += [*given_plan(plan), f"makespan {right_s}"]
        lines += [
            f"instead {wrong_s} {diagnosis}"
            for diagnosis, wrong_s in misunderstood_makespans(plan)
            if wrong_s != right_s
        ]
    return Scenario(test, tuple(lines), ())


def run_lines(plan: Plan, limit: int) -> list[str]:
    """A plan to run, with its schedule and those of the misconceptions."""
    right = right_starts(plan, limit)
    lines = [*given_plan(plan, limit), numbers("starts", right)]
    lines += [numbers("remaining", remaining_s(plan))] if limit else []
    return lines + [
        numbers(f"instead {diagnosis}", wrong)
        for diagnosis, wrong in (*misunderstood_starts(plan, limit), *hasty(plan, limit))
        if wrong != right
    ]


def timeline(plan: Plan, limit: int, at_s: int = 0) -> Timeline:
    """What a plan prints that starts `at_s` seconds after the test began."""
    starts = right_starts(plan, limit)
    lines = []
    for step, start_s in zip(plan, starts, strict=True):
        end_s = start_s + step.seconds
        lines.append((at_s + start_s, f"[{step.name}] starting..."))
        lines.append((at_s + end_s, f"[{step.name}] finished after {step.seconds} seconds"))
    return tuple(sorted(lines, key=lambda line: line[0]))


def run_scenario(test: str, runs: Sequence[tuple[Plan, int]]) -> Scenario:
    """Plans and their limits, run one after another."""
    lines: list[str] = []
    expected: Timeline = ()
    at_s = 0
    for plan, limit in runs:
        lines += run_lines(plan, limit)
        expected += timeline(plan, limit, at_s)
        at_s += max(ends(plan, right_starts(plan, limit)), default=0) + PAUSE_S
    return Scenario(test, tuple(lines), expected)


def scenarios(rng: random.Random) -> list[Scenario]:
    """One scenario for each test that needs one."""
    return [
        *order_scenarios(rng),
        *refusal_scenarios(rng),
        *path_scenarios(rng),
        *run_scenarios(rng),
        *limit_scenarios(rng),
        *manners_scenarios(rng),
        *large_scenarios(),
    ]


def with_needs_twice(rng: random.Random, plan: Plan) -> list[Step]:
    """The same plan with every need named twice."""
    return [Step(s.name, s.seconds, tuple(rng.sample(s.needs * 2, 2 * len(s.needs)))) for s in plan]


def backwards(plan: Plan) -> list[Step]:
    """The same plan, each step before all that it needs: one that is ready too early comes too
    early."""
    return [plan[i] for i in reversed(topological_order(plan))]


def telling_order_plan(rng: random.Random) -> list[Step]:
    """A plan in which a depth-first search does not find the order that is asked for."""
    plans = (forest(rng, 14) for _ in range(ATTEMPTS))
    return next(
        plan
        for plan in plans
        if topological_order(plan)
        not in (depth_first_order(plan, backwards=True), depth_first_order(plan, backwards=False))
    )


def telling_orders(rng: random.Random) -> list[list[Step]]:
    """Two plans of equally many steps, of which neither has the order of the other."""
    return [telling_order_plan(rng), telling_order_plan(rng)]


def order_scenarios(rng: random.Random) -> list[Scenario]:
    """plan_order."""
    return [
        order_scenario(
            "order_of_plans_of_all_shapes", [telling_order_plan(rng), *of_all_shapes(rng), []]
        ),
        order_scenario(
            "order_with_needs_named_twice",
            [
                diamond(rng, 3),
                with_needs_twice(rng, diamond(rng, 3)),
                with_needs_twice(rng, backwards(diamond(rng, 4))),
            ],
        ),
    ]


def cyclic(rng: random.Random, length: int) -> list[Step]:
    """A cycle of `length` steps, with steps before it, and behind it."""
    needs: list[list[int]] = [[], [0], [0]]
    needs += [[3 + (i - 1) % length] for i in range(length)]
    needs[3].append(1)
    needs += [[3], [length + 3, 2], [3]]
    plan = build(rng, durations(rng, len(needs)), needs)
    # From whatever end the plan is searched, the first step found is not on the cycle.
    needed = {need for step in plan for need in step.needs}
    first, last = (step for step in plan if step.name not in needed)
    return [first, *(step for step in plan if step.name in needed), last]


def misfits(rng: random.Random) -> list[list[Step]]:
    """Plans in which a need is unknown, a name stands twice, and a step needs itself."""
    unknown, duplicate, selfish = (layers(rng, 3, 2) for _ in range(3))
    unknown[2] = Step(unknown[2].name, 1, (*unknown[2].needs, new_name(rng)))
    duplicate[4] = Step(duplicate[0].name, 1)
    duplicate = [Step(s.name, s.seconds) for s in duplicate]
    selfish[3] = Step(selfish[3].name, 1, (*selfish[3].needs, selfish[3].name))
    return [unknown, duplicate, selfish]


def with_signs(plan: Plan) -> list[Step]:
    """The same plan with long names that printf() would take for a format."""

    def sign(name: str) -> str:
        long = "_long" * 60 + name
        return "100%%" + long if name[-1] in "01234567" else "%d" + long

    return [Step(sign(s.name), s.seconds, tuple(map(sign, s.needs))) for s in plan]


def refusal_scenarios(rng: random.Random) -> list[Scenario]:
    """Plans that can not be run."""
    two_faults = [Step(s.name, s.seconds, (new_name(rng),)) for s in layers(rng, 1, 2)]
    cycles = [cyclic(rng, 2), with_signs(cyclic(rng, rng.randint(3, 5))), cyclic(rng, 60)]
    unusual = [with_signs(plan) for plan in (*misfits(rng), two_faults)]
    return [
        refusal_scenario("refuses_names_that_do_not_fit", unusual),
        refusal_scenario("refuses_a_cycle", cycles),
        refusal_scenario("run_refuses_a_cycle", cycles[1:2]),
        refusal_scenario("refuses_without_saying_why", [*misfits(rng), cycles[0]]),
    ]


def refusal_scenario(test: str, plans: Sequence[Plan]) -> Scenario:
    """Plans of which none starts."""
    return Scenario(test, tuple(line for plan in plans for line in given_plan(plan)), ())


def path_scenarios(rng: random.Random) -> list[Scenario]:
    """plan_critical_path."""
    shapes = of_all_shapes(rng)
    telling = telling_makespan_plan(rng)
    small = [
        build(rng, durations(rng, 3), [[], [], []]),
        build(rng, durations(rng, 1), [[]]),
        build(rng, [0, 0], [[], [0]]),
    ]
    return [
        path_scenario("critical_path_of_plans_of_all_shapes", [telling, *shapes, *small]),
        Scenario("critical_path_of_no_steps", ("plan 0", "makespan 0"), ()),
        long_path_scenario(rng),
    ]


def long_path_scenario(rng: random.Random) -> Scenario:
    """A chain that takes more than 2 ** 32 seconds, though no step of it does."""
    names = [new_name(rng) for _ in range(1100)]
    plan = [Step(name, LONGEST_S, tuple(names[:i][-1:])) for i, name in enumerate(names)]
    sums_s = [LONGEST_S * (i + 1) for i in range(len(plan))]
    wrapped_s = {sums_s[-1] % (1 << 32), max(sum_s % (1 << 32) for sum_s in sums_s)}
    lines = [*given_plan(plan), f"makespan {sums_s[-1]}"]
    lines += [f"instead {wrong_s} overflow" for wrong_s in wrapped_s]
    return Scenario("critical_path_beyond_32_bits", tuple(lines), ())


def telling_makespan_plan(rng: random.Random) -> list[Step]:
    """A plan in which every misconception leads to a makespan of its own, and a wrong one."""
    for _ in range(ATTEMPTS):
        plan = forest(rng, 14)
        wrong = list(misunderstood_makespans(plan))
        by_value: dict[int, set[str]] = {makespan_s(plan): {"right"}}
        for diagnosis, value in wrong:
            by_value.setdefault(value, set()).add(diagnosis)
        if all(len(diagnoses) == 1 for diagnoses in by_value.values()):
            return plan
    raise GraderError("module 1.0: no plan tells the misunderstood makespans apart")


def run_scenarios(rng: random.Random) -> list[Scenario]:
    """run_plan without a limit."""
    telling = telling_plan(rng, 0, ["sequential", "waves", "one-need-is-enough"])
    one_root = [chain(rng, 5), diamond(rng, 4)]
    twice = with_needs_twice(rng, diamond(rng, 3))
    instant = build(rng, [0, 0, 0], [[], [0], [0]])
    zero = build(rng, [0, 0, 3, 0, 0], [[], [0], [0], [1, 2], [3]])
    forests = [(forest(rng, 8), 0) for _ in range(2)]
    wide = build(rng, [rng.randint(1, 9) for _ in range(200)], [[]] * 200)
    return [
        run_scenario("run_chains_and_diamonds", [(plan, 0) for plan in one_root]),
        run_scenario("run_plans_of_all_shapes", [(p, 0) for p in [telling, *of_all_shapes(rng)]]),
        run_scenario("run_several_steps_without_needs", [plain(rng), *forests, (wide, 0)]),
        run_scenario("run_with_needs_named_twice", [plain(rng), (twice, 0)]),
        run_scenario("run_steps_of_no_seconds", [plain(rng), (zero, 0), (instant, 0)]),
        run_scenario("run_no_steps", [([], 0)]),
        run_scenario("run_steps_with_unusual_names", [(unusual_names(rng), 0)]),
        weeks_scenario(rng),
        run_scenario("times_after_weeks", [([Step(new_name(rng), 2)], 0) for _ in range(2)]),
        months_scenario(rng),
        Scenario("times_when_the_loop_is_late", tuple(given_plan([Step(new_name(rng), 2)])), None),
    ]


def plain(rng: random.Random) -> tuple[list[Step], int]:
    """A plan, and no limit, for a test of something special: there is nothing special to it."""
    return chain(rng, 3), 0


def unusual_names(rng: random.Random) -> list[Step]:
    """Names that are legal all the same; each step needs the one before it."""
    name = new_name(rng)
    long = name * 400
    names = [f"{name}_a", f"{name}_A", f"{name}_100%%", f"%d_{name}_%u", f"{long}_a", f"{long}_b"]
    return [Step(one, i + 1, tuple(names[:i][-1:])) for i, one in enumerate(names)]


def weeks_scenario(rng: random.Random) -> Scenario:
    """Steps of a few seconds, of some more microseconds than 32 bits hold, and the longest."""
    seconds = [3, (1 << 32) // 1000000 + 1, LONGEST_S]
    plan = [Step(new_name(rng), duration_s) for duration_s in seconds]
    seen = tuple(line for line in timeline(plan, 0) if line[0] < LONGEST_S)
    return Scenario("run_steps_of_weeks", tuple(run_lines(plan, 0)), seen)


def months_scenario(rng: random.Random) -> Scenario:
    """A chain that takes more milliseconds than 32 bits hold, though no step of it does."""
    plan = build(rng, [30 * DAY_S, 29 * DAY_S, 3], [[], [0], [1]])
    return Scenario("times_of_months", tuple(run_lines(plan, 0)), None)


LIMIT_DIAGNOSES = (
    "limit-ignored",
    "limit-off-by-one",
    "list-order-start",
    "shortest-first",
    "own-seconds-only",
    "waves",
    "wrong-schedule",
)


def limit_scenarios(rng: random.Random) -> list[Scenario]:
    """run_plan with a limit."""
    plans = [(telling_plan(rng, limit, LIMIT_DIAGNOSES), limit) for limit in (2, 3)]
    alone = telling_plan(rng, 1, ["list-order-start", "shortest-first"])
    instant = build(rng, [0, 5], [[], []])
    beyond = telling_plan(rng, 100, ["sequential", "wrong-schedule"])
    return [
        run_scenario("run_with_a_limit", [plain(rng), *plans, (alone, 1), (instant, 1)]),
        run_scenario("run_ties_by_position", [plain(rng), *((plan, 1) for plan in tied(rng))]),
        run_scenario("run_with_a_limit_beyond_the_plan", [plain(rng), (beyond, 100)]),
        # The chain is less than the other step if its seconds are taken for a gint,
        urgent_scenario("run_longest_path_first_beyond_31_bits", rng, 1, 600),
        # and here if they are taken for a guint.
        urgent_scenario("run_longest_path_first_beyond_32_bits", rng, LONGEST_S, 1001),
        hundreds_scenario(rng),
    ]


def tied(rng: random.Random) -> list[list[Step]]:
    """Plans in which several steps are equally urgent.

    In the second the one that stands first becomes ready last, while the other one waits.  In
    the third they differ in their own seconds, the first one now has fewer, now more.  In the
    fourth the one that stands first comes last in plan_order().
    """
    names = sorted(new_name(rng) for _ in range(9))
    alike = [Step(name, 5) for name in reversed(names)]
    short_s, tied_s = rng.sample(range(2, 9), 2)
    before, late, early, longest, last = (new_name(rng) for _ in range(5))
    waiting = [
        Step(before, short_s),
        Step(late, tied_s, (before,)),
        Step(early, tied_s),
        Step(longest, short_s + tied_s),
        Step(last, short_s + tied_s + 1, (longest,)),
    ]
    brief, lengthy, after_brief, lasting, quick, after_quick = (new_name(rng) for _ in range(6))
    differing = [
        Step(brief, short_s),
        Step(lengthy, short_s + tied_s),
        Step(after_brief, tied_s, (brief,)),
        Step(lasting, 3 * (short_s + tied_s)),
        Step(quick, short_s),
        Step(after_quick, 2 * short_s + 3 * tied_s, (quick,)),
    ]
    head, other, behind = (new_name(rng) for _ in range(3))
    backwards_tied = [Step(head, tied_s, (behind,)), Step(other, tied_s), Step(behind, short_s)]
    return [alike, waiting, differing, backwards_tied]


def rival_of_a_chain(rng: random.Random, first_s: int, link_s: int, n_links: int) -> list[Step]:
    """One step, then the links of a chain."""
    names = [new_name(rng) for _ in range(n_links)]
    links = [Step(name, link_s, tuple(names[:i][-1:])) for i, name in enumerate(names)]
    return [Step(new_name(rng), first_s), *links]


def urgent_scenario(test: str, rng: random.Random, first_s: int, n_links: int) -> Scenario:
    """One place, and a chain that is more urgent than the step before it; first a short one."""
    short = rival_of_a_chain(rng, min(first_s, 5), 5, 2)
    long = rival_of_a_chain(rng, first_s, LONGEST_S, n_links)
    lines = [*given_plan(short, 1), numbers("starts", right_starts(short, 1))]
    lines += ["otherwise wrong-schedule", *given_plan(long, 1)]
    return Scenario(test, tuple(lines), None)


def hundreds_scenario(rng: random.Random) -> Scenario:
    """More needs of one step, and larger limits, than a byte can count; first the same with few.

    They end one after another, so that who counts modulo 256 starts the last step too early;
    and the longest stand first, so that who chooses wrongly is not suspected of that.
    """

    def star(n_needs: int) -> list[Step]:
        names = [new_name(rng) for _ in range(n_needs)]
        needs = [Step(name, 16 - i * 16 // n_needs) for i, name in enumerate(names)]
        return [Step(new_name(rng), 1, tuple(names)), *needs]

    lines = run_lines(star(8), 0) + run_lines(star(8), 3)
    for limit in (0xFFFFFFFF, 256):
        lines += [*run_lines(star(300), limit), "otherwise overflow"]
    return Scenario("run_hundreds_of_needs", tuple(lines), None)


def in_flight_scenario(rng: random.Random) -> Scenario:
    """Two plans at once, the second one second after the first, each with its own limit."""
    plans = [telling_plan(rng, limit, LIMIT_DIAGNOSES) for limit in (2, 3)]
    lines = run_lines(plans[0], 2) + run_lines(plans[1], 3)
    expected = timeline(plans[0], 2) + timeline(plans[1], 3, at_s=1)
    return Scenario("run_two_in_flight", tuple(lines), expected)


def twin_scenario(rng: random.Random) -> Scenario:
    """One plan twice at once, the second time one second after the first."""
    plan = telling_plan(rng, 2, [])
    expected = timeline(plan, 2) + timeline(plan, 2, at_s=1)
    return Scenario("run_two_with_the_same_names", tuple(run_lines(plan, 2)), expected)


def manners_scenarios(rng: random.Random) -> list[Scenario]:
    """Several plans at once, a loop that stays free, a heap that stays the same."""
    first, second = chain(rng, 3), diamond(rng, 2)
    reused = diamond(rng, 4)
    heart = build(rng, rng.sample(range(1, 9), 5), [[], [0], [0], [1], [2, 3]])
    heap = build(rng, [2, 1, 3, 1], [[], [0], [0], [1, 2]])
    twice = with_needs_twice(rng, heap)
    kept = [line for plan in (heap, twice, ()) for line in given_plan(plan, 2)]
    chained = timeline(first, 0) + timeline(second, 0, at_s=makespan_s(first))
    return [
        order_scenario("order_of_another_plan_in_the_same_array", telling_orders(rng)),
        in_flight_scenario(rng),
        twin_scenario(rng),
        Scenario("run_from_a_callback", tuple(run_lines(first, 0) + run_lines(second, 0)), chained),
        run_scenario("run_steps_are_reused", [plain(rng), (reused, 0)]),
        run_scenario("names_go_away_when_done_is_called", [(diamond(rng, 2), 0)]),
        Scenario("loop_stays_responsive", tuple(run_lines(heart, 0)), None),
        Scenario("run_leaves_nothing_behind", tuple(kept), None),
        refusal_scenario("refusing_leaves_nothing_behind", [cyclic(rng, 3), *misfits(rng)]),
    ]


def large_scenarios() -> list[Scenario]:
    """Plans of thousands of steps, which check_plan.c makes itself."""
    tests = [
        "ten_thousand_in_a_row",
        "ten_thousand_steps_fifty_thousand_needs",
        "order_grows_with_the_plan",
        "critical_path_grows_with_the_plan",
        "run_grows_with_the_plan",
    ]
    return [Scenario(test, (), None) for test in tests]
