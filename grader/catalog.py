"""From a module's id to what its author wrote: the first hop of a grade.

A module is found by its folder `modules/<id>-<slug>`; adding one edits no existing file.
Its `module.toml` holds the facts, `hints.toml` the TODOs and their staged hints,
`diagnoses.toml` what a student reads about each misconception, in order of precedence.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from grader.records import (
    CheckSpec,
    Console,
    ConsoleLine,
    DiagnosisText,
    GraderError,
    Module,
    TaskHints,
    Todo,
)

ROOT = Path(__file__).resolve().parent.parent


def module_ids(root: Path = ROOT) -> list[str]:
    """The ids of all modules, in course order: "0.5" before "0.10" before "1.0"."""
    ids = {folder.name.split("-")[0] for folder in _module_folders(root)}
    return sorted(ids, key=lambda id_: [int(part) for part in id_.split(".")])


def find(module_id: str, root: Path = ROOT) -> Module:
    """The module with that id; GraderError that lists the modules if there is none."""
    for folder in _module_folders(root):
        if folder.name.split("-")[0] == module_id:
            return _load(folder, root)
    known = " ".join(module_ids(root))
    raise GraderError(f"There is no module {module_id!r}. The modules are: {known}")


def _module_folders(root: Path) -> list[Path]:
    return sorted(path.parent for path in (root / "modules").glob("[0-9]*-*/module.toml"))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GraderError(f"{_shown(path)} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GraderError(f"{_shown(path)} cannot be read: {error}.") from error


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _load(folder: Path, root: Path) -> Module:
    facts = _read_toml(folder / "module.toml")
    hints = _read_toml(folder / "hints.toml")
    try:
        return Module(
            id=facts["id"],
            slug=folder.name.split("-", 1)[1],
            title=facts["title"],
            minutes=facts["minutes"],
            folder=folder,
            exercise=root / "exercises" / folder.name / facts["file"],
            solution=root / "solutions" / folder.name / facts["file"],
            packages=tuple(facts["packages"]),
            sources=_files(folder, facts.get("sources", [])),
            tools=_files(folder, facts.get("tools", [])),
            data=_files(folder, facts.get("data", [])),
            allows_processes=facts.get("allows_processes", False),
            console=_console(facts["console"]),
            checks=tuple(_check(entry) for entry in facts["check"]),
            todos=tuple(
                Todo(entry["number"], entry["text"].strip("\n"), entry.get("stub", "").strip("\n"))
                for entry in hints["todo"]
            ),
            hints=tuple(
                TaskHints(entry["task"], entry["title"], tuple(entry["stages"]))
                for entry in hints["hint"]
            ),
            diagnoses=_diagnoses(folder / "diagnoses.toml"),
        )
    except (KeyError, TypeError) as error:
        raise GraderError(f"{_shown(folder)}: module.toml or hints.toml lacks {error}") from error


def _files(folder: Path, names: list[str]) -> tuple[Path, ...]:
    return tuple(folder / name for name in names)


def _console(entry: dict[str, Any]) -> Console:
    return Console(
        lines=tuple(ConsoleLine(**line) for line in entry["lines"]),
        min_total_s=entry["min_total_s"],
        max_total_s=entry["max_total_s"],
        one_after_another_s=entry["one_after_another_s"],
        late_s=entry.get("late_s", 0.0),
        early_start=entry.get("early_start", ""),
    )


def _check(entry: dict[str, Any]) -> CheckSpec:
    tests = tuple(entry.get("tests", ()))
    means = entry.get("diagnosis", "")
    return CheckSpec(entry["id"], entry["title"], entry["points"], tests, means)


def _diagnoses(path: Path) -> dict[str, DiagnosisText]:
    texts = [_diagnosis(entry) for entry in _read_toml(path)["diagnosis"]]
    return {text.id: text for text in texts}


def _diagnosis(entry: dict[str, Any]) -> DiagnosisText:
    leads_to = tuple(entry.pop("leads_to", ()))
    return DiagnosisText(**entry, leads_to=leads_to)
