# A stand-in for OpenWrt's procd.sh and jshn.sh that sends nothing: a service's message is written to
# /procd/NAME, a line for each value, `instances.instance1.respawn.0=300`. Other requests go to /procd/requests.
# shellcheck shell=dash disable=SC2015,SC2034,SC2154

mkdir -p /procd

_put() { [ -z "$1" ] && _next || _key="$1"; echo "$_path$_key=$2" >>"$_file"; }
_next() { eval "_key=\${_count_$_depth:-0}; _count_$_depth=\$((_key + 1))"; }
_push() { [ -z "$1" ] && _next || _key="$1"; _path="$_path$_key."; _depth=$((_depth + 1)); eval "_count_$_depth=0"; }
_pop() { _path="${_path%.}"; case "$_path" in *.*) _path="${_path%.*}." ;; *) _path='' ;; esac; _depth=$((_depth - 1)); }

json_add_object() { _push "$1"; }
json_add_array() { _push "$1"; }
json_close_object() { _pop; }
json_close_array() { _pop; }
json_add_string() { _put "$1" "$2"; }
json_add_int() { _put "$1" "$2"; }

procd_open_service() { _file="/procd/.$1" _path='' _depth=0 _instances=0; rm -f "$_file"; echo "name=$1" >"$_file"; _push instances; }
procd_close_service() { _pop; _push triggers; service_triggers; _pop; mv "$_file" "/procd/$name"; }
procd_open_instance() { _instances=$((_instances + 1)); _push "${1:-instance$_instances}"; }
procd_close_instance() { _pop; }
procd_open_data() { _push data; }
procd_close_data() { _pop; }
procd_set_param() {
	local type="$1" value
	shift
	case "$type" in
	command | file | respawn | error) _push "$type"; for value; do _put '' "$value"; done; _pop ;;
	env) _push env; for value; do _put "${value%%=*}" "${value#*=}"; done; _pop ;;
	*) _put "$type" "$1" ;;
	esac
}
procd_add_jail() {
	_jail="$1"
	shift
	_push jail; _put name "$_jail"; for value; do _put "$value" 1; done; _pop
}
_mounts() { local value mode="$1"; shift; for value; do echo "${_path}jail.mount.$value=$mode" >>"$_file"; done; }
procd_add_jail_mount() { _mounts 0 "$@"; }
procd_add_jail_mount_rw() { _mounts 1 "$@"; }
procd_add_mdns_service() {
	local key="$1_$3" value
	_push "$key"; _put service "_$1._$2.local"; _put port "$3"
	shift 3
	_push txt; for value; do _put '' "$value"; done; _pop; _pop
}
procd_add_reload_trigger() { local value; for value; do _put '' "config.change $value reload"; done; }
procd_add_raw_trigger() { _put '' "$*"; }
procd_set_config_changed() { echo "changed $1" >>/procd/requests; }
procd_send_signal() { echo "signal $*" >>/procd/requests; }
procd_kill() { echo "kill $1" >>/procd/requests; rm -f "/procd/$1"; }
procd_running() { [ -f "/procd/$1" ] && ! grep -q '\.error\.' "/procd/$1"; }
