"""The attacks: files of this folder, and files that only a program can make (pipes, links).

The first line of each file says what it tries and what must come of it:

    // attack NN: what it tries; expected: marks lost | harmless | refused

    marks lost   graded, and not full marks
    harmless     a right program that also tries something: full marks, and nothing gained
    refused      no submission at all: exit status 2 and one plain line

NN is the number in the list of attacks of docs/security.md.  `@SECRET@`, `@CHECKOUT@` and
`@PORT@` stand for a file that the grader's user can read, the checkout, and a port on the
host's loopback that answers.  Nothing here is run, or compiled, outside the sandbox; and
each file bounds itself in count, size and time, should the sandbox fail.
"""

from __future__ import annotations

import os
import re
import socket
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FIRST_LINE = re.compile(r"(?://|<!--) attack (\w+): (.*); expected: (marks lost|harmless|refused)")
REFERENCE = ROOT / "solutions" / "0.5-gather" / "experiments.c"

# Runs of a few seconds at most, one for each kind of wall.
QUICK = (
    "01_exit_zero.c",
    "05_constructor.c",
    "09_inherited_descriptors.c",
    "19_ptrace_parent.c",
    "28_incbin.c",
    "31_read_solution.c",
    "34_network.c",
    "37_fork_bomb.c",
    "53_fifo.c",
    "58_terminal_escapes.c",
    "64_user_namespace.c",
    "65_host_calls.c",
)


@dataclass(frozen=True)
class Attack:
    """One submission that means no good."""

    name: str
    number: str
    what: str
    expected: str  # "marks lost", "harmless" or "refused"
    make: Callable[[Path, Mapping[str, str]], Path]  # (folder, placeholders) -> the submission


def attacks() -> list[Attack]:
    """All of them, in the order of their numbers."""
    files = [_from_file(path) for path in HERE.iterdir() if path.suffix in (".c", ".md")]
    return sorted([*files, *_made()], key=lambda attack: attack.name)


def _from_file(path: Path) -> Attack:
    text = path.read_text(encoding="utf-8")
    match = FIRST_LINE.match(text)
    if match is None:
        raise ValueError(f"{path}: the first line does not say what it tries")

    def make(folder: Path, placeholders: Mapping[str, str]) -> Path:
        filled = text
        for name, value in placeholders.items():
            filled = filled.replace(f"@{name}@", value)
        target = folder / path.name
        target.write_text(filled, encoding="utf-8")
        return target

    number, what, expected = match.groups()
    return Attack(path.name, number, what, expected, make)


# ---- what only a program can make ----------------------------------------------------------


def _made() -> list[Attack]:
    return [
        _bytes("52_huge_source.c", "a source of 20 MB", b"int x;\n" * 3_000_000),
        _bytes("52b_long_line.c", "a source of one line of 900 kB", _one_line(), "marks lost"),
        Attack("52c_zip_bomb.c", "52", "a zip file of a gigabyte of zeros", "refused", _zip),
        Attack("53_fifo.c", "53", "a pipe that nobody writes to", "refused", _fifo),
        Attack("53b_device.c", "53", "a link to /dev/zero", "refused", _link_to("/dev/zero")),
        Attack("53c_socket.c", "53", "a socket", "refused", _socket),
        Attack("53d_folder.c", "53", "a folder", "refused", _folder),
        Attack("54_symlink.c", "54", "a link to a secret", "refused", _link_to_secret),
        Attack(
            "54b_symlink_to_solution.c", "54", "a link to the solution", "refused", _to_solution
        ),
        Attack("54c_link_above.c", "54", "a folder that links out", "harmless", _folder_link),
        _bytes("55_archive.tar", "a tar file with ../ in it", b"../../hostile-left" + b"\0" * 600),
        _named("57_newline", "a file name with a line feed", "a\nb\n#include <x>.c"),
        _named("57b_option", "a file name that looks like an option", "-o hostile-left.c"),
        _named("57c_shell", "a file name for the shell", "; touch hostile-left; $(id) `id` #.c"),
        _named("57d_quotes", "a file name for #line and JSON", 'a"\n#error b\\", "score": 100.c'),
        _named("57e_bytes", "a file name that is not UTF-8", os.fsdecode(b"caf\xe9\xff.c")),
        _named("57f_escapes", "a file name with terminal escapes", "\x1b[2Jpass\u202ec.c"),
        _named("57g_markup", "a file name with markup", "<img src=x onerror=alert(1)>&[b].c"),
        Attack("57i_refused", "57", "a pipe whose name has escapes", "refused", _odd_pipe),
        _named("57h_long", "a file name of 250 bytes", "x" * 248 + ".c"),
        _bytes("62c_nul_source.c", "a source with NUL bytes", b"int x;\0\n" * 40),
        _bytes("62d_broken_source.c", "a source that is not UTF-8", b'char *x = "\xff\xc0";\n'),
        _bytes("62e_empty.c", "an empty file", b""),
        _bytes("62f_markdown.md", "Markdown with no code in it", b"# I did it\n\nbelieve me\n"),
    ]


def _bytes(name: str, what: str, content: bytes, expected: str = "refused") -> Attack:
    def make(folder: Path, _: Mapping[str, str]) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return Attack(name, name[:2], what, expected, make)


def _one_line() -> bytes:
    return b'#include "experiments.h"\nint main (void) { return 0' + b" + 0" * 225_000 + b"; }\n"


def _named(name: str, what: str, file_name: str) -> Attack:
    """The reference under an odd name: still right."""

    def make(folder: Path, _: Mapping[str, str]) -> Path:
        target = folder / file_name.replace("/", "_")
        target.write_bytes(REFERENCE.read_bytes())
        return target

    return Attack(name, name[:2], what, "harmless", make)


def _zip(folder: Path, _: Mapping[str, str]) -> Path:
    target = folder / "52c_zip_bomb.c"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("experiments.c", "w", force_zip64=True) as inner:
            for _round in range(64):
                inner.write(b"\0" * (16 << 20))
    return target


def _fifo(folder: Path, _: Mapping[str, str]) -> Path:
    os.mkfifo(folder / "53_fifo.c")
    return folder / "53_fifo.c"


def _odd_pipe(folder: Path, _: Mapping[str, str]) -> Path:
    os.mkfifo(folder / "\x1b[2J\npass.c")
    return folder / "\x1b[2J\npass.c"


def _socket(folder: Path, _: Mapping[str, str]) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "53c_socket.c"))
    return folder / "53c_socket.c"


def _folder(folder: Path, _: Mapping[str, str]) -> Path:
    (folder / "53d_folder.c").mkdir()
    return folder / "53d_folder.c"


def _link_to(target: str) -> Callable[[Path, Mapping[str, str]], Path]:
    def make(folder: Path, _: Mapping[str, str]) -> Path:
        (folder / "experiments.c").symlink_to(target)
        return folder / "experiments.c"

    return make


def _link_to_secret(folder: Path, placeholders: Mapping[str, str]) -> Path:
    return _link_to(placeholders["SECRET"])(folder, placeholders)


def _to_solution(folder: Path, placeholders: Mapping[str, str]) -> Path:
    return _link_to(str(REFERENCE))(folder, placeholders)


def _folder_link(folder: Path, placeholders: Mapping[str, str]) -> Path:
    """Only the last step of a path is the student's; a link above it is the instructor's."""
    real = folder / "real"
    real.mkdir()
    (real / "experiments.c").write_bytes(REFERENCE.read_bytes())
    (folder / "link").symlink_to(real)
    return folder / "link" / "experiments.c"
