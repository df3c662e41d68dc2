#!/bin/bash
# What `make install` puts where, that it works from there, and what systemd says of the unit.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/tap.sh
. "$here/../lib/tap.sh"
BUILD=${B:-build}
[[ $BUILD == /* ]] || BUILD=$here/../../$BUILD
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

ok 'it installs' "$here/../lib/install" "$BUILD" "$root" /opt/mainstay
prefix=$root/opt/mainstay
is "$(cd "$prefix" && find . -type f | sort)" "./bin/mainstay
./bin/mainstayd
./lib/systemd/system/mainstayd.service
./share/bash-completion/completions/mainstay
./share/man/man1/mainstay.1
./share/man/man5/mainstay.yaml.5
./share/man/man8/mainstayd.8" 'programs, manual pages, completion and unit'
for page in man1/mainstay.1 man5/mainstay.yaml.5 man8/mainstayd.8; do
    is "$(groff -ww -man -Tutf8 -z "$prefix/share/man/$page" 2>&1)" "" "$page is good groff"
done
like "$("$prefix/bin/mainstayd" --version)" '^mainstayd [0-9]' 'the daemon runs from there'

unit=$prefix/lib/systemd/system/mainstayd.service
ok 'the unit starts what was installed' grep -q '^ExecStart=/opt/mainstay/bin/mainstayd$' "$unit"
if ! command -v systemd-analyze >/dev/null; then
    skip 2 'there is no systemd-analyze'
    done_testing
    exit 0
fi
sed -i "s|/opt/mainstay/|$prefix/|" "$unit"
is "$(systemd-analyze verify --man=no "$unit" 2>&1 | grep -F mainstayd || true)" "" \
    'systemd has nothing to say against the unit'
if systemd-analyze security --help | grep -q -- --offline; then
    ok 'its exposure is at most 2 of 10' systemd-analyze security --offline=yes --threshold=20 \
        --no-pager "$unit"
else
    skip 1 'this systemd-analyze does not know --offline'
fi
done_testing
