"""The benchmark's pure parts: verdicts, counts, where a quota can be had, tables.

What it measures is not tested here: no test depends on time.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from math import isnan
from pathlib import Path
from types import ModuleType

import pytest

from grader import catalog, submission
from grader.records import GraderError, Submission

ROOT = Path(__file__).resolve().parent.parent


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench", ROOT / "tools" / "bench.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench"] = module  # where dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


bench = _load()


def _verdict(status: int = 0, verdict: str = "pass", score: int = 100, took_s: float = 0.5):
    return bench.Verdict(status, verdict, score, (), 3.0, took_s)


def _reference() -> Submission:
    module = catalog.find("0.5")
    return submission.read(module, module.solution)


def _told(status: int, **changes: object) -> bench.Ended:  # type: ignore[name-defined]
    told = {
        "verdict": "pass",
        "score": 100,
        "elapsed": {"virtual_s": 3.0},
        "checks": [{"id": "console", "status": "pass"}],
    }
    return bench.Ended(status, json.dumps(told | changes), 0.5)


# ---- Verdicts ----


def test_full_marks_are_the_right_verdict() -> None:
    one = bench.read_verdict(_told(0))
    assert one.right
    assert (one.virtual_s, one.took_s) == (3.0, 0.5)


def test_marks_lost_change_the_verdict_and_name_the_check() -> None:
    checks = [{"id": "console", "status": "pass"}, {"id": "elapsed", "status": "fail"}]
    one = bench.read_verdict(_told(1, verdict="fail", score=75, checks=checks))
    assert not one.right
    assert one.failed == ("elapsed",)


@pytest.mark.parametrize("status", [1, 2, -1])
def test_a_grade_without_a_report_goes_by_its_status(status: int) -> None:
    assert not bench.read_verdict(bench.Ended(status, "", 0.5)).right
    assert bench.read_verdict(bench.Ended(0, "Full marks", 0.5)).right


def test_a_pass_with_a_wrong_status_or_score_counts_as_changed() -> None:
    grades = [_verdict(), _verdict(status=2), _verdict(score=99), _verdict(verdict="error")]
    assert bench.changed(grades) == 3


def test_a_plain_check_fails_what_is_beyond_its_tolerance_on_either_side() -> None:
    elapsed_s = [3.0, 3.25, 2.75, 3.75]
    assert bench.failing(elapsed_s, 0.2) == 3
    assert bench.failing(elapsed_s, 0.5) == 1


# ---- A CPU quota ----


def test_version_1_makes_its_group_below_ones_own(tmp_path: Path) -> None:
    (tmp_path / "cpuacct").mkdir()
    (tmp_path / "cpu,cpuacct").mkdir()
    own = "2:cpu,cpuacct:/job/7\n1:memory:/other\n0::/\n"
    assert bench.cgroup_parents(tmp_path, own) == [(tmp_path / "cpu,cpuacct" / "job/7", 1)]


def test_version_2_makes_its_group_beside_ones_own(tmp_path: Path) -> None:
    assert bench.cgroup_parents(tmp_path, "0::/user/me.scope\n") == [(tmp_path / "user", 2)]
    assert bench.cgroup_parents(tmp_path, "0::/\n") == [(tmp_path, 2)]


def test_no_controller_means_no_quota(tmp_path: Path) -> None:
    assert bench.cgroup_parents(tmp_path, "1:memory:/\n") == []
    assert bench.cgroup_parents(tmp_path, "1:cpu:/\n") == []


@pytest.mark.parametrize(
    ("version", "file", "text", "join"),
    [
        (1, "cpu.cfs_quota_us", "20000", "cgroup.procs"),
        (2, "cpu.max", "20000 100000", "inner/cgroup.procs"),
    ],
)
def test_a_quota_is_a_share_of_one_core(
    tmp_path: Path, version: int, file: str, text: str, join: str
) -> None:
    group = tmp_path / "group"
    assert bench.make_group(group, version, 20) == group / join
    assert (group / file).read_text() == text


def test_a_group_is_removed_with_the_groups_in_it(tmp_path: Path) -> None:
    (tmp_path / "group" / "inner" / "box").mkdir(parents=True)
    bench.remove_group(tmp_path / "group")
    assert list(tmp_path.iterdir()) == []


def test_only_groups_of_benchmarks_that_are_gone_are_stale(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    for pid in (gone.pid, os.getpid()):
        (tmp_path / f"{bench.GROUP_NAME}-{pid}-0").mkdir()
    bench.remove_stale(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{bench.GROUP_NAME}-{os.getpid()}-0"]


def test_a_program_joins_its_groups_before_it_starts(tmp_path: Path) -> None:
    files = [tmp_path / "one procs", tmp_path / "two"]
    argv = bench.grouped(["cat", *map(str, files)], files)
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "0\n0\n"


def test_a_program_that_can_not_join_does_not_run(tmp_path: Path) -> None:
    argv = bench.grouped(["echo", "ran"], [tmp_path / "missing" / "procs"])
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode != 0, done.stdout) == (True, "")


# ---- How much, and of what ----


def test_a_slow_condition_is_measured_less_often_but_is_measured() -> None:
    less = bench.less_often(bench.FULL, 10)
    assert (less.fast, less.whole, less.plain) == (100, 10, bench.FULL.plain)
    assert bench.less_often(bench.USUAL, 10).fast == 1


def test_a_thousand_experiments_bring_their_own_main() -> None:
    source = bench.a_thousand(_reference()).source
    assert source.count("\nmain (void)") == 1
    assert source.index("gather_experiments (const") < source.index("N_EXPERIMENTS")


def test_a_reference_without_main_is_a_fault() -> None:
    with pytest.raises(GraderError):
        bench.a_thousand(replace(_reference(), source="int x;"))


# ---- The tables ----


def _measured() -> bench.Measured:  # type: ignore[name-defined]
    return bench.Measured(
        [("cores", "2")],
        hand_s=[3.1, 3.2, 3.3],
        compile_s=[0.15, 0.15, 0.15],
        whole=[_verdict(took_s=3.2)] * 3,
        fast=[_verdict(took_s=0.5)] * 3,
        flakes=[
            bench.Flakes("calm", fast=[_verdict()] * 4, plain_s={"reference": [3.0, 3.3]}),
            bench.Flakes("quota", unavailable="not here"),
        ],
        virtual_s=[3.0] * 5,
        outputs=1,
        thousand_s=[0.4],
        thousand_virtual_s=[3600.0],
    )


def test_all_goals_are_reached_by_these_numbers() -> None:
    text = bench.goals_table(_measured())
    assert "| 1.00 |" in text and "| 3.3 |" in text and "0 of 4" in text
    assert "**no**" not in text


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("whole", [_verdict(took_s=3.6)]),
        ("fast", [_verdict(took_s=0.8)]),
        ("compile_s", [0.08]),
        ("flakes", [bench.Flakes("calm", fast=[_verdict(status=2)])]),
        ("virtual_s", [3.0, 3.000000001]),
        ("outputs", 2),
        ("thousand_s", [0.5]),
    ],
)
def test_a_goal_that_is_missed_says_so(what: str, value: object) -> None:
    measured = _measured()
    setattr(measured, what, value)
    assert bench.goals_table(measured).count("**no**") == 1


def test_a_grade_whose_virtual_time_is_off_misses_a_goal() -> None:
    measured = _measured()
    measured.flakes[0].fast[0] = replace(_verdict(), virtual_s=2.999)
    assert "3 of 4 (75 %) grades | **no** |" in bench.goals_table(measured)


def test_what_is_not_known_yet_is_left_out() -> None:
    text = bench.render(bench.Measured([("cores", "2")]))
    assert "| cores | 2 |" in text
    assert "fast" not in text


def test_the_tables_tell_what_could_not_be_had_and_what_went_wrong() -> None:
    measured = _measured()
    wrong = bench.Verdict(1, "fail", 80, ("elapsed",), 3.0, 0.5)
    measured.flakes[0].fast.append(wrong)
    text = bench.render(measured)
    assert "- quota: not here" in text
    assert "- calm: fail, status 1 (elapsed): 1 times" in text
    assert "1 of 5 (20 %)" in text


def test_the_picture_shows_wrong_verdicts_in_per_cent() -> None:
    bars = bench.wrong_percent(_measured().flakes[:1])
    assert bars["this grader"] == [0.0]
    assert bars["plain ±0.2 s: reference"] == [50.0]
    assert isnan(bars["plain ±0.2 s: valgrind"][0])  # it was not run


def test_a_run_takes_the_place_of_the_one_quoted_before() -> None:
    page = f"before\n{bench.BEGIN}\nold\n{bench.END}\nafter\n"
    once = bench.quote(page, "new\n")
    assert once == f"before\n{bench.BEGIN}\n\nnew\n\n{bench.END}\nafter\n"
    assert bench.quote(once, "new") == once


def test_a_page_without_marks_is_a_fault() -> None:
    with pytest.raises(ValueError):
        bench.quote("nothing here", "new")


def test_the_page_has_a_place_for_the_run() -> None:
    page = (ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8")
    assert "new" in bench.quote(page, "new")
