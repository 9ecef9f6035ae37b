"""Reference, skeleton and exercise: one source, no drift."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from grader.catalog import ROOT
from evidence import GATHER
from grader import catalog, commands
from grader.records import GraderError
from grader.skeleton import skeleton, without_markers


def as_shipped(path: Path) -> str:
    """The file as it is in the repository, whatever a student has made of it since."""
    name = path.relative_to(ROOT)
    done = subprocess.run(
        ["git", "show", f":{name}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else path.read_text(encoding="utf-8")


@pytest.mark.parametrize("module_id", catalog.module_ids())
def test_reference_skeleton_and_exercise_agree(module_id: str) -> None:
    """`make skeletons` would change nothing."""
    module = catalog.find(module_id)
    pristine = commands.pristine_path(module).read_text(encoding="utf-8")
    assert pristine == skeleton(module)
    assert as_shipped(module.exercise) == pristine


def test_every_todo_has_its_place_and_its_hints() -> None:
    """Numbered from 1, each once in the skeleton, each with three hints."""
    text = skeleton(GATHER)
    numbers = [todo.number for todo in GATHER.todos]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [text.count(f"TODO {number}:") for number in numbers] == [1] * len(numbers)
    assert [hints.task for hints in GATHER.hints] == numbers


def test_markers_are_not_shown() -> None:
    """On a projector the reference is plain code."""
    shown = without_markers(GATHER.solution.read_text(encoding="utf-8"))
    assert "SOLUTION" not in shown
    assert "g_timeout_add" in shown


@pytest.mark.parametrize(
    "source",
    [
        "/* */\n// BEGIN SOLUTION 1\n",
        "/* */\n// END SOLUTION 1\n",
        "/* */\n// BEGIN SOLUTION 1\n// BEGIN SOLUTION 2\n// END SOLUTION 2\n",
        "/* */\n// BEGIN SOLUTION 1\n// END SOLUTION 2\n",
    ],
)
def test_markers_that_do_not_pair_are_refused(tmp_path: Path, source: str) -> None:
    """Otherwise a skeleton would give the answer away."""
    path = tmp_path / "broken.c"
    path.write_text(source)
    with pytest.raises(GraderError, match="pair|no end"):
        skeleton(replace(GATHER, solution=path))
