#!/usr/bin/env bash
# cluster.sh - a cluster on this machine: a master and two agents of one core each, and a flow on them.
#
#     examples/cluster.sh [FLOW.lua ARGUMENTS]
#
# Without a flow it counts words (examples/word_count.lua).  The daemons listen at the loopback, on
# ports that the system chooses, and end with this script.  On real machines the same three commands
# run on each of them: docs/cluster.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
gleam=${GLEAM:-$here/../build/gleam}
dir=$(mktemp -d)
daemons=()
trap 'kill "${daemons[@]}" 2>/dev/null || true; wait; rm -rf "$dir"' EXIT

# start WORDS ARGUMENTS...: a daemon; goes on when it has said WORDS, and sets `address`.
start() {
    local words=$1 line output
    shift
    exec {output}< <(exec "$gleam" "$@" 2>&1)
    daemons+=($!)
    while read -r line <&"$output"; do
        case $line in *": ready at "*) address=${line##* } ;; esac
        case $line in *"$words"*) return ;; esac
    done
    echo "cluster.sh: gleam $1 ended" >&2
    exit 1
}

"$gleam" keygen "$dir/key"
export GLEAM_KEY_FILE=$dir/key
start "ready at" master --address 127.0.0.1:0
master=$address
for agent in 1 2; do
    start "known to the master" agent --dir "$dir/agent$agent" --master "$master" \
        --host 127.0.0.1 --port 0 --cores 1 --memory 512M
done
[[ $# -gt 0 ]] || set -- "$here/word_count.lua"
"$gleam" run --master "$master" "$@"
