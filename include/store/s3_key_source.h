/*
 * The sources of S3 keys, one file each (src/store/s3_key_*.c); s3_credentials chooses among them.
 * A source says what speaks against it, and reads keys. It keeps nothing: every read looks at its
 * files and variables again.
 *
 * What remote sources share: an answer of at most 64 KiB within a few seconds, no redirects, no
 * proxy for addresses of this machine, and messages that hold neither keys nor tokens.
 */
#ifndef STORE_S3_KEY_SOURCE_H
#define STORE_S3_KEY_SOURCE_H

#include "net/http_client.h"
#include "store/s3_credentials.h"

/* The options of s3_credentials_open, copied. NULL where nothing was given. */
struct s3_key_setup {
    char *access_key_file;
    char *secret_key_file;
    char *session_token_file;
    char *credentials_file;
    char *profile;
    char *ca_file;
    char *region;
    int64_t timeout_us;
    char *(*getenv)(const char *name);
};

struct s3_key_source {
    const char *name; /* "web identity" */
    bool remote;      /* asked over the network; its keys expire */
    /* NULL when this source is to be used, else why not: "AWS_ACCESS_KEY_ID is not set". */
    const char *(*absence)(const struct s3_key_setup *setup);
    /* Fills out, which is zeroed before; the caller releases it also after a failure. */
    bool (*read)(const struct s3_key_setup *setup, struct s3_keys *out, struct error *err);
};

extern const struct s3_key_source s3_key_files;
extern const struct s3_key_source s3_key_environment;
extern const struct s3_key_source s3_key_web_identity;
extern const struct s3_key_source s3_key_shared_file;
extern const struct s3_key_source s3_key_container;
extern const struct s3_key_source s3_key_instance;

/* True when the variable has a value. */
bool s3_key_has_variable(const struct s3_key_setup *setup, const char *name);
/* Gives a copy in *out, NULL when the variable is unset or empty. */
MUST_CHECK bool s3_key_variable(const struct s3_key_setup *setup, const char *name, char **out,
                                struct error *err);

/* One question to a remote source. Everything is borrowed. */
struct s3_key_question {
    const char *source; /* "STS": for messages */
    const char *ca_file;
    bool direct; /* through no proxy */
    int64_t timeout_us;
    struct http_request request;
    const struct secret *token; /* what was sent and must not be shown; NULL: nothing */
};

/* True for an answer 200, whose body is then in response: to be released with
 * s3_key_answer_release. The error tells the status and what the answer says about it. */
MUST_CHECK bool s3_key_ask(const struct s3_key_question *question, struct http_response *response,
                           struct error *err);
void s3_key_answer_release(struct http_response *response);

/* True for https, and for http to this machine ("localhost", 127.0.0.0/8, [::1]) or to one of the
 * hosts (ending in NULL; IPv6 in brackets). ERROR_REFUSED names the variable: keys and tokens go to
 * nobody else in clear text. */
MUST_CHECK bool s3_key_check_url(const char *url, const char *variable, const char *const *hosts,
                                 struct error *err);

#endif
