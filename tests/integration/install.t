#!/bin/bash
# What `make install` puts where, that it works from there, and what systemd says of the units.
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
units=$prefix/lib/systemd/system
is "$(cd "$prefix" && find . -type f -not -path './lib/systemd/*' | sort)" "./bin/mainstay
./bin/mainstayd
./share/bash-completion/completions/mainstay
./share/man/man1/mainstay.1
./share/man/man5/mainstay.yaml.5
./share/man/man8/mainstayd.8" 'programs, manual pages and completion'
is "$(cd "$units" && ls)" "$(cd "$here/../../k8s/systemd" && ls -- *.service *.timer)" 'and the units'
for page in man1/mainstay.1 man5/mainstay.yaml.5 man8/mainstayd.8; do
    is "$(groff -ww -man -Tutf8 -z "$prefix/share/man/$page" 2>&1)" "" "$page is good groff"
done
like "$("$prefix/bin/mainstayd" --version)" '^mainstayd [0-9]' 'the daemon runs from there'

# --- every unit runs what there is, hardened ---------------------------------------------------------

is "$(grep -l '@' "$units"/* | xargs -r grep -h '@[a-z]*@' || true)" '' 'nothing is left to fill in'
for unit in "$units"/*.service; do
    name=${unit##*/}
    command=$(sed -n 's/^ExecStart=//p' "$unit")
    read -ra words <<<"${command/#\/opt\/mainstay/$prefix}"
    # Help is printed for words that are a command, and only then; its flags must be there, too.
    help=$("${words[@]:0:3}" --help 2>&1 || true)
    like "$help" "^${words[0]##*/}${words[1]:+ ${words[1]} ${words[2]}}" "$name: the program knows its command"
    for word in "${words[@]:3}"; do
        [[ $word != --* ]] || like "$help$("$prefix/bin/mainstay" man mainstay)" "${word//-/.?-}" "$name: and $word"
    done
    ok "$name: hardened" grep -q '^NoNewPrivileges=yes$' "$unit"
done
for unit in "$units"/*.timer; do
    ok "${unit##*/} starts a service of ours" test -e "${unit%.timer}.service"
done

if ! command -v systemd-analyze >/dev/null; then
    skip 1 'there is no systemd-analyze'
    done_testing
    exit 0
fi
sed -i "s|/opt/mainstay/|$prefix/|" "$units"/*.service
for unit in "$units"/*; do
    is "$(systemd-analyze verify --man=no "$unit" 2>&1 | grep -F mainstay || true)" "" \
        "systemd has nothing to say against ${unit##*/}"
done
if systemd-analyze security --help | grep -q -- --offline; then
    for unit in "$units"/*.service; do
        ok "${unit##*/}: its exposure is at most 2 of 10" systemd-analyze security --offline=yes \
            --threshold=20 --no-pager "$unit"
    done
else
    skip 1 'this systemd-analyze does not know --offline'
fi
done_testing
