#!/bin/bash
# k8s/ without a cluster and without anything installed but Python: the policy that every pod keeps,
# our renderer beside the real kustomize where there is one, the configurations inside.
# shellcheck disable=SC2317 # functions are called by ok
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
TEST_DIR=$(mktemp -d)
trap 'rm -rf "$TEST_DIR"' EXIT
BUILD=${B:-build}
MAINSTAY=${MAINSTAY:-$PWD/$BUILD/mainstay}
unset MAINSTAY_REPOSITORY_URL MAINSTAY_POSTGRES_CONNECTION

ok 'every pod keeps the policy, and each rule of it can fail' python3 tests/k8s/test_policy.py

# --- the real kustomize ----------------------------------------------------------------------------

# Components came with kustomize 3.7; kubectl has had one that knows them since 1.21.
kustomize_build() {
    if command -v kustomize >/dev/null; then
        kustomize build "$1"
    else
        kubectl kustomize "$1"
    fi
}
have_kustomize() {
    command -v kustomize >/dev/null ||
        [[ $(kubectl version --client 2>/dev/null) =~ Kustomize\ Version:\ v[4-9] ]]
}
renders_the_same() {
    tests/k8s/render "$1" >"$TEST_DIR/ours.yaml" && kustomize_build "$1" >"$TEST_DIR/theirs.yaml" &&
        tests/k8s/same "$TEST_DIR/ours.yaml" "$TEST_DIR/theirs.yaml"
}
for directory in k8s/overlays/* k8s/examples/*; do
    if have_kustomize; then
        ok "kustomize renders $directory as we do" renders_the_same "$directory"
    else
        skip 1 "no kustomize here that knows components: $directory"
    fi
done

# --- the configurations ----------------------------------------------------------------------------

mkdir -p "$TEST_DIR/secrets/mainstay-postgres"
touch "$TEST_DIR/secrets/mainstay-postgres/ca.crt"
echo secret >"$TEST_DIR/secrets/mainstay-postgres/password"
for file in k8s/base/*/mainstay.yaml k8s/examples/*/mainstay.yaml; do
    sed "s|/run/secrets/|$TEST_DIR/secrets/|" "$file" >"$TEST_DIR/mainstay.yaml"
    ok "the program takes $file" "$MAINSTAY" config check --config "$TEST_DIR/mainstay.yaml"
done
ok 'the runbook has no faults' "$MAINSTAY" runbook lint k8s/base/daemon/runbooks/label-printer-outage.yaml
done_testing
