// Validates manifests (YAML made JSON: an array on stdin) against the Kubernetes OpenAPI schema and
// those of the operators, as the npm packages kubernetes-models and @kubernetes-models/* carry them:
// compiled validators. They let unknown fields pass; those are found by what a validator never reads.
//
//   tests/k8s/schema.mjs NODE_MODULES <manifests.json
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const base = process.argv[2];
const KINDS = {
  "v1": ["kubernetes-models/_schemas/IoK8sApiCoreV1", ".js"],
  "apps/v1": ["kubernetes-models/_schemas/IoK8sApiAppsV1", ".js"],
  "batch/v1": ["kubernetes-models/_schemas/IoK8sApiBatchV1", ".js"],
  "policy/v1": ["kubernetes-models/_schemas/IoK8sApiPolicyV1", ".js"],
  "networking.k8s.io/v1": ["kubernetes-models/_schemas/IoK8sApiNetworkingV1", ".js"],
  "monitoring.coreos.com/v1": ["@kubernetes-models/prometheus-operator/_schemas/" +
    "ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1", ".js"],
  "postgresql.cnpg.io/v1": ["@kubernetes-models/cloudnative-pg/_schemas/PostgresqlCnpgIoV1", ".mjs"],
};

// The value, and of each object in it the keys that were asked for.
function watched(value, path, seen) {
  if (value === null || typeof value !== "object") return value;
  const asked = new Set();
  seen.push({ value, path, asked });
  const children = new Map();
  return new Proxy(value, {
    get(target, key) {
      const own = typeof key === "string" && Object.prototype.hasOwnProperty.call(target, key);
      if (!own) return target[key];
      asked.add(key);
      if (!children.has(key)) children.set(key, watched(target[key], `${path}/${key}`, seen));
      return children.get(key);
    },
  });
}

function unknown(seen) {
  const errors = [];
  for (const { value, path, asked } of seen) {
    if (Array.isArray(value)) continue;
    for (const key of Object.keys(value))
      if (!asked.has(key)) errors.push(`${path}/${key}: unknown field`);
  }
  return errors;
}

async function problems(item) {
  const known = KINDS[item.apiVersion];
  if (!known) return [`no schema for ${item.apiVersion} ${item.kind}`];
  const { validate } = await import(pathToFileURL(join(base, known[0] + item.kind + known[1])));
  const seen = [];
  const good = validate(watched(item, "", seen));
  const errors = (good ? [] : validate.errors).map((e) => `${e.instancePath || "/"}: ${e.message ?? e.keyword} ${JSON.stringify(e.params)}`);
  return [...errors, ...unknown(seen)];
}

let failed = 0;
const items = JSON.parse(readFileSync(0, "utf8"));
for (const item of items) {
  const name = `${item.kind} ${item.metadata?.name ?? item.metadata?.generateName}`;
  for (const problem of await problems(item).catch((e) => [`no schema: ${e.message}`])) {
    console.log(`${name}: ${problem}`);
    failed = 1;
  }
}
console.error(`${items.length} manifests read`);
process.exit(failed);
