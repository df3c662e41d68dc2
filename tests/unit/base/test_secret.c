#include "base/secret.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "tests/lib/core_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_the_first_line_of_a_file_is_the_secret(void **state)
{
    static const struct {
        const char *content;
        const char *secret; /* NULL: refused */
    } cases[] = {{"s3cret", "s3cret"},
                 {"s3cret\n", "s3cret"},
                 {"s3cret\r\n", "s3cret"},
                 {"a b \nsecond", "a b "},
                 {"", NULL},
                 {"\n", NULL},
                 {"\nsecond", NULL}};
    char *directory = fixture_directory();
    CLEANUP(free_pointer) char *path = path_join(directory, "f");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err;
        struct secret secret = {0};
        assert_true(
            file_write_atomic(path, cases[i].content, strlen(cases[i].content), 0600, &err));
        assert_int_equal(secret_read_file(&secret, path, &err), cases[i].secret != NULL);
        if (cases[i].secret != NULL)
            assert_string_equal(secret.text, cases[i].secret);
        secret_release(&secret);
        assert_false(secret_is_set(&secret));
    }
    fixture_remove(directory);
}

static void test_messages_never_hold_the_secret(void **state)
{
    struct error err;
    struct secret secret = {0};
    (void)state;
    assert_string_equal(secret_mask(&secret), "");
    assert_true(secret_set(&secret, "s3cret", &err));
    assert_true(secret_set(&secret, "other", &err)); /* the former one is wiped */
    assert_string_equal(secret.text, "other");
    assert_string_equal(secret_mask(&secret), "***");
    assert_false(secret_read_file(&secret, "/nonexistent/file", &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_string_equal(secret.text, "other"); /* untouched by a failure */
    secret_release(&secret);
    secret_release(&secret);
}

static void test_wiping_leaves_zeros(void **state)
{
    char bytes[8] = "secret";
    static const char zeros[8];
    (void)state;
    secret_wipe(bytes, sizeof bytes);
    assert_memory_equal(bytes, zeros, sizeof bytes);
    secret_wipe(NULL, 0);
}

static void test_others_may_not_read_or_replace_a_secret(void **state)
{
    static const struct {
        mode_t mode;
        bool good;
    } cases[] = {{0400, true},  {0600, true},  {0440, true},  {0640, true},  {0444, false},
                 {0644, false}, {0604, false}, {0601, false}, {0602, false}, {0660, false}};
    char *directory = fixture_directory();
    CLEANUP(free_pointer) char *path = path_join(directory, "f");
    CLEANUP(free_pointer) char *link = path_join(directory, "link");
    struct secret secret = {0};
    struct error err;
    (void)state;
    assert_true(file_write_atomic(path, "s3cret\n", 7, 0600, &err));
    assert_int_equal(symlink("f", link), 0); /* as Kubernetes mounts a Secret */
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(chmod(path, cases[i].mode), 0);
        if (secret_read_file(&secret, link, &err) != cases[i].good)
            fail_msg("mode %o", (unsigned)cases[i].mode);
        if (cases[i].good)
            continue;
        assert_int_equal(err.kind, ERROR_REFUSED);
        assert_non_null(strstr(err.hint, "chmod 0400"));
        assert_null(strstr(err.text, "s3cret"));
        assert_true(secret_read_issued_file(&secret, link, &err));
    }
    secret_release(&secret);
    fixture_remove(directory);
}

/* AddressSanitizer makes mlock do nothing. */
#ifdef __SANITIZE_ADDRESS__
static const bool can_lock = false;
#else
static const bool can_lock = true;
#endif

/* VmLck of /proc/self/status, in KiB */
static unsigned long locked_kib(void)
{
    struct buf status;
    struct error err;
    buf_init(&status, 65536);
    assert_true(file_read_all("/proc/self/status", &status, &err));
    const char *line = strstr(buf_text(&status), "VmLck:");
    unsigned long kib = strtoul(line + 6, NULL, 10);
    buf_release(&status);
    return kib;
}

static void test_secrets_are_locked_as_long_as_they_live(void **state)
{
    struct error err;
    struct secret secret = {0};
    struct secret another = {0};
    (void)state;
    if (!can_lock || !secret_can_lock(SECRET_LOCK_WANTED_BYTES))
        skip();
    assert_int_equal(locked_kib(), 0);
    assert_true(secret_set(&secret, "s3cret", &err));
    assert_true(secret_set(&another, "other", &err));
    assert_true(locked_kib() >= 8);
    secret_release(&another);
    secret_release(&secret);
    assert_int_equal(locked_kib(), 0);
}

/* Above the limit of a process that is not root. */
static void test_secrets_work_where_nothing_can_be_locked(void **state)
{
    int status;
    (void)state;
    if (!can_lock)
        skip();
    pid_t pid = fork();
    if (pid == 0) {
        struct error err;
        struct secret secret = {0};
        const struct rlimit none = {0, 0};
        if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0))
            _exit(2);
        _exit(!secret_can_lock(1) && secret_set(&secret, "s3cret", &err) &&
                      strcmp(secret.text, "s3cret") == 0
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Looked at from outside, as a dump is made: what is freed is not ours to read. */
static size_t marks_left(int memory, uint64_t address, size_t len)
{
    uint8_t bytes[8000];
    size_t count = 0;
    if (pread(memory, bytes, len, (off_t)address) != (ssize_t)len)
        return SIZE_MAX;
    for (size_t i = 0; i < len; i++)
        count += bytes[i] == 'x';
    return count;
}

static size_t marks_after_free(void)
{
    enum { LEN = 8000, LINKS = 4 * sizeof(void *) }; /* the allocator's, of any bytes */
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    char *volatile first = malloc(LEN);
    char *volatile behind = malloc(LEN); /* so that the heap does not shrink */
    uint64_t address = (uint64_t)(uintptr_t)first;
    memset(first, 'x', LEN);
    free(first);
    size_t left = marks_left(memory, address + LINKS, LEN - LINKS);
    free(behind);
    (void)close(memory);
    return left;
}

/* In a process of its own: it cannot be taken back. */
static void test_what_is_freed_is_overwritten(void **state)
{
    int status;
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* has an allocator of its own */
#endif
    pid_t pid = fork();
    if (pid == 0) {
        size_t before = marks_after_free();
        secret_wipe_freed();
        _exit(before > 1000 && marks_after_free() == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_line_of_a_file_is_the_secret),
        cmocka_unit_test(test_messages_never_hold_the_secret),
        cmocka_unit_test(test_wiping_leaves_zeros),
        cmocka_unit_test(test_others_may_not_read_or_replace_a_secret),
        cmocka_unit_test(test_secrets_are_locked_as_long_as_they_live),
        cmocka_unit_test(test_secrets_work_where_nothing_can_be_locked),
        cmocka_unit_test(test_what_is_freed_is_overwritten),
    };
    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
