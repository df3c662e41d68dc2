# mainstay: make demo, make check; `make help` lists the rest. No configure step.
B ?= build
CC ?= gcc
PREFIX ?= /usr/local
PACKAGES = libpq libarchive zlib libcurl libzstd libsodium libfyaml jansson libxxhash libcrypto
WARN = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
       -Wvla -Wwrite-strings -Wundef -Wcast-qual -Wno-missing-field-initializers
OPT ?= -O2 -D_FORTIFY_SOURCE=2
HARDEN ?= -fstack-protector-strong -fPIE
CPPFLAGS += -iquote include -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
CFLAGS += -std=gnu17 -g $(OPT) $(HARDEN) $(WARN) $(WERROR) -pthread
LDFLAGS += -pthread -pie -Wl,-z,relro,-z,now
# libs3 has no pkg-config file
CPPFLAGS += $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
LDLIBS += $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -ls3

MAINS = src/cli/cli_main.c
SOURCES = $(filter-out $(MAINS),$(wildcard src/*/*.c))
OBJECTS = $(SOURCES:%.c=$(B)/%.o)
TEST_LIB = $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c))
UNIT = $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/unit/*/test_*.c))

all: $(B)/mainstay

$(B)/mainstay: $(B)/src/cli/cli_main.o $(B)/libmainstay.a
	$(CC) $(LDFLAGS) $(CFLAGS) -o $@ $^ $(LDLIBS)

$(B)/libmainstay.a: $(OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(TEST_LIB) $(B)/libmainstay.a
	$(CC) $(LDFLAGS) $(CFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# Small programs that integration tests drive.
TOOLS = $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/integration/tool_*.c))

$(B)/tests/integration/%: $(B)/tests/integration/%.o $(B)/libmainstay.a
	$(CC) $(LDFLAGS) $(CFLAGS) -o $@ $^ $(LDLIBS)

tools: $(TOOLS)

unit: $(UNIT)
	@for t in $(UNIT); do $$t || exit 1; done

clean:
	rm -rf build build-*

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.PHONY: all unit tools clean
.SECONDARY:
