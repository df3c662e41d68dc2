/*
 * What jobs leave behind about themselves, so that no daemon needs a memory of its own (FORMAT.md,
 * "Run"): when a clean-up ran last, which part of the repository was read when, and how it was.
 *
 *   runs/<job>/<time>-<part>-<parts>-<outcome>-<id>.json
 *
 * Everything that is decided upon stands in the name: one listing tells all. In a sealed repository
 * the newest run of each part is opened, too, and counts only when it was sealed under its name.
 */
#ifndef REPOSITORY_RUN_RECORD_H
#define REPOSITORY_RUN_RECORD_H

#include "repository/repository.h"

enum { RUN_PARTS_MAX = 1000, RUN_KEPT = 2 * RUN_PARTS_MAX };

enum run_job { RUN_VERIFY, RUN_EXPIRE, RUN_JOB_COUNT };
enum run_outcome { RUN_GOOD, RUN_DAMAGED };

struct run_record {
    enum run_job job;
    int64_t started_us;
    uint32_t part; /* 1 to parts; 1 of 1: everything */
    uint32_t parts;
    enum run_outcome outcome;
};

/* Stored when the job has done its work; of each job the newest RUN_KEPT stay. */
MUST_CHECK bool run_record_put(const struct repository *repository, const struct run_record *record,
                               const struct clock *clock, const struct random_source *random,
                               struct error *err);

struct run_list {
    struct run_record *records; /* by job, then oldest first */
    size_t count;
    size_t unreadable_count; /* that do not count */
    char problem[512];       /* of one of them, naming it; "" */
};

/* What has another name is left out. Of a sealed repository there is only the newest run of each
 * part that opens. Gives *out. */
MUST_CHECK bool run_list_load(const struct repository *repository, struct run_list *out,
                              struct error *err);
void run_list_release(struct run_list *list);

/* The start of the newest run of this job; 0 = none. */
int64_t run_list_last(const struct run_list *list, enum run_job job);

/* What verification has read so far. */
struct run_coverage {
    int64_t last_us;        /* start of the newest run; 0 = none */
    uint32_t parts;         /* as divided now */
    uint32_t parts_read;    /* of them, ever */
    uint32_t parts_damaged; /* when they were read last */
    int64_t since_us;       /* everything was read at this time or later; 0 = not everything was */
    uint32_t next;          /* the part that was read longest ago, 1 to parts */
};

/* For a division into `parts` (0: that of the newest run in parts). A run over everything counts
 * for each part, its damage too; runs of other divisions count for none. */
void run_list_coverage(const struct run_list *list, uint32_t parts, struct run_coverage *out);

#endif
