#include "repository/repository.h"

#include "store/store_memory.h"
#include "tests/lib/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID "\"id\":\"000102030405060708090a0b0c0d0e0f\","
#define CREATED "\"created\":\"2026-03-01T12:00:05Z\","
#define REST "\"codec\":\"zstd\",\"level\":1,\"pack_bytes\":33554432,"
#define PLAIN "\"features\":[],\"cipher\":\"none\",\"key_slots\":[]"
#define HEAD "{\"format\":\"mainstay-repository\",\"version\":1,"

static bool open_text(const char *text, struct repository *out, struct error *err)
{
    struct store *store;
    assert_true(store_memory_open(&store, err));
    assert_true(store_put(store, REPOSITORY_CONFIG_KEY, text, strlen(text), NULL, err));
    bool done = repository_open(store, out, err);
    store_close(store);
    return done;
}

static void test_what_is_created_can_be_opened(void **state)
{
    (void)state;
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        struct error err;
        int level[3];
        codec_levels((enum codec)codec, &level[0], &level[1], &level[2]);
        for (size_t i = 0; i < ARRAY_LEN(level); i++) {
            struct store *store;
            struct repository made;
            struct repository opened;
            struct repository_settings settings = {
                .codec = (enum codec)codec, .level = level[i], .pack_bytes = 16 << 20};
            assert_true(store_memory_open(&store, &err));
            assert_true(
                repository_create(store, &settings, &clock_system, &random_system, &made, &err));
            if (!repository_open(store, &opened, &err))
                fail_msg("%s level %d: %s", codec_name((enum codec)codec), level[i], err.text);
            assert_memory_equal(made.id, opened.id, REPOSITORY_ID_BYTES);
            assert_int_equal(opened.settings.level, level[i]);
            assert_int_equal(opened.settings.codec, codec);
            assert_int_equal(opened.settings.pack_bytes, 16 << 20);
            assert_int_equal(opened.created_us / 1000000, made.created_us / 1000000);
            store_close(store);
        }
    }
}

static void test_a_store_that_is_in_use_is_refused(void **state)
{
    struct error err;
    struct store *store;
    struct repository repository;
    struct repository_settings settings;
    (void)state;
    repository_default_settings(&settings);
    assert_true(store_memory_open(&store, &err));
    assert_true(store_put(store, "holiday.jpg", "x", 1, NULL, &err));
    assert_false(
        repository_create(store, &settings, &clock_system, &random_system, &repository, &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_true(store_remove(store, "holiday.jpg", &err));
    assert_true(
        repository_create(store, &settings, &clock_system, &random_system, &repository, &err));
    assert_false(
        repository_create(store, &settings, &clock_system, &random_system, &repository, &err));
    assert_int_equal(err.kind, ERROR_EXISTS);
    store_close(store);
}

static void test_settings_outside_their_range_are_refused(void **state)
{
    static const struct repository_settings wrong[] = {
        {CODEC_ZSTD, 1000, 32 << 20}, {CODEC_ZSTD, -1000, 32 << 20}, {CODEC_ZLIB, 10, 32 << 20},
        {CODEC_ZSTD, 1, 1000},        {CODEC_ZSTD, 1, 65 << 20},
    };
    struct error err;
    struct store *store;
    struct repository repository;
    (void)state;
    assert_true(store_memory_open(&store, &err));
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_false(
            repository_create(store, &wrong[i], &clock_system, &random_system, &repository, &err));
        assert_int_equal(err.kind, ERROR_USAGE);
    }
    store_close(store);
}

static void test_what_cannot_be_understood_is_refused(void **state)
{
    static const struct {
        const char *text;
        enum error_kind kind; /* ERROR_NONE: fine */
    } cases[] = {
        {HEAD ID CREATED REST PLAIN "}", ERROR_NONE},
        {HEAD ID CREATED REST PLAIN ",\"later\":{\"x\":1}}", ERROR_NONE},
        {HEAD ID CREATED REST "\"features\":[\"dedup\"],\"cipher\":\"none\",\"key_slots\":[]}",
         ERROR_UNSUPPORTED},
        {HEAD ID CREATED REST "\"features\":[1],\"cipher\":\"none\",\"key_slots\":[]}",
         ERROR_CORRUPT},
        {HEAD ID CREATED REST "\"features\":[],\"cipher\":\"aes\",\"key_slots\":[]}",
         ERROR_UNSUPPORTED},
        {HEAD ID CREATED REST "\"features\":[],\"cipher\":\"none\",\"key_slots\":[{}]}",
         ERROR_UNSUPPORTED},
        {HEAD ID CREATED REST "\"cipher\":\"none\",\"key_slots\":[]}", ERROR_CORRUPT},
        {"{\"format\":\"mainstay-repository\",\"version\":2}", ERROR_UNSUPPORTED},
        {"{\"format\":\"mainstay-repository\",\"version\":\"1\"}", ERROR_CORRUPT},
        {"{\"format\":\"restic\",\"version\":1}", ERROR_CORRUPT},
        {HEAD CREATED REST PLAIN "}", ERROR_CORRUPT},
        {HEAD "\"id\":\"00\"," CREATED REST PLAIN "}", ERROR_CORRUPT},
        {HEAD ID "\"created\":\"yesterday\"," REST PLAIN "}", ERROR_CORRUPT},
        {HEAD ID CREATED "\"codec\":\"lz4\",\"level\":1,\"pack_bytes\":33554432," PLAIN "}",
         ERROR_UNSUPPORTED},
        {HEAD ID CREATED "\"codec\":\"zstd\",\"level\":4294967295,\"pack_bytes\":33554432," PLAIN
                         "}",
         ERROR_CORRUPT},
        {HEAD ID CREATED "\"codec\":\"zstd\",\"level\":1,\"pack_bytes\":5," PLAIN "}",
         ERROR_CORRUPT},
        {"", ERROR_CORRUPT},
        {"{", ERROR_CORRUPT},
        {"[]", ERROR_CORRUPT},
        {"<html>captive portal</html>", ERROR_CORRUPT},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = {0};
        struct repository repository;
        bool done = open_text(cases[i].text, &repository, &err);
        if (done != (cases[i].kind == ERROR_NONE) || err.kind != cases[i].kind)
            fail_msg("case %zu: %s: %s", i, error_kind_name(err.kind), err.text);
    }
}

static void test_no_repository_comes_with_the_next_step(void **state)
{
    struct error err;
    struct store *store;
    struct repository repository;
    (void)state;
    assert_true(store_memory_open(&store, &err));
    assert_false(repository_open(store, &repository, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.hint, "mainstay repo init"));
    store_close(store);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_created_can_be_opened),
        cmocka_unit_test(test_a_store_that_is_in_use_is_refused),
        cmocka_unit_test(test_settings_outside_their_range_are_refused),
        cmocka_unit_test(test_what_cannot_be_understood_is_refused),
        cmocka_unit_test(test_no_repository_comes_with_the_next_step),
    };
    return cmocka_run_group_tests_name("repository", tests, NULL, NULL);
}
