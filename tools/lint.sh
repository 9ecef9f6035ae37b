#!/bin/sh
# Style and types.  Programs in mistakes/ and variants/ are as different as students are, so
# they are left alone.
#   tools/lint.sh [PYTHON]
set -eu
cd "$(dirname "$0")/.."
python=${1:-/usr/bin/python3}

our_c() {
  git ls-files -co --exclude-standard -- '*.c' '*.h' | grep -Ev '/(mistakes|variants)/|^tests/hostile/'
}

our_c | xargs clang-format --dry-run -Werror
our_c | grep '^grader/clib/' | xargs cppcheck --quiet --error-exitcode=1 --inline-suppr \
  --enable=warning,portability --suppress=missingIncludeSystem --suppress=unknownMacro \
  --suppress=uninitvar --suppress=ctuuninitvar --suppress=constStatement # misreads buffers to be filled, and REAL (close) (...)
shellcheck tools/*.sh .ci/run
"$python" -m black --quiet --check . || { echo "lint: make format would change Python files"; exit 1; }
"$python" -m flake8 .
"$python" -m mypy
echo "lint: clean"
