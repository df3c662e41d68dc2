/* An alert as the JSON that its receiver wants. */
#ifndef DAEMON_ALERT_TEXT_H
#define DAEMON_ALERT_TEXT_H

#include "base/buf.h"
#include "base/secret.h"
#include "daemon/alert.h"

struct alert_target {
    const char *format;       /* "generic", "slack", "pagerduty" */
    const char *repository;   /* without passwords */
    const char *host;         /* which daemon says it */
    const struct secret *key; /* PagerDuty's routing key */
};

/* generic: {"alert", "state": "firing"|"resolved", "text", "since", "time", "repository", "host"}.
 * slack: {"text"} (incoming webhooks). pagerduty: Events API v2, "trigger" and "resolve" with the
 * same dedup_key, so that one incident is opened and closed. Appends to out. */
MUST_CHECK bool alert_put_json(const struct alert *alert, const struct alert_target *target,
                               struct buf *out, struct error *err);

#endif
