/*
 * Runbooks: the loader, its checks, the content rules; and the same bytes as a condition and as a
 * template. What loads must lint, and must load again from its own source.
 */
#include "base/cleanup.h"
#include "document/template.h"
#include "runbook/condition.h"
#include "runbook/params.h"
#include "runbook/runbook_lint.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7 loses a buffer of its own on some malformed texts. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml";
}

static bool any_param(void *context, const char *name, struct buf *out, struct error *err)
{
    (void)context;
    (void)err;
    buf_printf(out, "$1 /* %s */", name);
    return true;
}

static const char *any_value(void *context, const char *name)
{
    (void)name;
    return context;
}

static void feed_condition(const char *text)
{
    struct error err;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 8 * 1024 * 1024);
    bool good = condition_check(text, &err);
    if (condition_compile(text, any_param, NULL, &out, &err) != good)
        abort();
}

static void feed_template(char *text)
{
    struct error err;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 1024 * 1024);
    if (template_render(text, TEMPLATE_HTML, any_value, text, &out, &err) &&
        template_render("{{ a }}", TEMPLATE_HTML, any_value, text, &out, &err) && out.failed)
        abort();
    buf_clear(&out);
    if (template_render(text, TEMPLATE_HEADER, any_value, text, &out, &err) && out.len > 0 &&
        memchr(out.data, '\n', out.len) != NULL)
        abort();
}

static void feed_runbook(const char *text, size_t len)
{
    struct error err;
    struct runbook *runbook;
    CLEANUP(runbook_cleanup) struct runbook *loaded = NULL;
    CLEANUP(runbook_cleanup) struct runbook *again = NULL;
    CLEANUP(free_pointer) struct runbook_problems *problems = calloc(1, sizeof *problems);
    CLEANUP(param_values_cleanup) struct param_values *values = NULL;
    if (problems == NULL || !runbook_load_all(text, len, "input", problems, &runbook, &err) ||
        runbook == NULL)
        return;
    loaded = runbook;
    if (!runbook_lint(loaded, 0, problems, &err) ||
        !runbook_load(loaded->source, strlen(loaded->source), "again", &again, &err) ||
        strcmp(loaded->digest, again->digest) != 0)
        abort();
    if (param_values_parse(loaded, NULL, 0, &values, &err) &&
        param_values_count(values) != loaded->param_count)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(free_pointer) char *text = strndup((const char *)data, size);
    if (text == NULL)
        return 0;
    feed_runbook((const char *)data, size);
    feed_condition(text);
    feed_template(text);
    return 0;
}
