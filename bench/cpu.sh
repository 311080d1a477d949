#!/usr/bin/env bash
# What a request costs: microseconds of processor time, all three nodes together, per SET and GET of
# a keyspace, pipelined and not. Steadier than rates on a machine that does other things, too.
#   bench/cpu.sh [KEYSPACE=0] [REQUESTS=400000]
set -euo pipefail
keyspace=${1:-0} requests=${2:-400000}
root=$(cd "$(dirname "$0")/.." && pwd)
kvorum=${KVORUM_BIN:-$root/build/release/src/app/kvorum}
dir=$(mktemp -d)
port=7701
cleanup() {
  "$kvorum" cluster stop --data "$dir/kvorum" >/dev/null 2>&1 || true
  rm -rf "$dir"
}
trap cleanup EXIT

ticks() {
  local sum=0 pid
  for pid in $(pgrep -f "server --node . .*$dir/kvorum"); do
    sum=$((sum + $(awk '{print $14 + $15}' "/proc/$pid/stat")))
  done
  echo $sum
}

load() {
  redis-benchmark -p $port --dbnum "$keyspace" -d 64 -r 100000 -c 50 -n "$3" -t "$1" -P "$2" -q \
    >/dev/null 2>&1
}

"$kvorum" cluster start --nodes 3 --base-port $port --data "$dir/kvorum" --detach >/dev/null
load set 16 200000
hertz=$(getconf CLK_TCK)
for op in set get; do
  for depth in 16 1; do
    before=$(ticks)
    load $op $depth "$requests"
    after=$(ticks)
    awk -v work="$op P=$depth" -v ticks="$((after - before))" -v n="$((requests * hertz))" \
      'BEGIN { printf "%s: %.2f us of processor time a request\n", work, ticks / n * 1e6 }'
  done
done
