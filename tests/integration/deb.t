#!/bin/bash
# The Debian package: built twice it is the same bytes, and installed, upgraded, removed and purged it
# does what it says and no more. It goes into an overlay over this machine's root file system, which is
# not changed. With CHECK_ALL=1 (`make check-deb`) it is also built from source in another directory,
# and goes into a bare Debian.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/tap.sh
. "$here/../lib/tap.sh"
BUILD=${B:-build}
[[ $BUILD == /* ]] || BUILD=$here/../../$BUILD
command -v dpkg-deb >/dev/null || skip_all 'there is no dpkg-deb'
command -v dpkg-shlibdeps >/dev/null || skip_all 'there is no dpkg-shlibdeps'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
# A source archive has no commit to take them from.
export DEB_MAINTAINER='Test <test@example.org>' SOURCE_DATE_EPOCH=1700000000 DEB_VERSION=1.0~test

build() {
    mkdir -p "$2"
    "$here/../../k8s/debian/build" "$1" "$2"
}

deb=$(build "$BUILD" "$work/one")
is "${deb##*/}" "mainstay_1.0~test_$(dpkg --print-architecture).deb" 'it is called by version and architecture'
other=$(umask 077 && export TZ=Pacific/Auckland LC_ALL=C && build "$BUILD" "$work/two")
ok 'built again, in another time zone, with another umask, it is the same bytes' cmp "$deb" "$other"
if [[ -n ${CHECK_ALL:-} ]]; then
    # Another directory, and all of it compiled again.
    cp -a "$here/../../." "$work/source" 2>/dev/null || true
    rm -rf "$work"/source/build*
    env -u MAKEFLAGS B=build make -s -C "$work/source" all >"$work/make.log" 2>&1 || diag "$(tail -n 20 "$work/make.log")"
    elsewhere=$(mkdir "$work/three" && "$work/source/k8s/debian/build" "$work/source/build" "$work/three")
    ok 'compiled in another directory, it is the same bytes' cmp "$deb" "$elsewhere"
    rm -rf "$work/source"
fi
if command -v lintian >/dev/null; then
    ok 'lintian has nothing against it' lintian --allow-root --fail-on error,warning "$deb"
else
    skip 1 'there is no lintian'
fi

# --- a root to install into ------------------------------------------------------------------------

if [[ $(id -u) -ne 0 ]] || ! unshare -m true 2>/dev/null; then
    skip 1 'installing needs root and mount namespaces'
    done_testing
    exit 0
fi
mkdir "$work/mounted" "$work/layers"
lower=/
if [[ -n ${CHECK_ALL:-} ]]; then
    lower=$work/bare
    "$here/../lib/debian_root" --like-host "$lower"
fi
cat >"$work/inside" <<'INSIDE'
set -euo pipefail
work=$1 lower=$2
. "$3"
test_count=$4
mount -t tmpfs none "$work/layers"
mkdir "$work/layers/upper" "$work/layers/work"
mount -t overlay none "$work/mounted" \
    -o "lowerdir=$lower,upperdir=$work/layers/upper,workdir=$work/layers/work" 2>/dev/null || {
    skip 1 'this kernel mounts no overlay'
    exit 0
}
root=$work/mounted
mount --bind /proc "$root/proc"
mount -t tmpfs none "$root/run"
mount -t tmpfs none "$root/tmp"
mount -t tmpfs none "$root/dev"
for node in null zero random urandom; do
    cp -a "/dev/$node" "$root/dev/"
done
cp "$work"/one/*.deb "$root/tmp/mainstay.deb"
in_root() {
    chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}
as_mainstay() {
    in_root setpriv --reuid mainstay --regid mainstay --clear-groups "$@"
}
apt() {
    in_root apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends "$@"
}
# What is new or other than in the root that was mounted, without the package managers' own books and caches.
listing() {
    (cd "$work/layers/upper" &&
        find . -not -path './var/lib/dpkg/*' -not -path './var/lib/apt/*' -not -path './var/cache/*' \
            -not -path './var/log/*' -not -name '*-' -not -name ld.so.cache -not -name .pwd.lock) |
        while read -r path; do
            [[ -d $work/layers/upper/$path && -d $lower/$path ]] ||
                cmp -s "$work/layers/upper/$path" "$lower/$path" || echo "$path"
        done | sort
}

# man-db reads all manual pages anew when a package brings one.
rm -f "$root/var/lib/man-db/auto-update"
if ! in_root test -e /usr/share/zoneinfo/UTC || ! in_root sh -c 'ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1'; then
    apt update >/dev/null 2>&1 || note 'no package lists: the dependencies must be there'
fi
depends=$(dpkg-deb -f "$root/tmp/mainstay.deb" Depends)
ok 'its dependencies can be satisfied' apt satisfy "$depends"
listing >"$work/before"

# --- installed ---------------------------------------------------------------------------------------

ok 'apt installs the file' apt install /tmp/mainstay.deb
like "$(in_root getent passwd mainstay)" '^mainstay:x:[0-9]+:[0-9]+:Mainstay backup:/var/lib/mainstay:/usr/sbin/nologin$' \
    'the user is there, and cannot log in'
is "$(in_root stat -c '%A %U:%G %n' /etc/mainstay /etc/mainstay/mainstay.yaml /var/lib/mainstay)" \
    "drwxr-x--- root:mainstay /etc/mainstay
-rw-r----- root:mainstay /etc/mainstay/mainstay.yaml
drwx------ mainstay:mainstay /var/lib/mainstay" 'directories and configuration are private'
for unit in mainstayd.service mainstay-wal.service mainstay-snapshot.timer; do
    is "$(in_root systemctl --root=/ is-enabled "$unit" || true)" disabled "$unit is there, not enabled"
done
like "$(as_mainstay mainstay version)" '[0-9]' 'the program runs as that user'
like "$(as_mainstay mainstayd --version)" '^mainstayd ' 'so does the daemon'
for page in man1/mainstay.1 man5/mainstay.yaml.5 man8/mainstayd.8; do
    like "$(in_root zcat "/usr/share/man/$page.gz" | head -n 1)" '^\.TH MAINSTAY' "there is a manual page $page"
done
# shellcheck disable=SC2016 # expanded inside
is "$(in_root bash -c '. /usr/share/bash-completion/completions/mainstay
    f=$(complete -p mainstay | sed "s/.*-F \([^ ]*\) .*/\1/")
    COMP_WORDS=(mainstay snapshot cr) COMP_CWORD=2 COMP_LINE="mainstay snapshot cr" COMP_POINT=20
    $f mainstay cr snapshot; echo "${COMPREPLY[*]% }"')" create 'bash completes a command'
fails 'doctor says what the empty configuration lacks' 1 'repository.url is not set' as_mainstay mainstay doctor

# --- used --------------------------------------------------------------------------------------------

printf 'repository:\n  url: /var/lib/mainstay/repository\n' >"$root/etc/mainstay/mainstay.yaml"
ok 'a repository is made by that user' as_mainstay mainstay repo init
doctor=$(as_mainstay mainstay doctor 2>&1 || true)
like "$doctor" 'ok +store' 'doctor finds the store good'
like "$doctor" 'failed +server' 'and that there is no server'

# --- again, removed, purged ---------------------------------------------------------------------------

ok 'it installs over itself' apt install --reinstall /tmp/mainstay.deb
is "$(cat "$root/etc/mainstay/mainstay.yaml")" 'repository:
  url: /var/lib/mainstay/repository' 'the edited configuration stays'
ln -s /usr/lib/systemd/system/mainstayd.service "$root/etc/systemd/system/multi-user.target.wants/mainstayd.service"
ok 'it is removed' apt remove mainstay
is "$(in_root sh -c 'ls /usr/bin/mainstay* /usr/lib/systemd/system/mainstay* 2>/dev/null || true')" '' \
    'programs and units are gone'
ok 'so is the link of an enabled unit' test ! -L "$root/etc/systemd/system/multi-user.target.wants/mainstayd.service"
ok 'the configuration stays' test -e "$root/etc/mainstay/mainstay.yaml"
touch "$root/var/lib/systemd/timers/stamp-mainstay-snapshot.timer" 2>/dev/null || true
purged=$(in_root dpkg --purge mainstay 2>&1)
like "$purged" '/var/lib/mainstay is not empty and stays' 'a purge keeps a repository and says so'
ok 'it is all there' test -e "$root/var/lib/mainstay/repository/mainstay.json"
ok 'its owner stays, too' in_root getent passwd mainstay
ok 'the configuration is gone' test ! -e "$root/etc/mainstay"
rm -rf "$root/var/lib/mainstay"
ok 'it installs once more' apt install /tmp/mainstay.deb
ok 'and is purged' in_root dpkg --purge mainstay
listing >"$work/after"
is "$(diff "$work/before" "$work/after" || true)" '' 'nothing is left of it'
is "$(in_root getent passwd mainstay || true)$(in_root getent group mainstay || true)" '' 'neither user nor group'
done_testing
INSIDE
status=0
unshare -m --propagation private bash "$work/inside" "$work" "$lower" "$here/../lib/tap.sh" \
    "$test_count" || status=$?
exit $((status || test_failed > 0))
