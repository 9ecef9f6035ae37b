"""What is in a program or library: just enough of ELF to know it before it runs.

Figures and layouts are those of elf(5), for 64 bits and little-endian byte order, which all
machines of Debian have that students use.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

MAGIC = b"\x7fELF\x02\x01"
FILE_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
PT_INTERP = 3
SHT_SYMTAB, SHT_DYNSYM = 2, 11
SHF_ALLOC, SHF_EXECINSTR = 2, 4
STB_GLOBAL, STB_WEAK, STT_FUNC = 1, 2, 2


@dataclass(frozen=True)
class Section:
    """One part of the file."""

    kind: int
    flags: int
    link: int
    address: int
    size: int  # in memory: zeros are not in the file
    data: bytes

    @property
    def is_code(self) -> bool:
        return bool(self.flags & SHF_EXECINSTR)

    @property
    def is_data(self) -> bool:
        """Variables and constants."""
        return bool(self.flags & SHF_ALLOC) and not self.is_code


@dataclass(frozen=True)
class Symbol:
    """A function or variable that others can see."""

    name: str
    is_function: bool
    address: int


ELF_ERRORS = (OSError, struct.error, ValueError, IndexError)


class Elf:
    """One file.  Whatever is asked of it raises one of ELF_ERRORS if it is not what it says."""

    def __init__(self, path: Path) -> None:
        self._bytes = path.read_bytes()
        header = FILE_HEADER.unpack_from(self._bytes)
        if not header[0].startswith(MAGIC):
            raise struct.error("not ELF")
        self._segments_at, self._sections_at = header[5], header[6]
        self._n_segments, self._n_sections = header[10], header[12]

    @property
    def has_loader(self) -> bool:
        """It is not linked statically."""
        kinds = (
            SEGMENT.unpack_from(self._bytes, self._segments_at + i * SEGMENT.size)[0]
            for i in range(self._n_segments)
        )
        return PT_INTERP in kinds

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        found = []
        for i in range(self._n_sections):
            entry = SECTION.unpack_from(self._bytes, self._sections_at + i * SECTION.size)
            _, kind, flags, address, offset, size, link, *_ = entry
            data = self._bytes[offset : offset + size]
            found.append(Section(kind, flags, link, address, size, data))
        return tuple(found)

    def defined(self) -> Iterator[Symbol]:
        """All functions and variables that others can see; some twice."""
        for table in self.sections:
            if table.kind not in (SHT_SYMTAB, SHT_DYNSYM):
                continue
            names = self.sections[table.link].data
            for name, info, _, section, address, _ in SYMBOL.iter_unpack(table.data):
                if section and info >> 4 in (STB_GLOBAL, STB_WEAK):
                    text = names[name : names.index(b"\0", name)].decode("utf-8", "replace")
                    yield Symbol(text, info & 0xF == STT_FUNC, address)

    @cached_property
    def functions(self) -> frozenset[int]:
        """Where each function begins, whoever can see it."""
        return frozenset(
            address
            for table in self.sections
            if table.kind == SHT_SYMTAB
            for _, info, _, section, address, _ in SYMBOL.iter_unpack(table.data)
            if section and info & 0xF == STT_FUNC
        )
