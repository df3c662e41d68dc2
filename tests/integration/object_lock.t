#!/bin/bash
# Somebody with the keys of the writer overwrites and deletes everything that is in the bucket (Ceph,
# with versions and object lock). What is locked stays, is found, and comes back whole.
# majors: 15
# time limit: 180
# shellcheck disable=SC2317 # functions are called by ok and fails
. "$(dirname "$0")/../lib/scene.sh"
. "$(dirname "$0")/../lib/s3_scene.sh"
command -v radosgw >/dev/null || skip_all 'Ceph RGW is not installed'

s3_begin || exit 1
export NO_PROXY='*' no_proxy='*'
"$TESTS_ROOT/servers/ceph" bucket "$TEST_DIR/ceph" locked lock || exit 1
url="s3://locked/main?endpoint=$s3_endpoint"
export MAINSTAY_REPOSITORY_URL=$url MAINSTAY_STORE_LOCK_MODE=governance MAINSTAY_STORE_LOCK_DAYS=30
# request METHOD PATH?QUERY [CURL OPTION...]: as whoever stole the keys would
request() {
    curl -sS -X "$1" --aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
        -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$s3_endpoint/$2" "${@:3}"
}
keys() { request GET 'locked?list-type=2' | grep -o '<Key>[^<]*' | cut -c6-; }
# Of every version, delete markers left out: "KEY ID".
versions() {
    request GET 'locked?versions=' | grep -o '<Version>.*' | sed 's|</Version>|\n|g' |
        sed -n 's|.*<Key>\([^<]*\)</Key><VersionId>\([^<]*\)</VersionId>.*|\1 \2|p'
}
# How long the newest version of a key is locked, in whole days from now.
locked_days() {
    local until
    until=$(request HEAD "locked/$1" -I | tr -d '\r' | sed -n 's/^x-amz-object-lock-retain-until-date: //Ip')
    [[ -n $until ]] && echo $((($(date -d "$until" +%s) - $(date +%s) + 3600) / 86400))
}
first_key() { keys | grep "^main/$1" | head -n 1; }

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
    request PUT "$1?retention=" -H 'x-amz-bypass-governance-retention: true' -d "<Retention><Mode>GOVERNANCE</Mode>
        <RetainUntilDate>$(date -u -d "+$2 days" +%Y-%m-%dT%H:%M:%SZ)</RetainUntilDate></Retention>"
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
request PUT 'locked?lifecycle=' -d '<LifecycleConfiguration><Rule><ID>old</ID><Prefix/><Status>Enabled</Status>
    <NoncurrentVersionExpiration><NoncurrentDays>45</NoncurrentDays></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>'
like "$(mainstay doctor --connection "$(cluster_conninfo main)" 2>&1)" 'older versions are kept for 45 days' 'unless there is a rule'
like "$(MAINSTAY_REPOSITORY_URL=$S3_URL mainstay doctor --connection "$(cluster_conninfo main)" 2>&1)" \
    'governance, but the bucket cannot lock' 'a bucket that cannot lock is named'
MAINSTAY_REPOSITORY_URL=$S3_URL fails 'and nothing is stored without the lock' 1 'made with object lock' mainstay repo init --no-slot
fails 'a directory cannot lock' 1 'only S3 buckets have object lock' mainstay repo init --no-slot --repo "$scene/local"

# --- the attack -----------------------------------------------------------------------------------------

before=$(date -u +%Y-%m-%dT%H:%M:%SZ)
passed() { [[ $(date -u +%Y-%m-%dT%H:%M:%SZ) > $before ]]; }
wait_until 5 passed
before=$(date -u +%Y-%m-%dT%H:%M:%SZ)
wait_until 5 passed
good=$(keys | grep -cv '^main/runs/')
for key in $(keys); do
    request PUT "locked/$key" -d 'pay or lose it'
    request DELETE "locked/$key"
done
destroyed=0
while read -r key id; do
    [[ $(request DELETE "locked/$key?versionId=$id" -o /dev/null -w '%{http_code}') == 204 ]] && destroyed=$((destroyed + 1))
done < <(versions)
is "$(keys | wc -l)" 0 'everything is gone'
note "$good objects, $destroyed versions destroyed for good"
is "$(versions | cut -d' ' -f1 | sort -u | wc -l)" "$good" 'but of every object a version is left'
fails 'the repository is not to be found' 3 'mainstay.json|no repository' mainstay snapshot list

# --- and back -------------------------------------------------------------------------------------------

then="$url&as-of=$before"
is "$(mainstay snapshot list --repo "$then" --json | grep -cE '"id" *:')" 2 'as of the time before both snapshots are there'
ok 'every page and every hash is right' mainstay snapshot verify --repo "$then"
ok 'restore' mainstay restore --repo "$then" --to "$scene/back"
scene_start back "$scene/back"
is "$(rows back)" "$wanted" 'the rows are those of before'
cluster_stop back
fails 'nothing can be stored there' 5 'opened as of a time' create --repo "$then"
is "$(keys | wc -l)" 0 'and nothing was'
fails 'as of a time before the repository there is none' 3 'mainstay.json|no repository' \
    mainstay snapshot list --repo "$url&as-of=2020-01-01T00:00:00Z"
fails 'a time must be one' 2 'must be a time' mainstay snapshot list --repo "$url&as-of=yesterday"

cluster_stop main
done_testing
