"""What a module needs ready made, so that a grade compiles only the student's file.

Built once and kept under `build/parts/<key>/`, where the key is a digest of everything that
goes in: a part is never stale, and two grades that build the same part at once agree.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grader.catalog import ROOT
from grader.records import GraderError, Module

CC = "gcc"
CLIB = Path(__file__).resolve().parent / "clib"

# The flags that the student is shown, and the student's program is built with.
STUDENT_FLAGS = ("-std=gnu11", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter")
# What the grader adds: with DWARF 5, addr2line forgets the names that #line gives.
BUILD_FLAGS = (*STUDENT_FLAGS, "-gdwarf-4")
# Of debug information, a sanitizer's report needs the lines only.  Of what UBSan can check,
# these cost a third of the compile time, and find nothing that ASan or x86 would mind.
SANITIZE_FLAGS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize=null,alignment,object-size,pointer-overflow",
    "-fno-omit-frame-pointer",
    "-g1",
)
# Nothing in a report tells where this checkout lies.
NEUTRAL_PATHS = f"-ffile-prefix-map={ROOT}/="
PART_FLAGS = ("-std=gnu11", "-g", "-w", NEUTRAL_PATHS)
CLOCK_FLAGS = (
    *("-std=gnu11", "-O2", "-g", "-shared", "-fPIC", NEUTRAL_PATHS, "-Wall", "-Wextra", "-pthread"),
    # Each tool of a module loads this library: it must not load others.
    *("-static-libgcc", "-Wl,--exclude-libs,ALL"),
)


@dataclass(frozen=True)
class Parts:
    """What is ready made for one module, all in one folder."""

    folder: Path
    sources: tuple[str, ...]  # names of the module's own sources, without suffix

    def moved_to(self, folder: Path) -> Parts:
        """The same parts in a copy of the folder."""
        return Parts(folder, self.sources)

    @property
    def include(self) -> Path:
        """The module's headers, precompiled for the plain build."""
        return self.folder / "include"

    @property
    def sanitized_include(self) -> Path:
        """The same for the sanitized build."""
        return self.folder / "include-sanitized"

    @property
    def objects(self) -> tuple[Path, ...]:
        """The module's own sources, to link with the student's."""
        return tuple(self.folder / f"{name}.o" for name in self.sources)

    @property
    def sanitized_objects(self) -> tuple[Path, ...]:
        """The same for the sanitized build, and the contract tests behind their frame."""
        names = ("harness", "contract", *(f"{name}-sanitized" for name in self.sources))
        return tuple(self.folder / f"{name}.o" for name in names)

    @property
    def tools(self) -> Path:
        """A folder with the module's tool programs; empty if it has none."""
        return self.folder / "tools"


def build_root() -> Path:
    """Where everything generated goes."""
    return ROOT / "build"


@cache
def package_flags(packages: tuple[str, ...], what: str) -> tuple[str, ...]:
    """What pkg-config says for `--cflags` or `--libs`."""
    command = ["pkg-config", what, *packages]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise GraderError("pkg-config is not installed: run make setup.") from None
    if done.returncode != 0:
        names = " ".join(packages)
        raise GraderError(f"The packages {names} are not all installed: run make setup.")
    return tuple(done.stdout.split())


def for_module(module: Module) -> Parts:
    """The parts of `module`, built now if anything they are made from has changed."""
    folder = _kept(_key(module), lambda target: _build(module, target))
    return Parts(folder, tuple(path.stem for path in module.sources))


def virtual_clock() -> Path:
    """The preloaded library of the virtual clock."""
    sources = sorted((CLIB / "vclock").glob("*.[ch]"))

    def build(target: Path) -> None:
        c_files = [str(path) for path in sources if path.suffix == ".c"]
        _compile([*CLOCK_FLAGS, *c_files, "-o", str(target / "vclock.so"), "-ldl"])

    return _kept(_digest(sources, CLOCK_FLAGS), build) / "vclock.so"


def _key(module: Module) -> str:
    inputs = [*_headers(module), *module.sources, *module.tools, *_tests(module)]
    inputs += sorted(module.folder.glob("tools/*.h"))
    inputs += sorted(CLIB.glob("harness.[ch]"))
    return _digest(inputs, (module.id, *module.packages, *BUILD_FLAGS, *SANITIZE_FLAGS))


def _digest(files: Iterable[Path], words: Iterable[str]) -> str:
    """A digest of the contents, the words and the compiler."""
    compiler = Path(shutil.which(CC) or _no_compiler()).resolve()
    digest = hashlib.sha256(f"{compiler} {compiler.stat().st_mtime_ns}".encode())
    for word in words:
        digest.update(word.encode() + b"\0")
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _no_compiler() -> str:
    raise GraderError(f"{CC} is not installed: run make setup.")


def _kept(key: str, build: Callable[[Path], None]) -> Path:
    """The folder of parts with this key; `build` fills a new one, which then takes its place."""
    kept = build_root() / "parts" / key
    if kept.is_dir():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="new-", dir=kept.parent))
    try:
        build(fresh)
        fresh.chmod(0o755)
        os.rename(fresh, kept)
    except OSError:
        if not kept.is_dir():  # otherwise another grade was faster, with the same result
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return kept


def _headers(module: Module) -> list[Path]:
    return sorted(module.folder.glob("*.h"))


def _tests(module: Module) -> list[Path]:
    return sorted(module.folder.glob("check_*.c"))


def _build(module: Module, target: Path) -> None:
    cflags = package_flags(module.packages, "--cflags")
    sanitize = SANITIZE_FLAGS
    _precompile(module, target / "include", [*BUILD_FLAGS, *cflags])
    _precompile(module, target / "include-sanitized", [*BUILD_FLAGS, *sanitize, *cflags])
    include = ["-I", str(CLIB), "-I", str(module.folder), *cflags]
    for source in module.sources:
        plain = [*PART_FLAGS, "-c", str(source), *include]
        _compile([*plain, "-o", str(target / f"{source.stem}.o")])
        _compile([*plain, *sanitize, "-o", str(target / f"{source.stem}-sanitized.o")])
    tests = {"contract": _tests(module)[0], "harness": CLIB / "harness.c"}
    for name, source in tests.items():
        check_flags = package_flags(("check",), "--cflags")
        flags = [*PART_FLAGS, *sanitize, *check_flags]
        _compile([*flags, "-c", str(source), *include, "-o", str(target / f"{name}.o")])
    (target / "tools").mkdir()
    for source in module.tools:
        libs = package_flags(module.packages, "--libs")
        program = target / "tools" / source.stem
        _compile([*PART_FLAGS, str(source), *include, "-o", str(program), *libs])


def _precompile(module: Module, folder: Path, flags: list[str]) -> None:
    """Copies the headers, and compiles them ahead: it halves the student's compile time."""
    folder.mkdir()
    copies = [folder / header.name for header in _headers(module)]
    for header, copy in zip(_headers(module), copies):
        shutil.copyfile(header, copy)
    for copy in copies:
        _compile([*flags, "-w", "-x", "c-header", str(copy), "-o", f"{copy}.gch"])


def _compile(arguments: list[str]) -> None:
    """Compiles a part of the course: an error is the author's or the installation's."""
    done = subprocess.run([CC, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr)
        raise GraderError(f"A part of the course does not compile (make setup?): {first}")
