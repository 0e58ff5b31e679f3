#!/bin/sh
# shellcheck shell=dash
#
# firewall.sh open|close [TCP-PORTS UDP-PORTS [STRAY-PORTS]]: lets Truca in on a router without fw3 and fw4, as on
# qMp, whose firewall is a script of its own or none at all. Not called where fw3 or fw4 governs. Where this router
# masquerades, UDP that nobody asked for to STRAY-PORTS is rejected (`truca_stray_ports` in functions.sh says why).
#
# nft: the rules go to the head of every input chain that filters, with the comment `truca`, because an accept
# in a table of our own would not stop another table's drop. A reject would: it has the table `truca`. iptables: a
# chain `truca`, first in INPUT. Everything can be done again: what was there is taken out first. Interfaces of the
# network `wan` stay shut.

ACTION=$1
TCP=$2
UDP=$3
STRAY=$4

# Devices of these networks
devices() {
	local net device
	for net; do
		device="$(ubus call "network.interface.$net" status 2>/dev/null | jsonfilter -q -e '@.l3_device')"
		[ -z "$device" ] || echo "$device"
	done 2>/dev/null | sort -u
}

# Devices that lead to the Internet
wan_devices() { devices wan wan6; }

# Where stray UDP is no matter of ours: what comes from here, from the LAN, or from the Internet
beside_mesh() {
	echo lo
	devices lan
	wan_devices
}

# Base chains of the input hook that filter: FAMILY TABLE CHAIN
nft_chains() {
	nft list chains 2>/dev/null | awk '
		$1 == "table" { family = $2; table = $3 }
		$1 == "chain" { chain = $2 }
		/type filter hook input/ && family ~ /^(inet|ip|ip6)$/ && table != "truca" { print family, table, chain }'
}

nft_masquerades() { nft list ruleset 2>/dev/null | grep -qE '(masquerade|snat)( |$)'; }

nft_close() {
	nft delete table inet truca 2>/dev/null
	nft_chains | while read -r family table chain; do
		nft -a list chain "$family" "$table" "$chain" |
			sed -n 's/.* comment "truca" # handle \([0-9]*\)$/\1/p' | while read -r handle; do
			nft delete rule "$family" "$table" "$chain" handle "$handle"
		done
	done
}

nft_open() {
	local not_wan ports
	not_wan="$(wan_devices | sed 's/.*/"&"/' | tr '\n' ,)"
	[ -z "$not_wan" ] || not_wan="iifname != { $not_wan }"
	nft_chains | while read -r family table chain; do
		for ports in ${TCP:+"tcp $TCP"} ${UDP:+"udp $UDP"}; do
			nft insert rule "$family" "$table" "$chain" "$not_wan" \
				"${ports%% *}" dport "{ $(echo "${ports#* }" | tr ' ' ,) }" accept comment '"truca"'
		done
	done
	{ [ -n "$STRAY" ] && nft_masquerades; } || return 0
	nft -f - <<-EOF
		table inet truca {
			chain stray {
				type filter hook input priority filter; policy accept;
				iifname { $(beside_mesh | sed 's/.*/"&"/' | tr '\n' ,) } return
				meta nfproto ipv4 ct state new udp dport { $(echo "${STRAY% }" | tr ' ' ,) } counter reject
			}
		}
	EOF
}

iptables_close() { # iptables_close PROGRAM
	"$1" -w -D INPUT -j truca 2>/dev/null
	"$1" -w -F truca 2>/dev/null
	"$1" -w -X truca 2>/dev/null
	return 0
}

iptables_open() { # iptables_open PROGRAM
	local device ports stray=''
	[ "$1" = ip6tables ] || ! "$1" -w -t nat -S 2>/dev/null | grep -qE -- '-j (MASQUERADE|SNAT)' || stray="$STRAY"
	# everything is let in anyway
	[ -n "$stray" ] || [ "$("$1" -w -S INPUT)" != "-P INPUT ACCEPT" ] || return 0
	"$1" -w -N truca || return
	for device in $(wan_devices); do "$1" -w -A truca -i "$device" -j RETURN; done
	for ports in ${TCP:+"tcp $TCP"} ${UDP:+"udp $UDP"}; do
		"$1" -w -A truca -p "${ports%% *}" -m multiport --dports "$(echo "${ports#* }" | tr ' -' ,:)" -j ACCEPT
	done
	if [ -n "$stray" ]; then
		for device in $(beside_mesh); do "$1" -w -A truca -i "$device" -j RETURN; done
		# one by one: a match of several takes seven ranges at most
		for ports in $stray; do
			"$1" -w -A truca -p udp --dport "$(echo "$ports" | tr - :)" -m conntrack --ctstate NEW -j REJECT
		done
	fi
	"$1" -w -I INPUT -j truca
}

case "$ACTION" in open | close) ;; *)
	echo "usage: firewall.sh open|close [TCP-PORTS UDP-PORTS [STRAY-PORTS]]" >&2
	exit 2
	;;
esac

# An iptables of today writes into nft: then the rules are there already
if command -v nft >/dev/null && { [ -n "$(nft_chains)" ] || nft_masquerades; }; then
	nft_close
	[ "$ACTION" = close ] || nft_open
	exit
fi
for program in iptables ip6tables; do
	command -v "$program" >/dev/null || continue
	iptables_close "$program"
	[ "$ACTION" = close ] || iptables_open "$program"
done
