/*
 * A small HTTP server for a few GET paths, over libmicrohttpd: the only place that includes its
 * header. No thread: the owner polls http_server_fd and calls http_server_run, and the handler is
 * called from in there. Other methods are answered with 405, other paths with 404.
 *
 * Limits: 32 connections, 8 from one address, 10 s of silence, 16 KiB for a request's head.
 */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

#include "base/buf.h"
#include "base/error.h"

#include <stdint.h>

enum { HTTP_SERVER_ANSWER_MAX_BYTES = 1024 * 1024 };

struct http_server;

struct http_answer {
    int status;               /* 200 unless set */
    const char *content_type; /* static text; "text/plain; charset=utf-8" unless set */
    struct buf body;          /* at most HTTP_SERVER_ANSWER_MAX_BYTES */
};

/* False: there is no such path. */
typedef bool (*http_handler_fn)(void *context, const char *path, struct http_answer *answer);

struct http_server_options {
    const char *host; /* IPv4 address: "127.0.0.1" */
    uint16_t port;    /* 0: a free one */
    http_handler_fn handler;
    void *context;
};

/* ERROR_USAGE for the address, ERROR_UNAVAILABLE when it cannot be listened on. Gives *out. */
MUST_CHECK bool http_server_open(const struct http_server_options *options,
                                 struct http_server **out, struct error *err);
void http_server_close(struct http_server *server); /* NULL is allowed */

/* Readable when there is work. */
int http_server_fd(const struct http_server *server);
/* How long the owner may wait at most before http_server_run, in milliseconds; -1 = any time. */
int http_server_wait_ms(const struct http_server *server);
/* Does what can be done without waiting. */
void http_server_run(struct http_server *server);
uint16_t http_server_port(const struct http_server *server);

#endif
