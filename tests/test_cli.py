"""The command line as its users meet it: bad input gets one clear line and the right status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader.catalog import ROOT

GRADER = [sys.executable, "-m", "grader"]


def run(*words: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """One command, as typed in the repository's folder."""
    return subprocess.run(
        [str(word) for word in words],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def one_line(done: subprocess.CompletedProcess[str], status: int, words: str) -> None:
    """It said one thing, and nothing like a traceback."""
    assert done.returncode == status
    assert words in done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(lines) == 1, done.stderr


def test_make_alone_shows_the_menu() -> None:
    """Every command that a student needs."""
    done = run("make")
    assert done.returncode == 0
    for command in ("setup", "grade", "hint", "watch", "reset", "demo", "test"):
        assert f"make {command}" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["grade"], "Say which module"),
        (["grade", "9.9"], "no module '9.9'. The modules are: 0.5"),
        (["grade", "0.5", "--file", "missing.c"], "missing.c does not exist"),
        (["grade", "0.5", "--file", "modules"], "modules is a directory"),
        (["grade", "0.5", "--file", "README.md"], "no block of C code"),
        (["grade", "0.5", "--frobnicate"], "unrecognized arguments"),
        (["frobnicate"], "invalid choice"),
        (["hint", "0.5", "--task", "99"], "has no TODO 99"),
        (["reset", "9.9"], "no module"),
        (["run"], "Say which module"),
        (["verify", "9.9"], "no module"),
    ],
)
def test_bad_input(words: list[str], expected: str) -> None:
    """One line that says what to do, status 2."""
    one_line(run(*GRADER, *words), 2, expected)


@pytest.mark.parametrize("content", [b"", b"int main\xff;", b"\0"])
def test_files_that_are_no_c(tmp_path: Path, content: bytes) -> None:
    """Empty, not UTF-8, binary."""
    path = tmp_path / "theirs.c"
    path.write_bytes(content)
    one_line(run(*GRADER, "grade", "0.5", "--file", path), 2, "theirs.c")


def test_file_names_are_not_commands(tmp_path: Path) -> None:
    """FILE may hold anything that a file system allows."""
    path = tmp_path / "a b; touch gone $(touch gone) '.c"
    path.write_text("")
    one_line(run("make", "grade", "MODULE=0.5", f"FILE={path}"), 2, "is empty")
    assert not (ROOT / "gone").exists()


def test_a_wrong_python_says_what_to_do(tmp_path: Path) -> None:
    """A Python that does not see Debian's packages: no traceback, and the remedy."""
    blind = tmp_path / "python3"
    blind.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    blind.chmod(0o755)
    done = run("make", "grade", "MODULE=0.5", "FAST=1", f"PYTHON={blind}")
    assert done.returncode == 2
    assert "make PYTHON=/usr/bin/python3" in done.stderr
    assert "Traceback" not in done.stderr


def test_debians_python_is_preferred(tmp_path: Path) -> None:
    """Another python3 that comes first on the PATH is not used."""
    other = tmp_path / "python3"
    other.write_text("#!/bin/sh\nexit 77\n")
    other.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert run("make", "list", env={"PATH": path}).returncode == 0


def test_the_skeleton_says_what_to_do_first() -> None:
    """Zero points, status 1 also from make, and the first step."""
    skeleton = ROOT / "modules/0.5-gather/skeleton/experiments.c"
    done = run("make", "grade", "MODULE=0.5", "FAST=1", f"FILE={skeleton}")
    assert done.returncode == 1
    assert "0/100" in done.stdout
    assert "[todo-left]" in done.stdout
    assert "TODO with the lowest number" in " ".join(done.stdout.split())
    assert done.stderr == ""


def test_json_on_stdout_is_json_and_nothing_else() -> None:
    """The interface that other tools rely on."""
    done = run(*GRADER, "grade", "0.5", "--solution", "--fast", "--json", "-")
    verdict = json.loads(done.stdout)
    assert done.returncode == 0
    assert (verdict["schema"], verdict["module"], verdict["verdict"]) == (1, "0.5", "pass")
    assert (verdict["score"], verdict["max_score"], verdict["diagnoses"]) == (100, 100, [])
    assert verdict["elapsed"]["virtual_s"] == 3.0
    assert verdict["elapsed"]["wall_s"] is None
    assert verdict["elapsed"]["one_after_another_s"] == 6.0
    assert {"name": "exp_large", "start_s": 0.0, "end_s": 3.0} in verdict["timeline"]
    keys = {"id", "title", "status", "points", "max_points", "message", "diagnosis"}
    assert all(keys <= set(check) for check in verdict["checks"])


def test_json_that_cannot_be_written(tmp_path: Path) -> None:
    """The report is printed all the same; the line says what is wrong."""
    target = tmp_path / "no" / "such" / "folder.json"
    done = run(*GRADER, "grade", "0.5", "--solution", "--fast", "--json", target)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "100/100" in done.stdout


def test_hints_come_in_stages(tmp_path: Path) -> None:
    """First, second, third; a named TODO has stages of its own."""
    from evidence import GATHER
    from grader.hints import next_hint

    state = tmp_path / "hints.json"
    stages = [next_hint(GATHER, state) for _ in range(4)]
    assert [(one.task, one.stage) for one in stages] == [(1, 1), (1, 2), (1, 3), (2, 1)]
    assert next_hint(GATHER, state, task=4).stage == 1
    assert "g_timeout_add" in GATHER.hints[1].stages[2]


def test_a_broken_hint_file_starts_again(tmp_path: Path) -> None:
    """Nothing that is lost matters."""
    from evidence import GATHER
    from grader.hints import next_hint

    state = tmp_path / "hints.json"
    state.write_text("{broken")
    assert next_hint(GATHER, state).stage == 1
