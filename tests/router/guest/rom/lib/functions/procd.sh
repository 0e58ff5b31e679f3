# A stand-in for procd that runs things: a service's message is written to /procd/NAME as tests/package/openwrt does
# it, and /sbin/supervise does what it says: it starts, respawns, and ends. What has changed is started anew; signals
# are passed on. Triggers, jails, capabilities and data for others are written down and not acted upon.
# shellcheck shell=dash disable=SC1091,SC2034,SC2154

. /lib/functions/procd-message.sh

procd_close_service() {
	_pop
	_push triggers
	service_triggers
	_pop
	if procd_running "$name" && ! cmp -s "$_file" "/procd/$name"; then procd_kill "$name"; fi
	mv "$_file" "/procd/$name"
	[ -e "/procd/$name.supervised" ] || setsid /sbin/supervise "$name" </dev/null >/dev/null 2>&1 &
}

procd_set_config_changed() { :; }

procd_send_signal() { # procd_send_signal SERVICE INSTANCE SIGNAL
	kill "-$3" "$(cat "/procd/$1.pid")"
}

procd_kill() {
	[ -e "/procd/$1.supervised" ] || return 0
	: >"/procd/$1.stop"
	! procd_running "$1" || kill "$(cat "/procd/$1.pid")"
	while [ -e "/procd/$1.supervised" ]; do sleep 0.1; done
	rm -f "/procd/$1"
}

procd_running() { [ -e "/procd/$1.pid" ] && kill -0 "$(cat "/procd/$1.pid")" 2>/dev/null; }
