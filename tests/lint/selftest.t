#!/bin/bash
# Proves that every house rule can fail: a clean toy tree passes all of them, and one offence at a
# time is found by the rule that it breaks.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/tap.sh
. "$here/../lib/tap.sh"
toy=$(mktemp -d)
trap 'rm -rf "$toy"' EXIT

clean_tree() {
    rm -rf "${toy:?}"/*
    mkdir -p "$toy"/{src,include}/{base,store,snapshot} "$toy"/tests/unit/base
    cp "$here/../../.clang-format" "$here/../../.clang-tidy" "$toy"
    cat >"$toy/include/base/thing.h" <<'C'
/* A thing. */
#ifndef BASE_THING_H
#define BASE_THING_H

int thing_size(const char *name);

#endif
C
    cat >"$toy/src/base/thing.c" <<'C'
/* A thing; see http://example.org for more // of it. */
#include "base/thing.h"

#include <string.h>

int thing_size(const char *name)
{
    return strcmp(name, "atoi( // system(") == 0 ? 1 : 2;
}
C
    printf '#!/bin/bash\necho 1\n' >"$toy/tests/script"
}

# offends RULE PATTERN FILE: stdin is added to FILE of a clean tree; the rule must name it.
offends() {
    clean_tree
    mkdir -p "$(dirname "$toy/$3")"
    cat >>"$toy/$3"
    fails "$1 finds: $2 ($3)" "${4:-1}" "$2" "$here/check" "$1" "$toy"
}

clean_tree
while read -r rule; do
    ok "a clean tree passes: $rule" "$here/check" "$rule" "$toy"
done < <("$here/check" list)

offends layers 'base may not include store/put.h' src/base/up.c <<<'#include "store/put.h"'
offends layers 'snapshot may not include restore/restore.h' src/snapshot/side.c \
    <<<'#include "restore/restore.h"'
offends layers 'unknown module' src/base/unknown.c <<<'#include "wonder/land.h"'
offends layers 'wonder is not in layers.txt' src/wonder/land.c <<<'#include "base/thing.h"'
offends owners 'only postgres may include' src/store/sql.c <<<'#include <libpq-fe.h>'
offends owners 'only codec may include' include/base/z.h <<<'#include <zstd.h>'
clean_tree
echo '#include <expat.h>' >"$toy/src/store/xml_a.c"
mkdir -p "$toy/src/net"
echo '#include <expat.h>' >"$toy/src/net/xml_b.c"
fails "owners finds: two modules with one library" 1 'only (net|store) may include' \
    "$here/check" owners "$toy"
offends headers 'size_t' include/base/needs.h <<<'size_t thing_bytes(void);'
for call in 'strcpy(a, b)' 'sprintf(a, b)' 'atoi(a)' 'system (a)' 'localtime(a)' 'strtok(a, b)' \
    'gets(a)' 'popen(a, b)' 'strcat(a, b)' 'asctime(a)'; do
    offends banned "bad.c:1:" src/base/bad.c <<<"int f(void) { return ${call}; }"
done
offends cloexec 'bad.c:1: open' src/base/bad.c <<<'int f(void) { return open(g(1), O_RDONLY); }'
offends cloexec 'bad.c:1: socket' src/base/bad.c <<<'int f(void) { return socket(AF_UNIX, SOCK_STREAM, 0); }'
offends comments 'thing.c:[0-9]+:' src/base/thing.c <<<'int x; // why'
offends names 'thing.c' src/store/thing.c <<<'int y;'
offends sizes 'function of 90 lines' src/base/long.c < <(
    printf 'int f(void)\n{\n'
    printf '    f();\n%.0s' {1..90}
    printf '}\n'
)
offends sizes 'lines, at most 800' src/base/tall.c < <(printf 'int f(void);\n%.0s' {1..801})
offends paths 'notes.txt' tests/notes.txt <<<"see /""root/notes"
offends format 'clang-format' src/base/wide.c <<<'int   f( void ) ;'
offends shell 'SC2164' tests/bad.sh <<<$'#!/bin/bash\ncd /nowhere'
offends clang-tidy 'bugprone-macro-parentheses' src/base/macro.c 123 <<'C'
#define TWICE(a) a * 2
int macro(int a);
int macro(int a)
{
    return TWICE(a);
}
C
offends cppcheck 'nullPointer' src/base/null.c 123 <<'C'
int null(const int *p);
int null(const int *p)
{
    int first = *p;
    if (!p)
        return 0;
    return first;
}
C
clean_tree
for tool in clang-tidy cppcheck; do
    "$here/check" "$tool" "$toy"
    count=$(find "$toy/build/lint/$tool" -type f | wc -l)
    is "$count" 1 "$tool remembers the file that passed"
    echo 'int thing_more(void);' >>"$toy/include/base/thing.h"
    "$here/check" "$tool" "$toy"
    is "$(find "$toy/build/lint/$tool" -type f | wc -l)" 2 "$tool looks again when a header changes"
    clean_tree
done
done_testing
