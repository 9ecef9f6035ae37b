"""Markdown submissions: read with the tolerance that hand-written files need."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
import report_samples as samples
from hypothesis import given
from hypothesis import strategies as st

from grader import markdown
from grader.records import GraderError, GradeResult, OutputLine

CODE = '#include <glib.h>\n\nint\nmain (void)\n{\n  g_print ("hello\\n");\n}\n'
AT = datetime(2026, 3, 1, 12, 30)


def page(code_fence: str = "```c", close: str = "```", code: str = CODE, rest: str = "") -> str:
    return f"# My solution\n\nHere it is:\n\n{code_fence}\n{code}{close}\n{rest}"


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("```c", "```"),
        ("```C", "```"),
        ("``` c", "```  "),
        ("```c title=experiments.c", "```"),
        ("```{.c}", "```"),
        ("```c11", "`````"),
        ("~~~c", "~~~"),
        ("`````c", "`````"),
    ],
)
def test_c_block_is_found(opening: str, closing: str) -> None:
    """In every way that people write it; the first line counts as in the file."""
    handed = markdown.read_submission(page(opening, closing))
    assert handed == markdown.Handed(CODE, 6, None)


@pytest.mark.parametrize("word", ["", "text", "console", "Output", "none"])
@pytest.mark.parametrize("before", [True, False])
def test_output_block_may_stand_before_or_after(word: str, before: bool) -> None:
    """With any of the usual words, or none."""
    output = f"I saw:\n\n```{word}\nhello\n```\n"
    text = output + page() if before else page(rest=output)
    assert markdown.read_submission(text).claimed_output == "hello\n"


def test_other_languages_are_prose() -> None:
    """The command that was typed is neither code nor output."""
    text = page(rest="```sh\nmake grade MODULE=0.5\n```\n\n```python\nprint()\n```\n")
    assert markdown.read_submission(text).claimed_output is None


def test_empty_output_block_is_a_claim() -> None:
    """To say that nothing was printed is not to say nothing."""
    assert markdown.read_submission(page(rest="```\n```\n")).claimed_output == ""


def test_crlf_is_read_as_lf() -> None:
    text = page(rest="~~~\nhello\n~~~\n").replace("\n", "\r\n")
    assert markdown.read_submission(text) == markdown.Handed(CODE, 6, "hello\n")


@pytest.mark.parametrize("indent", ["  ", "    ", "\t", "\t\t"])
def test_fences_in_a_list_are_outdented(indent: str) -> None:
    """As far as the fence itself is indented, no further."""
    text = "1. code:\n" + "".join(
        f"{indent}{line}\n" for line in ["```c", *CODE.split("\n"), "```"]
    )
    assert markdown.read_submission(text).code == CODE + "\n"


def test_longer_fence_may_contain_fences() -> None:
    """A comment with a fence in it does not end the block."""
    code = "/*\n```\n~~~~\n*/\nint x;\n"
    assert markdown.read_submission(page("````c", "````", code)).code == code
    assert markdown.read_submission(page("~~~~~c", "~~~~~", code)).code == code


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no code at all\n", "no block of C code"),
        ("```\nint x;\n```\n", "no block of C code"),
        ("inline ```c int x;``` code\n", "no block of C code"),
        (page() + page(), "2 blocks of C code (lines 5 and 18)"),
        (page(rest="```\na\n```\n```text\nb\n```\n"), "2 blocks of console output"),
        (page(close=""), "begins in line 5 never ends"),
        (page(close="~~~"), "begins in line 5 never ends"),
        (page(code="\n \n"), "in line 5 is empty"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, words: str) -> None:
    """With the line of the file, and what to do."""
    with pytest.raises(GraderError) as error:
        markdown.read_submission(text)
    assert words in str(error.value) and "\n" not in str(error.value)


def submitted(code: str, lines: list[str], name: str = "Ada Lovelace") -> str:
    result = with_output(code, lines)
    return markdown.write_submission(result, name=name, at=AT)


def with_output(code: str, lines: list[str], claimed: str | None = None) -> GradeResult:
    """A passing result of that code, which printed those lines."""
    result = samples.passing()
    run = samples.virtual_run(tuple(OutputLine(0.0, line) for line in lines), (), 3.0)
    evidence = samples.evidence(run, code)
    submission = replace(evidence.submission, claimed_output=claimed)
    return replace(result, evidence=replace(evidence, submission=submission))


def test_submission_names_who_when_and_what() -> None:
    text = submitted(CODE, ["hello"], name="Ada | Byron\x1b[2J")
    assert "| Name | Ada \\| Byron\\x1b[2J |" in text
    assert "| Date | 2026-03-01 12:30 |" in text
    assert "| Score | 100/100 |" in text
    assert f"| Digest | sha256:{markdown.digest(CODE, 'hello' + chr(10))} |" in text


ANY_LINE = st.text(st.characters(blacklist_characters="\n\r"), max_size=20)
FENCE = st.sampled_from(["```", "~~~", "````c", "  ```", "~~~~", "`````", "```text"])
LINES = st.lists(ANY_LINE | FENCE, max_size=6)


@given(LINES, LINES)
def test_what_is_written_can_be_read_back(code_lines: list[str], output: list[str]) -> None:
    """Whatever the code and the output contain: fences, escapes, lone surrogates."""
    code = "".join(f"{line}\n" for line in ["int x;", *code_lines])
    text = submitted(code, output)
    handed = markdown.read_submission(text)
    assert handed.code == code
    assert text.split("\n")[handed.first_line - 1] == "int x;"
    assert not markdown.altered(text)
    result = with_output(code, output, handed.claimed_output)
    assert markdown.claim_notes(result) == ()


def test_edited_submission_is_noticed() -> None:
    """In its code or in its output; a hand-written file has no digest to break."""
    text = submitted(CODE, ["hello"])
    assert markdown.altered(text.replace("hello\\n", "hullo\\n"))
    assert markdown.altered(text.replace("text\nhello", "text\nhullo"))
    assert not markdown.altered(page())


LINES_OF_05 = [line.text for line in samples.console().lines]


@pytest.mark.parametrize(
    "claimed",
    [
        "\n".join(LINES_OF_05),
        "\n".join(f"{line}  \t" for line in LINES_OF_05) + "\n\n \n",
        "\n".join([LINES_OF_05[2], LINES_OF_05[0], LINES_OF_05[1], *LINES_OF_05[3:]]),
    ],
)
def test_claim_that_reproduces(claimed: str) -> None:
    """White space at the ends and the order of the starting lines are forgiven."""
    assert markdown.compare_claim(claimed, LINES_OF_05, samples.console().lines) == []


@pytest.mark.parametrize(
    ("claimed", "differences"),
    [
        (
            [*LINES_OF_05[:3], LINES_OF_05[4], LINES_OF_05[3], *LINES_OF_05[5:]],
            2,
        ),
        (LINES_OF_05[:-1], 1),
        (["hello", *LINES_OF_05], 1),
        ([LINES_OF_05[0], *LINES_OF_05[3:]], 1),
        ([], 1),
        ([f" {LINES_OF_05[0]}", *LINES_OF_05[1:]], 2),
    ],
)
def test_claim_that_does_not_reproduce(claimed: list[str], differences: int) -> None:
    """Finishing lines out of order, lines too many, too few, different."""
    text = "\n".join(claimed)
    assert len(markdown.compare_claim(text, LINES_OF_05, samples.console().lines)) == differences


def test_long_claims_are_compared_at_once() -> None:
    """A megabyte of equal lines is no reason to wait."""
    lines = ["a"] * 200_000
    (difference,) = markdown.compare_claim("a\n" * 200_000 + "b\n", [*lines, "c"], ())
    assert difference == 'line 200001: the file says "b", the program printed "c"'


def test_difference_says_both_sides() -> None:
    """With the line of the claim."""
    claimed = "\n".join(LINES_OF_05[:-1]) + "\nAll done: []\n"
    result = with_output(CODE, LINES_OF_05, claimed)
    assert markdown.claim_notes(result) == (
        "The claimed console output does not reproduce: line 7: "
        f'the file says "All done: []", the program printed "{LINES_OF_05[-1]}"',
    )


def test_no_claim_is_no_difference() -> None:
    assert markdown.claim_notes(with_output(CODE, ["anything"])) == ()
