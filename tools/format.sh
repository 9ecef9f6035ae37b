#!/bin/sh
# Puts the sources into the style that tools/lint.sh checks.
#   tools/format.sh [PYTHON]
set -eu
cd "$(dirname "$0")/.."
python=${1:-/usr/bin/python3}

git ls-files -co --exclude-standard -- '*.c' '*.h' |
  grep -Ev '/(mistakes|variants)/|^tests/hostile/' | xargs clang-format -i
"$python" -m black --quiet .
