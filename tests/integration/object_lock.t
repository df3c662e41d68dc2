#!/bin/bash
# Somebody overwrites and deletes everything that is in the bucket (Ceph, with versions and object lock): with
# the keys of the writer, of the reaper, of the owner, and with those of somebody who may get past a lock. What is
# locked stays, is found, and comes back whole; sealed repositories, too. src/store/README.md has the results.
# majors: 15
# time limit: 420
# shellcheck disable=SC2317 # functions are called by ok and fails
. "$(dirname "$0")/../lib/scene.sh"
. "$(dirname "$0")/../lib/s3_scene.sh"
. "$(dirname "$0")/../lib/wal_scene.sh"
command -v radosgw >/dev/null || skip_all 'Ceph RGW is not installed'
command -v jq >/dev/null || skip_all 'jq is not installed'

s3_begin || exit 1
export NO_PROXY='*' no_proxy='*'
"$TESTS_ROOT/servers/ceph" bucket "$TEST_DIR/ceph" locked lock || exit 1
url="s3://locked/main?endpoint=$s3_endpoint"
export MAINSTAY_REPOSITORY_URL=$url MAINSTAY_STORE_LOCK_MODE=governance MAINSTAY_STORE_LOCK_DAYS=30
bucket=locked repository=main
keys() { s3_request GET "$bucket?list-type=2&prefix=$repository%2F" | grep -o '<Key>[^<]*' | cut -c6-; }
versions() { s3_versions "$bucket" "$repository/"; }
# What the newest version of a key says of its lock: header NAME KEY
header() { s3_request HEAD "$bucket/$2" -I | tr -d '\r' | sed -n "s/^x-amz-object-lock-$1: //Ip"; }
# How long the newest version of a key is locked, in whole days from now.
locked_days() {
    local until
    until=$(header retain-until-date "$1")
    [[ -n $until ]] && echo $((($(date -d "$until" +%s) - $(date +%s) + 3600) / 86400))
}
first_key() { keys | grep "^$repository/$1" | head -n 1; }
retention() { # MODE DAYS
    echo "<Retention><Mode>$1</Mode><RetainUntilDate>$(date -u -d "+$2 days" +%Y-%m-%dT%H:%M:%SZ)</RetainUntilDate></Retention>"
}
bypass=(-H 'x-amz-bypass-governance-retention: true')
# A moment that lies whole seconds before and after all that is stored.
moment() {
    local now
    passed() { [[ $(date -u +%Y-%m-%dT%H:%M:%SZ) > $now ]]; }
    for _ in 1 2; do
        now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
        wait_until 5 passed
    done
    echo "$now"
}

# --- what is stored is locked -----------------------------------------------------------------------

scene_cluster main || exit 1
scene_psql main -c "CREATE TABLE lines AS SELECT g AS i, md5(g::text) AS v FROM generate_series(1, 20000) g"
rows() { scene_psql "$1" -c 'SELECT count(*), sum(i::bigint), sum(hashtext(v)) FROM lines'; }
create() { mainstay snapshot create --connection "$(cluster_conninfo main)" "$@"; }
ok 'a repository' mainstay repo init --no-slot
ok 'a snapshot' create --snapshot-own-wal
for kind in mainstay.json packs/ snapshots/; do
    is "$(locked_days "$(first_key $kind)")" 37 "$kind is locked for 30 days and a quarter"
done
is "$(keys | grep -cE '^main/(leases|probe)/')" 0 'no lease is left'
first=$(mainstay snapshot list --json | grep -oE '"id" *: *"[0-9a-f]+"' | head -n 1 | grep -oE '[0-9a-f]{16}')
pack=$(first_key packs/)

# A lock that is nearly over is renewed by the snapshot that reuses the pack; one that is not, is not.
retain() { # KEY DAYS
    s3_request PUT "$1?retention=" "${bypass[@]}" -d "$(retention GOVERNANCE "$2")"
}
packs=$(keys | grep '^main/packs/')
for key in $packs; do retain "locked/$key" 10; done
retain "locked/main/mainstay.json" 33
is "$(locked_days "$pack")" 10 'a lock that has ten days left'
scene_psql main -c "INSERT INTO lines SELECT g, 'second' FROM generate_series(1, 500) g"
ok 'another snapshot reuses the pack' create --snapshot-own-wal
is "$(for key in $packs; do locked_days "$key"; done | sort -u)" 37 'which is locked anew'
is "$(locked_days main/mainstay.json)" 33 'a lock that is long enough is left alone'
wanted=$(rows main)

# --- a clean-up sees locks ----------------------------------------------------------------------------

expired=$(mainstay snapshot expire --keep-last 1 --grace 0s 2>&1)
is $? 0 'a clean-up that may remove nothing is no error'
like "$expired" "$first +[0-9TZ:-]+ +keep +pinned until [0-9TZ:-]+: object lock of the store" \
    'it says until when the snapshot is locked'
like "$expired" '2 snapshots stay, 0 go' 'and leaves it'

doctor=$(mainstay doctor --connection "$(cluster_conninfo main)" 2>&1) || true
like "$doctor" 'what is stored is locked for 30 days \(governance\)' 'doctor tells of the lock'
like "$doctor" 'no rule ever removes them' 'and of versions that nothing removes'
s3_request PUT 'locked?lifecycle=' -d '<LifecycleConfiguration><Rule><ID>old</ID><Prefix/><Status>Enabled</Status>
    <NoncurrentVersionExpiration><NoncurrentDays>45</NoncurrentDays></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>'
like "$(mainstay doctor --connection "$(cluster_conninfo main)" 2>&1)" 'older versions are kept for 45 days' 'unless there is a rule'
like "$(MAINSTAY_REPOSITORY_URL=$S3_URL mainstay doctor --connection "$(cluster_conninfo main)" 2>&1)" \
    'governance, but the bucket cannot lock' 'a bucket that cannot lock is named'
MAINSTAY_REPOSITORY_URL=$S3_URL fails 'and nothing is stored without the lock' 1 'made with object lock' mainstay repo init --no-slot
fails 'a directory cannot lock' 1 'only S3 buckets have object lock' mainstay repo init --no-slot --repo "$scene/local"

like "$doctor" 'nothing was put over, nothing removed under a lock' 'and that nobody changed anything'

# --- legal hold ---------------------------------------------------------------------------------------

repository=held
export MAINSTAY_REPOSITORY_URL=${url/main/held} MAINSTAY_STORE_LOCK_MODE=none
expire() { mainstay snapshot expire --keep-last 1 --grace 0s 2>&1; }
ok 'another repository, without locks' mainstay repo init --no-slot
ok 'a snapshot' create --snapshot-own-wal
is "$(header legal-hold "$(first_key packs/)")" '' 'nothing is held'
export MAINSTAY_STORE_LEGAL_HOLD=true
ok 'a snapshot with legal hold' create --snapshot-own-wal
is "$(for key in $(keys | grep -E '/(packs/|mainstay.json)'); do header legal-hold "$key"; done | sort -u)" ON \
    'holds what it reuses, too'
is "$(locked_days "$(first_key packs/)")" '' 'without any end'
held=$(keys | grep '/snapshots/' | tail -n 1)
is "$(header legal-hold "$held")" ON 'and itself'
ok 'another one' create --snapshot-own-wal
like "$(mainstay doctor --connection "$(cluster_conninfo main)" 2>&1)" 'what is stored has a legal hold' 'doctor tells of it'
like "$(expire)" 'keep +pinned: legal hold in the store' 'a clean-up tells why a snapshot stays'
is "$(mainstay snapshot list --json | grep -cE '"id" *:')" 2 'and removes the one that is not held'
is "$(s3_status DELETE "$bucket/$held?versionId=$(versions | grep "^$held " | cut -d' ' -f2)" "${bypass[@]}")" 403 \
    'what is held cannot be deleted, whoever may get past a mode'
s3_request PUT "$bucket/$held?legal-hold=" -d '<LegalHold><Status>OFF</Status></LegalHold>'
expire >/dev/null
is "$(mainstay snapshot list --json | grep -cE '"id" *:')" 1 'once the hold is lifted it goes'
MAINSTAY_REPOSITORY_URL=$S3_URL fails 'a bucket that cannot lock cannot hold' 1 'made with object lock' mainstay repo init --no-slot
fails 'nor can a directory' 1 'only S3 buckets have object lock' mainstay repo init --no-slot --repo "$scene/local"
unset MAINSTAY_STORE_LEGAL_HOLD

# --- who attacks ----------------------------------------------------------------------------------------

# may NAME...: on $bucket these have what doctor prints; the insider, who is not one of ours, may everything
may() {
    local name
    for name in "$@"; do
        mainstay doctor --print-iam "$name" >"$TEST_DIR/$name.iam" || return 1
    done
    jq -n --arg bucket "arn:aws:s3:::$bucket" \
        '{Statement: [{Sid: "All", Effect: "Allow", Action: "s3:*", Resource: [$bucket, $bucket + "/*"]}]}' >"$TEST_DIR/insider.iam"
    s3_policies "$bucket" "$@" insider
}
for name in writer reaper reader insider; do s3_user "$name"; done
as() {
    local name=$1
    shift
    if [[ $name == owner ]]; then "$@"; else s3_as "$name" "$@"; fi
}

# attack NAME [CURL OPTION...]: with these keys what lasts is put over and deleted, and of every version the lock is
# shortened and itself deleted; prints how many of each the store allowed.
attack() {
    local name=$1 put=0 removed=0 shortened=0 destroyed=0 key id mode=${MAINSTAY_STORE_LOCK_MODE^^}
    versions >"$TEST_DIR/attacked"
    for key in $(cut -d' ' -f1 "$TEST_DIR/good" | sort -u); do
        [[ $(as "$name" s3_status PUT "$bucket/$key" -d 'pay or lose it') != 200 ]] || put=$((put + 1))
        [[ $(as "$name" s3_status DELETE "$bucket/$key") != 204 ]] || removed=$((removed + 1))
    done
    while read -r key id; do
        [[ $(as "$name" s3_status PUT "$bucket/$key?retention=&versionId=$id" "${@:2}" -d "$(retention "$mode" 0)") != 200 ]] ||
            shortened=$((shortened + 1))
        [[ $(as "$name" s3_status DELETE "$bucket/$key?versionId=$id" "${@:2}") != 204 ]] || destroyed=$((destroyed + 1))
    done <"$TEST_DIR/attacked"
    echo "$put put over, $removed removed, $shortened shortened, $destroyed destroyed"
}
# How many of the good versions are left.
left() { comm -12 <(sort "$TEST_DIR/good") <(versions | sort) | wc -l; }
doctor() { as writer mainstay doctor --connection "$(cluster_conninfo main)" 2>&1; }
recovered() { [[ $(scene_psql back -c 'SELECT pg_is_in_recovery()') == f ]]; }
# comes_back DESCRIPTION [OPTION...]: as of the time before, as the reader; options of restore
comes_back() {
    local then="$MAINSTAY_REPOSITORY_URL&as-of=$before" to
    to=$(mktemp -u "$scene/backXXXXXX")
    is "$(as reader mainstay snapshot list --repo "$then" --json | grep -cE '"id" *:')" 2 "$1: as of the time before both snapshots are there"
    ok "$1: every page and every hash is right" as reader mainstay snapshot verify --repo "$then"
    ok "$1: restore" as reader mainstay restore --repo "$then" --to "$to" "${@:2}"
    scene_start back "$to"
    wait_until 30 recovered
    is "$(rows back)" "$wanted" "$1: the rows are those of before"
    scene_remove back
}

# --- governance -------------------------------------------------------------------------------------------

repository=main
export MAINSTAY_REPOSITORY_URL=$url MAINSTAY_STORE_LOCK_MODE=governance
ok 'the identities have their rights' may writer reaper reader
before=$(moment)
versions | grep -vE "^$repository/(leases|runs|probe)/" >"$TEST_DIR/good"
good=$(wc -l <"$TEST_DIR/good")

ok 'the writer puts other bytes over one pack' test "$(as writer s3_status PUT "$bucket/$pack" -d "$(head -c 999 /dev/zero | tr '\0' x)")" = 200
fails 'verification finds it' 4 "${pack#main/}" as reader mainstay snapshot verify --record
like "$(as reader mainstay status 2>&1)" 'verif.*(damage|FAILED|failed)' 'status tells of it: the metric behind the alert'
like "$(doctor)" "objects were changed that never change, 1 in all: ${pack#main/} \\(put over" 'doctor names it and when'
comes_back 'one pack put over'

fought=$(attack writer)
like "$fought" '^[1-9][0-9]* put over, 0 removed, 0 shortened, 0 destroyed' "the writer puts over what it may put ($fought)"
is "$(left)" "$good" 'and every good version is left'
fails 'the snapshots cannot be read' '1|4' 'snapshots/|damaged|could not' mainstay snapshot verify
like "$(doctor)" "objects were changed that never change, [0-9]+ in all: .*put over.*&as-of=" 'doctor names objects, and how to look back'
comes_back 'the writer'

fought=$(attack reaper)
like "$fought" ' 0 shortened, 0 destroyed' "the reaper removes what it may ($fought)"
is "$(left)" "$good" 'from sight: every good version is left'
comes_back 'the reaper'

attack owner >"$TEST_DIR/fought"
note "$(cat "$TEST_DIR/fought")"
is "$(keys | wc -l)" 0 'the owner of the bucket hides everything'
is "$(left)" "$good" 'but without getting past the mode every good version is left'
fails 'the repository is not to be found' 3 'mainstay.json|no repository' mainstay snapshot list
doctor=$(doctor) || true
like "$doctor" '&as-of=' 'doctor says where it is'
is "$(grep -c 'repo init' <<<"$doctor")" 0 'and does not advise a new one'
comes_back 'the owner'
then="$url&as-of=$before"
fails 'nothing can be stored there' 5 'opened as of a time' create --repo "$then"
is "$(keys | wc -l)" 0 'and nothing was'
fails 'as of a time before the repository there is none' 3 'mainstay.json|no repository' \
    mainstay snapshot list --repo "$url&as-of=2020-01-01T00:00:00Z"
fails 'a time must be one' 2 'must be a time' mainstay snapshot list --repo "$url&as-of=yesterday"

fought=$(attack insider)
is "$(left)" "$good" "who has the right to get past the mode, and does not say so, destroys nothing ($fought)"
attack writer "${bypass[@]}" >/dev/null
attack reaper "${bypass[@]}" >/dev/null
is "$(left)" "$good" 'writer and reaper may say so, and are refused'
fought=$(attack insider "${bypass[@]}")
is "$(left)" 0 "who has it and says so destroys all: governance protects from none such ($fought)"
fails 'then nothing comes back' 3 'mainstay.json|no repository' mainstay snapshot list --repo "$then"

# --- compliance, sealed -------------------------------------------------------------------------------------

"$TESTS_ROOT/servers/ceph" bucket "$TEST_DIR/ceph" kept lock
bucket=kept repository=vault
export MAINSTAY_REPOSITORY_URL=${url/locked\/main/kept\/vault} MAINSTAY_STORE_LOCK_MODE=compliance MAINSTAY_STORE_LOCK_DAYS=1
export MAINSTAY_REPOSITORY_ENCRYPTION=sealed MAINSTAY_REPOSITORY_KEY_FILE=$scene/vault.key
ok 'a sealed repository, in compliance mode' mainstay repo init --no-slot
stream_start "$MAINSTAY_REPOSITORY_URL" main --wal-slot vault --wal-flush-interval 1s
ok 'a snapshot' create --wal-slot vault
export MAINSTAY_STORE_LOCK_DAYS=30
ok 'another one, locked for longer' create --wal-slot vault
for kind in mainstay.json keys/ packs/; do
    is "$(for key in $(keys | grep "^vault/$kind"); do locked_days "$key"; done | sort -u)" 37 "$kind of before is locked anew"
done
like "$(expire)" 'object lock of the store' 'a clean-up sees the locks'
is "$(mainstay snapshot list --json | grep -cE '"id" *:')" 2 'and removes nothing'
scene_psql main -c "INSERT INTO lines SELECT g, 'streamed' FROM generate_series(1, 100) g"
wait_until 30 stored_up_to "$MAINSTAY_REPOSITORY_URL" "$(position main)"
stream_stop || true
wanted=$(rows main)
is "$(locked_days "$(first_key wal/)")" 1 'WAL is locked, for as long as its stream was told'
ok 'the identities have their rights' may writer reaper reader
before=$(moment)
versions | grep -vE "^$repository/(leases|runs|probe)/" >"$TEST_DIR/good"
good=$(wc -l <"$TEST_DIR/good")

fought=$(attack reaper "${bypass[@]}")
is "$(left)" "$good" "sealed, the reaper: $fought, and every good version is left"
is "$(mainstay snapshot list --json | grep -cE '"id" *:')" 0 'no snapshot is to be seen'
like "$(doctor)" 'objects were changed that never change, [0-9]+ in all: snapshots/[^ ]+ \(removed .*snapshots/[^ ]+ \(removed' \
    'doctor names those that were removed under their locks'
fought=$(attack writer "${bypass[@]}")
is "$(left)" "$good" "sealed, the writer: $fought, and every good version is left"
comes_back 'sealed, writer and reaper' --latest
fought=$(attack insider "${bypass[@]}")
like "$fought" ' 0 shortened, ' "sealed, who may everything: $fought"
is "$(left)" "$good" 'not one of the good versions is destroyed, nor its lock shortened'
is "$(keys | wc -l)" 0 'nothing is to be seen'
comes_back 'sealed, who may everything' --latest

cluster_stop main
done_testing
