/*
 * Where webhooks go. Runbooks name them ("status-page"); what a name means is a file of that name
 * in the directory of the configuration (webhook.directory), so that a Kubernetes Secret mounted
 * there is all it takes:
 *
 *     line 1    the URL, which is a secret
 *     line 2    what is posted: "generic" (the default), "slack", or "pagerduty KEY"
 *
 * generic: {"id", "run", "template", "purpose", "subject", "text", "queued"}; slack: {"text"};
 * pagerduty: Events API v2, "trigger" with the run as dedup_key
 * (https://developer.pagerduty.com/docs/events-api-v2/trigger-events/).
 */
#ifndef NOTICE_WEBHOOK_H
#define NOTICE_WEBHOOK_H

#include "base/buf.h"
#include "base/secret.h"

struct webhook {
    struct secret url;
    struct secret key; /* pagerduty */
    const char *format;
};

/* ERROR_USAGE for a name that could leave the directory, ERROR_NOT_FOUND when there is no such
 * file, ERROR_REFUSED when everybody may read it, ERROR_INVALID for what it says. Gives *out
 * (webhook_release). */
MUST_CHECK bool webhook_load(const char *directory, const char *name, struct webhook *out,
                             struct error *err);
void webhook_release(struct webhook *webhook);

/* What a webhook is told; texts are borrowed. */
struct webhook_message {
    const char *id;
    const char *run_id;
    const char *template_name;
    const char *purpose;
    const char *subject;
    const char *text;
    const char *queued; /* RFC 3339 */
};

/* Appends the JSON. Text stays text: Slack's control characters & < > are escaped. */
MUST_CHECK bool webhook_put_json(const struct webhook *webhook,
                                 const struct webhook_message *message, struct buf *out,
                                 struct error *err);

#endif
