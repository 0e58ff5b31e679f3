# Building for routers, included by the Makefile. TARGET is a whole name or its first word: mips, mipsel, armv7,
# aarch64, x86_64.

.PHONY: cross cross-all cross-check

cross: web ## The daemon for a router: TARGET=mips
	@tools/cross.sh $(TARGET)

cross-all: web
	@tools/cross.sh mips mipsel armv7 aarch64 x86_64

cross-check: ## cargo check for big-endian MIPS
	@tools/cross.sh --check mips
