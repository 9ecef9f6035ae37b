#!/bin/sh
# Writes docs/matrix.md: what `make verify` prints.  Usage: tools/matrix.sh PYTHON
set -eu
out=build/matrix.txt
mkdir -p build
"$1" -m grader verify > "$out"
{
  cat << 'END'
# The matrix: which check gives which mistake away

`make matrix` wrote this page.
Each line is a program of `modules/*/mistakes/` or `variants/`, graded in simulated time (`FAST=1`): the checks, the score, and the diagnosis that the report leads with.
[How a verdict comes about](how-grading-works.md) says how to read it.

```
END
  sed '1{/^$/d}' "$out"
  echo '```'
} > docs/matrix.md
