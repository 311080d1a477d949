#!/usr/bin/env bash
# Three nodes of ours, Redis with two replicas and etcd, driven in turn by the same load, A B A B;
# prints the median rates and ratios. What it needs comes from Debian: tools/packages.txt and
# tools/packages-bench.txt (without the latter etcd is left out).
#   bench/run.sh [ROUNDS=3] [REQUESTS=100000]
set -euo pipefail
rounds=${1:-3} requests=${2:-100000}
root=$(cd "$(dirname "$0")/.." && pwd)
kvorum=${KVORUM_BIN:-$root/build/release/src/app/kvorum}
dir=$(mktemp -d)
base=7301 redis=7401 etcd=7601
results=$dir/results
. "$root/bench/peers.sh"
trap cleanup EXIT

# rate NAME SYSTEM COMMAND...: runs it, keeps requests per second and p50
rate() {
  local name=$1 system=$2 csv
  shift 2
  csv=$("$@" --csv 2>/dev/null | tail -1 | tr -d '"')
  echo "$name $system $(cut -d, -f2 <<<"$csv") $(cut -d, -f5 <<<"$csv")" >>"$results"
}

# etcdctl's own load tool: one number per second, 64 clients
etcd_rate() {
  local name=$1 load=$2
  shift 2
  "$load" -ep "127.0.0.1:$etcd" "$@" |
    sed -E 's/.*: ([0-9]+) ops\/s p50=([0-9.]+)ms.*/\1 \2/' | sed "s/^/$name etcd /" >>"$results"
}

echo "starting three nodes of each" >&2
"$kvorum" cluster start --nodes 3 --base-port $base --data "$dir/kvorum" --detach >/dev/null
start_redis
start_etcd
etcd_load=
if command -v go >/dev/null && [ -d /usr/share/gocode/src/go.etcd.io/etcd ]; then
  GO111MODULE=off GOPATH=/usr/share/gocode go build -o "$dir/etcd_load" \
    "$root/bench/etcd_load.go" && etcd_load=$dir/etcd_load
fi
leader=$(for i in 0 1 2; do
  redis-cli -p $((base + i)) KV.STATUS | grep -q 'role:leader' && echo $((base + i)) && break
done)

# Leaderless keyspaces: `fast` (database 1, W=R=1) and one with W=R=2.
redis-cli -p $base KV.KEYSPACE CREATE quorum leaderless w=2 r=2 >/dev/null
quorum=$(redis-cli -p $base KV.KEYSPACE DESCRIBE quorum | grep -A1 -x id | tail -1)

load() { redis-benchmark -p "$1" -d 64 -r 100000 -n "$requests" -t "$2" -c "$3" -P "$4" "${@:5}"; }
for ((round = 1; round <= rounds; ++round)); do
  echo "round $round of $rounds" >&2
  for op in set get; do
    for depth in 1 16; do
      rate "$op-c50-P$depth" redis load $redis $op 50 $depth
      rate "$op-c50-P$depth" kvorum load "$leader" $op 50 $depth
    done
    for depth in 1 16; do
      rate "eventual-$op-P$depth" redis load $redis $op 50 $depth
      rate "eventual-$op-P$depth" kvorum load $base $op 50 $depth --dbnum 1
      rate "quorum-$op-P$depth" kvorum load $base $op 50 $depth --dbnum "$quorum"
    done
    rate "$op-c64-P1" kvorum load "$leader" $op 64 1
    rate "$op-c1-P1" kvorum redis-benchmark -p "$leader" -d 64 -r 100000 -n 3000 -t $op -c 1
    rate "$op-c1-P1" redis redis-benchmark -p $redis -d 64 -r 100000 -n 3000 -t $op -c 1
  done
  if [ -n "$etcd_load" ]; then
    etcd_rate set-c64-P1 "$etcd_load" -op put -c 64 -n 20000
    etcd_rate get-c64-P1 "$etcd_load" -op lget -c 64 -n 20000
    etcd_rate set-c1-P1 "$etcd_load" -op put -c 1 -n 2000
    etcd_rate get-c1-P1 "$etcd_load" -op lget -c 1 -n 2000
  fi
done

memory=$(for i in 1 2 3; do
  pid=$(pgrep -f "server --node $i .*$dir/kvorum" | head -1)
  awk '/VmRSS/ {print int($2 / 1024)}' "/proc/$pid/status"
done | sort -n | tail -1)
python3 "$root/bench/table.py" "$results"
echo "largest node: $memory MB resident after the runs above (100,000 keys of 64 bytes)"
