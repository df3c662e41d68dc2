#include "net/http_client.h"

#include "base/cleanup.h"
#include "base/stop.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    HEADERS_MAX_BYTES = 64 * 1024,
    /* From here on a body waits for the server's word before it is sent. */
    EXPECT_FROM_BYTES = 1024 * 1024,
    EXPECT_WAIT_MS = 1000,
    SEND_BUFFER_BYTES = 512 * 1024,
    RECEIVE_BUFFER_BYTES = 256 * 1024,
    IDLE_MAX = 64,
    RETRY_AFTER_MAX_S = 24 * 3600,
};

struct http_client {
    char *ca_file;
    long connect_timeout_ms;
    long stall_timeout_s;
    long total_timeout_ms; /* 0: none */
    bool direct;
    pthread_mutex_t lock;
    CURL *idle[IDLE_MAX]; /* a stack: the warmest connection is used first */
    size_t idle_count;
};

/* One request in flight; the callbacks' context. */
struct transfer {
    const struct http_request *request;
    struct http_response *response;
    size_t sent;
    bool too_long;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void curl_start(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool http_client_new(const struct http_options *options, struct http_client **out,
                     struct error *err)
{
    pthread_once(&curl_once, curl_start);
    if (curl_ready != CURLE_OK)
        return error_set(err, ERROR_IO, "could not start libcurl: %s",
                         curl_easy_strerror(curl_ready));
    struct http_client *client = calloc(1, sizeof *client);
    char *ca_file = options->ca_file == NULL ? NULL : strdup(options->ca_file);
    if (client == NULL || (options->ca_file != NULL && ca_file == NULL)) {
        free(client);
        free(ca_file);
        return error_no_memory(err, "an HTTP client");
    }
    int64_t connect_us = options->connect_timeout_us > 0 ? options->connect_timeout_us : 10000000;
    int64_t stall_us = options->stall_timeout_us > 0 ? options->stall_timeout_us : 60000000;
    client->ca_file = ca_file;
    client->connect_timeout_ms = (long)((connect_us + 999) / 1000);
    client->stall_timeout_s = (long)((stall_us + 999999) / 1000000);
    client->total_timeout_ms = (long)((options->total_timeout_us + 999) / 1000);
    client->direct = options->direct;
    (void)pthread_mutex_init(&client->lock, NULL);
    *out = client;
    return true;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    for (size_t i = 0; i < client->idle_count; i++)
        curl_easy_cleanup(client->idle[i]);
    pthread_mutex_destroy(&client->lock);
    free(client->ca_file);
    free(client);
}

static void url_cleanup(CURLU **url)
{
    curl_url_cleanup(*url);
}

static void curl_text_cleanup(char **text)
{
    curl_free(*text);
}

static bool is_this_machine(const char *host)
{
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) == 1)
        return (ntohl(address.s_addr) >> 24) == 127;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

bool http_url_is_private(const char *url, struct error *err)
{
    CLEANUP(url_cleanup) CURLU *parsed = curl_url();
    CLEANUP(curl_text_cleanup) char *scheme = NULL;
    CLEANUP(curl_text_cleanup) char *host = NULL;
    if (parsed == NULL)
        return error_no_memory(err, "a URL");
    if (curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        return error_set(err, ERROR_INVALID, "it is no URL");
    if (strcmp(scheme, "https") == 0 || (strcmp(scheme, "http") == 0 && is_this_machine(host)))
        return true;
    (void)error_set(err, ERROR_REFUSED, "its URL is %s, which everybody in between can read",
                    strcmp(scheme, "http") == 0 ? "plain http" : "not https");
    return error_hint(err, "Use https, or set webhook.plain-http to \"true\" on a network that you "
                           "trust.");
}

void http_response_init(struct http_response *response, size_t body_max)
{
    *response = (struct http_response){0};
    buf_init(&response->body, body_max);
    buf_init(&response->headers, HEADERS_MAX_BYTES);
}

void http_response_release(struct http_response *response)
{
    buf_release(&response->body);
    buf_release(&response->headers);
}

static CURL *take_handle(struct http_client *client)
{
    CURL *handle = NULL;
    pthread_mutex_lock(&client->lock);
    if (client->idle_count > 0)
        handle = client->idle[--client->idle_count];
    pthread_mutex_unlock(&client->lock);
    return handle != NULL ? handle : curl_easy_init();
}

static void return_handle(struct http_client *client, CURL *handle)
{
    curl_easy_reset(handle); /* forgets borrowed pointers, keeps the connection */
    pthread_mutex_lock(&client->lock);
    bool kept = client->idle_count < IDLE_MAX;
    if (kept)
        client->idle[client->idle_count++] = handle;
    pthread_mutex_unlock(&client->lock);
    if (!kept)
        curl_easy_cleanup(handle);
}

static size_t on_read(char *to, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t left = transfer->request->body_len - transfer->sent;
    size_t len = size * count < left ? size * count : left;
    if (len > 0)
        memcpy(to, (const char *)transfer->request->body + transfer->sent, len);
    transfer->sent += len;
    return len;
}

/* libcurl goes back to the start when a kept connection turns out to be dead. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
    struct transfer *transfer = context;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > transfer->request->body_len)
        return CURL_SEEKFUNC_FAIL;
    transfer->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_write(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    const struct http_request *request = transfer->request;
    struct http_response *response = transfer->response;
    size_t len = size * count;
    if (request->into == NULL || response->status / 100 != 2) {
        buf_put(&response->body, bytes, len);
        transfer->too_long = response->body.failed;
        return response->body.failed ? 0 : len;
    }
    transfer->too_long = len > request->into_size - response->into_len;
    if (transfer->too_long)
        return 0;
    memcpy((char *)request->into + response->into_len, bytes, len);
    response->into_len += len;
    return len;
}

/* Each answer (100 Continue is one too) starts anew with its status line. */
static void start_answer(struct http_response *response, const char *line, size_t len)
{
    char text[32];
    size_t used = len < sizeof text - 1 ? len : sizeof text - 1;
    memcpy(text, line, used);
    text[used] = '\0';
    const char *space = strchr(text, ' ');
    response->status = space == NULL ? 0 : (int)strtol(space, NULL, 10);
    response->into_len = 0;
    buf_clear(&response->headers);
    buf_clear(&response->body);
}

/* Kept as name NUL value NUL. */
static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    struct buf *headers = &transfer->response->headers;
    size_t len = size * count;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
        start_answer(transfer->response, line, len);
    const char *colon = memchr(line, ':', len);
    if (colon == NULL || memchr(line, '\0', len) != NULL)
        return len;
    const char *value = colon + 1;
    const char *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    buf_put(headers, line, (size_t)(colon - line));
    buf_put_u8(headers, 0);
    buf_put(headers, value, (size_t)(end - value));
    buf_put_u8(headers, 0);
    transfer->too_long = headers->failed;
    return headers->failed ? 0 : len;
}

static int on_progress(void *context, curl_off_t down_total, curl_off_t down_now,
                       curl_off_t up_total, curl_off_t up_now)
{
    (void)context;
    (void)down_total;
    (void)down_now;
    (void)up_total;
    (void)up_now;
    return stop_requested() ? 1 : 0;
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    /* libcurl reads "Name:" as "do not send it" and "Name;" as "send it empty". */
    CLEANUP(free_pointer)
    char *line = *value == '\0' ? text_format("%s;", name) : text_format("%s: %s", name, value);
    struct curl_slist *longer = line == NULL ? NULL : curl_slist_append(*list, line);
    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

static bool make_headers(const struct http_request *request, struct curl_slist **list)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (!add_header(list, request->headers[i].name, request->headers[i].value))
            return false;
    if (request->body_len >= EXPECT_FROM_BYTES)
        return add_header(list, "Expect", "100-continue");
    struct curl_slist *longer = curl_slist_append(*list, "Expect:");
    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

static void set_connection(CURL *handle, const struct http_client *client)
{
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, client->connect_timeout_ms);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, client->stall_timeout_s);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, client->total_timeout_ms);
    curl_easy_setopt(handle, CURLOPT_EXPECT_100_TIMEOUT_MS, (long)EXPECT_WAIT_MS);
    curl_easy_setopt(handle, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER_BYTES);
    curl_easy_setopt(handle, CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_BUFFER_BYTES);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(handle, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (client->direct)
        curl_easy_setopt(handle, CURLOPT_PROXY, "");
    if (client->ca_file != NULL)
        curl_easy_setopt(handle, CURLOPT_CAINFO, client->ca_file);
}

static void set_callbacks(CURL *handle, struct transfer *transfer)
{
    curl_easy_setopt(handle, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(handle, CURLOPT_READDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(handle, CURLOPT_SEEKDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
}

static void set_request(CURL *handle, const struct http_request *request)
{
    curl_easy_setopt(handle, CURLOPT_URL, request->url);
    curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
        return;
    }
    if (strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_len);
    }
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request->method);
}

struct failure {
    CURLcode code;
    enum error_kind kind;
    bool retryable;
    const char *hint; /* NULL: the text says it all */
};

static const struct failure failures[] = {
    {CURLE_ABORTED_BY_CALLBACK, ERROR_CANCELLED, false, NULL},
    {CURLE_OUT_OF_MEMORY, ERROR_NO_MEMORY, false, NULL},
    {CURLE_URL_MALFORMAT, ERROR_USAGE, false, "Check the endpoint in the store's URL."},
    {CURLE_UNSUPPORTED_PROTOCOL, ERROR_USAGE, false,
     "Check the scheme (http, https) and the port of the endpoint: this is no HTTP."},
    {CURLE_SSL_CACERT_BADFILE, ERROR_USAGE, false, "Check the CA file: it must be readable PEM."},
    {CURLE_PEER_FAILED_VERIFICATION, ERROR_DENIED, false,
     "Give the CA that signed the server's certificate as the store's CA file, and use the host "
     "name that the certificate carries."},
    {CURLE_COULDNT_RESOLVE_HOST, ERROR_UNAVAILABLE, true,
     "Check the host name of the endpoint and the name service of this machine."},
    {CURLE_COULDNT_RESOLVE_PROXY, ERROR_UNAVAILABLE, true,
     "Check the proxy in the environment (https_proxy, no_proxy)."},
    {CURLE_COULDNT_CONNECT, ERROR_UNAVAILABLE, true,
     "Check that the server runs and that the network and its firewalls let this machine reach "
     "it."},
    {CURLE_SSL_CONNECT_ERROR, ERROR_UNAVAILABLE, true,
     "Check that the port speaks TLS 1.2 or newer."},
};

static bool set_failure(CURLcode code, const char *url, const char *details, struct error *err)
{
    struct failure found = {code, ERROR_UNAVAILABLE, true, NULL};
    for (size_t i = 0; i < ARRAY_LEN(failures); i++)
        if (failures[i].code == code)
            found = failures[i];
    /* The query may be long; the host is what helps. */
    int shown = (int)strcspn(url, "?");
    (void)error_set(err, found.kind, "could not get an answer from %.*s: %s",
                    shown > 300 ? 300 : shown, url,
                    *details != '\0' ? details : curl_easy_strerror(code));
    if (code == CURLE_ABORTED_BY_CALLBACK)
        (void)error_set(err, ERROR_CANCELLED, "request to %.*s was cut short: asked to stop",
                        shown > 300 ? 300 : shown, url);
    err->retryable = found.retryable;
    return found.hint != NULL && error_hint(err, "%s", found.hint);
}

static bool set_too_long(const struct http_request *request, const struct http_response *response,
                         struct error *err)
{
    size_t limit = request->into != NULL && response->status / 100 == 2 ? request->into_size
                                                                        : response->body.max_bytes;
    int shown = (int)strcspn(request->url, "?");
    return error_set(err, ERROR_INVALID, "answer %d of %.*s is longer than the %zu bytes expected",
                     response->status, shown > 300 ? 300 : shown, request->url, limit);
}

static bool perform(CURL *handle, struct transfer *transfer, struct error *err)
{
    char details[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, details);
    CURLcode code = curl_easy_perform(handle);
    if (code == CURLE_OK)
        return true;
    if (transfer->too_long)
        return set_too_long(transfer->request, transfer->response, err);
    return set_failure(code, transfer->request->url, details, err);
}

bool http_send(struct http_client *client, const struct http_request *request,
               struct http_response *response, struct error *err)
{
    struct transfer transfer = {.request = request, .response = response};
    if (!stop_check(err))
        return false;
    response->status = 0;
    response->into_len = 0;
    buf_clear(&response->body);
    buf_clear(&response->headers);
    CURL *handle = take_handle(client);
    struct curl_slist *headers = NULL;
    bool done = handle != NULL && make_headers(request, &headers);
    if (done) {
        set_connection(handle, client);
        set_callbacks(handle, &transfer);
        set_request(handle, request);
        curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
        done = perform(handle, &transfer, err);
    } else {
        (void)error_no_memory(err, "an HTTP request");
    }
    if (handle != NULL)
        return_handle(client, handle);
    curl_slist_free_all(headers);
    return done;
}

const char *http_response_header(const struct http_response *response, const char *name)
{
    const char *at = (const char *)response->headers.data;
    const char *end = at == NULL ? NULL : at + response->headers.len;
    while (at != NULL && at < end) {
        const char *value = at + strlen(at) + 1;
        if (strcasecmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

bool http_date_parse(const char *text, int64_t *out_unix_us)
{
    time_t seconds = curl_getdate(text, NULL);
    if (seconds == (time_t)-1)
        return false;
    *out_unix_us = (int64_t)seconds * 1000000;
    return true;
}

int64_t http_retry_after_ms(const struct http_response *response)
{
    const char *text = http_response_header(response, "Retry-After");
    const char *date = http_response_header(response, "Date");
    uint64_t seconds;
    int64_t now_us;
    int64_t until_us;
    if (text == NULL)
        return 0;
    if (!text_to_u64(text, &seconds)) {
        if (date == NULL || !http_date_parse(date, &now_us) || !http_date_parse(text, &until_us) ||
            until_us <= now_us)
            return 0;
        seconds = (uint64_t)(until_us - now_us) / 1000000;
    }
    return (int64_t)(seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S) * 1000;
}
