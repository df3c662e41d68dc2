#!/bin/bash
# runbook lint --live: what the helpdesk's views do not have is said before the night.
# shellcheck source=tests/lib/helpdesk_scene.sh
. "$(dirname "$0")/../lib/helpdesk_scene.sh"

helpdesk_scene desk || exit 1
sample=$(dirname "$0")/../golden/cli/runbooks/sample.yaml

lint() { helpdesk_as desk carol runbook lint --live "$@"; }

# changed NAME SED: the sample with a change
changed() {
    sed "$2" "$sample" >"$scene/$1.yaml"
    echo "$scene/$1.yaml"
}

ok "every selection of every runbook that the program carries can be prepared" lint
fails "a column that the view does not have is named, with its line" 1 \
    'column.yaml:11: error: selection "hit".*t.is_opened' \
    lint "$(changed column 's/t\.is_open AND/t.is_opened AND/')"
fails "so is a function that there is not" 1 'func.yaml:11: error: .*no_such_function' \
    lint "$(changed func 's/t\.is_open AND/no_such_function(t.id) AND/')"
fails "a parameter of the wrong type is an error" 1 'type.yaml:11: error: ' \
    lint "$(changed type 's/t\.is_open AND/t.id = :since AND/')"
fails "a column that customers do not have is named, too" 1 'view.yaml:18: error: .*c.is_open' \
    lint "$(changed view 's/buyers: {of: customers}/buyers: {of: customers, where: c.is_open}/')"
like "$(lint "$(changed needs 's/{name: rest}/{name: rest, needs: [teleport]}/')")" \
    'needs.yaml:17: warning: segment "rest" of "hit" is left out here.*"teleport"' \
    "a segment that needs what the adapter does not have is told"
like "$(lint "$(changed all 's/buyers: {of: customers}/buyers: {of: customers, needs: [teleport]}/')")" \
    'all.yaml:18: warning: selection "buyers" cannot be planned here' "and a selection"
like "$(lint "$(changed run 's/^kind: Runbook/kind: Runbook\nneeds: [teleport]/')")" \
    'run.yaml: warning: it cannot run here' "and a runbook"
like "$(lint "$(changed untested '/^tests:/,$d; s/values: \[ups, dhl\]/values: [ups, dhl]/')" --json)" \
    '"errors": 0' "without tests, any values of the types will do"
is "$(helpdesk_sql desk "SELECT count(*) FROM mainstay.runs")" 0 "nothing was run"

ok "the tables of another helpdesk are no runbook database" \
    helpdesk_sql desk "DROP SCHEMA mainstay CASCADE"
fails "without an adapter there is nothing to ask" 3 "adapter" lint "$sample"
done_testing
