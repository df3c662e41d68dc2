#!/bin/bash
# A sealed repository that real jobs have written: whatever is done to an object of whatever kind, the
# command that reads it says so and names it, and goes on when the object is back. A table says who
# reads what. What nobody can find is as FORMAT.md, "What is still seen", has it.
# time limit: 600
# shellcheck disable=SC2317 # functions are called by ok and fails
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/scene.sh
. "$here/../lib/scene.sh"
# shellcheck source=tests/lib/wal_scene.sh
. "$here/../lib/wal_scene.sh"
cp "$BUILD/mainstayd" "$TEST_DIR/mainstayd"
chmod 755 "$TEST_DIR/mainstayd"

# --- the scene: the same jobs on a sealed repository, another sealed one, and a plain one -----------

repositories=(sealed other plain)
sealed=$scene/sealed
scratch=$scene/scratch
as_server mkdir "$scratch"
export MAINSTAY_DRILL_SERVER_BINARIES=$SERVER_BIN MAINSTAY_DRILL_SCRATCH=$scratch MAINSTAY_POSTGRES_CONNECTION
echo 'correct horse battery staple' >"$scene/passphrase"
give_to_server "$scene/passphrase"
chmod 600 "$scene/passphrase"

# key_of REPOSITORY: how it is opened, in ${key[@]}
key_of() {
    key=(--repo "$scene/$1")
    [[ $1 == plain ]] || key+=(--repository-key-file "$scene/$1.key")
}

# of REPOSITORY COMMAND...: with its key; what it says only when it fails
of() {
    local key
    key_of "$1"
    shift
    mainstay "$@" "${key[@]}" >"$TEST_DIR/output" 2>&1 || { cat "$TEST_DIR/output"; return 1; }
}

streams_start() {
    local repository key
    stream_jobs=()
    stream_pids=()
    for repository in "${repositories[@]}"; do
        key_of "$repository"
        stream_start "$scene/$repository" main --wal-flush-interval 1s --wal-slot "$repository" "${key[@]}"
        stream_jobs+=("$stream_job")
        stream_pids+=("$stream_pid")
    done
}
streams_stop() {
    local i
    for i in "${!stream_pids[@]}"; do
        stream_pid=${stream_pids[i]} stream_job=${stream_jobs[i]}
        stream_stop
    done
}

# promote: the server goes on in the next timeline
promote() {
    cluster_stop main
    as_server touch "$(cluster_data main)/standby.signal"
    cluster_start main
    MAINSTAY_POSTGRES_CONNECTION=$(cluster_conninfo main)
    scene_psql main -c 'SELECT pg_promote()' >/dev/null
}

# leave COUNT FILES COMMAND...: runs it until there are COUNT such files, and kills it
there_are() { [[ $(find "$sealed/.." -path "$2" | wc -l) -ge $1 ]]; }
leave() {
    local count=$1 files=$2 job
    shift 2
    rm -f "$scene/killed.pid"
    # shellcheck disable=SC2016 # the inner shell's own variables
    as_server sh -c 'echo $$ >"$0"; exec "$@"' "$scene/killed.pid" "$@" >/dev/null 2>&1 &
    job=$!
    wait_until 20 there_are "$count" "$files" || return 1
    kill -KILL "$(cat "$scene/killed.pid")"
    wait "$job" 2>/dev/null || true
}

daemon_file() {
    printf 'repository:\n  url: %s\n' "$scene/$1"
    [[ $1 == plain ]] || printf '  key-file: %s\n' "$scene/$1.key"
    printf 'postgres:\n  connection: host=127.0.0.1 port=1 dbname=nothing\n'
}

# write TIMELINE: small chunks of WAL, which are merged in the first two timelines; and one more
write() {
    local repository
    streams_start
    for repository in "${repositories[@]}"; do
        of "$repository" snapshot create --wal-slot "$repository" || return 1
        scene_psql main -c "UPDATE t SET v = md5(v) WHERE i % 10 = $1"
        of "$repository" restore-point create "first-of-timeline-$1" || return 1
    done
    for repository in "${repositories[@]}"; do
        [[ $1 = 3 ]] || of "$repository" wal merge --older-than 0s || return 1
        of "$repository" restore-point create "last-of-timeline-$1" || return 1
    done
    streams_stop
}

# write_rest REPOSITORY COUNT: so many objects of each of the other kinds
write_rest() {
    local repository=$1 id key i
    key_of "$repository"
    if [[ $repository != plain ]]; then
        of "$repository" repo key add --new-passphrase-file "$scene/passphrase" --label person &&
            of "$repository" repo key rotate || return 1
    fi
    for id in $(snapshot_ids "$scene/$repository" | head -n "$2"); do
        of "$repository" snapshot pin "$id" --reason 'until it is over' &&
            of "$repository" snapshot verify --record &&
            of "$repository" drill run --snapshot "$id" --target-immediate --target-timeline current || return 1
    done
    for ((i = 1; i <= $2; i++)); do
        leave "$i" "*/$repository/leases/*.json" "$MAINSTAY" snapshot create --full --snapshot-max-rate 1MiB "${key[@]}" || return 1
    done
    daemon_file "$repository" >"$scene/$repository.yaml"
    leave 1 "*/$repository/terms/*/0000000000000001.json" "$TEST_DIR/mainstayd" --hold-lock --config "$scene/$repository.yaml"
}

cluster_create main --wal-segsize=1
cluster_start main
MAINSTAY_POSTGRES_CONNECTION=$(cluster_conninfo main)
scene_psql main -c "CREATE TABLE t AS SELECT g AS i, md5(g::text) AS v FROM generate_series(1, 5000) g"
for repository in "${repositories[@]}"; do
    encryption=sealed
    [[ $repository != plain ]] || encryption=none
    ok "a repository: $repository" of $repository repo init --no-slot --repository-encryption $encryption
done
for timeline in 1 2 3; do
    [[ $timeline = 1 ]] || promote
    ok "timeline $timeline is written" write $timeline
done
for repository in "${repositories[@]}"; do
    count=1
    [[ $repository != sealed ]] || count=2
    ok "and all other kinds of objects: $repository" write_rest "$repository" $count
done
cluster_stop main

# --- what is done to an object ----------------------------------------------------------------------

# tamper CHANGE FILE [OTHER]: how the bytes of FILE change; OTHER gives what it does not have itself
tamper() {
    perl -MDigest::SHA=sha256 -e '
        my ($change, $file, $other) = @ARGV;
        sub content { open(my $in, "<:raw", $_[0]) or die "$_[0]: $!"; local $/; return scalar <$in> }
        # In a text a digit changes, behind its head the bytes are sealed; the last 32 may be a SHA-256.
        sub flip { my ($at) = @_; substr($data, $at, 1) = chr(ord(substr($data, $at, 1)) ^ 4) }
        sub has_sum { my ($bytes) = @_; return sha256(substr($bytes, 0, -32)) eq substr($bytes, -32) }
        sub sum { substr($data, -32) = sha256(substr($data, 0, -32)) }
        our $data = content($file);
        my $head = substr($data, 0, 56);
        if ($change eq "first bit") { flip(0) }
        elsif ($change eq "bit of the seal id") { flip(45) }
        elsif ($change eq "middle bit") { flip(int(length($data) / 2)) }
        elsif ($change eq "last bit") { flip(length($data) - 1) }
        elsif ($change eq "middle bit, new sum") { exit 3 if !has_sum($data); flip(int(length($data) / 2)); sum() }
        elsif ($change eq "cut by a byte") { chop $data }
        elsif ($change eq "cut to a half") { $data = substr($data, 0, length($data) / 2) }
        elsif ($change eq "a byte more") { $data .= "x" }
        else {
            $data = content($other);
            if ($change eq "foreign, our head") { my $sum = has_sum($data); substr($data, 0, 56) = $head; sum() if $sum }
            elsif ($change eq "plain, our id" && substr($data, 0, 8) eq "MAINSTAY") {
                my $sum = has_sum($data); substr($data, 16, 16) = substr($head, 16, 16); sum() if $sum }
        }
        open(my $out, "+<:raw", $file) or die "$file: $!";
        truncate($out, 0); print $out $data; close($out) or die $!' "$@"
}

changes=('first bit' 'bit of the seal id' 'middle bit' 'middle bit, new sum' 'last bit' 'cut by a byte'
    'cut to a half' 'a byte more' 'swapped' 'foreign' 'foreign, our head' 'plain, our id' 'renamed')

# --- the kinds of objects -----------------------------------------------------------------------------

declare -A object another name_of
# kind NAME FILES [NEW NAME]: the first of these files, the second, and a name that nobody has
kind() {
    local found
    mapfile -t found < <(find "$sealed" -path "$sealed/$2" | sort)
    object[$1]=${found[0]} another[$1]=${found[1]:-} name_of[$1]=${3:-}
}
# in_of REPOSITORY KIND FILES: an object of that kind elsewhere
counterpart() { find "$scene/$1" -path "$scene/$1/$2" | sort | head -n 1; }

own_slot=$(grep -l '"kind": "key-file"' "$sealed"/keys/* | head -n 1 | sed 's/.*-//')
other_slot=$(grep -l '"kind": "passphrase"' "$sealed"/keys/* | head -n 1 | sed 's/.*-//')
mapfile -t ids < <(snapshot_ids "$sealed")
declare -A files=(
    [mainstay.json]='mainstay.json'
    ['own key']='keys/*'
    ["another's key"]='keys/*'
    [manifest]='snapshots/*'
    [pack]='packs/*/*'
    [WAL]='wal/00000003/*'
    ['merged WAL']='wal/0000000[12]/*'
    [history]='history/*'
    [pin]='pins/*'
    [lease]='leases/*'
    [term]='terms/*/*'
    ['restore point']='restore-points/*'
    [drill]='drills/*'
    [run]='runs/verify/*'
)
kind mainstay.json mainstay.json
kind 'own key' "keys/*-$own_slot" "keys/0123456789abcdef-$own_slot"
kind "another's key" "keys/*-$other_slot" "keys/0123456789abcdef-$other_slot"
kind manifest 'snapshots/*' snapshots/20360301T120000.000000Z-0123456789abcdef.manifest
kind pack 'packs/*/*' packs/ab/ab"$(printf '%062d' 1)".pack
kind WAL 'wal/00000003/*' wal/00000003/0000000007000000-0000000007010000.wal
kind 'merged WAL' 'wal/0000000[12]/*' wal/00000002/0000000007000000-0000000007010000.wal
kind history 'history/*' history/00000004.history
kind pin 'pins/*' "pins/${ids[2]}-0123456789abcdef.json"
kind lease 'leases/*' leases/0123456789abcdef.json
kind term 'terms/*/*' terms/0000000000000002/0000000000000000.json
kind 'restore point' 'restore-points/*' restore-points/never-made.json
kind drill 'drills/*' drills/20360301T120000.000000Z-passed-0123456789abcdef.json
kind run 'runs/verify/*' runs/verify/20360301T120000.000000Z-1-1-good-0123456789abcdef.json
# What the oldest snapshot cannot do without.
object[pack]=$(find "$sealed/packs" -name '*.pack' -printf '%s %p\n' | sort -n | sed -n '$s/.* //p')
another[pack]=$(find "$sealed/packs" -name '*.pack' -printf '%s %p\n' | sort -n | tail -n 2 | sed -n '1s/.* //p')
# The newest of a part decides; older ones are nobody's business.
another[run]=${object[run]}
object[run]=$(find "$sealed/runs" -name '*.json' | sort | tail -n 1)

kinds=(mainstay.json 'own key' "another's key" manifest pack WAL 'merged WAL' history pin lease term 'restore point'
    drill run)
segments_of() { # FILE: those in which a chunk has WAL, of 1 MiB each
    local name=${1##*/} timeline at
    timeline=$(basename "$(dirname "$1")")
    for ((at = 16#${name:0:16} / 1048576; at * 1048576 < 16#${name:17:16}; at++)); do
        printf '%s%08X%08X\n' "$timeline" "$((at / 4096))" "$((at % 4096))"
    done
}
drill_id=$(basename "${object[drill]}" .json)
drill_id=${drill_id##*-}

# lead REPOSITORY: the part of a daemon that finds out which one works
lead() {
    rm -f "$scene/lead.pid"
    : >"$TEST_DIR/lead.$1"
    # shellcheck disable=SC2016 # the inner shell's own variables
    as_server sh -c 'echo $$ >"$0"; exec "$@"' "$scene/lead.pid" "$TEST_DIR/mainstayd" --hold-lock --config "$scene/$1.yaml" \
        >>"$TEST_DIR/lead.$1" 2>&1 &
    lead_job=$!
    wait_until 10 test -s "$scene/lead.pid"
}
lead_no_more() {
    kill -KILL "$(cat "$scene/lead.pid")" 2>/dev/null || true
    wait "$lead_job" 2>/dev/null || true
}

# --- who reads them -----------------------------------------------------------------------------------

key_of sealed
read_settings() { mainstay snapshot list "${key[@]}"; }
read_keys() { mainstay repo key list "${key[@]}"; }
read_all() { mainstay snapshot verify "${key[@]}"; }
read_snapshot() {
    rm -rf "$scene/restored"
    mainstay restore --snapshot "${ids[0]}" --to "$scene/restored" "${key[@]}"
}
# Of what is merged each segment is another part of the object.
read_segments() {
    local segment
    for segment in $(segments_of "${object[$1]}"); do
        mainstay wal get "$segment" "$scene/segment" --restore-prefetch 0 "${key[@]}" || return
    done
}
read_wal() { read_segments WAL; }
read_merged() { read_segments 'merged WAL'; }
read_history() { mainstay wal get 00000002.history "$scene/segment" "${key[@]}"; }
read_pins() { mainstay snapshot list "${key[@]}"; }
read_leases() { mainstay repo gc --dry-run "${key[@]}"; }
# A daemon looks at the term of another one. It would stand by as long as that seems to be alive.
read_terms() {
    local status=0
    lead sealed
    wait_until 20 grep -q 'another daemon\|could not read' "$TEST_DIR/lead.sealed" || status=$?
    lead_no_more
    cat "$TEST_DIR/lead.sealed"
    return "$status"
}
read_points() { mainstay restore-point list "${key[@]}"; }
read_drills() { mainstay drill list "${key[@]}"; }
read_drill() { mainstay drill show "$drill_id" "${key[@]}"; }
read_runs() { mainstay status "${key[@]}"; }

# Who reads it, exit codes, and what must be said; @ is the object's name. `wal get` ends with 254, so that
# PostgreSQL stops.
table='
mainstay.json | read_settings | 1|4|5 | mainstay\.json|not a repository|is not sealed
own key       | read_keys     | 4|5   | @
another'"'"'s key | read_vouched | 4    | @
manifest      | read_all      | 4     | @
manifest      | read_snapshot | 3|4   | @
pack          | read_all      | 4     | @
pack          | read_snapshot | 3|4   | @
WAL           | read_all      | 4     | @
WAL           | read_wal      | 254   | @
merged WAL    | read_all      | 4     | @
merged WAL    | read_merged   | 254   | @
history       | read_all      | 4     | @
history       | read_history  | 254   | @
pin           | read_pins     | 0     | @.*the pin cannot be read
lease         | read_leases   | 0|4   | @
term          | read_terms    | 0     | @
restore point | read_points   | 4|5   | @
drill         | read_drills   | 0     | does not count: .*@
drill         | read_drill    | 3|4|5 | @
run           | read_runs     | 0     | does not count: .*@
'
# Whoever is not vouched for is told in the list, not by the exit code.
read_vouched() {
    local output status=0
    output=$(read_keys 2>&1) || status=$?
    echo "$output"
    [[ $status -eq 0 ]] && grep -q 'NOT MADE BY THIS REPOSITORY' <<<"$output" && return 4
    return "$status"
}

words_of() { # FILE: what a message may call it
    local name
    name=$(basename "$1")
    case $1 in
    */keys/*) name=${name%.json} && echo "$name|${name#*-}.*${name%-*}" ;;
    */snapshots/*) name=${name%.*} && echo "$name|${name##*-}" ;;
    */pins/*) echo "${name%-*}" ;;
    */terms/*) echo "${1#"$sealed"/}" ;;
    */drills/*) name=${name%.json} && echo "$name|${name##*-}" ;;
    *) echo "${name%.*}" ;;
    esac
}

# spoil KIND CHANGE: does it; sets $words, and what it $touched; 3 where there is nothing to be done
spoil() {
    local kind=$1 change=$2 from=${object[$1]} other
    words=$(words_of "$from")
    touched=("$from")
    case $change in
    swapped)
        other=${another[$kind]}
        [[ -n $other ]] || return 3
        touched+=("$other")
        words+="|$(words_of "$other")"
        tamper foreign "$from" "$good/${other#"$sealed"/}"
        tamper foreign "$other" "$good/${from#"$sealed"/}"
        ;;
    renamed)
        other=$sealed/${name_of[$kind]}
        [[ -n ${name_of[$kind]} ]] || return 3
        words+="|$(words_of "$other")"
        touched+=("$other")
        [[ -d $(dirname "$other") ]] || { as_server mkdir "$(dirname "$other")"; touched+=("$(dirname "$other")"); }
        mv "$from" "$other"
        ;;
    plain*)
        other=$(counterpart plain "${files[$kind]}")
        [[ -n $other ]] || return 3 # keys are never sealed
        tamper "$change" "$from" "$other"
        ;;
    foreign*)
        other=$(counterpart other "${files[$kind]}")
        tamper "$change" "$from" "$other"
        ;;
    'cut by a byte')
        [[ $kind != *key ]] || return 3 # a line end, which says nothing: see below
        tamper "$change" "$from"
        ;;
    *) tamper "$change" "$from" ;;
    esac
}

# mend: what was touched is as it was
mend() {
    local file
    for file in "${touched[@]}"; do
        if [[ -f $good/${file#"$sealed"/} ]]; then
            cp -p "$good/${file#"$sealed"/}" "$file"
        elif [[ ! -d $good/${file#"$sealed"/} ]]; then
            rm -rf "$file"
        fi
    done
}

# found FUNCTION CODES PATTERN: it says so
found() {
    local output status=0 pattern=${3//@/($words)}
    output=$($1 2>&1) || status=$?
    [[ " ${2//|/ } " == *" $status "* ]] && grep -Eq -- "$pattern" <<<"$output" && return 0
    echo "exit code $status of $1, expected $2 and: $pattern"
    echo "$output"
    return 1
}

# A restore takes from a pack the pieces that it needs, and there is no WAL under a name that was taken
# away: that is left to a verification.
needs_not() { # KIND CHANGE FUNCTION
    case $3 in
    read_snapshot) [[ $1 == pack && $2 =~ ^(first bit|bit of the seal id|a byte more)$ ]] ;;
    read_wal | read_merged | read_history) [[ $2 == renamed ]] ;;
    *) false ;;
    esac
}

# all_find KIND CHANGE: everybody who reads it
all_find() {
    local row kind function codes pattern readers=0
    while IFS= read -r row; do
        [[ -n $row ]] || continue
        kind=$(sed -E 's/ +\|.*//' <<<"$row")
        [[ $kind == "$1" ]] || continue
        read -r function codes pattern < <(sed -E 's/^[^|]*\| *//; s/ *\| +/ /; s/ +\| +/ /' <<<"$row")
        readers=$((readers + 1))
        ! needs_not "$1" "$2" "$function" || continue
        found "$function" "$codes" "$pattern" || return 1
    done <<<"$table"
    [[ $readers -gt 0 ]]
}

good=$scene/good
cp -a "$sealed" "$good"
for kind in "${kinds[@]}"; do
    for change in "${changes[@]}"; do
        status=0
        spoil "$kind" "$change" || status=$?
        case $status in
        0) ok "$kind, $change: found and named" all_find "$kind" "$change" ;;
        3) note "$kind, $change: cannot be" ;;
        *) tap_result 1 "$kind, $change: could be done" ;;
        esac
        mend
    done
done

# Meanwhile: a daemon that died, and whose term does not open. The next one must wait for 15 seconds.
cp -a "$good" "$scene/waiting"
sed "s|url: .*|url: $scene/waiting|" "$scene/sealed.yaml" >"$scene/waiting.yaml"
tamper 'middle bit' "$scene/waiting/terms/0000000000000001/0000000000000000.json"
lead waiting

ok 'everything is as it was' diff -r "$good" "$sealed"
ok 'and verifies' read_all

# --- what is not found --------------------------------------------------------------------------------

# bring_back PATH...: what the good copy has there
bring_back() {
    local path
    while IFS= read -r path; do
        as_server mkdir -p "$(dirname "$sealed/$path")"
        cp -p "$good/$path" "$sealed/$path"
    done < <(cd "$good" && find "$@" -type f)
}

tamper 'cut by a byte' "${object[own key]}"
ok 'the line end behind a key says nothing' read_keys
bring_back "${object[own key]#"$sealed"/}"

read_snapshot >/dev/null 2>&1
mv "$scene/restored" "$scene/expected"
tamper 'a byte more' "${object[pack]}"
ok 'a restore does not read what stands behind a pack' read_snapshot
ok 'and restores the same bytes' diff -r "$scene/expected" "$scene/restored"
bring_back "${object[pack]#"$sealed"/}"

# Old bytes under a name cannot be, since no name is ever used twice, not even by those who remove.
rotated=$(mainstay repo key list --json "${key[@]}" >"$TEST_DIR/keys.json" && json_value "$TEST_DIR/keys.json" generation)
passphrase=(--repo "$sealed" --repository-passphrase-file "$scene/passphrase")
ok 'a key opens' mainstay snapshot list "${passphrase[@]}"
ok 'it is removed' mainstay repo key remove --slot "${other_slot%.json}" "${key[@]}"
fails 'and does not open' 1 'not the passphrase' mainstay snapshot list "${passphrase[@]}"
bring_back keys
ok 'brought back, it opens again' mainstay snapshot list "${passphrase[@]}"

rm "$sealed"/keys/"$rotated"-*
mainstay repo key list --json "${key[@]}" >"$TEST_DIR/keys.json"
older=$(json_value "$TEST_DIR/keys.json" generation)
like "$older" '^[0-9a-f]{16}$' 'without the newest generation'
is "$([[ $older != "$rotated" ]] && echo 'another one')" 'another one' 'writers go on with the one before'
bring_back keys

is "$(snapshot_ids "$sealed" | tr '\n' ' ')" "${ids[*]} " 'three snapshots'
rm -f "$sealed"/leases/*
ok 'a pin is taken away' mainstay snapshot unpin "${ids[0]}" "${key[@]}"
ok 'and the other one' mainstay snapshot unpin "${ids[1]}" "${key[@]}"
ok 'two snapshots expire' mainstay snapshot expire --retention-keep-last 1 --grace 0s "${key[@]}"
is "$(snapshot_ids "$sealed" | tr '\n' ' ')" "${ids[2]} " 'they are not there'
fails 'and do not restore' 3 "${ids[0]}" read_snapshot
changed=$(cd "$sealed" && find . -type f | while read -r file; do
    [[ ! -f $good/$file ]] || cmp -s "$file" "$good/$file" || echo "$file"
done)
is "$changed" '' 'of what both copies have nothing was ever rewritten'
bring_back snapshots packs wal history
ok 'brought back, the oldest restores again' read_snapshot
ok 'to the same bytes' diff -r "$scene/expected" "$scene/restored"
bring_back pins
like "$(read_pins)" "${ids[0]}.*pinned: until it is over" 'a pin that is brought back holds again'

rm "$sealed"/snapshots/*"${ids[2]}"*
ok 'who deletes the newest snapshot is not found out' read_all
bring_back snapshots

cp "$scene/plain/mainstay.json" "$sealed/mainstay.json"
fails 'settings without the feature are refused by who has a key' 5 'is not sealed' mainstay snapshot list "${key[@]}"
fails 'and by who was promised' '1|5' 'sealed' mainstay snapshot list --repo "$sealed" --repository-encryption sealed
bring_back mainstay.json

ok 'a daemon that finds such a term waits until it is silent, and begins the next one' \
    wait_until 40 test -f "$scene/waiting/terms/0000000000000002/0000000000000000.json"
lead_no_more
done_testing
