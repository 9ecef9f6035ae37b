"""Grades every attack, and says what came of it: `make test-hostile`.

    run.py [--quick] [--fast] [--only TEXT] [--jobs N]

For each attack: was a mark gained, was a secret read, is anything left (processes, files,
shared memory, keys, control groups), is the grader alive and its message plain, is the next
submission graded right, and was it all done in time.  Exit status 1 if any answer is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os

import secrets

import signal
import socket
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from corpus import QUICK, REFERENCE, ROOT, Attack, attacks  # noqa: E402

from grader.plain_text import INVISIBLE, line  # noqa: E402

TIME_LIMIT_S = 200.0  # the limits of all runs of one grade, one after the other
DEATH_S = 3.0  # the kernel takes a moment to bury a namespace
SCENE = "hostile-scene-"
IPC_KEY = str(0x686F7374)
PLACES = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path("/run"), ROOT, ROOT / "build")


@dataclass(frozen=True)
class Scene:
    """What surrounds one grade: things to steal, and a place that must be empty afterwards."""

    submissions: Path
    temporary: Path
    home: Path
    placeholders: dict[str, str]
    secrets: tuple[str, ...]  # texts that must not turn up anywhere


@dataclass
class Outcome:
    """What came of one attack.  Everything but the numbers is empty when all is well."""

    attack: Attack
    score: str = "-"
    seconds: float = 0.0
    gained: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return [*self.gained, *self.read, *self.left, *self.dead, *self.unclear]


@dataclass(frozen=True)
class Grade:
    """What one call of the grader said."""

    pid: int
    status: int | None  # None: it had to be killed
    stdout: str
    stderr: str
    report: str  # the JSON, as it was written
    seen: str  # all that the programs put out
    seconds: float


@contextlib.contextmanager
def scene() -> Iterator[Scene]:
    """A fresh scene: a secret in the home, another in the environment, a neighbour's file."""
    with (
        tempfile.TemporaryDirectory(prefix=SCENE) as name,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        root = Path(name)
        root.chmod(0o755)  # the box's user passes through; what is worth stealing is readable
        tokens = [f"token{secrets.token_hex(8)}" for _ in range(3)]
        for folder in ("submissions", "temporary", "home"):
            (root / folder).mkdir()
        secret = root / "home" / "secret.txt"
        secret.write_text(f"{tokens[0]}\n")
        (root / "submissions" / "neighbour.c").write_text(f"/* {tokens[1]} */\n")
        yield Scene(
            root / "submissions",
            root / "temporary",
            root / "home",
            {
                "SECRET": str(secret),
                "CHECKOUT": str(ROOT),
                "PORT": str(server.getsockname()[1]),
                "TOKEN": tokens[2],
            },
            (*tokens, *_fingerprints()),
        )


def _fingerprints() -> list[str]:
    """The longest lines of the solution and of its tests: nobody else writes just these."""
    tests = sorted((ROOT / "modules" / "0.5-gather").glob("check_*.c"))
    return [max(path.read_text().split("\n"), key=len).strip() for path in (REFERENCE, *tests)]


def grade(where: Scene, words: Sequence[str]) -> Grade:
    """Runs `python3 -m grader grade` in the scene, with the window of grade_one.py."""
    report, seen = where.home / "report.json", where.home / "seen.txt"
    for path in (report, seen):
        path.unlink(missing_ok=True)
    program = [sys.executable, str(HERE / "grade_one.py"), str(seen)]
    start_s = time.monotonic()
    child = subprocess.Popen(
        [*program, "grade", "0.5", *words, "--json", str(report)],
        cwd=ROOT,
        env={
            **os.environ,
            "HOME": str(where.home),
            "TMPDIR": str(where.temporary),
            "HOSTILE_TOKEN": where.placeholders["TOKEN"],
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    status: int | None
    try:
        stdout, stderr = child.communicate(timeout=TIME_LIMIT_S)
        status = child.returncode
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        stdout, stderr = child.communicate()
        status = None
    return Grade(
        child.pid,
        status,
        stdout.decode("utf-8", "replace"),
        stderr.decode("utf-8", "replace"),
        _text(report),
        _text(seen),
        time.monotonic() - start_s,
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def try_attack(attack: Attack, *, fast: bool) -> Outcome:
    """Grades the attack, looks at what came of it, and grades the reference after it."""
    options = ["--fast"] if fast else []
    outcome = Outcome(attack)
    with scene() as where:
        target = attack.make(where.submissions, where.placeholders)
        done = grade(where, [*options, f"--file={target}"])
        outcome.seconds = done.seconds
        _check_verdict(outcome, done)
        outcome.read += _secrets_in(where, done)
        outcome.left += _left_behind(where, done)
        _check_message(outcome, done)
        after = grade(where, ["--solution", "--fast"])
        if after.status != 0:
            outcome.dead.append(f"the reference after it: {_short(after)}")
    return outcome


def _check_verdict(outcome: Outcome, done: Grade) -> None:
    expected = {"marks lost": 1, "harmless": 0, "refused": 2}[outcome.attack.expected]
    with contextlib.suppress(ValueError, KeyError, TypeError):
        verdict = json.loads(done.report)
        outcome.score = f"{verdict['score']}/{verdict['max_score']}"
        if outcome.attack.expected != "harmless" and verdict["score"] >= verdict["max_score"]:
            outcome.gained.append("full marks")
    if done.status is None:
        outcome.dead.append(f"no answer within {TIME_LIMIT_S:.0f} s")
    elif done.status == 0 and expected != 0:
        outcome.gained.append("exit status 0")
    elif done.status not in (0, 1, 2) or "Traceback" in done.stderr:
        outcome.dead.append(_short(done))
    elif done.status != expected:
        outcome.unclear.append(f"{outcome.attack.expected} was expected: {_short(done)}")


def _check_message(outcome: Outcome, done: Grade) -> None:
    for text in (done.stdout, done.stderr, done.report):
        odd = {c for c in text if unicodedata.category(c) in INVISIBLE} - {"\n"}
        if odd:
            outcome.unclear.append("in the report: " + " ".join(sorted(map(repr, odd)))[:60])
    if done.status == 2 and done.stderr.count("\n") != 1:
        outcome.unclear.append(f"not one line: {_short(done)}")
    if done.status == 1 and not done.stdout.strip():
        outcome.unclear.append("no report")


def _short(done: Grade) -> str:
    words = (done.stderr or done.stdout).strip().splitlines() or [""]
    return f"status {done.status}: {line(words[0], 160)}"


def _secrets_in(where: Scene, done: Grade) -> list[str]:
    everything = "\n".join((done.stdout, done.stderr, done.report, done.seen))
    found = [f"read: {secret[:40]}" for secret in where.secrets if secret in everything]
    loot = [text for text in done.seen.splitlines() if _is_loot(text)]
    return found + [line(text, 80) for text in loot[:3]]


def _is_loot(text: str) -> bool:
    """Not a line of the attack's own source that the compiler quotes."""
    return text.startswith("STOLEN") or "error: #error STOLEN" in text


def _left_behind(where: Scene, done: Grade) -> list[str]:
    end_s = time.monotonic() + DEATH_S
    while (left := [*_processes(where), *_groups(done.pid)]) and time.monotonic() < end_s:
        time.sleep(0.05)
    left += [f"file {path}" for path in where.temporary.rglob("*")]
    for place in PLACES:
        with contextlib.suppress(OSError):
            left += [f"file {path}" for path in place.glob("*hostile-left*")]
    for kind in ("shm", "sem", "msg"):
        table = _text(Path(f"/proc/sysvipc/{kind}")).splitlines()
        left += [f"System V {kind}" for row in table if row.split()[0] == IPC_KEY]
    left += ["a key" for row in _text(Path("/proc/keys")).splitlines() if "hostile-left" in row]
    return left


def _processes(where: Scene) -> list[str]:
    """All that still live in a box of this scene, or bear the corpus's name outside of any."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                name = (entry / "comm").read_text().strip()
                mounts = (entry / "mountinfo").read_text()
                escaped = name.startswith("hostile-left") and SCENE not in mounts
                if escaped or str(where.temporary) in mounts:
                    found.append(f"process {entry.name} ({line(name, 20)})")
    return found


def _groups(pid: int) -> list[str]:
    found = []
    for top in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")):
        with contextlib.suppress(OSError):
            found += [f"group {path}" for path in top.glob(f"**/glib-workbook-{pid}-*")]
    return found


# ---- The table -----------------------------------------------------------------------------


def print_head() -> None:
    print(f"{'attack':<28} {'expected':<10} {'score':>7} {'time':>6}  what it tried")


def print_outcome(outcome: Outcome) -> None:
    """One line, and one for each thing that went wrong."""
    attack = outcome.attack
    mark = "FAILED " if outcome.problems else ""
    print(
        f"{Path(attack.name).stem:<28} {attack.expected:<10} {outcome.score:>7} "
        f"{outcome.seconds:5.1f}s  {mark}{attack.what}"
    )
    for problem in outcome.problems:
        print(f"{'':<28} ! {problem}")
    sys.stdout.flush()


def print_sums(outcomes: Sequence[Outcome]) -> None:
    """The numbers that must be 0."""
    sums = {
        "marks gained": sum(bool(outcome.gained) for outcome in outcomes),
        "secrets read": sum(bool(outcome.read) for outcome in outcomes),
        "processes and files left": sum(bool(outcome.left) for outcome in outcomes),
        "graders dead": sum(bool(outcome.dead) for outcome in outcomes),
        "messages unclear": sum(bool(outcome.unclear) for outcome in outcomes),
    }
    longest = max((outcome.seconds for outcome in outcomes), default=0.0)
    print()
    print(f"{len(outcomes)} attacks; " + "; ".join(f"{name} {n}" for name, n in sums.items()))
    print(f"longest grade {longest:.1f} s (limit {TIME_LIMIT_S:.0f} s)")


def choose(only: str, quick: bool) -> list[Attack]:
    """The attacks to run."""
    return [
        attack
        for attack in attacks()
        if only in attack.name and (not quick or attack.name in QUICK)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a dozen of them")
    parser.add_argument("--fast", action="store_true", help="without the wall-clock run")
    parser.add_argument("--only", default="", help="only names that contain this")
    parser.add_argument("--jobs", type=int, default=2)
    words = parser.parse_args()
    chosen = choose(words.only, words.quick)
    outcomes = []
    print_head()
    with ThreadPoolExecutor(words.jobs) as pool:
        for outcome in pool.map(lambda attack: try_attack(attack, fast=words.fast), chosen):
            outcomes.append(outcome)
            print_outcome(outcome)
    print_sums(outcomes)
    return int(any(outcome.problems for outcome in outcomes))


if __name__ == "__main__":
    raise SystemExit(main())
