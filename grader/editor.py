"""compile_commands.json: how each C file of the course is compiled, for clangd.

It is written to build/, where clangd looks for it from every folder of the checkout; the
flags are those that the grader compiles with, so the editor warns of what will be graded.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from grader import parts
from grader.records import Module


def write_compile_commands(root: Path, modules: Sequence[Module]) -> Path:
    """Write the file for these modules in the checkout `root`; returns where it is.

    Raises:
        GraderError: pkg-config does not know a package that a module needs.
    """
    entries = [entry for module in modules for entry in _entries(root, module)]
    target = root / "build" / "compile_commands.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    # An editor may be reading the old one: replace it as a whole.
    descriptor, fresh = tempfile.mkstemp(dir=target.parent, prefix="compile_commands-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(entries, file, indent=1)
    os.chmod(fresh, 0o644)
    os.replace(fresh, target)
    return target


def _entries(root: Path, module: Module) -> Iterator[dict[str, object]]:
    folders = (module.folder, module.folder / "tools", root / "grader" / "clib")
    includes = [f"-I{folder}" for folder in folders if folder.is_dir()]
    packages = parts.package_flags((*module.packages, "check"), "--cflags")
    flags = [*parts.STUDENT_FLAGS, *includes, *packages]
    files = [module.exercise, module.solution, *sorted(module.folder.rglob("*.c"))]
    for file in files:
        arguments = [parts.CC, *flags, "-c", str(file)]
        yield {"directory": str(root), "file": str(file), "arguments": arguments}
