"""What sanitizers and GLib wrote to stderr, read.

The formats are those of gcc 12's AddressSanitizer, LeakSanitizer and
UndefinedBehaviorSanitizer, and of GLib's default log handler.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from grader.judge.findings import Finding
from grader.records import OutputLine

_ASAN = re.compile(
    r"ERROR: AddressSanitizer: "
    r"(attempting [\w-]+|allocator is out of memory|requested allocation size 0x\w+|[\w-]+)"
)
_FRAME = re.compile(r"^\s*#\d+ 0x[0-9a-f]+ in (\S+) (\S+?):(\d+)")
_GOBJECT_FRAME = re.compile(r"^\s*#[0-3] 0x[0-9a-f]+ in (g_\w+) \(\S*libg(?:object|io)-2\.0\.so")
_LEAK = re.compile(r"^Direct leak of (\d+) byte\(s\) in (\d+) object")
_UBSAN = re.compile(r"^(\S+?):(\d+):\d+: runtime error: (.*)")
_FIXED_SIZE = re.compile(r"index .* out of bounds|shift exponent .* is too large")
_GLIB = re.compile(r"^(?:\(.*?:\d+\): )?(?:\S+-)?(CRITICAL|WARNING) \*\*")
_GLIB_ALONE = re.compile(r"^\*\* \(.*:\d+\): (CRITICAL|WARNING) \*\*")
_WARNING = re.compile(r"^\S+?:(\d+):\d+: warning: (.*)")
_GLIBC = re.compile(r"^\*\*\* (.+) \*\*\*")
_GLIB_ERROR = re.compile(r"(?:^|[\s:-])ERROR(?: \*\*)?:")

NULL_FOLLOWED = "a NULL pointer is followed"

ASAN_DIAGNOSES = {
    "heap-use-after-free": "dangling-user-data",
    "stack-use-after-return": "dangling-user-data",
    "stack-use-after-scope": "dangling-user-data",
    "stack-buffer-underflow": "dangling-user-data",
    "attempting double-free": "double-free",
    "attempting free": "double-free",
    "global-buffer-overflow": "hard-coded",  # a table of fixed size
}


def glib_messages(lines: Sequence[OutputLine]) -> list[str]:
    """The warnings and criticals of GLib, and nothing else: debug output is free."""
    return [line.text for line in lines if _GLIB.match(line.text) or _GLIB_ALONE.match(line.text)]


def is_own_message(message: str) -> bool:
    """Whether the program itself wrote it, with g_warning(), and no library."""
    return bool(_GLIB_ALONE.match(message))


def is_second_release(message: str) -> bool:
    """Whether GLib refused an ..._unref() because nobody holds the object any more."""
    return "_unref: assertion" in message and "ref_count" in message


def returns_nothing(compiler: str) -> bool:
    """Whether a function that must say if it goes on is one that says nothing (-Wextra)."""
    is_void = re.compile(r"from .void \(\*\)\(.*-Wcast-function-type|-Wreturn-type")
    return bool(is_void.search(compiler))


def first_warning(compiler: str) -> str:
    """The first warning, with the file's name cut down to the line; "" if there is none."""
    found = (_WARNING.match(text) for text in compiler.splitlines())
    return next((f"line {match[1]}: {match[2]}" for match in found if match), "")


def leak_check_failed(lines: Sequence[OutputLine]) -> bool:
    """Whether LeakSanitizer could not look, as where tracing is forbidden."""
    return any("LeakSanitizer has encountered a fatal error" in line.text for line in lines)


def glib_error(lines: Sequence[OutputLine]) -> str:
    """The message of g_error() or a failed g_assert(), which end the program; "" if none."""
    found = [line.text for line in lines if _GLIB_ERROR.search(line.text)]
    return next((text for text in found if "Sanitizer" not in text), "")


def glibc_error(lines: Sequence[OutputLine]) -> str:
    """Why the C library itself ended the program; "" if it did not."""
    found = (_GLIBC.match(line.text) for line in lines)
    said = next((match.group(1) for match in found if match), "")
    return f"{said}: a text that is not your own was used as a format" if "%n" in said else said


def memory_errors(
    lines: Sequence[OutputLine], source_name: str, *, returns_nothing: bool = False
) -> list[Finding]:
    """What AddressSanitizer and UndefinedBehaviorSanitizer found, the first error first.

    `returns_nothing`: the compiler says that a callback may (see returns_nothing()).
    """
    texts = [line.text for line in lines]
    found = []
    for number, text in enumerate(texts):
        if error := _ASAN.search(text):
            report = texts[number:]
            again = _ran_again(report, source_name) if returns_nothing else None
            found.append(again or _asan_finding(error.group(1), report, source_name))
        elif undefined := _UBSAN.match(text):
            file, line, words = undefined.groups()
            if file == source_name:
                diagnosis = "hard-coded" if _FIXED_SIZE.match(words) else "crash"
                found.append(Finding(diagnosis, f"line {line}: {words}", (int(line),)))
    return found


def _asan_finding(kind: str, report: Sequence[str], source_name: str) -> Finding:
    frames = student_frames(report[: _freed(report)], source_name)
    freed_in = student_frames(report[_freed(report) : _allocated(report)], source_name)
    where = f" at line {frames[0][1]} ({frames[0][0]})" if frames else ""
    lines = tuple(sorted({line for _, line in frames[:3]}))
    diagnosis = ASAN_DIAGNOSES.get(kind, "crash")
    if kind == "SEGV" and any("::Deallocate" in line for line in report[:8]):
        kind, diagnosis = "free of what was never allocated", "double-free"
    elif kind == "SEGV" and any("points to the zero page" in line for line in report[:8]):
        if gone := _object_is_gone(report):
            done = "released" if gone == "double-free" else "used"
            words = f"an object is {done} that is no more{where}"
            return Finding(gone, f"AddressSanitizer: {words}", lines)
        kind = NULL_FOLLOWED
    elif kind == "heap-use-after-free" and _frees_again(frames, freed_in):
        words = f"{frames[0][0]} frees again what it has freed before{where}"
        return Finding("double-free", f"AddressSanitizer: {words}", lines)
    by = f", freed before at line {freed_in[0][1]} ({freed_in[0][0]})" if freed_in else ""
    # Whoever freed it himself may have done so for somebody else.
    return Finding(diagnosis, f"AddressSanitizer: {kind}{where}{by}", lines, vague=bool(freed_in))


def _object_is_gone(report: Sequence[str]) -> str:
    """The diagnosis for a GObject that GLib cannot make out, "" if it is none.

    GLib refuses NULL with a critical.  In memory that was freed AddressSanitizer keeps small
    numbers of its own, where the object's class was.
    """
    stack = [match.group(1) for match in map(_GOBJECT_FRAME.match, report) if match]
    if not stack:
        return ""
    return "double-free" if stack[-1].endswith("_unref") else "dangling-user-data"


def _frees_again(used_in: Sequence[tuple[str, int]], freed_in: Sequence[tuple[str, int]]) -> bool:
    """A function that frees was called in two ways, and looks into what it frees."""
    if not used_in or not freed_in or used_in[0][0] != freed_in[0][0]:
        return False
    callers = [[name for name, _ in frames[1:]] for frames in (used_in, freed_in)]
    return callers[0] != callers[1] and not any(used_in[0][0] in names for names in callers)


def _freed(report: Sequence[str]) -> int:
    """Where a report begins to tell who freed the memory; its length if it does not."""
    return next((n for n, text in enumerate(report) if text.startswith("freed by")), len(report))


def _allocated(report: Sequence[str]) -> int:
    """The same for who had allocated it, which comes last."""
    starts = (n for n, text in enumerate(report) if text.startswith("previously allocated"))
    return next(starts, len(report))


def _ran_again(report: Sequence[str], source_name: str) -> Finding | None:
    """A callback of the loop that uses, from its beginning, what its last call freed."""
    use, free = report[: _freed(report)], report[_freed(report) : _allocated(report)]
    used_in, freed_in = student_frames(use, source_name), student_frames(free, source_name)
    if not used_in or not freed_in or used_in[0][0] != freed_in[0][0]:
        return None
    if not any(_calls_back(text, after) for text, after in zip(use, use[1:])):
        return None
    function, line = used_in[0]
    at_its_end = any("g_autoptr_cleanup" in text for text in free)
    if not at_its_end and freed_in[0][1] <= line:
        return None
    words = f"{function} ran again after it had freed its data: line {line} uses it"
    return Finding("timer-repeats", words, (line,))


def _calls_back(frame: str, caller: str) -> bool:
    return bool(_FRAME.match(frame)) and "libglib-2.0" in caller


def student_frames(report: Sequence[str], source_name: str) -> list[tuple[str, int]]:
    """(function, line) of the frames in the student's file, in the order of the report."""
    frames = []
    for text in report:
        frame = _FRAME.match(text)
        if frame and frame.group(2).endswith(source_name):
            frames.append((frame.group(1), int(frame.group(3))))
    return frames


def leaks(lines: Sequence[OutputLine], source_name: str) -> Finding | None:
    """What LeakSanitizer found: all direct leaks, and where the first was allocated."""
    texts = [line.text for line in lines]
    starts = [number for number, text in enumerate(texts) if _LEAK.match(text)]
    if not starts:
        return None
    total = 0
    for number in starts:
        leak = _LEAK.match(texts[number])
        total += int(leak.group(1)) if leak else 0
    frames = student_frames(texts[starts[0] :], source_name)
    where = f", the first allocated at line {frames[0][1]} ({frames[0][0]})" if frames else ""
    return Finding(
        "memory-leak",
        f"LeakSanitizer: {total} bytes never freed{where}",
        (frames[0][1],) if frames else (),
    )
