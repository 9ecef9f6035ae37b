"""A control group for one workspace: the backstop that counts memory and processes together.

    sandbox.Workspace --join files--> sandbox_launch (joins before it becomes the student's user)

Limits of a single process (rlimits) do not add up over a tree, and the run's own watch looks
only every few milliseconds; a control group can not be outrun.  Most ordinary users may not
make one: then there is none, the probe says so, and the other limits stand alone.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

MEMORY_BYTES = 2 << 30
PROCESSES = 512
PREFIX = "glib-workbook-"  # then the grader's process id, and something unique
MOUNT = Path("/sys/fs/cgroup")
REMOVE_TRIES, REMOVE_PAUSE_S = 200, 0.005  # the kernel takes a moment to bury the dead


@dataclass(frozen=True)
class Cgroup:
    """The directories of one group: one under version 2, one per controller under version 1."""

    directories: tuple[Path, ...]

    @property
    def join_files(self) -> tuple[Path, ...]:
        """Writing "0" to each of them moves the writer in."""
        return tuple(directory / "cgroup.procs" for directory in self.directories)

    def remove(self) -> None:
        """Kills what is still inside, and removes the group."""
        for directory in self.directories:
            for _ in range(REMOVE_TRIES):
                with contextlib.suppress(OSError):
                    directory.rmdir()
                    break
                _kill_all(directory)
                time.sleep(REMOVE_PAUSE_S)


def create_cgroup() -> Cgroup | None:
    """A new group below or beside the grader's own, or None where that is not allowed."""
    name = f"{PREFIX}{os.getpid()}-{os.urandom(16).hex()}"
    made: list[Path] = []
    for parent, limits in _parents():
        directory = parent / name
        try:
            directory.mkdir()
            made.append(directory)
            for file, value in limits.items():
                (directory / file).write_text(str(value))
        except OSError:
            Cgroup(tuple(made)).remove()
            return None
    return Cgroup(tuple(made)) if made else None


def remove_stale_cgroups() -> None:
    """Removes the groups of graders that were killed."""
    for parent, _ in _parents():
        if os.access(parent, os.W_OK):
            for directory in parent.glob(f"{PREFIX}*"):
                grader = directory.name.removeprefix(PREFIX).partition("-")[0]
                if not Path("/proc", grader).exists():
                    Cgroup((directory,)).remove()


def _parents() -> list[tuple[Path, dict[str, int]]]:
    """Where groups may be made, and which limits to write there."""
    own = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own.update({name: path.lstrip("/") for name in controllers.split(",")})
    memory, pids = MOUNT / "memory", MOUNT / "pids"
    if "memory" in own and "pids" in own:  # version 1
        return [
            (memory / own["memory"], {"memory.limit_in_bytes": MEMORY_BYTES}),
            (pids / own["pids"], {"pids.max": PROCESSES}),
        ]
    beside = (MOUNT / own.get("", "")).parent  # version 2: a group holds processes or groups
    with contextlib.suppress(OSError):
        if {"memory", "pids"} <= set((beside / "cgroup.subtree_control").read_text().split()):
            return [(beside, {"memory.max": MEMORY_BYTES, "pids.max": PROCESSES})]
    return []


def _kill_all(directory: Path) -> None:
    with contextlib.suppress(OSError):
        for pid in map(int, (directory / "cgroup.procs").read_text().split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
