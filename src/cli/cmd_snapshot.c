/* mainstay snapshot create|list|show|verify */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/progress_view.h"
#include "cli/session.h"

#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "config/config_fill.h"
#include "postgres/advisory_lock.h"
#include "repository/pin.h"
#include "snapshot/snapshot.h"

#include <inttypes.h>
#include <string.h>

/* The summary as a JSON object, as it stands in the manifest. */
static struct value *info_value(const struct snapshot_info *info, struct error *err)
{
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    struct value *value = NULL;
    if (snapshot_info_to_json(info, &text, err))
        value = value_parse(text.data, text.len, OUTPUT_MAX_BYTES, "the summary", err);
    buf_release(&text);
    return value;
}

static bool print_info_json(const struct invocation *call, const struct snapshot_info *info,
                            struct error *err)
{
    CLEANUP(value_cleanup) struct value *value = info_value(info, err);
    return value != NULL && output_value(call, value, err);
}

static void put_pages(const struct snapshot_info *info, struct buf *out)
{
    char ratio[TEXT_SIZE] = "nothing new";
    char read[TEXT_SIZE];
    char stored[TEXT_SIZE];
    if (info->bytes_stored > 0)
        (void)snprintf(ratio, sizeof ratio, "%.1f:1",
                       (double)info->data_bytes / (double)info->bytes_stored);
    buf_printf(out, "  read %s in %" PRIu64 " %s, stored %s in %" PRIu64 " new %s (%s)\n",
               text_bytes(info->data_bytes, read), info->file_count,
               text_plural(info->file_count, "file", "files"),
               text_bytes(info->bytes_stored, stored), info->packs_new,
               text_plural(info->packs_new, "pack", "packs"), ratio);
    buf_printf(out, "  pages: %" PRIu64 " changed, %" PRIu64 " reused, %" PRIu64 " in all\n",
               info->pages_stored, info->pages_reused, info->pages_total);
}

static void put_head(const struct snapshot_info *info, struct buf *out)
{
    char took[TEXT_SIZE];
    buf_printf(out, "snapshot %s: ", info->id);
    if (info->full)
        buf_printf(out, "full");
    else
        buf_printf(out, "incremental to %s", info->parent_id);
    if (info->full && info->reason[0] != '\0') {
        buf_printf(out, " (");
        output_put_clean(info->reason, out);
        buf_printf(out, ")");
    }
    buf_printf(out, ", %s\n", text_duration_us(info->finished_us - info->started_us, took));
}

static void put_position(const struct snapshot_info *info, struct buf *out)
{
    char start[TEXT_SIZE];
    char stop[TEXT_SIZE];
    buf_printf(out, "  WAL %s to %s on timeline %" PRIu32 "%s\n", text_lsn(info->start_lsn, start),
               text_lsn(info->stop_lsn, stop), info->timeline,
               info->wal_included ? ", included" : ", in the archive");
}

static void put_warnings(const struct snapshot_info *info, struct buf *out)
{
    for (size_t i = 0; i < info->warning_count; i++) {
        buf_printf(out, "  warning: ");
        output_put_clean(info->warnings[i], out);
        buf_printf(out, "\n");
    }
}

static bool print_created(const struct invocation *call, const struct snapshot_info *info,
                          struct error *err)
{
    struct buf text;
    if (call->json)
        return print_info_json(call, info, err);
    buf_init(&text, OUTPUT_MAX_BYTES);
    put_head(info, &text);
    put_pages(info, &text);
    put_position(info, &text);
    put_warnings(info, &text);
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

/* One snapshot of a repository at a time, whoever takes it: a second one would store the same pages
 * again. A role that may only replicate cannot be asked to agree; its snapshots are as good. */
static bool wait_for_turn(const struct session *session, const struct connection_options *options,
                          struct connection **out, struct error *err)
{
    struct error refused;
    bool taken = false;
    int64_t key = advisory_lock_key("snapshot", session->repository.id, REPOSITORY_ID_BYTES);
    if (!connection_open(options, out, &refused)) {
        log_event(LOG_DEBUG, "snapshot.alone", "not coordinated with other snapshots: %s",
                  refused.text);
        return stop_check(err);
    }
    if (!advisory_lock_try(*out, key, &taken, err))
        return false;
    if (taken)
        return true;
    log_event(LOG_INFO, "snapshot.waiting",
              "another snapshot of this repository is being taken; waiting for it to end");
    return advisory_lock_wait(*out, key, err);
}

static bool create(struct invocation *call, const struct session *session,
                   struct snapshot_info *info, struct error *err)
{
    struct progress progress = {.phase = NULL};
    struct snapshot_options options;
    CLEANUP(secret_release) struct secret password = {0};
    CLEANUP(progress_view_stop) struct progress_view view = {0};
    CLEANUP(connection_cleanup) struct connection *turn = NULL;
    config_fill_snapshot(&call->config, &options);
    if (!config_fill_connection(&call->config, &password, &options.connection, err) ||
        !wait_for_turn(session, &options.connection, &turn, err))
        return false;
    options.full = invocation_has(call, "full");
    options.progress = &progress;
    progress_view_start(&view, &progress, call);
    return snapshot_create(&session->repository, &options, info, err);
}

static bool run_create(struct invocation *call, struct error *err)
{
    struct snapshot_info info = {0};
    CLEANUP(session_close) struct session session = {0};
    if (!session_open_fenced(&session, call, err) || !create(call, &session, &info, err))
        return false;
    if (info.damaged_pages) {
        call->exit_code = error_exit_code(ERROR_CORRUPT);
        log_event(LOG_WARNING, "snapshot.damaged",
                  "the server reported damaged pages; snapshot %s holds them as they are", info.id);
    }
    bool done = print_created(call, &info, err);
    snapshot_info_release(&info);
    return done;
}

/* What a list of snapshots is made of. */
struct listing {
    struct session session;
    struct catalog catalog;
    struct pin_list pins;
};

static bool listing_open(struct listing *listing, const struct invocation *call, struct error *err)
{
    return session_open(&listing->session, &call->config, err) &&
           catalog_load(&listing->session.repository, &listing->catalog, err) &&
           pin_list_load(&listing->session.repository, &listing->pins, err);
}

static void listing_close(struct listing *listing)
{
    pin_list_release(&listing->pins);
    catalog_release(&listing->catalog);
    session_close(&listing->session);
}

/* The next pin of this snapshot from *at on, or NULL. Moves *at behind it. */
static const struct pin *next_pin(const struct pin_list *pins, const char *id, size_t *at)
{
    while (*at < pins->count) {
        const struct pin *pin = &pins->pins[(*at)++];
        if (strcmp(pin->snapshot_id, id) == 0)
            return pin;
    }
    return NULL;
}

/* "before the migration, until 2027-01-01T00:00:00Z" */
static void put_pin(const struct pin *pin, struct buf *out)
{
    char time[TEXT_SIZE];
    output_put_clean(pin->readable ? pin->reason : "the pin cannot be read", out);
    if (pin->expires_us != 0)
        buf_printf(out, ", until %s", text_time_us(pin->expires_us, time));
    if (!pin_holds(pin, clock_now_us(&clock_system)))
        buf_printf(out, " (expired)");
}

static bool add_pin_values(struct value *item, const struct pin_list *pins, const char *id,
                           struct error *err)
{
    char time[TEXT_SIZE];
    size_t at = 0;
    struct value *list = value_set_new_array(item, "pins", err);
    if (list == NULL)
        return false;
    for (const struct pin *pin = next_pin(pins, id, &at); pin != NULL;
         pin = next_pin(pins, id, &at)) {
        struct value *one = value_append_new_object(list, err);
        if (one == NULL || !value_set_text_lossy(one, "reason", pin->reason, err) ||
            !value_set_text(one, "created", text_time_us(pin->created_us, time), err) ||
            (pin->expires_us != 0 &&
             !value_set_text(one, "expires", text_time_us(pin->expires_us, time), err)))
            return false;
    }
    return true;
}

static bool add_entry_value(const void *context, size_t at, struct value *list, struct error *err)
{
    const struct listing *listing = context;
    const struct catalog_entry *entry = &listing->catalog.entries[at];
    struct value *item = value_append_new_object(list, err);
    if (item == NULL || !value_set_text_lossy(item, "key", entry->key, err) ||
        !value_set_bool(item, "readable", entry->readable, err))
        return false;
    if (!entry->readable)
        return value_set_text_lossy(item, "problem", entry->problem, err);
    struct value *info = info_value(&entry->info, err);
    return info != NULL && value_set(item, "snapshot", info, err) &&
           add_pin_values(item, &listing->pins, entry->info.id, err);
}

static const struct text_column list_columns[] = {
    {"ID", false},    {"TIME", false}, {"KIND", false},    {"SIZE", true},
    {"STORED", true}, {"LSN", true},   {"DURATION", true}, {"LABEL", false}};

/* The label, and what holds the snapshot. */
static void put_label(const struct snapshot_info *info, const struct pin_list *pins,
                      struct buf *out)
{
    size_t at = 0;
    buf_printf(out, "%s", info->label);
    for (const struct pin *pin = next_pin(pins, info->id, &at); pin != NULL;
         pin = next_pin(pins, info->id, &at)) {
        buf_printf(out, " [pinned: ");
        put_pin(pin, out);
        buf_printf(out, "]");
    }
}

static bool add_entry_row(const void *context, size_t at, struct text_table *table,
                          struct error *err)
{
    const struct listing *listing = context;
    const struct catalog_entry *entry = &listing->catalog.entries[at];
    char time[TEXT_SIZE];
    char size[TEXT_SIZE];
    char stored[TEXT_SIZE];
    char lsn[TEXT_SIZE];
    char took[TEXT_SIZE];
    const struct snapshot_info *info = &entry->info;
    if (!entry->readable) {
        const char *const cells[] = {"unreadable", entry->key, "", "", "", "", "", entry->problem};
        return text_table_add(table, cells, err);
    }
    CLEANUP(buf_release) struct buf label;
    buf_init(&label, OUTPUT_MAX_BYTES);
    put_label(info, &listing->pins, &label);
    if (!buf_check(&label, "a table", err))
        return false;
    const char *kind = info->damaged_pages ? "damaged" : info->full ? "full" : "incremental";
    const char *const cells[] = {info->id,
                                 text_time_us(info->started_us, time),
                                 kind,
                                 text_bytes(info->data_bytes, size),
                                 text_bytes(info->bytes_stored, stored),
                                 text_lsn(info->start_lsn, lsn),
                                 text_duration_us(info->finished_us - info->started_us, took),
                                 buf_text(&label)};
    return text_table_add(table, cells, err);
}

static bool run_list(struct invocation *call, struct error *err)
{
    CLEANUP(listing_close) struct listing listing = {0};
    if (!listing_open(&listing, call, err))
        return false;
    const struct output_list list = {.name = "snapshots",
                                     .columns = list_columns,
                                     .column_count = ARRAY_LEN(list_columns),
                                     .count = listing.catalog.count,
                                     .context = &listing,
                                     .add_value = add_entry_value,
                                     .add_row = add_entry_row};
    return output_list(call, &list, err);
}

static void put_line(const char *name, const char *text, struct buf *out)
{
    if (text[0] == '\0')
        return;
    buf_printf(out, "%-12s ", name);
    output_put_clean(text, out);
    buf_printf(out, "\n");
}

static void put_server(const struct snapshot_info *info, struct buf *out)
{
    char number[24];
    (void)snprintf(number, sizeof number, "%" PRIu64, info->system_identifier);
    put_line("label", info->label, out);
    put_line("reason", info->reason, out);
    put_line("server", info->server_version, out);
    put_line("system", number, out);
    put_line("checksums", info->data_checksums ? "on" : "off", out);
    for (size_t i = 0; i < info->tablespace_count; i++) {
        (void)snprintf(number, sizeof number, "%" PRIu32, info->tablespaces[i].oid);
        buf_printf(out, "%-12s %s ", "tablespace", number);
        output_put_clean(info->tablespaces[i].path, out);
        buf_printf(out, "\n");
    }
}

static void put_pins(const struct snapshot_info *info, const struct pin_list *pins, struct buf *out)
{
    size_t at = 0;
    for (const struct pin *pin = next_pin(pins, info->id, &at); pin != NULL;
         pin = next_pin(pins, info->id, &at)) {
        buf_printf(out, "%-12s ", "pinned");
        put_pin(pin, out);
        buf_printf(out, "\n");
    }
}

static bool print_shown(const struct invocation *call, const struct snapshot_info *info,
                        const struct pin_list *pins, struct error *err)
{
    char time[TEXT_SIZE];
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    put_head(info, &text);
    put_pages(info, &text);
    buf_printf(&text, "  needs %" PRIu64 " %s\n", info->pack_count,
               text_plural(info->pack_count, "pack", "packs"));
    put_position(info, &text);
    put_line("started", text_time_us(info->started_us, time), &text);
    put_line("finished", text_time_us(info->finished_us, time), &text);
    put_server(info, &text);
    put_pins(info, pins, &text);
    put_warnings(info, &text);
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static bool print_shown_json(const struct invocation *call, const struct snapshot_info *info,
                             const struct pin_list *pins, struct error *err)
{
    CLEANUP(value_cleanup) struct value *value = info_value(info, err);
    return value != NULL && add_pin_values(value, pins, info->id, err) &&
           output_value(call, value, err);
}

static bool run_show(struct invocation *call, struct error *err)
{
    const struct catalog_entry *entry;
    const char *wanted = call->operand == NULL ? "latest" : call->operand;
    CLEANUP(listing_close) struct listing listing = {0};
    if (!listing_open(&listing, call, err) || !catalog_find(&listing.catalog, wanted, &entry, err))
        return false;
    if (!entry->readable)
        return error_set(err, ERROR_CORRUPT, "could not read snapshot \"%s\": %s", entry->key,
                         entry->problem);
    return call->json ? print_shown_json(call, &entry->info, &listing.pins, err)
                      : print_shown(call, &entry->info, &listing.pins, err);
}

const struct command command_snapshot_create = {
    .noun = "snapshot",
    .verb = "create",
    .summary = "take a snapshot of a running server",
    .details =
        "The first snapshot is full; every later one reads everything and stores the pages "
        "that changed. Exit code 4 says that the server reported damaged pages: the "
        "snapshot exists and holds them as they are. Where `mainstay wal stream` stores the WAL "
        "of the server in the same repository, the snapshot takes none of its own, and is "
        "finished when the stream has stored the WAL up to its end.",
    .groups = GROUP_REPOSITORY | GROUP_POSTGRES | GROUP_SNAPSHOT | GROUP_SLOT | GROUP_LOG,
    .flags = {{"full", NULL, NULL, "Take every page anew, whatever older snapshots hold."},
              SESSION_TERM_FLAG},
    .examples = {"mainstay snapshot create --repo /srv/backup --connection 'host=/run/postgresql'",
                 "mainstay snapshot create --config /etc/mainstay/mainstay.yaml --json"},
    .confined = true,
    .run = run_create,
};

const struct command command_snapshot_list = {
    .noun = "snapshot",
    .verb = "list",
    .summary = "show the snapshots of a repository, newest last",
    .details = "A snapshot whose manifest cannot be read is shown with the problem.",
    .groups = GROUP_REPOSITORY | GROUP_LOG,
    .examples = {"mainstay snapshot list --repo /srv/backup"},
    .run = run_list,
};

const struct command command_snapshot_show = {
    .noun = "snapshot",
    .verb = "show",
    .summary = "show one snapshot with its warnings",
    .details = "ID is an id, the beginning of one (at least 4 digits), or \"latest\", which is the "
               "default.",
    .groups = GROUP_REPOSITORY | GROUP_LOG,
    .operand = "ID",
    .operand_optional = true,
    .examples = {"mainstay snapshot show latest --repo /srv/backup"},
    .run = run_show,
};
