# Sourced by the comparisons: starts Redis with two replicas and a three-node etcd under $dir, and
# stops what was started there. Needs $dir, $redis, $etcd (base ports) and $kvorum.

cleanup() {
  "$kvorum" cluster stop --data "$dir/kvorum" >/dev/null 2>&1 || true
  for pid in "$dir"/*/pid; do [ -f "$pid" ] && kill "$(cat "$pid")" 2>/dev/null || true; done
  wait  # or the next comparison meets them
  rm -rf "$dir"
}

start_redis() {
  for i in 0 1 2; do
    mkdir -p "$dir/redis$i"
    local extra=()
    if ((i)); then extra=(--replicaof 127.0.0.1 "$redis"); fi
    redis-server --port $((redis + i)) --dir "$dir/redis$i" --save "" --appendonly no \
      "${extra[@]}" >"$dir/redis$i/log" 2>&1 &
    echo $! >"$dir/redis$i/pid"
  done
  until [ "$(redis-cli -p $redis info replication 2>/dev/null | grep -c state=online)" = 2 ]; do
    :
  done
}

start_etcd() {
  local all="" i
  for i in 0 1 2; do all+="${all:+,}e$i=http://127.0.0.1:$((etcd + 10 + i))"; done
  for i in 0 1 2; do
    mkdir -p "$dir/etcd$i"
    local client=http://127.0.0.1:$((etcd + i)) peer=http://127.0.0.1:$((etcd + 10 + i))
    etcd --name "e$i" --data-dir "$dir/etcd$i/data" --listen-client-urls "$client" \
      --advertise-client-urls "$client" --listen-peer-urls "$peer" \
      --initial-advertise-peer-urls "$peer" --initial-cluster "$all" \
      --initial-cluster-state new >"$dir/etcd$i/log" 2>&1 &
    echo $! >"$dir/etcd$i/pid"
  done
  until ETCDCTL_API=3 etcdctl --endpoints "127.0.0.1:$etcd" endpoint health >/dev/null 2>&1; do
    :
  done
}
