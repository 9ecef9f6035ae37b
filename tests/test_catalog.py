"""The catalog: modules are found by their folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader import catalog
from grader.records import GraderError


def module_folder(root: Path, name: str) -> None:
    """A folder that looks like a module's."""
    folder = root / "modules" / name
    folder.mkdir(parents=True)
    (folder / "module.toml").write_text("id = ")


def test_ids_are_in_course_order(tmp_path: Path) -> None:
    """0.10 comes after 0.5: ids are pairs of numbers."""
    for name in ("1.0-plan", "0.10-ten", "0.5-five"):
        module_folder(tmp_path, name)
    assert catalog.module_ids(tmp_path) == ["0.5", "0.10", "1.0"]


def test_an_unknown_module_names_the_known() -> None:
    """One line that helps."""
    with pytest.raises(GraderError, match=r"no module '9.9'.*0\.5"):
        catalog.find("9.9")


def test_a_broken_file_is_the_graders_fault(tmp_path: Path) -> None:
    """No traceback for an author's slip."""
    module_folder(tmp_path, "0.5-five")
    with pytest.raises(GraderError, match="module.toml cannot be read"):
        catalog.find("0.5", tmp_path)


def test_the_points_of_every_module_add_up_to_a_hundred() -> None:
    """So that scores of different modules compare."""
    for module_id in catalog.module_ids():
        assert sum(check.points for check in catalog.find(module_id).checks) == 100
