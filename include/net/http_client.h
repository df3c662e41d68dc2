/*
 * HTTP requests over libcurl: the only place that includes its headers.
 *
 * A client may be used from several threads at once. It keeps one idle connection for each request
 * that was ever in flight at the same time, so steady work reuses warm connections. Certificates
 * are always verified. Redirects are answers like any other: the caller decides. The answer is read
 * while the body is sent, and a large body waits (briefly) for the server's "100 Continue", so that
 * a refused upload is not sent. A stop request ends every request within about a second.
 *
 * Bodies are neither logged nor put into messages, and neither are headers: they hold secrets.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct http_client;

struct http_options {
    const char *ca_file; /* PEM; NULL: the system's. Borrowed until http_client_new returns */
    int64_t connect_timeout_us; /* 0: 10 s */
    int64_t stall_timeout_us;   /* no byte moves in either direction for this long; 0: 60 s */
    int64_t total_timeout_us;   /* of a whole request, for answers that are small; 0: none */
    bool direct;                /* through no proxy, whatever the environment says */
};

struct http_header {
    const char *name; /* without the colon */
    const char *value;
};

/* Everything is borrowed for the call. */
struct http_request {
    const char *method; /* "GET", "HEAD", "PUT", "POST", "DELETE" */
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    const void *body;
    size_t body_len;
    /* Where the body of a 2xx answer goes; NULL: response.body. A longer one is ERROR_INVALID. */
    void *into;
    size_t into_size;
};

struct http_response {
    int status;
    size_t into_len;    /* bytes written to request.into */
    struct buf body;    /* error bodies, and 2xx bodies without request.into; stated maximum */
    struct buf headers; /* read with http_response_header */
};

/* Gives *out. */
MUST_CHECK bool http_client_new(const struct http_options *options, struct http_client **out,
                                struct error *err);
/* No request may be in flight. NULL is allowed. */
void http_client_free(struct http_client *client);

/* Whether nobody in between can read or change what goes to a URL: https, or this machine itself.
 * ERROR_REFUSED otherwise, ERROR_INVALID for what is no URL; the URL, which may be a secret, is in
 * no message. */
MUST_CHECK bool http_url_is_private(const char *url, struct error *err);

void http_response_init(struct http_response *response, size_t body_max);
void http_response_release(struct http_response *response);

/*
 * True when an answer came, whatever its status; the response then replaces what was in it.
 * Errors: ERROR_UNAVAILABLE with retryable set (no connection, no answer, broken off: a request
 * without an answer may have been carried out), ERROR_DENIED (certificate), ERROR_USAGE (URL,
 * ca_file), ERROR_INVALID (answer above its maximum), ERROR_CANCELLED.
 */
MUST_CHECK bool http_send(struct http_client *client, const struct http_request *request,
                          struct http_response *response, struct error *err);

/* Value of a header of the final answer (any case), borrowed from the response; NULL when absent.
 */
const char *http_response_header(const struct http_response *response, const char *name);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110) to microseconds since 1970. */
MUST_CHECK bool http_date_parse(const char *text, int64_t *out_unix_us);

/* Retry-After in milliseconds: seconds, or a date relative to the answer's own Date; else 0. */
int64_t http_retry_after_ms(const struct http_response *response);

#endif
