"""What the student has done so far: one small SQLite file, outside the verdict's way.

    report --GradeResult--> record        summary --Summary--> make list

A grade must never fail because its record could not be kept, so whatever goes wrong with
the file is told in a message.  A file that is no progress file any more is set aside under
another name, never deleted, and a new one is begun.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from grader.records import GradeResult, Module
from grader.report import reading

BUSY_S = 20.0  # how long to wait while another grade is being written
FORMAT = 1
SCHEMA = """
CREATE TABLE grades (
  number    INTEGER PRIMARY KEY,
  module    TEXT    NOT NULL,
  at_utc    TEXT    NOT NULL,
  score     INTEGER NOT NULL,
  max_score INTEGER NOT NULL,
  verdict   TEXT    NOT NULL
)
"""
Answer = TypeVar("Answer")


class _Unreadable(Exception):
    """The file is damaged, or is something else."""


@dataclass(frozen=True)
class Score:
    """One grade of one module."""

    score: int
    max_score: int
    at: datetime  # with its time zone


@dataclass(frozen=True)
class ModuleProgress:
    """How far the student is with one module; None: never graded."""

    module: Module
    best: Score | None
    last: Score | None

    @property
    def done(self) -> bool:
        """Whether it once had full marks."""
        return self.best is not None and self.best.score == self.best.max_score


@dataclass(frozen=True)
class Summary:
    """The whole course."""

    modules: tuple[ModuleProgress, ...]
    message: str = ""  # what was wrong with the file; "" if nothing

    @property
    def next_module(self) -> str:
        """The id of the first module without full marks; "" when all are done."""
        return next((row.module.id for row in self.modules if not row.done), "")


def record(result: GradeResult, database: Path, at: datetime | None = None) -> str:
    """Keep a grade of the student's own exercise; others, and grader's faults, are not kept.

    Args:
        at: when it was graded, with a time zone; now if None.

    Returns:
        what to tell the student about the file; "" if all is well.
    """
    submission = result.evidence.submission
    if not reading.is_exercise(submission) or result.verdict == "error":
        return ""
    moment = (at or datetime.now(timezone.utc)).astimezone(timezone.utc)
    row = (
        submission.module.id,
        moment.isoformat(timespec="seconds"),
        result.score,
        result.max_score,
        result.verdict,
    )

    def insert(connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO grades (module, at_utc, score, max_score, verdict) VALUES (?, ?, ?, ?, ?)",
            row,
        )

    _, message = _with_database(database, insert, None)
    return message


def summary(database: Path, modules: Sequence[Module]) -> Summary:
    """Best and last score of every module, in the order of the course."""
    rows: list[tuple[str, str, int, int]] = []
    message = ""
    if database.exists():
        rows, message = _with_database(database, _all_grades, rows)
    return Summary(tuple(_progress(module, rows) for module in modules), message)


def _all_grades(connection: sqlite3.Connection) -> list[tuple[str, str, int, int]]:
    query = "SELECT module, at_utc, score, max_score FROM grades ORDER BY number"
    return connection.execute(query).fetchall()


def _progress(module: Module, rows: list[tuple[str, str, int, int]]) -> ModuleProgress:
    scores = [
        Score(score, max_score, datetime.fromisoformat(at_utc))
        for module_id, at_utc, score, max_score in rows
        if module_id == module.id
    ]
    if not scores:
        return ModuleProgress(module, None, None)
    best = max(scores, key=lambda score: score.score / max(1, score.max_score))
    return ModuleProgress(module, best, scores[-1])


# ---- the file ----------------------------------------------------------------------------


def _with_database(
    database: Path, work: Callable[[sqlite3.Connection], Answer], otherwise: Answer
) -> tuple[Answer, str]:
    """Do `work` in one transaction; say in a message what was wrong with the file."""
    message = ""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _transaction(database, work), message
        except _Unreadable:
            message = _set_aside(database)
            return _transaction(database, work), message
    except (OSError, sqlite3.Error, _Unreadable) as error:
        return otherwise, f"Your progress could not be kept in {database}: {error}"


def _transaction(database: Path, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
    """Raises _Unreadable if the file is not ours, sqlite3.Error if it cannot be used."""
    with closing(sqlite3.connect(database, timeout=BUSY_S, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            _prepare(connection)
            answer = work(connection)
            connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise _Unreadable(str(error)) from error
            raise
    return answer


def _prepare(connection: sqlite3.Connection) -> None:
    """Begin a new file, or make sure that this one is ours and whole."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version == 0 and tables == 0:
        connection.execute(SCHEMA)
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    elif version != FORMAT:
        raise _Unreadable(f"it has format {version}, not {FORMAT}")
    elif connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise _Unreadable("it is damaged")


def _set_aside(database: Path) -> str:
    """Rename a file that cannot be read, once, however many grades meet it together."""
    with _locked(database.with_suffix(".lock")):
        try:
            _transaction(database, lambda connection: None)
        except _Unreadable:
            stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
            aside = database.with_name(f"{database.stem}-damaged-{stamp}{database.suffix}")
            database.rename(aside)
            # A journal left behind would be rolled back into the new file.
            journal = database.with_name(database.name + "-journal")
            journal.unlink(missing_ok=True)
            return f"Your progress file was damaged. It is now {aside}, and a new one is begun."
    return ""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
