"""The pictures of module 1.0 are drawn from its plan: what is shipped must be what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grader.catalog import ROOT

MODULE = Path("modules") / "1.0-planning"
NEEDED = ("pictures.py", "scenarios.py", "skeleton/plan.c")
DRAWN = ("compared.svg", "graph.svg", "timeline.svg")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of what the pictures are made from; the drawing writes beside it."""
    copy = tmp_path / MODULE
    for name in NEEDED:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / MODULE / name, copy / name)
    return copy


def draw(folder: Path) -> dict[str, str]:
    """File name -> SVG, as pictures.py of that folder draws them now."""
    subprocess.run(
        [sys.executable, str(folder / "pictures.py")],
        env=dict(os.environ, PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1"),
        check=True,
        timeout=60,
    )
    return pictures(folder)


def pictures(folder: Path) -> dict[str, str]:
    """File name -> SVG, as they stand in the folder of a module."""
    return {path.name: path.read_text(encoding="utf-8") for path in (folder / "pictures").iterdir()}


def test_shipped_pictures_are_those_of_the_plan(folder: Path) -> None:
    """Whoever changes the plan, its oracle or the drawing runs pictures.py again."""
    drawn = draw(folder)
    shipped = pictures(ROOT / MODULE)
    assert sorted(drawn) == sorted(shipped) == list(DRAWN)
    stale = [name for name in DRAWN if drawn[name] != shipped[name]]
    assert not stale, f"run: python3 {MODULE}/pictures.py"


def test_every_picture_follows_the_plan(folder: Path) -> None:
    """One step that takes another time changes all of them: none is drawn by hand."""
    before = draw(folder)
    plan = folder / "skeleton" / "plan.c"
    text = plan.read_text(encoding="utf-8")
    faster = text.replace('{ "fetch_page", 4,', '{ "fetch_page", 2,')
    assert faster != text
    plan.write_text(faster, encoding="utf-8")
    after = draw(folder)
    assert [name for name in DRAWN if after[name] == before[name]] == []
    assert "what it needs is done: 7 s" in after["timeline.svg"]


def test_the_lesson_shows_every_picture() -> None:
    """A picture that no page shows would drift unseen."""
    lesson = (ROOT / MODULE / "lesson.md").read_text(encoding="utf-8")
    assert [name for name in DRAWN if f"](pictures/{name})" not in lesson] == []
