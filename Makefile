# mainstay: `make demo` shows it, `make check` tests it, `make help` lists the rest. No configure step.
B ?= build
ifeq ($(origin CC),default)
CC = gcc
endif
PREFIX ?= /usr/local
PACKAGES = libpq libarchive zlib libcurl libzstd libfyaml jansson libxxhash libcrypto \
           expat libmicrohttpd libsodium
WARN = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
       -Wvla -Wwrite-strings -Wundef -Wcast-qual -Wno-missing-field-initializers
OPT ?= -O2 -D_FORTIFY_SOURCE=2
HARDEN ?= -fstack-protector-strong -fPIE
CPPFLAGS += -iquote include -iquote . -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
# Debug information names no directory of this machine: the same source gives the same bytes.
CFLAGS += -std=gnu17 -g -fdebug-prefix-map=$(CURDIR)=. $(OPT) $(HARDEN) $(WARN) $(WERROR) -pthread
LDFLAGS += -pthread -pie -Wl,-z,relro,-z,now
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)
CPPFLAGS += $(PKG_CFLAGS)
LDLIBS += $(PKG_LIBS) -ls3 # libs3 has no pkg-config file

# Parallel unless the caller says otherwise; a sub-make takes part in its parent's job server.
ifeq ($(MAKELEVEL)$(findstring -j,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
Q = $(if $(V),,@)# V=1 shows the commands
SUB = @+$(MAKE) --no-print-directory

MAINS = src/cli/cli_main.c src/daemon/daemon_main.c
SOURCES = $(filter-out $(MAINS),$(wildcard src/*/*.c))
OBJECTS = $(SOURCES:%.c=$(B)/%.o) $(B)/embedded_data.o
EMBEDDED = $(sort $(wildcard runbooks/*.yaml runbooks/*.json runbooks/tests/*.sql runbooks/adapters/*/*))
TEST_LIB = $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c))
UNIT = $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*/test_*.c))
CONFORMANCE = $(patsubst %.c,$(B)/%,$(wildcard tests/conformance/test_*.c))
TOOLS = $(patsubst %.c,$(B)/%,$(wildcard tests/integration/tool_*.c))
PRELOAD = $(patsubst %.c,$(B)/%.so,$(wildcard tests/integration/preload_*.c))
FUZZ = $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
GOLDEN = $(wildcard tests/golden/*.t)
TESTS_FAST = $(UNIT) $(GOLDEN) $(wildcard tests/lint/*.t tests/lib/*.t) tests/k8s/manifests.t
TESTS_SLOW = $(wildcard tests/integration/*.t tests/fault/*.t tests/conformance/*.t tests/docs/*.t) \
             $(CONFORMANCE)
export B

all: $(B)/mainstay $(B)/mainstayd ## build the programs

$(B)/mainstay: $(B)/src/cli/cli_main.o $(B)/libmainstay.a
	$(Q)$(CC) $(LDFLAGS) $(CFLAGS) -o $@ $^ $(LDLIBS)

$(B)/mainstayd: $(B)/src/daemon/daemon_main.o $(B)/libmainstay.a
	$(Q)$(CC) $(LDFLAGS) $(CFLAGS) -o $@ $^ $(LDLIBS)

$(B)/libmainstay.a: $(OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

# The list itself is a prerequisite too: removing a file must be noticed.
$(B)/embedded.list: $(if $(filter-out $(file <$(B)/embedded.list),$(EMBEDDED))$(filter-out $(EMBEDDED),$(file <$(B)/embedded.list)),FORCE)
	@mkdir -p $(@D)
	@echo "$(EMBEDDED)" >$@

$(B)/embedded_data.o: src/base/embed.awk $(B)/embedded.list $(EMBEDDED)
	@echo "  embed"
	$(Q)awk -f src/base/embed.awk $(EMBEDDED) </dev/null >$(B)/embedded.S
	$(Q)$(CC) -c -o $@ $(B)/embedded.S

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  cc $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(UNIT) $(CONFORMANCE): $(B)/%: $(B)/%.o $(TEST_LIB) $(B)/libmainstay.a
	$(Q)$(CC) $(LDFLAGS) $(CFLAGS) -o $@ $(filter %.o,$^) $(B)/libmainstay.a $(LDLIBS) -lcmocka

$(FUZZ): $(B)/%: $(B)/%.o $(B)/libmainstay.a
	$(Q)$(CC) $(LDFLAGS) $(CFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

# The targets replay their seeds in one program: each has an entry point of its own there.
REPLAY = $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/replay_%.o,$(wildcard tests/fuzz/fuzz_*.c))
$(B)/tests/unit/fuzz/test_replay: $(REPLAY)
$(REPLAY): $(B)/tests/fuzz/replay_%.o: tests/fuzz/%.c
	@mkdir -p $(@D)
	@echo "  cc $<"
	$(Q)$(CC) $(CPPFLAGS) -DLLVMFuzzerTestOneInput=$* -D__lsan_default_suppressions=leaks_of_$* $(CFLAGS) \
	    -MMD -MP -c -o $@ $<

# Small programs that integration tests drive.
$(TOOLS): $(B)/%: $(B)/%.o $(B)/libmainstay.a
	$(Q)$(CC) $(LDFLAGS) $(CFLAGS) -o $@ $^ $(LDLIBS)

$(PRELOAD): $(B)/%.so: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -fPIC -shared -o $@ $<

programs: all $(UNIT) $(CONFORMANCE) $(TOOLS) $(PRELOAD)
unit: $(UNIT) ## unit tests only
	@tests/run $(UNIT)

# deps may install what the variables above look for, so the work is done by a second make.
demo demo-s3: ## a throwaway PostgreSQL, two snapshots, a restore, compared (KEEP=1 leaves it running)
	@tests/lib/deps build test $(if $(filter demo-s3,$@),s3)
	$(SUB) all
	@tests/demo $(if $(KEEP),--keep) $(if $(filter demo-s3,$@),--s3)

check: ## lint, build, every test that takes minutes at most: what CI runs
	@tests/lib/deps build test s3
	$(SUB) WERROR=-Werror programs
	@tests/run $(TESTS_FAST) $(TESTS_SLOW)

check-all: ## check with all six majors, Swift, valgrind and longer campaigns
	@tests/lib/deps build test s3 all-versions
	$(SUB) WERROR=-Werror programs
	@CHECK_ALL=1 tests/run -l 3600 $(TESTS_FAST) $(TESTS_SLOW)

check-helpdesks: ## adapters on Request Tracker and Redmine as Debian packages them (installs them)
	@tests/lib/deps build test helpdesks
	$(SUB) all
	@tests/run tests/helpdesks/real.t

check-k8s: ## k8s/: rendered, validated, rules tested, every container run against PostgreSQL and S3
	@tests/lib/deps build test s3 k8s
	$(SUB) all
	@tests/run $(wildcard tests/k8s/*.t)

check-kill: ## daemon, server and store killed in all combinations; a store away for a minute (SEED, ROUNDS)
	@tests/lib/deps build test s3
	$(SUB) all
	@CHECK_ALL=1 tests/run -l 3600 tests/fault/kill_matrix.t tests/fault/store_down.t

# Those on the stage of tests/lib/scene.sh that have a repository; sealed*.t make sealed ones anyway, with keys of their own.
SEALED = $(filter-out tests/integration/sealed% tests/fault/sealed%,$(shell grep -lE 'repository|repo init' \
             $$(grep -lE 'lib/[a-z]*_?scene.sh' tests/integration/*.t tests/fault/*.t)))
check-sealed: ## every repository of the integration and fault tests sealed, each object looked through: about 15 minutes
	@tests/lib/deps build test s3
	$(SUB) WERROR=-Werror programs
	@MAINSTAY_TEST_SEALED=1 tests/run $(SEALED)

check-expire: ## 500 rounds of snapshots and clean-ups that are killed (SEED, ROUNDS)
	@tests/lib/deps build test
	$(SUB) $(B)/tests/unit/snapshot/test_expire_killed
	@ROUNDS=$${ROUNDS:-500} tests/run -l 3600 $(B)/tests/unit/snapshot/test_expire_killed

image: ## the container images, with docker, podman or buildah (IMAGE, IMAGE_TARGETS)
	@tests/image/build

check-image: ## the images built without a registry, looked at and run as Kubernetes would (root)
	@tests/lib/deps build test image
	$(SUB) all
	@tests/run -l 1800 tests/image/image.t
	@grep '^# image: ' $(B)/tests/tests-image-image.t.log

check-fresh: ## a new user on a bare Debian 12: git clone, make demo, make check (root; FRESH_ONLY=demo)
	@tests/fresh/run

deps: ## install what building and testing needs (root); nothing to do where it is there
	@tests/lib/deps build test s3

install: all ## the programs, manual pages and shell completion: DESTDIR, PREFIX
	@tests/lib/install "$(B)" "$(DESTDIR)" "$(PREFIX)"

deb: all ## a Debian package, ./mainstay_*.deb: `apt install ./mainstay_*.deb`
	@k8s/debian/build "$(B)" .

check-deb: ## the package on a bare Debian 12, built in two places with the same bytes (root)
	@tests/lib/deps build test deb
	$(SUB) all
	@CHECK_ALL=1 tests/run -l 1800 tests/integration/deb.t

sanitize: ## unit, golden and conformance tests under ASan, UBSan and the leak check
	@tests/lib/deps build test s3
	$(SUB) B=build-sanitize OPT="-O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
	    -fno-sanitize-recover=all" run-sanitize
run-sanitize: programs
	@ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1 \
	    tests/run $(UNIT) $(GOLDEN) $(CONFORMANCE)

coverage: ## which lines the unit, golden and conformance tests reach
	@tests/lib/deps build test s3 coverage
	$(SUB) B=build-coverage OPT="-O0 --coverage" run-coverage
run-coverage: programs
	@find $(B) -name '*.gcda' -delete; tests/run $(UNIT) $(GOLDEN) $(CONFORMANCE) || true
	@gcovr --root . --object-directory $(B) --filter src/ --sort-uncovered --print-summary

format: ## clang-format the tree
	@git ls-files '*.c' '*.h' | xargs -r clang-format -i

lint: ## layers, house rules, formatting, analysers at their deepest
	@tests/lib/deps build test
	@LINT_DEEP=1 tests/run $(wildcard tests/lint/*.t)

bench: ## side by side with pg_basebackup and pgBackRest on 2.5 GB: about 15 minutes
	@tests/lib/deps build test bench
	$(SUB) all
	@tests/bench/run

bench-rpo: ## how far the store is behind the server under load: 10 minutes (DURATION, INTERVALS, STORE)
	@tests/lib/deps build test s3
	$(SUB) all
	@tests/bench/rpo

bench-runbook: ## 41,000 of 500,000 tickets tagged and told, beside the plain statements: 5 minutes
	@tests/lib/deps build test
	$(SUB) all
	@tests/bench/runbook

fuzz: ## a minute of libFuzzer for each parser of outside bytes (FUZZ_SECONDS)
	@tests/lib/deps build test
	$(SUB) B=build-fuzz CC=clang OPT="-O1 -fsanitize=fuzzer-no-link,address,undefined \
	    -fno-sanitize-recover=all" run-fuzz
run-fuzz: $(FUZZ)
	@tests/fuzz/run $(FUZZ)

clean: ## remove what was built
	rm -rf build build-*

help: ## this list
	@sed -n 's/^\([a-z][a-z0-9 -]*\):.*## /\1\t/p' Makefile | awk -F'\t' '{printf "  %-16s %s\n", $$1, $$2}'

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.PHONY: all programs unit demo demo-s3 check check-all check-sealed check-helpdesks check-k8s check-fresh check-image image check-deb deb deps install sanitize run-sanitize coverage \
        run-coverage format lint bench bench-runbook fuzz run-fuzz clean help FORCE
.SECONDARY:
