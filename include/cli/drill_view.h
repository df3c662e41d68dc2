/* Drills as a person reads them at three in the morning: did it pass, what broke, what it means. */
#ifndef CLI_DRILL_VIEW_H
#define CLI_DRILL_VIEW_H

#include "cli/command.h"
#include "document/value.h"
#include "drill/drill.h"
#include "drill/drill_report.h"

/* One drill: verdict, the numbers, a table of its checks. */
MUST_CHECK bool drill_view_put(const struct drill_proof *proof, struct buf *out, struct error *err);

/* "html" and the like; NULL for a format that there is not: json, junit, markdown, html. */
const char *drill_view_suffix(const char *format);
MUST_CHECK bool drill_view_put_report(const struct drill_proof *proof,
                                      const struct drill_history *history, const char *format,
                                      struct buf *out, struct error *err);

/* What a drill would do. */
void drill_view_put_plan(const struct drill_options *options, const struct drill_plan *plan,
                         struct buf *out);
MUST_CHECK struct value *drill_view_plan_value(const struct drill_options *options,
                                               const struct drill_plan *plan, struct error *err);

#endif
