"""The terminal report: what a reader finds in it, at which width, in which alphabet."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
import report_samples as samples

from grader.records import Bar, Exit, GradeResult
from grader.report import picture, terminal, text

SGR = re.compile(r"\x1b\[[0-9;]*m")


def render(result: GradeResult, width: int = 80, unicode: bool = True, following: str = "") -> str:
    return text.render(result, colour=False, width=width, unicode=unicode, next_module=following)


def test_root_cause_is_told_once_in_four_parts() -> None:
    """What, evidence with the student's line, why with the heading, what to try."""
    report = " ".join(render(samples.blocking()).split())
    diagnosis = samples.blocking().diagnoses[0]
    for part in (diagnosis.text.title, diagnosis.text.why, diagnosis.text.next):
        assert report.count(part) == 1
    assert "1.000 s, 2.000 s and 3.000 s" in report
    assert "line 7 g_usleep (seconds * G_USEC_PER_SEC);" in report
    assert "“Never wait inside a callback” in modules/0.5-gather/lesson.md" in report


def test_checks_that_follow_from_the_root_cause_are_folded() -> None:
    """Their own messages would only repeat it; a check with another cause keeps its own."""
    report = render(samples.blocking())
    assert "expected 2.7 s to 3.8 s" not in report
    assert len(re.findall("^ ↳ FAIL ", report, re.MULTILINE)) == 2
    assert report.count("follows from the cause below") == 1
    assert "48 bytes leaked in 3 blocks" in report


def test_remark_that_many_checks_share_is_made_once() -> None:
    """Below the list; one that a single check has stands under that check."""
    result = samples.blocking()
    skipped = replace(result.checks[4], message="Not judged yet.")
    lines = render(replace(result, checks=(*result.checks[:4], skipped, skipped))).splitlines()
    assert [line.split() for line in lines].count(["–", "Not", "judged", "yet."]) == 1
    lines = render(replace(result, checks=(skipped, *result.checks[:1]))).splitlines()
    assert lines[4].strip() == "Not judged yet."


def test_every_check_stands_with_status_and_points() -> None:
    """In words, not in colour alone."""
    report = render(samples.blocking())
    for word, title, points in (
        ("ok", "Compiles without warnings", "10/10"),
        ("FAIL", "Takes about 3 s, not 6 s", "0/25"),
        ("skip", "Works for experiments it has never seen", "0/30"),
    ):
        assert re.search(rf"{word} +{re.escape(title)} +{points}$", report, re.MULTILINE)


def test_timeline_shows_seen_above_expected_and_the_blocked_loop() -> None:
    """The bars are as long as the times that they stand for."""
    lines = render(samples.blocking()).splitlines()
    row = next(index for index, line in enumerate(lines) if line.startswith(" exp_medium"))
    seen, expected = lines[row], lines[row + 1]
    assert seen.count("█") == expected.count("─") == 18
    assert seen.index("█") == 15 + 9 and expected.index("─") == 15
    loop = next(line for line in lines if line.startswith(" main loop"))
    assert loop.count("▓") == 54 and "6.00 s" in loop


def test_saving_is_told() -> None:
    """Three seconds, not six: the sentence that the course is about."""
    assert "3.00 s (expected 3 s), one after another 6 s: 2.0× as fast" in render(samples.passing())
    assert "no time saved" in render(samples.blocking())


def test_idle_is_told_apart_from_blocked() -> None:
    """The loop's own waiting is good, and is drawn as such."""
    report = render(samples.passing())
    assert "idle: free to serve others" in report
    assert "blocked" not in report


def test_speed_up_needs_all_bars() -> None:
    """A program that crashed early is not a fast one."""
    result = replace(samples.passing(), timeline=(Bar("exp_small", 0.0, 1.0),))
    assert "as fast" not in render(result)
    assert render(result).count("no full run seen") == 2


@pytest.mark.parametrize(("late_s", "same"), [(0.2, True), (1.0, False)])
def test_bars_of_a_slow_machine_are_not_red(late_s: float, same: bool) -> None:
    """A tenth of the picture is not worth a warning colour."""
    lane = picture.Lane("a", Bar("a", late_s, 1 + late_s), Bar("a", 0.0, 1.0))
    assert picture.agrees(lane, axis_s=3.0) is same


def test_program_that_never_ends_has_no_total() -> None:
    """The grader's own time limit is not the program's total time."""
    result = samples.passing()
    assert result.evidence.wall is not None
    stopped = replace(result.evidence.wall, exit=Exit(stopped="stuck"), elapsed_s=10.0)
    report = render(replace(result, evidence=replace(result.evidence, wall=stopped)))
    assert "it did not end by itself" in report
    assert "as fast" not in report


def test_next_step_is_a_command() -> None:
    """A hint after a failure, the next module after full marks."""
    assert "make hint MODULE=0.5" in render(samples.blocking())
    assert "make grade MODULE=0.6" in render(samples.passing(), following="0.6")
    assert "make list" in render(samples.passing())


def test_another_persons_file_gets_no_commands() -> None:
    """Hints and the next module are for the one who sits here."""
    result = samples.blocking()
    submission = replace(result.evidence.submission, own=False)
    result = replace(result, evidence=replace(result.evidence, submission=submission))
    assert "make " not in render(result)


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("name", ["passing", "blocking", "hostile"])
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    """Otherwise the terminal would break the picture."""
    for line in render(getattr(samples, name)(), width).splitlines():
        assert len(line) <= width


@pytest.mark.parametrize("name", ["passing", "blocking", "hostile"])
def test_ascii_report_is_ascii(name: str) -> None:
    """For LANG=C; the bars are still there."""
    report = render(getattr(samples, name)(), unicode=False)
    assert report.isascii()
    assert name == "hostile" or "####" in report


def test_colour_changes_nothing_but_colour() -> None:
    """Colours are the terminal's own, and say nothing that words do not say."""
    coloured = text.render(samples.blocking(), colour=True)
    assert "\x1b[1;31m" in coloured
    stripped = "\n".join(line.rstrip() for line in SGR.sub("", coloured).splitlines()) + "\n"
    assert stripped == render(samples.blocking())


def test_students_text_cannot_speak_to_the_terminal() -> None:
    """Escapes, bells, overrides and lone surrogates are spelled out; markup stays text."""
    for colour in (False, True):
        report = SGR.sub("", text.render(samples.hostile(), colour=colour))
        assert "\x1b" not in report and "\x07" not in report and "\u202e" not in report
        assert "\\x1b[2J" in report
        assert "[red]x[/]" in report
        report.encode("utf-8")


def test_long_compiler_message_is_cut_with_a_remark() -> None:
    """The first errors are the ones to read."""
    result = samples.blocking()
    message = "\n".join(f"experiments.c:{number}: error" for number in range(1, 41))
    check = replace(result.checks[3], message=message)
    report = render(replace(result, checks=(check,)))
    assert "experiments.c:8: error" in report and "experiments.c:9: error" not in report
    assert "28 lines cut" in report


def test_lines_of_a_markdown_submission_count_from_its_first_line() -> None:
    """Diagnoses point at lines of the file, of which the code is only a part."""
    result = samples.blocking()
    submission = replace(result.evidence.submission, first_line=11)
    diagnosis = replace(result.diagnoses[0], lines=(17,))
    result = replace(
        result,
        evidence=replace(result.evidence, submission=submission),
        diagnoses=(diagnosis,),
    )
    assert "line 17  g_usleep" in render(result)


@pytest.mark.parametrize(
    ("axis_s", "labels"),
    [(3.0, 7), (6.0, 7), (0.25, 6), (65.0, 7), (86400.0, 5), (1e9, 6)],
)
def test_axis_labels_are_few_and_round(axis_s: float, labels: int) -> None:
    """At most eight steps, each of 1, 2 or 5 times a power of ten."""
    step = picture.tick(axis_s)
    assert int(axis_s / step + 1e-9) + 1 == labels
    assert f"{step:e}"[0] in "125"


class Terminal(io.TextIOWrapper):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "colour"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    environ: dict[str, str], colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR and dumb terminals are respected, pipes never get colour."""
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert terminal.of(Terminal(io.BytesIO(), encoding="utf-8")).colour is colour
    pipe = terminal.of(io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert pipe == terminal.Screen(colour=False, width=80, unicode=False)
