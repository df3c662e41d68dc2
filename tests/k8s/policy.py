"""What every pod in k8s/ must be, beyond what the API server would accept: problems(items) names each
thing that is not so. test_policy.py proves that each rule can fail."""
import re

import yaml

UID = 65532
OUR_IMAGES = {"mainstay", "mainstay-drill"}
# The keys that README.md tells people to put into each Secret.
SECRETS = {
    "mainstay-postgres": {"password", "ca.crt"},
    "mainstay-store": {"access-key", "secret-key"},
    "mainstay-store-reaper": {"access-key", "secret-key"},
    "mainstay-key": {"key"},
    "mainstay-writer-key": {"key"},
    "mainstay-oncall-alice": {"password"},
    "mainstay-role": {"password"},
    "postgres": {"password"},
    "postgres-tls": {"tls.crt", "tls.key"},
}
# What removes from the store, with an identity of its own.
REAPERS = {"expire", "merge"}
RESTRICTED_VOLUMES = {"configMap", "secret", "emptyDir", "ephemeral", "projected", "persistentVolumeClaim"}
FILES = re.compile(r"/(?:run|var/run|etc|scratch)/[\w./-]+|/scratch\b")
PLAIN_SECRET = re.compile(r"password\s*[=:]\s*['\"]?[^\s'\":/$]|(?:access|secret)-key\s*:\s*\S|AKIA[0-9A-Z]{12}", re.I)
SECRET_NAME = re.compile(r"(PASSWORD|SECRET|TOKEN|ACCESS_KEY)")
SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}


def name_of(item):
    meta = item["metadata"]
    return f"{item['kind']} {meta.get('name', meta.get('generateName'))}"


def pod_template(item):
    spec = item.get("spec", {})
    if item["kind"] == "CronJob":
        return spec["jobTemplate"]["spec"]["template"]
    return spec.get("template") if item["kind"] in ("Job", "Deployment", "StatefulSet") else None


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def is_ours(container):
    return container["image"].split(":")[0] in OUR_IMAGES


# --- Pod Security Standards, "restricted" ---


def pod_security(pod):
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"{key} is not restricted"
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield "may run as root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    for volume in pod.get("volumes", []):
        if set(volume) - {"name"} - RESTRICTED_VOLUMES:
            yield f"volume {volume['name']} is not restricted"


def container_security(container):
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield "may gain privileges"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps capabilities"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "may write to its image"
    for port in container.get("ports", []):
        if "hostPort" in port:
            yield "opens a port of the node"


# --- what we ask beyond that ---


def container_care(container):
    image, _, tag = container["image"].partition(":")
    if not re.fullmatch(r"\d[\w.-]*", tag):
        yield f"image {image} has no version"
    resources = container.get("resources", {})
    for part, keys in (("requests", ("cpu", "memory", "ephemeral-storage")), ("limits", ("memory", "ephemeral-storage"))):
        for key in keys:
            if key not in resources.get(part, {}):
                yield f"has no {part} of {key}"


def identity_care(template):
    pod = template["spec"]
    if not any(is_ours(container) for container in containers(pod)):
        return
    reaps = template["metadata"]["labels"].get("app.kubernetes.io/component") in REAPERS
    if pod.get("serviceAccountName") != ("mainstay-reaper" if reaps else "mainstay"):
        yield "has another service account"
    secrets = {volume.get("secret", {}).get("secretName") for volume in pod.get("volumes", [])}
    if ("mainstay-store" if reaps else "mainstay-store-reaper") in secrets:
        yield "has the keys of another identity"


def pod_care(pod):
    context = pod.get("securityContext", {})
    if any(is_ours(container) for container in containers(pod)):
        if {context.get(key) for key in ("runAsUser", "runAsGroup", "fsGroup")} != {UID}:
            yield f"does not run as {UID}"
    if pod.get("automountServiceAccountToken") is not False:
        yield "gets a token of the Kubernetes API"
    if not pod.get("terminationGracePeriodSeconds"):
        yield "has no terminationGracePeriodSeconds"


def cronjob_care(spec):
    if spec.get("concurrencyPolicy") != "Forbid":
        yield "may run twice at once"
    for key in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit", "timeZone"):
        if key not in spec:
            yield f"has no {key}"
    # Otherwise one that hangs forbids all that follow.
    if "activeDeadlineSeconds" not in spec["jobTemplate"]["spec"]:
        yield "has no activeDeadlineSeconds"


def probe_care(container):
    for probe in ("livenessProbe", "readinessProbe"):
        handler = container.get(probe)
        if handler is None:
            yield f"has no {probe}"
        elif "httpGet" in handler and handler["httpGet"]["port"] not in [p["name"] for p in container.get("ports", [])]:
            yield f"{probe} asks a port that there is not"


# --- what is mounted, and what is named ---


def volume_files(volume, maps):
    """The files that a volume will have; None: whatever the pod writes."""
    if "configMap" in volume:
        source = volume["configMap"]
        data = maps.get(source["name"])
        if data is None and source.get("optional"):
            return set()
        if data is None:
            raise KeyError(f"no ConfigMap {source['name']}")
        wanted = {entry["path"]: entry["key"] for entry in source.get("items", [])} or {key: key for key in data}
        missing = set(wanted.values()) - set(data)
        if missing:
            raise KeyError(f"ConfigMap {source['name']} has no {', '.join(sorted(missing))}")
        return set(wanted)
    if "secret" in volume:
        if volume["secret"].get("defaultMode") != 0o440:
            raise KeyError(f"Secret {volume['secret']['secretName']} has not mode 0440")
        return SECRETS[volume["secret"]["secretName"]]
    if "projected" in volume:
        return {source["serviceAccountToken"]["path"] for source in volume["projected"]["sources"]}
    if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
        raise KeyError(f"volume {volume['name']} has no size limit")
    return None


def mounted_texts(container, volumes, maps):
    """What a container reads: arguments, environment, and the configuration that it mounts."""
    yield from container.get("args", [])
    yield from (entry.get("value", "") for entry in container.get("env", []))
    for mount in container.get("volumeMounts", []):
        source = volumes.get(mount["name"], {}).get("configMap", {})
        if source.get("name") == "mainstay":
            yield from maps.get("mainstay", {}).values()


def without_comments(text):
    return re.sub(r"(?m)^\s*#.*$", "", text)


def mount_care(pod, container, maps, claims):
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    volumes.update({claim: {"name": claim} for claim in claims})
    files = {}
    for mount in container.get("volumeMounts", []):
        if mount["name"] not in volumes:
            yield f"mounts {mount['name']}, which is no volume"
            continue
        volume = volumes[mount["name"]]
        if set(volume) & {"configMap", "secret", "projected"} and not mount.get("readOnly"):
            yield f"mounts {mount['name']} writable"
        try:
            files[mount["mountPath"]] = volume_files(volume, maps)
        except KeyError as error:
            yield str(error.args[0])
    if not is_ours(container):
        return
    for text in mounted_texts(container, volumes, maps):
        for path in FILES.findall(without_comments(text)):
            where = [mount for mount in files if path == mount or path.startswith(mount + "/")]
            if not where:
                yield f"names {path}, which is not mounted"
            elif files[where[0]] is not None and path != where[0] and path[len(where[0]) + 1:] not in files[where[0]]:
                yield f"names {path}, which is not in its volume"


def unused_volumes(pod):
    used = {mount["name"] for container in containers(pod) for mount in container.get("volumeMounts", [])}
    for volume in pod.get("volumes", []):
        if volume["name"] not in used:
            yield f"volume {volume['name']} is not mounted"


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|m|min|h)", str(text)).groups()
    return int(number) * SECONDS[unit]


def drain_care(pod, maps):
    config = yaml.safe_load(maps.get("mainstay", {}).get("mainstay.yaml", "{}"))
    drain = seconds(config.get("daemon", {}).get("drain-timeout", "25s"))
    if pod.get("terminationGracePeriodSeconds", 0) < drain + 10:
        yield f"is killed before its jobs may end ({drain} s)"


# --- the whole ---


def secret_care(item):
    if item["kind"] == "Secret":
        yield "is a Secret in the open"
    for key, text in item.get("data", {}).items():
        if PLAIN_SECRET.search(re.sub(r":'password'|\\set password .*", "", without_comments(text))):
            yield f"{key} has a secret in it"
    template = pod_template(item)
    for container in containers(template["spec"]) if template else []:
        for entry in container.get("env", []):
            named = SECRET_NAME.search(entry["name"]) and not entry["name"].endswith("_FILE")
            if named or PLAIN_SECRET.search(entry.get("value", "")):
                yield f"{entry['name']} is a secret in the environment"
        for text in container.get("args", []):
            if PLAIN_SECRET.search(text):
                yield "has a secret among its arguments"


def selects(selector, labels):
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def open_ports(policies, labels):
    return {port["port"] for policy in policies if selects(policy["spec"]["podSelector"], labels)
            for rule in policy["spec"].get("egress", []) for port in rule.get("ports", [])}


def network_care(items):
    policies = [item for item in items if item["kind"] == "NetworkPolicy"]
    if not any(policy["spec"]["podSelector"] == {} and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
               and not policy["spec"].get("egress") and not policy["spec"].get("ingress") for policy in policies):
        yield "NetworkPolicy: nothing is denied by default"
    for policy in policies:
        for rule in policy["spec"].get("egress", []) + policy["spec"].get("ingress", []):
            if not rule.get("ports") or not (rule.get("to") or rule.get("from")):
                yield f"{name_of(policy)}: a rule without peers or ports"
    for item in items:
        template = pod_template(item)
        if template is None or not any(is_ours(container) for container in template["spec"]["containers"]):
            continue
        missing = {53, 443, 5432} - open_ports(policies, template["metadata"]["labels"])
        if missing:
            yield f"{name_of(item)}: may not reach port {sorted(missing)}"


def references(items):
    names = {(item["kind"], item["metadata"].get("name")) for item in items}
    for account in ("mainstay", "mainstay-reaper"):
        if ("ServiceAccount", account) not in names:
            yield f"no ServiceAccount {account}"
    for item in items:
        if item["kind"] == "Namespace" and item["metadata"]["name"] == "mainstay":
            if item["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
                yield "Namespace mainstay: pods need not be restricted"
        selector = item.get("spec", {}).get("selector", {})
        if item["kind"] == "Service":
            selector = {"matchLabels": selector}
        if item["kind"] in ("Service", "PodDisruptionBudget", "PodMonitor"):
            templates = [pod_template(other) for other in items]
            if item["metadata"].get("namespace") != "database" and not any(
                    template and selects(selector, template["metadata"]["labels"]) for template in templates):
                yield f"{name_of(item)}: selects no pod"
        if item["kind"] == "PodDisruptionBudget" and item["spec"].get("maxUnavailable") != 1:
            yield f"{name_of(item)}: a node cannot be drained, or both daemons may go"


def workload(item, maps):
    template = pod_template(item)
    if template is None:
        return
    pod = template["spec"]
    claims = [claim["metadata"]["name"] for claim in item["spec"].get("volumeClaimTemplates", [])]
    yield from pod_security(pod)
    yield from pod_care(pod)
    yield from identity_care(template)
    yield from unused_volumes(pod)
    if item["kind"] == "CronJob":
        yield from cronjob_care(item["spec"])
    for container in containers(pod):
        for check in (container_security(container), container_care(container), mount_care(pod, container, maps, claims)):
            yield from (f"{container['name']}: {problem}" for problem in check)
        if item["kind"] in ("Deployment", "StatefulSet"):
            yield from (f"{container['name']}: {problem}" for problem in probe_care(container))
        if container["image"].startswith("mainstay:") and item["kind"] == "Deployment":
            yield from drain_care(pod, maps)


def problems(items, context=()):
    """All that is wrong with items; those of context are only looked up."""
    everything = [*items, *context]
    maps = {item["metadata"]["name"]: item["data"] for item in everything if item["kind"] == "ConfigMap"}
    found = []
    for item in items:
        found += [f"{name_of(item)}: {problem}" for problem in workload(item, maps)]
        found += [f"{name_of(item)}: {problem}" for problem in secret_care(item)]
    if context:
        return found
    return found + list(network_care(items)) + list(references(items))
