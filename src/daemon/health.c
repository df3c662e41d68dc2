#include "daemon/health.h"

#include "base/cleanup.h"
#include "net/http_client.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_MAX_BYTES = 4096, PATIENCE_US = 5 * 1000000 };

bool health_url(const struct settings *settings, char out[HEALTH_URL_SIZE], struct error *err)
{
    bool everywhere = strcmp(settings->host, "0.0.0.0") == 0;
    if (!settings->listening || settings->port == 0) {
        (void)error_set(err, ERROR_USAGE, "cannot ask a daemon whose port is not known");
        return error_hint(err, "Set daemon.listen to an address with a port other than 0.");
    }
    (void)snprintf(out, HEALTH_URL_SIZE, "http://%s:%u/healthz",
                   everywhere ? "127.0.0.1" : settings->host, (unsigned)settings->port);
    return true;
}

bool health_ask(const char *url, struct error *err)
{
    struct http_client *client = NULL;
    struct http_response response;
    const struct http_options options = {
        .direct = true, .connect_timeout_us = PATIENCE_US, .stall_timeout_us = PATIENCE_US};
    const struct http_request request = {.method = "GET", .url = url};
    if (!http_client_new(&options, &client, err))
        return false;
    http_response_init(&response, ANSWER_MAX_BYTES);
    bool answered = http_send(client, &request, &response, err);
    int status = response.status;
    http_response_release(&response);
    http_client_free(client);
    if (!answered)
        return error_wrap(err, "the daemon is not alive");
    if (status == 200)
        return true;
    return error_set(err, ERROR_UNAVAILABLE, "the daemon is not alive: %s answered %d", url,
                     status);
}
