#include "repository/key_source.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { OUTPUT_MAX = 4096, WORDS_MAX = 64 };

extern char **environ;

static size_t count_given(const struct key_options *options)
{
    return (size_t)(options->passphrase_file != NULL) + (options->key_file != NULL) +
           (options->key_command != NULL) + (options->identity_file != NULL);
}

bool key_options_given(const struct key_options *options)
{
    return count_given(options) > 0;
}

/* Reads up to the end; false with errno. */
static bool read_all(int fd, char *out, size_t size, size_t *out_len)
{
    *out_len = 0;
    while (*out_len < size) {
        ssize_t got = read(fd, out + *out_len, size - *out_len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            return true;
        *out_len += (size_t)got;
    }
    errno = EFBIG;
    return false;
}

static void cut_at_line_end(char *text, size_t len)
{
    text[len] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
}

/* The first line of a file, under the rule for all files with secrets. */
static bool read_private(const char *path, char out[OUTPUT_MAX], struct error *err)
{
    CLEANUP(secret_release) struct secret line = {0};
    if (!secret_read_file(&line, path, err))
        return false;
    if (line.len >= OUTPUT_MAX)
        return error_set(err, ERROR_INVALID, "the first line of \"%s\" is too long for a secret",
                         path);
    memcpy(out, line.text, line.len + 1);
    return true;
}

static bool parse_key(const char *text, const char *what, uint8_t out[SEAL_KEY_BYTES],
                      struct error *err)
{
    return (strlen(text) == 2 * (size_t)SEAL_KEY_BYTES &&
            text_from_hex(text, out, SEAL_KEY_BYTES)) ||
           error_set(err, ERROR_USAGE,
                     "cannot use %s as a key: its first line is not 64 hexadecimal digits", what);
}

static bool key_of_file(const char *path, uint8_t out[SEAL_KEY_BYTES], struct error *err)
{
    char text[OUTPUT_MAX];
    CLEANUP(free_pointer) char *what = text_format("\"%s\"", path);
    bool done = (what != NULL || error_no_memory(err, path)) && read_private(path, text, err) &&
                parse_key(text, what, out, err);
    secret_wipe(text, sizeof text);
    return done;
}

/* --- a command ----------------------------------------------------------------------------------
 */

static size_t split_words(char *text, char *words[WORDS_MAX + 1])
{
    size_t count = 0;
    for (char *word = strtok_r(text, " \t", &text); word != NULL && count < WORDS_MAX;
         word = strtok_r(NULL, " \t", &text))
        words[count++] = word;
    words[count] = NULL;
    return count;
}

static bool start_command(char **words, int out_fd, pid_t *out_pid, struct error *err)
{
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    int failed = posix_spawnp(out_pid, words[0], &actions, NULL, words, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed == 0 || error_set_errno(err, failed, "could not start \"%s\"", words[0]);
}

static bool run_words(char **words, char out[OUTPUT_MAX], struct error *err)
{
    pid_t pid;
    int status;
    int pipes[2];
    size_t len = 0;
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return error_set_errno(err, errno, "could not make a pipe");
    CLEANUP(close_fd) int read_fd = pipes[0];
    CLEANUP(close_fd) int write_fd = pipes[1];
    if (!start_command(words, write_fd, &pid, err))
        return false;
    close_fd(&write_fd);
    bool read_well = read_all(read_fd, out, OUTPUT_MAX - 1, &len);
    close_fd(&read_fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    cut_at_line_end(out, len);
    return (read_well && WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
           error_set(err, ERROR_DENIED, "could not get the key: \"%s\" failed (status %d)",
                     words[0], WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static bool key_of_command(const char *command, uint8_t out[SEAL_KEY_BYTES], struct error *err)
{
    char text[OUTPUT_MAX] = "";
    char *words[WORDS_MAX + 1];
    CLEANUP(free_pointer) char *copy = strdup(command);
    if (copy == NULL)
        return error_no_memory(err, "a command");
    if (split_words(copy, words) == 0)
        return error_set(err, ERROR_USAGE, "the command that prints the key is empty");
    bool done = run_words(words, text, err) &&
                parse_key(text, "the output of the command", out, err);
    secret_wipe(text, sizeof text);
    return done;
}

/* --- a person -----------------------------------------------------------------------------------
 */

static bool ask(char out[OUTPUT_MAX], struct error *err)
{
    static const char prompt[] = "Passphrase of the repository: ";
    struct termios shown;
    ssize_t got;
    CLEANUP(close_fd) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || tcgetattr(fd, &shown) != 0) {
        (void)error_set(err, ERROR_DENIED,
                        "cannot open the repository: it is sealed, and no key is configured");
        return error_hint(err, "Give one of repository.key-file, repository.key-command, "
                               "repository.passphrase-file and repository.identity-file.");
    }
    struct termios hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    /* What was typed before is thrown away; from the prompt on nothing is shown. */
    (void)tcsetattr(fd, TCSAFLUSH, &hidden);
    (void)!write(fd, prompt, sizeof prompt - 1);
    got = read(fd, out, OUTPUT_MAX - 1);
    (void)tcsetattr(fd, TCSAFLUSH, &shown);
    (void)!write(fd, "\n", 1);
    cut_at_line_end(out, got < 0 ? 0 : (size_t)got);
    return true;
}

static bool take_passphrase(const struct key_options *options, struct key_material *out,
                            struct error *err)
{
    char text[OUTPUT_MAX] = "";
    bool done = options->passphrase_file != NULL ? read_private(options->passphrase_file, text, err)
                                                 : ask(text, err);
    size_t len = strlen(text);
    if (done && (len == 0 || len > PASSPHRASE_MAX))
        done = error_set(err, ERROR_USAGE, "cannot use a passphrase of %zu bytes: 1 to %d", len,
                         PASSPHRASE_MAX);
    if (done)
        memcpy(out->passphrase, text, len + 1);
    secret_wipe(text, sizeof text);
    return done;
}

static bool take_signer(const struct key_options *options, struct key_material *out,
                        struct error *err)
{
    out->has_signer = options->signer != NULL;
    if (out->has_signer)
        return parse_key(options->signer, "repository.signer", out->signer, err);
    if (out->kind != KEY_RECIPIENT)
        return true;
    (void)error_set(err, ERROR_USAGE,
                    "cannot open a repository with a recipient's key alone: anybody could have "
                    "sealed to it");
    return error_hint(err, "Give repository.signer as well: `mainstay repo key list` of somebody "
                           "with another key shows it.");
}

static bool load(const struct key_options *options, struct key_material *out, struct error *err)
{
    if (options->key_file != NULL) {
        out->kind = KEY_FILE;
        return key_of_file(options->key_file, out->key, err);
    }
    if (options->key_command != NULL) {
        out->kind = KEY_COMMAND;
        return key_of_command(options->key_command, out->key, err);
    }
    if (options->identity_file != NULL) {
        out->kind = KEY_RECIPIENT;
        return key_of_file(options->identity_file, out->key, err);
    }
    out->kind = KEY_PASSPHRASE;
    return take_passphrase(options, out, err);
}

struct key_material *key_material_new(void)
{
    return secret_alloc(sizeof(struct key_material));
}

bool key_material_load(const struct key_options *options, struct key_material **out,
                       struct error *err)
{
    size_t given = count_given(options);
    if (given > 1)
        return error_set(err, ERROR_USAGE, "cannot use several keys at once: name one");
    if (given == 0 && !options->ask) {
        (void)error_set(err, ERROR_DENIED,
                        "cannot open the repository: it is sealed, and no key is configured");
        return error_hint(err, "Give one of repository.key-file, repository.key-command, "
                               "repository.passphrase-file and repository.identity-file.");
    }
    CLEANUP(key_material_cleanup) struct key_material *made = NULL;
    if (!seal_start(err))
        return false;
    made = key_material_new();
    if (made == NULL)
        return error_no_memory(err, "a key");
    if (!load(options, made, err) || !take_signer(options, made, err))
        return false;
    *out = TAKE(made);
    return true;
}

void key_material_free(struct key_material *material)
{
    secret_free(material, sizeof *material);
}

void key_material_cleanup(struct key_material **material)
{
    key_material_free(*material);
    *material = NULL;
}

bool key_file_make(const char *path, const uint8_t key[SEAL_KEY_BYTES], struct error *err)
{
    char text[2 * SEAL_KEY_BYTES + 2];
    CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(err, errno, "could not make key file \"%s\"", path);
    text_hex(key, SEAL_KEY_BYTES, text);
    text[sizeof text - 2] = '\n';
    bool done = file_write_at(fd, path, text, sizeof text - 1, 0, err) && file_sync(fd, path, err);
    secret_wipe(text, sizeof text);
    return done;
}
