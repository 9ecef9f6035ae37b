"""Makes a module's skeleton from its reference: one source, so that they never drift.

A region between `// BEGIN SOLUTION n` and `// END SOLUTION n` becomes TODO n, with the
text and the stub that the module's hints.toml has for it.
"""

from __future__ import annotations

import re

from grader.records import GraderError, Module, Todo

_BEGIN = re.compile(r"^( *)// BEGIN SOLUTION (\d+)$")
_END = re.compile(r"^ *// END SOLUTION (\d+)$")


def skeleton(module: Module, solved: int = 0) -> str:
    """The skeleton of `module`, with its first TODOs `solved` already.

    Raises GraderError when the markers of its reference do not pair.
    """
    todos = {todo.number: todo for todo in module.todos}
    made: list[str] = []
    inside = 0
    for number, line in enumerate(_reference(module), start=1):
        begin, end = _BEGIN.match(line), _END.match(line)
        if bool(begin) and inside or bool(end) and (not end or int(end.group(1)) != inside):
            raise GraderError(
                f"{module.solution}:{number}: the markers do not pair: {line.strip()}"
            )
        if begin:
            inside = int(begin.group(2))
            if inside > solved:
                made += _todo_lines(module, todos, inside, begin.group(1))
        elif end:
            inside = 0
        elif inside <= solved:
            made.append(line)
    if inside:
        raise GraderError(f"{module.solution}: region {inside} has no end")
    return "\n".join(made) + "\n"


def without_markers(source: str) -> str:
    """A reference as it is shown: the code without the lines that mark its regions."""
    lines = source.splitlines()
    kept = [line for line in lines if not _BEGIN.match(line) and not _END.match(line)]
    return "\n".join(kept) + "\n"


def _reference(module: Module) -> list[str]:
    lines = module.solution.read_text(encoding="utf-8").splitlines()
    # The reference's opening comment tells how it is done; the skeleton's says what to do.
    ends = [number for number, line in enumerate(lines) if line.endswith("*/")]
    end = ends[0] if ends else -1
    return [*_opening(module), *lines[end + 1 :]]


def _opening(module: Module) -> list[str]:
    folder = f"modules/{module.folder.name}"
    return [
        "/* SPDX-License-Identifier: MIT",
        " *",
        f" * Module {module.id}: {module.title}.",
        " *",
        f" * Read {folder}/lesson.md, fill in the TODOs in the order of their",
        f" * numbers, and run: make grade MODULE={module.id}",
        " */",
    ]


def _todo_lines(module: Module, todos: dict[int, Todo], number: int, indent: str) -> list[str]:
    if number not in todos:
        raise GraderError(f"{module.folder}/hints.toml has no [[todo]] number {number}")
    first, *rest = todos[number].text.splitlines()
    lines = [f"/* TODO {number}: {first}", *(f" * {line}" for line in rest)]
    lines[-1] += " */"
    lines += todos[number].stub.splitlines()
    return [indent + line for line in lines]
