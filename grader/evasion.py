"""What in a binary would evade the virtual clock, found before it runs.

    execute --program, vclock--> evasion --reason--> execute (Run.exactness, Run.reason)

The clock's client replaces functions of libc.  A program that is linked statically, that
brings such a function itself, or that calls the kernel without libc is not seen by it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

from grader.elf import ELF_ERRORS, Elf, Section

# How the kernel is called: x86-64's syscall, sysenter and int 0x80, arm64's svc 0.
KERNEL_CALLS = re.compile(rb"\x0f\x05|\x0f\x34|\xcd\x80|\x01\x00\x00\xd4")
KERNEL_CALL = r"[[:space:]](syscall|sysenter|int +[$]0x80|svc[[:space:]]#0x0)"
# Where x86-64's code has the distance of a function or of data: behind a call, a jump, or a
# ModRM byte for an address relative to this one.
DISTANCE_BYTES = 4
CALL, JUMP, MODRM, RELATIVE = 0xE8, 0xE9, 0xC7, 0x05


class Binary(Protocol):
    """A program to look into (execute._Binary)."""

    @property
    def path(self) -> Path:
        """Where it is."""

    def ask(self, argv: tuple[str, ...]) -> list[str]:
        """The lines that a tool prints, run where a stranger's program may be read."""


def _may_call_kernel(elf: Elf) -> bool:
    """The bytes of such an instruction occur, perhaps within another one."""
    return any(
        not _is_distance(elf, section, match.start())
        for section in elf.sections
        if section.is_code
        for match in KERNEL_CALLS.finditer(section.data)
    )


def _is_distance(elf: Elf, section: Section, at: int) -> bool:
    """What is there says how far it is to a function, as in a call, or to data."""
    last = min(at, len(section.data) - DISTANCE_BYTES)
    for begin in range(max(at - 2, 1), last + 1):
        before = section.data[begin - 1]
        if before not in (CALL, JUMP) and before & MODRM != RELATIVE:
            continue
        end = begin + DISTANCE_BYTES
        distance = int.from_bytes(section.data[begin:end], "little", signed=True)
        target = section.address + end + distance
        if target in elf.functions or any(
            data.address <= target < data.address + data.size
            for data in elf.sections
            if data.is_data
        ):
            return True
    return False


def _calls_kernel(binary: Binary) -> bool:
    script = f'objdump --disassemble --no-show-raw-insn "$0" | grep -m 1 -E "{KERNEL_CALL}"'
    return bool(binary.ask(("/bin/sh", "-c", script, str(binary.path))))


def _names(elf: Elf) -> set[str]:
    return {symbol.name for symbol in elf.defined()}


def find_evasion(binary: Binary, vclock: Path) -> str:
    """Why a run of `binary` would not be measured on the virtual clock; "" if it would."""
    try:
        elf = Elf(binary.path)
        if not elf.has_loader:
            return "the program is statically linked"
        own = _names(elf) & _names(Elf(vclock))
        if own:
            return f"the program defines its own {min(own)}()"
        if _may_call_kernel(elf) and _calls_kernel(binary):
            return "the program calls the kernel without libc"
    except ELF_ERRORS as error:
        return f"the program could not be examined: {type(error).__name__}"
    return ""
