#!/bin/bash
# A mesh on one machine: N nodes in a line, each with a LAN and one client on it.
#
#     c1        c2        c3          truca-c1 … truca-cN   clients: eth0, default route to their node
#      |         |         |
#    [n1]======[n2]======[n3]         truca-n1 … truca-nN   nodes: br-lan, mesh0 (west), mesh1 (east)
#
# Commands
#   up            build it (what was there before goes away first)
#   set [n1 …]    load the firewalls (of these nodes only) again, with other switches; open flows are forgotten
#                 where possible
#   down          end what runs inside and take everything away
#   show          addresses, routes and firewall of every node
#   shape …       the link of SHAPED is from now on like that, both ways: rate=300 delay=100 jitter=20 loss=5
#                 queue=300 (kb/s, ms, percent; what is not named is perfect); without words: what it has carried
#   move C N      client C walks to node N's LAN: another cable, another address (move c1 n2)
#   shell NAME    a shell in n1, c3, …
#   exec NAME …   a command in n1, c3, …
#
# Switches (environment)
#   MODE=routed|nat          routed: LAN of node i is 10.13.i.0/24, no translation (LibreMesh)
#                            nat: every LAN is 192.168.1.0/24, masqueraded by its node (qMp roaming)
#   NODES=3                  how many nodes, 2 to 50
#   INPUT=accept|drop|reject what a node does with stray UDP from the mesh; default: drop in nat, accept in routed
#   MASQ=                    nat only: random, fully-random or persistent (nft masquerade flags)
#   MASQALL=0|1              nat only: 1: what crosses a node is masqueraded too, not only what comes from its LAN
#   SAMEIP=0|1               nat only: 1: every client is 192.168.1.100
#   V6=0|1                   1: unique local addresses as well, routed without translation whatever MODE is
#   ROUTES=static|none       none: leaves the routes to a routing daemon; each node has those of its links
#   SHAPED=                  number of a link that can be bad: 1 is the one between n1 and n2. Two TAP interfaces
#                            with target/debug/shaper between them (or SHAPER=), since a kernel may lack netem
#   LAB=truca                prefix of the namespaces, so that two labs can stand side by side
#
# Addresses: node i is 10.99.0.i/32 on lo; the link between i and i+1 is 10.99.(100+i).0/24 with the
# nodes' own numbers as hosts; client i is host 100+i of its LAN. With V6=1 the same in fd99:0:0:(100+i)::/64 for
# links and fd13:0:0:i::/64 for LANs. It needs root, iproute2 and nftables.
set -euo pipefail

LAB=${LAB:-truca}
MODE=${MODE:-routed}
NODES=${NODES:-3}
MASQ=${MASQ:-}
MASQALL=${MASQALL:-0}
SAMEIP=${SAMEIP:-0}
V6=${V6:-0}
ROUTES=${ROUTES:-static}
SHAPED=${SHAPED:-}
SHAPER=${SHAPER:-${CARGO_TARGET_DIR:-$(dirname "$0")/../../target}/debug/shaper}
case $MODE in
  routed) INPUT=${INPUT:-accept} ;;
  nat) INPUT=${INPUT:-drop} ;;
  *) echo "lab: MODE is routed or nat, not '$MODE'" >&2; exit 2 ;;
esac
case $INPUT in accept | drop | reject) ;; *) echo "lab: INPUT is accept, drop or reject, not '$INPUT'" >&2; exit 2 ;; esac
case $MASQ in '' | random | fully-random | persistent) ;; *) echo "lab: MASQ is empty, random, fully-random or persistent, not '$MASQ'" >&2; exit 2 ;; esac
for switch in MASQALL SAMEIP V6; do
  case ${!switch} in 0 | 1) ;; *) echo "lab: $switch is 0 or 1, not '${!switch}'" >&2; exit 2 ;; esac
done
if [ "$MODE" = routed ] && [ "$MASQ$MASQALL$SAMEIP" != 00 ]; then
  echo "lab: MASQ, MASQALL and SAMEIP are for MODE=nat" >&2
  exit 2
fi
case $ROUTES in static | none) ;; *) echo "lab: ROUTES is static or none, not '$ROUTES'" >&2; exit 2 ;; esac
if ! [[ $NODES =~ ^[0-9]+$ ]] || ((NODES < 2 || NODES > 50)); then
  echo "lab: NODES is a number from 2 to 50, not '$NODES'" >&2
  exit 2
fi
if [ -n "$SHAPED" ] && ! { [[ $SHAPED =~ ^[0-9]+$ ]] && ((SHAPED >= 1 && SHAPED < NODES)); }; then
  echo "lab: SHAPED is the number of a link, 1 to $((NODES - 1)), not '$SHAPED'" >&2
  exit 2
fi

ns() { echo "$LAB-$1"; }
lan() { if [ "$MODE" = nat ]; then echo 192.168.1; else echo "10.13.$1"; fi; }
# client I on the LAN of node J
host() { if [ "$SAMEIP" = 1 ]; then echo "$(lan "$2").100/24"; else echo "$(lan "$2").$((100 + $1))/24"; fi; }
all() { ip netns list | awk -v p="$LAB-" 'index($1, p) == 1 && substr($1, length(p) + 1) ~ /^[nc][0-9]+$/ { print $1 }'; }

need() {
  [ "$(id -u)" = 0 ] || { echo "lab: namespaces need root (try sudo)" >&2; exit 1; }
  local tool
  for tool in ip nft; do
    command -v "$tool" >/dev/null || { echo "lab: '$tool' is missing (Debian: apt-get install iproute2 nftables)" >&2; exit 1; }
  done
}

# Node i's firewall. Its own ports are open to the mesh; what else comes unasked over UDP meets INPUT. This
# matters in nat mode: an accepted stray packet leaves a conntrack entry that spoils the hole it came for.
firewall() {
  local i=$1 stray='' post='' whose='ip saddr 192.168.1.0/24'
  if [ "$MASQALL" = 1 ]; then whose='meta nfproto ipv4'; fi
  if [ "$INPUT" != accept ]; then
    stray="iifname \"mesh*\" udp dport { 3478, 5353, 8443, 24576-24831 } accept
    iifname \"mesh*\" meta l4proto udp counter $INPUT"
  fi
  if [ "$MODE" = nat ]; then
    post="chain post {
    type nat hook postrouting priority srcnat; policy accept;
    oifname \"mesh*\" $whose counter masquerade $MASQ
  }"
  fi
  ip netns exec "$(ns "n$i")" nft -f - <<N
table inet lab
delete table inet lab
table inet lab {
  chain in {
    type filter hook input priority filter; policy accept;
    ct state established,related accept
    $stray
  }
  $post
}
N
}

node() {
  local i=$1 n c
  n=$(ns "n$i") c=$(ns "c$i")
  ip netns add "$n"
  ip netns add "$c"
  ip -n "$n" link set lo up
  ip -n "$c" link set lo up
  ip netns exec "$n" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
  ip -n "$n" addr add "10.99.0.$i/32" dev lo
  ip -n "$n" link add br-lan type bridge
  ip -n "$n" addr add "$(lan "$i").1/24" dev br-lan
  ip link add "lan-c$i" netns "$n" type veth peer name eth0 netns "$c"
  ip -n "$n" link set "lan-c$i" master br-lan up
  ip -n "$n" link set br-lan up
  ip -n "$c" addr add "$(host "$i" "$i")" dev eth0
  ip -n "$c" link set eth0 up
  ip -n "$c" route add default via "$(lan "$i").1"
  if [ "$V6" = 1 ]; then
    ip netns exec "$n" sysctl -qw net.ipv6.conf.all.forwarding=1
    ip -n "$n" addr add "fd13:0:0:$i::1/64" dev br-lan nodad
    ula "$i" "$i"
  fi
}

# Client I's unique local address on the LAN of node J.
ula() {
  local c
  c=$(ns "c$1")
  ip -n "$c" addr add "fd13:0:0:$2::$((100 + $1))/64" dev eth0 nodad
  ip -n "$c" -6 route replace default via "fd13:0:0:$2::1"
}

# The link between node i and the next. mesh1 is a node's eastern side, mesh0 its western; the first node
# has no western side and the last no eastern.
link() {
  local i=$1 j=$(($1 + 1)) west east
  west=$(ns "n$i") east=$(ns "n$j")
  if [ "$i" = "$SHAPED" ]; then bad_link "$west" "$east"; else ip link add mesh1 netns "$west" type veth peer name mesh0 netns "$east"; fi
  ip -n "$west" addr add "10.99.$((100 + i)).$i/24" dev mesh1
  ip -n "$east" addr add "10.99.$((100 + i)).$j/24" dev mesh0
  if [ "$V6" = 1 ]; then
    ip -n "$west" addr add "fd99:0:0:$((100 + i))::$i/64" dev mesh1 nodad
    ip -n "$east" addr add "fd99:0:0:$((100 + i))::$j/64" dev mesh0 nodad
  fi
  ip -n "$west" link set mesh1 up
  ip -n "$east" link set mesh0 up
}

# The shaper makes both ends in the western node, where it lives and dies with the lab; one of them moves east.
bad_link() {
  local west=$1 east=$2 told
  [ -x "$SHAPER" ] || { echo "lab: no shaper at $SHAPER: cargo build -p truca-tests --bin shaper" >&2; exit 1; }
  coproc SHAPING { exec ip netns exec "$west" "$SHAPER" run mesh1 meshx 2>&1 </dev/null; }
  # shellcheck disable=SC2153 # coproc sets it
  read -r told <&"${SHAPING[0]}" || true
  [ "$told" = ready ] || { echo "lab: $told" >&2; exit 1; }
  ip -n "$west" link set meshx netns "$east" name mesh0
}

# Static routes along the line, in place of a routing daemon.
routes() {
  local i=$1 j n via via6 k
  n=$(ns "n$i")
  for ((j = 1; j <= NODES; j++)); do
    ((j == i)) && continue
    if ((j > i)); then via=10.99.$((100 + i)).$((i + 1)); else via=10.99.$((99 + i)).$((i - 1)); fi
    # The main address as source: what a routing daemon of the mesh sets too.
    ip -n "$n" route add "10.99.0.$j/32" via "$via" src "10.99.0.$i"
    if [ "$MODE" = routed ]; then ip -n "$n" route add "10.13.$j.0/24" via "$via"; fi
    if [ "$V6" = 1 ]; then
      if ((j > i)); then via6=fd99:0:0:$((100 + i))::$((i + 1)); else via6=fd99:0:0:$((99 + i))::$((i - 1)); fi
      ip -n "$n" -6 route add "fd13:0:0:$j::/64" via "$via6"
    fi
  done
  for ((k = 1; k < NODES; k++)); do
    if ((k > i)); then
      ip -n "$n" route add "10.99.$((100 + k)).0/24" via "10.99.$((100 + i)).$((i + 1))"
    elif ((k < i - 1)); then
      ip -n "$n" route add "10.99.$((100 + k)).0/24" via "10.99.$((99 + i)).$((i - 1))"
    else
      continue
    fi
    if [ "$V6" = 1 ]; then
      if ((k > i)); then via6=fd99:0:0:$((100 + i))::$((i + 1)); else via6=fd99:0:0:$((99 + i))::$((i - 1)); fi
      ip -n "$n" -6 route add "fd99:0:0:$((100 + k))::/64" via "$via6"
    fi
  done
}

up() {
  down
  local i
  for ((i = 1; i <= NODES; i++)); do node "$i"; done
  for ((i = 1; i < NODES; i++)); do link "$i"; done
  for ((i = 1; i <= NODES; i++)); do if [ "$ROUTES" = static ]; then routes "$i"; fi; firewall "$i"; done
  echo "lab: $NODES nodes, MODE=$MODE INPUT=$INPUT${MASQ:+ MASQ=$MASQ}; namespaces $(ns n1) … $(ns "n$NODES"), $(ns c1) … $(ns "c$NODES")"
}

down() {
  local n pids end
  for n in $(all); do
    pids=$(ip netns pids "$n" || true)
    # shellcheck disable=SC2086 # one word for each process
    if [ -n "$pids" ]; then kill $pids 2>/dev/null || true; fi
  done
  end=$((SECONDS + 5))
  for n in $(all); do
    while pids=$(ip netns pids "$n") && [ -n "$pids" ]; do
      # shellcheck disable=SC2086
      if ((SECONDS >= end)); then kill -9 $pids 2>/dev/null || true; fi
      sleep 0.1
    done
    ip netns del "$n"
  done
}

# The router's end of the client's cable goes to another router; the client's interface stays, loses its carrier
# and gets an address of the new LAN, as after a walk from one access point to the next.
move() {
  local client=$1 node=$2 port=lan-$1 found='' c n from
  c=$(ns "$client") n=$(ns "$node")
  for from in $(all); do
    if ip -n "$from" link show "$port" >/dev/null 2>&1; then found=$from; fi
  done
  [ -n "$found" ] || { echo "lab: no router has a cable of $client" >&2; exit 1; }
  ip -n "$c" addr flush dev eth0 scope global
  ip -n "$found" link set "$port" netns "$n"
  ip -n "$n" link set "$port" master br-lan up
  ip -n "$c" addr add "$(host "${client#c}" "${node#n}")" dev eth0
  ip -n "$c" route replace default via "$(lan "${node#n}").1"
  if [ "$V6" = 1 ]; then ula "${client#c}" "${node#n}"; fi
}

shape() {
  local n
  for n in $(all); do
    if ip -n "$n" -d link show mesh1 2>/dev/null | grep -q 'tun type tap'; then exec ip netns exec "$n" "$SHAPER" set "$@"; fi
  done
  echo "lab: no link is shaped (SHAPED=1 $0 up)" >&2
  exit 1
}

# firewalls [n1 …]
firewalls() {
  local n i=0 only=" $* "
  for n in $(all); do
    case $n in "$LAB"-n*) ;; *) continue ;; esac
    if (($#)) && [[ $only != *" ${n#"$LAB"-} "* ]]; then continue; fi
    i=$((i + 1))
    firewall "${n#"$LAB"-n}"
    if command -v conntrack >/dev/null; then ip netns exec "$n" conntrack -F 2>/dev/null || true; fi
  done
  if ((i == 0)); then echo "lab: nothing ${*:+of $* }is up" >&2; exit 1; fi
}

show() {
  local n
  for n in $(all); do
    echo "== $n"
    ip -n "$n" -br address
    ip -n "$n" route
    case $n in "$LAB"-n*) ip netns exec "$n" nft list ruleset ;; esac
  done
}

inside() {
  local name=${1:-}
  [ -n "$name" ] || { echo "lab: which one? n1, c1, …" >&2; exit 2; }
  all | grep -qx "$(ns "$name")" || { echo "lab: no namespace $(ns "$name"); is the lab up? ($0 up)" >&2; exit 1; }
  shift
  exec ip netns exec "$(ns "$name")" "$@"
}

case ${1:-} in
  up) need; up ;;
  set) need; shift; firewalls "$@" ;;
  down) need; down ;;
  show) need; show ;;
  shape) need; shift; shape "$@" ;;
  move) need; move "${2:?which client? c1, c2, …}" "${3:?to which node? n1, n2, …}" ;;
  shell) need; inside "${2:-}" env PS1="[${2:-}] \w \$ " bash --norc -i ;;
  exec) need; shift; inside "$@" ;;
  *) echo "usage: $0 up|set [NODE…]|down|show|shape WORD=NUMBER…|move CLIENT NODE|shell NAME|exec NAME COMMAND…" >&2; exit 2 ;;
esac
