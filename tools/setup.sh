#!/bin/sh
# Installs what packages.txt names and this machine lacks; asks for nothing when all is there.
#   tools/setup.sh [PYTHON]
set -eu
cd "$(dirname "$0")/.."
python=${1:-/usr/bin/python3}

packages=$(sed 's/#.*//' packages.txt)
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: this is not Debian or Ubuntu. Install what your system calls these:"
  echo "$packages" | xargs -n 6 echo "  "
  exit 2
fi

missing=""
for package in $packages; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing="$missing $package"
done

if [ -n "$missing" ]; then
  echo "setup: installing$missing"
  as_root=""
  [ "$(id -u)" = 0 ] || as_root=sudo
  # The package list of a new machine may be empty, or too old to fetch from.
  $as_root apt-get update -qq
  # shellcheck disable=SC2086  # one word for each package
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

if ! "$python" -c 'import rich, jinja2, pygments' 2>/dev/null; then
  echo "setup: $python does not see Debian's Python packages: use make PYTHON=/usr/bin/python3"
  exit 2
fi
echo "setup: all is there."
