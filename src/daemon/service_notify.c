#include "daemon/service_notify.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

bool service_notify(const char *address, const char *state, struct error *err)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (address == NULL)
        return true;
    size_t len = strlen(address);
    if ((address[0] != '/' && address[0] != '@') || len < 2 || len >= sizeof to.sun_path)
        return error_set(err, ERROR_USAGE, "NOTIFY_SOCKET cannot be \"%s\"", address);
    memcpy(to.sun_path, address, len);
    if (address[0] == '@')
        to.sun_path[0] = '\0';
    CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set_errno(err, errno, "could not make a socket");
    socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, to_len);
    (void)sent;
    return true;
}

int64_t service_watchdog_us(const char *usec, const char *pid, int64_t own_pid)
{
    int64_t interval_us;
    int64_t meant;
    if (usec == NULL || !text_to_i64(usec, &interval_us) || interval_us <= 0)
        return 0;
    if (pid != NULL && (!text_to_i64(pid, &meant) || meant != own_pid))
        return 0;
    return interval_us / 2;
}
