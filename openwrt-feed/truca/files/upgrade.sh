#!/bin/sh
# shellcheck shell=dash disable=SC1091,SC2034,SC2154
#
# Sourced by sysupgrade: the owner's certificate and a state elsewhere than in /etc/truca are kept too, wherever the
# settings say that they are. /etc/truca is in keep.d, and /etc/config/truca is a conffile.

add_truca_conffiles() {
	local file
	[ -s /lib/functions/truca.sh ] || return 0
	. /lib/functions/truca.sh
	truca_load
	{
		[ "$truca_state" = /etc/truca ] || [ ! -d "$truca_state" ] || find "$truca_state" -type f
		{ truca_hops "$truca_certificate" && truca_hops "$truca_key"; } | sort -u | while read -r file; do
			case "$file" in /etc/truca/*) ;; *) [ ! -e "$file" ] || echo "$file" ;; esac
		done
	} >>"$1"
}

sysupgrade_init_conffiles="$sysupgrade_init_conffiles add_truca_conffiles"
