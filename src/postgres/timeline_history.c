#include "postgres/timeline_history.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 4096, ENTRIES_MAX = 100000 };

/* "1\t0/3000158\tno recovery target specified": the reason may hold anything. */
static bool parse_line(char *line, struct timeline_entry *out)
{
    char *save = NULL;
    const char *timeline = strtok_r(line, " \t", &save);
    const char *lsn = strtok_r(NULL, " \t", &save);
    uint64_t number = 0;
    if (timeline == NULL || lsn == NULL || !text_to_u64(timeline, &number) || number == 0 ||
        number > UINT32_MAX || !text_to_lsn(lsn, &out->end_lsn))
        return false;
    out->timeline = (uint32_t)number;
    return true;
}

static bool append_entry(struct timeline_entry **entries, size_t *count,
                         const struct timeline_entry *entry, struct error *err)
{
    struct timeline_entry *grown = reallocarray(*entries, *count + 1, sizeof **entries);
    if (grown == NULL || *count >= ENTRIES_MAX) {
        *entries = grown != NULL ? grown : *entries;
        return error_no_memory(err, "a timeline history");
    }
    *entries = grown;
    grown[(*count)++] = *entry;
    return true;
}

/* Copies the line without leading blanks; returns false for empty lines and comments. */
static bool copy_line(const char *text, size_t len, char out[LINE_SIZE])
{
    while (len > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        len--;
    }
    if (len > 0 && text[len - 1] == '\r')
        len--;
    if (len == 0 || *text == '#')
        return false;
    if (len >= LINE_SIZE)
        len = LINE_SIZE - 1; /* only the reason can be long */
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

bool timeline_history_parse(const char *text, size_t len, uint32_t timeline,
                            struct timeline_entry **out, size_t *out_count, struct error *err)
{
    CLEANUP(free_pointer) struct timeline_entry *entries = NULL;
    size_t count = 0;
    char line[LINE_SIZE];
    for (const char *at = text, *end = text + len; at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t line_len = (size_t)((line_end != NULL ? line_end : end) - at);
        bool used = copy_line(at, line_len, line);
        at += line_len + 1;
        if (!used)
            continue;
        struct timeline_entry entry;
        if (!parse_line(line, &entry))
            return error_set(err, ERROR_INVALID,
                             "cannot read the history of timeline %" PRIu32 ": malformed line %zu",
                             timeline, count + 1);
        uint32_t newest = count > 0 ? entries[count - 1].timeline : 0;
        if (entry.timeline <= newest || entry.timeline >= timeline)
            return error_set(err, ERROR_INVALID,
                             "cannot read the history of timeline %" PRIu32 ": timeline %" PRIu32
                             " is out of order",
                             timeline, entry.timeline);
        if (!append_entry(&entries, &count, &entry, err))
            return false;
    }
    *out_count = count;
    *out = TAKE(entries);
    return true;
}
