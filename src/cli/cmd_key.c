/* mainstay repo key list|add|remove|rotate|rewrap|export|import */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/recovery_sheet.h"
#include "cli/session.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
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
    return fill_request(call, &material, &request, err) &&
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
    return keyring_rotate(session->repository.keyring, generation, err) &&
           say(call, "began key generation", generation, err);
}

/* The key in use gives way to a new one. */
static bool run_rewrap(struct invocation *call, struct session *session, struct error *err)
{
    uint8_t slot[KEY_ID_BYTES];
    struct key_slot_request request;
    struct keyring *keyring = session->repository.keyring;
    CLEANUP(key_material_cleanup) struct key_material *material = NULL;
    return fill_request(call, &material, &request, err) &&
           keyring_add(keyring, &request, slot, err) &&
           keyring_remove(keyring, keyring_slot(keyring), err) &&
           say(call, "replaced the key in use by key", slot, err);
}

/* --- paper --------------------------------------------------------------------------------------
 */

static bool print_sheet(const struct invocation *call, const struct repository *repository,
                        const uint8_t slot[KEY_ID_BYTES], const uint8_t key[SEAL_KEY_BYTES],
                        struct error *err)
{
    char id[2 * REPOSITORY_ID_BYTES + 1];
    char hex[KEY_ID_SIZE];
    char today[TEXT_SIZE];
    struct buf text;
    text_hex(repository->id, sizeof repository->id, id);
    text_hex(slot, KEY_ID_BYTES, hex);
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "MAINSTAY RECOVERY SHEET\n\nrepository  ");
    config_put_masked(&call->config, OPTION_REPOSITORY_URL, &text);
    buf_printf(&text,
               "\nid          %s\nkey         %s (opens everything)\nprinted     %s\n\n"
               "Whoever has these lines can read every ticket in the repository.\n\n",
               id, hex, text_time_us(clock_now_us(&clock_system), today));
    recovery_sheet_put(key, &text);
    buf_printf(&text,
               "\nTo restore: type the four lines into a file, then\n"
               "    mainstay repo key import --from FILE --new-key-file KEY\n"
               "    mainstay restore --repo URL --repository-key-file KEY --to DIRECTORY\n"
               "To make this sheet worthless: mainstay repo key remove --slot %s\n",
               hex);
    bool done = output_write(call, &text, err);
    secret_wipe(text.data, text.cap);
    buf_release(&text);
    return done;
}

/* A key of its own, so that it can be removed when the sheet is lost. */
static bool run_export(struct invocation *call, struct session *session, struct error *err)
{
    uint8_t slot[KEY_ID_BYTES];
    if (!invocation_has(call, "paper"))
        return error_set(err, ERROR_USAGE, "`mainstay repo key export` needs --paper");
    CLEANUP(key_material_cleanup)
    struct key_material *material = key_material_new();
    if (material == NULL)
        return error_no_memory(err, "a key");
    material->kind = KEY_FILE;
    seal_random(material->key, sizeof material->key);
    const struct key_slot_request request = {.kind = KEY_FILE,
                                             .grant = GRANT_ALL,
                                             .label = "paper",
                                             .material = material,
                                             .created_us = clock_now_us(&clock_system)};
    return keyring_add(session->repository.keyring, &request, slot, err) &&
           print_sheet(call, &session->repository, slot, material->key, err);
}

static bool run_import(const struct invocation *call, struct error *err)
{
    uint8_t key[SEAL_KEY_BYTES];
    const char *from = invocation_value(call, "from");
    const char *to = invocation_value(call, "new-key-file");
    struct buf text;
    if (from == NULL || to == NULL)
        return error_set(err, ERROR_USAGE,
                         "`mainstay repo key import` needs --from FILE and --new-key-file FILE");
    buf_init(&text, SHEET_MAX_BYTES);
    bool done = file_read_all(from, &text, err) && buf_check(&text, from, err) &&
                (buf_text(&text) != NULL || error_no_memory(err, from)) &&
                recovery_sheet_read(buf_text(&text), key, err) && key_file_make(to, key, err);
    secret_wipe(key, sizeof key);
    secret_wipe(text.data, text.cap);
    buf_release(&text);
    return done;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    bool (*run)(struct invocation *call, struct session *session, struct error *err);
} actions[] = {
    {"list", run_list},     {"add", run_add},       {"remove", run_remove},
    {"rotate", run_rotate}, {"rewrap", run_rewrap}, {"export", run_export},
};

static bool run_key(struct invocation *call, struct error *err)
{
    CLEANUP(session_close) struct session session = {0};
    if (strcmp(call->operand, "import") == 0)
        return run_import(call, err);
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (strcmp(actions[i].name, call->operand) == 0)
            return open_sealed(&session, call, err) && actions[i].run(call, &session, err);
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
        "with a key of its own; import makes a key file of a sheet that was typed in.",
    .groups = GROUP_REPOSITORY | GROUP_LOG,
    .flags =
        {
            {"slot", "ID", NULL, "remove: which key."},
            {"grant", "all|write", "all",
             "add: a key that may only write takes snapshots and streams WAL, and opens no page "
             "or WAL that is stored."},
            {"label", "TEXT", NULL, "add: what the key is called."},
            {"new-key-file", "FILE", NULL, "The new key: a file, made when it is not there."},
            {"new-key-command", "COMMAND", NULL, "The new key: what a program prints."},
            {"new-passphrase-file", "FILE", NULL, "The new key: a passphrase."},
            {"recipient", "KEY", NULL,
             "The new key: an X25519 public key, 64 hexadecimal digits. Its holder needs "
             "repository.signer, too."},
            {"paper", NULL, NULL, "export: print a recovery sheet."},
            {"from", "FILE", NULL, "import: the lines of a recovery sheet."},
        },
    .operand = "ACTION",
    .examples = {"mainstay repo key add --grant write --new-key-file /etc/mainstay/writer.key",
                 "mainstay repo key export --paper | lpr", "mainstay repo key rotate"},
    .run = run_key,
};
