# Yangguang. `make run` and `make test` are all a newcomer needs; the rest is listed by `make help`.
# One Makefile, no recursion. VARIANT=dev|release|asan|fuzz keeps its objects in build/<variant>/.
VARIANT ?= dev
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
B := build/$(VARIANT)
# V=1 shows the whole commands.
Q := $(if $(V),,@)
ifndef V
SAY = @echo '  $(1)'
endif

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wpointer-arith -Wwrite-strings \
        -Wvla -Wformat=2 -Wundef -Wswitch-enum -Werror
CFLAGS_dev := -O1 -g
CFLAGS_release := -O2 -g -flto=auto -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_release := -flto=auto -pie -Wl,-z,relro,-z,now
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_fuzz := -fsanitize=fuzzer,address,undefined
ifeq ($(filter $(VARIANT),dev release asan fuzz),)
$(error unknown VARIANT '$(VARIANT)': dev, release, asan or fuzz)
endif
ifeq ($(VARIANT),fuzz)
CC := clang
endif

PACKAGES := libuv libpq libcjson hiredis libcrypto libssl yaml-0.1 libargon2 libpcre2-8 zlib libbrotlienc libbrotlidec
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lpthread -lm
CFLAGS := -std=c17 -D_GNU_SOURCE -I. $(WARN) $(CFLAGS_$(VARIANT)) $(PKG_CFLAGS) -MMD -MP $(EXTRA_CFLAGS)
LDFLAGS := $(LDFLAGS_$(VARIANT))

# Layers, lowest first: a folder may link only what stands in its list (tests/lint/layers.sh checks the includes too).
FOLDERS := core json contract crypto auth net http pg cache service
USES_core := core
USES_json := json core
USES_contract := contract json core
USES_crypto := crypto core
USES_auth := auth crypto json core
USES_net := net core
USES_http := http net json core
USES_pg := pg net json core
USES_cache := cache net core
USES_service := service cache pg http net auth crypto contract json core
USES_verify := verify crypto json core
USES_gateway := gateway service cache http net auth crypto contract json core

SERVICES := $(patsubst services/%/main.c,%,$(wildcard services/*/main.c))
VERIFY := $(B)/bin/yangguang-verify
PROGRAMS := $(VERIFY) $(if $(wildcard gateway/main.c),$(B)/bin/gateway) $(SERVICES:%=$(B)/bin/%)
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/bin/%,$(wildcard tests/fuzz/fuzz_*.c))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/*/test_*.c))

# A folder's sources, and those of the folders in it.
objects = $(patsubst %.c,$(B)/%.o,$(wildcard $(1)/*.c $(1)/*/*.c))
archives = $(foreach f,$(1),$(B)/lib/$(f).a)
linked = -Wl,--start-group $(call archives,$(1)) -Wl,--end-group

.PHONY: all help
all: $(PROGRAMS)

help:
	@echo 'make run | start | status | stop    the platform with the demo city (YG_PORT, YG_VAR)'
	@echo 'make demo                           one gift from login to refund, each exchange printed'
	@echo 'make test                           every test; VARIANT=asan for sanitizers'
	@echo 'make lint | fmt | fuzz | bench      rules, formatting, fuzzers (FUZZ_SECONDS), comparison with peers'

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call SAY,CC $@)
	$(Q)$(CC) $(CFLAGS) -c $< -o $@

# llhttp comes as C sources of Debian's node-llhttp. Strict mode: its default build is open to request smuggling (CVE-2023-30589).
LLHTTP := $(patsubst %,$(B)/llhttp/%.o,llhttp api http)
$(B)/llhttp/%.o: /usr/share/llhttp/%.c Makefile
	@mkdir -p $(@D)
	$(call SAY,CC $@)
	$(Q)$(CC) -std=c11 -O2 -g -w -DLLHTTP_STRICT_MODE=1 -I/usr/share/include/llhttp $(filter -fsanitize%,$(CFLAGS_$(VARIANT))) -c $< -o $@
$(B)/common/http/%.o: CFLAGS += -DLLHTTP_STRICT_MODE=1 -isystem /usr/share/include/llhttp

define archive_rule
$(B)/lib/$(1).a: $$(call objects,common/$(1)) $(if $(filter http,$(1)),$(LLHTTP))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)$(AR) rcsD $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call archive_rule,$(f))))

$(B)/lib/gateway.a: $(filter-out $(B)/gateway/main.o,$(call objects,gateway))
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcsD $@ $^

$(B)/bin/gateway: $(B)/gateway/main.o $(call archives,$(USES_gateway))
	@mkdir -p $(@D)
	$(call SAY,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $< $(call linked,$(USES_gateway)) $(PKG_LIBS) -o $@

# The offline verifier needs nothing of the platform but the lowest layers.
$(B)/lib/verify.a: $(filter-out $(B)/deploy/verify/main.o,$(call objects,deploy/verify))
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcsD $@ $^

$(VERIFY): $(B)/deploy/verify/main.o $(call archives,$(USES_verify))
	@mkdir -p $(@D)
	$(call SAY,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $< $(call linked,$(USES_verify)) -Wl,--as-needed $(PKG_LIBS) -o $@

define service_rule
$(B)/bin/$(1): $(call objects,services/$(1)) $(call archives,$(USES_service))
	@mkdir -p $$(@D)
	$$(call SAY,LD $$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call objects,services/$(1)) $(call linked,$(USES_service)) $(PKG_LIBS) -o $$@
endef
$(foreach s,$(SERVICES),$(eval $(call service_rule,$(s))))

# A unit test links only its own folder and those below: a layering fault does not link.
define unit_rule
$(B)/unit/$(1)/%: $(B)/tests/unit/$(1)/%.o $(call archives,$(USES_$(1)))
	@mkdir -p $$(@D)
	$$(call SAY,LD $$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $$< $(call linked,$(USES_$(1))) $(PKG_LIBS) -lcmocka -o $$@
endef
$(foreach f,$(FOLDERS) gateway verify,$(eval $(call unit_rule,$(f))))

# Services' pure rules are tested with the service's objects but main.
define service_unit_rule
$(B)/unit/$(1)/%: $(B)/tests/unit/$(1)/%.o $(filter-out %/main.o,$(call objects,services/$(1))) $(call archives,$(USES_service))
	@mkdir -p $$(@D)
	$$(call SAY,LD $$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $$< $(filter-out %/main.o,$(call objects,services/$(1))) $(call linked,$(USES_service)) $(PKG_LIBS) -lcmocka -o $$@
endef
$(foreach s,$(SERVICES),$(eval $(call service_unit_rule,$(s))))

# Fuzz targets say in their second line what they link: "links: <folder>".
build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c FORCE_FUZZ
	$(MAKE) --no-print-directory VARIANT=fuzz build/fuzz/bin/fuzz_$*
FORCE_FUZZ:
.PHONY: FORCE_FUZZ
fuzz_uses = $(USES_$(shell sed -n '2s/.*links: *\([a-z]*\).*/\1/p' tests/fuzz/$(1).c))
FUZZ_MAIN := $(if $(filter fuzz,$(VARIANT)),,$(B)/tests/fuzz/replay.o)
$(B)/bin/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(FUZZ_MAIN) $(call archives,verify gateway $(USES_service))
	@mkdir -p $(@D)
	$(call SAY,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $< $(FUZZ_MAIN) $(call linked,verify gateway $(USES_service)) $(PKG_LIBS) -o $@

# Objects of tests are kept, so that nothing is built twice.
.SECONDARY:

.PHONY: unit-binaries fuzzers
unit-binaries: $(UNIT_TESTS)
fuzzers: $(FUZZERS)

# Everything below needs packages: deploy/local/install brings what is missing.
.PHONY: run start status stop demo test bench fuzz lint fmt clean deps
deps:
	@deploy/local/install

run: deps
	@$(MAKE) --no-print-directory VARIANT=release all
	@deploy/local/run foreground
start: deps
	@$(MAKE) --no-print-directory VARIANT=release all
	@deploy/local/run start
status:
	@deploy/local/run status
stop:
	@deploy/local/run stop
demo: start
	@deploy/local/play

test:
	@deploy/local/install test
	@tests/run
bench:
	@deploy/local/install bench
	@$(MAKE) --no-print-directory VARIANT=release all
	@tests/load/bench
FUZZ_SECONDS ?= 60
fuzz:
	@deploy/local/install test
	@tests/fuzz/run $(FUZZ_SECONDS)
lint:
	@deploy/local/install test
	@tests/lint/run
fmt:
	git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i
clean:
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
