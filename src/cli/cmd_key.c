/* mainstay repo key list|add|remove|rotate|rewrap|export|import */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/recovery_sheet.h"
#include "cli/session.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "repository/keyring.h"

#include <stdio.h>
#include <string.h>

enum { SHEET_MAX_BYTES = 64 << 10 };

static bool open_sealed(struct session *session, const struct invocation *call, struct error *err)
{
    if (!session_open(session, &call->config, err))
        return false;
    return session->repository.keyring != NULL ||
           error_set(err, ERROR_REFUSED, "this repository is not sealed: it has no keys");
}

/* --- list ---------------------------------------------------------------------------------------
 */

static bool put_key(const struct keyring *keyring, const struct key_object *object,
                    struct value *item, struct error *err)
{
    char id[KEY_ID_SIZE];
    char created[TEXT_SIZE];
    char signer[2 * SEAL_KEY_BYTES + 1];
    text_hex(object->slot, KEY_ID_BYTES, id);
    text_hex(object->signer, SEAL_KEY_BYTES, signer);
    bool ours = memcmp(object->slot, keyring_slot(keyring), KEY_ID_BYTES) == 0;
    return value_set_text(item, "slot", id, err) &&
           value_set_text(item, "kind", key_kind_name(object->kind), err) &&
           value_set_text(item, "grant", key_grant_name(object->grant), err) &&
           value_set_text(item, "label", object->label, err) &&
           value_set_text(item, "created", text_time_us(object->created_us, created), err) &&
           value_set_text(item, "signer", signer, err) &&
           value_set_bool(item, "signed", keyring_vouches_for(keyring, object), err) &&
           value_set_bool(item, "in_use", ours, err);
}

static bool print_keys_json(const struct invocation *call, const struct keyring *keyring,
                            const struct key_objects *list, struct error *err)
{
    char id[KEY_ID_SIZE];
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL)
        return false;
    text_hex(keyring_current(keyring)->id, KEY_ID_BYTES, id);
    struct value *array = value_set_new_array(root, "keys", err);
    if (array == NULL || !value_set_text(root, "generation", id, err))
        return false;
    for (size_t i = 0; i < list->count; i++) {
        struct value *item = value_append_new_object(array, err);
        text_hex(list->objects[i].generation, KEY_ID_BYTES, id);
        if (item == NULL || !value_set_text(item, "generation", id, err) ||
            !value_set_u64(item, "number", list->objects[i].number, err) ||
            !put_key(keyring, &list->objects[i], item, err))
            return false;
    }
    return output_value(call, root, err);
}

static bool print_keys_text(const struct invocation *call, const struct keyring *keyring,
                            const struct key_objects *list, struct error *err)
{
    char id[KEY_ID_SIZE];
    char generation[KEY_ID_SIZE];
    char signer[2 * SEAL_KEY_BYTES + 1];
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    text_hex(keyring_signer(keyring), SEAL_KEY_BYTES, signer);
    buf_printf(&text, "signer %s\n", signer);
    for (size_t i = 0; i < list->count; i++) {
        const struct key_object *object = &list->objects[i];
        text_hex(object->slot, KEY_ID_BYTES, id);
        text_hex(object->generation, KEY_ID_BYTES, generation);
        buf_printf(&text, "%s  generation %llu (%s)  %-10s  %-5s  ", id,
                   (unsigned long long)object->number, generation, key_kind_name(object->kind),
                   key_grant_name(object->grant));
        output_put_clean(object->label, &text);
        if (memcmp(object->slot, keyring_slot(keyring), KEY_ID_BYTES) == 0)
            buf_printf(&text, "  (in use)");
        if (!keyring_vouches_for(keyring, object))
            buf_printf(&text, "  NOT MADE BY THIS REPOSITORY");
        buf_printf(&text, "\n");
    }
    return output_write(call, &text, err);
}

static bool run_list(struct invocation *call, struct session *session, struct error *err)
{
    const struct keyring *keyring = session->repository.keyring;
    CLEANUP(key_objects_release) struct key_objects list = {0};
    if (!key_objects_load(session->store, &list, err))
        return false;
    return call->json ? print_keys_json(call, keyring, &list, err)
                      : print_keys_text(call, keyring, &list, err);
}

/* --- new slots ----------------------------------------------------------------------------------
 */

static bool take_grant(const struct invocation *call, enum key_grant *out, struct error *err)
{
    const char *text = invocation_value(call, "grant");
    *out = GRANT_ALL;
    if (text == NULL || strcmp(text, "all") == 0)
        return true;
    *out = GRANT_WRITE;
    return strcmp(text, "write") == 0 ||
           error_set(err, ERROR_USAGE, "--grant is all or write, not \"%.40s\"", text);
}

static bool names_a_secret(const struct invocation *call)
{
    return invocation_has(call, "new-key-file") || invocation_has(call, "new-key-command") ||
           invocation_has(call, "new-passphrase-file");
}

/* The new key's own options; a key file that is not there is made. */
static bool load_new(const struct invocation *call, struct key_material **out, struct error *err)
{
    uint8_t key[SEAL_KEY_BYTES];
    const struct key_options options = {
        .key_file = invocation_value(call, "new-key-file"),
        .key_command = invocation_value(call, "new-key-command"),
        .passphrase_file = invocation_value(call, "new-passphrase-file"),
    };
    if (!key_options_given(&options))
        return error_set(err, ERROR_USAGE,
                         "name the new key: --new-key-file, --new-key-command, "
                         "--new-passphrase-file or --recipient");
    if (options.key_file != NULL) {
        seal_random(key, sizeof key);
        bool made = key_file_make(options.key_file, key, err);
        secret_wipe(key, sizeof key);
        if (!made && err->kind != ERROR_EXISTS)
            return false;
    }
    return key_material_load(&options, out, err);
}

static bool fill_request(const struct invocation *call, struct key_material **material,
                         struct key_slot_request *out, struct error *err)
{
    const char *label = invocation_value(call, "label");
    const char *recipient = invocation_value(call, "recipient");
    if (recipient != NULL && names_a_secret(call))
        return error_set(err, ERROR_USAGE, "cannot use several new keys at once: name one");
    *out = (struct key_slot_request){.label = label == NULL ? "" : label,
                                     .created_us = clock_now_us(&clock_system)};
    if (strlen(out->label) >= KEY_LABEL_SIZE)
        return error_set(err, ERROR_USAGE, "--label can have %d bytes", KEY_LABEL_SIZE - 1);
    if (!take_grant(call, &out->grant, err))
        return false;
    if (recipient != NULL) {
        out->kind = KEY_RECIPIENT;
        return (strlen(recipient) == 2 * (size_t)SEAL_KEY_BYTES &&
                text_from_hex(recipient, out->recipient, SEAL_KEY_BYTES)) ||
               error_set(err, ERROR_USAGE, "--recipient is a public key of 64 hexadecimal digits");
    }
    if (!load_new(call, material, err))
        return false;
    out->kind = (*material)->kind;
    out->material = *material;
    return true;
}

static bool say(const struct invocation *call, const char *what, const uint8_t id[KEY_ID_BYTES],
                struct error *err)
{
    char hex[KEY_ID_SIZE];
    text_hex(id, KEY_ID_BYTES, hex);
    if (call->json) {
        CLEANUP(value_cleanup) struct value *root = value_new_object(err);
        return root != NULL && value_set_text(root, "done", what, err) &&
               value_set_text(root, "id", hex, err) && output_value(call, root, err);
    }
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "%s %s\n", what, hex);
    return output_write(call, &text, err);
}

static bool run_add(struct invocation *call, struct session *session, struct error *err)
{
    uint8_t slot[KEY_ID_BYTES];
    struct key_slot_request request;
    CLEANUP(key_material_cleanup) struct key_material *material = NULL;
    return keyring_check_may_change(session->repository.keyring, err) &&
           fill_request(call, &material, &request, err) &&
           keyring_add(session->repository.keyring, &request, slot, err) &&
           say(call, "added key", slot, err);
}

static bool run_remove(struct invocation *call, struct session *session, struct error *err)
{
    uint8_t slot[KEY_ID_BYTES];
    const char *text = invocation_value(call, "slot");
    if (text == NULL || strlen(text) != KEY_ID_SIZE - 1 || !text_from_hex(text, slot, sizeof slot))
        return error_set(err, ERROR_USAGE, "name the key with --slot: 16 hexadecimal digits");
    return keyring_remove(session->repository.keyring, slot, err) &&
           say(call, "removed key", slot, err);
}

static bool run_rotate(struct invocation *call, struct session *session, struct error *err)
{
    uint8_t generation[KEY_ID_BYTES];
    if (!keyring_rotate(session->repository.keyring, generation, err))
        return false;
    log_event(
        LOG_INFO, "keys.rotated",
        "recovery sheets that are printed do not hold the new data keys: print a new one with "
        "mainstay repo key export --paper");
    return say(call, "began key generation", generation, err);
}

static bool check_other(const uint8_t slot[KEY_ID_BYTES], const uint8_t own[KEY_ID_BYTES],
                        struct error *err)
{
    return memcmp(slot, own, KEY_ID_BYTES) != 0 ||
           error_set(err, ERROR_USAGE, "cannot replace the key in use by itself: name another one");
}

/* The key in use gives way to a new one. Interrupted, it is run again with either of them. */
static bool run_rewrap(struct invocation *call, struct session *session, struct error *err)
{
    uint8_t slot[KEY_ID_BYTES];
    struct key_slot_request request;
    struct keyring *keyring = session->repository.keyring;
    CLEANUP(key_material_cleanup) struct key_material *material = NULL;
    return keyring_check_may_change(keyring, err) && fill_request(call, &material, &request, err) &&
           keyring_add(keyring, &request, slot, err) &&
           check_other(slot, keyring_slot(keyring), err) &&
           keyring_remove(keyring, keyring_slot(keyring), err) &&
           say(call, "replaced the key in use by key", slot, err);
}

/* --- paper --------------------------------------------------------------------------------------
 */

static void put_sheet_head(const struct invocation *call, const struct repository *repository,
                           const char *slot, struct buf *out)
{
    char id[2 * REPOSITORY_ID_BYTES + 1];
    char today[TEXT_SIZE];
    text_hex(repository->id, sizeof repository->id, id);
    buf_printf(out, "MAINSTAY RECOVERY SHEET\n\nrepository  ");
    config_put_masked(&call->config, OPTION_REPOSITORY_URL, out);
    buf_printf(out,
               "\nid          %s\nkey         %s (opens everything)\nprinted     %s\n\n"
               "Whoever has these lines can read every ticket in the repository.\n\n",
               id, slot, text_time_us(clock_now_us(&clock_system), today));
}

static bool put_copy(const struct keyring *keyring, struct buf *out, struct error *err)
{
    struct buf copy;
    buf_init(&copy, KEYRING_COPY_MAX);
    bool done = buf_reserve(&copy, KEYRING_COPY_MAX) != NULL
                    ? keyring_copy(keyring, &copy, err)
                    : error_no_memory(err, "a recovery sheet");
    if (done) {
        buf_printf(out, "\nThese are the data keys, in case keys/ in the repository is lost:\n\n");
        recovery_sheet_put(SHEET_KEY_LINES + 1, copy.data, copy.len, out);
    }
    secret_wipe(copy.data, copy.cap);
    buf_release(&copy);
    return done;
}

static void put_sheet_foot(const char *slot, struct buf *out)
{
    buf_printf(out,
               "\nTo restore: type lines 1 to %d into a file, then\n"
               "    mainstay repo key import --from FILE --new-key-file KEY\n"
               "    mainstay restore --repo URL --repository-key-file KEY --to DIRECTORY\n"
               "If keys/ is lost, type all lines, and let them be stored again:\n"
               "    mainstay repo key import --from FILE --new-key-file KEY --recreate --repo URL\n"
               "After each `mainstay repo key rotate`, print a new sheet.\n"
               "When this sheet is lost, make it worthless for all that is stored from then on:\n"
               "    mainstay repo key remove --slot %s, then mainstay repo key rotate\n",
               SHEET_KEY_LINES, slot);
}

static bool print_sheet(const struct invocation *call, const struct repository *repository,
                        const uint8_t slot[KEY_ID_BYTES], const uint8_t key[SEAL_KEY_BYTES],
                        struct error *err)
{
    char hex[KEY_ID_SIZE];
    struct buf text;
    text_hex(slot, KEY_ID_BYTES, hex);
    buf_init(&text, OUTPUT_MAX_BYTES);
    bool done = buf_reserve(&text, SHEET_MAX_BYTES) != NULL || error_no_memory(err, "a sheet");
    put_sheet_head(call, repository, hex, &text);
    recovery_sheet_put(1, key, SEAL_KEY_BYTES, &text);
    done = done && put_copy(repository->keyring, &text, err);
    put_sheet_foot(hex, &text);
    done = done && output_write(call, &text, err);
    secret_wipe(text.data, text.cap);
    buf_release(&text);
    return done;
}

static struct key_slot_request paper_request(const struct key_material *material)
{
    return (struct key_slot_request){.kind = KEY_FILE,
                                     .grant = GRANT_ALL,
                                     .label = "paper",
                                     .material = material,
                                     .created_us = clock_now_us(&clock_system)};
}

static bool new_paper(struct key_material **out, struct error *err)
{
    *out = key_material_new();
    if (*out == NULL)
        return error_no_memory(err, "a key");
    (*out)->kind = KEY_FILE;
    return true;
}

/* A key of its own, so that it can be removed when the sheet is lost. */
static bool run_export(struct invocation *call, struct session *session, struct error *err)
{
    uint8_t slot[KEY_ID_BYTES];
    CLEANUP(key_material_cleanup) struct key_material *material = NULL;
    if (!invocation_has(call, "paper"))
        return error_set(err, ERROR_USAGE, "`mainstay repo key export` needs --paper");
    if (!new_paper(&material, err))
        return false;
    seal_random(material->key, sizeof material->key);
    const struct key_slot_request request = paper_request(material);
    return keyring_add(session->repository.keyring, &request, slot, err) &&
           print_sheet(call, &session->repository, slot, material->key, err);
}

/* The lines behind those of the key, back into the repository. */
static bool recreate(const struct invocation *call, const struct key_material *material,
                     const struct buf *sheet, struct error *err)
{
    uint8_t slot[KEY_ID_BYTES];
    CLEANUP(session_close) struct session session = {0};
    const struct key_slot_request request = paper_request(material);
    if (sheet->len == SEAL_KEY_BYTES)
        return error_set(err, ERROR_INVALID, "line %d of the recovery sheet is missing",
                         SHEET_KEY_LINES + 1);
    return session_open_store(&session, &call->config, err) &&
           repository_recreate_keys(session.store, sheet->data + SEAL_KEY_BYTES,
                                    sheet->len - SEAL_KEY_BYTES, &request, slot, err) &&
           say(call, "recreated key", slot, err);
}

/* A key file that was made of the same sheet before is as good. */
static bool make_key_file(const char *path, const struct key_material *material, struct error *err)
{
    struct error ignored;
    CLEANUP(key_material_cleanup) struct key_material *there = NULL;
    const struct key_options options = {.key_file = path};
    if (key_file_make(path, material->key, err))
        return true;
    return err->kind == ERROR_EXISTS && key_material_load(&options, &there, &ignored) &&
           seal_equal(there->key, material->key, SEAL_KEY_BYTES);
}

static bool import_sheet(const struct invocation *call, const char *from, const char *to,
                         struct buf *sheet, struct error *err)
{
    struct buf text;
    CLEANUP(key_material_cleanup) struct key_material *material = NULL;
    buf_init(&text, SHEET_MAX_BYTES);
    bool done = buf_reserve(&text, SHEET_MAX_BYTES) != NULL || error_no_memory(err, from);
    done = done && file_read_all(from, &text, err) && buf_check(&text, from, err) &&
           (buf_text(&text) != NULL || error_no_memory(err, from)) &&
           recovery_sheet_read(buf_text(&text), sheet, err) && new_paper(&material, err);
    secret_wipe(text.data, text.cap);
    buf_release(&text);
    if (!done)
        return false;
    memcpy(material->key, sheet->data, SEAL_KEY_BYTES);
    return make_key_file(to, material, err) &&
           (!invocation_has(call, "recreate") || recreate(call, material, sheet, err));
}

static bool run_import(const struct invocation *call, struct error *err)
{
    const char *from = invocation_value(call, "from");
    const char *to = invocation_value(call, "new-key-file");
    struct buf sheet;
    if (from == NULL || to == NULL)
        return error_set(err, ERROR_USAGE,
                         "`mainstay repo key import` needs --from FILE and --new-key-file FILE");
    if (!seal_start(err))
        return false;
    buf_init(&sheet, SHEET_MAX_BYTES);
    bool done = import_sheet(call, from, to, &sheet, err);
    secret_wipe(sheet.data, sheet.cap);
    buf_release(&sheet);
    return done;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

struct action {
    const char *name;
    const char *flags; /* that it takes, each between spaces */
    bool (*run)(struct invocation *call, struct session *session, struct error *err);
};

static const struct action actions[] = {
    {"list", "", run_list},
    {"add", " grant label new-key-file new-key-command new-passphrase-file recipient ", run_add},
    {"remove", " slot ", run_remove},
    {"rotate", "", run_rotate},
    {"rewrap", " label new-key-file new-key-command new-passphrase-file recipient ", run_rewrap},
    {"export", " paper ", run_export},
    {"import", " from new-key-file recreate ", NULL},
};

/* What an action cannot apply is an error, never ignored. */
static bool check_flags(const struct invocation *call, const struct action *action,
                        struct error *err)
{
    char word[TEXT_SIZE];
    for (size_t i = 0; i < command_flag_count(call->command); i++) {
        const char *name = call->command->flags[i].name;
        (void)snprintf(word, sizeof word, " %s ", name);
        if (invocation_has(call, name) && strstr(action->flags, word) == NULL)
            return error_set(err, ERROR_USAGE, "`mainstay repo key %s` takes no --%s", action->name,
                             name);
    }
    return true;
}

static bool run_action(struct invocation *call, const struct action *action, struct error *err)
{
    CLEANUP(session_close) struct session session = {0};
    if (!check_flags(call, action, err))
        return false;
    if (action->run == NULL)
        return run_import(call, err);
    return open_sealed(&session, call, err) && action->run(call, &session, err);
}

static bool run_key(struct invocation *call, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (strcmp(actions[i].name, call->operand) == 0)
            return run_action(call, &actions[i], err);
    return error_set(err, ERROR_USAGE,
                     "there is no `mainstay repo key %.40s`: list, add, remove, rotate, rewrap, "
                     "export and import exist",
                     call->operand);
}

const struct command command_repo_key = {
    .noun = "repo",
    .verb = "key",
    .summary = "the keys of a sealed repository: list, add, remove, rotate, rewrap, export, import",
    .details =
        "list shows every key and what it grants. add wraps all generations for one more key. "
        "remove takes a key away (the last one that opens what is stored stays); who copied it "
        "can still open what there is, therefore rotate afterwards. rotate begins a new generation "
        "of data keys: what is stored stays readable, snapshots go on incrementally. rewrap "
        "replaces the key in use, for a new passphrase. export --paper prints a recovery sheet "
        "with a key of its own and a copy of the data keys; import makes a key file of a sheet "
        "that "
        "was typed in. A change that was interrupted is run again: make one change at a time.",
    .groups = GROUP_REPOSITORY | GROUP_LOG,
    .flags =
        {
            {"slot", "ID", NULL, "remove: which key."},
            {"grant", "all|write", "all",
             "add: a key that may only write takes snapshots and streams WAL, and opens no page "
             "or WAL that is stored."},
            {"label", "TEXT", NULL, "add, rewrap: what the key is called."},
            {"new-key-file", "FILE", NULL, "The new key: a file, made when it is not there."},
            {"new-key-command", "COMMAND", NULL, "The new key: what a program prints."},
            {"new-passphrase-file", "FILE", NULL, "The new key: a passphrase."},
            {"recipient", "KEY", NULL,
             "The new key: an X25519 public key, 64 hexadecimal digits. Its holder needs "
             "repository.signer, too."},
            {"paper", NULL, NULL, "export: print a recovery sheet."},
            {"from", "FILE", NULL, "import: the lines of a recovery sheet."},
            {"recreate", NULL, NULL,
             "import: store the data keys of the sheet in the repository, where keys/ is lost."},
        },
    .operand = "ACTION",
    .examples = {"mainstay repo key add --grant write --new-key-file /etc/mainstay/writer.key",
                 "mainstay repo key export --paper | lpr", "mainstay repo key rotate"},
    .run = run_key,
};
