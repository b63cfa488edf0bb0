# SPDX-License-Identifier: Apache-2.0
# Purpose: the commands of this project. Meson and Ninja do the building.
BUILD := build
.DEFAULT_GOAL := all
.PHONY: all run test bench bench-jvm lint asan arm64 fuzz install deb clean help

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

all: ## build build/sonde, the web UI included, and build/libsonde-jvm.so where there is a JDK
	@tools/deps build ui
	@tools/ui
	@tools/build $(BUILD) sonde
	@tools/jvm $(BUILD)

run: all ## start the server and the demo shop; Ctrl-C stops everything. DEMO="--ports auto" passes flags on
	@tools/deps demo
	@tools/deps java || true # then the shop runs without its Java services, and says so
	@tools/jvm $(BUILD)
	@demo/run $(DEMO)

test: all ## run every test; ends with "N passed, N failed"
	@tools/deps test browser demo fuzz lint jvm
	@tools/jvm $(BUILD) tests
	@tools/test

bench: all ## measure, print a table, keep it in bench/RESULTS.md
	@bench/run

bench-jvm: all ## measure what the JVM agent costs, beside OpenTelemetry's
	@tools/deps demo jvm
	@tools/jvm $(BUILD)
	@bench/jvm

lint: all ## formatting, static analysis and the house checks
	@tools/deps lint
	@tools/lint

asan: ## unit tests under AddressSanitizer and UBSan
	@tools/deps build
	@tools/sanitize address,undefined

arm64: ## build for 64-bit ARM and run the unit tests under emulation
	@tools/deps build arm64
	@tools/arm64

fuzz: ## every fuzzer for ten minutes
	@tools/deps build fuzz
	@tools/fuzz 600

install: all ## install to PREFIX (default /usr/local): binary, completion, systemd unit
	@packaging/install "$(DESTDIR)" "$(or $(PREFIX),/usr/local)"

deb: all ## build a Debian package into build/
	@tools/deps deb
	@packaging/deb

clean: ## remove what was built
	@rm -rf $(BUILD) build-asan build-tsan build-fuzz build-arm64 ui/dist
