#!/bin/bash
# `make run`: two federated nodes on this machine, casa and torre, until Ctrl-C or until one of them ends.
#
# On loopback the page is served over plain http too, which browsers count as secure there: the first try
# meets no certificate warning. LAN=1 listens on all interfaces, with https only, so that a phone can ring.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${TRUCA:-${CARGO_TARGET_DIR:-target}/debug/trucad}
work=${CARGO_TARGET_DIR:-target}/run
lan=${LAN:-}

# The first free TCP port from $1 on.
free() {
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}

pids=()
stop() {
  trap '' INT TERM
  local pid
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  echo
  echo "Both nodes have stopped. Their state stays in $work: the next run knows the people again."
}

# start NAME PAGE HTTP STUN [OPTION…]
start() {
  local name=$1 port=$2 http=$3 stun=$4
  shift 4
  mkdir -p "$work/$name/state" "$work/$name/run"
  : >"$work/$name/log"
  local listen=(--listen 127.0.0.1 --no-mdns)
  if [ -n "$lan" ]; then listen=(); fi
  "$bin" --config /dev/null --state "$work/$name/state" --run-dir "$work/$name/run" --name "$name" \
    --port "$port" --http-port "$http" --stun-port "$stun" "${listen[@]}" "$@" >>"$work/$name/log" 2>&1 &
  pids+=($!)
}

# ready NAME PID: until its log says so
ready() {
  local end=$((SECONDS + 20))
  until grep -qw ready "$work/$1/log"; do
    if ! kill -0 "$2" 2>/dev/null || ((SECONDS >= end)); then
      echo "truca: $1 did not start. Its log ($work/$1/log):" >&2
      cat "$work/$1/log" >&2
      exit 1
    fi
    sleep 0.1
  done
}

# The IPv4 addresses of this machine that others can reach.
addresses() {
  if command -v ip >/dev/null; then
    ip -4 -o address show scope global | awk '{ sub("/.*", "", $4); print $4 }'
  else
    hostname -I 2>/dev/null | tr ' ' '\n' | grep -F . || true
  fi
}

casa=$(free 8443) casa_http=$(free 8080) casa_stun=3478
torre=$(free $((casa + 10))) torre_http=$(free $((casa_http + 1))) torre_stun=3479

trap stop EXIT
trap 'exit 0' INT TERM
start casa "$casa" "$casa_http" "$casa_stun"
ready casa "${pids[0]}"
start torre "$torre" "$torre_http" "$torre_stun" --peer "127.0.0.1:$casa"
ready torre "${pids[1]}"

echo
if [ -z "$lan" ]; then
  cat <<T
Two nodes of one mesh are running on this machine:

    casa     http://localhost:$casa_http
    torre    http://localhost:$torre_http

1. Open casa, type a name. Open torre in another window, type another name.
2. Each sees the other under "Here now". Ring!
T
else
  cat <<T
Two nodes of one mesh are running, for everybody on this network:

T
  for address in $(addresses); do
    printf '    casa     https://%s:%s\n    torre    https://%s:%s\n' "$address" "$casa" "$address" "$torre"
    printf '             (http://%s:%s explains the warning that comes first)\n' "$address" "$casa_http"
  done
  cat <<T

1. Open casa here and torre on a phone of the same Wi-Fi. The browser warns, because a router's certificate
   is its own: compare the fingerprint, go on. Type a name on each.
2. Each sees the other under "Here now". Ring!
T
fi
echo
echo "Ctrl-C stops both. Logs: $work/casa/log, $work/torre/log"

status=0
wait -n "${pids[@]}" || status=$?
for name in casa torre; do
  echo "-- $name, last lines of its log:" >&2
  tail -n 5 "$work/$name/log" >&2
done
echo "truca: one of the nodes ended by itself (status $status); stopping the other." >&2
exit 1
