/* Every way to name a key: what is taken, and what is refused in which words. */
#include "repository/key_source.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "tests/lib/core_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HEX "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef"

static char *directory;

static int make_directory(void **state)
{
    (void)state;
    directory = fixture_directory();
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    fixture_remove(directory);
    return 0;
}

/* The caller frees the path. */
static char *make_file(const char *name, const char *text, size_t len, mode_t mode)
{
    struct error err;
    char *path = path_join(directory, name);
    assert_non_null(path);
    (void)unlink(path);
    assert_true(file_write_atomic(path, text, len, mode, &err));
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static char *make_secret(const char *text)
{
    return make_file("secret", text, strlen(text), 0600);
}

static void expect_refused(const struct key_options *options, enum error_kind kind,
                           const char *words)
{
    struct error err = {0};
    struct key_material *material = NULL;
    if (key_material_load(options, &material, &err))
        fail_msg("taken instead of: %s", words);
    assert_null(material);
    if (err.kind != kind || (strstr(err.text, words) == NULL && strstr(err.hint, words) == NULL))
        fail_msg("kind %d, \"%s\" instead of kind %d, \"%s\"", (int)err.kind, err.text, (int)kind,
                 words);
}

static struct key_material *load(const struct key_options *options)
{
    struct error err;
    struct key_material *material;
    if (!key_material_load(options, &material, &err))
        fail_msg("%s", err.text);
    return material;
}

static void expect_key(const struct key_options *options, enum key_kind kind)
{
    uint8_t key[SEAL_KEY_BYTES];
    struct key_material *material = load(options);
    assert_true(text_from_hex(HEX, key, sizeof key));
    assert_int_equal(material->kind, kind);
    assert_memory_equal(material->key, key, sizeof key);
    key_material_free(material);
}

/* --- which one ----------------------------------------------------------------------------------
 */

static void test_exactly_one_way_must_be_named(void **state)
{
    static const struct key_options ways[] = {{.passphrase_file = "/nonexistent"},
                                              {.key_file = "/nonexistent"},
                                              {.key_command = "/nonexistent"},
                                              {.identity_file = "/nonexistent"}};
    const struct key_options none = {.wish = ENCRYPTION_SEALED, .signer = HEX};
    (void)state;
    assert_false(key_options_given(&none));
    expect_refused(&none, ERROR_DENIED, "no key is configured");
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        assert_true(key_options_given(&ways[i]));
        for (size_t j = i + 1; j < ARRAY_LEN(ways); j++) {
            struct key_options both = ways[i];
            both.key_file = j == 1 ? ways[j].key_file : both.key_file;
            both.key_command = j == 2 ? ways[j].key_command : both.key_command;
            both.identity_file = j == 3 ? ways[j].identity_file : both.identity_file;
            expect_refused(&both, ERROR_USAGE, "several keys at once");
        }
    }
}

/* --- files --------------------------------------------------------------------------------------
 */

static void test_a_key_file_is_64_digits_on_its_first_line(void **state)
{
    static const char *const good[] = {HEX, HEX "\n", HEX "\r\n", HEX "\nmore text\n"};
    static const char *const bad[] = {" " HEX "\n", HEX " \n", HEX "0\n", "0x" HEX "\n", "zz\n"};
    static const char *const empty[] = {"", "\n" HEX "\n"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        CLEANUP(free_pointer) char *path = make_secret(good[i]);
        expect_key(&(struct key_options){.key_file = path}, KEY_FILE);
        expect_key(&(struct key_options){.identity_file = path, .signer = HEX}, KEY_RECIPIENT);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CLEANUP(free_pointer) char *path = make_secret(bad[i]);
        expect_refused(&(struct key_options){.key_file = path}, ERROR_USAGE,
                       "its first line is not 64 hexadecimal digits");
    }
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        CLEANUP(free_pointer) char *path = make_secret(empty[i]);
        expect_refused(&(struct key_options){.key_file = path}, ERROR_INVALID, "is empty");
    }
}

/* A message names the file and never what is in it. */
static void test_a_refused_key_is_not_told(void **state)
{
    struct error err;
    struct key_material *material;
    (void)state;
    CLEANUP(free_pointer) char *path = make_secret("hunter2hunter2\n");
    assert_false(key_material_load(&(struct key_options){.key_file = path}, &material, &err));
    assert_non_null(strstr(err.text, path));
    assert_null(strstr(err.text, "hunter2"));
}

static void test_a_file_that_others_can_read_is_refused(void **state)
{
    static const mode_t modes[] = {0604, 0620, 0602, 0644, 0666, 0777};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        CLEANUP(free_pointer) char *path = make_file("open", HEX "\n", 65, modes[i]);
        expect_refused(&(struct key_options){.key_file = path}, ERROR_REFUSED, "can be");
        expect_refused(&(struct key_options){.passphrase_file = path}, ERROR_REFUSED, "chmod 0400");
        expect_refused(&(struct key_options){.identity_file = path, .signer = HEX}, ERROR_REFUSED,
                       "can be");
    }
    static const mode_t private[] = {0400, 0440, 0600, 0640};
    for (size_t i = 0; i < ARRAY_LEN(private); i++) {
        CLEANUP(free_pointer) char *path = make_file("own", HEX "\n", 65, private[i]);
        expect_key(&(struct key_options){.key_file = path}, KEY_FILE);
    }
}

static void test_what_is_no_file_or_too_long_is_refused(void **state)
{
    (void)state;
    expect_refused(&(struct key_options){.key_file = "/nonexistent/key"}, ERROR_NOT_FOUND,
                   "could not open \"/nonexistent/key\"");
    expect_refused(&(struct key_options){.key_file = directory}, ERROR_IO, "could not read");
    CLEANUP(free_pointer) char *many = malloc(100000);
    assert_non_null(many);
    memset(many, 'a', 100000);
    CLEANUP(free_pointer) char *path = make_file("long", many, 100000, 0600);
    expect_refused(&(struct key_options){.key_file = path}, ERROR_INVALID, "it is larger than");
    CLEANUP(free_pointer) char *line = make_file("line", many, 5000, 0600);
    expect_refused(&(struct key_options){.passphrase_file = line}, ERROR_INVALID, "is too long");
}

static void test_a_made_key_file_is_the_owners_and_replaces_none(void **state)
{
    struct error err;
    struct stat status;
    uint8_t key[SEAL_KEY_BYTES];
    (void)state;
    assert_true(text_from_hex(HEX, key, sizeof key));
    CLEANUP(free_pointer) char *path = path_join(directory, "made");
    mode_t before = umask(0);
    assert_true(key_file_make(path, key, &err));
    (void)umask(before);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    expect_key(&(struct key_options){.key_file = path}, KEY_FILE);
    key[0] ^= 1;
    assert_false(key_file_make(path, key, &err));
    assert_int_equal(err.kind, ERROR_EXISTS);
    expect_key(&(struct key_options){.key_file = path}, KEY_FILE);
    assert_false(key_file_make("/nonexistent/key", key, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
}

/* --- passphrases --------------------------------------------------------------------------------
 */

static void test_a_passphrase_is_the_first_line_as_it_is(void **state)
{
    char long_text[PASSPHRASE_MAX + 3];
    (void)state;
    CLEANUP(free_pointer)
    char *path = make_secret("  correct horse\tbattery \xc3\xa4\r\nnot this\n");
    struct key_material *material = load(&(struct key_options){.passphrase_file = path});
    assert_int_equal(material->kind, KEY_PASSPHRASE);
    assert_string_equal(material->passphrase, "  correct horse\tbattery \xc3\xa4");
    key_material_free(material);

    memset(long_text, 'x', sizeof long_text);
    for (size_t len = PASSPHRASE_MAX; len <= PASSPHRASE_MAX + 1; len++) {
        CLEANUP(free_pointer) char *longest = make_file("longest", long_text, len, 0600);
        struct key_options options = {.passphrase_file = longest};
        if (len > PASSPHRASE_MAX) {
            expect_refused(&options, ERROR_USAGE, "cannot use a passphrase of 1024 bytes");
            continue;
        }
        material = load(&options);
        assert_int_equal(strlen(material->passphrase), len);
        key_material_free(material);
    }
    CLEANUP(free_pointer) char *empty = make_file("empty", "\nsecond\n", 8, 0600);
    expect_refused(&(struct key_options){.passphrase_file = empty}, ERROR_INVALID, "is empty");
    CLEANUP(free_pointer) char *binary = make_file("binary", "correct\0horse\n", 14, 0600);
    expect_refused(&(struct key_options){.passphrase_file = binary}, ERROR_INVALID,
                   "has a zero byte");
}

/* On a terminal of its own: the child's. */
static void ask_in_child(const char *terminal)
{
    struct error err;
    struct key_material *material = NULL;
    (void)alarm(60);
    if (setsid() < 0)
        _exit(10);
    int fd = open(terminal, O_RDWR);
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) != 0)
        _exit(11);
    bool done = key_material_load(&(struct key_options){.ask = true}, &material, &err);
    _exit(!done ? 12 : strcmp(material->passphrase, "typed in") == 0 ? 0 : 13);
}

static void test_a_person_is_asked_and_nothing_is_shown(void **state)
{
    static const char prompt[] = "Passphrase of the repository: ";
    char shown[200] = "";
    size_t len = 0;
    int status;
    (void)state;
    CLEANUP(close_fd) int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    const char *terminal = ptsname(master);
    assert_non_null(terminal);
    CLEANUP(close_fd) int held = open(terminal, O_RDWR | O_NOCTTY); /* what was shown stays */
    assert_true(held >= 0);
    pid_t child = fork();
    if (child == 0)
        ask_in_child(terminal);
    assert_true(child > 0);
    while (strstr(shown, prompt) == NULL && len < sizeof shown - 1) {
        ssize_t got = read(master, shown + len, sizeof shown - 1 - len);
        assert_true(got > 0);
        len += (size_t)got;
    }
    assert_int_equal(write(master, "typed in\n", 9), 9);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    ssize_t got = read(master, shown + len, sizeof shown - 1 - len);
    assert_true(got > 0); /* the line end */
    assert_null(strstr(shown, "typed"));
}

static void test_without_a_terminal_nobody_is_asked(void **state)
{
    int status;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct error err;
        struct key_material *material;
        bool done = setsid() > 0 &&
                    !key_material_load(&(struct key_options){.ask = true}, &material, &err);
        _exit(done && err.kind == ERROR_DENIED && strstr(err.text, "no key is configured") ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- programs -----------------------------------------------------------------------------------
 */

static char *make_program(const char *body)
{
    CLEANUP(free_pointer) char *text = text_format("#!/bin/sh\n%s\n", body);
    assert_non_null(text);
    return make_file("program", text, strlen(text), 0755);
}

static void test_a_program_prints_the_key(void **state)
{
    (void)state;
    CLEANUP(free_pointer) char *path = make_program("echo " HEX "; echo more");
    expect_key(&(struct key_options){.key_command = path}, KEY_COMMAND);
    CLEANUP(free_pointer) char *words = make_program("[ $# = 2 ] && [ \"$1\" = a ] && echo \"$2\"");
    CLEANUP(free_pointer) char *command = text_format("  %s  a\t" HEX " ", words);
    expect_key(&(struct key_options){.key_command = command}, KEY_COMMAND);
}

/* No shell: what looks like one's language is an argument. */
static void test_a_program_is_started_without_a_shell(void **state)
{
    (void)state;
    CLEANUP(free_pointer) char *path = make_program("[ \"$1\" = '$(echo' ] && echo " HEX);
    CLEANUP(free_pointer) char *command = text_format("%s $(echo x)", path);
    expect_key(&(struct key_options){.key_command = command}, KEY_COMMAND);
}

static void test_a_program_that_fails_gives_no_key(void **state)
{
    (void)state;
    CLEANUP(free_pointer) char *fails = make_program("echo " HEX "; exit 3");
    expect_refused(&(struct key_options){.key_command = fails}, ERROR_DENIED,
                   "could not get the key");
    CLEANUP(free_pointer) char *killed = make_program("echo " HEX "; kill -9 $$");
    expect_refused(&(struct key_options){.key_command = killed}, ERROR_DENIED,
                   "could not get the key");
    CLEANUP(free_pointer) char *other = make_program("echo hunter2");
    expect_refused(&(struct key_options){.key_command = other}, ERROR_USAGE,
                   "the output of the command");
    CLEANUP(free_pointer) char *much = make_program("head -c 100000 /dev/zero");
    expect_refused(&(struct key_options){.key_command = much}, ERROR_DENIED,
                   "could not get the key");
    expect_refused(&(struct key_options){.key_command = " \t"}, ERROR_USAGE, "is empty");
    expect_refused(&(struct key_options){.key_command = "/nonexistent/program"}, ERROR_NOT_FOUND,
                   "could not start \"/nonexistent/program\"");
}

/* --- whose signature counts ---------------------------------------------------------------------
 */

static void test_a_signer_is_taken_and_an_identity_needs_one(void **state)
{
    uint8_t signer[SEAL_KEY_BYTES];
    (void)state;
    assert_true(text_from_hex(HEX, signer, sizeof signer));
    CLEANUP(free_pointer) char *path = make_secret(HEX);
    expect_refused(&(struct key_options){.identity_file = path}, ERROR_USAGE, "repository.signer");
    expect_refused(&(struct key_options){.key_file = path, .signer = "12"}, ERROR_USAGE,
                   "repository.signer");
    struct key_material *material = load(&(struct key_options){.key_file = path});
    assert_false(material->has_signer);
    key_material_free(material);
    material = load(&(struct key_options){.key_file = path, .signer = HEX});
    assert_true(material->has_signer);
    assert_memory_equal(material->signer, signer, sizeof signer);
    key_material_free(material);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exactly_one_way_must_be_named),
        cmocka_unit_test(test_a_key_file_is_64_digits_on_its_first_line),
        cmocka_unit_test(test_a_refused_key_is_not_told),
        cmocka_unit_test(test_a_file_that_others_can_read_is_refused),
        cmocka_unit_test(test_what_is_no_file_or_too_long_is_refused),
        cmocka_unit_test(test_a_made_key_file_is_the_owners_and_replaces_none),
        cmocka_unit_test(test_a_passphrase_is_the_first_line_as_it_is),
        cmocka_unit_test(test_a_person_is_asked_and_nothing_is_shown),
        cmocka_unit_test(test_without_a_terminal_nobody_is_asked),
        cmocka_unit_test(test_a_program_prints_the_key),
        cmocka_unit_test(test_a_program_is_started_without_a_shell),
        cmocka_unit_test(test_a_program_that_fails_gives_no_key),
        cmocka_unit_test(test_a_signer_is_taken_and_an_identity_needs_one),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
