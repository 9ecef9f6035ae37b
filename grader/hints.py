"""Staged hints: `make hint` gives the first, again the next, three for each TODO."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from grader.records import GraderError, Module, TaskHints


@dataclass(frozen=True)
class Hint:
    """One stage of the hints of one TODO."""

    task: int
    title: str
    stage: int  # 1 is the first
    stages: int
    text: str
    next_task: int  # the TODO whose hints come after these; 0: none are left


def next_hint(module: Module, state: Path, task: int | None = None) -> Hint:
    """The next hint of `module`, for TODO `task` if one is named; remembers that it was given.

    After the last stage of a named TODO that stage comes again; after the last of all, too.
    Raises GraderError when there is no such TODO.
    """
    given = _read(state)
    hints = _choose(module, given.get(module.id, {}), task)
    before = given.get(module.id, {}).get(str(hints.task), 0)
    stage = min(before + 1, len(hints.stages))
    given.setdefault(module.id, {})[str(hints.task)] = stage
    _write(state, given)
    later = [other.task for other in module.hints if other.task > hints.task]
    next_task = later[0] if stage == len(hints.stages) and later else 0
    text = hints.stages[stage - 1]
    return Hint(hints.task, hints.title, stage, len(hints.stages), text, next_task)


def _choose(module: Module, given: dict[str, int], task: int | None) -> TaskHints:
    if task is not None:
        for hints in module.hints:
            if hints.task == task:
                return hints
        known = " ".join(str(hints.task) for hints in module.hints)
        raise GraderError(f"Module {module.id} has no TODO {task}. Its TODOs are: {known}")
    for hints in module.hints:
        if given.get(str(hints.task), 0) < len(hints.stages):
            return hints
    return module.hints[-1]


def _read(state: Path) -> dict[str, dict[str, int]]:
    try:
        read: dict[str, dict[str, int]] = json.loads(state.read_text(encoding="utf-8"))
        return read
    except (OSError, ValueError):
        return {}  # never asked, or not ours: start with the first hint


def _write(state: Path, given: dict[str, dict[str, int]]) -> None:
    state.parent.mkdir(parents=True, exist_ok=True)
    fresh = state.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(given), encoding="utf-8")
    os.replace(fresh, state)
