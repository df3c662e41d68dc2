#include "config/config_fill.h"

#include <string.h>

#define DAY_US (24 * 3600 * INT64_C(1000000))

static struct store_lock make_lock(const struct config *config)
{
    const char *mode = config_text(config, OPTION_STORE_LOCK_MODE);
    struct store_lock lock = {.compliance = strcmp(mode, "compliance") == 0,
                              .hold = config_bool(config, OPTION_STORE_LEGAL_HOLD),
                              .prefixes = repository_lasting_prefixes};
    if (strcmp(mode, "none") != 0)
        lock.keep_us = config_amount(config, OPTION_STORE_LOCK_DAYS) * DAY_US;
    return lock;
}

bool config_fill_store(const struct config *config, struct store_options *out, struct error *err)
{
    const char *url;
    if (!config_require(config, OPTION_REPOSITORY_URL, &url, err))
        return false;
    *out = (struct store_options){
        .url = url,
        .ca_file = config_text(config, OPTION_STORE_CA_FILE),
        .access_key_file = config_text(config, OPTION_STORE_ACCESS_KEY_FILE),
        .secret_key_file = config_text(config, OPTION_STORE_SECRET_KEY_FILE),
        .session_token_file = config_text(config, OPTION_STORE_SESSION_TOKEN_FILE),
        .credentials_file = config_text(config, OPTION_STORE_CREDENTIALS_FILE),
        .profile = config_text(config, OPTION_STORE_PROFILE),
        .connect_timeout_us = config_amount(config, OPTION_STORE_CONNECT_TIMEOUT),
        .stall_timeout_us = config_amount(config, OPTION_STORE_STALL_TIMEOUT),
        .retry_total_us = config_amount(config, OPTION_STORE_RETRY_TOTAL),
        .lock = make_lock(config),
        .trace = config_bool(config, OPTION_STORE_TRACE),
    };
    return true;
}

bool config_run_key_command(struct config *config, struct error *err)
{
    struct key_options options;
    config_fill_keys(config, &options);
    return options.key_command == NULL || options.loaded != NULL ||
           key_material_load(&options, &config->keys, err);
}

void config_fill_keys(const struct config *config, struct key_options *out)
{
    const char *wish = config_text(config, OPTION_REPOSITORY_ENCRYPTION);
    *out = (struct key_options){
        .passphrase_file = config_text(config, OPTION_REPOSITORY_PASSPHRASE_FILE),
        .key_file = config_text(config, OPTION_REPOSITORY_KEY_FILE),
        .key_command = config_text(config, OPTION_REPOSITORY_KEY_COMMAND),
        .identity_file = config_text(config, OPTION_REPOSITORY_IDENTITY_FILE),
        .signer = config_text(config, OPTION_REPOSITORY_SIGNER),
        .loaded = config->keys,
    };
    if (wish != NULL)
        out->wish = strcmp(wish, "sealed") == 0 ? ENCRYPTION_SEALED : ENCRYPTION_NONE;
}

bool config_fill_repository(const struct config *config, struct repository_settings *out,
                            struct error *err)
{
    int min;
    int max;
    int standard;
    struct repository_settings settings;
    const char *name = config_text(config, OPTION_REPOSITORY_CODEC);
    repository_default_settings(&settings);
    if (!codec_from_name(name, &settings.codec))
        return error_set(err, ERROR_USAGE, "repository.codec: unknown codec \"%s\"", name);
    codec_levels(settings.codec, &min, &max, &standard);
    settings.level = standard;
    if (config_text(config, OPTION_REPOSITORY_LEVEL) != NULL)
        settings.level = (int)config_amount(config, OPTION_REPOSITORY_LEVEL);
    if (settings.level < min || settings.level > max)
        return error_set(err, ERROR_USAGE, "repository.level: %s has levels %d to %d, not %d", name,
                         min, max, settings.level);
    settings.pack_bytes = (uint32_t)config_amount(config, OPTION_REPOSITORY_PACK_SIZE);
    *out = settings;
    return true;
}

/* conninfo and password file, whichever server they are of. */
static bool fill_connection(const struct config *config, enum option_id conninfo_id,
                            enum option_id file_id, struct secret *password,
                            struct connection_options *out, struct error *err)
{
    const char *conninfo = config_text(config, conninfo_id);
    const char *file = config_text(config, file_id);
    if (file != NULL && !secret_read_file(password, file, err))
        return error_wrap(err, "%s", option_row(file_id)->name);
    *out = (struct connection_options){
        .conninfo = conninfo == NULL ? "" : conninfo,
        .password = secret_is_set(password) ? password : NULL,
    };
    return true;
}

bool config_fill_connection(const struct config *config, struct secret *password,
                            struct connection_options *out, struct error *err)
{
    return fill_connection(config, OPTION_POSTGRES_CONNECTION, OPTION_POSTGRES_PASSWORD_FILE,
                           password, out, err);
}

bool config_fill_helpdesk(const struct config *config, struct secret *password,
                          struct connection_options *out, struct error *err)
{
    return fill_connection(config, OPTION_HELPDESK_CONNECTION, OPTION_HELPDESK_PASSWORD_FILE,
                           password, out, err);
}

void config_fill_snapshot(const struct config *config, struct snapshot_options *out)
{
    const char *checkpoint = config_text(config, OPTION_SNAPSHOT_CHECKPOINT);
    *out = (struct snapshot_options){
        .label = config_text(config, OPTION_SNAPSHOT_LABEL),
        .spread_checkpoint = strcmp(checkpoint, "spread") == 0,
        .no_verify_checksums = !config_bool(config, OPTION_SNAPSHOT_VERIFY_CHECKSUMS),
        .max_rate_kib = (uint32_t)(config_amount(config, OPTION_SNAPSHOT_MAX_RATE) / 1024),
        .compress_threads = (int)config_amount(config, OPTION_SNAPSHOT_COMPRESS_THREADS),
        .uploads = (int)config_amount(config, OPTION_SNAPSHOT_UPLOADS),
        .wal_slot = config_text(config, OPTION_WAL_SLOT),
        .own_wal = config_bool(config, OPTION_SNAPSHOT_OWN_WAL),
        .wal_timeout_us = config_amount(config, OPTION_SNAPSHOT_WAL_TIMEOUT),
    };
}

void config_fill_restore(const struct config *config, struct restore_options *out)
{
    *out = (struct restore_options){.threads = (int)config_amount(config, OPTION_RESTORE_THREADS)};
}

void config_fill_verify(const struct config *config, struct verify_options *out)
{
    *out = (struct verify_options){.threads = (int)config_amount(config, OPTION_RESTORE_THREADS)};
}

void config_fill_drill(const struct config *config, struct drill_options *out)
{
    const char *preload = config_text(config, OPTION_DRILL_PRELOAD_LIBRARIES);
    *out = (struct drill_options){
        .scratch = config_text(config, OPTION_DRILL_SCRATCH),
        .scratch_limit = (uint64_t)config_amount(config, OPTION_DRILL_SCRATCH_LIMIT),
        .binaries = config_text(config, OPTION_DRILL_SERVER_BINARIES),
        .user = config_text(config, OPTION_DRILL_USER),
        .role = config_text(config, OPTION_DRILL_ROLE),
        .preload = preload == NULL ? "" : preload,
        .database = config_text(config, OPTION_DRILL_DATABASE),
        .rto_goal_us = config_amount(config, OPTION_DRILL_RTO_GOAL),
        .rpo_goal_us = config_amount(config, OPTION_DRILL_RPO_GOAL),
        .amcheck_budget_us = config_amount(config, OPTION_DRILL_AMCHECK_BUDGET),
        .timeout_us = config_amount(config, OPTION_DRILL_TIMEOUT),
        .threads = (int)config_amount(config, OPTION_RESTORE_THREADS),
    };
}

void config_fill_wal_stream(const struct config *config, struct wal_stream_options *out)
{
    *out = (struct wal_stream_options){
        .slot = config_text(config, OPTION_WAL_SLOT),
        .flush_interval_us = config_amount(config, OPTION_WAL_FLUSH_INTERVAL),
        .chunk_bytes = (uint32_t)config_amount(config, OPTION_WAL_CHUNK_SIZE),
        .merge_interval_us = INT64_C(3600000000),
    };
}

static uint32_t count_of(const struct config *config, enum option_id id)
{
    return (uint32_t)config_amount(config, id);
}

/* UTC, an offset as it stands there, or a place. */
static bool fill_zone(const struct config *config, struct time_zone **zone,
                      struct retention_policy *policy, struct error *err)
{
    const char *name = config_text(config, OPTION_RETENTION_TIMEZONE);
    if (retention_zone_from_text(name, &policy->utc_offset_s))
        return true;
    if (time_zone_load(name, TIME_ZONE_DIRECTORY, zone, err)) {
        policy->zone = *zone;
        return true;
    }
    return error_wrap(err, "retention.timezone");
}

bool config_fill_retention(const struct config *config, struct time_zone **zone,
                           struct retention_policy *out, struct error *err)
{
    struct retention_policy policy = {
        .keep_last = count_of(config, OPTION_RETENTION_KEEP_LAST),
        .hourly = count_of(config, OPTION_RETENTION_KEEP_HOURLY),
        .daily = count_of(config, OPTION_RETENTION_KEEP_DAILY),
        .weekly = count_of(config, OPTION_RETENTION_KEEP_WEEKLY),
        .monthly = count_of(config, OPTION_RETENTION_KEEP_MONTHLY),
        .yearly = count_of(config, OPTION_RETENTION_KEEP_YEARLY),
        .within_us = config_amount(config, OPTION_RETENTION_WITHIN),
        .minimum = count_of(config, OPTION_RETENTION_MINIMUM),
        .wal_window_us = config_amount(config, OPTION_RETENTION_WAL_WINDOW),
    };
    if (!fill_zone(config, zone, &policy, err))
        return false;
    *out = policy;
    return true;
}

void config_fill_log(const struct config *config, enum log_level *out_level, bool *out_json)
{
    if (!log_level_from_text(config_text(config, OPTION_LOG_LEVEL), out_level))
        *out_level = LOG_INFO;
    *out_json = strcmp(config_text(config, OPTION_LOG_FORMAT), "json") == 0;
}
