"""`python3 -m grader COMMAND ...`: the way in.

The map of the package, in the order of a grade:

    cli.py          words on the command line -> one function of commands.py
    commands.py     one function for each command, a straight line through the hops
    catalog.py      id -> Module
    submission.py   file -> Submission            markdown.py reads the .md ones
    sandbox.py      the walls around all that follows
    build.py        Submission -> binaries        parts.py: what is ready made
    observe.py      binaries -> Evidence          execute.py runs, clock.py simulates time
    judge/          Evidence -> GradeResult       pure
    report/         GradeResult -> text, html, json       pure

Exit status: 0 full marks, 1 marks lost, 2 the grader could not judge.
"""

import gc

from grader.cli import main

# A grade makes many small records and hardly a cycle: looking for some costs it 7 %.
gc.set_threshold(100_000)
raise SystemExit(main())
