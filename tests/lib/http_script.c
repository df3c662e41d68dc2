#include "tests/lib/http_script.h"

#include "base/text.h"
#include "store/store_open.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 64 * 1024, RULES_MAX = 16 };

struct rule {
    char *request;
    int status;
    char *body;
};

struct http_script {
    pthread_t thread;
    int listener;
    int port;
    atomic_bool end;
    atomic_bool held;
    pthread_mutex_t lock; /* over what follows */
    struct rule rules[RULES_MAX];
    size_t rule_count;
    char request[REQUEST_MAX];
    char seen[REQUEST_MAX];
    int count;
};

static bool wait_readable(struct http_script *script, int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    while (!atomic_load(&script->end))
        if (poll(&wait, 1, 20) > 0)
            return true;
    return false;
}

/* Reads head and body into `to`. */
static bool read_request(struct http_script *script, int fd, char to[REQUEST_MAX])
{
    size_t len = 0;
    for (;;) {
        to[len] = '\0';
        const char *end = strstr(to, "\r\n\r\n");
        const char *length = strcasestr(to, "Content-Length: ");
        if (end != NULL &&
            len - (size_t)(end + 4 - to) >= (length == NULL ? 0 : strtoul(length + 16, NULL, 10)))
            return true;
        if (len + 1 == REQUEST_MAX || !wait_readable(script, fd))
            return false;
        ssize_t got = recv(fd, to + len, REQUEST_MAX - 1 - len, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
    }
}

static const struct rule *find_rule(const struct http_script *script, const char *request)
{
    for (size_t i = script->rule_count; i > 0; i--)
        if (strncmp(request, script->rules[i - 1].request, strlen(script->rules[i - 1].request)) ==
            0)
            return &script->rules[i - 1];
    return NULL;
}

/* Gives the answer; NULL for none. */
static char *make_answer(struct http_script *script, const char *request)
{
    char *answer = NULL;
    pthread_mutex_lock(&script->lock);
    memcpy(script->seen, request, strlen(request) + 1);
    script->count++;
    const struct rule *rule = find_rule(script, request);
    int status = rule == NULL ? 404 : rule->status;
    const char *body = rule == NULL ? "" : rule->body;
    if (status != 0 && asprintf(&answer,
                                "HTTP/1.1 %d Answer\r\nContent-Length: %zu\r\n"
                                "Connection: close\r\n\r\n%s",
                                status, strlen(body), body) < 0)
        answer = NULL;
    pthread_mutex_unlock(&script->lock);
    return answer;
}

static void serve_one(struct http_script *script, int fd)
{
    char byte;
    if (!read_request(script, fd, script->request))
        return;
    char *answer = make_answer(script, script->request);
    while (atomic_load(&script->held) && !atomic_load(&script->end))
        (void)poll(NULL, 0, 5);
    if (answer != NULL)
        (void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    else if (wait_readable(script, fd)) /* until the client goes */
        (void)recv(fd, &byte, 1, 0);
    free(answer);
}

static void *serve(void *context)
{
    struct http_script *script = context;
    while (wait_readable(script, script->listener)) {
        int fd = accept(script->listener, NULL, NULL);
        if (fd < 0)
            continue;
        serve_one(script, fd);
        (void)close(fd);
    }
    return NULL;
}

struct http_script *http_script_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    struct http_script *script = calloc(1, sizeof *script);
    assert(script != NULL);
    script->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool listening = bind(script->listener, (struct sockaddr *)&address, len) == 0 &&
                     listen(script->listener, 16) == 0 &&
                     getsockname(script->listener, (struct sockaddr *)&address, &len) == 0;
    script->port = ntohs(address.sin_port);
    (void)pthread_mutex_init(&script->lock, NULL);
    bool started = listening && pthread_create(&script->thread, NULL, serve, script) == 0;
    assert(started);
    (void)started;
    return script;
}

void http_script_stop(struct http_script *script)
{
    atomic_store(&script->end, true);
    pthread_join(script->thread, NULL);
    (void)close(script->listener);
    for (size_t i = 0; i < script->rule_count; i++) {
        free(script->rules[i].request);
        free(script->rules[i].body);
    }
    pthread_mutex_destroy(&script->lock);
    free(script);
}

int http_script_port(const struct http_script *script)
{
    return script->port;
}

void http_script_answer(struct http_script *script, const char *request, int status,
                        const char *body)
{
    pthread_mutex_lock(&script->lock);
    size_t at = 0;
    while (at < script->rule_count && strcmp(script->rules[at].request, request) != 0)
        at++;
    assert(at < RULES_MAX);
    if (at == script->rule_count)
        script->rules[script->rule_count++].request = strdup(request);
    free(script->rules[at].body);
    script->rules[at].status = status;
    script->rules[at].body = strdup(body);
    pthread_mutex_unlock(&script->lock);
}

void http_script_hold(struct http_script *script, bool held)
{
    atomic_store(&script->held, held);
}

int http_script_count(struct http_script *script)
{
    pthread_mutex_lock(&script->lock);
    int count = script->count;
    pthread_mutex_unlock(&script->lock);
    return count;
}

const char *http_script_seen(struct http_script *script)
{
    pthread_mutex_lock(&script->lock);
    const char *seen = script->seen;
    pthread_mutex_unlock(&script->lock);
    return seen;
}

static char *keys_only(const char *name)
{
    static char key[] = "key";
    return text_starts_with(name, "AWS_ACCESS_KEY") || text_starts_with(name, "AWS_SECRET") ? key
                                                                                            : NULL;
}

struct store *http_script_store(const struct http_script *script, const char *parameters)
{
    struct error err;
    struct store *store = NULL;
    char url[256];
    (void)snprintf(url, sizeof url, "s3://bucket/p?endpoint=http://127.0.0.1:%d%s",
                   http_script_port(script), parameters);
    const struct store_options options = {.url = url, .getenv = keys_only};
    if (!store_open(&options, &store, &err))
        (void)fprintf(stderr, "%s: %s\n", url, err.text);
    return store;
}
