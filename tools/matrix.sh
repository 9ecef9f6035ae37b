#!/bin/sh
# Writes docs/matrix.md: what `make verify` prints.  Usage: tools/matrix.sh PYTHON
set -eu
out=build/matrix.txt
mkdir -p build
"$1" -m grader verify --all > "$out"
{
  cat << 'END'
# The matrix: which check gives which mistake away

`make matrix` wrote this page, after `make verify ALL=1`.
Each line is a program of `modules/*/` or `tests/programs/*/`, its `mistakes/` or `variants/`, graded in simulated time (`FAST=1`): the checks, the score, and the diagnosis that the report leads with.
[How a verdict comes about](how-grading-works.md) says how to read it.

```
END
  sed '1{/^$/d}' "$out"
  echo '```'
} > docs/matrix.md
