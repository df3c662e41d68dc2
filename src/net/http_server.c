#include "net/http_server.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum {
    CONNECTIONS_MAX = 32,
    CONNECTIONS_OF_ONE_MAX = 8,
    SILENCE_MAX_S = 10,
    HEAD_MAX_BYTES = 16 * 1024,
    WAIT_MAX_MS = 60000,
};

struct http_server {
    struct MHD_Daemon *daemon;
    http_handler_fn handler;
    void *context;
    uint16_t port;
};

static enum MHD_Result send_body(struct MHD_Connection *connection, int status,
                                 const char *content_type, const struct buf *body)
{
    static char nothing[1];
    void *bytes = body->len == 0 ? nothing : (void *)body->data;
    struct MHD_Response *response = MHD_create_response_from_buffer(body->len, bytes,
                                                                    MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result done = MHD_add_response_header(response, "Content-Type", content_type);
    if (done == MHD_YES && status == MHD_HTTP_METHOD_NOT_ALLOWED)
        done = MHD_add_response_header(response, "Allow", "GET, HEAD");
    if (done == MHD_YES)
        done = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return done;
}

static void refuse(struct http_answer *answer, int status, const char *text)
{
    buf_clear(&answer->body);
    answer->status = status;
    answer->content_type = "text/plain; charset=utf-8";
    buf_printf(&answer->body, "%s\n", text);
}

/* Signature of libmicrohttpd. */
static enum MHD_Result answer_request(void *context, struct MHD_Connection *connection,
                                      const char *url, const char *method, const char *version,
                                      const char *upload, size_t *upload_len, void **request)
{
    static int seen;
    struct http_server *server = context;
    struct http_answer answer = {.status = MHD_HTTP_OK,
                                 .content_type = "text/plain; charset=utf-8"};
    (void)version;
    (void)upload;
    bool reads = strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
                 strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    /* Answered when the head is there, a request loses its connection: right where a body follows
     * that nobody wants to read. */
    if (*request == NULL && reads) {
        *request = &seen;
        return MHD_YES;
    }
    *upload_len = 0;
    buf_init(&answer.body, HTTP_SERVER_ANSWER_MAX_BYTES);
    if (!reads)
        refuse(&answer, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
    else if (!server->handler(server->context, url, &answer))
        refuse(&answer, MHD_HTTP_NOT_FOUND, "no such path");
    if (answer.body.failed)
        refuse(&answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "the answer is too long");
    enum MHD_Result done = send_body(connection, answer.status, answer.content_type, &answer.body);
    buf_release(&answer.body);
    return done;
}

/* Our own socket: the library would share the port with whoever else has it (SO_REUSEPORT). */
static bool open_listener(const struct http_server_options *options, int *out, struct error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    int on = 1;
    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1)
        return error_set(err, ERROR_USAGE, "\"%s\" is no IPv4 address", options->host);
    CLEANUP(close_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set_errno(err, errno, "could not make a socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, CONNECTIONS_MAX) != 0)
        return error_set(err, ERROR_UNAVAILABLE, "could not listen on %s:%u: %s", options->host,
                         (unsigned)options->port, strerrordesc_np(errno));
    *out = fd;
    fd = -1;
    return true;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in address = {.sin_port = 0};
    socklen_t len = sizeof address;
    (void)getsockname(fd, (struct sockaddr *)&address, &len);
    return ntohs(address.sin_port);
}

bool http_server_open(const struct http_server_options *options, struct http_server **out,
                      struct error *err)
{
    CLEANUP(close_fd) int fd = -1;
    if (!open_listener(options, &fd, err))
        return false;
    CLEANUP(free_pointer) struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return error_no_memory(err, "an HTTP server");
    server->handler = options->handler;
    server->context = options->context;
    server->port = port_of(fd);
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, answer_request, server, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_OF_ONE_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_MAX_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_MAX_BYTES, MHD_OPTION_END);
    if (server->daemon == NULL)
        return error_set(err, ERROR_UNAVAILABLE, "could not serve HTTP on %s:%u", options->host,
                         (unsigned)options->port);
    fd = -1; /* closed by the library */
    *out = TAKE(server);
    return true;
}

void http_server_close(struct http_server *server)
{
    if (server == NULL)
        return;
    MHD_stop_daemon(server->daemon);
    free(server);
}

int http_server_fd(const struct http_server *server)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon,
                                                           MHD_DAEMON_INFO_EPOLL_FD);
    return info == NULL ? -1 : info->epoll_fd;
}

int http_server_wait_ms(const struct http_server *server)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    if (MHD_get_timeout(server->daemon, &wait_ms) != MHD_YES)
        return -1;
    return wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : (int)wait_ms;
}

void http_server_run(struct http_server *server)
{
    (void)MHD_run(server->daemon);
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}
