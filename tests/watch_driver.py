"""A watch whose grades are made by hand: started by test_watch.py in a terminal.

    watch_driver.py FOLDER

FOLDER/log gets one line for each grade: "fast" or "whole", and the contents graded.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path

import report_samples as samples

from grader import watch
from grader.records import GraderError, GradeResult, Module
from grader.report import terminal


def main(folder: Path) -> None:
    """Watch FOLDER/first/experiments.c; the next module is FOLDER/second."""
    modules = [
        replace(samples.module(), id=name, title=f"The {name} module", exercise=path)
        for name in ("first", "second")
        for path in (folder / name / "experiments.c",)
    ]

    def grade(module: Module, fast: bool) -> GradeResult:
        contents = module.exercise.read_text() if module.exercise.exists() else "missing"
        with (folder / "log").open("a") as log:
            print("fast" if fast else "whole", repr(contents), file=log)
        if "impossible" in contents:
            raise GraderError("this cannot be graded: try again.")
        if "broken" in contents:
            raise RuntimeError("a fault of the grader")
        result = samples.blocking() if "sleep" in contents else samples.passing()
        submission = replace(result.evidence.submission, module=module)
        return replace(result, evidence=replace(result.evidence, submission=submission))

    def reset(module: Module) -> None:
        module.exercise.write_text("skeleton\n")
        print("Your work is kept in a backup.")

    following = dict(zip([module.id for module in modules], modules[1:]))
    commands = watch.Commands(
        grade=grade,
        hint=lambda module: print(f"A hint for {module.id}."),
        reset=reset,
        next_module=lambda module: following.get(module.id),
    )
    try:
        watch.run(modules[0], commands, sys.stdout, terminal.of(sys.stdout))
    except GraderError as error:
        sys.exit(f"grader: {error}")


if __name__ == "__main__":
    # Tests that are started in the background inherit that it is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(Path(sys.argv[1]))
