#include "daemon/role.h"

enum { SECOND_US = 1000000 };

static const struct role table[ROLE_COUNT] = {
    [ROLE_LEADER] = {.name = "leader",
                     .policy = ROLE_ALWAYS,
                     .own = true,
                     .words = {"--hold-lock"},
                     .standby = true,
                     .pause_us = SECOND_US,
                     .pause_max_us = 10 * SECOND_US},
    [ROLE_STATUS] = {.name = "status",
                     .policy = ROLE_INTERVAL,
                     /* Several failures make the alert: each of them is told soon. */
                     .words = {"status", "--json", "--store-retry-total", "3s"},
                     .has_option = true,
                     .option = OPTION_DAEMON_STATUS_INTERVAL,
                     .standby = true,
                     .pause_us = 5 * SECOND_US,
                     .pause_max_us = 60 * SECOND_US},
    [ROLE_WAL_STREAM] = {.name = "wal-stream",
                         .policy = ROLE_ALWAYS,
                         .words = {"wal", "stream", "--restart-after-gap"},
                         .has_option = true,
                         .option = OPTION_DAEMON_WAL_STREAM,
                         .pause_us = SECOND_US,
                         .pause_max_us = 60 * SECOND_US},
    [ROLE_SNAPSHOT] = {.name = "snapshot",
                       .policy = ROLE_SCHEDULED,
                       .words = {"snapshot", "create", "--json"},
                       .has_option = true,
                       .option = OPTION_DAEMON_SNAPSHOT_SCHEDULE,
                       .fenced = true,
                       .pause_us = 30 * SECOND_US,
                       .pause_max_us = 1800 * (int64_t)SECOND_US},
    [ROLE_VERIFY] = {.name = "verify",
                     .policy = ROLE_SCHEDULED,
                     .words = {"snapshot", "verify", "--json"},
                     .has_option = true,
                     .option = OPTION_DAEMON_VERIFY_SCHEDULE,
                     .subset = true,
                     .pause_us = 300 * SECOND_US,
                     .pause_max_us = 3600 * (int64_t)SECOND_US},
    [ROLE_EXPIRE] = {.name = "expire",
                     .policy = ROLE_SCHEDULED,
                     .words = {"snapshot", "expire", "--json"},
                     .has_option = true,
                     .option = OPTION_DAEMON_EXPIRE_SCHEDULE,
                     .fenced = true,
                     .pause_us = 300 * SECOND_US,
                     .pause_max_us = 3600 * (int64_t)SECOND_US},
};

const struct role *role_row(enum role_id id)
{
    return &table[id];
}
