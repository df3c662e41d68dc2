/*
 * Reports of one drill for people and for other programs. Pure: the same proof and history give the
 * same bytes. All of them are safe whatever the texts hold (ticket content in an assertion's answer
 * is normal): everything is escaped for where it stands.
 */
#ifndef DRILL_DRILL_REPORT_H
#define DRILL_DRILL_REPORT_H

#include "base/buf.h"
#include "drill/drill_proof.h"

/* Earlier drills, oldest first, without the reported one. */
struct drill_history {
    const struct drill_proof *proofs;
    size_t count;
};

/* One test suite, one case for each check; the format that CI servers read. */
MUST_CHECK bool drill_report_junit(const struct drill_proof *proof, struct buf *out,
                                   struct error *err);
MUST_CHECK bool drill_report_markdown(const struct drill_proof *proof,
                                      const struct drill_history *history, struct buf *out,
                                      struct error *err);
/* One self-contained page: no script, no font, no image from elsewhere. Phases as bars; RTO, RPO
 * and size over the history. */
MUST_CHECK bool drill_report_html(const struct drill_proof *proof,
                                  const struct drill_history *history, struct buf *out,
                                  struct error *err);

#endif
