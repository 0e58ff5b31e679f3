#!/bin/sh
# shellcheck shell=dash
#
# firewall.sh open|close [TCP-PORTS UDP-PORTS]: lets Truca in on a router without fw3 and fw4, as on qMp,
# whose firewall is a script of its own or none at all. Not called where fw3 or fw4 governs.
#
# nft: the rules go to the head of every input chain that filters, with the comment `truca`, because an accept
# in a table of our own would not stop another table's drop. iptables: a chain `truca`, first in INPUT.
# Everything can be done again: what was there is taken out first. Interfaces of the network `wan` stay shut.

ACTION=$1
TCP=$2
UDP=$3

# Devices that lead to the Internet
wan_devices() {
	local net device
	for net in wan wan6; do
		device="$(ubus call "network.interface.$net" status 2>/dev/null | jsonfilter -q -e '@.l3_device')"
		[ -z "$device" ] || echo "$device"
	done 2>/dev/null | sort -u
}

# Base chains of the input hook that filter: FAMILY TABLE CHAIN
nft_chains() {
	nft list chains 2>/dev/null | awk '
		$1 == "table" { family = $2; table = $3 }
		$1 == "chain" { chain = $2 }
		/type filter hook input/ && family ~ /^(inet|ip|ip6)$/ { print family, table, chain }'
}

nft_close() {
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
}

iptables_close() { # iptables_close PROGRAM
	"$1" -w -D INPUT -j truca 2>/dev/null
	"$1" -w -F truca 2>/dev/null
	"$1" -w -X truca 2>/dev/null
	return 0
}

iptables_open() { # iptables_open PROGRAM
	local device ports
	# everything is let in anyway
	[ "$("$1" -w -S INPUT)" != "-P INPUT ACCEPT" ] || return 0
	"$1" -w -N truca || return
	for device in $(wan_devices); do "$1" -w -A truca -i "$device" -j RETURN; done
	for ports in ${TCP:+"tcp $TCP"} ${UDP:+"udp $UDP"}; do
		"$1" -w -A truca -p "${ports%% *}" -m multiport --dports "$(echo "${ports#* }" | tr ' -' ,:)" -j ACCEPT
	done
	"$1" -w -I INPUT -j truca
}

case "$ACTION" in open | close) ;; *)
	echo "usage: firewall.sh open|close [TCP-PORTS UDP-PORTS]" >&2
	exit 2
	;;
esac

# An iptables of today writes into nft: then the rules are there already
if command -v nft >/dev/null && [ -n "$(nft_chains)" ]; then
	nft_close
	[ "$ACTION" = close ] || nft_open
	exit
fi
for program in iptables ip6tables; do
	command -v "$program" >/dev/null || continue
	iptables_close "$program"
	[ "$ACTION" = close ] || iptables_open "$program"
done
