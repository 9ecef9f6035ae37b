"""Standard input, key by key; the terminal is given back however the program ends.

Used by watch.py.  Where standard input is no terminal, its characters are the keys.
"""

from __future__ import annotations

import codecs
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Keyboard:
    """The keys of one terminal."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._before = termios.tcgetattr(fd) if os.isatty(fd) else None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ahead = ""

    def single_keys(self) -> None:
        """From now on each key counts at once, and is not echoed."""
        if self._before is not None:
            tty.setcbreak(self.fd, termios.TCSANOW)

    def restore(self) -> None:
        """The terminal as it was."""
        if self._before is not None:
            termios.tcsetattr(self.fd, termios.TCSADRAIN, self._before)

    @property
    def waiting(self) -> bool:
        """Whether keys were pressed ahead that nobody has looked at yet."""
        return bool(self._ahead)

    def key(self) -> str:
        """The next key, waited for if need be; "" if none will come."""
        while not self._ahead:
            try:
                data = os.read(self.fd, 1024)
            except OSError:  # the terminal has been closed
                return ""
            if not data:
                return ""
            self._ahead = self._decoder.decode(data)
        key, self._ahead = self._ahead[0], self._ahead[1:]
        return key


@contextmanager
def opened() -> Iterator[Keyboard]:
    """Standard input as a keyboard, until the block ends, be it by a signal."""
    keyboard = Keyboard(sys.stdin.fileno())

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def resume(number: int, frame: FrameType | None) -> None:
        keyboard.single_keys()  # after Ctrl-Z: the shell has set the terminal its own way

    handlers = {signal.SIGTERM: leave, signal.SIGHUP: leave, signal.SIGCONT: resume}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        keyboard.single_keys()
        yield keyboard
    finally:
        keyboard.restore()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def lent(keyboard: Keyboard) -> Iterator[None]:
    """The terminal as another program expects it; Ctrl-C is for that program alone."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    keyboard.restore()
    try:
        yield
    finally:
        keyboard.single_keys()
        signal.signal(signal.SIGINT, before)
