# SPDX-License-Identifier: MIT
"""Draws the lesson's pictures from the module's data: run it after changing the plan.

    python3 modules/1.0-planning/pictures.py     writes pictures/*.svg beside this file

The plan is read from main() of the skeleton, the one place where it stands; its schedules
come from the oracle in scenarios.py.  So no picture can say anything else than the tests do.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from xml.sax.saxutils import escape

FOLDER = Path(__file__).resolve().parent
STEP = re.compile(r'\{ "(\w+)", (\d+), (?:NULL|NEEDS \(([^)]*)\)) \}')

PAPER, INK, FAINT = "#ffffff", "#1f2933", "#c8d0d8"
CRITICAL, OTHER = "#b3402a", "#4a78a8"
SECOND_PX, ROW_PX, LEFT_PX = 62, 26, 120


def load_oracle() -> ModuleType:
    """scenarios.py, which stands in a folder that is no Python package."""
    sys.path.insert(0, str(FOLDER.parent.parent))
    spec = importlib.util.spec_from_file_location("scenarios", FOLDER / "scenarios.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(FOLDER / "scenarios.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ORACLE = load_oracle()


class Schedule(NamedTuple):
    """One row of pictures: what it is called, and when each step starts."""

    title: str
    starts: list[int]


def plan_in_main() -> list[tuple[str, int, tuple[str, ...]]]:
    """The steps of the program: name, seconds, needs."""
    source = (FOLDER / "skeleton" / "plan.c").read_text(encoding="utf-8")
    found = STEP.findall(source)
    return [(name, int(s), tuple(re.findall(r'"(\w+)"', needs))) for name, s, needs in found]


PLAN = [ORACLE.Step(*step) for step in plan_in_main()]


def critical_steps() -> set[int]:
    """The positions of the steps on the critical path."""
    remaining: list[int] = ORACLE.remaining_s(PLAN)
    needed_by: list[list[int]] = ORACLE.arrows(PLAN)[1]
    step = max(range(len(PLAN)), key=lambda i: remaining[i])
    path = {step}
    while needed_by[step]:
        step = max(needed_by[step], key=lambda i: remaining[i])
        path.add(step)
    return path


def colour(step: int) -> str:
    """Of a box or bar."""
    return CRITICAL if step in critical_steps() else OTHER


def text(x: float, y: float, words: str, more: str = "") -> str:
    """A piece of text with its left end, or its anchor, at (x, y)."""
    return f'<text x="{x:g}" y="{y:g}" {more}>{escape(words)}</text>'


def picture(width: float, height: float, title: str, body: list[str]) -> str:
    """A whole SVG file, on paper of its own so that it can be read on a dark page as well."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" '
        f'font-family="sans-serif" font-size="13" fill="{INK}">'
    )
    paper = f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{PAPER}"/>'
    arrow = (
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" '
        'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 0L10 5L0 10z" fill="{INK}"/></marker></defs>'
    )
    return "\n".join([head, f"<title>{escape(title)}</title>", arrow, paper, *body, "</svg>", ""])


# ---- The plan as a graph ---------------------------------------------------------------

BOX_W, BOX_H, COLUMN_PX, LANE_PX = 112, 44, 142, 66


def places() -> list[tuple[float, float]]:
    """Where the box of each step stands: columns by depth, lanes by position."""
    needs, _ = ORACLE.arrows(PLAN)
    depth = [0] * len(PLAN)
    for i in ORACLE.topological_order(PLAN):
        depth[i] = max((depth[need] + 1 for need in needs[i]), default=0)
    tallest = max(depth.count(column) for column in depth)
    placed: list[tuple[float, float]] = []
    for i, column in enumerate(depth):
        lane = depth[:i].count(column) + (tallest - depth.count(column)) / 2
        placed.append((20 + column * COLUMN_PX, 20 + lane * LANE_PX))
    return placed


def graph() -> str:
    """Boxes and arrows; an arrow goes from the need to the step that waits for it."""
    needs, _ = ORACLE.arrows(PLAN)
    at = places()
    critical = critical_steps()
    body = []
    for i, (x, y) in enumerate(at):
        for need in sorted(needs[i]):
            wide = 3 if i in critical and need in critical else 1.2
            body.append(
                f'<line x1="{at[need][0] + BOX_W:g}" y1="{at[need][1] + BOX_H / 2:g}" '
                f'x2="{x - 2:g}" y2="{y + BOX_H / 2:g}" stroke="{INK}" stroke-width="{wide}" '
                'marker-end="url(#arrow)"/>'
            )
    for i, (x, y) in enumerate(at):
        wide = 3 if i in critical else 1.5
        body.append(
            f'<rect x="{x:g}" y="{y:g}" width="{BOX_W}" height="{BOX_H}" rx="6" '
            f'fill="{PAPER}" stroke="{colour(i)}" stroke-width="{wide}"/>'
        )
        middle = 'text-anchor="middle"'
        body.append(text(x + BOX_W / 2, y + 19, PLAN[i].name, middle + ' font-weight="bold"'))
        body.append(text(x + BOX_W / 2, y + 36, f"{PLAN[i].seconds} s", middle))
    width = max(x for x, _ in at) + BOX_W + 20
    height = max(y for _, y in at) + BOX_H + 20
    return picture(width, height, "The plan as a graph; the critical path is drawn thick", body)


# ---- The plan in time ------------------------------------------------------------------


def schedules() -> list[Schedule]:
    """The ways to run the plan that the lesson compares."""
    return [
        Schedule("every step as soon as what it needs is done", ORACLE.right_starts(PLAN, 0)),
        Schedule("in waves", ORACLE.wave_starts(PLAN, 0)),
        Schedule("at most two at once", ORACLE.right_starts(PLAN, 2)),
    ]


def total_s(schedule: Schedule) -> int:
    """When its last step has finished."""
    return int(max(ORACLE.ends(PLAN, schedule.starts)))


def axis(top: float, bottom: float, longest_s: int) -> list[str]:
    """A line for each second, and its number."""
    body = []
    for second in range(longest_s + 1):
        x = LEFT_PX + second * SECOND_PX
        body.append(
            f'<line x1="{x}" y1="{top:g}" x2="{x}" y2="{bottom:g}" '
            f'stroke="{FAINT}" stroke-width="1"/>'
        )
        body.append(text(x, bottom + 16, f"{second}", 'text-anchor="middle"'))
    return body


def bars(schedule: Schedule, top: float) -> list[str]:
    """One bar for each step."""
    body = []
    for i, (step, start_s) in enumerate(zip(PLAN, schedule.starts, strict=True)):
        y = top + i * ROW_PX
        body.append(text(LEFT_PX - 8, y + 16, step.name, 'text-anchor="end"'))
        body.append(
            f'<rect x="{LEFT_PX + start_s * SECOND_PX + 1}" y="{y + 3:g}" rx="3" '
            f'width="{step.seconds * SECOND_PX - 2}" height="{ROW_PX - 6}" fill="{colour(i)}"/>'
        )
    return body


def timeline(shown: list[Schedule], title: str) -> str:
    """Schedules below each other, on the same scale."""
    longest_s = max(total_s(schedule) for schedule in shown)
    body = []
    y = 16.0
    for schedule in shown:
        words = f"{schedule.title}: {total_s(schedule)} s"
        body.append(text(LEFT_PX, y + 12, words, 'font-weight="bold"'))
        bottom = y + 22 + len(PLAN) * ROW_PX
        body += axis(y + 22, bottom, longest_s) + bars(schedule, y + 22)
        y = bottom + 40
    return picture(LEFT_PX + longest_s * SECOND_PX + 24, y - 12, title, body)


def main() -> None:
    """Writes all pictures."""
    asap, waves, limited = schedules()
    drawn = {
        "graph.svg": graph(),
        "timeline.svg": timeline([asap], "The plan in time, with no limit"),
        "compared.svg": timeline([waves, limited], "The same plan in waves, and two at once"),
    }
    (FOLDER / "pictures").mkdir(exist_ok=True)
    for name, svg in drawn.items():
        (FOLDER / "pictures" / name).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
