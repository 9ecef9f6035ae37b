"""The frame of the contract tests, on tests of its own (harness_tests.c)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.build import HARNESS_WRAPS
from grader.execute import Command, NoBox, run_on_virtual_clock
from grader.observe import TESTS, split_tests
from grader.parts import CLIB, SANITIZE_FLAGS, package_flags, virtual_clock
from grader.records import Scenario, TestRun

SOURCE = Path(__file__).parent / "harness_tests.c"
NONCE = "c0ffee"
PACKAGES = ("gio-2.0", "check")

RunTests = Callable[..., dict[str, TestRun]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """harness_tests.c and the frame, as build.py builds a student's program and the frame."""
    target = tmp_path_factory.mktemp("harness") / "tests"
    flags = ["-std=gnu11", "-w", f"-I{CLIB}", *SANITIZE_FLAGS, *HARNESS_WRAPS]
    packages = [package_flags(PACKAGES, what) for what in ("--cflags", "--libs")]
    sources = [str(SOURCE), str(CLIB / "harness.c")]
    command = ["gcc", *flags, *packages[0], *sources, "-o", str(target), *packages[1]]
    subprocess.run(command, check=True)
    return target


@pytest.fixture
def run(program: Path) -> RunTests:
    """Runs some of the tests, in the order of harness_tests.c."""

    def run_tests(*names: str, alone: bool = False) -> dict[str, TestRun]:
        given = [f"nonce {NONCE}", *(["alone"] if alone else []), *(f"test {n}" for n in names)]
        environment = {"PATH": os.defpath, "CONTRACT_TESTS": "1"}
        stdin = "".join(f"{line}\n" for line in given).encode()
        run = run_on_virtual_clock(
            Command((str(program),), program.parent, environment, stdin),
            TESTS,
            box=NoBox(),
            vclock=virtual_clock(),
            source_name=SOURCE.name,
            first_process=1,
        )
        return {one.name: one for one in split_tests(run, tuple(map(Scenario, names)), NONCE)}

    return run_tests


def test_tests_share_a_process_while_they_pass(run: RunTests) -> None:
    tests = run("passes", "is_prepared", "lends", "lends_again")
    assert [one.status for one in tests.values()] == ["pass"] * 4
    assert [one.fresh for one in tests.values()] == [True, False, False, False]


def test_each_has_its_own_process_if_that_is_asked_for(run: RunTests) -> None:
    tests = run("passes", "is_prepared", "lends", alone=True)
    assert [(one.status, one.fresh) for one in tests.values()] == [("pass", True)] * 3


def test_what_fails_behind_others_runs_again_without_them(run: RunTests) -> None:
    """Neither the failure nor what it had noted before counts."""
    tests = run("passes", "is_confused_by_others", "is_quiet")
    confused = tests["is_confused_by_others"]
    assert (confused.status, confused.fresh, confused.died) == ("pass", True, False)
    assert tests["is_quiet"].status == "pass"


@pytest.mark.parametrize(
    ("name", "diagnosis", "message"),
    [
        ("fails", "wrong-unit", "it always does"),
        ("crashes", "", "Received signal 9 (Killed)"),
        ("leaves", "", "Passed"),  # Check believes it; that its end is missing counts
    ],
)
def test_a_failure_is_of_one_test_only(
    run: RunTests, name: str, diagnosis: str, message: str
) -> None:
    tests = run("passes", name, "is_quiet", "lends")
    failed = tests.pop(name)
    assert (failed.status, failed.fresh) == ("fail", True)
    assert (failed.diagnosis, failed.message) == (diagnosis, message)
    assert [one.status for one in tests.values()] == ["pass"] * 3


def test_some_tests_are_always_alone(run: RunTests) -> None:
    tests = run("passes", "wants_to_be_alone")
    assert [(one.status, one.fresh) for one in tests.values()] == [("pass", True)] * 2


def test_a_quiet_test_silences_no_other(run: RunTests) -> None:
    """Lines belong to the test that printed them."""
    tests = run("passes", "is_quiet", "lends")
    assert [line.text for line in tests["passes"].stdout] == ["1 in this process"]
    assert tests["is_quiet"].stdout == tests["lends"].stdout == ()
