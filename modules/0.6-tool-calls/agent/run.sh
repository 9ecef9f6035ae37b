#!/bin/sh
# Builds the agent around your dispatcher, or around FILE, and runs it: make agent.
# Without AGENT_BASE_URL nothing is sent anywhere but to a model server on this machine.
set -eu

root=$(cd "$(dirname "$0")/../../.." && pwd)
module=$root/modules/0.6-tool-calls
file=${FILE:-$root/exercises/0.6-tool-calls/tool_calls.c}
out=$root/build/agent

if ! pkg-config --exists libsoup-3.0; then
  echo "make agent needs libsoup 3: sudo apt install libsoup-3.0-dev" >&2
  exit 2
fi
if cmp -s "$file" "$module/skeleton/tool_calls.c"; then
  echo "Your exercise is still empty: this is the reference at work."
  file=$root/solutions/0.6-tool-calls/tool_calls.c
fi

mkdir -p "$out/tools"
cp -r "$module/data" "$module/agent/replies" "$module/agent/tools.json" "$out"
# shellcheck disable=SC2086  # lists of flags
compile() {
  gcc -std=gnu11 -g -Wall -Wextra -Wno-unused-parameter -I"$module" "$@" $glib $soup
}
glib=$(pkg-config --cflags --libs gio-2.0 gio-unix-2.0 json-glib-1.0)
soup=$(pkg-config --cflags --libs libsoup-3.0)
for tool in calculator flaky search slow weather; do
  compile "$module/tools/$tool.c" -o "$out/tools/$tool"
done
compile "$module/agent/model_server.c" -o "$out/model_server"
compile -Dmain=student_main -c "$file" -o "$out/dispatcher.o"
compile "$module/agent/chat.c" "$module/agent.c" "$out/dispatcher.o" -o "$out/chat"

cd "$out"
exec ./chat "$@"
