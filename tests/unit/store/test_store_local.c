#include "base/file.h"
#include "base/text.h"
#include "store/store_local.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char directory[64];
    char *root; /* below the directory and not made yet */
    struct store *store;
};

static int open_store(void **state)
{
    struct error err;
    struct fixture *fixture = calloc(1, sizeof *fixture);
    (void)snprintf(fixture->directory, sizeof fixture->directory, "/tmp/store-local.XXXXXX");
    if (mkdtemp(fixture->directory) == NULL)
        return -1;
    fixture->root = text_format("%s/new/root", fixture->directory);
    *state = fixture;
    return store_local_open(fixture->root, &fixture->store, &err) ? 0 : -1;
}

static int close_store(void **state)
{
    struct error err;
    struct fixture *fixture = *state;
    store_close(fixture->store);
    bool removed = dir_remove_all(fixture->directory, &err);
    free(fixture->root);
    free(fixture);
    return removed ? 0 : -1;
}

static void put(struct store *store, const char *key)
{
    struct error err;
    assert_true(store_put(store, key, key, strlen(key), NULL, &err));
}

static void write_file(const struct fixture *fixture, const char *name)
{
    char *path = path_join(fixture->root, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    free(path);
}

struct seen {
    char text[256];
};

static bool note(void *context, const struct store_object *object, struct error *err)
{
    struct seen *seen = context;
    (void)err;
    size_t used = strlen(seen->text);
    (void)snprintf(seen->text + used, sizeof seen->text - used, "%s ", object->key);
    return true;
}

static void test_listing_is_in_byte_order_of_whole_keys(void **state)
{
    struct fixture *fixture = *state;
    struct seen seen = {""};
    struct error err;
    assert_true(store_list(fixture->store, "", note, &seen, &err));
    assert_string_equal(seen.text, "");
    put(fixture->store, "a/x");
    put(fixture->store, "a-b");
    put(fixture->store, "a.c");
    put(fixture->store, "a0");
    put(fixture->store, "B");
    assert_true(store_list(fixture->store, "", note, &seen, &err));
    assert_string_equal(seen.text, "B a-b a.c a/x a0 ");
    seen.text[0] = '\0';
    assert_true(store_list(fixture->store, "a/", note, &seen, &err));
    assert_string_equal(seen.text, "a/x ");
}

static void test_listing_leaves_out_temporary_and_foreign_files(void **state)
{
    struct fixture *fixture = *state;
    struct seen seen = {""};
    struct error err;
    put(fixture->store, "ours");
    write_file(fixture, ".tmp/put-left");
    write_file(fixture, ".hidden");
    write_file(fixture, "some body's");
    assert_true(store_list(fixture->store, "", note, &seen, &err));
    assert_string_equal(seen.text, "ours ");
}

static void test_a_put_leaves_no_temporary_file(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    bool empty;
    put(fixture->store, "a/b");
    assert_false(store_put(fixture->store, "a/b", "", 0, NULL, &err));
    assert_int_equal(err.kind, ERROR_EXISTS);
    char *temporary = path_join(fixture->root, ".tmp");
    assert_true(dir_is_empty(temporary, &empty, &err));
    assert_true(empty);
    free(temporary);
}

static void test_a_directory_or_a_path_through_a_file_is_not_an_object(void **state)
{
    static const char *const keys[] = {"dir", "dir/file/below"};
    struct fixture *fixture = *state;
    struct store_object object;
    struct error err;
    char byte;
    size_t got;
    put(fixture->store, "dir/file");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        assert_false(store_stat(fixture->store, keys[i], &object, &err));
        assert_int_equal(err.kind, ERROR_NOT_FOUND);
        assert_false(store_get(fixture->store, keys[i], 0, 1, &byte, &got, &err));
        assert_int_equal(err.kind, ERROR_NOT_FOUND);
        assert_true(store_remove(fixture->store, keys[i], &err));
    }
    assert_true(store_stat(fixture->store, "dir/file", &object, &err));
}

enum { PROCESSES = 8, ROUNDS = 20 };

/* Exit code: how many of the keys this process won. */
static int race(const char *root)
{
    struct error err;
    struct store *store;
    char key[32];
    int won = 0;
    if (!store_local_open(root, &store, &err))
        return 255;
    for (int i = 0; i < ROUNDS; i++) {
        (void)snprintf(key, sizeof key, "r%d/x/y", i);
        bool mine = store_put(store, key, "x", 1, NULL, &err);
        if (!mine && err.kind != ERROR_EXISTS)
            return 255;
        won += mine ? 1 : 0;
    }
    store_close(store);
    return won;
}

static void test_of_processes_that_race_for_a_key_one_wins(void **state)
{
    struct fixture *fixture = *state;
    pid_t children[PROCESSES];
    int won = 0;
    for (size_t i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            _exit(race(fixture->root));
    }
    for (size_t i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 255);
        won += WEXITSTATUS(status);
    }
    assert_int_equal(won, ROUNDS);
}

static void test_opening_removes_temporary_files_older_than_a_day(void **state)
{
    struct fixture *fixture = *state;
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    struct store *again;
    struct error err;
    put(fixture->store, "a");
    write_file(fixture, ".tmp/put-old");
    write_file(fixture, ".tmp/put-new");
    char *old_path = path_join(fixture->root, ".tmp/put-old");
    char *new_path = path_join(fixture->root, ".tmp/put-new");
    assert_int_equal(utimensat(AT_FDCWD, old_path, old, 0), 0);
    assert_true(store_local_open(fixture->root, &again, &err));
    store_close(again);
    assert_int_not_equal(access(old_path, F_OK), 0);
    assert_int_equal(access(new_path, F_OK), 0);
    free(old_path);
    free(new_path);
}

static void test_a_directory_that_went_away_is_not_made_anew(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    struct store *opened;
    struct stat info;
    char *away = text_format("%s.away", fixture->root);
    put(fixture->store, "first"); /* makes it */
    assert_true(store_local_open(fixture->root, &opened, &err));
    assert_int_equal(rename(fixture->root, away), 0);
    assert_false(store_put(opened, "second", "x", 1, NULL, &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    assert_true(err.retryable);
    assert_int_not_equal(stat(fixture->root, &info), 0);
    assert_int_equal(rename(away, fixture->root), 0);
    put(opened, "second");
    store_close(opened);
    free(away);
}

static void test_relative_and_root_directories_are_refused(void **state)
{
    static const char *const bad[] = {"", "backup", "/", "//"};
    struct store *store;
    struct error err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(store_local_open(bad[i], &store, &err));
        assert_int_equal(err.kind, ERROR_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_listing_is_in_byte_order_of_whole_keys, open_store,
                                        close_store),
        cmocka_unit_test_setup_teardown(test_listing_leaves_out_temporary_and_foreign_files,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(test_a_put_leaves_no_temporary_file, open_store,
                                        close_store),
        cmocka_unit_test_setup_teardown(test_a_directory_or_a_path_through_a_file_is_not_an_object,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(test_of_processes_that_race_for_a_key_one_wins, open_store,
                                        close_store),
        cmocka_unit_test_setup_teardown(test_opening_removes_temporary_files_older_than_a_day,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(test_a_directory_that_went_away_is_not_made_anew,
                                        open_store, close_store),
        cmocka_unit_test(test_relative_and_root_directories_are_refused),
    };
    return cmocka_run_group_tests_name("store_local", tests, NULL, NULL);
}
