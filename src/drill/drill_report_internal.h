/* What the reports of a drill say in the same words. Private to src/drill. */
#ifndef DRILL_DRILL_REPORT_INTERNAL_H
#define DRILL_DRILL_REPORT_INTERNAL_H

#include "base/text.h"
#include "drill/drill_report.h"

/* "12.3 s", or "not known" below 0. Returns out. */
const char *drill_report_duration(int64_t us, char out[TEXT_SIZE]);
/* "12.3 s, goal 15 min", "not known", "12.3 s". */
void drill_report_put_measure(int64_t us, int64_t goal_us, struct buf *out);
/* "passed", "failed", "skipped" */
const char *drill_report_outcome(enum drill_check_outcome outcome);
size_t drill_report_count(const struct drill_proof *proof, enum drill_check_outcome outcome);

/* What a reader wants to know about the drill, line by line: name and value. */
typedef void (*drill_report_fact_fn)(void *context, const char *name, const char *value);
void drill_report_each_fact(const struct drill_proof *proof, drill_report_fact_fn visit,
                            void *context);

#endif
