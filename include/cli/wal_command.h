/* The command that a restored server runs to get its WAL: this program with the settings of this
 * call, as text for restore_command. */
#ifndef CLI_WAL_COMMAND_H
#define CLI_WAL_COMMAND_H

#include "cli/command.h"

/* Appends "'/usr/bin/mainstay' wal get --config '/etc/...' %f %p" to out. Settings that came from
 * flags or the environment are written out, because the server has neither; paths become absolute.
 * pad_gap: the recovery has a target (see restore/wal_segment.h).
 * ERROR_REFUSED when a password would have to be written. */
MUST_CHECK bool wal_command_put_get(const struct invocation *call, bool pad_gap, struct buf *out,
                                    struct error *err);
/* "'/usr/bin/mainstay' wal clean": recovery_end_command. */
MUST_CHECK bool wal_command_put_clean(struct buf *out, struct error *err);

#endif
