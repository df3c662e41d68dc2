/*
 * The outbox: notices rendered and stored in schema mainstay of the helpdesk's database, before
 * anything is sent (runbooks/adapters/core/3-notices.sql). One notice for each customer, template
 * and run; queueing again changes nothing. Nothing here touches the helpdesk's own tables, and
 * nothing here sends: notice/dispatch.h does.
 */
#ifndef NOTICE_OUTBOX_H
#define NOTICE_OUTBOX_H

#include "document/value.h"
#include "postgres/connection.h"

#include <stddef.h>
#include <stdint.h>

/* A notice as it will be stored. Texts are borrowed. */
struct notice_draft {
    int64_t customer_id;      /* 0: nobody's (a status update) */
    const char *customer_key; /* "c:<customer id>"; "webhook:<name>/<n>" */
    int64_t ticket_id;        /* the thread to answer in; 0: none */
    const char *api_ref;      /* NULL: none */
    const char *const *orders;
    size_t order_count;
    const char *channel; /* "email", "sms", "webhook", "helpdesk" */
    const char *address; /* of a webhook its name */
    const char *locale;
    const char *subject;
    const char *body_text;
    const char *body_html; /* NULL: none */
    int64_t not_before_us;
    int64_t expires_us;
    const char *suppressed; /* why nothing will be sent; NULL: it will */
};

/* What all drafts of a step share. */
struct notice_batch {
    const char *run_id;
    const char *step_id;
    const char *template_name;
    const char *purpose;
    int priority; /* lower goes first: outbox_priority */
};

/* safety 10, security 20, delay 50, service 80, status 100 */
int outbox_priority(const char *purpose);

enum { NOTICE_PROOF_SIZE = 17 };

/* 16 hex digits over customer key, channel, address, locale, orders, subject, texts and the
 * suppression; times are left out, because quiet hours move with the clock. */
MUST_CHECK bool notice_proof(const struct notice_draft *draft, char out[NOTICE_PROOF_SIZE],
                             struct error *err);

/* In the caller's transaction, by whoever holds the run's lease: of one run only one process queues
 * at a time. Notices that are there already stay as they are; *out_new counts the others. At most a
 * few thousand at once. */
MUST_CHECK bool outbox_queue(struct connection *connection, const struct notice_batch *batch,
                             const struct notice_draft *drafts, size_t count, uint64_t *out_new,
                             struct error *err);

/* Cancels what is not sent yet of a run (step NULL: of all its steps). In the caller's transaction.
 * What is being sent at this moment stays: *out_left counts what could not be called back. */
MUST_CHECK bool outbox_cancel(struct connection *connection, const char *run_id,
                              const char *step_id, const char *reason, uint64_t *out_cancelled,
                              uint64_t *out_left, struct error *err);

/* {"queued": 12, "suppressed": 3, ...}: the states of a run's notices, into `counts`. */
MUST_CHECK bool outbox_count(struct connection *connection, const char *run_id,
                             struct value *counts, struct error *err);

#endif
