/*
 * Fills the option structs of the modules from the settings; no module knows config. The texts in
 * them are borrowed from config, which must outlive them.
 */
#ifndef CONFIG_CONFIG_FILL_H
#define CONFIG_CONFIG_FILL_H

#include "base/log.h"
#include "config/config.h"
#include "drill/drill.h"
#include "postgres/connection.h"
#include "repository/key_source.h"
#include "repository/repository.h"
#include "repository/retention.h"
#include "repository/verify.h"
#include "restore/restore.h"
#include "snapshot/snapshot.h"
#include "store/store_open.h"
#include "walstream/wal_stream.h"

/* ERROR_USAGE when repository.url is not set. */
MUST_CHECK bool config_fill_store(const struct config *config, struct store_options *out,
                                  struct error *err);
/* Runs repository.key-command where it is set, for those who cannot later (base/harden.h):
 * config_fill_keys gives then what it printed. */
MUST_CHECK bool config_run_key_command(struct config *config, struct error *err);
/* How a sealed repository is opened, and whether it must be one. */
void config_fill_keys(const struct config *config, struct key_options *out);
/* ERROR_USAGE for a level outside the codec's range. */
MUST_CHECK bool config_fill_repository(const struct config *config, struct repository_settings *out,
                                       struct error *err);
/* Reads the password file into password (released by the caller), which *out borrows. */
MUST_CHECK bool config_fill_connection(const struct config *config, struct secret *password,
                                       struct connection_options *out, struct error *err);
/* The same for the helpdesk's database. */
MUST_CHECK bool config_fill_helpdesk(const struct config *config, struct secret *password,
                                     struct connection_options *out, struct error *err);
/* Everything but the connection. */
void config_fill_snapshot(const struct config *config, struct snapshot_options *out);
void config_fill_restore(const struct config *config, struct restore_options *out);
void config_fill_verify(const struct config *config, struct verify_options *out);
/* Sizes, places, goals and budgets of a drill. */
void config_fill_drill(const struct config *config, struct drill_options *out);
/* Everything but the connection. */
void config_fill_wal_stream(const struct config *config, struct wal_stream_options *out);
/* ERROR_USAGE for a time zone that is none. *zone, NULL before, is what *out borrows: released by
 * the caller. */
MUST_CHECK bool config_fill_retention(const struct config *config, struct time_zone **zone,
                                      struct retention_policy *out, struct error *err);
void config_fill_log(const struct config *config, enum log_level *out_level, bool *out_json);

#endif
