#include "restore/recovery_settings.h"

#include "base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BLOCK_BEGIN "# --- begin: recovery, written by mainstay restore"
#define BLOCK_END "# --- end: recovery, written by mainstay restore"

static bool has_control_character(const char *text)
{
    for (; *text != '\0'; text++)
        if (iscntrl((unsigned char)*text) != 0)
            return true;
    return false;
}

bool recovery_put_argument(const char *argument, struct buf *out, struct error *err)
{
    if (has_control_character(argument))
        return error_set(err, ERROR_INVALID,
                         "cannot write \"%.100s\" into a command: it has control characters",
                         argument);
    buf_printf(out, "%s'", out->len > 0 ? " " : "");
    for (const char *at = argument; *at != '\0'; at++) {
        if (*at == '\'')
            buf_printf(out, "'\\''");
        else if (*at == '%')
            buf_printf(out, "%%%%");
        else
            buf_put_u8(out, (uint8_t)*at);
    }
    buf_put_u8(out, '\'');
    return buf_check(out, "a command", err);
}

/* In a configuration file quotes are doubled and backslashes escape. */
static void put_setting(const char *name, const char *value, struct buf *out)
{
    buf_printf(out, "%s = '", name);
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '\'' || *at == '\\')
            buf_put_u8(out, (uint8_t)*at);
        buf_put_u8(out, (uint8_t)*at);
    }
    buf_printf(out, "'\n");
}

static bool is_recovery_setting(const char *line, size_t len)
{
    static const char *const names[] = {
        "restore_command",        "recovery_end_command",     "archive_cleanup_command",
        "recovery_target",        "recovery_target_time",     "recovery_target_lsn",
        "recovery_target_name",   "recovery_target_xid",      "recovery_target_inclusive",
        "recovery_target_action", "recovery_target_timeline", "recovery_min_apply_delay",
    };
    size_t begin = 0;
    while (begin < len && (line[begin] == ' ' || line[begin] == '\t'))
        begin++;
    size_t end = begin;
    while (end < len && (isalnum((unsigned char)line[end]) != 0 || line[end] == '_'))
        end++;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == end - begin &&
            strncasecmp(line + begin, names[i], end - begin) == 0)
            return true;
    return false;
}

static bool is_line(const char *line, size_t len, const char *wanted)
{
    return len == strlen(wanted) && memcmp(line, wanted, len) == 0;
}

static void put_old(const char *old, size_t len, struct buf *out)
{
    bool in_block = false;
    for (const char *at = old, *end = old + len; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t line_len = (size_t)((newline != NULL ? newline : end) - at);
        in_block |= is_line(at, line_len, BLOCK_BEGIN);
        if (!in_block) {
            if (is_recovery_setting(at, line_len))
                buf_printf(out, "# before mainstay restore: ");
            buf_put(out, at, line_len);
            buf_put_u8(out, '\n');
        }
        in_block &= !is_line(at, line_len, BLOCK_END);
        at += line_len + 1;
    }
}

/* The name of the setting of a target and its value; NULL for one without. */
static const char *target_setting(const struct recovery_target *target,
                                  char out_value[TARGET_TEXT_SIZE])
{
    switch (target->kind) {
    case TARGET_IMMEDIATE:
        (void)snprintf(out_value, TARGET_TEXT_SIZE, "immediate");
        return "recovery_target";
    case TARGET_TIME:
        (void)recovery_target_time_text(target->time_us, out_value);
        return "recovery_target_time";
    case TARGET_LSN:
        (void)text_lsn(target->lsn, out_value);
        return "recovery_target_lsn";
    case TARGET_NAME:
        (void)snprintf(out_value, TARGET_TEXT_SIZE, "%s", target->name);
        return "recovery_target_name";
    case TARGET_XID:
        (void)snprintf(out_value, TARGET_TEXT_SIZE, "%" PRIu32, target->xid);
        return "recovery_target_xid";
    default:
        return NULL;
    }
}

static void put_target(const struct recovery_target *target, struct buf *out)
{
    static const char *const targets[] = {"recovery_target", "recovery_target_lsn",
                                          "recovery_target_name", "recovery_target_time",
                                          "recovery_target_xid"};
    char value[TARGET_TEXT_SIZE];
    const char *wanted = target_setting(target, value);
    for (size_t i = 0; i < ARRAY_LEN(targets); i++)
        if (wanted == NULL || strcmp(targets[i], wanted) != 0)
            put_setting(targets[i], "", out);
    if (wanted != NULL)
        put_setting(wanted, value, out);
}

bool recovery_settings_print(const struct recovery_settings *settings, const char *old,
                             size_t old_len, struct buf *out, struct error *err)
{
    static const char *const actions[] = {
        [ACTION_PROMOTE] = "promote", [ACTION_PAUSE] = "pause", [ACTION_SHUTDOWN] = "shutdown"};
    const struct recovery_target *target = settings->target;
    const char *end_command = settings->recovery_end_command;
    char timeline[16];
    (void)snprintf(timeline, sizeof timeline, "%" PRIu32, settings->timeline);
    put_old(old, old_len, out);
    buf_printf(out, BLOCK_BEGIN "\n");
    put_setting("restore_command", settings->restore_command, out);
    put_setting("recovery_end_command", end_command == NULL ? "" : end_command, out);
    put_setting("archive_cleanup_command", "", out);
    put_setting("recovery_min_apply_delay", "0", out);
    put_setting("recovery_target_timeline", target->standby ? "latest" : timeline, out);
    put_setting("recovery_target_inclusive", target->exclusive ? "off" : "on", out);
    put_setting("recovery_target_action", actions[target->action], out);
    put_target(target, out);
    buf_printf(out, BLOCK_END "\n");
    return buf_check(out, AUTO_CONF_FILE, err);
}
