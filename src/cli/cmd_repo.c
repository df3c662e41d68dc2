/* mainstay repo init */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/session.h"

#include "base/log.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "postgres/wal_receiver.h"

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

static bool run_init(struct invocation *call, struct error *err)
{
    struct repository_settings settings;
    char id[2 * REPOSITORY_ID_BYTES + 1];
    CLEANUP(session_close) struct session session = {0};
    if (!config_fill_repository(&call->config, &settings, err) ||
        !session_open_store(&session, &call->config, err) ||
        !repository_create(session.store, &settings, &clock_system, &random_system,
                           &session.repository, err))
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
                 "mainstay repo init --repo "
                 "'s3://backup/main?endpoint=https://s3.example.net&region=eu-1'"},
    .run = run_init,
};
