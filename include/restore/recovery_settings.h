/*
 * What a restored data directory needs so that PostgreSQL recovers: settings at the end of
 * postgresql.auto.conf (which is read last) and recovery.signal or standby.signal.
 */
#ifndef RESTORE_RECOVERY_SETTINGS_H
#define RESTORE_RECOVERY_SETTINGS_H

#include "base/buf.h"
#include "restore/recovery_target.h"

#define AUTO_CONF_FILE "postgresql.auto.conf"
#define RECOVERY_SIGNAL_FILE "recovery.signal"
#define STANDBY_SIGNAL_FILE "standby.signal"

struct recovery_settings {
    const struct recovery_target *target;
    uint32_t timeline;           /* that the recovery follows: always by number, so that PostgreSQL
                                    refuses to start without its history instead of staying behind */
    const char *restore_command; /* a shell command with %f and %p, see recovery_put_argument */
    const char *recovery_end_command; /* NULL = none */
};

/* Appends " 'argument'" for the shell that PostgreSQL starts: quotes are quoted, and percent signs
 * doubled, which PostgreSQL would replace. ERROR_INVALID for control characters. */
MUST_CHECK bool recovery_put_argument(const char *argument, struct buf *out, struct error *err);

/* The new content of postgresql.auto.conf: the old one with everything that says something about a
 * recovery (a block of ours, recovery targets, commands) taken out of force, then our block. All
 * targets are set, the unwanted ones to nothing and the wanted one last: postgresql.conf may hold
 * others, and PostgreSQL refuses two. Appends to out. */
MUST_CHECK bool recovery_settings_print(const struct recovery_settings *settings, const char *old,
                                        size_t old_len, struct buf *out, struct error *err);

#endif
