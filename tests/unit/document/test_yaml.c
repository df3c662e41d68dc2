#include "base/cleanup.h"
#include "document/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct yaml_node *parse_good(const char *text)
{
    struct error err;
    struct yaml_node *root = NULL;
    if (!yaml_parse(text, strlen(text), "t.yaml", &root, &err))
        fail_msg("%s", err.text);
    return root;
}

static void assert_refused(const char *text, const char *problem)
{
    struct error err;
    struct yaml_node *root = NULL;
    if (yaml_parse(text, strlen(text), "t.yaml", &root, &err)) {
        yaml_free(root);
        fail_msg("\"%s\" was accepted", text);
    }
    assert_null(root);
    assert_int_equal(err.kind, ERROR_INVALID);
    if (strstr(err.text, problem) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, problem);
}

static const char *text_of(const struct yaml_node *mapping, const char *key)
{
    const struct yaml_pair *pair = yaml_find(mapping, key);
    assert_non_null(pair);
    assert_int_equal(pair->value->kind, YAML_SCALAR);
    return pair->value->text;
}

static void test_scalars_stay_texts(void **state)
{
    (void)state;
    CLEANUP(yaml_cleanup)
    struct yaml_node *root = parse_good(
        "country: no\nnumber: 012\nbig: 1e3\nnone:\nquoted: \"\"\nlines: |\n  a\n  b\n");
    assert_string_equal(text_of(root, "country"), "no");
    assert_string_equal(text_of(root, "number"), "012");
    assert_string_equal(text_of(root, "big"), "1e3");
    assert_string_equal(text_of(root, "none"), "");
    assert_false(yaml_find(root, "none")->value->quoted);
    assert_string_equal(text_of(root, "quoted"), "");
    assert_true(yaml_find(root, "quoted")->value->quoted);
    assert_string_equal(text_of(root, "lines"), "a\nb\n");
    assert_null(yaml_find(root, "absent"));
}

static void test_a_missing_value_has_the_place_of_its_key(void **state)
{
    CLEANUP(yaml_cleanup) struct yaml_node *root = parse_good("a: 1\nb:\nc:\n  - \n");
    (void)state;
    assert_int_equal(yaml_find(root, "b")->value->line, 2);
    assert_int_equal(yaml_find(root, "b")->value->column, 1);
    assert_int_equal(yaml_find(root, "c")->value->items[0]->line, 4);
}

static void test_every_node_knows_its_position(void **state)
{
    (void)state;
    CLEANUP(yaml_cleanup)
    struct yaml_node *root = parse_good(
        "# comment\nstore:\n  url: /srv\n  list:\n    - a\n    - {k: v}\n");
    const struct yaml_pair *store = yaml_find(root, "store");
    assert_int_equal(store->line, 2);
    assert_int_equal(store->column, 1);
    const struct yaml_pair *url = yaml_find(store->value, "url");
    assert_int_equal(url->line, 3);
    assert_int_equal(url->column, 3);
    assert_int_equal(url->value->line, 3);
    assert_int_equal(url->value->column, 8);
    const struct yaml_node *list = yaml_find(store->value, "list")->value;
    assert_int_equal(list->kind, YAML_SEQUENCE);
    assert_int_equal(list->count, 2);
    assert_int_equal(list->items[1]->line, 6);
    assert_string_equal(text_of(list->items[1], "k"), "v");
}

static void test_nothing_but_comments_is_an_empty_mapping(void **state)
{
    static const char *const texts[] = {"", "\n", "# only a comment\n"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        CLEANUP(yaml_cleanup) struct yaml_node *root = parse_good(texts[i]);
        assert_int_equal(root->kind, YAML_MAPPING);
        assert_int_equal(root->count, 0);
    }
}

static void test_indirection_is_refused_with_its_position(void **state)
{
    (void)state;
    assert_refused("a: &x 1\nb: *x\n", "t.yaml:1:");
    assert_refused("a: &x 1\n", "anchors");
    assert_refused("a: 1\nb: *x\n", "t.yaml:2:");
    assert_refused("a: !!str 1\n", "tags");
    assert_refused("a: !evil [1]\n", "tags");
    assert_refused("&x a: 1\n", "anchors");
    assert_refused("- a\n- &b {c: d}\n", "anchors");
}

static void test_duplicate_keys_are_refused_with_their_position(void **state)
{
    (void)state;
    assert_refused("a: 1\nb:\n  c: 1\n  c: 2\n", "t.yaml:4:3: this key is there twice");
    assert_refused("a: 1\n\"a\": 2\n", "t.yaml:2:1: this key is there twice");
}

static void test_second_document_is_refused(void **state)
{
    (void)state;
    assert_refused("a: 1\n---\nb: 2\n", "only one is allowed");
}

static void test_broken_syntax_is_refused_with_its_position(void **state)
{
    (void)state;
    assert_refused("a: [1, 2\n", "t.yaml:");
    assert_refused("a: 'x\n", "t.yaml:");
    assert_refused("a: 1\n b: 2\n", "t.yaml:1:4: invalid multiline plain key");
    assert_refused("\ta: 1\n", "t.yaml:1:");
    assert_refused("[a]: 1\n", "t.yaml:1:");
    assert_refused("? {a: b}\n: 1\n", "a key must be a text");
    assert_refused("a: \xff\xfe\n", "t.yaml:1: a byte is not UTF-8");
}

static void test_depth_and_size_are_limited(void **state)
{
    struct error err;
    struct yaml_node *root = NULL;
    char deep[401] = {0};
    static char large[YAML_MAX_BYTES + 1];
    (void)state;
    memset(deep, '[', 40);
    memset(deep + 40, ']', 40);
    assert_refused(deep, "nested too deeply");
    memset(large, ' ', sizeof large);
    assert_false(yaml_parse(large, sizeof large, "t.yaml", &root, &err));
    assert_non_null(strstr(err.text, "more than"));
    assert_false(yaml_parse("a\0b", 3, "t.yaml", &root, &err));
    assert_non_null(strstr(err.text, "zero byte"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars_stay_texts),
        cmocka_unit_test(test_every_node_knows_its_position),
        cmocka_unit_test(test_a_missing_value_has_the_place_of_its_key),
        cmocka_unit_test(test_nothing_but_comments_is_an_empty_mapping),
        cmocka_unit_test(test_indirection_is_refused_with_its_position),
        cmocka_unit_test(test_duplicate_keys_are_refused_with_their_position),
        cmocka_unit_test(test_second_document_is_refused),
        cmocka_unit_test(test_broken_syntax_is_refused_with_its_position),
        cmocka_unit_test(test_depth_and_size_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
