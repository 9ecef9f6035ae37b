"""The HTML report as text; tests/browser/ looks at it with a browser."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import report_samples as samples

from grader.records import CheckResult, ConsoleLine, GradeResult, OutputLine
from grader.report import compare, html


def render(result: GradeResult, following: str = "") -> str:
    source = result.evidence.submission.source
    return html.render(result, source=source, next_module=following)


class Page(HTMLParser):
    """The elements of a page, its visible text, and its addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def with_class(self, name: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.elements if name in (a.get("class") or "").split()]


def test_the_whole_record_is_there() -> None:
    """Score, checks, cause, timeline, output, code, hints."""
    page = Page(render(samples.blocking()))
    diagnosis = samples.blocking().diagnoses[0]
    for words in (
        "10/100",
        "Takes about 3 s, not 6 s",
        diagnosis.text.title,
        diagnosis.text.why,
        diagnosis.text.next,
        "Never wait inside a callback",
        "g_usleep blocks the main loop 3 times, 6.00 s in all",
        "make hint MODULE=0.5",
        "the wall clock run was repeated once",
    ):
        assert words in page.text
    assert len(page.with_class("expected")) == 3 + 1  # and the key
    assert len(page.with_class("blocked")) == 3 + 1


def test_marks_carry_what_a_pointer_or_screen_reader_gets() -> None:
    """The line printed, and the source line of a blocked stretch."""
    page = Page(render(samples.blocking()))
    seen = [mark for mark in page.with_class("mark") if "exp_medium" in (mark["data-label"] or "")]
    assert seen[0]["data-details"] == (
        "1.004 s  [exp_medium] starting...\n3.004 s  [exp_medium] finished after 2 seconds"
    )
    assert seen[0]["tabindex"] == "0" and "exp_medium: ran 1.00 s to 3.00 s" in str(
        seen[0]["aria-label"]
    )
    blocked = page.with_class("blocked")[0]
    assert blocked["data-details"] == "g_usleep() in run_experiment, line 7\nnothing else can run"


def test_evidence_points_into_the_code() -> None:
    """The link in the cause leads to a marked line."""
    page = Page(render(samples.blocking()))
    assert ("a", {"href": "#L7"}) in page.elements
    assert [a["id"] for a in page.with_class("hit")] == ["L7"]


def test_code_of_a_markdown_submission_is_numbered_as_in_its_file() -> None:
    """The line that a diagnosis names is the one that is marked."""
    result = samples.blocking()
    submission = replace(result.evidence.submission, first_line=11)
    diagnosis = replace(result.diagnoses[0], lines=(17,))
    result = replace(
        result,
        evidence=replace(result.evidence, submission=submission),
        diagnoses=(diagnosis,),
        blocked=(),
    )
    page = Page(render(result))
    assert [a["id"] for a in page.with_class("hit")] == ["L17"]


def test_hints_are_folded_and_fit_the_cause() -> None:
    """Closed until asked for; those of the root cause's TODO first; none after full marks."""
    page = Page(render(samples.blocking()))
    folded = [attrs for tag, attrs in page.elements if tag == "details"]
    assert len(folded) == 6 and all("open" not in attrs for attrs in folded)
    assert page.text.index("TODO 2") < page.text.index("TODO 4")
    assert "Hint 1" not in render(samples.passing())


def test_nothing_of_the_page_is_elsewhere() -> None:
    """No address but data: and places in the page itself."""
    for result in (samples.passing(), samples.blocking(), samples.hostile()):
        for tag, attributes in Page(render(result)).elements:
            for name in ("src", "href", "action", "data", "srcset", "poster"):
                address = attributes.get(name)
                assert address is None or address.startswith(("#", "data:,")), (tag, address)


def test_policy_allows_exactly_the_own_script_and_style() -> None:
    """Even a hole in the escaping would run nothing."""
    page = render(samples.hostile())
    policy = next(a["content"] for _, a in Page(page).elements if "http-equiv" in a) or ""
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    for element in ("script", "style"):
        found = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
        assert len(found) == 1
        digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy


def test_students_text_stays_text() -> None:
    """Tags, escapes, overrides, NUL, lone surrogates: shown, never meant."""
    page = render(samples.hostile())
    assert page.count("<script>") == 1 and "<img" not in page
    assert not set("\x00\x07\x1b\u202e\ud800") & set(page)
    page.encode("utf-8")
    text = Page(page).text
    assert text.count("\\x1b[2J\\x1b]0;title\\x07\\u202egnp.exe\\x00") >= 6
    assert "[bold]&amp;[/]" in text


def test_error_verdict_says_so() -> None:
    """The grader's fault is not the student's."""
    check = CheckResult("console", "The console shows the lines", "error", 0, 25, "machine busy")
    result = replace(samples.passing(), verdict="error", checks=(check,), timeline=())
    text = Page(render(result)).text
    assert "NOT GRADED" in text and "machine busy" in text


def test_thousands_of_lines_and_waits_stay_readable() -> None:
    """A program that floods its output does not flood the page."""
    result = samples.passing()
    lines = tuple(OutputLine(n / 1000, f"tick {n}") for n in range(3000))
    waits = tuple(samples.loop_wait(n / 1000, (n + 1) / 1000) for n in range(3000))
    run = samples.virtual_run(lines, waits, 3.0)
    page = render(replace(result, evidence=samples.evidence(run, "int x;\n")))
    assert len(page) < 200_000
    assert len(Page(page).with_class("idle")) == 1 + 1
    assert len(Page(page).with_class("mark")) < 250


def rows(expected: list[tuple[str, str]], seen: list[str]) -> list[tuple[str, str]]:
    """(expected, seen) texts; expected lines are given as (text, group)."""
    lines = [ConsoleLine(0.0, text, group=group) for text, group in expected]
    table = compare.side_by_side(lines, [OutputLine(0.0, text) for text in seen])
    return [
        (row.expected.text if row.expected else "-", row.seen.text if row.seen else "-")
        for row in table
    ]


@pytest.mark.parametrize(
    ("expected", "seen", "table"),
    [
        (
            [("a", "g"), ("b", "g"), ("c", "")],
            ["b", "a", "c"],
            [("b", "b"), ("a", "a"), ("c", "c")],
        ),
        ([("a", ""), ("b", "")], ["b"], [("a", "-"), ("b", "b")]),
        ([("a", "")], ["a  ", "x"], [("a", "a  "), ("-", "x")]),
        ([("a", ""), ("b", "")], ["a", "B"], [("a", "a"), ("b", "B")]),
        ([], [], []),
        ([("a", "g"), ("b", "h")], ["b", "a"], [("-", "b"), ("a", "a"), ("b", "-")]),
    ],
)
def test_output_is_aligned(
    expected: list[tuple[str, str]], seen: list[str], table: list[tuple[str, str]]
) -> None:
    """Same lines stand beside each other; only neighbours of one group change places."""
    assert rows(expected, seen) == table
