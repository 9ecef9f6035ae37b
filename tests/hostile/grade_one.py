"""`python3 -m grader`, with a window: also writes down all that the programs put out.

    grade_one.py SEEN-FILE COMMAND...

The report shows a part of what a program printed; whoever looks for stolen secrets must see
all of it.  So the evidence is copied to SEEN-FILE on its way from `observe` to `judge`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from grader import cli, observe  # noqa: E402
from grader.records import Evidence  # noqa: E402

real_observe = observe.observe


def lines_of(evidence: Evidence) -> list[str]:
    """The compiler's messages and every line of every run."""
    runs = (evidence.wall, evidence.virtual, evidence.sanitized, *evidence.tests_runs)
    seen = evidence.build.messages.splitlines()
    for run in runs:
        if run is not None:
            seen += [line.text for line in (*run.stdout, *run.stderr, *run.report)]
    return seen


def observe_and_tell(*arguments: Any, **options: Any) -> Evidence:
    evidence = real_observe(*arguments, **options)
    text = "\n".join(lines_of(evidence))
    Path(sys.argv[1]).write_text(text, encoding="utf-8", errors="backslashreplace")
    return evidence


observe.observe = observe_and_tell
raise SystemExit(cli.main(sys.argv[2:]))
