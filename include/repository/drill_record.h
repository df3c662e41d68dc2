/*
 * Proofs of restore drills in the repository (FORMAT.md, "Drill"): the JSON object that
 * drill/drill_proof.h makes, under a name that tells when it was and how it ended.
 *
 *   drills/<time>-<passed|failed>-<id>.json
 */
#ifndef REPOSITORY_DRILL_RECORD_H
#define REPOSITORY_DRILL_RECORD_H

#include "document/value.h"
#include "repository/repository.h"

enum { DRILL_ID_SIZE = 17, DRILLS_KEPT = 1000 };

struct drill_record {
    char id[DRILL_ID_SIZE]; /* 16 hex digits */
    int64_t started_us;
    bool passed;
};

/* Stores the proof; the newest DRILLS_KEPT stay. */
MUST_CHECK bool drill_record_put(const struct repository *repository,
                                 const struct drill_record *record, const struct value *proof,
                                 struct error *err);

struct drill_list {
    struct drill_record *records; /* oldest first */
    size_t count;
};

/* One listing; what has another name is left out. Gives *out. */
MUST_CHECK bool drill_list_load(const struct repository *repository, struct drill_list *out,
                                struct error *err);
void drill_list_release(struct drill_list *list);

/* "latest", an id or a unique beginning of one (4 digits or more). ERROR_NOT_FOUND, ERROR_USAGE.
 * Borrowed from the list. */
MUST_CHECK bool drill_list_find(const struct drill_list *list, const char *wanted,
                                const struct drill_record **out, struct error *err);

/* Reads one proof. Gives the root. */
MUST_CHECK struct value *drill_record_get(const struct repository *repository,
                                          const struct drill_record *record, struct error *err);

/* How the drills went, for `mainstay status`: the numbers are those of the newest good one. */
struct drill_summary {
    uint64_t count;
    uint64_t failures_in_row; /* since the last good one */
    int64_t last_us;          /* start of the newest; 0 = there is none */
    int64_t good_us;          /* start of the newest good one; 0 = none */
    int64_t duration_us;
    int64_t rto_us; /* -1 = not known */
    int64_t rpo_us; /* -1 = not known */
};
MUST_CHECK bool drill_summary_load(const struct repository *repository, struct drill_summary *out,
                                   struct error *err);

#endif
