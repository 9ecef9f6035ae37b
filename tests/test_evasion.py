"""What looks like a call of the kernel in a program's code, and is none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from grader.elf import SHF_ALLOC, SHF_EXECINSTR, Elf, Section
from grader.evasion import _may_call_kernel

CODE_AT, FUNCTION_AT, DATA_AT = 0x1000, 0x1000 + 5 + 0x80CD, 0x51000


def program(code: bytes) -> Elf:
    """A program with this code, one function, and some data."""
    sections = (
        Section(1, SHF_ALLOC | SHF_EXECINSTR, 0, CODE_AT, len(code), code),
        Section(8, SHF_ALLOC, 0, DATA_AT, 0x1000, b""),
    )
    return cast(Elf, SimpleNamespace(sections=sections, functions=frozenset({FUNCTION_AT})))


@pytest.mark.parametrize(
    ("code", "suspicious"),
    [
        (b"\x90\x90\x90\x90", False),
        (b"\xb8\x27\x00\x00\x00\x0f\x05\xc3", True),  # syscall; ret
        (b"\xcd\x80\xc3", True),  # int 0x80; ret
        (b"\xe8\xcd\x80\x00\x00", False),  # a call of the function
        (b"\xe9\xcd\x80\x00\x00", False),  # a jump to it
        (b"\xe8\xcd\x80\x01\x00", True),  # ... into nowhere
        (b"\x48\x8d\x05\x0f\x05\x05\x00", False),  # the address of data
        (b"\x48\x8d\x05\x0f\x05\x09\x00", True),  # ... behind all data
        (b"\xe8\xcd\x80\x00\x00\x0f\x05", True),  # both
        (b"\x90\x0f\x05\x05\x00\x00\x00\x00", True),  # syscall; add $0, %eax: as far as data
    ],
)
def test_a_distance_is_no_call_of_the_kernel(code: bytes, suspicious: bool) -> None:
    assert _may_call_kernel(program(code)) == suspicious
