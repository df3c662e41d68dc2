/* Changes of keys that are interrupted at any moment: nothing that was stored is lost, the next
 * change completes them, and a key that was taken away opens nothing. */
#include "repository/keyring.h"

#include "store/store_memory.h"
#include "tests/lib/store_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The key of a holder is 32 bytes of this. */
enum holder { FIRST = 'f', SECOND = 's', WRITER = 'w', NEW = 'n', OTHER = 'o' };

static const struct key_scope scope = {.repository = {1}, .config = {2}};

static struct key_material *material_of(enum holder holder)
{
    struct key_material *material = key_material_new();
    assert_non_null(material);
    material->kind = KEY_FILE;
    memset(material->key, (int)holder, sizeof material->key);
    return material;
}

static struct keyring *open_as(struct store *store, enum holder holder)
{
    struct error err;
    struct keyring *keyring = NULL;
    CLEANUP(key_material_cleanup) struct key_material *material = material_of(holder);
    if (!keyring_open(store, &scope, material, &keyring, &err)) {
        assert_int_equal(err.kind, ERROR_DENIED);
        return NULL;
    }
    return keyring;
}

static bool add(struct keyring *keyring, enum holder holder, enum key_grant grant,
                struct error *err)
{
    uint8_t slot[KEY_ID_BYTES];
    CLEANUP(key_material_cleanup) struct key_material *material = material_of(holder);
    const struct key_slot_request request = {
        .kind = KEY_FILE, .grant = grant, .label = "", .material = material};
    return keyring_add(keyring, &request, slot, err);
}

static bool rotate(struct keyring *keyring, struct error *err)
{
    uint8_t generation[KEY_ID_BYTES];
    return keyring_rotate(keyring, generation, err);
}

/* As `repo key rewrap`. */
static bool replace(struct keyring *keyring, enum holder holder, struct error *err)
{
    return add(keyring, holder, GRANT_ALL, err) &&
           keyring_remove(keyring, keyring_slot(keyring), err);
}

/* A key that the first change after opening is made with. */
static bool change_as(struct store *store, enum holder holder,
                      bool (*change)(struct keyring *keyring, struct error *err), struct error *err)
{
    struct keyring *keyring = open_as(store, holder);
    assert_non_null(keyring);
    bool done = change(keyring, err);
    keyring_free(keyring);
    return done;
}

/* Two generations; slots of FIRST, SECOND and WRITER. */
static struct store *scene_new(void)
{
    struct error err;
    struct store *memory;
    struct store *store;
    CLEANUP(key_material_cleanup) struct key_material *material = NULL;
    assert_true(seal_start(&err));
    material = material_of(FIRST);
    const struct key_slot_request request = {
        .kind = KEY_FILE, .grant = GRANT_ALL, .label = "first", .material = material};
    assert_true(store_memory_open(&memory, &err));
    assert_true(store_fault_open(memory, &store, &err));
    assert_true(keyring_create(store, &scope, &request, &err));
    struct keyring *keyring = open_as(store, FIRST);
    assert_true(add(keyring, SECOND, GRANT_ALL, &err));
    assert_true(add(keyring, WRITER, GRANT_WRITE, &err));
    assert_true(rotate(keyring, &err));
    keyring_free(keyring);
    return store;
}

/* Whether the holder opens every generation there is. */
static bool opens_all(struct store *store, enum holder holder)
{
    struct error err;
    CLEANUP(key_objects_release) struct key_objects list = {0};
    struct keyring *keyring = open_as(store, holder);
    bool all = keyring != NULL;
    assert_true(key_objects_load(store, &list, &err));
    for (size_t i = 0; all && i < list.count; i++)
        all = keyring_find(keyring, list.objects[i].generation) != NULL;
    keyring_free(keyring);
    return all;
}

static size_t count_slots(struct store *store)
{
    struct error err;
    size_t count = 0;
    CLEANUP(key_objects_release) struct key_objects list = {0};
    assert_true(key_objects_load(store, &list, &err));
    for (size_t i = 0; i < list.count; i++) {
        bool first = true;
        for (size_t j = 0; j < i; j++)
            first = first && memcmp(list.objects[i].slot, list.objects[j].slot, KEY_ID_BYTES) != 0;
        count += first;
    }
    return count;
}

/* Runs the change with the call (put or remove) of that number failing, before or after it was
 * carried out. False: it has fewer calls. */
static bool interrupt(struct store *store, int call, bool done_anyway, enum holder holder,
                      bool (*change)(struct keyring *keyring, struct error *err))
{
    struct error err;
    struct fault fault = {.ops = FAULT_PUT | FAULT_REMOVE,
                          .at_call = call,
                          .kind = ERROR_UNAVAILABLE,
                          .done_anyway = done_anyway};
    const struct fault none = {.ops = 0};
    store_fault_set(store, &fault);
    bool done = change_as(store, holder, change, &err);
    bool hit = store_fault_hits(store) != 0;
    store_fault_set(store, &none);
    assert_int_equal(done, !hit);
    if (!done)
        assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    return hit;
}

static bool add_new(struct keyring *keyring, struct error *err)
{
    return add(keyring, NEW, GRANT_ALL, err);
}

static bool add_other(struct keyring *keyring, struct error *err)
{
    return add(keyring, OTHER, GRANT_ALL, err);
}

static bool replace_by_new(struct keyring *keyring, struct error *err)
{
    return replace(keyring, NEW, err);
}

/* --- interrupted at every call ------------------------------------------------------------------
 */

static void expect_complete(struct store *store, const enum holder *holders, size_t count, int call)
{
    for (size_t i = 0; i < count; i++)
        if (!opens_all(store, holders[i]))
            fail_msg("'%c' does not open everything, interrupted at call %d", holders[i], call);
}

static void test_an_interrupted_rotation_is_completed_by_the_next_change(void **state)
{
    static const enum holder all[] = {FIRST, SECOND, WRITER};
    struct error err;
    int calls = 0;
    (void)state;
    for (int run = 2;; run++) {
        struct store *store = scene_new();
        bool hit = interrupt(store, run / 2, run % 2 == 1, FIRST, rotate);
        /* Who began it never lacks what anybody may have written with since. */
        assert_true(opens_all(store, FIRST));
        assert_true(change_as(store, FIRST, add_other, &err));
        expect_complete(store, all, ARRAY_LEN(all), run / 2);
        calls += hit;
        store_close(store);
        if (!hit)
            break;
    }
    assert_int_equal(calls, 2 * 3);
}

/* Somebody else goes on: writers must come together again. */
static void test_the_generation_after_an_interrupted_rotation_is_the_newest(void **state)
{
    static const enum holder all[] = {FIRST, SECOND, WRITER};
    struct error err;
    uint8_t begun[KEY_ID_BYTES];
    (void)state;
    struct store *store = scene_new();
    assert_true(interrupt(store, 1, true, FIRST, rotate));
    struct keyring *second = open_as(store, SECOND);
    assert_true(keyring_rotate(second, begun, &err));
    keyring_free(second);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct keyring *keyring = open_as(store, all[i]);
        assert_memory_equal(keyring_current(keyring)->id, begun, sizeof begun);
        keyring_free(keyring);
    }
    assert_false(opens_all(store, SECOND)); /* the one that was interrupted */
    assert_true(change_as(store, FIRST, rotate, &err));
    expect_complete(store, all, ARRAY_LEN(all), 1);
    store_close(store);
}

static void test_an_interrupted_add_is_completed_and_makes_no_second_slot(void **state)
{
    static const enum holder all[] = {FIRST, SECOND, WRITER, NEW};
    struct error err;
    int calls = 0;
    (void)state;
    for (int run = 2;; run++) {
        struct store *store = scene_new();
        bool hit = interrupt(store, run / 2, run % 2 == 1, FIRST, add_new);
        assert_true(change_as(store, SECOND, add_new, &err));
        assert_int_equal(count_slots(store), 4);
        expect_complete(store, all, ARRAY_LEN(all), run / 2);
        calls += hit;
        store_close(store);
        if (!hit)
            break;
    }
    assert_int_equal(calls, 2 * 2);
}

/* SECOND is removed first, so that nobody else holds what is at stake. */
static struct store *lone_scene(void)
{
    struct error err;
    struct store *store = scene_new();
    struct keyring *second = open_as(store, SECOND);
    struct keyring *first = open_as(store, FIRST);
    assert_true(keyring_remove(first, keyring_slot(second), &err));
    keyring_free(first);
    keyring_free(second);
    return store;
}

static void test_an_interrupted_replacement_is_completed_by_running_it_again(void **state)
{
    struct error err;
    int calls = 0;
    (void)state;
    for (int run = 2;; run++) {
        struct store *store = lone_scene();
        bool hit = interrupt(store, run / 2, run % 2 == 1, FIRST, replace_by_new);
        if (!opens_all(store, FIRST) && !opens_all(store, NEW))
            fail_msg("nobody opens everything, interrupted at call %d", run / 2);
        struct keyring *old = open_as(store, FIRST);
        if (old != NULL && !replace(old, NEW, &err))
            fail_msg("interrupted at call %d: %s", run / 2, err.text);
        keyring_free(old);
        assert_null(open_as(store, FIRST));
        assert_true(opens_all(store, NEW));
        assert_true(opens_all(store, WRITER));
        assert_int_equal(count_slots(store), 2);
        calls += hit;
        store_close(store);
        if (!hit)
            break;
    }
    assert_int_equal(calls, 2 * 4);
}

/* The old key is not there any more: the new one goes on. */
static void test_an_interrupted_replacement_is_completed_with_the_new_key(void **state)
{
    struct error err;
    (void)state;
    for (int call = 3; call <= 4; call++) {
        struct store *store = lone_scene();
        struct keyring *old = open_as(store, FIRST);
        assert_true(interrupt(store, call, false, FIRST, replace_by_new));
        struct keyring *keyring = open_as(store, NEW);
        assert_true(keyring_remove(keyring, keyring_slot(old), &err));
        keyring_free(keyring);
        keyring_free(old);
        assert_null(open_as(store, FIRST));
        assert_true(opens_all(store, NEW));
        assert_int_equal(count_slots(store), 2);
        store_close(store);
    }
}

/* --- what is not taken away -------------------------------------------------------------------
 */

static void test_a_slot_that_alone_has_a_generation_stays(void **state)
{
    struct error err;
    (void)state;
    struct store *store = scene_new();
    assert_true(interrupt(store, 1, true, FIRST, rotate));
    struct keyring *first = open_as(store, FIRST);
    struct keyring *second = open_as(store, SECOND);
    assert_false(keyring_remove(second, keyring_slot(first), &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_non_null(strstr(err.text, "it alone opens key generation"));
    assert_true(opens_all(store, FIRST));
    assert_true(rotate(first, &err));
    assert_true(keyring_remove(second, keyring_slot(first), &err));
    keyring_free(first);
    keyring_free(second);
    assert_true(opens_all(store, SECOND));
    store_close(store);
}

/* A half made slot of a new key is no reason to let the old one go. */
static void test_a_half_made_slot_does_not_replace_a_whole_one(void **state)
{
    struct error err;
    (void)state;
    struct store *store = lone_scene();
    struct keyring *first = open_as(store, FIRST);
    assert_true(interrupt(store, 2, false, FIRST, add_new));
    struct keyring *keyring = open_as(store, NEW);
    assert_non_null(keyring);
    assert_false(keyring_remove(keyring, keyring_slot(first), &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    assert_false(keyring_remove(first, keyring_slot(first), &err));
    assert_int_equal(err.kind, ERROR_REFUSED);
    keyring_free(keyring);
    keyring_free(first);
    assert_true(opens_all(store, FIRST));
    store_close(store);
}

/* --- several slots of one key -------------------------------------------------------------------
 */

static void test_a_key_with_two_slots_is_opened_by_the_one_that_grants_more(void **state)
{
    struct error err;
    (void)state;
    for (int round = 0; round < 8; round++) { /* ids are random: either may come first */
        struct store *store = scene_new();
        struct keyring *first = open_as(store, FIRST);
        assert_true(add(first, WRITER, GRANT_ALL, &err));
        keyring_free(first);
        struct keyring *writer = open_as(store, WRITER);
        assert_true(keyring_can_read(writer));
        keyring_free(writer);
        store_close(store);
    }
}

static void test_a_changed_passphrase_keeps_all_generations(void **state)
{
    struct error err;
    uint8_t slot[KEY_ID_BYTES];
    struct keyring *keyring;
    (void)state;
    struct store *store = scene_new();
    CLEANUP(key_material_cleanup) struct key_material *material = material_of(OTHER);
    material->kind = KEY_PASSPHRASE;
    (void)strcpy(material->passphrase, "correct horse");
    const struct key_slot_request request = {
        .kind = KEY_PASSPHRASE, .grant = GRANT_ALL, .label = "", .material = material};
    struct keyring *first = open_as(store, FIRST);
    assert_true(keyring_add(first, &request, slot, &err));
    assert_true(keyring_add(first, &request, slot, &err)); /* no second one */
    keyring_free(first);
    assert_int_equal(count_slots(store), 4);
    assert_true(keyring_open(store, &scope, material, &keyring, &err));
    assert_memory_equal(keyring_slot(keyring), slot, sizeof slot);
    assert_true(rotate(keyring, &err));
    assert_true(replace(keyring, NEW, &err));
    keyring_free(keyring);
    assert_false(keyring_open(store, &scope, material, &keyring, &err));
    assert_int_equal(err.kind, ERROR_DENIED);
    assert_true(opens_all(store, NEW));
    store_close(store);
}

static bool recreate(struct store *store, const struct key_scope *where, const struct buf *copy,
                     size_t len, struct error *err)
{
    uint8_t slot[KEY_ID_BYTES];
    CLEANUP(key_material_cleanup) struct key_material *material = material_of(NEW);
    const struct key_slot_request request = {
        .kind = KEY_FILE, .grant = GRANT_ALL, .label = "paper", .material = material};
    return keyring_recreate(store, where, copy->data, len, &request, slot, err);
}

static void test_a_copy_brings_back_keys_that_were_all_lost(void **state)
{
    struct error err;
    struct store *empty;
    struct store *store = scene_new();
    struct key_scope other = scope;
    CLEANUP(buf_release) struct buf copy;
    CLEANUP(key_objects_release) struct key_objects list = {0};
    (void)state;
    buf_init(&copy, KEYRING_COPY_MAX);
    struct keyring *before = open_as(store, SECOND);
    assert_true(keyring_copy(before, &copy, &err));
    assert_int_equal(copy.len, KEYRING_COPY_HEAD + 2 * KEYRING_COPY_GENERATION);
    assert_true(store_memory_open(&empty, &err));
    for (size_t len = 0; len < copy.len; len++) {
        if (len == KEYRING_COPY_HEAD + KEYRING_COPY_GENERATION)
            continue; /* a copy from before the second generation */
        assert_false(recreate(empty, &scope, &copy, len, &err));
        assert_int_equal(err.kind, ERROR_INVALID);
    }
    other.repository[0] ^= 1;
    assert_false(recreate(empty, &other, &copy, copy.len, &err));
    assert_int_equal(err.kind, ERROR_INVALID);
    assert_true(key_objects_load(empty, &list, &err));
    assert_int_equal(list.count, 0);
    assert_true(recreate(empty, &scope, &copy, copy.len, &err));
    assert_true(recreate(empty, &scope, &copy, copy.len, &err)); /* what is there stays */
    assert_int_equal(count_slots(empty), 1);
    struct keyring *after = open_as(empty, NEW);
    assert_non_null(after);
    assert_memory_equal(keyring_current(after), keyring_current(before),
                        sizeof(struct key_generation));
    assert_memory_equal(keyring_signer(after), keyring_signer(before), SEAL_KEY_BYTES);
    assert_true(add(after, OTHER, GRANT_ALL, &err));
    assert_true(opens_all(empty, OTHER));
    keyring_free(after);
    keyring_free(before);
    store_close(empty);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_interrupted_rotation_is_completed_by_the_next_change),
        cmocka_unit_test(test_the_generation_after_an_interrupted_rotation_is_the_newest),
        cmocka_unit_test(test_an_interrupted_add_is_completed_and_makes_no_second_slot),
        cmocka_unit_test(test_an_interrupted_replacement_is_completed_by_running_it_again),
        cmocka_unit_test(test_an_interrupted_replacement_is_completed_with_the_new_key),
        cmocka_unit_test(test_a_slot_that_alone_has_a_generation_stays),
        cmocka_unit_test(test_a_half_made_slot_does_not_replace_a_whole_one),
        cmocka_unit_test(test_a_key_with_two_slots_is_opened_by_the_one_that_grants_more),
        cmocka_unit_test(test_a_changed_passphrase_keeps_all_generations),
        cmocka_unit_test(test_a_copy_brings_back_keys_that_were_all_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
