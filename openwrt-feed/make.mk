# Packages, included by the Makefile. TARGET as in cross/make.mk, or `native` for this machine's own daemon.

.PHONY: ipk apk feed dist package-test

ipk: ## Packages for opkg, of what `make cross` has built: TARGET=mips, or TARGET="mips mipsel"
	@tools/ipk.sh $(TARGET)

apk: ## Packages for apk (OpenWrt 25.12), where apk-tools 3 is: TARGET as for ipk
	@tools/apk.sh $(TARGET)

feed: ## What is in dist/ as a feed over HTTP; USIGN_KEY and APK_KEY sign it
	@tools/feed.sh

dist: web ## The source tarball, with the page ready made
	@tools/dist.sh

package-test: web ## The packages installed and run in a root directory, and a feed of them; needs root
	@tests/package/run.sh
	@tests/package/feed.sh
