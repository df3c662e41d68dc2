/* mainstay repo init */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/session.h"

#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "postgres/wal_receiver.h"
#include "repository/keyring.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool print_json(const struct invocation *call, const struct repository *repository,
                       const char *id, struct error *err)
{
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    const struct repository_settings *settings = &repository->settings;
    return root != NULL && value_set_text(root, "repository_id", id, err) &&
           value_set_text(root, "codec", codec_name(settings->codec), err) &&
           value_set_i64(root, "level", settings->level, err) &&
           value_set_u64(root, "pack_bytes", settings->pack_bytes, err) &&
           output_value(call, root, err);
}

static bool print_text(const struct invocation *call, const struct repository *repository,
                       const char *id, struct error *err)
{
    char size[TEXT_SIZE];
    struct buf text;
    const struct repository_settings *settings = &repository->settings;
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "repository %s in ", id);
    struct buf url;
    buf_init(&url, 65536);
    config_put_masked(&call->config, OPTION_REPOSITORY_URL, &url);
    const char *shown = buf_text(&url);
    output_put_clean(shown == NULL ? "" : shown, &text);
    buf_release(&url);
    buf_printf(&text, "\ncodec %s level %d, packs of %s\n", codec_name(settings->codec),
               settings->level, text_bytes(settings->pack_bytes, size));
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static bool make_slot(const struct config *config, const char *slot, bool *out_created,
                      struct error *err)
{
    struct connection_options options;
    CLEANUP(secret_release) struct secret password = {0};
    return config_fill_connection(config, &password, &options, err) &&
           wal_slot_make(&options, slot, out_created, err);
}

/* Before the first snapshot, so that no WAL behind it is lost until the stream begins. The
 * repository is there in any case: what fails here is said, and can be done again. */
static void prepare_slot(const struct invocation *call)
{
    struct error err;
    bool created = false;
    const char *slot = config_text(&call->config, OPTION_WAL_SLOT);
    if (config_text(&call->config, OPTION_POSTGRES_CONNECTION) == NULL ||
        invocation_has(call, "no-slot"))
        return;
    if (!make_slot(&call->config, slot, &created, &err))
        log_event(LOG_WARNING, "repository.no_slot",
                  "replication slot \"%s\" was not made: %s. `mainstay doctor --fix` tries again, "
                  "`mainstay wal stream` makes it, too",
                  slot, err.text);
    else if (created)
        log_event(LOG_WARNING, "repository.slot",
                  "created replication slot \"%s\": the server keeps all WAL until `mainstay wal "
                  "stream` or mainstayd takes it. If neither will run: SELECT "
                  "pg_drop_replication_slot('%s');",
                  slot, slot);
}

/* A key file that is not there yet is made with a random key. */
static bool make_key_file(const struct key_options *keys, struct error *err)
{
    uint8_t key[SEAL_KEY_BYTES];
    if (keys->key_file == NULL || access(keys->key_file, F_OK) == 0 || errno != ENOENT)
        return true;
    if (!seal_start(err))
        return false;
    seal_random(key, sizeof key);
    bool done = key_file_make(keys->key_file, key, err);
    secret_wipe(key, sizeof key);
    return done;
}

static bool first_slot(const struct key_options *keys, struct key_material **material,
                       struct key_slot_request *out, struct error *err)
{
    if (keys->identity_file != NULL)
        return error_set(err, ERROR_USAGE,
                         "the first key is a key file, a command or a passphrase; recipients are "
                         "added with `mainstay repo key add`");
    if (keys->signer != NULL)
        return error_set(err, ERROR_USAGE,
                         "cannot make a repository with repository.signer: its signer is made with "
                         "it");
    if (!make_key_file(keys, err) || !key_material_load(keys, material, err))
        return false;
    *out = (struct key_slot_request){.kind = (*material)->kind,
                                     .grant = GRANT_ALL,
                                     .label = "first",
                                     .material = *material,
                                     .created_us = clock_now_us(&clock_system)};
    return true;
}

static bool create_sealed(struct session *session, const struct repository_settings *settings,
                          const struct key_options *keys, struct error *err)
{
    struct key_slot_request slot;
    CLEANUP(key_material_cleanup) struct key_material *material = NULL;
    if (!first_slot(keys, &material, &slot, err) ||
        !repository_create_sealed(session->store, settings, &clock_system, &random_system, &slot,
                                  &session->repository, err))
        return false;
    log_event(LOG_WARNING, "repository.sealed",
              "this repository is sealed: without its key nothing in it can be restored, by "
              "nobody. Print a recovery sheet now and keep it apart from this machine: mainstay "
              "repo key export --paper");
    return true;
}

static bool create(struct session *session, const struct config *config, struct error *err)
{
    struct key_options keys;
    struct repository_settings settings;
    config_fill_keys(config, &keys);
    if (!config_fill_repository(config, &settings, err) ||
        !session_open_store(session, config, err))
        return false;
    if (keys.wish == ENCRYPTION_SEALED)
        return create_sealed(session, &settings, &keys, err);
    if (key_options_given(&keys) || keys.signer != NULL) {
        (void)error_set(err, ERROR_USAGE,
                        "cannot make a repository: a key is given, and encryption is not asked "
                        "for");
        return error_hint(err, "Add --repository-encryption sealed, or leave the key out.");
    }
    return repository_create(session->store, &settings, &clock_system, &random_system,
                             &session->repository, err);
}

static bool run_init(struct invocation *call, struct error *err)
{
    char id[2 * REPOSITORY_ID_BYTES + 1];
    CLEANUP(session_close) struct session session = {0};
    if (!create(&session, &call->config, err))
        return false;
    text_hex(session.repository.id, sizeof session.repository.id, id);
    prepare_slot(call);
    return call->json ? print_json(call, &session.repository, id, err)
                      : print_text(call, &session.repository, id, err);
}

const struct command command_repo_init = {
    .noun = "repo",
    .verb = "init",
    .summary = "make a repository in a directory or a bucket",
    .details = "Writes mainstay.json, once. A place that holds somebody else's objects is refused. "
               "Where a connection is configured the replication slot of the WAL stream is made, "
               "too: from then on the server keeps all WAL for the stream.",
    .groups = GROUP_REPOSITORY | GROUP_INIT | GROUP_POSTGRES | GROUP_SLOT | GROUP_LOG,
    .flags = {{"no-slot", NULL, NULL, "Make no replication slot."}},
    .examples = {"mainstay repo init --repo /srv/backup",
                 "mainstay repo init --repo /srv/backup --repository-encryption sealed "
                 "--repository-key-file /etc/mainstay/repository.key",
                 "mainstay repo init --repo "
                 "'s3://backup/main?endpoint=https://s3.example.net&region=eu-1'"},
    .run = run_init,
};
