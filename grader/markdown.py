"""Submissions in Markdown: one block of C, one block of console output.

    that.md -> read_submission -> submission        GradeResult -> write_submission -> 0.5.md

Anybody may have written the file, by hand or with `make submit`.  Fences are read as
CommonMark has them (backticks or tildes, three or more, closed by as many), at any
indentation, because people put them into lists.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher

from grader import plain_text
from grader.records import ConsoleLine, GraderError, GradeResult
from grader.report import reading

C_WORDS = frozenset({"c", "c89", "c90", "c99", "c11", "c17", "c2x", "c23", "h"})
OUTPUT_WORDS = frozenset({"", "text", "txt", "plain", "plaintext", "console", "output", "none"})
FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})(?P<info>.*)")
DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
LONGEST_LINE = 1 << 20  # characters: a claim is compared whole
MOST_LINES = 200  # looked at from the first difference on; difflib needs quadratic time


@dataclass(frozen=True)
class Handed:
    """What a Markdown submission contains."""

    code: str
    first_line: int  # of the code, in the file; counted from 1
    claimed_output: str | None  # None: no block of console output


@dataclass(frozen=True)
class _Block:
    word: str  # the language, in lower case; "" if there is none
    line: int  # of the opening fence, counted from 1
    text: str


# ---- reading -----------------------------------------------------------------------------


def read_submission(text: str) -> Handed:
    """The code and the claimed output of a Markdown file.

    Raises:
        GraderError: there is no C block, more than one, or more than one block of output.
    """
    blocks = _blocks(text)
    code = _only([block for block in blocks if block.word in C_WORDS], "C code")
    if code is None:
        raise GraderError(
            "The file has no block of C code: put the code between a line ```c and a line ```."
        )
    if not code.text.strip():
        raise GraderError(f"The block of C code in line {code.line} is empty.")
    output = _only([block for block in blocks if block.word in OUTPUT_WORDS], "console output")
    return Handed(code.text, code.line + 1, None if output is None else output.text)


def altered(text: str) -> bool:
    """Whether the file names a digest that is not the one of its code and output."""
    handed = read_submission(text)
    found = DIGEST.search(text)
    return found is not None and found[1] != digest(handed.code, handed.claimed_output or "")


def digest(code: str, output: str) -> str:
    """SHA-256 of code and console output, in hexadecimal digits."""
    return hashlib.sha256(f"{code}\0{output}".encode("utf-8", "surrogatepass")).hexdigest()


def _only(blocks: list[_Block], what: str) -> _Block | None:
    if len(blocks) > 1:
        lines = " and ".join(str(block.line) for block in blocks[:5])
        raise GraderError(
            f"The file has {len(blocks)} blocks of {what} (lines {lines}): leave only one."
        )
    return blocks[0] if blocks else None


def _blocks(text: str) -> list[_Block]:
    """All fenced blocks, in order."""
    lines = text.replace("\r\n", "\n").split("\n")
    blocks = []
    number = 0
    while number < len(lines):
        opening = FENCE.fullmatch(lines[number])
        if opening is None or (opening["fence"][0] == "`" and "`" in opening["info"]):
            number += 1
            continue
        end = _closing(lines, number, opening["fence"])
        indent = len(opening["indent"].expandtabs(4))
        inside = [_outdented(line, indent) for line in lines[number + 1 : end]]
        content = "".join(f"{line}\n" for line in inside)
        blocks.append(_Block(_word(opening["info"]), number + 1, content))
        number = end + 1
    return blocks


def _closing(lines: list[str], start: int, fence: str) -> int:
    for number in range(start + 1, len(lines)):
        line = lines[number].strip(" \t")
        if len(line) >= len(fence) and not line.strip(fence[0]):
            return number
    raise GraderError(
        f"The block that begins in line {start + 1} never ends: close it with a line {fence}"
    )


def _outdented(line: str, indent: int) -> str:
    """The line without as much of its indentation as the fence has."""
    if not indent:
        return line
    blank = line[: len(line) - len(line.lstrip(" \t"))]
    return " " * max(0, len(blank.expandtabs(4)) - indent) + line[len(blank) :]


def _word(info: str) -> str:
    """The language of a fence: the first word, also in the form {.c}."""
    words = info.strip().strip("{}").split()
    return words[0].lstrip(".").lower() if words else ""


# ---- writing -----------------------------------------------------------------------------


def write_submission(result: GradeResult, *, name: str, at: datetime) -> str:
    """The Markdown file to hand in; `read_submission` gets code and output back from it.

    Args:
        name: the student's.
        at: when it was graded.
    """
    submission = result.evidence.submission
    code = _ended(submission.source.replace("\r\n", "\n"))
    output = "".join(f"{line}\n" for line in _seen(result))
    fence = "`" * max(3, 1 + _longest_run(code), 1 + _longest_run(output))
    facts = {
        "Name": plain_text.line(name),
        "Date": at.isoformat(sep=" ", timespec="minutes"),
        "Module": f"{submission.module.id} {submission.module.title}",
        "Score": f"{result.score}/{result.max_score}",
        "Digest": f"sha256:{digest(code, output)}",
    }
    rows = "".join(
        f"| {key} | {value.replace('|', chr(92) + '|')} |\n" for key, value in facts.items()
    )
    return (
        f"# Module {submission.module.id}: {submission.module.title}\n\n"
        f"| | |\n|---|---|\n{rows}\n"
        f"## Code\n\n{fence}c\n{code}{fence}\n\n"
        f"## Console output\n\n{fence}text\n{output}{fence}\n"
    )


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


# ---- the claim ---------------------------------------------------------------------------


def compare_claim(claimed: str, seen: Sequence[str], console: Sequence[ConsoleLine]) -> list[str]:
    """What the claimed console output has different from what was seen; empty if nothing.

    Trailing white space and empty lines at the end are forgiven, and neighbouring lines of
    one group of `console` may come in any order.
    """
    left = _comparable(claimed.split("\n"), console)
    right = _comparable(seen, console)
    same = next(
        (i for i, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right))
    )
    left, right = left[same:][:MOST_LINES], right[same:][:MOST_LINES]
    differences = []
    for _, i1, i2, j1, j2 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if left[i1:i2] != right[j1:j2]:
            claim, fact = _quoted(left[i1:i2]), _quoted(right[j1:j2])
            line = same + i1 + 1
            differences.append(f"line {line}: the file says {claim}, the program printed {fact}")
    return differences


def claim_notes(result: GradeResult) -> tuple[str, ...]:
    """Notes for the report about console output that does not reproduce."""
    submission = result.evidence.submission
    run = reading.run_shown(result)
    if submission.claimed_output is None or run is None:
        return ()
    lines = [line.text for line in run.stdout]
    differences = compare_claim(submission.claimed_output, lines, submission.module.console.lines)
    return tuple(f"The claimed console output does not reproduce: {one}" for one in differences[:3])


def _seen(result: GradeResult) -> list[str]:
    run = reading.run_shown(result)
    lines = () if run is None else run.stdout
    return [plain_text.line(line.text.rstrip(), LONGEST_LINE) for line in lines]


def _comparable(lines: Sequence[str], console: Sequence[ConsoleLine]) -> list[str]:
    """The lines as they are shown, each run of interchangeable neighbours sorted."""
    group_of = {line.text.rstrip(): line.group for line in console if line.group}
    shown = [plain_text.line(line.rstrip(), LONGEST_LINE) for line in lines]
    while shown and not shown[-1]:
        shown.pop()
    start = 0
    for end in range(1, len(shown) + 1):
        group = group_of.get(shown[start])
        if end == len(shown) or group is None or group_of.get(shown[end]) != group:
            shown[start:end] = sorted(shown[start:end])
            start = end
    return shown


def _quoted(lines: list[str]) -> str:
    if not lines:
        return "nothing"
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f'"{plain_text.line(lines[0], 120)}"{more}'
