/* mainstay repo init */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/session.h"

#include "base/text.h"
#include "config/config_fill.h"

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
    return call->json ? print_json(call, &session.repository, id, err)
                      : print_text(call, &session.repository, id, err);
}

const struct command command_repo_init = {
    .noun = "repo",
    .verb = "init",
    .summary = "make a repository in a directory or a bucket",
    .details = "Writes mainstay.json, once. A place that holds somebody else's objects is refused.",
    .groups = GROUP_REPOSITORY | GROUP_INIT | GROUP_LOG,
    .examples = {"mainstay repo init --repo /srv/backup",
                 "mainstay repo init --repo "
                 "'s3://backup/main?endpoint=https://s3.example.net&region=eu-1'"},
    .run = run_init,
};
