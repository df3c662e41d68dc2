/*
 * Whom not to write to, and why (mainstay.suppressions). A row names a customer ("c:42") or an
 * address
 * ("a:ada@example.org"), perhaps one channel only, perhaps until some time. What each reason means
 * for which notices is decided where notices are planned (runbook/notice_plan.h).
 *
 * As CSV: customer,channel,reason,source,expires_at; empty where there is nothing to say.
 */
#ifndef NOTICE_SUPPRESSION_H
#define NOTICE_SUPPRESSION_H

#include "document/csv.h"
#include "document/value.h"
#include "postgres/connection.h"

enum { SUPPRESSION_KEY_SIZE = 330 };

/* Texts are borrowed; NULL or "" = not given. */
struct suppression {
    const char *customer; /* "42", "c:42", "ada@example.org", "a:ada@example.org" */
    const char *channel;  /* "email", "sms", "helpdesk"; none: all of them */
    const char *reason;   /* "unsubscribed", "hard_bounce", "complaint", "legal_hold",
                             "test_account", "other" */
    const char *source;
    const char *expires; /* RFC 3339, with offset */
};

/* A number is a customer, anything with "@" an address (domain in lower case), "+..." a telephone
 * number. ERROR_USAGE for anything else. */
MUST_CHECK bool suppression_key(const char *customer, char out[SUPPRESSION_KEY_SIZE],
                                struct error *err);

/* Adds it, or changes source and end of the one that is there; *out_new is false then. ERROR_USAGE
 * for what is no customer, channel, reason or time. */
MUST_CHECK bool suppression_add(struct connection *connection,
                                const struct suppression *suppression, bool *out_new,
                                struct error *err);
/* Removes what there is for a customer (channel, reason: only those). */
MUST_CHECK bool suppression_remove(struct connection *connection,
                                   const struct suppression *suppression, uint64_t *out_removed,
                                   struct error *err);

/* All of them into an array of objects, by customer. */
MUST_CHECK bool suppression_list(struct connection *connection, struct value *array,
                                 struct error *err);
MUST_CHECK bool suppression_export(struct connection *connection, struct buf *out,
                                   struct error *err);
/* All records or none: one transaction. ERROR_INVALID names the line. */
MUST_CHECK bool suppression_import(struct connection *connection, struct csv *csv, const char *what,
                                   uint64_t *out_new, uint64_t *out_known, struct error *err);

#endif
