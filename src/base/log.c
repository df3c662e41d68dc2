#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 };

static enum log_level current_level = LOG_INFO;
static bool as_json;

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

void log_configure(enum log_level level, bool json)
{
    current_level = level;
    as_json = json;
}

bool log_enabled(enum log_level level)
{
    return level <= current_level;
}

bool log_level_from_text(const char *text, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* JSON string without the quotes; bytes that are not printable ASCII or UTF-8 tails become \u. */
static void put_escaped(struct buf *line, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            buf_printf(line, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(line, "\\u%04x", c);
        else
            buf_put_u8(line, c);
    }
}

/* Control characters would let hostile names forge lines or drive the terminal. */
static void put_plain(struct buf *line, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        buf_put_u8(line, c < 0x20 || c == 0x7f ? '?' : c);
    }
}

static void put_field(struct buf *line, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    buf_printf(line, ",\"%s\":\"", name);
    put_escaped(line, value);
    buf_printf(line, "\"");
}

static void write_line(enum log_level level, const char *event, const char *text, const char *hint,
                       const char *kind)
{
    char when[TEXT_SIZE];
    struct buf line;
    buf_init(&line, LINE_BYTES * 4);
    (void)text_time_us(clock_now_us(&clock_system), when);
    if (as_json) {
        buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", when,
                   level_names[level], event);
        put_field(&line, "message", text);
        put_field(&line, "hint", hint);
        put_field(&line, "kind", kind);
        buf_printf(&line, "}\n");
    } else {
        buf_printf(&line, "%s %-7s ", when, level_names[level]);
        put_plain(&line, text);
        if (hint[0] != '\0') {
            buf_printf(&line, "\n%s hint    ", when);
            put_plain(&line, hint);
        }
        buf_printf(&line, "\n");
    }
    if (!line.failed && line.len > 0 && write(STDERR_FILENO, line.data, line.len) < 0)
        line.failed = true; /* nowhere left to say it */
    buf_release(&line);
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    write_line(level, event, text, "", "");
}

void log_error(const char *event, const struct error *err)
{
    write_line(LOG_ERROR, event, err->text, err->hint, error_kind_name(err->kind));
}
