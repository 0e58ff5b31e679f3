#!/bin/bash
# where.sh TARGET ADDRESS: which line of source the address is in that a router's log names ("a bug in trucad …
# at 0x…"), by trucad.symbols of the same build.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=cross/lib.sh
source cross/lib.sh

[ $# = 2 ] || cross_die "usage: tools/where.sh mips 0x1da3c0"
symbols=$(cross_program "$(cross_full "$1")").symbols
[ -f "$symbols" ] || cross_die "there is no $symbols." "It must be of the router's version: git checkout v…, then make cross TARGET=$1."
cross_install llvm-symbolizer llvm || cross_die "llvm-symbolizer is missing." "Debian: apt-get install llvm"
llvm-symbolizer --obj="$symbols" --inlines --demangle "$2"
