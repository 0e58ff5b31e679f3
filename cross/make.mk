# Building for routers, included by the Makefile. TARGET is a whole name or its first word (mips, mipsel, armv7,
# aarch64, x86_64), or several of them.

.PHONY: cross cross-test cross-all cross-check size size-guard size-save

ROUTERS := mips mipsel armv7 aarch64 x86_64

cross: web ## The daemon for a router: TARGET=mips, mipsel, armv7, aarch64 or x86_64
	@tools/cross.sh $(TARGET)

cross-test: daemon ## Tests of what `make cross` builds, emulated: TARGET=mips
	@tools/cross-test.sh $(TARGET)

cross-all: daemon ## Both for every target
	@tools/cross-test.sh $(ROUTERS)

cross-check: ## cargo check for big-endian MIPS
	@tools/cross.sh --check mips

size: web ## What the router's daemon weighs, and each part of it, within its budget; TARGET=mips for one
	@tools/size.sh $(or $(TARGET),$(ROUTERS))

size-guard: web ## The same, which fails only when a package over its budget has grown since it was kept
	@tools/size.sh --no-more $(or $(TARGET),$(ROUTERS))

size-save: web ## The same, kept in cross/sizes.tsv and drawn in docs/sizes.svg
	@tools/size.sh --save $(or $(TARGET),$(ROUTERS))
