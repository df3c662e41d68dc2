#include "postgres/tls_policy.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <libpq-fe.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void options_cleanup(PQconninfoOption **options)
{
    PQconninfoFree(*options);
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options != NULL && options->keyword != NULL; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val;
    return NULL;
}

/* What the string says, else libpq's own default, which knows the environment. */
static const char *effective(const PQconninfoOption *given, const PQconninfoOption *standard,
                             const char *keyword)
{
    const char *value = value_of(given, keyword);
    return value != NULL && *value != '\0' ? value : value_of(standard, keyword);
}

/* A directory of sockets, an abstract socket, or this machine itself. */
static bool is_local(const char *host)
{
    struct in_addr address;
    if (*host == '\0' || *host == '/' || *host == '@')
        return true;
    if (inet_pton(AF_INET, host, &address) == 1)
        return (ntohl(address.s_addr) >> 24) == 127;
    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}

bool tls_is_verified(const char *conninfo, char out_host[TLS_HOST_SIZE])
{
    CLEANUP(options_cleanup) PQconninfoOption *given = PQconninfoParse(conninfo, NULL);
    CLEANUP(options_cleanup) PQconninfoOption *standard = PQconndefaults();
    if (given == NULL || standard == NULL)
        return true;
    const char *mode = effective(given, standard, "sslmode");
    if (mode != NULL && strcmp(mode, "verify-full") == 0)
        return true;
    const char *hosts = effective(given, standard, "hostaddr"); /* what is connected to */
    if (hosts == NULL || *hosts == '\0')
        hosts = effective(given, standard, "host");
    CLEANUP(free_pointer) char *copy = hosts == NULL ? NULL : strdup(hosts);
    char *rest = copy;
    while (rest != NULL) {
        const char *host = strsep(&rest, ",");
        if (is_local(host))
            continue;
        (void)snprintf(out_host, TLS_HOST_SIZE, "%s", host);
        return false;
    }
    return true;
}

void tls_check(const char *conninfo, const char *name, struct check_list *out)
{
    char host[TLS_HOST_SIZE];
    if (tls_is_verified(conninfo, host)) {
        check_add(out, name, CHECK_OK, "nobody in between can pose as the server");
        return;
    }
    check_add(
        out, name, CHECK_WARNING,
        "connections to %.100s do not verify the server: whoever is in between can pose as it",
        host);
    check_fix(out, "add sslmode=verify-full (and sslrootcert) to the connection string");
}
