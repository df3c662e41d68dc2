#!/bin/bash
# The alerts: parsed by promtool, unit-tested by it; the dashboard and the alerts ask only for metrics
# that a daemon has.
# shellcheck disable=SC2317 # functions are called by ok
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
TEST_DIR=$(mktemp -d)
daemon=
trap '[[ -z $daemon ]] || kill -KILL "$daemon" 2>/dev/null || true; rm -rf "$TEST_DIR"' EXIT
BUILD=${B:-build}
command -v promtool >/dev/null || skip_all 'promtool is not installed (tests/lib/deps k8s)'

# plain RULE FILE: the groups of a PrometheusRule as Prometheus itself reads them
plain() {
    python3 -c 'import sys, yaml; yaml.safe_dump(yaml.safe_load(open(sys.argv[1]))["spec"], sys.stdout)' "$1"
}
for component in daemon cronjob; do
    plain "k8s/components/monitoring-$component/prometheusrule.yaml" >"$TEST_DIR/$component.yaml"
    ok "promtool takes the alerts of $component" promtool check rules "$TEST_DIR/$component.yaml"
    cp "tests/k8s/alerts_$component.yaml" "tests/k8s/alerts_${component}_days.yaml" "$TEST_DIR"
    ok "they fire when they should, and not before" \
        promtool test rules "$TEST_DIR/alerts_$component.yaml" "$TEST_DIR/alerts_${component}_days.yaml"
done
sed 's/> 26 \* 3600/> 27 * 3600/' "$TEST_DIR/daemon.yaml" >"$TEST_DIR/daemon.new"
mv "$TEST_DIR/daemon.new" "$TEST_DIR/daemon.yaml"
fails 'another limit fails the test' 1 'MainstaySnapshotStale' promtool test rules "$TEST_DIR/alerts_daemon_days.yaml"
sed 's/mainstay_leader == 1/mainstay_leader = 1/' "$TEST_DIR/daemon.yaml" >"$TEST_DIR/broken.yaml"
fails 'an expression that cannot be parsed is found' 1 'parse error' promtool check rules "$TEST_DIR/broken.yaml"
untested() { # alerts that no test expects
    local name
    for name in $(grep -ho 'alert: .*' k8s/components/*/prometheusrule.yaml | cut -d' ' -f2); do
        grep -hA1 "alertname: $name\$" tests/k8s/alerts_*.yaml | grep -q 'exp_alerts: *$' || echo "$name"
    done
}
is "$(untested)" '' 'each alert is seen firing in a test'

# --- the metrics that there are --------------------------------------------------------------------

"$BUILD/mainstay" repo init --repository-url "$TEST_DIR/repository" >/dev/null 2>&1
printf 'repository: {url: %s}\ndaemon: {listen: "127.0.0.1:0", wal-stream: false}\n' "$TEST_DIR/repository" >"$TEST_DIR/mainstay.yaml"
: >"$TEST_DIR/log"
"$BUILD/mainstayd" --config "$TEST_DIR/mainstay.yaml" 2>>"$TEST_DIR/log" &
daemon=$!
for ((i = 0; i < 400; i++)); do
    url=$(grep -oE 'http://127.0.0.1:[0-9]+' "$TEST_DIR/log" | head -n 1) || true
    [[ -z $url ]] || break
    sleep 0.05
done
curl -sf -m 10 "$url/metrics" >"$TEST_DIR/metrics"
kill -TERM "$daemon"
wait "$daemon" || true
daemon=
ok 'the dashboard and the alerts ask for metrics that the daemon has' tests/k8s/metric_names "$TEST_DIR/metrics" \
    k8s/components/*/prometheusrule.yaml k8s/components/monitoring-daemon/mainstay-dashboard.json
sed 's/mainstay_verify_ok/mainstay_verify_fine/' k8s/components/monitoring-daemon/mainstay-dashboard.json >"$TEST_DIR/dashboard.json"
fails 'another name is found' 1 'not exported: mainstay_verify_fine' \
    tests/k8s/metric_names "$TEST_DIR/metrics" "$TEST_DIR/dashboard.json"

dashboard_shape() {
    python3 - <<'PY'
import json, re, subprocess
board = json.load(open("k8s/components/monitoring-daemon/mainstay-dashboard.json"))
assert board["title"] and board["uid"] and board["schemaVersion"] >= 36
variables = {variable["name"] for variable in board["templating"]["list"]}
ids, taken = set(), set()
for panel in board["panels"]:
    assert panel["id"] not in ids and panel["title"] and panel["targets"], panel["title"]
    ids.add(panel["id"])
    place = panel["gridPos"]
    assert place["x"] + place["w"] <= 24, panel["title"]
    cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
    assert not cells & taken, f"{panel['title']} lies on another"
    taken |= cells
    refs = [target["refId"] for target in panel["targets"]]
    assert len(refs) == len(set(refs)), panel["title"]
    for target in panel["targets"]:
        used = set(re.findall(r"\$\{?(\w+)", target["expr"] + panel["datasource"]["uid"]))
        assert used <= variables, f"{panel['title']}: {used - variables}"
PY
}
ok 'the dashboard has the shape that Grafana reads' dashboard_shape
dashboard_rules() {
    python3 - >"$TEST_DIR/panels.yaml" <<'PY'
import json
board = json.load(open("k8s/components/monitoring-daemon/mainstay-dashboard.json"))
rules = [{"record": f"panel:{panel['id']}:{target['refId']}", "expr": target["expr"].replace("$namespace", "mainstay")}
         for panel in board["panels"] for target in panel["targets"]]
print(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
PY
    promtool check rules "$TEST_DIR/panels.yaml"
}
ok 'its expressions can be parsed' dashboard_rules
done_testing
