#!/bin/bash
# The images on a plain Debian machine without a registry: debootstrap makes the base under the name
# that the Dockerfile uses, buildah builds both targets, and what they hold is looked at and run as
# Kubernetes would: uid 65532, read-only root, no new privileges, and no program but our own two.
#
#   IMAGE_STORE=DIRECTORY    keeps the builder's storage there, and builds again only what changed
#
# time limit: 1800
# shellcheck disable=SC2317 # functions are called by ok
set -euo pipefail
# The builder's mounts are nobody else's.
[[ -n ${IMAGE_MOUNTS_APART:-} ]] || IMAGE_MOUNTS_APART=yes exec unshare --mount --propagation private "$0" "$@"
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"
[[ $(id -u) -eq 0 ]] || skip_all 'root makes images'

store=${IMAGE_STORE:-$TEST_DIR/store}
builder=(buildah --root "$store/disk" --runroot "$store/run" --storage-driver overlay)
volume=$TEST_DIR/volume
uid=65532
daemon=

# All processes below: the first of the namespace does not end with unshare, because it changed its uid.
descendants() {
    local child
    for child in $(pgrep -P "$1"); do
        descendants "$child"
        echo "$child"
    done
}
end_daemon() {
    local pids
    [[ -n $daemon ]] || return 0
    mapfile -t pids < <(descendants "$daemon")
    kill -KILL "${pids[@]}" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
    daemon=
}

end_all() {
    local status=$?
    end_daemon
    "${builder[@]}" rm --all >/dev/null 2>&1 || true
    umount -l "$store"/disk/overlay/*/merged "$store/disk/overlay" 2>/dev/null || true
    set +e
    (exit "$status") # what cluster_cleanup ends with
    cluster_cleanup
}
trap end_all EXIT

# --- building ---------------------------------------------------------------------------------------

import_base() {
    local container
    if "${builder[@]}" inspect --type image debian:12-slim >/dev/null 2>&1; then
        return
    fi
    "$here/../lib/debian_root" --like-host "$TEST_DIR/base" &&
        container=$("${builder[@]}" from scratch) &&
        "${builder[@]}" add --quiet "$container" "$TEST_DIR/base" / >/dev/null &&
        "${builder[@]}" commit --quiet --rm "$container" debian:12-slim
    rm -rf "$TEST_DIR/base"
}

build_both() {
    IMAGE_TOOL="${builder[*]}" IMAGE=mainstay B=$TEST_DIR \
        "$here/build" --isolation chroot --pull-never >"$TEST_DIR/build.log" 2>&1
}

ok 'a bare Debian 12 is the base, under the name that the Dockerfile uses' import_base
if ! build_both; then
    tail -n 60 "$TEST_DIR/build.log" >&2
    tap_result 1 'both targets are built, with the unit tests'
    done_testing
    exit 1
fi
tap_result 0 'both targets are built, with the unit tests'
like "$(grep -oE '[0-9]+ passed, [0-9]+ failed' "$TEST_DIR/build.log" || echo cached)" \
    '^(cached|[1-9][0-9]+ passed, 0 failed)$' 'the unit tests passed while it was built'
while read -r line; do note "$line"; done < <(grep '^image: ' "$TEST_DIR/build.log")

# --- running ----------------------------------------------------------------------------------------

# Sets $image, $root (what the image holds) and $path (its PATH).
open_image() {
    local container
    image=$1
    container=$("${builder[@]}" from --pull-never "$image")
    root=$("${builder[@]}" mount "$container")
    path=$(of_image '{{range .Docker.Config.Env}}{{println .}}{{end}}' | sed -n 's/^PATH=//p')
}
of_image() { "${builder[@]}" inspect --type image --format "$1" "$image"; }

# What a container gets, below $TEST_DIR/box: the image, read-only; /proc; a few devices; the volume
# at /srv. Of /usr/bin and /usr/sbin only our two programs are left: no shell, no other help.
# shellcheck disable=SC2016 # the inner shell's own variables
make_box='
set -e
box=$1 root=$2 volume=$3 empty=$4 user=$5 shell=$6
shift 6
mount --bind "$root" "$box"
mkdir -p "$empty/bin"
: >"$empty/bin/mainstay"; : >"$empty/bin/mainstayd"
mount --bind "$empty/bin" "$box/usr/bin"
rm -f "$empty/bin/sh"
[ -z "$shell" ] || : >"$empty/bin/sh"
for name in mainstay mainstayd ${shell:+sh}; do mount --bind "$root/usr/bin/$name" "$box/usr/bin/$name"; done
mount --bind "$empty/none" "$box/usr/sbin"
mount -o remount,bind,ro "$box/usr/bin"
mount -o remount,bind,ro "$box/usr/sbin"
mount -t tmpfs tmpfs "$box/dev"
mkdir "$box/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$box/dev/shm"
for name in null zero full random urandom; do
    : >"$box/dev/$name"
    mount --bind "/dev/$name" "$box/dev/$name"
done
mount -o remount,ro "$box/dev"
mount -t proc proc "$box/proc"
mount --bind "$volume" "$box/srv"
mount -o remount,bind,ro "$box"
exec setpriv --no-new-privs unshare --root="$box" --wd=/ --setgid "$user" --setuid "$user" -- "$@"'

# inside PROGRAM ARGUMENT...: in $image; with the environment in the array $settings
inside() {
    mkdir -p "$TEST_DIR/box" "$TEST_DIR/empty/none"
    env -i PATH="$path" "${settings[@]}" \
        unshare --mount --pid --ipc --uts --fork --kill-child --propagation private \
        "$BASH" -c "$make_box" box "$TEST_DIR/box" "$root" "$volume" "$TEST_DIR/empty" "$uid" \
        "${with_shell:-}" "$@"
}
ours() { inside /usr/bin/mainstay "$@"; }

# Everything there with its size and time of change, apart from what is mounted over.
listing() { (cd "$root" && find . -xdev -printf '%p %s %T@ %m %U\n' | sort); }

# --- what it holds ----------------------------------------------------------------------------------

nothing() { # COMMAND...: it prints nothing
    local output
    output=$("$@")
    [[ -z $output ]] || { head -n 20 <<<"$output"; return 1; }
}
no_caches() {
    nothing find "$root"/var/lib/apt/lists "$root"/var/cache/apt "$root"/var/log "$root"/tmp \
        "$root"/packages "$root"/src -type f -not -path '*/log/btmp' -not -path '*/log/wtmp' \
        -not -path '*/log/lastlog' -not -path '*/log/faillog' 2>/dev/null
}

bill_is_right() {
    python3 - "$1" "$root" "$2" "$3" <<'PYTHON'
import json, re, subprocess, sys
path, root, name, version = sys.argv[1:]
bill = json.load(open(path))
assert bill == json.load(open(root + "/usr/share/mainstay/sbom.spdx.json")), "inside and beside differ"
assert bill["spdxVersion"] == "SPDX-2.3" and bill["dataLicense"] == "CC0-1.0"
assert bill["SPDXID"] == "SPDXRef-DOCUMENT" and bill["name"] == f"{name}-{version}"
assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["documentNamespace"])
assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", bill["creationInfo"]["created"])
assert bill["creationInfo"]["creators"]
ids = [package["SPDXID"] for package in bill["packages"]]
assert len(ids) == len(set(ids)) and all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", one) for one in ids)
for package in bill["packages"]:
    for key in "name", "versionInfo", "downloadLocation", "licenseConcluded", "copyrightText":
        assert package[key], (package, key)
listed = {(p["name"], p["versionInfo"]) for p in bill["packages"] if p["SPDXID"] != "SPDXRef-mainstay"}
known = subprocess.run(["dpkg-query", "--admindir", root + "/var/lib/dpkg", "-W", "-f",
                        "${db:Status-Status} ${Package} ${Version}\n"],
                       check=True, capture_output=True, text=True).stdout
installed = {tuple(line.split()[1:]) for line in known.splitlines() if line.startswith("installed ")}
assert listed == installed, listed ^ installed
links = {(l["spdxElementId"], l["relationshipType"], l["relatedSpdxElement"]) for l in bill["relationships"]}
assert ("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-mainstay") in links
assert {link[2] for link in links} == set(ids)
PYTHON
}

# look_at TITLE: what both must be
look_at() {
    local title=$1 version label
    version=$("$tree/tests/lib/program_version")
    label='{{index .Docker.Config.Labels "org.opencontainers.image.'
    is "$(of_image '{{.Docker.Config.User}}')" "$uid:$uid" "$title: runs as uid $uid"
    is "$(of_image '{{.Docker.Config.Entrypoint}} {{.Docker.Config.Cmd}}')" '[/usr/bin/mainstay] [help]' \
        "$title: starts the program itself"
    is "$(of_image '{{.Docker.Config.Healthcheck.Test}}')" '[CMD /usr/bin/mainstayd --health]' \
        "$title: the health check is our own program"
    is "$(of_image "${label}title\"}} ${label}version\"}} ${label}licenses\"}}")" \
        "$title $version Apache-2.0${2:-}" "$title: labels"
    like "$(of_image "${label}created\"}} ${label}revision\"}}")" \
        '^20[0-9-]+T[0-9:]+Z [0-9a-f]{40}(-changed)?$' "$title: labels say when and of what"
    ok "$title: no setuid or setgid program" nothing find "$root" -xdev -type f -perm /6000
    ok "$title: no package caches, no logs, nothing left of the build" no_caches
    ok "$title: no private keys" nothing find "$root/etc" "$root/usr/share/mainstay" -name '*.key'
    ok "$title: the user owns no file" nothing find "$root" -xdev -uid "$uid"
    ok "$title: nothing is writable for everybody but /tmp" nothing find "$root" -xdev \
        -perm -2 -not -type l -not -path "$root/tmp" -not -path "$root/var/tmp" \
        -not -path "$root/run/lock" -not -path "$root/dev/*"
    ok "$title: the bill lists exactly the packages inside" bill_is_right \
        "$TEST_DIR/${image/:/-}.spdx.json" "$title" "$version"
    ok "$title: runbooks and adapters are there for reading" \
        diff -r "$tree/runbooks" "$root/usr/share/mainstay/runbooks"
    is "$(ours --version)" "mainstay $version" "$title: mainstay --version"
    is "$(inside /usr/bin/mainstayd --version)" "mainstayd $version" "$title: mainstayd --version"
    fails "$title: there is no shell where this runs" '1|126|127' 'No such file|Permission denied|failed to exec' \
        inside /bin/sh -c 'echo a shell'
    fails "$title: its root cannot be written, not even /tmp" 1 'ead-only file system' \
        ours repo init --repository-url /tmp/repository
}

# --- what it does -----------------------------------------------------------------------------------

scene_cluster main
scene_psql main -c "CREATE TABLE ticket AS SELECT g AS id, md5(g::text) AS subject, g % 7 AS tag
                      FROM generate_series(1, 20000) g"
install -d -o "$uid" -g "$uid" -m 700 "$volume"
settings=()
configure() {
    settings=(MAINSTAY_REPOSITORY_URL=/srv/repository
        "MAINSTAY_POSTGRES_CONNECTION=$(cluster_conninfo main)")
}

drill_passes() {
    ours drill run --json >"$TEST_DIR/drill.json" || { cat "$TEST_DIR/drill.json"; return 1; }
    [[ $(json_value "$TEST_DIR/drill.json" passed) == true ]]
}
alive() { inside /usr/bin/mainstayd --health --config /srv/daemon.yaml; }

open_image "mainstay:$("$tree/tests/lib/program_version")"
before=$(listing)
look_at mainstay
configure
ok 'it makes a repository in the volume' ours repo init
ok 'doctor has a look at server and repository' ours doctor
ok 'it takes a snapshot' ours snapshot create
scene_psql main -c "UPDATE ticket SET subject = 'changed' WHERE id % 1000 = 0"
ok 'and one of what changed' ours snapshot create
ok 'it verifies them' ours snapshot verify
ok 'it restores into the volume' ours restore --to /srv/restored
is "$(find "$volume" -not -uid "$uid")" '' "all that it wrote is of uid $uid"
ok 'what came back passes pg_verifybackup' verify_backup "$volume/restored"
mv "$volume/restored" "$scene/restored"
cluster_adopt restored "$scene/restored"
ok 'and PostgreSQL starts on it' cluster_start restored
ok 'and has the same content' same_content main restored

port=$((20000 + RANDOM % 10000))
printf 'repository:\n  url: /srv/repository\ndaemon:\n  listen: 127.0.0.1:%s\n  wal-stream: false\n' \
    "$port" >"$volume/daemon.yaml"
settings=()
fails 'the health check fails while there is no daemon' 1 'not alive' alive
inside /usr/bin/mainstayd --config /srv/daemon.yaml 2>"$TEST_DIR/daemon.log" &
daemon=$!
ok 'and is good when there is one' wait_until 30 alive
end_daemon
fails 'and bad when it died' 1 'not alive' alive
is "$(diff <(echo "$before") <(listing))" '' 'the image is what it was: nothing was written but in the volume'

# --- with PostgreSQL --------------------------------------------------------------------------------

open_image "mainstay-drill:$("$tree/tests/lib/program_version")"
before=$(listing)
look_at mainstay-drill ' AND PostgreSQL'
configure
for name in postgres pg_verifybackup pg_amcheck pg_controldata; do
    like "$(inside "/usr/lib/postgresql/15/bin/$name" --version)" "^$name \(PostgreSQL\) 15\." \
        "mainstay-drill: $name of PostgreSQL 15"
done
ok 'mainstay-drill: the extension amcheck' test -s "$root/usr/share/postgresql/15/extension/amcheck.control"
ok 'mainstay-drill: locales of servers, so that their databases can be opened' \
    test -d "$root/usr/lib/locale/de_DE.utf8"
ok 'mainstay-drill: restores' ours restore --to /srv/again
ok 'mainstay-drill: its own pg_verifybackup is content' \
    inside /usr/lib/postgresql/15/bin/pg_verifybackup -n /srv/again
# PostgreSQL itself, not we, runs its restore_command with sh.
settings+=(MAINSTAY_DRILL_SCRATCH=/srv)
with_shell=yes
ok 'mainstay-drill: a drill passes, in the volume' drill_passes
with_shell=
is "$(find "$volume" -maxdepth 1 -name '*drill*' -not -name 'drill-report*')" '' 'and leaves no scratch behind'
like "$(ours drill list)" 'passed' 'and its proof is in the repository'
ok 'the drill image is what it was' diff <(echo "$before") <(listing)
done_testing
