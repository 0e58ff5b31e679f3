#!/bin/sh
# Run by OpenWrt's CI in a container of the target: the program starts, takes the packaged configuration, and
# is the version that the package says.

[ "$1" = truca ] || exit 0

trucad --version | grep -F "$2" || exit 1
trucad --check --config /etc/config/truca
