"""Editor support: clangd, VS Code and the dev container agree with the course."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from grader import catalog, editor

ROOT = catalog.ROOT


def commented_json(path: Path) -> Any:
    """JSON with whole-line comments, as VS Code reads it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The compile commands of all modules."""
    root = tmp_path_factory.mktemp("root")
    (root / "grader").symlink_to(ROOT / "grader")
    modules = [catalog.find(module_id) for module_id in catalog.module_ids()]
    path = editor.write_compile_commands(root, modules)
    assert path == root / "build" / "compile_commands.json"
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return entries


def test_every_exercise_and_solution_has_a_command(commands: list[dict[str, Any]]) -> None:
    files = {entry["file"] for entry in commands}
    for module_id in catalog.module_ids():
        module = catalog.find(module_id)
        assert {str(module.exercise), str(module.solution)} <= files


def test_commands_compile(commands: list[dict[str, Any]], tmp_path: Path) -> None:
    """The solutions and the contract tests, with exactly these words."""
    chosen = [e for e in commands if "/solutions/" in e["file"] or "/check_" in e["file"]]
    assert len(chosen) >= 2
    for entry in chosen:
        words = [*entry["arguments"], "-fsyntax-only"]
        subprocess.run(words, cwd=tmp_path, check=True, timeout=60)


def test_clangd_finds_no_fault_in_the_reference(
    commands: list[dict[str, Any]], tmp_path: Path
) -> None:
    """clangd itself reads them; without it the test is skipped, but never in CI."""
    if shutil.which("clangd") is None and os.environ.get("CI") != "true":
        pytest.skip("needs clangd: apt-get install clangd")
    (tmp_path / "compile_commands.json").write_text(json.dumps(commands))
    solution = catalog.find("0.5").solution
    words = ["clangd", f"--compile-commands-dir={tmp_path}", f"--check={solution}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Generic fallback command" not in done.stderr
    assert not re.search(r"\[pp_file_not_found\]|fatal error", done.stderr)


def test_debugger_task_builds_what_the_debugger_starts(tmp_path: Path) -> None:
    """The command of the task, as VS Code would run it on the open reference."""
    tasks = {task["label"]: task for task in commented_json(ROOT / ".vscode/tasks.json")["tasks"]}
    (launch,) = commented_json(ROOT / ".vscode/launch.json")["configurations"]
    solution = catalog.find("0.5").solution
    command = tasks[launch["preLaunchTask"]]["command"]
    command = command.replace("${fileDirname}", str(solution.parent))
    command = command.replace("${file}", str(solution))
    (tmp_path / "modules").symlink_to(ROOT / "modules")
    subprocess.run(["sh", "-ec", command], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / launch["program"].replace("${workspaceFolder}/", "")).exists()


def test_tasks_name_commands_and_modules_that_exist() -> None:
    """Each `make` target is in the Makefile, and the folder's name gives the module."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for task in commented_json(ROOT / ".vscode/tasks.json")["tasks"]:
        target = re.match(r"make (\S+)", task["command"])
        assert target is None or f"\n{target[1]}:" in makefile
        words = re.search(r"MODULE=(\$\(.*\))$", task["command"])
        if words is not None:
            script = "echo " + words[1].replace("${fileDirname}", "/x/exercises/0.5-gather")
            done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
            assert done.stdout == "0.5\n"


def test_problem_matcher_reads_compiler_messages() -> None:
    """Also when the report indents them."""
    tasks = {task["label"]: task for task in commented_json(ROOT / ".vscode/tasks.json")["tasks"]}
    pattern = tasks["grade"]["problemMatcher"]["pattern"]["regexp"]
    line = "         exercises/0.5-gather/experiments.c:7:3: error: expected ';' before '}' token"
    found = re.match(pattern, line)
    assert found is not None
    assert found.groups()[:4] == ("exercises/0.5-gather/experiments.c", "7", "3", "error")


def test_dev_container_has_the_packages_of_setup() -> None:
    """Both read packages.txt, and every line of it is one package name."""
    dockerfile = (ROOT / ".devcontainer/Dockerfile").read_text(encoding="utf-8")
    assert "COPY packages.txt" in dockerfile
    container = commented_json(ROOT / ".devcontainer/devcontainer.json")
    assert container["build"] == {"dockerfile": "Dockerfile", "context": ".."}
    lines = (ROOT / "packages.txt").read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name) for name in names)
    assert len(names) == len(set(names))
