/*
 * A plan: a runbook, its parameters and what was found, frozen (src/runbook/README.md is the
 * format). Making one only reads, in one READ ONLY REPEATABLE READ transaction; the file is the
 * only thing that is ever written.
 */
#ifndef RUNBOOK_PLAN_H
#define RUNBOOK_PLAN_H

#include "document/value.h"
#include "postgres/connection.h"
#include "runbook/params.h"
#include "runbook/runbook.h"

enum { PLAN_FORMAT = 1, PLAN_MAX_BYTES = 64 * 1024 * 1024 };

struct plan {
    struct value *document;      /* owned */
    struct runbook *runbook;     /* owned: loaded from the plan's own source */
    struct param_values *params; /* owned */
    int64_t now_us;
    const char *digest; /* borrowed from the document */
};

struct plan_options {
    int64_t now_us;        /* :now */
    uint64_t sample_count; /* 0: as the runbook says */
};

/* In a transaction of its own, READ ONLY and REPEATABLE READ; the connection has none open. The
 * runbook is loaded again from its source, so that plan and file agree. ERROR_REFUSED when limits
 * are exceeded or a guard with `then: fail` holds (the counts are in the message); a guard with
 * `then: stop` is in the plan. Gives *out. */
MUST_CHECK bool plan_make(struct connection *connection, const struct runbook *runbook,
                          const struct param_values *params, const struct plan_options *options,
                          struct plan **out, struct error *err);

/* From the text of a plan file or of runs.plan; ERROR_CORRUPT when the digest is not that of the
 * text, or the runbook's source not that of its digest. Gives *out. */
MUST_CHECK bool plan_parse(const char *text, size_t len, const char *what, struct plan **out,
                           struct error *err);
/* The same from a file. */
MUST_CHECK bool plan_read(const char *path, struct plan **out, struct error *err);
/* The file's text, with ids; for people's eyes, on many lines. runs.plan has the same object on one
 * line (value_print), in a column that keeps the text as it is: its digest is checked again. */
MUST_CHECK bool plan_print(const struct plan *plan, struct buf *out, struct error *err);
void plan_free(struct plan *plan); /* NULL is allowed */
void plan_cleanup(struct plan **plan);

/* ERROR_REFUSED unless the database is the one of the plan. */
MUST_CHECK bool plan_check_database(const struct plan *plan, struct connection *connection,
                                    struct error *err);

/* The object of a step, in "steps" or "recover". ERROR_CORRUPT when it is not there. */
MUST_CHECK bool plan_step(const struct plan *plan, const char *section, size_t at,
                          const struct value **out, struct error *err);

/* The object of a selection in the document of a plan. */
MUST_CHECK bool plan_selection(const struct value *document, const char *name,
                               const struct value **out, struct error *err);

/* Ids as text: "1-3,7". Appending must be in ascending order. */
struct id_ranges {
    struct buf text;
    int64_t first; /* of the range that is open */
    int64_t last;
    uint64_t count;
};
void id_ranges_init(struct id_ranges *ranges, size_t max_bytes);
void id_ranges_release(struct id_ranges *ranges);
void id_ranges_add(struct id_ranges *ranges, int64_t id);
/* NUL-terminated, borrowed; NULL after a failure. Nothing is added behind it. */
const char *id_ranges_text(struct id_ranges *ranges);
typedef bool (*id_visit_fn)(void *context, int64_t id, struct error *err);
/* ERROR_CORRUPT for anything but ascending positive numbers. */
MUST_CHECK bool id_ranges_each(const char *text, id_visit_fn visit, void *context,
                               struct error *err);

#endif
