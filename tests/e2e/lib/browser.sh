#!/bin/bash
# A browser inside a namespace of the lab, as playwright-core's executablePath.
#
# TRUCA_NS names the namespace, TRUCA_BROWSER the browser: chromium or firefox; CHROMIUM and FIREFOX are other programs
# than those on the PATH. `ip netns exec` runs its command in a mount namespace of its own, so the resolv.conf laid
# over the real one here is seen by this browser only: without it it would spend its time looking up its maker's hosts.
# Firefox waits for its driver at TRUCA_DRIVER_PORT (bridge.js) and not where it likes.
set -euo pipefail
: "${TRUCA_NS:?the namespace to run in}"
case ${TRUCA_BROWSER:-chromium} in
  chromium) browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || true)} package=chromium ;;
  firefox) browser=${FIREFOX:-$(command -v firefox-esr || command -v firefox || true)} package=firefox-esr ;;
esac
[ -n "$browser" ] || { echo "browser.sh: no $TRUCA_BROWSER on the PATH (Debian: apt-get install $package)" >&2; exit 127; }
if [ -n "${TRUCA_DRIVER_PORT:-}" ]; then set -- "${@/#--remote-debugging-port=0/--remote-debugging-port=$TRUCA_DRIVER_PORT}"; fi
# shellcheck disable=SC2016 # the inner shell expands these
exec ip netns exec "$TRUCA_NS" bash -c '
  mount --bind /dev/null "$(readlink -f /etc/resolv.conf)" 2>/dev/null || true
  exec "$0" "$@"
' "$browser" "$@"
