# A stand-in for OpenWrt's functions.sh: what Truca's scripts call, with the same results. A UCI file whose
# values are quoted is also a shell script, if `config`, `option` and `list` are functions.
# shellcheck shell=dash disable=SC1090,SC2013,SC2015,SC2034

config() {
	CONFIG_SECTION="${2:-cfg$((CONFIG_COUNT = CONFIG_COUNT + 1))}"
	CONFIG_SECTIONS="$CONFIG_SECTIONS $CONFIG_SECTION"
	eval "CONFIG_${CONFIG_SECTION}_TYPE=\$1"
}

option() { eval "CONFIG_${CONFIG_SECTION}_$1=\$2"; }

list() { eval "CONFIG_${CONFIG_SECTION}_$1=\"\${CONFIG_${CONFIG_SECTION}_$1:+\$CONFIG_${CONFIG_SECTION}_$1 }\$2\""; }

config_load() {
	# what was loaded before goes, as after uci_load
	for _name in $(set | sed -n 's/^\(CONFIG_[A-Za-z0-9_]*\)=.*/\1/p'); do unset "$_name"; done
	CONFIG_SECTIONS='' CONFIG_COUNT=0
	if [ -f "/etc/config/$1" ]; then . "/etc/config/$1"; fi
}

config_get() { eval "$1=\"\${CONFIG_$2_$3:-\$4}\""; }

config_get_bool() {
	config_get "$1" "$2" "$3" "$4"
	case "$(eval "echo \$$1")" in
	1 | on | true | yes | enabled) eval "$1=1" ;;
	0 | off | false | no | disabled) eval "$1=0" ;;
	*) eval "$1=\$4" ;;
	esac
}

config_foreach() {
	local section type
	for section in $CONFIG_SECTIONS; do
		config_get type "$section" TYPE
		[ -n "$2" ] && [ "$type" != "$2" ] || "$1" "$section"
	done
}

# The parts of the package scripts that concern a package like ours: users, uci-defaults, init scripts
default_postinst() {
	local name id info="$IPKG_INSTROOT/usr/lib/opkg/info"
	name="$(basename "${1%.*}")"
	for id in $(sed -n 's/^Require-User: //p' "$info/$name.control"); do
		local user="${id%%:*}" group="${id#*:}"
		grep -q "^${group%=*}:" /etc/group || echo "${group%=*}:x:${group#*=}:" >>/etc/group
		grep -q "^${user%=*}:" /etc/passwd ||
			echo "${user%=*}:x:${user#*=}:${group#*=}:${user%=*}:/var/run/${user%=*}:/bin/false" >>/etc/passwd
	done
	[ ! -f "$info/$name.postinst-pkg" ] || (. "$info/$name.postinst-pkg")
	grep '^/etc/uci-defaults/' "$info/$name.list" | while read -r file; do
		(cd "${file%/*}" && . "$file") && rm -f "$file"
	done
	grep '^/etc/init.d/' "$info/$name.list" | while read -r file; do
		[ "$PKG_UPGRADE" = 1 ] || "$file" enable
		"$file" start
	done
}

default_prerm() {
	local name info="$IPKG_INSTROOT/usr/lib/opkg/info"
	name="$(basename "${1%.*}")"
	[ ! -f "$info/$name.prerm-pkg" ] || (. "$info/$name.prerm-pkg")
	grep '^/etc/init.d/' "$info/$name.list" | while read -r file; do
		[ "$PKG_UPGRADE" = 1 ] || "$file" disable
		"$file" stop
	done
}
