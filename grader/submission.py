"""What a student handed in, read with care: the second hop of a grade.

A submission is the exercise in this checkout, or any `.c` or `.md` file.  Whatever is
wrong with the file is one line that says what to do, a GraderError.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from grader import plain_text
from grader.catalog import ROOT
from grader.records import GraderError, Module, Submission

MAX_BYTES = 1 << 20


def read(module: Module, path: Path | None = None) -> Submission:
    """The submission at `path`, or the exercise of `module` if `path` is None.

    Raises:
        GraderError: it is missing, empty, too large, a link, no regular file, or not UTF-8.
    """
    own = path is None or _is_in_checkout(path)
    file = path or module.exercise
    text = _read_text(file, follow=path is None)
    name = _shown_name(file)
    if file.suffix.lower() in (".md", ".markdown"):
        from grader import markdown  # late: few submissions are Markdown

        block = markdown.read_submission(text)
        return Submission(
            module,
            name,
            block.code,
            own=False,
            first_line=block.first_line,
            claimed_output=block.claimed_output,
            altered=markdown.altered(text),
        )
    if file.suffix != ".c":
        raise GraderError(f"{name} is neither a .c nor a .md file: hand in one of these.")
    return Submission(module, name, text, own)


def _is_in_checkout(path: Path) -> bool:
    """Whether the file is part of the course's own checkout: an exercise or a solution."""
    resolved = path.resolve()
    own_folders = (ROOT / "exercises", ROOT / "solutions", ROOT / "modules")
    return any(resolved.is_relative_to(folder) for folder in own_folders)


def _shown_name(path: Path) -> str:
    resolved = path.resolve()
    name = str(resolved.relative_to(ROOT)) if resolved.is_relative_to(ROOT) else str(path)
    return plain_text.from_bytes(os.fsencode(name))  # a file name need not be UTF-8


def _read_text(path: Path, *, follow: bool) -> str:
    name = _shown_name(path)
    try:
        # O_NONBLOCK: a FIFO in place of a file must not stop the grader.  O_NOFOLLOW: a link
        # that was handed in may lead to what the compiler must not quote.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise GraderError(f"{name} does not exist: check the path.") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise GraderError(f"{name} is a link: name the file that it leads to.") from None
        raise GraderError(f"{name} cannot be read: {error.strerror}.") from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise GraderError(f"{name} is a directory: name the .c or .md file in it.")
        raise GraderError(f"{name} is not a regular file: hand in a .c or .md file.")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    return _decode(content, name)


def _decode(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise GraderError(f"{name} is larger than {MAX_BYTES >> 20} MiB: hand in the source only.")
    if not content.strip():
        raise GraderError(f"{name} is empty: there is nothing to grade yet.")
    if b"\0" in content:
        raise GraderError(f"{name} contains NUL bytes: it is not a text file.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise GraderError(f"{name} is not UTF-8 (line {line}): save it as UTF-8.") from None
