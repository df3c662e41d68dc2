/* mainstay wal window */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/session.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "restore/window.h"

#include <inttypes.h>
#include <stdlib.h>

struct listing {
    struct recovery_view view;
    struct recovery_window *windows;
    size_t count;
};

static void listing_release(struct listing *listing)
{
    free(listing->windows);
    recovery_view_release(&listing->view);
}

/* A time that is not known is left out. */
static bool set_time(struct value *item, const char *key, int64_t time_us, struct error *err)
{
    char text[TEXT_SIZE];
    return time_us == 0 || value_set_text(item, key, text_time_exact_us(time_us, text), err);
}

static bool add_window_value(struct value *list, const struct recovery_window *window,
                             struct error *err)
{
    char lsn[TEXT_SIZE];
    struct value *item = value_append_new_object(list, err);
    return item != NULL && value_set_u64(item, "timeline", window->timeline, err) &&
           value_set_text(item, "first_lsn", text_lsn(window->first_lsn, lsn), err) &&
           value_set_text(item, "last_lsn", text_lsn(window->last_lsn, lsn), err) &&
           set_time(item, "first_time", window->first_us, err) &&
           set_time(item, "last_time", window->last_us, err) &&
           (window->missing_to == 0 ||
            value_set_text(item, "missing_to", text_lsn(window->missing_to, lsn), err)) &&
           value_set_u64(item, "snapshots", window->snapshot_count, err) &&
           value_set_text(item, "first_snapshot", window->first_snapshot, err) &&
           value_set_text(item, "last_snapshot", window->last_snapshot, err);
}

static bool print_json(const struct invocation *call, const struct listing *listing,
                       struct error *err)
{
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    struct value *windows = root == NULL ? NULL : value_set_new_array(root, "windows", err);
    struct value *problems = windows == NULL ? NULL : value_set_new_array(root, "problems", err);
    if (problems == NULL)
        return false;
    for (size_t i = 0; i < listing->count; i++)
        if (!add_window_value(windows, &listing->windows[i], err))
            return false;
    for (size_t i = 0; i < listing->view.chain_count; i++)
        if (listing->view.chains[i].problem[0] != '\0' &&
            !value_append_text_lossy(problems, listing->view.chains[i].problem, err))
            return false;
    return output_value(call, root, err);
}

static const struct text_column columns[] = {
    {"TIMELINE", true}, {"FROM", true},      {"AT", false},  {"TO", true},
    {"AT", false},      {"SNAPSHOTS", true}, {"NOTE", false}};

static bool add_window_row(struct text_table *table, const struct recovery_window *window,
                           struct error *err)
{
    char timeline[16];
    char count[24];
    char first[TEXT_SIZE];
    char last[TEXT_SIZE];
    char begin[TEXT_SIZE];
    char end[TEXT_SIZE] = "";
    char next[TEXT_SIZE];
    char note[TEXT_SIZE + 32] = "";
    (void)snprintf(timeline, sizeof timeline, "%" PRIu32, window->timeline);
    (void)snprintf(count, sizeof count, "%zu", window->snapshot_count);
    if (window->last_us != 0)
        (void)text_time_us(window->last_us, end);
    if (window->missing_to != 0)
        (void)snprintf(note, sizeof note, "WAL is missing up to %s",
                       text_lsn(window->missing_to, next));
    const char *const cells[] = {timeline,
                                 text_lsn(window->first_lsn, first),
                                 text_time_us(window->first_us, begin),
                                 text_lsn(window->last_lsn, last),
                                 end,
                                 count,
                                 note};
    return text_table_add(table, cells, err);
}

static bool print_text(const struct invocation *call, const struct listing *listing,
                       struct error *err)
{
    struct buf text;
    CLEANUP(text_table_release) struct text_table table;
    text_table_init(&table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < listing->count; i++)
        if (!add_window_row(&table, &listing->windows[i], err))
            return false;
    buf_init(&text, OUTPUT_MAX_BYTES);
    text_table_put(&table, &text);
    for (size_t i = 0; i < listing->view.chain_count; i++) {
        if (listing->view.chains[i].problem[0] == '\0')
            continue;
        output_put_clean(listing->view.chains[i].problem, &text);
        buf_printf(&text, "\n");
    }
    bool done = output_write(call, &text, err);
    buf_release(&text);
    return done;
}

static bool run_window(struct invocation *call, struct error *err)
{
    CLEANUP(session_close) struct session session = {0};
    CLEANUP(listing_release) struct listing listing = {.count = 0};
    if (!session_open(&session, &call->config, err) ||
        !recovery_view_load(&session.repository, &listing.view, err) ||
        !recovery_windows(&listing.view, &listing.windows, &listing.count, err))
        return false;
    return call->json ? print_json(call, &listing, err) : print_text(call, &listing, err);
}

const struct command command_wal_window = {
    .noun = "wal",
    .verb = "window",
    .summary = "show from which point to which the repository can recover",
    .details =
        "One line for every stretch of WAL without a gap that a snapshot leads into, on every "
        "timeline with the history that leads there.",
    .groups = GROUP_REPOSITORY | GROUP_LOG,
    .examples = {"mainstay wal window --repo /srv/backup"},
    .run = run_window,
};
