/*
 * The report of a run (runbook/run_report.h, with its timeline) for people: what happened to the
 * helpdesk, then everything that the run did.
 */
#ifndef CLI_RUN_REPORT_VIEW_H
#define CLI_RUN_REPORT_VIEW_H

#include "document/value.h"
#include "runbook/audit.h"

void run_report_put_markdown(const struct value *report, const struct audit_result *audit,
                             struct buf *out);
/* One page that needs nothing else (document/page.h), with charts. */
void run_report_put_html(const struct value *report, const struct audit_result *audit,
                         struct buf *out);

#endif
