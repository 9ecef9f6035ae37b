"""`make watch`: grades on every save, and does what a key press asks for.

    save or key -> grade -> brief report on the same screen

The exercise's folder is watched, not the file, because many editors replace the file.  A
save counts when the folder has been quiet for a moment, and only if the contents differ
from what was graded last: half a file is not worth a verdict.
"""

from __future__ import annotations

import io
import os
import re
import selectors
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from watchdog.observers import Observer

from grader import keyboard
from grader.keyboard import Keyboard
from grader.records import GraderError, GradeResult, Module
from grader.report import brief, text
from grader.report.terminal import Screen

SETTLE_S = 0.15  # how long the folder must be quiet before a save counts
PATIENCE_S = 1.0  # how long a missing or empty file may be a save that is under way
CHANGES = frozenset({"created", "modified", "moved", "deleted", "closed"})
KEYS = " g whole grade   h hint   l lesson   r reset   n next module   q quit"
KEY_ROWS = 3  # below the report: an empty line, the keys, the cursor


@dataclass(frozen=True)
class Commands:
    """What the keys do.  Each prints for itself, and raises GraderError if it cannot."""

    grade: Callable[[Module, bool], GradeResult]  # module, fast; prints nothing
    hint: Callable[[Module], object]
    reset: Callable[[Module], object]
    next_module: Callable[[Module], Module | None]  # None: this is the last one


def run(module: Module, commands: Commands, stream: TextIO, screen: Screen) -> None:
    """Watch until q, the end of the input, or Ctrl-C; the terminal is then as before.

    Raises:
        GraderError: the exercise's folder cannot be watched.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # an ASCII terminal shows a ? and goes on
    with ExitStack() as stack:
        keys = stack.enter_context(keyboard.opened())
        watcher = Watcher(module, commands, Face(stream, screen), keys)
        stack.callback(watcher.close)
        try:
            watcher.follow(module)
            watcher.loop()
        except KeyboardInterrupt:
            pass
        print(file=stream, flush=True)


# ---- the folder --------------------------------------------------------------------------


class Saves:
    """watchdog's handler: a byte in a pipe whenever something happens to the file."""

    def __init__(self, file: Path, pipe: int) -> None:
        self._name = file.name
        self._pipe = pipe

    def dispatch(self, event: Any) -> None:
        paths = (event.src_path, getattr(event, "dest_path", ""))
        if event.event_type in CHANGES and self._name in {os.path.basename(path) for path in paths}:
            try:
                os.write(self._pipe, b"s")
            except BlockingIOError:
                pass  # it is full of the same message


def contents(file: Path) -> bytes:
    """What is in the file; nothing if it is missing or cannot be read."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


# ---- the screen --------------------------------------------------------------------------


@dataclass(frozen=True)
class Face:
    """What the student sees, in a terminal that can clear its screen or in one that cannot."""

    stream: TextIO
    screen: Screen

    @property
    def clears(self) -> bool:
        """Whether the screen can be cleared, and a pager be shown."""
        return self.stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")

    def clear(self) -> None:
        self.say("\x1b[2J\x1b[H" if self.clears else "\n" + "-" * self.screen.width + "\n")

    def say(self, words: str) -> None:
        self.stream.write(words)
        self.stream.flush()

    def report(self, result: GradeResult, before: GradeResult | None, fast: bool) -> str:
        """One screen for a fast grade, the whole report for a whole one."""
        colour, width, unicode = self.screen.colour, self.screen.width, self.screen.unicode
        if not fast:
            return text.render(result, colour=colour, width=width, unicode=unicode)
        height = shutil.get_terminal_size((80, 24)).lines - KEY_ROWS
        size = {"width": width, "height": height}
        return brief.render(result, before, colour=colour, unicode=unicode, **size)


# ---- the loop ----------------------------------------------------------------------------


class Watcher:
    """What is known between two events: the module, and what was graded last."""

    def __init__(self, module: Module, commands: Commands, face: Face, keys: Keyboard) -> None:
        self._module = module
        self._commands = commands
        self._face = face
        self._keys = keys
        self._observer: Any = None
        self._result: GradeResult | None = None
        self._graded: bytes | None = None
        self._keep_screen = False  # what it says must be read before it goes
        self._saves, self._pipe = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def close(self) -> None:
        self._unfollow()
        os.close(self._saves)
        os.close(self._pipe)

    def follow(self, module: Module) -> None:
        """Watch this module's exercise from now on, and grade it."""
        self._unfollow()
        self._module, self._result = module, None
        observer: Any = Observer()  # type: ignore[no-untyped-call]  # watchdog has no types
        folder = module.exercise.parent
        try:
            observer.schedule(Saves(module.exercise, self._pipe), str(folder))
            observer.start()
        except OSError as error:
            raise GraderError(f"{folder} cannot be watched: {error.strerror}.") from error
        self._observer = observer
        self._grade(fast=True)

    def _unfollow(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def loop(self) -> None:
        """Wait for saves and keys until it is time to go."""
        # Not epoll: standard input may be a file.
        with selectors.PollSelector() as selector:
            selector.register(self._saves, selectors.EVENT_READ)
            selector.register(self._keys.fd, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if self._saves in ready and self._is_new():
                    self._grade(fast=True)
                while self._keys.fd in ready or self._keys.waiting:
                    ready.discard(self._keys.fd)
                    if not self._press(self._keys.key()):
                        return

    def _is_new(self) -> bool:
        """Whether there is something new to grade, once the folder is quiet."""
        began_s = time.monotonic()
        while True:
            while self._saved_within(SETTLE_S):
                pass
            now = contents(self._module.exercise)
            if now.strip() or time.monotonic() - began_s > PATIENCE_S:
                return now != self._graded

    def _saved_within(self, timeout_s: float) -> bool:
        with selectors.PollSelector() as selector:
            selector.register(self._saves, selectors.EVENT_READ)
            if not selector.select(timeout_s):
                return False
        os.read(self._saves, 4096)
        return True

    def _grade(self, fast: bool) -> None:
        self._graded = contents(self._module.exercise)
        if self._keep_screen:
            self._face.say("\n")
        else:
            self._face.clear()
        self._face.say(f"Grading module {self._module.id} ...\n")
        try:
            result = self._commands.grade(self._module, fast)
        except GraderError as error:
            self._face.say(f"grader: {error}\n")
        else:
            self._face.say("\n") if self._keep_screen else self._face.clear()
            self._face.say(self._face.report(result, self._result, fast))
            self._result = result
        self._keep_screen = False
        self._show_keys()

    def _show_keys(self) -> None:
        self._face.say(f"\n{KEYS}\n")

    # ---- keys ----

    def _press(self, key: str) -> bool:
        """Do what a key asks for; False if it is time to go."""
        actions = {
            "g": lambda: self._grade(fast=False),
            "h": lambda: self._print(self._commands.hint),
            "l": self._lesson,
            "r": self._reset,
            "n": self._next,
        }
        action = actions.get(key.lower())
        if action is not None:
            try:
                action()
            except GraderError as error:
                self._face.say(f"grader: {error}\n")
                self._show_keys()
        return key not in ("q", "Q", "\x04", "")

    def _print(self, command: Callable[[Module], object]) -> None:
        self._face.say("\n")
        command(self._module)
        self._show_keys()

    def _reset(self) -> None:
        self._face.say("\nPut the skeleton back? Your work is kept as a backup. y/n ")
        if self._keys.key() in ("y", "Y"):
            self._face.say("yes\n")
            self._keep_screen = True  # it says where the backup is
            self._print(self._commands.reset)
        else:
            self._face.say("no: nothing changed\n")
            self._show_keys()

    def _next(self) -> None:
        following = self._commands.next_module(self._module)
        if following is None:
            self._face.say("\nThis is the last module.\n")
            self._show_keys()
        else:
            self.follow(following)

    def _lesson(self) -> None:
        """Open the lesson in a pager, at the heading that fits the cause."""
        lesson = self._module.folder / "lesson.md"
        heading = ""
        if self._result is not None and self._result.diagnoses:
            heading = self._result.diagnoses[0].text.lesson
        pager = shlex.split(os.environ.get("PAGER", "")) or ["less"]
        if not self._face.clears or shutil.which(pager[0]) is None:
            where = f', "{heading}"' if heading else ""
            self._face.say(f"\nRead modules/{lesson.parent.name}/{lesson.name}{where}\n")
            self._show_keys()
            return
        if heading and Path(pager[0]).name == "less":
            pager.append("+/" + re.sub(r"[^\w ]", ".", heading))
        with keyboard.lent(self._keys):
            subprocess.run([*pager, str(lesson)], check=False)
        self._face.clear()
        if self._result is not None:
            self._face.say(self._face.report(self._result, None, True))
        self._show_keys()
