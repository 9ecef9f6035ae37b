"""One observed fact, with the misconception that it stands for."""

from __future__ import annotations

from dataclasses import dataclass

from grader.records import OutputLine, Site, Wait

MOMENT_S = 0.002  # timers have whole milliseconds; what is shorter is no wait

# What is only a symptom when something more telling was found.
SYMPTOMS = frozenset(
    {"output-differs", "wrong-elapsed", "never-quits", "wrong-exit-status", "crash", "todo-left"}
)


@dataclass(frozen=True)
class Finding:
    """Evidence against one check.  `diagnosis` is an id of the module's diagnoses.toml."""

    diagnosis: str
    evidence: str
    lines: tuple[int, ...] = ()  # of the student's source
    vague: bool = False  # a symptom: the test that shows it may know better what it means


def at(site: Site | None) -> str:
    """A place in the student's source, for a sentence."""
    if site is None or not site.line:
        return "your program"
    return f"line {site.line} ({site.function})"


def lines_of(*sites: Site | None) -> tuple[int, ...]:
    """The line numbers among `sites`, each once, in order."""
    return tuple(sorted({site.line for site in sites if site and site.line}))


def blocking_waits(waits: tuple[Wait, ...]) -> tuple[Wait, ...]:
    """The waits in which the student's code, not the loop, held up the thread of the loop.

    A main loop inside another one is no good however quick those are that it waits for.
    """
    return tuple(
        wait
        for wait in waits
        if wait.site is not None
        and wait.thread == 0
        and (wait.end_s - wait.start_s >= MOMENT_S or wait.loop_depth > 1)
        and not wait.idle
    )


def texts(lines: tuple[OutputLine, ...]) -> list[str]:
    """The lines without trailing white space, and without empty lines at the end."""
    stripped = [line.text.rstrip() for line in lines]
    while stripped and not stripped[-1]:
        stripped.pop()
    return stripped
