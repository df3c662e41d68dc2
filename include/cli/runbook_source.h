/*
 * Where a command's runbook comes from: a NAME means the file NAME.yaml in runbook.directory, or
 * else the one that the program carries; what has a "/" in it or ends in ".yaml" is a file.
 */
#ifndef CLI_RUNBOOK_SOURCE_H
#define CLI_RUNBOOK_SOURCE_H

#include "base/buf.h"
#include "cli/command.h"
#include "runbook/runbook.h"

struct runbook_source {
    char *name;      /* without ".yaml" */
    char *file;      /* for messages: the path, or "built-in/carrier-outage.yaml" */
    bool built_in;   /* carried by the program */
    struct buf text; /* as it is, not checked; NUL-terminated beyond its length */
};

void runbook_source_release(struct runbook_source *source);

/* Reads the text. ERROR_NOT_FOUND names the nearest runbook. Gives *out. */
MUST_CHECK bool runbook_source_find(const struct invocation *call, const char *name_or_file,
                                    struct runbook_source *out, struct error *err);

/* The same, loaded; ERROR_INVALID with place and problem when it is not right. Gives *out. */
MUST_CHECK bool runbook_source_load(const struct invocation *call, const char *name_or_file,
                                    struct runbook **out, struct error *err);

/* Every runbook that a NAME can mean, sorted by name: those of runbook.directory hide those that
 * the program carries. Gives *out (runbook_sources_free). */
MUST_CHECK bool runbook_sources_list(const struct invocation *call, struct runbook_source **out,
                                     size_t *out_count, struct error *err);
void runbook_sources_free(struct runbook_source *sources, size_t count);

#endif
