#!/bin/sh
# shellcheck shell=dash
# shellcheck disable=SC2034 # read by those who source it
#
# What /etc/init.d/truca, /etc/uci-defaults/80-truca and the hotplug script have in common: the options of
# /etc/config/truca that the system must know, and which zones of the firewall let Truca in. Installed as
# /lib/functions/truca.sh; /lib/functions.sh comes first.

# Names of zones that lead to the mesh, as LibreMesh, qMp, Freifunk and Guifi.net call them
TRUCA_MESH_ZONES="mesh* *mesh bmx* babel* batman* olsr* freifunk* guifi* lime* community*"

_truca_node() {
	config_get truca_port "$1" port "$truca_port"
	config_get truca_http_port "$1" http_port "$truca_http_port"
	config_get truca_stun_port "$1" stun_port "$truca_stun_port"
	config_get truca_state "$1" state "$truca_state"
	config_get truca_run_dir "$1" run_dir "$truca_run_dir"
	config_get truca_listen "$1" listen "$truca_listen"
	config_get truca_certificate "$1" certificate "$truca_certificate"
	config_get truca_key "$1" key "$truca_key"
}

_truca_discovery() {
	config_get truca_mdns "$1" mdns "$truca_mdns"
	config_get truca_publish "$1" publish "$truca_publish"
}

_truca_turn() {
	config_get_bool truca_turn "$1" enabled "$truca_turn"
	config_get truca_relays "$1" ports "$truca_relays"
}

_truca_ice() {
	config_get_bool truca_reflexive "$1" reflexive "$truca_reflexive"
	config_get truca_reflexive_ports "$1" reflexive_ports "$truca_reflexive_ports"
}

# Reads /etc/config/truca into truca_*. A section that comes later wins, as in the daemon; what is not there
# has the daemon's default (a test compares them).
truca_load() {
	truca_port=8443 truca_http_port=8080 truca_stun_port=3478
	truca_state=/etc/truca truca_run_dir=/var/run/truca
	truca_listen='' truca_certificate='' truca_key='' truca_mdns=1 truca_publish=1
	truca_reflexive=1 truca_reflexive_ports=3480-3483
	truca_turn=1 truca_relays=49152-49407
	config_load truca
	config_foreach _truca_node node
	config_foreach _truca_discovery discovery
	config_foreach _truca_ice ice
	config_foreach _truca_turn turn
	# What the daemon takes over only at a start
	truca_fixed="$truca_port $truca_http_port $truca_stun_port $truca_mdns $truca_state $truca_run_dir $truca_listen"
}

truca_tcp_ports() {
	local ports="$truca_port"
	[ "$truca_http_port" = 0 ] || ports="$ports $truca_http_port"
	# STUN and TURN for those whom no UDP reaches
	[ "$truca_stun_port" = 0 ] || ports="$ports $truca_stun_port"
	echo "$ports"
}

truca_udp_ports() {
	local ports="$truca_port"
	if [ "$truca_stun_port" != 0 ]; then
		ports="$ports $truca_stun_port"
		# where clients of a masqueraded LAN are told how the mesh sees them
		[ "$truca_reflexive" = 0 ] || ports="$ports $truca_reflexive_ports"
		[ "$truca_turn" = 0 ] || ports="$ports $truca_relays"
	fi
	echo "$ports"
}

# truca_is_zone NAME: whether Truca opens its ports in this zone by default
truca_is_zone() {
	local pattern
	[ "$1" != lan ] || return 0
	set -f
	for pattern in $TRUCA_MESH_ZONES; do
		# shellcheck disable=SC2254 # a pattern it is
		case "$1" in
		$pattern)
			set +f
			return 0
			;;
		esac
	done
	set +f
	return 1
}

_truca_rule() {
	local enabled src ports
	case "$1" in
	truca_*)
		config_get_bool enabled "$1" enabled 1
		config_get src "$1" src
		config_get ports "$1" dest_port
		[ "$enabled" = 0 ] || [ -z "$src" ] ||
			truca_zones="$truca_zones $src:$(echo "$ports" | tr -s ' ' ,)"
		;;
	esac
}

# Sets $truca_zones to the zones whose rule of ours in /etc/config/firewall is there and enabled, each with the
# ports that it names: `lan:3478,8080,8443 mesh:…`
truca_open_zones() {
	truca_zones=
	[ -s /etc/config/firewall ] || return 0
	config_load firewall
	config_foreach _truca_rule rule
}

# Directories of routing daemons that discovery reads (the first) and writes (the second)
truca_discovery_dirs() {
	echo /var/run/bmx6 /var/run/bmx7 /var/shared-state
}

truca_discovery_dirs_rw() {
	echo /var/run/bmx6/sms/sendSms /var/run/bmx7/sms/sendSms
}

# Whether fw3 or fw4 governs this router
truca_has_firewall() {
	{ [ -x /sbin/fw4 ] || [ -x /sbin/fw3 ]; } && [ -x /etc/init.d/firewall ] && /etc/init.d/firewall enabled
}

# Without them, as on qMp: rules of our own by nft or iptables, if there are any others to be let through
truca_plain_firewall() { # truca_plain_firewall open|close
	truca_load
	/usr/share/truca/firewall.sh "$1" "$(truca_tcp_ports)" "$(truca_udp_ports)"
}
