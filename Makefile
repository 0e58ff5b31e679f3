# `make` or `make help` lists what can be done. Long recipes are scripts in tools/.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test unit e2e router bench sim guards mutants night figures fuzz lint web daemon lab-up lab-down lab-shell clean

BUILT := $(or $(CARGO_TARGET_DIR),target)
WEB := daemon/web
WEB_SOURCES := $(shell find $(WEB)/src $(WEB)/public -type f 2>/dev/null) \
  $(wildcard $(WEB)/*.html $(WEB)/*.ts $(WEB)/tsconfig*.json)

help: ## This list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do \
	  printf '  make %-13s %s\n' "$$name" "$$text"; done

run: daemon ## Two federated nodes on this machine, until Ctrl-C; LAN=1 lets phones of the same Wi-Fi in
	@exec tools/run.sh

test: unit e2e ## All tests; the end-to-end ones need root (SKIP_E2E=1 leaves them out)

unit: daemon ## Tests of the daemon, the protocol's examples and the page; as root, of a router in a bad state too
	@tools/need.sh rough
	cargo test --locked --workspace
	npm --prefix $(WEB) test --silent

e2e: daemon ## Real browsers across a mesh of namespaces; E2E=routed, firefox, … runs one part (README)
	@tools/e2e.sh

router: web ## Our package on an emulated router: a hundred people, 20 power cuts; root; CONSOLE=1 for one by hand
	@tools/router.sh

bench: web ## Costs beside bare servers, into target/bench; BENCH=relay|memory|stun|turn|idle|mips|gossip|calls runs one
	@tools/need.sh rust
	cargo build --locked --release -p trucad
ifneq ($(BENCH),calls)
	cargo build --locked --release -p truca-tests --bins
	tools/cross.sh x86_64 mips
	TRUCA_OPENWRT=$(BUILT)/cross/x86_64-unknown-linux-musl/openwrt/trucad \
	  TRUCA_MIPS=$(BUILT)/cross/mips-unknown-linux-musl/openwrt/trucad \
	  BENCH_OUT=$(BUILT)/bench/results.jsonl $(BUILT)/release/bench $(BENCH)
	cat $(BUILT)/size/results.jsonl >>$(BUILT)/bench/results.jsonl 2>/dev/null || true
endif
ifneq ($(filter calls,$(or $(BENCH),calls)),)
	@tools/calls.sh $(abspath $(BUILT)) $(BENCH)
endif

sim: web ## Many nodes in virtual time, into target/sim; SIM_NODES="50 100 1000" takes 20 minutes, without 1000 one
	@tools/need.sh rust
	@mkdir -p $(BUILT)/sim && rm -f $(BUILT)/sim/results.jsonl
	SIM_OUT=$(abspath $(BUILT))/sim/results.jsonl SIM_NODES="$(or $(SIM_NODES),50 100)" \
	  cargo test --locked --release -p truca-tests --test sim --test memory --test city -- --nocapture

guards: web ## Takes each guard of tests/guards/list.json out and sees its test turn red; GUARDS="NAME …" these only
	@tools/need.sh rust
	@python3 tools/guards.py $(foreach name,$(GUARDS),--only $(name))

night: ## What is too long for each change: guards and mutants
	@.ci/night

figures: ## What bench, sim and router measured, kept in docs/figures.jsonl and written into the documents
	@python3 tools/figures.py keep $(BUILT)/bench/results.jsonl $(BUILT)/sim/results.jsonl $(BUILT)/router/results.jsonl
	@python3 tools/figures.py documents

fuzz: web ## Every fuzz target for FUZZ_SECONDS (60)
	@tools/need.sh rust
	@tools/fuzz.sh

mutants: ## Small changes of the code that tests must notice, into docs/mutants.md; MUTANTS_PART=gossip runs a part (a night)
	@tools/need.sh rust
	@tools/mutants.sh

lint: web ## Format, clippy, types, shell scripts, licences
	@tools/need.sh rust
	@tools/lint.sh

web: $(WEB)/dist/index.html ## The call page, built once for embedding

daemon: web ## The daemon, quickly built
	@tools/need.sh rust
	cargo build --locked -p trucad

$(WEB)/node_modules/.package-lock.json: $(WEB)/package.json $(WEB)/package-lock.json
	@tools/need.sh node
	cd $(WEB) && npm ci --no-audit --no-fund --silent
	@touch $@

$(WEB)/dist/index.html: $(WEB)/node_modules/.package-lock.json $(WEB_SOURCES)
	cd $(WEB) && npm run --silent build
	@touch $@

lab-up: ## A mesh of namespaces to try things in: MODE=routed|nat NODES=3
	@tests/lab/lab.sh up

lab-down: ## Takes it away
	@tests/lab/lab.sh down

lab-shell: ## A shell inside: NODE=n1 is a router, NODE=c1 the laptop behind it
	@tests/lab/lab.sh shell $(NODE)

include cross/make.mk
include openwrt-feed/make.mk
include luci-app/make.mk

clean: ## Removes everything that was built
	rm -rf $(BUILT) $(WEB)/dist $(WEB)/node_modules tests/e2e/node_modules tests/e2e/screenshots luci-app/check/node_modules luci-app/check/build daemon/fuzz/target
