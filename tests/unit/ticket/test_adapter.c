#include "base/cleanup.h"
#include "base/macros.h"
#include "ticket/adapter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char head[] = "name: desk\ntitle: A desk\nversions: \"1\"\nadapter: \"2\"\n";
static const char probe[] = "probe:\n  tickets: [id, title]\n";

static bool load(const char *text, struct adapter **out, struct error *err)
{
    return adapter_manifest_load(text, strlen(text), "m.yaml", out, err);
}

static struct adapter *load_good(const char *more)
{
    char text[2048];
    struct error err;
    struct adapter *adapter = NULL;
    (void)snprintf(text, sizeof text, "%s%s%s", head, probe, more);
    if (!load(text, &adapter, &err))
        fail_msg("%s", err.text);
    return adapter;
}

static void assert_refused(const char *more, const char *problem, const char *hint)
{
    char text[2048];
    struct error err = {0};
    struct adapter *adapter = NULL;
    (void)snprintf(text, sizeof text, "%s%s%s", head, probe, more);
    if (load(text, &adapter, &err)) {
        adapter_free(adapter);
        fail_msg("accepted: %s", more);
    }
    assert_int_equal(err.kind, ERROR_INVALID);
    if (strstr(err.text, problem) == NULL || strstr(err.hint, hint) == NULL)
        fail_msg("\"%s\" (\"%s\") does not say \"%s\" (\"%s\")", err.text, err.hint, problem, hint);
}

static void test_the_least_has_standards(void **state)
{
    (void)state;
    CLEANUP(adapter_cleanup) struct adapter *adapter = load_good("");
    assert_string_equal(adapter->name, "desk");
    assert_string_equal(adapter->version, "2");
    assert_string_equal(adapter->helpdesk_schema, "public");
    assert_int_equal(adapter->chunk, 1000);
    assert_int_equal(adapter->table_count, 1);
    assert_string_equal(adapter->tables[0].columns.items[1], "title");
    assert_false(adapter_has(adapter, "orders"));
    assert_null(adapter_setting(adapter, "actor"));
}

static void test_everything_is_read(void **state)
{
    (void)state;
    CLEANUP(adapter_cleanup)
    struct adapter *adapter = load_good(
        "schema: desk\nsettings:\n  actor: {type: int, default: \"7\", help: Who.}\n"
        "  field: {help: Which.}\ncapabilities: [orders, history]\n"
        "limits: {chunk: \"500\"}\nafter_commit:\n"
        "  - {name: cache, command: \"flush --all\", help: At once.}\n");
    const struct adapter_setting *actor = adapter_setting(adapter, "actor");
    const struct adapter_setting *field = adapter_setting(adapter, "field");
    assert_non_null(actor);
    assert_true(actor->is_int);
    assert_string_equal(actor->standard, "7");
    assert_non_null(field);
    assert_false(field->is_int);
    assert_null(field->standard);
    assert_true(adapter_has(adapter, "history"));
    assert_int_equal(adapter->chunk, 500);
    assert_string_equal(adapter->after_commit[0].command, "flush --all");
    assert_string_equal(adapter->helpdesk_schema, "desk");
}

static void test_refusals_say_where_and_what(void **state)
{
    (void)state;
    assert_refused("setings: {}\n", "m.yaml:7:1: unknown key \"setings\"", "\"settings\"");
    assert_refused("capabilities: [order]\n", "m.yaml:7:16: unknown capability \"order\"",
                   "\"orders\"");
    assert_refused("settings:\n  actor: {type: number, help: x}\n", "a type is \"int\" or \"text\"",
                   "");
    assert_refused("settings:\n  actor: {type: int, default: x, help: x}\n",
                   "\"x\" is no whole number", "");
    assert_refused("settings:\n  actor: {default: x}\n", "help is missing", "");
    assert_refused("settings:\n  core: {help: x}\n", "\"core\" is a name of the installer's", "");
    assert_refused("settings:\n  \"a'b\": {help: x}\n", "\"a'b\" is no name", "");
    assert_refused("limits: {chunk: \"0\"}\n", "chunk is 1 to 10000", "");
    assert_refused("limits: []\n", "a list where a mapping is wanted", "");
    assert_refused("after_commit:\n  - {name: x, command: y}\n", "help is missing", "");
    assert_refused("after_commit: x\n", "a text where a list is wanted", "");
    assert_refused("name: twice\n", "m.yaml:7:", "");
}

static void test_a_manifest_without_probe_is_refused(void **state)
{
    (void)state;
    struct error err;
    struct adapter *adapter = NULL;
    assert_false(load(head, &adapter, &err));
    assert_non_null(strstr(err.text, "probe is missing"));
    assert_false(load("title: x\nprobe: {t: [a]}\n", &adapter, &err));
    assert_non_null(strstr(err.text, "name is missing"));
    char text[256];
    (void)snprintf(text, sizeof text, "%sprobe: {tickets: []}\n", head);
    assert_false(load(text, &adapter, &err));
    assert_non_null(strstr(err.text, "no columns of table \"tickets\""));
}

/* Whatever is embedded can be installed: its manifest is good and its SQL is beside it. */
static void test_every_adapter_of_the_program_loads(void **state)
{
    (void)state;
    struct error err;
    bool reference = false;
    CLEANUP(adapter_list_release) struct adapter_list list = {0};
    if (!adapter_list_load(&list, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < list.count; i++) {
        reference = reference || strcmp(list.items[i]->name, "reference") == 0;
        assert_true(strlen(list.items[i]->sql) > 0);
        assert_non_null(adapter_setting(list.items[i], "actor"));
    }
    assert_true(reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_least_has_standards),
        cmocka_unit_test(test_everything_is_read),
        cmocka_unit_test(test_refusals_say_where_and_what),
        cmocka_unit_test(test_a_manifest_without_probe_is_refused),
        cmocka_unit_test(test_every_adapter_of_the_program_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
