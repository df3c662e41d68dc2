/*
 * What S3 answers: listings and errors in XML, read with expat, and the table that turns every
 * error into kind, retryable and next step. Both S3 drivers use it.
 * Source: Amazon S3 API reference, ListObjectsV2 and "Error responses".
 */
#ifndef STORE_S3_ANSWER_H
#define STORE_S3_ANSWER_H

#include "base/buf.h"
#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

enum { S3_CODE_MAX = 64, S3_MESSAGE_MAX = 256, S3_ID_MAX = 128 };

/* One error answer. Empty texts where the store said nothing. */
struct s3_problem {
    int status; /* HTTP; 0 where the library does not tell */
    char code[S3_CODE_MAX];
    char message[S3_MESSAGE_MAX];
    char region[S3_CODE_MAX]; /* where the bucket is, for redirects and wrong regions */
    char endpoint[S3_ID_MAX]; /* the same as a host name */
    char request_id[S3_ID_MAX];
    int64_t retry_after_ms;
    bool has_skew;
    int64_t skew_s; /* the store's clock minus ours */
};

/* Fills code, message, region, endpoint and (unless known) request_id from an error body. What is
 * not XML leaves them as they are. */
void s3_problem_parse(struct s3_problem *problem, const void *body, size_t len);

/* Fills err from the table: `what` is "put object \"k\" in bucket \"b\"". Returns false. */
bool s3_problem_report(const struct s3_problem *problem, const char *what, struct error *err);

/* True when other keys may help: the store refused the ones that were used. Ceph says AccessDenied
 * for a session token that has expired, and InvalidArgument for one that it cannot read. */
bool s3_problem_is_about_keys(const struct s3_problem *problem, bool has_session_token);

/* As the store gave it: the key is not relative to our prefix. */
struct s3_object {
    char *key;
    uint64_t size_bytes;
    int64_t modified_us;
};

/* One page of a listing. */
struct s3_page {
    struct s3_object *objects;
    size_t count;
    size_t capacity;
    bool truncated;
    char *continuation; /* NULL when there is none */
};

MUST_CHECK bool s3_page_parse(struct s3_page *page, const void *body, size_t len,
                              struct error *err);
void s3_page_release(struct s3_page *page);

/* Room for one more object, zeroed; NULL when memory is short or there are unreasonably many. */
struct s3_object *s3_page_add(struct s3_page *page);

#endif
