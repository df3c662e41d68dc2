/*
 * Every option of Mainstay, once: what the configuration file, the flags, the environment, the help
 * texts, the manual pages, the completion and the example file know about an option comes from its
 * row here.
 *
 *   repository.url in mainstay.yaml:   repository:
 *                                        url: /srv/backup
 *   as a flag                          --repository-url /srv/backup   (or its alias: --repo)
 *   in the environment                 MAINSTAY_REPOSITORY_URL=/srv/backup
 */
#ifndef CONFIG_CONFIG_TABLE_H
#define CONFIG_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_id {
    OPTION_REPOSITORY_URL,
    OPTION_REPOSITORY_CODEC,
    OPTION_REPOSITORY_LEVEL,
    OPTION_REPOSITORY_PACK_SIZE,
    OPTION_REPOSITORY_ENCRYPTION,
    OPTION_REPOSITORY_KEY_FILE,
    OPTION_REPOSITORY_KEY_COMMAND,
    OPTION_REPOSITORY_PASSPHRASE_FILE,
    OPTION_REPOSITORY_IDENTITY_FILE,
    OPTION_REPOSITORY_SIGNER,
    OPTION_POSTGRES_CONNECTION,
    OPTION_POSTGRES_PASSWORD_FILE,
    OPTION_STORE_CA_FILE,
    OPTION_STORE_ACCESS_KEY_FILE,
    OPTION_STORE_SECRET_KEY_FILE,
    OPTION_STORE_SESSION_TOKEN_FILE,
    OPTION_STORE_CREDENTIALS_FILE,
    OPTION_STORE_PROFILE,
    OPTION_STORE_CONNECT_TIMEOUT,
    OPTION_STORE_STALL_TIMEOUT,
    OPTION_STORE_RETRY_TOTAL,
    OPTION_STORE_TRACE,
    OPTION_STORE_LOCK_MODE,
    OPTION_STORE_LOCK_DAYS,
    OPTION_STORE_LEGAL_HOLD,
    OPTION_SNAPSHOT_LABEL,
    OPTION_SNAPSHOT_COMPRESS_THREADS,
    OPTION_SNAPSHOT_UPLOADS,
    OPTION_SNAPSHOT_MAX_RATE,
    OPTION_SNAPSHOT_CHECKPOINT,
    OPTION_SNAPSHOT_VERIFY_CHECKSUMS,
    OPTION_SNAPSHOT_OWN_WAL,
    OPTION_SNAPSHOT_WAL_TIMEOUT,
    OPTION_RESTORE_THREADS,
    OPTION_RESTORE_PREFETCH,
    OPTION_DRILL_SCRATCH,
    OPTION_DRILL_SCRATCH_LIMIT,
    OPTION_DRILL_SERVER_BINARIES,
    OPTION_DRILL_USER,
    OPTION_DRILL_ROLE,
    OPTION_DRILL_PRELOAD_LIBRARIES,
    OPTION_DRILL_DATABASE,
    OPTION_DRILL_ASSERTIONS,
    OPTION_DRILL_AMCHECK_BUDGET,
    OPTION_DRILL_RTO_GOAL,
    OPTION_DRILL_RPO_GOAL,
    OPTION_DRILL_TIMEOUT,
    OPTION_WAL_SLOT,
    OPTION_WAL_FLUSH_INTERVAL,
    OPTION_WAL_CHUNK_SIZE,
    OPTION_DAEMON_SNAPSHOT_SCHEDULE,
    OPTION_DAEMON_VERIFY_SCHEDULE,
    OPTION_DAEMON_VERIFY_RUNS,
    OPTION_DAEMON_EXPIRE_SCHEDULE,
    OPTION_DAEMON_DRILL_SCHEDULE,
    OPTION_DAEMON_WAL_STREAM,
    OPTION_DAEMON_DISPATCH,
    OPTION_DAEMON_TIME_ZONE,
    OPTION_DAEMON_JITTER,
    OPTION_DAEMON_LISTEN,
    OPTION_DAEMON_DRAIN_TIMEOUT,
    OPTION_DAEMON_STATUS_INTERVAL,
    OPTION_DAEMON_COUNT_INTERVAL,
    OPTION_ALERT_WEBHOOK_FILE,
    OPTION_ALERT_FORMAT,
    OPTION_ALERT_KEY_FILE,
    OPTION_ALERT_TEMPLATE_FILE,
    OPTION_ALERT_HEARTBEAT_FILE,
    OPTION_ALERT_SNAPSHOT_AGE,
    OPTION_ALERT_WAL_LAG,
    OPTION_ALERT_DRILL_AGE,
    OPTION_ALERT_FAILURES,
    OPTION_RETENTION_KEEP_LAST,
    OPTION_RETENTION_KEEP_HOURLY,
    OPTION_RETENTION_KEEP_DAILY,
    OPTION_RETENTION_KEEP_WEEKLY,
    OPTION_RETENTION_KEEP_MONTHLY,
    OPTION_RETENTION_KEEP_YEARLY,
    OPTION_RETENTION_WITHIN,
    OPTION_RETENTION_MINIMUM,
    OPTION_RETENTION_TIMEZONE,
    OPTION_RETENTION_WAL_WINDOW,
    OPTION_RETENTION_GC_GRACE,
    OPTION_HELPDESK_CONNECTION,
    OPTION_HELPDESK_PASSWORD_FILE,
    OPTION_WEBHOOK_DIRECTORY,
    OPTION_WEBHOOK_PLAIN_HTTP,
    OPTION_RUNBOOK_DIRECTORY,
    OPTION_RUNBOOK_TRUSTED_KEYS,
    OPTION_PROCESS_SECCOMP,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
    OPTION_COUNT,
};

enum option_type {
    OPTION_TEXT,
    OPTION_PATH,        /* a file that is read */
    OPTION_SECRET_FILE, /* a file whose first line is a secret */
    OPTION_BOOL,
    OPTION_INT,
    OPTION_BYTES,
    OPTION_DURATION,
    OPTION_ENUM,
};

/* Which commands an option concerns: a command names its groups. */
enum option_group {
    GROUP_REPOSITORY = 1 << 0, /* where it is and how to reach it */
    GROUP_INIT = 1 << 1,       /* decided once, when a repository is made */
    GROUP_POSTGRES = 1 << 2,
    GROUP_SNAPSHOT = 1 << 3,
    GROUP_RESTORE = 1 << 4,
    GROUP_LOG = 1 << 5,
    GROUP_WAL = 1 << 6,       /* how the WAL is streamed */
    GROUP_DAEMON = 1 << 7,    /* only the daemon reads them */
    GROUP_RETENTION = 1 << 8, /* what is kept, and for how long */
    GROUP_HELPDESK = 1 << 9,  /* the helpdesk's database */
    GROUP_RUNBOOK = 1 << 10,  /* where runbooks come from, and whose */
    GROUP_SLOT = 1 << 11,     /* the stream's slot */
    GROUP_DRILL = 1 << 12,    /* restore drills */
    GROUP_ALL = (1 << 13) - 1,
};

struct option_row {
    const char *name; /* "repository.url": section and key in the file */
    enum option_type type;
    enum option_group group;
    const char *standard;  /* default as text; "" = not set */
    const char *unset;     /* what not set means: "the system's certificates" */
    const char *values[4]; /* OPTION_ENUM */
    int64_t min;           /* OPTION_INT, _BYTES, _DURATION (microseconds), inclusive */
    int64_t max;           /* OPTION_TEXT: bytes; 0 = no limit */
    const char *zero;  /* what 0 means where it is allowed besides the range; NULL = it is not */
    bool secret;       /* may contain a password: masked wherever it is shown */
    const char *alias; /* a shorter flag: "repo" */
    const char *example;
    const char *help; /* full sentences */
};

const struct option_row *option_row(enum option_id id);
/* False when there is no such name ("repository.url"). */
bool option_by_name(const char *name, enum option_id *out);
/* By flag without the dashes: "repository-url" or "repo". */
bool option_by_flag(const char *flag, enum option_id *out);

enum { OPTION_NAME_SIZE = 64 };

/* "repository-url" */
const char *option_flag(enum option_id id, char out[OPTION_NAME_SIZE]);
/* "MAINSTAY_REPOSITORY_URL" */
const char *option_variable(enum option_id id, char out[OPTION_NAME_SIZE]);
/* "FILE", "N", "SIZE", "TIME", "fast|spread", "TEXT" */
const char *option_placeholder(enum option_id id, char out[OPTION_NAME_SIZE]);

enum { OPTION_ALLOWED_SIZE = 160 };

/* What may be written: "1 to 64", "zstd, zlib or none", "true or false". */
const char *option_allowed(enum option_id id, char out[OPTION_ALLOWED_SIZE]);
/* Any text or path will do, so that there is nothing to say about what is allowed. */
bool option_is_free(enum option_id id);
/* False when text is not of the option's type or out of its range. */
bool option_accepts(enum option_id id, const char *text);

/* "text", "size": for help and manual. */
const char *option_type_name(enum option_type type);

#endif
