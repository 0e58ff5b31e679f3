#!/bin/bash
# Chromium inside a namespace of the lab, as playwright-core's executablePath.
#
# TRUCA_NS names the namespace; CHROMIUM the browser (default: the one on the PATH). `ip netns exec` runs its
# command in a mount namespace of its own, so the resolv.conf laid over the real one here is seen by this
# browser only: without it Chromium would spend its time looking up its maker's hosts.
set -euo pipefail
: "${TRUCA_NS:?the namespace to run in}"
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || true)}
[ -n "$browser" ] || { echo "chromium.sh: no chromium on the PATH (Debian: apt-get install chromium)" >&2; exit 127; }
# shellcheck disable=SC2016 # the inner shell expands these
exec ip netns exec "$TRUCA_NS" bash -c '
  mount --bind /dev/null "$(readlink -f /etc/resolv.conf)" 2>/dev/null || true
  exec "$0" "$@"
' "$browser" "$@"
