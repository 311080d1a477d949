#!/usr/bin/env bash
# HTTP: three nodes of ours and etcd's gateway, one node of each driven in turn by wrk with 64
# connections and 64-byte values, A B A B; prints the median rates and ratios. 100,000 keys.
#   bench/http.sh [ROUNDS=3] [SECONDS=5]
set -euo pipefail
rounds=${1:-3} seconds=${2:-5}
root=$(cd "$(dirname "$0")/.." && pwd)
kvorum=${KVORUM_BIN:-$root/build/release/src/app/kvorum}
dir=$(mktemp -d)
base=7301 etcd=7601
results=$dir/results
. "$root/bench/peers.sh"
trap cleanup EXIT

cat >"$dir/load.lua" <<'LUA'
-- wrk's arguments: kvorum or etcd, put or get, the query.
local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function base64(text)
  return ((text:gsub(".", function(c)
    local bits = ""
    for i = 7, 0, -1 do bits = bits .. math.floor(c:byte() / 2 ^ i) % 2 end
    return bits
  end) .. "0000"):gsub("%d%d%d?%d?%d?%d?", function(bits)
    if #bits < 6 then return "" end
    local at = tonumber(bits, 2) + 1
    return digits:sub(at, at)
  end) .. ({"", "==", "="})[#text % 3 + 1])
end
local requests, at = {}, 0
function init(args)
  local system, op, query = args[1], args[2], args[3] or ""
  local value = string.rep("x", 64)
  math.randomseed(os.time())
  for i = 1, 20000 do
    local key = string.format("key:%012d", math.random(0, 99999))
    if system == "kvorum" then
      requests[i] = wrk.format(op == "put" and "PUT" or "GET", "/v1/kv/" .. key .. query, nil,
                               op == "put" and value or nil)
    else
      local body = '{"key":"' .. base64(key) .. '"'
      if op == "put" then body = body .. ',"value":"' .. base64(value) .. '"' end
      local path = op == "put" and "/v3/kv/put" or "/v3/kv/range"
      requests[i] = wrk.format("POST", path, nil, body .. query .. "}")
    end
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
LUA

# load NAME SYSTEM PORT OP QUERY: keeps requests per second and p50 in milliseconds
load() {
  local out
  out=$(wrk -t1 -c64 -d"${seconds}s" --latency -s "$dir/load.lua" "http://127.0.0.1:$3" -- \
    "$2" "$4" "$5")
  if grep -q "Non-2xx" <<<"$out" && [ "$4" = put ]; then
    echo "$1 $2: $(grep Non-2xx <<<"$out")" >&2
  fi
  awk -v work="$1" -v system_="$2" '
    /50%/ { p50 = $2; unit = p50; gsub(/[0-9.]/, "", unit); p50 += 0
            p50 *= unit == "us" ? 0.001 : unit == "s" ? 1000 : 1 }
    /Requests\/sec/ { rate = $2 }
    END { print work, system_, rate, p50 }' <<<"$out" >>"$results"
}

echo "starting three nodes of each" >&2
"$kvorum" cluster start --nodes 3 --base-port $base --data "$dir/kvorum" --detach >/dev/null
start_etcd
leader=$(for i in 0 1 2; do
  redis-cli -p $((base + i)) KV.STATUS | grep -q 'role:leader' && echo $((base + i)) && break
done)
http=$((leader + 2000))
for ((round = 1; round <= rounds; ++round)); do
  echo "round $round of $rounds" >&2
  load put-linearizable kvorum $http put ""
  load put-linearizable etcd $etcd put ""
  load get-linearizable kvorum $http get ""
  load get-linearizable etcd $etcd get ""
  load put-eventual kvorum $http put "?keyspace=fast&level=one"
  load put-eventual etcd $etcd put ""
  load get-eventual kvorum $http get "?keyspace=fast&level=one"
  load get-eventual etcd $etcd get ',"serializable":true'
done
python3 "$root/bench/table.py" "$results"
