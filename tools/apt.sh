# Sourced by every script that installs something by apt.
# shellcheck shell=bash
#
# Another apt may be at work: for it we wait. What apt has to say when it fails is its last line of error, and that is
# said, since "this machine cannot build" helps nobody whose network is down or whose disk is full.

# How long to wait for another apt, in seconds
APT_PATIENCE=${APT_PATIENCE:-300}

# apt_install PACKAGE…: installs them where root and apt are; otherwise, or when apt fails, false.
apt_install() {
  local log status=0 until=$((SECONDS + APT_PATIENCE))
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then return 1; fi
  log=$(mktemp)
  # Lists that cannot be renewed may still name what is wanted
  apt_patiently update -q || true
  apt_patiently install -qy --no-install-recommends "$@" || status=$?
  [ "$status" = 0 ] || echo "truca: apt cannot install $*: $(apt_said "$log")" >&2
  rm -f "$log"
  return "$status"
}

# apt_patiently COMMAND ARGUMENT…: DPkg::Lock::Timeout waits for dpkg's lock only; for those of apt's lists and
# archives we come again.
apt_patiently() {
  while ! DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout="$APT_PATIENCE" "$@" >"$log" 2>&1; do
    grep -qE 'Could not get lock|Unable to lock' "$log" && [ "$SECONDS" -lt "$until" ] || return 1
    echo "truca: waiting for another apt: $(apt_said "$log")" >&2
    sleep 2
  done
}

# apt_said LOG: the last error in it, or else its last line
apt_said() { { grep '^E: ' "$1" || tail -n 1 "$1"; } | tail -n 1; }
