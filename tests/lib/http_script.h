/*
 * An HTTP server on the loopback that answers as a test says and keeps what it was asked. One
 * connection at a time, one answer each; in a thread of its own.
 */
#ifndef TESTS_HTTP_SCRIPT_H
#define TESTS_HTTP_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

struct http_script;
struct store;

struct http_script *http_script_start(void);
void http_script_stop(struct http_script *script);
int http_script_port(const struct http_script *script);

/* From now on requests whose "METHOD PATH" begins with `request` get this status and body, which
 * are copied. Status 0: no answer at all. The latest rule that fits counts; without one it is 404.
 */
void http_script_answer(struct http_script *script, const char *request, int status,
                        const char *body);
/* While held, a request is read but not answered. */
void http_script_hold(struct http_script *script, bool held);
/* A bucket at this server, with keys; parameters are those behind the endpoint in its URL. Prefix
 * "p". The caller closes it. */
struct store *http_script_store(const struct http_script *script, const char *parameters);
/* Requests read so far. */
int http_script_count(struct http_script *script);
/* The latest request, head and body, until the next call. */
const char *http_script_seen(struct http_script *script);

#endif
