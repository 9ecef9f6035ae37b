"""Submissions that mean no good, graded by the whole grader in its sandbox.

The quick part always runs: one attack for each kind of wall, without the wall clock.  All of
them, with it, take some minutes: `make test-hostile`, or pytest with `-m hostile`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from grader import sandbox
from grader.parts import build_root

sys.path.insert(0, str(Path(__file__).resolve().parent / "hostile"))

import corpus  # noqa: E402
import run  # noqa: E402

ATTACKS = {attack.name: attack for attack in corpus.attacks()}


@pytest.fixture(scope="module", autouse=True)
def walls() -> None:
    """Nothing of the corpus ever runs without walls."""
    found = sandbox.probe(build_root() / "sandbox")
    if not found.holds_strangers:
        pytest.skip(f"no sandbox here: {found.reason}")


@pytest.mark.parametrize("name", corpus.QUICK)
def test_quick_attack_gains_nothing(name: str) -> None:
    assert run.try_attack(ATTACKS[name], fast=True).problems == []


@pytest.mark.hostile
@pytest.mark.parametrize("name", ATTACKS)
def test_attack_gains_nothing(name: str) -> None:
    assert run.try_attack(ATTACKS[name], fast=False).problems == []


def test_every_kind_of_attack_is_in_the_corpus() -> None:
    """The numbers of docs/security.md: 1 to 65 of the published list, less those it excludes."""
    numbers = {int("".join(filter(str.isdigit, attack.number))) for attack in ATTACKS.values()}
    assert set(range(1, 66)) - {56} <= numbers
