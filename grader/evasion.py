"""What in a binary would evade the virtual clock, found before it runs.

    execute --program, vclock--> evasion --reason--> execute (Run.exactness, Run.reason)

The clock's client replaces functions of libc.  A program that is linked statically, that
brings such a function itself, or that calls the kernel without libc is not seen by it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

FILE_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
PT_INTERP, SHT_SYMTAB, SHT_DYNSYM, SHF_EXECUTABLE, GLOBAL = 3, 2, 11, 4, (1, 2)
# How the kernel is called: x86-64's syscall, sysenter and int 0x80, arm64's svc 0.
KERNEL_CALLS = (b"\x0f\x05", b"\x0f\x34", b"\xcd\x80", b"\x01\x00\x00\xd4")
KERNEL_CALL = r"[[:space:]](syscall|sysenter|int +[$]0x80|svc[[:space:]]#0x0)"


@dataclass(frozen=True)
class _Section:
    kind: int
    flags: int
    link: int
    data: bytes


class _Elf:
    """A 64-bit little-endian ELF file.  Raises struct.error when it is none."""

    def __init__(self, path: Path) -> None:
        self._bytes = path.read_bytes()
        header = FILE_HEADER.unpack_from(self._bytes)
        if header[0][:6] != b"\x7fELF\x02\x01":
            raise struct.error("not ELF")
        self._segments, self._sections = header[5], header[6]
        self._n_segments, self._n_sections = header[10], header[12]

    @property
    def has_loader(self) -> bool:
        kinds = (
            SEGMENT.unpack_from(self._bytes, self._segments + i * SEGMENT.size)[0]
            for i in range(self._n_segments)
        )
        return PT_INTERP in kinds

    def sections(self) -> list[_Section]:
        found = []
        for i in range(self._n_sections):
            entry = SECTION.unpack_from(self._bytes, self._sections + i * SECTION.size)
            _, kind, flags, _, offset, size, link, *_ = entry
            found.append(_Section(kind, flags, link, self._bytes[offset : offset + size]))
        return found

    def defined(self) -> Iterator[str]:
        """The names of all functions and variables that others can see."""
        sections = self.sections()
        for table in sections:
            if table.kind not in (SHT_SYMTAB, SHT_DYNSYM):
                continue
            names = sections[table.link].data
            for name, info, _, section, _, _ in SYMBOL.iter_unpack(table.data):
                if section and info >> 4 in GLOBAL:
                    yield names[name : names.index(b"\0", name)].decode("utf-8", "replace")

    def may_call_kernel(self) -> bool:
        """The bytes of such an instruction occur, perhaps within another one."""
        return any(
            code in section.data
            for section in self.sections()
            if section.flags & SHF_EXECUTABLE
            for code in KERNEL_CALLS
        )


class Binary(Protocol):
    """A program to look into (execute._Binary)."""

    @property
    def path(self) -> Path:
        """Where it is."""

    def ask(self, argv: tuple[str, ...]) -> list[str]:
        """The lines that a tool prints, run where a stranger's program may be read."""


def _calls_kernel(binary: Binary) -> bool:
    script = f'objdump --disassemble --no-show-raw-insn "$0" | grep -m 1 -E "{KERNEL_CALL}"'
    return bool(binary.ask(("/bin/sh", "-c", script, str(binary.path))))


def find_evasion(binary: Binary, vclock: Path) -> str:
    """Why a run of `binary` would not be measured on the virtual clock; "" if it would."""
    try:
        elf = _Elf(binary.path)
        if not elf.has_loader:
            return "the program is statically linked"
        own = set(elf.defined()) & set(_Elf(vclock).defined())
        if own:
            return f"the program defines its own {min(own)}()"
        if elf.may_call_kernel() and _calls_kernel(binary):
            return "the program calls the kernel without libc"
    except (OSError, struct.error, IndexError, ValueError) as error:
        return f"the program could not be examined: {type(error).__name__}"
    return ""
