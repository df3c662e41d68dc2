/*
 * The history of a timeline: which timelines it descends from, and where each of them ended.
 * Source: PostgreSQL src/backend/access/transam/timeline.c (readTimeLineHistory).
 */
#ifndef POSTGRES_TIMELINE_HISTORY_H
#define POSTGRES_TIMELINE_HISTORY_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { TIMELINE_HISTORY_MAX_BYTES = 1024 * 1024 };

/* `timeline` ended at `end_lsn`, where the next one begins. */
struct timeline_entry {
    uint32_t timeline;
    uint64_t end_lsn;
};

/* Parses the content of a .history file: "1<tab>0/3000158<tab>reason" a line, oldest first; empty
 * lines and lines beginning with # are skipped. Timelines must ascend and stay below `timeline`.
 * ERROR_INVALID otherwise. Gives *out (free), NULL when there are no entries. */
MUST_CHECK bool timeline_history_parse(const char *text, size_t len, uint32_t timeline,
                                       struct timeline_entry **out, size_t *out_count,
                                       struct error *err);

#endif
