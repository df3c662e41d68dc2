#include "base/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_bool requested;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&requested, true);
}

void stop_install_handlers(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
}

void stop_request(void)
{
    atomic_store(&requested, true);
}

bool stop_requested(void)
{
    return atomic_load(&requested);
}

void stop_reset(void)
{
    atomic_store(&requested, false);
}

bool stop_check(struct error *err)
{
    if (!stop_requested())
        return true;
    return error_set(err, ERROR_CANCELLED, "stopped by a signal");
}
