"""Text from student code can not reach beyond its place in a report."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from grader import plain_text

NASTY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\x1b\x07\x00\r\x9b\u202e\u2066\u200b\u2028\u2029\ufeff\ue000\t\u0301"),
    ),
    max_size=300,
)


def _is_harmless(character: str) -> bool:
    return unicodedata.category(character) not in plain_text.INVISIBLE


@given(NASTY)
def test_a_line_is_one_line_of_visible_characters(text: str) -> None:
    assert all(map(_is_harmless, plain_text.line(text)))


@given(NASTY, st.integers(10, 80))
def test_a_line_is_bounded(text: str, longest: int) -> None:
    assert len(plain_text.line(text, longest)) <= longest + len(" … 300 characters cut … ")


@given(st.binary(max_size=300))
def test_any_bytes_can_be_shown(raw: bytes) -> None:
    assert all(map(_is_harmless, plain_text.line(plain_text.from_bytes(raw))))


@given(st.text("ab\x1b", max_size=300), st.integers(30, 80))
def test_the_number_of_characters_cut_is_right(text: str, longest: int) -> None:
    shown = plain_text.line(text, longest).replace("\\x1b", "\x1b")
    head, _, rest = shown.partition(" … ")
    cut, _, tail = rest.partition(" characters cut … ")
    assert text.startswith(head) and text.endswith(tail)
    assert len(head) + int(cut or 0) + len(tail) == len(text)


@given(st.lists(st.text(st.characters(whitelist_categories=("L", "N")), max_size=20), max_size=60))
def test_plain_lines_come_through_unchanged(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert plain_text.block(text) == text


def test_terminal_escapes_are_spelled_out() -> None:
    assert plain_text.line("\x1b]0;owned\x07 \x1b[2J\x9b1m") == r"\x1b]0;owned\x07 \x1b[2J\x9b1m"


def test_direction_marks_are_spelled_out() -> None:
    assert plain_text.line("pass\u202e liaf") == "pass\\u202e liaf"


def test_broken_utf8_is_spelled_out() -> None:
    assert plain_text.from_bytes(b"caf\xc3\xa9 \xff\xc3") == "café \\xff\\xc3"


def test_a_long_line_keeps_both_ends() -> None:
    text = "begin" + "x" * 10_000_000 + "end"
    shown = plain_text.line(text, 30)
    assert shown.startswith("beginx") and shown.endswith("xend")
    assert f"{len(text) - 30} characters cut" in shown


def test_many_lines_keep_both_ends() -> None:
    shown = plain_text.block("\n".join(map(str, range(1000))), most_lines=9).split("\n")
    assert shown == ["0", "1", "2", "3", "4", "5", "… 991 lines cut …", "997", "998", "999"]


def test_accents_stay_but_towers_of_them_do_not() -> None:
    assert plain_text.line("e\u0301") == "e\u0301"
    assert plain_text.line("e" + "\u0301" * 5) == "e" + "\u0301" * 3 + "\\u0301" * 2
