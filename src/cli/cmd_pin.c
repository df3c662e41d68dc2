/* mainstay snapshot pin|unpin */
#include "cli/command_rows.h"
#include "cli/output.h"
#include "cli/session.h"

#include "base/text.h"
#include "repository/pin.h"

#include <inttypes.h>
#include <string.h>

enum { DATE_LEN = sizeof "2026-03-01" - 1 };

/* "2026-03-01" (its beginning in UTC) or a full time. */
static bool parse_end(const char *text, int64_t *out_us, struct error *err)
{
    char full[TEXT_SIZE];
    (void)snprintf(full, sizeof full, "%.29s%s", text,
                   strlen(text) == DATE_LEN ? "T00:00:00Z" : "");
    if (text_to_time_us(full, out_us))
        return true;
    (void)error_set(err, ERROR_USAGE, "--expires cannot be \"%.40s\"", text);
    return error_hint(err, "Give a date, 2026-03-01, or a time, 2026-03-01T12:00:00Z.");
}

static bool fill_pin(const struct invocation *call, struct pin *pin, struct error *err)
{
    const char *reason = invocation_value(call, "reason");
    const char *expires = invocation_value(call, "expires");
    if (reason == NULL || reason[0] == '\0')
        return error_set(err, ERROR_USAGE, "`mainstay snapshot pin` needs --reason TEXT");
    if (strlen(reason) >= PIN_REASON_SIZE)
        return error_set(err, ERROR_USAGE, "--reason can have %d bytes", PIN_REASON_SIZE - 1);
    *pin = (struct pin){.created_us = clock_now_us(&clock_system)};
    (void)snprintf(pin->reason, sizeof pin->reason, "%s", reason);
    return expires == NULL || parse_end(expires, &pin->expires_us, err);
}

static bool print_pin(const struct invocation *call, const struct pin *pin, struct error *err)
{
    char until[TEXT_SIZE];
    if (pin->expires_us != 0)
        (void)text_time_us(pin->expires_us, until);
    if (call->json) {
        CLEANUP(value_cleanup) struct value *root = value_new_object(err);
        return root != NULL && value_set_text(root, "snapshot", pin->snapshot_id, err) &&
               value_set_text_lossy(root, "reason", pin->reason, err) &&
               (pin->expires_us == 0 || value_set_text(root, "expires", until, err)) &&
               output_value(call, root, err);
    }
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "snapshot %s stays%s%s: ", pin->snapshot_id,
               pin->expires_us == 0 ? " until it is unpinned" : " until ",
               pin->expires_us == 0 ? "" : until);
    output_put_clean(pin->reason, &text);
    buf_printf(&text, "\n");
    return output_write(call, &text, err);
}

static bool run_pin(struct invocation *call, struct error *err)
{
    struct pin pin;
    const struct catalog_entry *entry;
    CLEANUP(session_close) struct session session = {0};
    CLEANUP(catalog_release) struct catalog catalog = {0};
    return fill_pin(call, &pin, err) && session_open(&session, &call->config, err) &&
           catalog_load(&session.repository, &catalog, err) &&
           catalog_find(&catalog, call->operand, &entry, err) &&
           pin_add(&session.repository, entry->info.id, &random_system, &pin, err) &&
           print_pin(call, &pin, err);
}

static bool print_unpinned(const struct invocation *call, const char *id, size_t count,
                           struct error *err)
{
    if (call->json) {
        CLEANUP(value_cleanup) struct value *root = value_new_object(err);
        return root != NULL && value_set_text(root, "snapshot", id, err) &&
               value_set_u64(root, "pins_removed", count, err) && output_value(call, root, err);
    }
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "snapshot %s: %zu %s removed\n", id, count,
               text_plural(count, "pin", "pins"));
    return output_write(call, &text, err);
}

static bool run_unpin(struct invocation *call, struct error *err)
{
    size_t count;
    const struct catalog_entry *entry;
    CLEANUP(session_close) struct session session = {0};
    CLEANUP(catalog_release) struct catalog catalog = {0};
    return session_open(&session, &call->config, err) &&
           catalog_load(&session.repository, &catalog, err) &&
           catalog_find(&catalog, call->operand, &entry, err) &&
           pin_remove_all(&session.repository, entry->info.id, &count, err) &&
           print_unpinned(call, entry->info.id, count, err);
}

const struct command command_snapshot_pin = {
    .noun = "snapshot",
    .verb = "pin",
    .summary = "keep a snapshot whatever the retention rules say",
    .details = "ID is an id, the beginning of one (at least 4 digits), or \"latest\". A snapshot "
               "may have several pins.",
    .groups = GROUP_REPOSITORY | GROUP_LOG,
    .flags = {{"reason", "TEXT", NULL, "Why; shown wherever the snapshot is. Required."},
              {"expires", "DATE", "never",
               "When the pin ends: 2026-03-01 (its beginning in UTC) or 2026-03-01T12:00:00Z."}},
    .operand = "ID",
    .examples = {"mainstay snapshot pin latest --reason 'before the migration' --expires "
                 "2027-01-01 --repo /srv/backup"},
    .run = run_pin,
};

const struct command command_snapshot_unpin = {
    .noun = "snapshot",
    .verb = "unpin",
    .summary = "remove the pins of a snapshot",
    .details = "From then on the retention rules decide.",
    .groups = GROUP_REPOSITORY | GROUP_LOG,
    .operand = "ID",
    .examples = {"mainstay snapshot unpin 3f2a --repo /srv/backup"},
    .run = run_unpin,
};
