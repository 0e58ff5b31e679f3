# Sourced by the scripts in tools/ that build for routers: targets, flags, toolchain, emulator.
# shellcheck shell=bash
#
# The toolchain needs no container: Debian's rustc-web, cargo-web and rust-web-src build std from source for
# every target, and ziglang with cargo-zigbuild is C compiler, libc and linker. docs/sizes.md has the reasons
# for each flag, with figures.

# shellcheck source=tools/apt.sh
source tools/apt.sh

# Pinned: another zig is another libc and another linker.
ZIGLANG=0.17.1
CARGO_ZIGBUILD=0.24.0

# shellcheck disable=SC2034 # for those who source this
CROSS_TARGETS=(
  mips-unknown-linux-musl
  mipsel-unknown-linux-musl
  armv7-unknown-linux-musleabihf
  aarch64-unknown-linux-musl
  x86_64-unknown-linux-musl
)

cross_cache=${TRUCA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/truca}
cross_venv=$cross_cache/zig-$ZIGLANG-$CARGO_ZIGBUILD
# Where finished programs go: apart from the native build, because the toolchain is another one
cross_out=${CARGO_TARGET_DIR:-target}/cross
# Where cargo keeps what it builds on the way, std and libraries: shared by all work trees of this user
cross_build=$cross_cache/build
# The shared folder is emptied beyond so many KiB
CROSS_BUILD_MAX=$((8 * 1024 * 1024))

cross_die() {
  echo "truca: $1" >&2
  shift
  [ $# = 0 ] || printf '       %s\n' "$@" >&2
  exit 1
}

# cross_full NAME: a target by its whole name or by its first word (mips, armv7, …)
cross_full() {
  local target
  for target in "${CROSS_TARGETS[@]}"; do
    if [ "$1" = "$target" ] || [ "$1" = "${target%%-*}" ]; then echo "$target"; return; fi
  done
  cross_die "no target '$1'" "There are: ${CROSS_TARGETS[*]}" "or by the first word: mips, mipsel, armv7, aarch64, x86_64."
}

# cross_arch TARGET: what OpenWrt calls the packages of this target
cross_arch() {
  case $1 in
    mips-*) echo mips_24kc ;;
    mipsel-*) echo mipsel_24kc ;;
    armv7-*) echo arm_cortex-a7 ;;
    aarch64-*) echo aarch64_generic ;;
    x86_64-*) echo x86_64 ;;
  esac
}

# cross_runner TARGET: the command before a program of this target; empty: it runs here as it is
cross_runner() {
  case $1 in
    mips-*) echo qemu-mips-static -cpu 24Kc ;;
    mipsel-*) echo qemu-mipsel-static -cpu 24Kc ;;
    armv7-*) echo qemu-arm-static -cpu cortex-a7 ;;
    aarch64-*) [ "$(uname -m)" = aarch64 ] || echo qemu-aarch64-static -cpu cortex-a53 ;;
    x86_64-*) [ "$(uname -m)" = x86_64 ] || echo qemu-x86_64-static ;;
  esac
}

# cross_program TARGET: where the finished daemon is; beside it trucad.symbols, the same before it was stripped
cross_program() { echo "$cross_out/$1/openwrt/trucad"; }

# What C is compiled with beside zig's and cc's own flags
cross_cflags="-fno-unwind-tables -fno-asynchronous-unwind-tables"

# cross_flags TARGET: rustc's flags for all of it, std included. CROSS_FLAGS adds more, for trials.
cross_flags() {
  # A static PIE is broken on mips (an undefined weak symbol becomes the load base, not null): fixed addresses
  # everywhere, so that what is tested on one target holds on all.
  local flags=(-Crelocation-model=static)
  case $1 in
    # rustc's own crt1.o and libc.a are not in a std built here; zig brings them
    armv7-* | aarch64-* | x86_64-*) flags+=(-Clink-self-contained=no) ;;
  esac
  if [ "${CROSS_UNWIND:-no}" = no ]; then
    # A panic is a bug. Here it traps where it happens; the daemon logs that address, and with trucad.symbols
    # tools/where.sh turns it into a line of source. Without tables for unwinding, which nothing does then.
    flags+=(-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Cforce-unwind-tables=no)
    # A derived {:?} prints the variant's name and not its fields; errors and logs are written with {}
    flags+=(-Zfmt-debug=shallow)
  fi
  # shellcheck disable=SC2206 # flags have no spaces
  flags+=(${CROSS_FLAGS:-})
  echo "${flags[*]}"
}

# cross_install COMMAND-OR-FILE PACKAGE…: Debian packages, when the first is missing and we may install
cross_install() {
  local what=$1
  shift
  if [ -e "$what" ] || command -v "$what" >/dev/null; then return; fi
  echo "cross: $what is missing: installing $*" >&2
  apt_install "$@" || true
  [ -e "$what" ] || command -v "$what" >/dev/null
}

# A venv with the pinned zig and cargo-zigbuild, made once for all work trees of this user.
cross_zig() {
  [ ! -e "$cross_venv/whole" ] || return 0
  cross_install python3 python3 python3-venv || return
  echo "cross: installing ziglang $ZIGLANG and cargo-zigbuild $CARGO_ZIGBUILD into $cross_venv" >&2
  rm -rf "$cross_venv"
  mkdir -p "$cross_cache"
  python3 -m venv "$cross_venv" &&
    "$cross_venv/bin/pip" install -q "ziglang==$ZIGLANG" "cargo-zigbuild==$CARGO_ZIGBUILD" >&2 &&
    touch "$cross_venv/whole"
}

# cross_toolchain: everything a build needs, or words about what is missing. The lock is held until the script
# ends, shared by builds, alone by the one that empties the folder.
cross_toolchain() {
  local missing=()
  mkdir -p "$cross_cache"
  exec 9>"$cross_cache/lock"
  if flock -nx 9; then
    cross_install /usr/lib/rustlib/src/rust/library/std/Cargo.toml rustc-web cargo-web rust-web-src ||
      missing+=("Debian's rustc-web, cargo-web and rust-web-src (std as source; in Debian 12's security suite)")
    cross_install llvm-objcopy llvm || missing+=("llvm-objcopy, which strips programs of any target (Debian: llvm)")
    cross_zig || missing+=("ziglang $ZIGLANG and cargo-zigbuild $CARGO_ZIGBUILD (pip; Debian: python3-venv)")
    [ ${#missing[@]} = 0 ] || cross_die "this machine cannot build for routers. Missing:" "${missing[@]}"
    if [ -d "$cross_build" ] && [ "$(du -sk "$cross_build" | cut -f 1)" -gt "$CROSS_BUILD_MAX" ]; then
      echo "cross: $cross_build has grown beyond $CROSS_BUILD_MAX KiB: emptied" >&2
      rm -rf "$cross_build"
    fi
  fi
  # The one who had the lock has installed everything
  flock -s 9
}

# cross_cargo TARGET zigbuild|check|test|… ARGUMENT…: cargo for a target, with std built from source. With
# CROSS_UNWIND=yes panics unwind, as tests need it. What is fresh is told by checksums: to cargo the same crate of
# two work trees is one, and the younger build of the older source would do.
cross_cargo() {
  local target=$1 command=$2 std=std,panic_abort features=${CROSS_STD-optimize_for_size}
  local flags c_flags=$cross_cflags relink=${CROSS_RELINK:-yes}
  flags=$(cross_flags "$target")
  shift 2
  if [ "${CROSS_UNWIND:-no}" = yes ]; then
    std=std,panic_unwind features=panic-unwind c_flags='' relink=no
  fi
  env PATH="$cross_venv/bin:/usr/bin:$PATH" RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo RUSTC_BOOTSTRAP=1 \
    RUSTFLAGS="$flags" CFLAGS="$c_flags" \
    CARGO_TARGET_DIR="$cross_out" CARGO_BUILD_BUILD_DIR="$cross_build" \
    CARGO_PROFILE_OPENWRT_STRIP=false CARGO_PROFILE_OPENWRT_DEBUG=line-tables-only \
    ZIG_GLOBAL_CACHE_DIR="$cross_cache/zig" CARGO_ZIGBUILD_CACHE_DIR="$(realpath -m "$cross_out/zigbuild")" \
    CARGO_ZIGBUILD_PYTHON_PATH="$PWD/cross/zig.sh" CROSS_PYTHON="$cross_venv/bin/python3" CROSS_RELINK="$relink" \
    "$cross_venv/bin/cargo-zigbuild" "$command" --locked --target "$target" \
    -Zbuild-std="$std" -Zbuild-std-features="$features" -Zchecksum-freshness "$@"
}
