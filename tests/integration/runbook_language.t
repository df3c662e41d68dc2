#!/bin/bash
# The language in three places that must not disagree: what the program loads, the JSON Schema that
# editors use, and the manual.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/tap.sh
. "$here/../lib/tap.sh"
top=$(cd "$here/../.." && pwd)
program=$(realpath "${MAINSTAY:-$top/${B:-build}/mainstay}")
sample=$top/tests/golden/cli/runbooks/sample.yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=python3
"$python" -c 'import jsonschema, yaml' 2>/dev/null || python=/usr/bin/python3
"$python" -c 'import jsonschema, yaml' 2>/dev/null || skip_all "python3-jsonschema and python3-yaml are not installed"

cat >"$work/judge.py" <<'PYTHON'
"""judge.py SCHEMA FILE...: "good" or "bad" for each, as an editor would judge (YAML 1.2's types)."""
import json
import re
import sys

import jsonschema
import yaml


class Editor(yaml.SafeLoader):
    yaml_implicit_resolvers = {}


for tag, pattern, first in (
        ("bool", r"^(true|false)$", "tf"), ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
        ("float", r"^[-+]?[0-9]+\.[0-9]*$", "-+0123456789"), ("null", r"^(~|null|)$", ["~", "n", ""])):
    Editor.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(pattern), list(first))
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
for path in sys.argv[2:]:
    try:
        tree = yaml.load(open(path), Editor)
    except yaml.YAMLError as error:
        print("bad", path, str(error).replace("\n", " "))
        continue
    errors = list(jsonschema.Draft7Validator(schema).iter_errors(tree))
    print("bad" if errors else "good", path, *[e.message[:120] for e in errors[:3]])
PYTHON

# What the tables refuse, one change of the sample each: "from|to" for a literal replacement.
shape_errors=(
    'mainstay/v1|mainstay/v2' 'kind: Runbook|kind: Playbook' 'name: sample|name: Sample' '"1.2.3"|"1.2"'
    'title: A sample|titel: A sample' 'owner: lead, |' '"2026-11-01"|yesterday'
    '{lead: Leads., comms: Writes.}|{}' '{lead: Leads., comms: Writes.}|[lead]' 'type: enum|type: choice'
    'required: true|required: maybe' '  since:|  Since:' 'max_tickets: 100|max_tickets: many'
    'max_tickets: 100|max_tickets: -1' 'max_notices: 50|max_notices: 50, batch: 0' 'max_tickets: 100, |'
    'default: 24h|defualt: 24h' 'of: tickets|of: ticket' 'name: named|name: Is Named'
    'exclude: {tags|exclude: {tag' 'uses: assess|uses: acess' 'uses: assess, |' 'selections: [hit]|from: hit'
    'count(hit) < 5|count(hit) << 5' 'then: stop|then: halt' 'say: Too few.|sya: Too few.'
    'channels: [email, sms]|channels: [pigeon]' 'channels: [email, sms]|channels: []'
    'channels: [email, sms]|channels: [sms, sms]' 'expires_after: 12h|expires_after: 12' 'expires_after: 12h, |'
    'from: "20:00"|from: "24:00"' 'state: resolved|state: solved' 'purpose: delay|purpose: promotion'
    'refund: true|refund: 1' '    de: {|    german: {' 'tests/sample.sql|../sample.sql'
    '"2026-11-01T10:00:00Z"|"2026-11-01T10:00:00"' 'hit/named: 1|hit/named: one' 'tags: allowed|tags: never'
    'after: 30m|after: soon' 'signal: over|signal: over, extra: 1' 'zero: hit|zeroes: hit'
    '{text: Over., zero: hit}|{zero: hit}' 'params: {carrier: ups}|params: {carrier: {a: b}}'
    'en: {subject: Over, |en: {'
)
# What only the loader sees: names, conditions, templates.
sense_errors=(
    'owner: lead|owner: leads' 'from: hit, add|from: hits, add' 'template: late|template: later'
    't.is_open AND|t.is_open) OR (' ':lookback|:looking' '{{ params.carrier }}"]}|{{ params.carier }}"]}'
    'default: 24h|default: 15d' '{name: rest}|{name: named}'
)

# changed NUMBER FROM|TO
changed() {
    CHANGE=$2 perl -0777 -pe '
        my ($from, $to) = split /\|/, $ENV{CHANGE}, -1;
        my $at = index $_, $from;
        die "no \"$from\"" if $at < 0;
        substr($_, $at, length $from) = $to;' "$sample" >"$work/$1.yaml"
}

ok "runbooks/schema.json is what the program prints" \
    diff "$top/runbooks/schema.json" <("$program" runbook schema)

verdicts=$("$python" "$work/judge.py" "$top/runbooks/schema.json" "$sample" "$top"/runbooks/*.yaml)
is "$(grep -v '^good' <<<"$verdicts" || true)" "" "the schema accepts the sample and every runbook of ours"
for file in "$sample" "$top"/runbooks/*.yaml; do
    ok "the program loads $(basename "$file")" "$program" runbook show "$file"
done
for file in "$top"/runbooks/*.yaml; do
    is "$(head -n 1 "$file")" "# yaml-language-server: \$schema=schema.json" \
        "$(basename "$file") names the schema for editors"
done

number=0
files=()
refused=
for change in "${shape_errors[@]}"; do
    number=$((number + 1))
    changed "$number" "$change"
    files+=("$work/$number.yaml")
    "$program" runbook show "$work/$number.yaml" >/dev/null 2>&1 && refused+="loaded: $change"$'\n'
done
is "$refused" "" "the loader refuses each of ${#shape_errors[@]} wrong shapes"
is "$("$python" "$work/judge.py" "$top/runbooks/schema.json" "${files[@]}" | grep '^good' || true)" "" \
    "and so does the schema"

refused=
files=()
for change in "${sense_errors[@]}"; do
    number=$((number + 1))
    changed "$number" "$change"
    files+=("$work/$number.yaml")
    "$program" runbook show "$work/$number.yaml" >/dev/null 2>&1 && refused+="loaded: $change"$'\n'
done
is "$refused" "" "the loader refuses each of ${#sense_errors[@]} senseless files"
is "$("$python" "$work/judge.py" "$top/runbooks/schema.json" "${files[@]}" | grep -c '^good')" \
    "${#sense_errors[@]}" "which only the loader can see: their shape is right"

awk '/^```yaml/ { inside = 1; next } /^```/ { inside = 0 } inside' "$top/runbooks/README.md" \
    >"$work/warehouse-fire.yaml"
ok "the manual's example has no errors" "$program" runbook lint "$work/warehouse-fire.yaml"

# A directory of one's own comes first; what is wrong in it is seen in the list.
mkdir "$work/own"
sed 's/name: sample/name: carrier-outage/; s/A sample/Our own/' "$sample" >"$work/own/carrier-outage.yaml"
cp "$work/1.yaml" "$work/own/wrong.yaml"
echo "no runbook" >"$work/own/notes.txt"
: >"$work/own/empty.yaml"
list=$("$program" runbook list --runbook-directory "$work/own")
like "$list" "carrier-outage +1\.2\.3 +Our own .*$work/own/carrier-outage.yaml" "a runbook of the directory is listed"
is "$(grep -c '^carrier-outage ' <<<"$list")" 1 "and hides the one that is built in"
like "$list" 'wrong +not usable: "apiVersion" cannot be' "one that cannot be used is in the list, with the reason"
like "$list" 'empty +not usable: a runbook has no' "an empty file, too"
like "$list" 'shipping-delay .*built in' "what the directory does not have is built in"
is "$("$program" runbook show carrier-outage --source --runbook-directory "$work/own")" \
    "$(cat "$work/own/carrier-outage.yaml")" "a name means the one of the directory"

# Every key, every kind of step, type, purpose and form of text has its place in the manual.
missing=$("$python" - "$top/runbooks/schema.json" "$top/runbooks/README.md" <<'PYTHON'
import json
import sys

words = set()


def walk(node):
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict):
            words.update(node["properties"])
        words.update(w for w in node.get("enum", ()) if isinstance(w, str))
        for child in node.values():
            walk(child)
    elif isinstance(node, list):
        for child in node:
            walk(child)


walk(json.load(open(sys.argv[1])))
manual = open(sys.argv[2]).read()
print(*sorted(w for w in words if f"`{w}`" not in manual))
PYTHON
)
is "$missing" "" "the manual has every word of the language"
done_testing
