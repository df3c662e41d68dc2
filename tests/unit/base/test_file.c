#include "base/file.h"

#include "base/cleanup.h"
#include "tests/lib/core_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void test_only_paths_that_stay_below_are_safe(void **state)
{
    static const struct {
        const char *path;
        bool safe;
    } cases[] = {
        {"a", true},           {"base/5/16384_vm.1", true},
        {"a.b/..c/...", true}, {"caf\xc3\xa9", true},
        {".hidden", true},     {"", false},
        {"/", false},          {"/a", false},
        {"a/", false},         {"a//b", false},
        {".", false},          {"..", false},
        {"a/..", false},       {"a/./b", false},
        {"../a", false},       {"a\\b", false},
        {"a\tb", false},       {"a\x7f", false},
        {"\n", false},
    };
    char longest[1025];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (path_is_safe_relative(cases[i].path) != cases[i].safe)
            fail_msg("\"%s\"", cases[i].path);
    memset(longest, 'x', sizeof longest);
    longest[1024] = '\0';
    assert_false(path_is_safe_relative(longest));
    longest[1023] = '\0';
    assert_true(path_is_safe_relative(longest));
}

static void test_atomic_writes_replace_and_leave_nothing_behind(void **state)
{
    struct error err;
    struct stat info;
    bool empty;
    char *directory = fixture_directory();
    CLEANUP(free_pointer) char *path = path_join(directory, "f");
    CLEANUP(free_pointer) char *missing = path_join(directory, "no/f");
    CLEANUP(buf_release) struct buf text;
    (void)state;
    buf_init(&text, 100);
    assert_true(file_write_atomic(path, "first", 5, 0600, &err));
    assert_true(file_write_atomic(path, "2nd", 3, 0640, &err));
    assert_true(file_read_all(path, &text, &err));
    assert_string_equal(buf_text(&text), "2nd");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_false(file_write_atomic(missing, "x", 1, 0600, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_int_equal(unlink(path), 0);
    assert_true(dir_is_empty(directory, &empty, &err)); /* no temporary file either */
    assert_true(empty);
    fixture_remove(directory);
}

static void test_reading_stops_at_the_maximum(void **state)
{
    struct error err;
    char *directory = fixture_directory();
    CLEANUP(free_pointer) char *path = path_join(directory, "f");
    (void)state;
    assert_true(file_write_atomic(path, "0123456789", 10, 0600, &err));
    for (size_t max = 9; max <= 11; max++) {
        struct buf text;
        buf_init(&text, max);
        bool done = file_read_all(path, &text, &err);
        assert_int_equal(done, max >= 10);
        if (done)
            assert_int_equal(text.len, 10);
        else
            assert_int_equal(err.kind, ERROR_INVALID);
        buf_release(&text);
    }
    fixture_remove(directory);
}

static void test_directories_are_made_with_their_parents(void **state)
{
    struct error err;
    struct stat info;
    char *directory = fixture_directory();
    CLEANUP(free_pointer) char *deep = path_join(directory, "a/b//c/");
    CLEANUP(free_pointer) char *file = path_join(directory, "a/f");
    CLEANUP(free_pointer) char *below = path_join(file, "x");
    (void)state;
    assert_true(dir_create_all(deep, 0700, &err));
    assert_true(dir_create_all(deep, 0700, &err));
    assert_int_equal(stat(deep, &info), 0);
    assert_true(file_write_atomic(file, "", 0, 0600, &err));
    assert_false(dir_create_all(file, 0700, &err));
    assert_false(dir_create_all(below, 0700, &err));
    assert_false(dir_create_all("", 0700, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    fixture_remove(directory);
}

static void test_removing_never_follows_links(void **state)
{
    struct error err;
    char *directory = fixture_directory();
    CLEANUP(free_pointer) char *kept = path_join(directory, "kept");
    CLEANUP(free_pointer) char *kept_file = path_join(directory, "kept/f");
    CLEANUP(free_pointer) char *tree = path_join(directory, "tree/deep");
    CLEANUP(free_pointer) char *top = path_join(directory, "tree");
    CLEANUP(free_pointer) char *link = path_join(directory, "tree/link");
    (void)state;
    assert_true(dir_create_all(kept, 0700, &err));
    assert_true(file_write_atomic(kept_file, "", 0, 0600, &err));
    assert_true(dir_create_all(tree, 0700, &err));
    assert_int_equal(symlink(kept, link), 0);
    assert_true(dir_remove_all(top, &err));
    assert_int_not_equal(access(top, F_OK), 0);
    assert_int_equal(access(kept_file, F_OK), 0);
    assert_true(dir_remove_all(top, &err)); /* absent is success */
    fixture_remove(directory);
}

static void test_reads_and_writes_at_offsets(void **state)
{
    struct error err;
    char bytes[8] = "";
    size_t got;
    char *directory = fixture_directory();
    CLEANUP(free_pointer) char *path = path_join(directory, "f");
    CLEANUP(close_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)state;
    assert_true(file_write_at(fd, path, "abc", 3, 5, &err));
    assert_true(file_read_at(fd, path, bytes, 4, 6, &got, &err));
    assert_int_equal(got, 2);
    assert_memory_equal(bytes, "bc", 2);
    assert_true(file_read_at(fd, path, bytes, 4, 100, &got, &err));
    assert_int_equal(got, 0);
    assert_false(file_write_at(-1, path, "x", 1, 0, &err));
    fixture_remove(directory);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_paths_that_stay_below_are_safe),
        cmocka_unit_test(test_atomic_writes_replace_and_leave_nothing_behind),
        cmocka_unit_test(test_reading_stops_at_the_maximum),
        cmocka_unit_test(test_directories_are_made_with_their_parents),
        cmocka_unit_test(test_removing_never_follows_links),
        cmocka_unit_test(test_reads_and_writes_at_offsets),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
