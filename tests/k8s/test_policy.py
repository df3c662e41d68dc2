"""policy.py over everything in k8s/, and each of its rules over a manifest that breaks it."""
import copy
import glob
import importlib.machinery
import importlib.util
import os
import sys
import unittest

import yaml

sys.dont_write_bytecode = True
import policy  # noqa: E402

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
loader = importlib.machinery.SourceFileLoader("render", os.path.join(ROOT, "tests/k8s/render"))
render = importlib.util.module_from_spec(importlib.util.spec_from_loader("render", loader))
loader.exec_module(render)


def rendered(path):
    return render.render(os.path.join(ROOT, path))


def find(items, kind, name):
    return next(item for item in items if item["kind"] == kind and item["metadata"]["name"] == name)


def pod(items, kind="Deployment", name="mainstayd"):
    return policy.pod_template(find(items, kind, name))["spec"]


def container(items, kind="Deployment", name="mainstayd"):
    return pod(items, kind, name)["containers"][0]


def cron(items):
    return find(items, "CronJob", "mainstay-drill")["spec"]


def config(items):
    return find(items, "ConfigMap", "mainstay")["data"]


def policy_spec(items, name):
    return find(items, "NetworkPolicy", name)["spec"]


# What is done to the overlay "daemon", and what must be said about it.
BREAKS = [
    (lambda i: pod(i).update(hostNetwork=True), "hostNetwork is not restricted"),
    (lambda i: pod(i)["securityContext"].pop("runAsNonRoot"), "may run as root"),
    (lambda i: pod(i)["securityContext"].update(seccompProfile={"type": "Unconfined"}), "no seccomp profile"),
    (lambda i: pod(i)["volumes"].append({"name": "host", "hostPath": {"path": "/"}}), "volume host is not restricted"),
    (lambda i: pod(i)["securityContext"].update(runAsUser=1000), "does not run as 65532"),
    (lambda i: pod(i).pop("serviceAccountName"), "another service account"),
    (lambda i: pod(i, "CronJob", "mainstay-expire").update(serviceAccountName="mainstay"), "another service account"),
    (lambda i: pod(i, "CronJob", "mainstay-merge")["volumes"][-1]["secret"].update(secretName="mainstay-store"),
     "has the keys of another identity"),
    (lambda i: pod(i)["volumes"][-1]["secret"].update(secretName="mainstay-store-reaper"), "has the keys of another identity"),
    (lambda i: pod(i).pop("automountServiceAccountToken"), "a token of the Kubernetes API"),
    (lambda i: pod(i, "CronJob", "mainstay-drill").pop("terminationGracePeriodSeconds"), "no terminationGracePeriodSeconds"),
    (lambda i: pod(i).update(terminationGracePeriodSeconds=30), "killed before its jobs may end"),
    (lambda i: config(i).update({"mainstay.yaml": config(i)["mainstay.yaml"].replace("drain-timeout: 25s", "drain-timeout: 1h")}),
     "killed before its jobs may end (3600 s)"),
    (lambda i: container(i)["securityContext"].pop("allowPrivilegeEscalation"), "may gain privileges"),
    (lambda i: container(i)["securityContext"]["capabilities"].update(add=["NET_ADMIN"]), "keeps capabilities"),
    (lambda i: container(i)["securityContext"].update(readOnlyRootFilesystem=False), "may write to its image"),
    (lambda i: container(i)["ports"][0].update(hostPort=9871), "opens a port of the node"),
    (lambda i: container(i).update(image="mainstay:latest"), "image mainstay has no version"),
    (lambda i: container(i).update(image="mainstay"), "image mainstay has no version"),
    (lambda i: container(i)["resources"]["limits"].pop("memory"), "no limits of memory"),
    (lambda i: container(i)["resources"]["requests"].pop("cpu"), "no requests of cpu"),
    (lambda i: container(i).pop("readinessProbe"), "no readinessProbe"),
    (lambda i: container(i)["livenessProbe"]["httpGet"].update(port="web"), "asks a port that there is not"),
    (lambda i: cron(i).update(concurrencyPolicy="Allow"), "may run twice at once"),
    (lambda i: cron(i).pop("startingDeadlineSeconds"), "no startingDeadlineSeconds"),
    (lambda i: cron(i).pop("failedJobsHistoryLimit"), "no failedJobsHistoryLimit"),
    (lambda i: cron(i)["jobTemplate"]["spec"].pop("activeDeadlineSeconds"), "no activeDeadlineSeconds"),
    (lambda i: pod(i)["volumes"].pop(), "which is no volume"),
    (lambda i: container(i)["volumeMounts"].pop(), "is not mounted"),
    (lambda i: container(i)["volumeMounts"][0].pop("readOnly"), "mounts config writable"),
    (lambda i: pod(i)["volumes"][0]["configMap"].update(name="other"), "no ConfigMap other"),
    (lambda i: pod(i)["volumes"][0]["configMap"].update(items=[{"key": "a", "path": "a"}]), "ConfigMap mainstay has no a"),
    (lambda i: pod(i)["volumes"][1]["secret"].update(defaultMode=0o644), "has not mode 0440"),
    (lambda i: pod(i)["volumes"].append({"name": "s", "emptyDir": {}}) or
     container(i)["volumeMounts"].append({"name": "s", "mountPath": "/s"}), "volume s has no size limit"),
    (lambda i: config(i).update({"mainstay.yaml": config(i)["mainstay.yaml"].replace("mainstay-postgres/ca.crt", "mainstay-postgres/root.crt")}),
     "names /run/secrets/mainstay-postgres/root.crt, which is not in its volume"),
    (lambda i: container(i)["env"].append({"name": "X_FILE", "value": "/run/secrets/alert/url"}),
     "names /run/secrets/alert/url, which is not mounted"),
    (lambda i: i.append({"kind": "Secret", "metadata": {"name": "s"}, "data": {}}), "is a Secret in the open"),
    (lambda i: config(i).update({"mainstay.yaml": "postgres:\n  connection: host=db password=hunter2\n"}), "has a secret in it"),
    (lambda i: container(i)["env"].append({"name": "PGPASSWORD", "value": "hunter2"}), "PGPASSWORD is a secret in the environment"),
    (lambda i: container(i).update(args=["--connection", "host=db password=hunter2"]), "a secret among its arguments"),
    (lambda i: i.remove(find(i, "NetworkPolicy", "default-deny")), "nothing is denied by default"),
    (lambda i: policy_spec(i, "default-deny").update(egress=[{}]), "a rule without peers or ports"),
    (lambda i: i.remove(find(i, "NetworkPolicy", "mainstay-database")), "may not reach port [5432]"),
    (lambda i: i.remove(find(i, "ServiceAccount", "mainstay")), "no ServiceAccount mainstay"),
    (lambda i: i.remove(find(i, "ServiceAccount", "mainstay-reaper")), "no ServiceAccount mainstay-reaper"),
    (lambda i: find(i, "Namespace", "mainstay")["metadata"].pop("labels"), "pods need not be restricted"),
    (lambda i: find(i, "PodDisruptionBudget", "mainstayd")["spec"].update(selector={"matchLabels": {"a": "b"}}), "selects no pod"),
    (lambda i: find(i, "PodDisruptionBudget", "mainstayd")["spec"].update(maxUnavailable=0), "a node cannot be drained"),
]


class Policy(unittest.TestCase):
    maxDiff = None

    def test_everything_in_k8s_is_as_it_should_be(self):
        paths = sorted(glob.glob(os.path.join(ROOT, "k8s/overlays/*")) + glob.glob(os.path.join(ROOT, "k8s/examples/*")))
        self.assertEqual(len(paths), 9)
        for path in paths:
            with self.subTest(path=path):
                self.assertEqual(policy.problems(rendered(path)), [])

    def test_the_jobs_for_people_on_call_fit_what_the_overlays_have(self):
        for path in sorted(glob.glob(os.path.join(ROOT, "k8s/oncall/*.yaml"))):
            with self.subTest(path=path), open(path, encoding="utf-8") as file:
                items = list(yaml.safe_load_all(file))
                for overlay in ("daemon", "cronjob"):
                    context = rendered(f"k8s/overlays/{overlay}")
                    self.assertEqual(policy.problems(items, context), [])

    def test_each_rule_can_fail(self):
        good = rendered("k8s/overlays/daemon")
        for change, expected in BREAKS:
            with self.subTest(expected=expected):
                items = copy.deepcopy(good)
                change(items)
                self.assertIn(expected, "\n".join(policy.problems(items)))


class Render(unittest.TestCase):
    """What the renderer refuses: half-understood files would be tested, and others applied."""

    def refused(self, text, expected):
        import tempfile
        with tempfile.TemporaryDirectory() as root:
            with open(os.path.join(root, "kustomization.yaml"), "w", encoding="utf-8") as file:
                file.write("kind: Kustomization\n" + text)
            with open(os.path.join(root, "a.yaml"), "w", encoding="utf-8") as file:
                file.write("kind: ConfigMap\nmetadata: {name: a}\ndata: {}\n")
            with self.assertRaisesRegex(render.RenderError, expected):
                render.render(root)

    def test_refusals(self):
        self.refused("commonLabels: {a: b}\n", "not known here: commonLabels")
        self.refused("resources: [a.yaml, a.yaml]\n", "twice")
        self.refused("resources: [/etc/hostname]\n", "outside")
        self.refused("configMapGenerator: [{name: b, files: [a.yaml]}]\n", "names with a hash")
        self.refused("resources: [a.yaml]\npatches: [{target: {kind: ConfigMap}, patch: 'data: {}'}]\n", "lists of operations")
        self.refused("resources: [a.yaml]\npatches: [{target: {kind: ConfigMap}, patch: '[{op: replace, path: /data/x, value: y}]'}]\n",
                     "cannot replace /data/x")


if __name__ == "__main__":
    unittest.main()
