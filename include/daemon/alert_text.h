/* An alert as the JSON that its receiver wants. */
#ifndef DAEMON_ALERT_TEXT_H
#define DAEMON_ALERT_TEXT_H

#include "base/buf.h"
#include "base/secret.h"
#include "daemon/alert.h"

struct alert_target {
    const char *format;       /* "generic", "slack", "pagerduty", "template" */
    const char *text;         /* of the template; NULL without */
    const char *repository;   /* without passwords */
    const char *host;         /* which daemon says it */
    const struct secret *key; /* PagerDuty's routing key, or what the template wants */
};

enum { ALERT_TEMPLATE_MAX_BYTES = 16384, ALERT_JSON_MAX_BYTES = 65536 };

/* generic: {"alert", "state": "firing"|"resolved", "text", "since", "time", "repository", "host"}.
 * slack: {"text"} (incoming webhooks). pagerduty: Events API v2, "trigger" and "resolve" with the
 * same dedup_key, so that one incident is opened and closed. template: a JSON text with names in
 * its texts, "{{alert}}", as document/template.h fills them: alert, state, text, since, time,
 * repository, host, key. ERROR_INVALID for an unknown name, and when the result is no JSON. Appends
 * to out. */
MUST_CHECK bool alert_put_json(const struct alert *alert, const struct alert_target *target,
                               struct buf *out, struct error *err);

#endif
