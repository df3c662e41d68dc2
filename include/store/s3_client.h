/*
 * Signed requests to one bucket: addresses, signs (Signature V4), sends, and when the store refuses
 * the keys reads them again and tries once more. May be used from several threads.
 */
#ifndef STORE_S3_CLIENT_H
#define STORE_S3_CLIENT_H

#include "base/clock.h"
#include "net/http_client.h"
#include "store/s3_answer.h"
#include "store/s3_credentials.h"
#include "store/s3_location.h"
#include "store/s3_sign.h"

enum { S3_CALL_PARAMS = 6, S3_CALL_HEADERS = 5 };

struct s3_client {
    struct s3_location location;
    struct s3_credentials *credentials;
    struct http_client *http;
    struct clock clock;
};

/* One request. Unused fields are zero; everything is borrowed. */
struct s3_call {
    const char *verb; /* "put object": for messages */
    const char *method;
    const char *key; /* below the store's prefix; NULL: the bucket itself */
    struct s3_param params[S3_CALL_PARAMS];
    struct http_header headers[S3_CALL_HEADERS];
    const void *body;
    size_t body_len;
    const uint8_t *sha256; /* of the body; NULL: computed */
    void *into;            /* see struct http_request */
    size_t into_size;
};

/* True when an answer came, whatever its status. */
MUST_CHECK bool s3_client_call(struct s3_client *client, const struct s3_call *call,
                               struct http_response *response, struct error *err);

/* Turns an answer that the caller did not want into err. Returns false. */
bool s3_client_refused(const struct s3_client *client, const struct s3_call *call,
                       const struct http_response *response, struct error *err);

void s3_client_release(struct s3_client *client);

#endif
