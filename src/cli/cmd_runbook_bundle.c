/* mainstay runbook bundle|import|key */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/runbook_source.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "document/yaml.h"
#include "runbook/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PEM_MAX_BYTES = 256 * 1024 };

static bool need_flag(const struct invocation *call, const char *name, const char **out,
                      struct error *err)
{
    *out = invocation_value(call, name);
    return (*out != NULL && **out != '\0') ||
           error_set(err, ERROR_USAGE, "`mainstay runbook %s` needs --%s FILE", call->command->verb,
                     name);
}

/* ---- bundle ---- */

/* Reads a private key; what was read is wiped. */
static bool read_signing_key(const char *path, struct signing_key **out, struct error *err)
{
    struct buf pem;
    buf_init(&pem, PEM_MAX_BYTES);
    bool done = file_read_all(path, &pem, err);
    const char *text = done ? buf_text(&pem) : NULL;
    if (done)
        done = text == NULL ? error_no_memory(err, "a key")
                            : signing_key_parse(text, path, out, err);
    if (pem.data != NULL)
        secret_wipe(pem.data, pem.cap);
    buf_release(&pem);
    return done;
}

static bool add_fixture(struct bundle *bundle, const char *directory, const char *fixture,
                        struct error *err)
{
    CLEANUP(free_pointer) char *path = path_join(directory, fixture);
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, BUNDLE_MAX_FILE_BYTES);
    return path == NULL ? error_no_memory(err, "a path")
                        : file_read_all(path, &text, err) &&
                              bundle_add(bundle, fixture, text.data, text.len, err);
}

/* A runbook that does not load is not worth a signature. */
static bool add_runbook(struct bundle *bundle, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(free_pointer)
    char *directory = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    CLEANUP(runbook_cleanup) struct runbook *runbook = NULL;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, YAML_MAX_BYTES + 1);
    if (directory == NULL)
        return error_no_memory(err, "a path");
    if (!file_read_all(path, &text, err))
        return false;
    const char *source = buf_text(&text);
    if (source == NULL)
        return error_no_memory(err, "a runbook");
    if (!runbook_load(source, text.len, path, &runbook, err))
        return false;
    CLEANUP(free_pointer) char *name = text_format("%s.yaml", runbook->name);
    if (name == NULL)
        return error_no_memory(err, "a path");
    if (!bundle_add(bundle, name, text.data, text.len, err))
        return false;
    for (size_t i = 0; i < runbook->test_count; i++)
        if (!add_fixture(bundle, directory, runbook->tests[i].fixture, err))
            return false;
    return true;
}

static int is_yaml(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && text_ends_with(entry->d_name, ".yaml");
}

static bool add_directory(struct bundle *bundle, const char *directory, struct error *err)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, is_yaml, alphasort);
    if (count < 0)
        return error_set_errno(err, errno, "could not list \"%s\"", directory);
    bool done = true;
    for (int i = 0; i < count; i++) {
        CLEANUP(free_pointer) char *path = path_join(directory, entries[i]->d_name);
        if (done)
            done = path == NULL ? error_no_memory(err, "a path") : add_runbook(bundle, path, err);
        free(entries[i]);
    }
    free(entries);
    return done;
}

static bool collect(const char *path, struct bundle *bundle, struct error *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return error_set_errno(err, errno, "could not open \"%s\"", path);
    if (!S_ISDIR(info.st_mode))
        return add_runbook(bundle, path, err);
    if (!add_directory(bundle, path, err))
        return false;
    return bundle->count > 0 ||
           error_set(err, ERROR_NOT_FOUND, "there is no runbook in \"%s\"", path);
}

/* A bundle that could not be written as a whole does not stay. */
static bool write_archive(const struct bundle *bundle, const struct signing_key *key,
                          const char *path, struct error *err)
{
    CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_set_errno(err, errno, "could not create \"%s\"", path);
    /* For others, whatever the process's umask. */
    (void)fchmod(fd, 0644);
    bool done = bundle_write(bundle, key, fd, err) && file_sync(fd, path, err);
    if (!done)
        (void)unlink(path);
    return done;
}

static bool print_bundle(const struct invocation *call, const struct bundle *bundle,
                         const char *path, const char *key_id, struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    struct value *list = root == NULL ? NULL : value_set_new_array(root, "files", err);
    buf_init(&text, OUTPUT_MAX_BYTES);
    for (size_t i = 0; list != NULL && i < bundle->count; i++) {
        buf_printf(&text, "%s\n", bundle->files[i].path);
        if (!value_append_text(list, bundle->files[i].path, err))
            return false;
    }
    output_put_clean(path, &text);
    buf_printf(&text, ": %zu %s, signed with key %s\n", bundle->count,
               text_plural(bundle->count, "file", "files"), key_id);
    if (list == NULL || !value_set_text(root, "key", key_id, err) ||
        !value_set_text_lossy(root, "bundle", path, err))
        return false;
    return call->json ? output_value(call, root, err) : output_write(call, &text, err);
}

static bool run_bundle(struct invocation *call, struct error *err)
{
    const char *output;
    const char *key_file;
    CLEANUP(bundle_release) struct bundle bundle = {0};
    CLEANUP(signing_key_cleanup) struct signing_key *key = NULL;
    return need_flag(call, "output", &output, err) && need_flag(call, "key", &key_file, err) &&
           read_signing_key(key_file, &key, err) && collect(call->operand, &bundle, err) &&
           write_archive(&bundle, key, output, err) &&
           print_bundle(call, &bundle, output, signing_key_id(key), err);
}

/* ---- import ---- */

static bool read_trusted(const struct invocation *call, struct trusted_keys **out,
                         struct error *err)
{
    const char *path;
    CLEANUP(buf_release) struct buf pem;
    buf_init(&pem, PEM_MAX_BYTES);
    if (!config_require(&call->config, OPTION_RUNBOOK_TRUSTED_KEYS, &path, err) ||
        !file_read_all(path, &pem, err))
        return false;
    const char *text = buf_text(&pem);
    return text == NULL ? error_no_memory(err, "a key") : trusted_keys_parse(text, path, out, err);
}

static bool read_archive(const char *path, const struct trusted_keys *keys, struct bundle *out,
                         struct error *err)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "could not open \"%s\"", path);
    return bundle_read(fd, keys, out, err) || error_wrap(err, "could not import \"%s\"", path);
}

/* The version of the runbook of this name that is there now; "" = none that can be read. */
static bool current_version(const struct invocation *call, const char *name,
                            const struct bundle_file *file, char out[TEXT_SIZE], bool *out_same,
                            struct error *err)
{
    struct error ignored;
    CLEANUP(runbook_source_release) struct runbook_source source = {0};
    CLEANUP(runbook_cleanup) struct runbook *runbook = NULL;
    out[0] = '\0';
    *out_same = false;
    if (!runbook_source_find(call, name, &source, err))
        return err->kind == ERROR_NOT_FOUND;
    *out_same = source.text.len == file->text.len &&
                memcmp(source.text.data, file->text.data, file->text.len) == 0;
    if (runbook_load((const char *)source.text.data, source.text.len, source.file, &runbook,
                     &ignored))
        (void)snprintf(out, TEXT_SIZE, "%s", runbook->version);
    return true;
}

static bool check_version(const struct runbook *runbook, const char *current, bool same,
                          struct error *err)
{
    int order = current[0] == '\0' ? 1 : runbook_version_compare(runbook->version, current);
    if (same || order > 0)
        return true;
    if (order == 0)
        (void)error_set(err, ERROR_REFUSED,
                        "runbook \"%s\" is there with version %s and another content",
                        runbook->name, current);
    else
        (void)error_set(err, ERROR_REFUSED, "runbook \"%s\" %s would replace the newer %s",
                        runbook->name, runbook->version, current);
    return error_hint(err, "--force takes it nevertheless.");
}

static bool add_imported(const struct runbook *runbook, const char *current, struct value *list,
                         struct error *err)
{
    struct value *item = value_append_new_object(list, err);
    return item != NULL && value_set_text(item, "name", runbook->name, err) &&
           value_set_text(item, "version", runbook->version, err) &&
           value_set_text(item, "replaces", current[0] == '\0' ? "-" : current, err);
}

static bool check_runbook(const struct invocation *call, struct bundle_file *file,
                          struct value *list, struct error *err)
{
    char current[TEXT_SIZE];
    bool same;
    CLEANUP(runbook_cleanup) struct runbook *runbook = NULL;
    const char *text = buf_text(&file->text);
    if (text == NULL)
        return error_no_memory(err, "a runbook");
    if (!runbook_load(text, file->text.len, file->path, &runbook, err))
        return false;
    size_t len = strlen(runbook->name);
    if (strncmp(file->path, runbook->name, len) != 0 || strcmp(file->path + len, ".yaml") != 0)
        return error_set(err, ERROR_REFUSED, "\"%s\" has the runbook \"%s\" in it", file->path,
                         runbook->name);
    return current_version(call, runbook->name, file, current, &same, err) &&
           (invocation_has(call, "force") || check_version(runbook, current, same, err)) &&
           add_imported(runbook, current, list, err);
}

/* A fixture that another runbook has already must be the same. */
static bool check_fixture(const struct invocation *call, const struct bundle_file *file,
                          const char *directory, struct error *err)
{
    CLEANUP(free_pointer) char *path = path_join(directory, file->path);
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, BUNDLE_MAX_FILE_BYTES);
    if (path == NULL)
        return error_no_memory(err, "a path");
    if (access(path, F_OK) != 0 || invocation_has(call, "force"))
        return true;
    if (!file_read_all(path, &text, err))
        return false;
    if (text.len == file->text.len && memcmp(text.data, file->text.data, text.len) == 0)
        return true;
    (void)error_set(err, ERROR_REFUSED, "\"%s\" is there with another content", path);
    return error_hint(err, "--force replaces it.");
}

static bool is_runbook(const struct bundle_file *file)
{
    return text_ends_with(file->path, ".yaml");
}

/* Everything is looked at before anything is written. */
static bool check_files(const struct invocation *call, struct bundle *bundle, const char *directory,
                        struct value *list, struct error *err)
{
    for (size_t i = 0; i < bundle->count; i++) {
        struct bundle_file *file = &bundle->files[i];
        if (is_runbook(file) ? !check_runbook(call, file, list, err)
                             : !check_fixture(call, file, directory, err))
            return false;
    }
    return true;
}

static bool write_file(const struct bundle_file *file, const char *directory, struct error *err)
{
    CLEANUP(free_pointer) char *path = path_join(directory, file->path);
    CLEANUP(free_pointer) char *parent = path == NULL ? NULL : strdup(path);
    if (parent == NULL)
        return error_no_memory(err, "a path");
    *strrchr(parent, '/') = '\0';
    return dir_create_all(parent, 0755, err) &&
           file_write_atomic(path, file->text.data, file->text.len, 0644, err);
}

/* Runbooks last: one that is there has its fixtures. */
static bool write_files(const struct bundle *bundle, const char *directory, struct error *err)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < bundle->count; i++)
            if (is_runbook(&bundle->files[i]) == (pass == 1) &&
                !write_file(&bundle->files[i], directory, err))
                return false;
    return true;
}

static const struct object_column import_columns[] = {
    {{"NAME", false}, "name"}, {{"VERSION", false}, "version"}, {{"REPLACES", false}, "replaces"}};

static bool run_import(struct invocation *call, struct error *err)
{
    const char *directory;
    CLEANUP(bundle_release) struct bundle bundle = {0};
    CLEANUP(trusted_keys_cleanup) struct trusted_keys *keys = NULL;
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    struct value *list = root == NULL ? NULL : value_set_new_array(root, "runbooks", err);
    return list != NULL &&
           config_require(&call->config, OPTION_RUNBOOK_DIRECTORY, &directory, err) &&
           read_trusted(call, &keys, err) && read_archive(call->operand, keys, &bundle, err) &&
           check_files(call, &bundle, directory, list, err) &&
           write_files(&bundle, directory, err) &&
           value_set_text(root, "key", bundle.key_id, err) &&
           output_objects(call, root, "runbooks", import_columns, ARRAY_LEN(import_columns), err);
}

/* ---- key ---- */

/* Create-only: a key that is overwritten is gone. */
static bool create_file(const char *path, const struct buf *text, mode_t mode, struct error *err)
{
    CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return error_set_errno(err, errno, "could not create \"%s\"", path);
    (void)fchmod(fd, mode); /* whatever the process's umask */
    bool done = file_write_at(fd, path, text->data, text->len, 0, err) && file_sync(fd, path, err);
    if (!done)
        (void)unlink(path);
    return done;
}

static bool create_pair(const char *path, const char *public_path, const struct signing_key *key,
                        struct error *err)
{
    struct buf private_pem;
    CLEANUP(buf_release) struct buf public_pem;
    buf_init(&private_pem, PEM_MAX_BYTES);
    buf_init(&public_pem, PEM_MAX_BYTES);
    bool done = signing_key_print(key, &private_pem, &public_pem, err) &&
                create_file(path, &private_pem, 0600, err);
    if (done && !create_file(public_path, &public_pem, 0644, err)) {
        (void)unlink(path);
        done = false;
    }
    if (private_pem.data != NULL)
        secret_wipe(private_pem.data, private_pem.cap);
    buf_release(&private_pem);
    return done;
}

static bool print_key(const struct invocation *call, const char *path, const char *public_path,
                      const char *id, struct error *err)
{
    CLEANUP(buf_release) struct buf text;
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "key %s\nprivate ", id);
    output_put_clean(path, &text);
    buf_printf(&text, "\npublic  ");
    output_put_clean(public_path, &text);
    buf_printf(&text, ", for runbook.trusted-keys of those who import\n");
    if (root == NULL || !value_set_text(root, "key", id, err) ||
        !value_set_text_lossy(root, "private", path, err) ||
        !value_set_text_lossy(root, "public", public_path, err))
        return false;
    return call->json ? output_value(call, root, err) : output_write(call, &text, err);
}

static bool run_key(struct invocation *call, struct error *err)
{
    const char *path = call->second_operand;
    CLEANUP(signing_key_cleanup) struct signing_key *key = NULL;
    if (strcmp(call->operand, "create") != 0)
        return error_set(err, ERROR_USAGE, "`mainstay runbook key` can only create, not \"%.40s\"",
                         call->operand);
    CLEANUP(free_pointer) char *public_path = text_format("%s.pub", path);
    if (public_path == NULL)
        return error_no_memory(err, "a path");
    return signing_key_create(&key, err) && create_pair(path, public_path, key, err) &&
           print_key(call, path, public_path, signing_key_id(key), err);
}

const struct command command_runbook_bundle = {
    .noun = "runbook",
    .verb = "bundle",
    .summary = "pack runbooks and their fixtures into a signed archive",
    .details = "PATH is the file of one runbook, or a directory: then all runbooks in it. The "
               "archive must not be there yet.",
    .groups = GROUP_LOG,
    .flags = {{"output", "FILE", NULL, "The archive, a tar. Required."},
              {"key", "FILE", NULL, "The private key (PEM, Ed25519) to sign with. Required."}},
    .operand = "PATH",
    .examples = {"mainstay runbook bundle runbooks/ --output runbooks.tar --key runbook.key"},
    .run = run_bundle,
};

const struct command command_runbook_import = {
    .noun = "runbook",
    .verb = "import",
    .summary = "take the runbooks of a signed archive into runbook.directory",
    .details = "Nothing is believed before the signature is checked against the keys of "
               "runbook.trusted-keys, and nothing is written before everything is checked. A "
               "runbook that is there is only replaced by a higher version.",
    .groups = GROUP_RUNBOOK | GROUP_LOG,
    .flags = {{"force", NULL, NULL, "Replace newer versions and other fixtures, too."}},
    .operand = "FILE",
    .examples = {"mainstay runbook import runbooks.tar --runbook-directory /etc/mainstay/runbooks "
                 "--runbook-trusted-keys team.pub"},
    .run = run_import,
};

const struct command command_runbook_key = {
    .noun = "runbook",
    .verb = "key",
    .summary = "make a key pair for signing bundles",
    .details = "The private key goes to FILE, the public one to FILE.pub. Files that are there are "
               "never overwritten.",
    .groups = GROUP_LOG,
    .operand = "create",
    .second_operand = "FILE",
    .examples = {"mainstay runbook key create runbook.key"},
    .run = run_key,
};
