# The LuCI application: `make luci-check`. Included by the Makefile.

.PHONY: luci-check

LUCI_CHECK := luci-app/check

$(LUCI_CHECK)/node_modules/.package-lock.json: $(LUCI_CHECK)/package.json $(LUCI_CHECK)/package-lock.json
	@tools/need.sh node
	cd $(LUCI_CHECK) && npm ci --no-audit --no-fund --silent
	@touch $@

luci-check: daemon $(LUCI_CHECK)/node_modules/.package-lock.json ## LuCI's views: types, the daemon's tables, running nodes, translations
	npm --prefix $(LUCI_CHECK) run --silent types
	npm --prefix $(LUCI_CHECK) test --silent
