#!/bin/bash
# Bundles of runbooks: what was signed comes through, and nothing else does.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/tap.sh
. "$here/../lib/tap.sh"
top=$(cd "$here/../.." && pwd)
program=$(realpath "${MAINSTAY:-$top/${B:-build}/mainstay}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir from into
sed 's/^metadata: .*/metadata: {name: mine, version: "1.1.0", title: Mine, owner: lead, reviewed_on: "2026-11-01"}/
     s|tests/sample.sql|tests/mine.sql|' "$top/tests/golden/cli/runbooks/sample.yaml" >from/mine.yaml
mkdir from/tests
echo 'SELECT 1;' >from/tests/mine.sql

import() { # BUNDLE [FLAG]...
    "$program" runbook import "$@" --runbook-directory into --runbook-trusted-keys trusted.pem
}

# ---- what is meant to work ----
ok "a key pair is made" "$program" runbook key create team.key
is "$(stat -c %a team.key)" 600 "the private key is for its owner only"
fails "a key is never overwritten" 1 "team.key" "$program" runbook key create team.key
"$program" runbook key create other.key >/dev/null
cat team.key.pub >trusted.pem
ok "a directory becomes a bundle" "$program" runbook bundle from --output good.tar --key team.key
fails "an archive is never overwritten" 1 "good.tar" \
    "$program" runbook bundle from --output good.tar --key team.key
like "$(import good.tar)" "mine +1\.1\.0 +-" "it is imported"
is "$(diff -r from into && echo same)" same "byte for byte, with the fixture"
ok "importing it again changes nothing" import good.tar
like "$("$program" runbook list --runbook-directory into)" "mine +1.1.0" "the runbook is there"

# ---- versions ----
pack() { # VERSION EXTRA NAME: from/mine.yaml with another version, as a bundle
    mkdir -p "v-$3/tests"
    sed "s/1\.1\.0/$1/; \$a # $2" from/mine.yaml >"v-$3/mine.yaml"
    cp from/tests/mine.sql "v-$3/tests/"
    "$program" runbook bundle "v-$3" --output "$3.tar" --key team.key >/dev/null
}
pack 1.0.9 older old
pack 1.1.0 changed same
pack 1.10.0 newer new
fails "an older version is refused" 5 '"mine" 1.0.9 would replace the newer 1.1.0' import old.tar
fails "so is another content with the same version" 5 'version 1.1.0 and another content' import same.tar
is "$(diff -r from into && echo same)" same "and nothing has changed"
ok "--force takes the older one" import old.tar --force
like "$(head -n 5 into/mine.yaml)" "1.0.9" "which is there now"
like "$(import new.tar)" "mine +1\.10\.0 +1\.0\.9" "a newer version replaces it"
echo 'SELECT 2;' >from/tests/mine.sql
sed -i 's/1\.1\.0/2.0.0/' from/mine.yaml
"$program" runbook bundle from --output fixture.tar --key team.key >/dev/null
fails "a fixture that is there with another content is refused" 5 "mine.sql" import fixture.tar
like "$(head -n 5 into/mine.yaml)" "1.10.0" "and the runbook with it"

# ---- what is not packed ----
sed 's/of: tickets/of: tickts/' from/mine.yaml >broken.yaml
fails "a runbook that does not load is not signed" 1 '"of" cannot be "tickts"' \
    "$program" runbook bundle broken.yaml --output b.tar --key team.key
cp from/mine.yaml alone.yaml
fails "a missing fixture is told" 3 "mine.sql" \
    "$program" runbook bundle alone.yaml --output b.tar --key team.key
fails "signing needs a private key" 1 "no private key" \
    "$program" runbook bundle from --output b.tar --key team.key.pub
[[ ! -e b.tar ]] && tap_result 0 "no archive is left behind" || tap_result 1 "no archive is left behind"

# ---- hostile archives ----
cat >forge.py <<'PYTHON'
"""forge.py KEY OUT CASE: a bundle that is wrong in one way; signed with KEY where it is signed."""
import hashlib
import io
import json
import subprocess
import sys
import tarfile

key, out, case = sys.argv[1:]
runbook = open("from/mine.yaml", "rb").read()
fixture = open("from/tests/mine.sql", "rb").read()
files = [["mine.yaml", runbook], ["tests/mine.sql", fixture]]
if case == "other name":
    files[0][0] = "yours.yaml"
if case == "does not load":
    files[0][1] = b"apiVersion: mainstay/v1\n"
if case in ("up", "absolute", "hidden", "shell"):
    files[1][0] = {"up": "../evil.sql", "absolute": "/tmp/evil.sql", "hidden": "tests/.evil.sql",
                   "shell": "evil.sh"}[case]
if case == "oversized":
    files[1][1] = b" " * (5 << 20)
if case == "many":
    files += [[f"t{i}.sql", b""] for i in range(300)]
listed = [{"path": p, "size": len(t), "sha256": hashlib.sha256(t).hexdigest()} for p, t in files]
if case == "listed twice":
    listed.append(listed[0])
if case == "no size":
    del listed[0]["size"]
manifest = {"format": 2 if case == "format" else 1, "key": "0" * 16, "files": listed}
text = json.dumps(manifest, separators=(",", ":")).encode()
if case == "manifest is no JSON":
    text = b"{"
if case == "large manifest":
    text += b" " * (1 << 20)
open("m", "wb").write(text)
signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", "m"],
                           check=True, capture_output=True).stdout.hex().encode()
if case == "manifest changed":
    text = text.replace(b'"format":1', b'"format": 1')
if case == "signature is text":
    signature = b"trust me"
if case == "content changed":
    files[0][1] = files[0][1].replace(b"Over.", b"0ver.")
if case == "content longer":
    files[0][1] += b"\n"
members = [["manifest.json", text], ["manifest.sig", signature]] + files
if case == "files first":
    members = files + members[:2]
if case == "no signature":
    del members[1]
if case == "missing":
    del members[-1]
if case == "extra":
    members.append(["tests/extra.sql", b"DROP TABLE tickets;"])
if case == "twice":
    members.append(members[-1])
with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
    for path, content in members:
        info = tarfile.TarInfo(path)
        info.size = len(content)
        if path == "tests/mine.sql" and case in ("symlink", "hard link", "directory", "fifo"):
            info.type = {"symlink": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE,
                         "directory": tarfile.DIRTYPE, "fifo": tarfile.FIFOTYPE}[case]
            info.size, info.linkname, content = 0, "/etc/passwd", b""
        tar.addfile(info, io.BytesIO(content))
if case == "truncated":
    whole = open(out, "rb").read()
    open(out, "wb").write(whole[:len(whole) // 4])
if case == "no tar":
    open(out, "wb").write(b"#!/bin/sh\nrm -rf /\n" * 100)
if case == "empty":
    open(out, "wb")
PYTHON
rm -rf into
mkdir into
echo 'SELECT 1;' >into/kept.sql
python3 forge.py team.key forged.tar good
ok "the forger can make a good one" import forged.tar
rm -r into/mine.yaml into/tests

refused() { # CASE STATUS PATTERN
    python3 forge.py "${4:-team.key}" forged.tar "$1"
    fails "refused: $1" "$2" "$3" import forged.tar
    [[ $(find into -type f) == into/kept.sql ]] || tap_result 1 "nothing is written: $1"
}
refused "signed by somebody else" 5 "the signature is not one of a trusted key" other.key
refused "manifest changed" 5 "the signature is not one of a trusted key"
refused "signature is text" 1 "manifest.sig is no signature"
refused "no signature" 1 "no manifest.sig in its place"
refused "files first" 1 "no manifest.json in its place"
refused "content changed" 5 '"mine.yaml" is not what the manifest says'
refused "content longer" 5 '"mine.yaml" has not the size'
refused "missing" 5 '"tests/mine.sql" is missing'
refused "extra" 5 '"tests/extra.sql" is not in the bundle.s manifest'
refused "twice" 5 '"tests/mine.sql" is in the bundle twice'
refused "listed twice" 1 "is there twice"
refused "up" 1 'cannot have the file "../evil.sql"'
refused "absolute" 1 'cannot have the file "/tmp/evil.sql"'
refused "hidden" 1 'cannot have the file "tests/.evil.sql"'
refused "shell" 1 'cannot have the file "evil.sh"'
refused "symlink" 5 '"tests/mine.sql" in the bundle is not a plain file'
refused "hard link" 1 "mine.sql"
refused "directory" 5 '"tests/mine.sql" in the bundle is not a plain file'
refused "fifo" 1 "mine.sql"
refused "oversized" 5 '"tests/mine.sql" in the bundle is too large'
refused "many" 1 "can have 200 files"
refused "large manifest" 5 '"manifest.json" in the bundle is too large'
refused "manifest is no JSON" 1 "manifest"
refused "no size" 1 "size"
refused "format" "1|2" "format 2"
refused "other name" 5 '"yours.yaml" has the runbook "mine" in it'
refused "does not load" 1 "mine.yaml:1:1: a runbook has no"
refused "truncated" 1 "forged.tar"
refused "no tar" 1 "forged.tar"
refused "empty" 1 "forged.tar"

: >trusted.pem
fails "without trusted keys nothing is imported" 1 "public keys of Ed25519" import good.tar
fails "nor without the option" 2 "runbook.trusted-keys" \
    "$program" runbook import good.tar --runbook-directory into
done_testing
