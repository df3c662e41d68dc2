/* The manifests in k8s/ as our own YAML reader sees them, and the configuration inside as ours. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "config/config.h"
#include "document/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct yaml_node *load(const char *path)
{
    struct buf content;
    struct yaml_node *root = NULL;
    struct error err;
    buf_init(&content, YAML_MAX_BYTES);
    if (!file_read_all(path, &content, &err) ||
        !yaml_parse((const char *)content.data, content.len, path, &root, &err))
        fail_msg("%s", err.text);
    buf_release(&content);
    return root;
}

/* "spec.template.0.name" */
static const char *text_at(const struct yaml_node *node, const char *path)
{
    char copy[256];
    char *rest = copy;
    (void)snprintf(copy, sizeof copy, "%s", path);
    for (char *key = strsep(&rest, "."); key != NULL; key = strsep(&rest, ".")) {
        if (node->kind == YAML_SEQUENCE) {
            size_t at = strtoul(key, NULL, 10);
            assert_true(at < node->count);
            node = node->items[at];
            continue;
        }
        const struct yaml_pair *pair = yaml_find(node, key);
        if (pair == NULL)
            fail_msg("no \"%s\" in %s", key, path);
        node = pair->value;
    }
    assert_int_equal(node->kind, YAML_SCALAR);
    return node->text;
}

static void expect(const struct yaml_node *root, const char *prefix, const char *path,
                   const char *expected)
{
    char full[256];
    (void)snprintf(full, sizeof full, "%s%s", prefix, path);
    assert_string_equal(text_at(root, full), expected);
}

/* What keeps a pod from more than it needs. */
static void expect_restricted(const struct yaml_node *root, const char *pod)
{
    expect(root, pod, "automountServiceAccountToken", "false");
    expect(root, pod, "securityContext.runAsNonRoot", "true");
    expect(root, pod, "securityContext.seccompProfile.type", "RuntimeDefault");
    expect(root, pod, "containers.0.securityContext.allowPrivilegeEscalation", "false");
    expect(root, pod, "containers.0.securityContext.readOnlyRootFilesystem", "true");
    expect(root, pod, "containers.0.securityContext.capabilities.drop.0", "ALL");
    expect(root, pod, "volumes.1.secret.secretName", "mainstay");
}

static void test_the_cronjob_runs_one_snapshot_with_no_more_rights_than_it_needs(void **state)
{
    struct yaml_node *root = load("k8s/cronjob.yaml");
    (void)state;
    expect(root, "", "kind", "CronJob");
    expect(root, "", "spec.concurrencyPolicy", "Forbid");
    expect(root, "spec.jobTemplate.spec.template.spec.", "containers.0.args.1", "create");
    expect_restricted(root, "spec.jobTemplate.spec.template.spec.");
    yaml_free(root);
}

static void test_the_deployment_probes_what_the_daemon_serves(void **state)
{
    struct yaml_node *root = load("k8s/deployment.yaml");
    (void)state;
    expect(root, "", "kind", "Deployment");
    expect(root, "spec.template.spec.", "containers.0.livenessProbe.httpGet.path", "/healthz");
    expect(root, "spec.template.spec.", "containers.0.readinessProbe.httpGet.path", "/readyz");
    expect_restricted(root, "spec.template.spec.");
    yaml_free(root);
}

static char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

static void test_the_configuration_in_the_configmap_is_good(void **state)
{
    struct config config;
    struct error err;
    char path[] = "/tmp/mainstay-manifest.XXXXXX";
    struct yaml_node *root = load("k8s/configmap.yaml");
    const struct yaml_pair *data = yaml_find(root, "data");
    const char *text = yaml_find(data->value, "mainstay.yaml")->value->text;
    (void)state;
    CLEANUP(close_fd) int fd = mkstemp(path);
    assert_true(file_write_at(fd, path, text, strlen(text), 0, &err));
    const struct config_sources sources = {.file = path, .getenv = no_environment};
    assert_true(config_load(&sources, &config, &err));
    if (!config_check(&config, &err))
        fail_msg("%s", err.text);
    assert_non_null(config_text(&config, OPTION_DAEMON_SNAPSHOT_SCHEDULE));
    config_release(&config);
    (void)unlink(path);
    yaml_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_cronjob_runs_one_snapshot_with_no_more_rights_than_it_needs),
        cmocka_unit_test(test_the_deployment_probes_what_the_daemon_serves),
        cmocka_unit_test(test_the_configuration_in_the_configmap_is_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
