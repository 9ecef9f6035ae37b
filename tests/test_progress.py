"""Progress: nothing is lost, whatever happens to the file or at the same time."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

import pytest
import report_samples as samples

from grader import progress
from grader.records import GradeResult, Module
from grader.report import course

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "build" / "progress.sqlite"


def modules() -> list[Module]:
    """Three modules, of which 0.5 is the second."""
    module = samples.module()
    return [replace(module, id=name, folder=module.folder.parent / name) for name in "048"]


def graded(
    module: Module, points: int, verdict: Literal["pass", "fail", "error"] = "fail"
) -> GradeResult:
    """A grade of the module's exercise with so many points of 100."""
    result = samples.passing()
    check = replace(result.checks[0], points=points, max_points=100)
    submission = replace(result.evidence.submission, module=module)
    evidence = replace(result.evidence, submission=submission)
    return replace(result, evidence=evidence, checks=(check,), verdict=verdict)


def test_best_and_last_score_are_kept(database: Path) -> None:
    """A worse grade later does not hide the better one."""
    module = modules()[0]
    for minutes, points in enumerate((10, 70, 40)):
        assert (
            progress.record(graded(module, points), database, NOON + timedelta(minutes=minutes))
            == ""
        )
    row = progress.summary(database, modules()).modules[0]
    assert row.best is not None and row.best.score == 70
    assert row.last is not None and (row.last.score, row.last.max_score) == (40, 100)
    assert row.last.at == NOON + timedelta(minutes=2)


def test_next_module_is_the_first_without_full_marks(database: Path) -> None:
    """Even if a later one was done already."""
    first, second, third = modules()
    assert progress.summary(database, modules()).next_module == first.id
    progress.record(graded(first, 100, "pass"), database)
    progress.record(graded(third, 100, "pass"), database)
    assert progress.summary(database, modules()).next_module == second.id
    progress.record(graded(second, 100, "pass"), database)
    assert progress.summary(database, modules()).next_module == ""


def test_grade_that_failed_is_no_grade(database: Path) -> None:
    """Neither the grader's faults nor other people's files count."""
    result = graded(modules()[0], 0, "error")
    assert progress.record(result, database) == ""
    submission = replace(result.evidence.submission, name="solutions/0.5-gather/experiments.c")
    reference = replace(
        result, verdict="pass", evidence=replace(result.evidence, submission=submission)
    )
    progress.record(reference, database)
    stranger = replace(submission, name=result.evidence.submission.name, own=False)
    other = replace(result, verdict="pass", evidence=replace(result.evidence, submission=stranger))
    progress.record(other, database)
    assert not database.exists()


def test_looking_leaves_no_file(database: Path) -> None:
    """`make list` before the first grade."""
    assert all(row.last is None for row in progress.summary(database, modules()).modules)
    assert not database.parent.exists()


WRITER = """
import sys
from pathlib import Path
from typing import Literal
sys.path[:0] = sys.argv[1:3]
import test_progress as t
for number in range(10):
    message = t.progress.record(t.graded(t.modules()[0], number), Path(sys.argv[3]))
    if message and "damaged" not in message:
        sys.exit(message)
"""


def write_together(database: Path, writers: int) -> None:
    """Start that many processes, each of which records ten grades."""
    paths = [str(samples.ROOT), str(samples.ROOT / "tests"), str(database)]
    running = [subprocess.Popen([sys.executable, "-c", WRITER, *paths]) for _ in range(writers)]
    assert [process.wait(timeout=120) for process in running] == [0] * writers


def count(database: Path) -> int:
    connection = sqlite3.connect(database)
    try:
        return int(connection.execute("SELECT count(*) FROM grades").fetchone()[0])
    finally:
        connection.close()


def test_grades_at_once_lose_nothing(database: Path) -> None:
    """Forty grades of four graders that begin with no file at all."""
    write_together(database, 4)
    assert count(database) == 40


def test_grades_at_once_on_a_damaged_file_lose_nothing(database: Path) -> None:
    """It is set aside once; what the others have written since then stays."""
    database.parent.mkdir()
    database.write_bytes(b"not a database, but long enough to look like one" * 40)
    write_together(database, 4)
    assert count(database) == 40
    assert len(list(database.parent.glob("*damaged*"))) == 1


def damaged(path: Path) -> bytes:
    """A real progress file with a hole in the middle."""
    for number in range(200):
        progress.record(graded(modules()[0], number % 100), path)
    content = bytearray(path.read_bytes())
    content[4096:6144] = b"\xff" * 2048
    return bytes(content)


@pytest.mark.parametrize("kind", ["text", "hole", "cut", "foreign"])
def test_damaged_file_is_set_aside_with_a_message(database: Path, kind: str) -> None:
    """Nothing is deleted, the grade is kept in a new file, and the student is told."""
    database.parent.mkdir()
    if kind == "text":
        database.write_bytes(b"hello\n" * 1000)
    elif kind == "foreign":
        connection = sqlite3.connect(database)
        connection.execute("CREATE TABLE grades (something)")
        connection.commit()
        connection.close()
    else:
        content = damaged(database)
        database.write_bytes(content if kind == "hole" else content[:5000])
    before = database.read_bytes()
    message = progress.record(graded(modules()[0], 50), database)
    (aside,) = database.parent.glob("*damaged*")
    assert aside.read_bytes() == before
    assert str(aside) in message and "\n" not in message
    assert count(database) == 1
    assert progress.record(graded(modules()[0], 60), database) == ""


def test_damage_found_by_list_is_told(database: Path) -> None:
    """Not only a grade opens the file."""
    database.parent.mkdir()
    database.write_bytes(b"hello\n" * 1000)
    summary = progress.summary(database, modules())
    assert "damaged" in summary.message
    assert "damaged" in course.render(summary, colour=False)


def test_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The grade itself is not lost with it."""
    (tmp_path / "build").write_text("a file where the folder should be")
    message = progress.record(graded(modules()[0], 50), tmp_path / "build" / "progress.sqlite")
    assert message.startswith("Your progress could not be kept in ")


def test_list_shows_scores_and_what_is_next(database: Path) -> None:
    """One line per module, then the commands to go on with."""
    first, second, _ = modules()
    progress.record(graded(first, 100, "pass"), database, NOON)
    progress.record(graded(second, 70), database, NOON)
    progress.record(graded(second, 40), database, NOON)
    text = course.render(progress.summary(database, modules()), colour=False)
    lines = text.splitlines()
    local = NOON.astimezone().strftime("%Y-%m-%d %H:%M")
    assert lines[1].split() == [
        "✓",
        "0",
        *first.title.split(),
        "60",
        "100/100",
        "100/100",
        *local.split(),
    ]
    assert lines[2].split() == [
        ">",
        "4",
        *second.title.split(),
        "60",
        "70/100",
        "40/100",
        *local.split(),
    ]
    assert lines[3].split() == ["8", *first.title.split(), "60"]
    assert "make grade MODULE=4" in text and "1 of 3 modules done." in text
    assert max(len(line) for line in lines) <= 80


def test_list_in_ascii(database: Path) -> None:
    progress.record(graded(modules()[0], 100, "pass"), database)
    text = course.render(progress.summary(database, modules()), colour=False, unicode=False)
    assert text.isascii() and " + " in text
