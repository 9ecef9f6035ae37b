"""Runs each of the virtual clock's own test programs again and again: always the same?

    python3 tools/soak.py [--runs 10000] [NAME...]

A program of tests/clock_programs/ is compared with its own first run: the lines with their
times, the waits of the main thread, how it ended, and whether the clock was exact.  Those that
evade the clock on purpose, wait for the outside or run into a limit are left out: they go on
in real time.
Exit status 1 if any run differed or hung.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from grader.execute import Command, Limits, NoBox, run_on_virtual_clock  # noqa: E402
from grader.parts import BUILD_FLAGS, package_flags, virtual_clock  # noqa: E402

PROGRAMS = ROOT / "tests" / "clock_programs"
IN_REAL_TIME = set(
    "endless fifo first_thread_leaves flag leak meddle own_clock raw_syscall".split()
)
HUNG_S = 60.0


class Quiet(NoBox):
    """Without the look at all processes of the machine after each run."""

    contains = True


@dataclass(frozen=True)
class Outcome:
    """What became of all runs of one program."""

    name: str
    runs: int
    differing: int
    hung: int
    first_difference: str


def compile_program(source: Path, target: Path) -> None:
    """As the grader compiles a student's."""
    packages = ("gio-2.0", "check")
    libs = [*package_flags(packages, "--libs"), "-pthread"]
    flags = [*BUILD_FLAGS, "-w", *package_flags(packages, "--cflags")]
    subprocess.run(["gcc", *flags, str(source), "-o", str(target), *libs], check=True)


def run_once(program: Path) -> tuple[bool, str]:
    """Whether it hung, and all that must be the same in each run."""
    limits = Limits(wall_s=HUNG_S, cpu_s=20.0)
    command = Command((str(program),), program.parent, {"PATH": os.defpath})
    run = run_on_virtual_clock(
        command, limits, box=Quiet(), vclock=virtual_clock(), source_name=f"{program.name}.c"
    )
    seen = [f"{line.time_s:.9f} {line.text}" for line in (*run.stdout, *run.stderr)]
    trace = [str(wait) for wait in run.waits if wait.thread == 0]  # not GLib's own threads
    end = f"{run.exit} {run.elapsed_s:.9f} {run.exactness} {run.reason} {run.loops_alive}"
    return run.exit.stopped == "wall limit", "\n".join([*seen, *trace, end])


def soak(program: Path, runs: int) -> Outcome:
    """Compares all runs with the first."""
    _, expected = run_once(program)
    differing, hung, difference = 0, 0, ""
    for _ in range(runs - 1):
        stuck, seen = run_once(program)
        hung += stuck
        if seen != expected:
            differing += 1
            difference = difference or seen
    return Outcome(program.name, runs, differing, hung, difference)


def main() -> int:
    """Prints one line a program."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("names", nargs="*", help="programs; all if none is named")
    words = parser.parse_args()
    names = words.names or sorted({path.stem for path in PROGRAMS.glob("*.c")} - IN_REAL_TIME)
    wrong = 0
    start_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(os.cpu_count()) as pool:
        programs = [Path(folder) / name for name in names]
        for program in programs:
            compile_program(PROGRAMS / f"{program.name}.c", program)
        for done in pool.map(soak, programs, [words.runs] * len(programs)):
            print(f"{done.name:26} {done.runs:6} runs, {done.differing} differ, {done.hung} hang")
            if done.first_difference:
                print("    " + done.first_difference.replace("\n", "\n    "))
            wrong += done.differing + done.hung
            sys.stdout.flush()
    print(f"{wrong} runs were not like the first, in {time.monotonic() - start_s:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
