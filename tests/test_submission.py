"""Submissions: whatever is wrong with a file is one line that says what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evidence import GATHER
from grader import submission
from grader.records import GraderError


def refused(path: Path) -> str:
    """The line that is said about `path`."""
    with pytest.raises(GraderError) as caught:
        submission.read(GATHER, path)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_the_exercise_is_ones_own() -> None:
    """Without a file, the exercise of this checkout."""
    work = submission.read(GATHER)
    assert (work.name, work.own) == ("exercises/0.5-gather/experiments.c", True)


def test_another_file_is_a_strangers(tmp_path: Path) -> None:
    """A path outside the checkout."""
    path = tmp_path / "theirs.c"
    path.write_text("int main (void) { return 0; }\n")
    work = submission.read(GATHER, path)
    assert (work.name, work.own, work.first_line) == (str(path), False, 1)


def test_a_byte_order_mark_is_forgiven(tmp_path: Path) -> None:
    """Some editors write one."""
    path = tmp_path / "theirs.c"
    path.write_bytes(b"\xef\xbb\xbfint x;\n")
    assert submission.read(GATHER, path).source == "int x;\n"


def test_files_that_cannot_be_graded(tmp_path: Path) -> None:
    """Missing, empty, directory, FIFO, binary, not UTF-8, too large, wrong kind."""
    names = ("empty", "nul", "latin", "large")
    contents = (b" \n", b"int\0", b"int x;\n// \xe4\n", b"x" * (submission.MAX_BYTES + 1))
    for name, content in zip(names, contents):
        (tmp_path / f"{name}.c").write_bytes(content)
    os.mkfifo(tmp_path / "fifo.c")
    (tmp_path / "a.out").write_bytes(b"x")
    expected = {
        "missing.c": "does not exist",
        "empty.c": "is empty",
        "nul.c": "NUL bytes",
        "latin.c": r"not UTF-8 (line 2)",
        "large.c": "larger than 1 MiB",
        "fifo.c": "not a regular file",
        "a.out": "neither a .c nor a .md",
        ".": "is a directory",
    }
    for name, words in expected.items():
        assert words in refused(tmp_path / name)
