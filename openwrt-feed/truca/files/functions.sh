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
	config_get truca_community "$1" community_host "$truca_community"
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

_truca_firewall() {
	config_get_bool truca_reject_stray "$1" reject_stray "$truca_reject_stray"
}

# Reads /etc/config/truca into truca_*. A section that comes later wins, as in the daemon; what is not there
# has the daemon's default (a test compares them).
truca_load() {
	truca_port=8443 truca_http_port=8080 truca_stun_port=3478
	truca_state=/etc/truca truca_run_dir=/var/run/truca
	truca_listen='' truca_certificate='' truca_key='' truca_community='' truca_mdns=1 truca_publish=1
	truca_reflexive=1 truca_reflexive_ports=3480-3483
	truca_turn=1 truca_relays=24576-24831 truca_reject_stray=1
	config_load truca
	config_foreach _truca_node node
	config_foreach _truca_discovery discovery
	config_foreach _truca_ice ice
	config_foreach _truca_turn turn
	config_foreach _truca_firewall firewall
	# What the daemon takes over only at a start (a test compares it with its table of options)
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

# Ports that clients' flows have when a router masquerades them and keeps ports: what Linux and Android give out
# (32768 to 60999), and macOS and Windows (49152 to 65535).
TRUCA_FLOWS=32768-65535

# truca_stray_ports PORT|FIRST-LAST…: what is left of TRUCA_FLOWS without these, as ranges. A packet to such a port of
# the router that belongs to no flow is stray. Nobody listens there, so to reject it changes nothing but this: an
# accepted packet leaves an entry in the connection table, and a masqueraded client whose call would use this very
# port towards its sender is given another, at which the sender does not look for it.
truca_stray_ports() {
	echo "$*" | sed 's/[ ,]/\n/g' | tr : - | sort -n | awk -F- -v at="${TRUCA_FLOWS%-*}" -v last="${TRUCA_FLOWS#*-}" '
		/^[0-9]+(-[0-9]+)?$/ {
			from = $1 + 0; to = (NF > 1 ? $2 : $1) + 0
			if (to < at || from > last) next
			if (from > at) print at "-" from - 1
			at = to + 1
		}
		END { if (at <= last) print at "-" last }'
}

# UDP ports at which programs of this router wait for anybody
truca_listeners() {
	local at peer
	cat /proc/net/udp /proc/net/udp6 2>/dev/null | while read -r _ at peer _; do
		case "$peer" in *:0000) printf '%d\n' "0x${at##*:}" ;; esac
	done | sort -nu
}

_truca_defaults() { config_get truca_input "$1" input "$truca_input"; }

_truca_masqueraded() {
	local name masq input
	config_get name "$1" name
	config_get_bool masq "$1" masq 0
	config_get input "$1" input "$truca_input"
	case "$masq:$input" in 1:ACCEPT | 1:accept) ;; *) return 0 ;; esac
	case " $truca_zones" in *" $name:"*) [ "$name" = lan ] || truca_stray_zones="$truca_stray_zones $name" ;; esac
}

# Sets $truca_stray_zones to the zones of which Truca must keep stray UDP away: it is let in there, they lead out of a
# masqueraded LAN, and what comes unasked is accepted. A zone that drops or rejects needs nothing.
truca_find_stray_zones() {
	truca_stray_zones=''
	[ "$truca_reject_stray" = 1 ] || return 0
	truca_open_zones
	truca_input=REJECT
	[ -n "$truca_zones" ] || return 0
	config_foreach _truca_defaults defaults
	config_foreach _truca_masqueraded zone
}

_truca_kept() {
	local target src ports enabled
	config_get_bool enabled "$1" enabled 1
	config_get target "$1" target
	config_get src "$1" src
	config_get ports "$1" dest_port
	case "$enabled:$target:$src" in 1:ACCEPT:"$truca_zone" | 1:ACCEPT:'*') truca_kept="$truca_kept $ports" ;; esac
}

_truca_tunnel() {
	local tunnel
	config_get tunnel "$1" listen_port
	truca_kept="$truca_kept $tunnel"
}

# truca_kept_ports ZONE: what services of this router have there, by its configuration: ports that a rule of the
# owner's accepts, and WireGuard's. (What happens to listen at the moment would not do: each change here makes the
# firewall load its rules again.)
truca_kept_ports() {
	truca_zone="$1" truca_kept="$(truca_udp_ports)"
	config_load firewall
	config_foreach _truca_kept rule
	config_load network
	config_foreach _truca_tunnel interface
	echo "$truca_kept"
}

# Directories of routing daemons that discovery reads (the first) and writes (the second)
truca_discovery_dirs() {
	echo /var/run/bmx6 /var/run/bmx7 /var/shared-state
}

truca_discovery_dirs_rw() {
	echo /var/run/bmx6/sms/sendSms /var/run/bmx7/sms/sendSms
}

# truca_hops FILE: its path, that of what it is a link to, and so on
truca_hops() {
	local file="$1" links=0 target
	while [ "$links" -lt 20 ]; do
		case "$file" in /*) echo "$file" ;; *) return 0 ;; esac
		target="$(readlink "$file")" || return 0
		case "$target" in /*) file="$target" ;; *) file="${file%/*}/$target" ;; esac
		# Textually: in the jail the directories have the names by which they are reached
		file="$(echo "$file" | sed -e ':again' -e 's#///*#/#g' -e 's#/\./#/#' -e 's#/[^/][^/]*/\.\./#/#' -e 's#^/\.\./#/#' -e 't again')"
		links=$((links + 1))
	done
}

# truca_reached FILE: what the jail must show so that FILE can be read in it: its directory, that of what it is a link
# to, and so on, since a link leads nowhere where its target is not mounted. A directory and not the file, because
# renewal replaces the file; but the file alone where its directory is not for us to show.
truca_reached() {
	local file
	truca_hops "$1" | while read -r file; do
		case "${file%/*}" in
		"" | /etc | /root | /tmp | /usr | /var) echo "$file" ;;
		*) echo "${file%/*}" ;;
		esac
	done
}

# Whether this router's dnsmasq drops a private address that another name server tells for the community's host
truca_is_rebound() {
	truca_rebound=''
	[ -n "$truca_community" ] || return 1
	config_load dhcp 2>/dev/null
	config_foreach _truca_dnsmasq dnsmasq
	# what it knows by itself it tells
	config_foreach _truca_domain domain
	[ -n "$truca_rebound" ]
}

_truca_dnsmasq() {
	local on domains domain
	config_get_bool on "$1" rebind_protection 1
	config_get domains "$1" rebind_domain
	[ "$on" = 1 ] || return 0
	for domain in $domains; do
		domain="${domain#/}"
		case ".$truca_community" in *".${domain%/}") return 0 ;; esac
	done
	truca_rebound=1
}

_truca_domain() {
	local name
	config_get name "$1" name
	[ "$name" != "$truca_community" ] || truca_rebound=''
}

# truca_taken PORT: whether another program of this router has this TCP port, now or by uhttpd's settings
truca_taken() {
	local own port="$1"
	own="$(id -u truca 2>/dev/null)"
	config_load uhttpd 2>/dev/null
	truca_web=''
	config_foreach _truca_web uhttpd
	case " $truca_web " in *":$port "*) return 0 ;; esac
	# state 0A listens; an address ends with the port
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		awk -v port="$(printf ':%04X' "$port")" -v own="${own:-none}" '
			$4 == "0A" && substr($2, length($2) - 4) == port && $8 != own { found = 1 } END { exit !found }'
}

_truca_web() {
	local ports
	config_get ports "$1" listen_http
	truca_web="$truca_web $ports"
	config_get ports "$1" listen_https
	truca_web="$truca_web $ports "
}

# Whether fw3 or fw4 governs this router
truca_has_firewall() {
	{ [ -x /sbin/fw4 ] || [ -x /sbin/fw3 ]; } && [ -x /etc/init.d/firewall ] && /etc/init.d/firewall enabled
}

# Without them, as on qMp: rules of our own by nft or iptables, if there are any others to be let through
truca_plain_firewall() { # truca_plain_firewall open|close
	local stray=''
	truca_load
	[ "$truca_reject_stray" = 0 ] || stray="$(truca_stray_ports "$(truca_udp_ports)" "$(truca_listeners)" | tr '\n' ' ')"
	/usr/share/truca/firewall.sh "$1" "$(truca_tcp_ports)" "$(truca_udp_ports)" "$stray"
}
