# Building for routers, included by the Makefile. TARGET is a whole name or its first word: mips, mipsel, armv7,
# aarch64, x86_64.

.PHONY: cross cross-test cross-all cross-check

ROUTERS := mips mipsel armv7 aarch64 x86_64

cross: web ## The daemon for a router: TARGET=mips, mipsel, armv7, aarch64 or x86_64
	@tools/cross.sh $(TARGET)

cross-test: daemon ## Tests of what `make cross` builds, emulated: TARGET=mips
	@tools/cross-test.sh $(TARGET)

cross-all: daemon ## Both for every target
	@tools/cross-test.sh $(ROUTERS)

cross-check: ## cargo check for big-endian MIPS
	@tools/cross.sh --check mips
