#!/bin/bash
# Every manifest against the OpenAPI schema of Kubernetes and those of the operators, strictly: an
# unknown field is an error.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
TEST_DIR=$(mktemp -d)
trap 'rm -rf "$TEST_DIR"' EXIT
command -v npm >/dev/null || skip_all 'npm is not installed (tests/lib/deps k8s)'
modules=$(tests/k8s/fetch-schemas) || skip_all 'the schemas are not available'

# to_json FILE: an array of its documents; Zalando's, whose CRD no package has, are checked here
to_json() {
    python3 - "$1" "${2:-}" <<'PY'
import json, sys, yaml, jsonschema
items = [item for item in yaml.safe_load_all(open(sys.argv[1])) if item]
exec(sys.argv[2])
schema = json.load(open("tests/k8s/zalando_schema.json"))
for item in items:
    if item["kind"] == "postgresql":
        jsonschema.validate(item, schema)
json.dump([item for item in items if item["kind"] != "postgresql"], sys.stdout)
PY
}
# valid FILE [CHANGE]: CHANGE is Python that breaks "items"
valid() {
    to_json "$@" >"$TEST_DIR/items.json" && node tests/k8s/schema.mjs "$modules" <"$TEST_DIR/items.json"
}

for directory in k8s/overlays/* k8s/examples/*; do
    tests/k8s/render "$directory" >"$TEST_DIR/${directory##*/}.yaml"
    ok "$directory is valid" valid "$TEST_DIR/${directory##*/}.yaml"
done
for file in k8s/oncall/*.yaml; do
    ok "$file is valid" valid "$file"
done

# breaks DESCRIPTION FILE CHANGE MESSAGE
breaks() {
    fails "$1" 1 "$4" valid "$TEST_DIR/$2.yaml" "first = lambda kind: next(i for i in items if i['kind'] == kind)
$3"
}
breaks 'an unknown field of a container is found' daemon \
    "first('Deployment')['spec']['template']['spec']['containers'][0]['securityContex'] = {}" \
    'containers/0/securityContex: unknown field'
breaks 'a missing field is found' daemon "del first('Deployment')['spec']['selector']" \
    'missingProperty.*selector'
breaks 'a wrong type is found' cronjob "first('CronJob')['spec']['startingDeadlineSeconds'] = '1h'" \
    'spec/startingDeadlineSeconds: type'
breaks 'an unknown kind is found' cronjob "first('CronJob')['kind'] = 'CronJobs'" 'no schema'
breaks 'an unknown field of a rule is found' daemon \
    "first('PrometheusRule')['spec']['groups'][0]['rules'][0]['expression'] = '1'" 'rules/0/expression: unknown field'
breaks 'an unknown field of a PodMonitor is found' daemon \
    "first('PodMonitor')['spec']['podMetricsEndpoints'][0]['ports'] = 'x'" 'podMetricsEndpoints/0/ports: unknown field'
breaks 'an unknown field of a cluster of CloudNativePG is found' cloudnative-pg \
    "first('Cluster')['spec']['postgresql']['hba'] = []" 'spec/postgresql/hba: unknown field'
breaks 'a wrong type there is found' cloudnative-pg "first('Cluster')['spec']['instances'] = 'three'" \
    'spec/instances: type'
breaks 'an unknown field of Zalando'\''s cluster is found' zalando \
    "first('postgresql')['spec']['patroni']['hba'] = []" "'hba' was unexpected"
done_testing
