#include "config/config_table.h"

#include "base/macros.h"
#include "base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SECOND_US = 1000000, MINUTE_US = 60 * SECOND_US };

#define MIB (1024 * 1024)
#define DAY_US (24 * 60 * (int64_t)MINUTE_US)
#define MAX_DAYS (100 * 366)

static const struct option_row table[OPTION_COUNT] = {
    [OPTION_REPOSITORY_URL] =
        {.name = "repository.url",
         .type = OPTION_TEXT,
         .group = GROUP_REPOSITORY,
         .standard = "",
         .unset = "required",
         .secret = true,
         .alias = "repo",
         .example = "s3://helpdesk-backup/main?endpoint=https://s3.example.net&region=eu-1",
         .help = "Where the repository is: a directory (/srv/backup or file:///srv/backup) or a "
                 "bucket (s3://BUCKET/PREFIX?endpoint=URL&region=REGION&style=path|host)."},
    [OPTION_REPOSITORY_CODEC] =
        {.name = "repository.codec",
         .type = OPTION_ENUM,
         .group = GROUP_INIT,
         .standard = "zstd",
         .values = {"zstd", "zlib", "none"},
         .example = "zstd",
         .help = "How pages are compressed. Decided when the repository is made."},
    [OPTION_REPOSITORY_LEVEL] = {.name = "repository.level",
                                 .type = OPTION_INT,
                                 .group = GROUP_INIT,
                                 .standard = "",
                                 .unset = "the codec's own default",
                                 .min = -7,
                                 .max = 22,
                                 .example = "1",
                                 .help = "Compression level: zstd -7 to 22, zlib 1 to 9."},
    [OPTION_REPOSITORY_PACK_SIZE] =
        {.name = "repository.pack-size",
         .type = OPTION_BYTES,
         .group = GROUP_INIT,
         .standard = "32MiB",
         .min = 16 * MIB,
         .max = 64 * MIB,
         .example = "32MiB",
         .help = "Target size of the objects that hold pages. Larger ones mean fewer requests."},
    [OPTION_POSTGRES_CONNECTION] =
        {.name = "postgres.connection",
         .type = OPTION_TEXT,
         .group = GROUP_POSTGRES,
         .standard = "",
         .unset = "libpq's own defaults and environment",
         .secret = true,
         .alias = "connection",
         .example = "host=db.example.net user=mainstay dbname=helpdesk",
         .help = "libpq connection string or URI. A password belongs in postgres.password-file or "
                 "in ~/.pgpass, and is refused on the command line."},
    [OPTION_POSTGRES_PASSWORD_FILE] = {.name = "postgres.password-file",
                                       .type = OPTION_SECRET_FILE,
                                       .group = GROUP_POSTGRES,
                                       .standard = "",
                                       .unset = "libpq's own sources",
                                       .example = "/run/secrets/postgres-password",
                                       .help = "File whose first line is the password."},
    [OPTION_STORE_CA_FILE] =
        {.name = "store.ca-file",
         .type = OPTION_PATH,
         .group = GROUP_REPOSITORY,
         .standard = "",
         .unset = "the system's certificates",
         .example = "/etc/mainstay/ca.pem",
         .help = "Certificates (PEM) that the store's TLS certificate is checked against."},
    [OPTION_STORE_ACCESS_KEY_FILE] =
        {.name = "store.access-key-file",
         .type = OPTION_SECRET_FILE,
         .group = GROUP_REPOSITORY,
         .standard = "",
         .unset = "AWS_ACCESS_KEY_ID or the credentials file",
         .example = "/run/secrets/s3-access-key",
         .help = "File with the access key id. Read again when the store refuses the key."},
    [OPTION_STORE_SECRET_KEY_FILE] = {.name = "store.secret-key-file",
                                      .type = OPTION_SECRET_FILE,
                                      .group = GROUP_REPOSITORY,
                                      .standard = "",
                                      .unset = "AWS_SECRET_ACCESS_KEY or the credentials file",
                                      .example = "/run/secrets/s3-secret-key",
                                      .help = "File with the secret access key."},
    [OPTION_STORE_SESSION_TOKEN_FILE] =
        {.name = "store.session-token-file",
         .type = OPTION_SECRET_FILE,
         .group = GROUP_REPOSITORY,
         .standard = "",
         .unset = "AWS_SESSION_TOKEN or none",
         .example = "/run/secrets/s3-session-token",
         .help = "File with the session token of temporary credentials."},
    [OPTION_STORE_CREDENTIALS_FILE] =
        {.name = "store.credentials-file",
         .type = OPTION_PATH,
         .group = GROUP_REPOSITORY,
         .standard = "",
         .unset = "AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials",
         .example = "/etc/mainstay/credentials",
         .help = "Shared credentials file in the format of the AWS tools."},
    [OPTION_STORE_PROFILE] = {.name = "store.profile",
                              .type = OPTION_TEXT,
                              .group = GROUP_REPOSITORY,
                              .standard = "",
                              .unset = "AWS_PROFILE or \"default\"",
                              .example = "backup",
                              .help = "Profile in the credentials file."},
    [OPTION_STORE_CONNECT_TIMEOUT] = {.name = "store.connect-timeout",
                                      .type = OPTION_DURATION,
                                      .group = GROUP_REPOSITORY,
                                      .standard = "10s",
                                      .min = SECOND_US,
                                      .max = 10 * (int64_t)MINUTE_US,
                                      .example = "10s",
                                      .help = "How long a connection to the store may take."},
    [OPTION_STORE_STALL_TIMEOUT] =
        {.name = "store.stall-timeout",
         .type = OPTION_DURATION,
         .group = GROUP_REPOSITORY,
         .standard = "60s",
         .min = SECOND_US,
         .max = 60 * (int64_t)MINUTE_US,
         .example = "60s",
         .help = "A transfer in which no byte moves for this long is tried again."},
    [OPTION_STORE_RETRY_TOTAL] =
        {.name = "store.retry-total",
         .type = OPTION_DURATION,
         .group = GROUP_REPOSITORY,
         .standard = "5min",
         .min = SECOND_US,
         .max = 24 * 60 * (int64_t)MINUTE_US,
         .example = "5min",
         .help = "How long one call to the store is tried again in all before it fails."},
    [OPTION_STORE_TRACE] = {.name = "store.trace",
                            .alias = "trace-store",
                            .type = OPTION_BOOL,
                            .group = GROUP_REPOSITORY,
                            .standard = "false",
                            .example = "true",
                            .help = "Log every call to the store: what, how many bytes, how long."},
    [OPTION_SNAPSHOT_LABEL] =
        {.name = "snapshot.label",
         .type = OPTION_TEXT,
         .group = GROUP_SNAPSHOT,
         .standard = "mainstay",
         .max = 63,
         .alias = "label",
         .example = "before-upgrade",
         .help = "Label of the snapshot, also shown in the server's backup_label."},
    [OPTION_SNAPSHOT_COMPRESS_THREADS] = {.name = "snapshot.compress-threads",
                                          .type = OPTION_INT,
                                          .group = GROUP_SNAPSHOT,
                                          .standard = "0",
                                          .min = 1,
                                          .max = 64,
                                          .zero = "one for each processor, at most 8",
                                          .example = "4",
                                          .help = "Threads that compress pages."},
    [OPTION_SNAPSHOT_UPLOADS] =
        {.name = "snapshot.uploads",
         .type = OPTION_INT,
         .group = GROUP_SNAPSHOT,
         .standard = "3",
         .min = 1,
         .max = 32,
         .example = "3",
         .help = "Packs that are sent to the store at the same time. Each one takes a pack size of "
                 "memory."},
    [OPTION_SNAPSHOT_MAX_RATE] = {.name = "snapshot.max-rate",
                                  .type = OPTION_BYTES,
                                  .group = GROUP_SNAPSHOT,
                                  .standard = "0",
                                  .min = 32 * 1024,
                                  .max = 1024 * (int64_t)MIB,
                                  .zero = "no limit",
                                  .example = "50MiB",
                                  .help = "How many bytes a second the server may send at most."},
    [OPTION_SNAPSHOT_CHECKPOINT] =
        {.name = "snapshot.checkpoint",
         .type = OPTION_ENUM,
         .group = GROUP_SNAPSHOT,
         .standard = "fast",
         .values = {"fast", "spread"},
         .example = "spread",
         .help = "The checkpoint at the start: at once, or spread over time as the server's "
                 "checkpoint_completion_target says."},
    [OPTION_SNAPSHOT_VERIFY_CHECKSUMS] =
        {.name = "snapshot.verify-checksums",
         .type = OPTION_BOOL,
         .group = GROUP_SNAPSHOT,
         .standard = "true",
         .example = "true",
         .help = "Let the server check the checksum of every page that it sends."},
    [OPTION_SNAPSHOT_OWN_WAL] =
        {.name = "snapshot.own-wal",
         .type = OPTION_BOOL,
         .group = GROUP_SNAPSHOT,
         .standard = "false",
         .example = "true",
         .help = "Store the WAL that makes a snapshot consistent with it, also when the stream "
                 "stores it in the same repository."},
    [OPTION_SNAPSHOT_WAL_TIMEOUT] =
        {.name = "snapshot.wal-timeout",
         .type = OPTION_DURATION,
         .group = GROUP_SNAPSHOT,
         .standard = "5min",
         .min = SECOND_US,
         .max = 24 * 60 * (int64_t)MINUTE_US,
         .example = "5min",
         .help = "How long a snapshot without WAL of its own waits at its end until the stream "
                 "has stored it."},
    [OPTION_RESTORE_THREADS] =
        {.name = "restore.threads",
         .type = OPTION_INT,
         .group = GROUP_RESTORE,
         .standard = "0",
         .min = 1,
         .max = 64,
         .zero = "one for each processor, at most 8",
         .alias = "threads",
         .example = "4",
         .help = "Threads that fetch and unpack, in a restore and in a verification."},
    [OPTION_RESTORE_PREFETCH] =
        {.name = "restore.prefetch",
         .type = OPTION_BYTES,
         .group = GROUP_RESTORE,
         .standard = "128MiB",
         .min = MIB,
         .max = 64 * 1024 * (int64_t)MIB,
         .zero = "nothing",
         .example = "128MiB",
         .help = "How much WAL a recovery fetches before PostgreSQL asks for it. It is kept beside "
                 "the WAL of the data directory for so long."},
    [OPTION_WAL_SLOT] =
        {.name = "wal.slot",
         .type = OPTION_TEXT,
         .group = GROUP_SLOT,
         .standard = "mainstay",
         .max = 63,
         .alias = "slot",
         .example = "mainstay",
         .help = "Replication slot that makes the server keep the WAL that is not stored yet; made "
                 "when it is missing. It is also the application_name (for "
                 "synchronous_standby_names), unless the connection string has one."},
    [OPTION_WAL_FLUSH_INTERVAL] =
        {.name = "wal.flush-interval",
         .type = OPTION_DURATION,
         .group = GROUP_WAL,
         .standard = "5s",
         .min = SECOND_US,
         .max = 10 * (int64_t)MINUTE_US,
         .zero = "whenever the store is free, for synchronous commits",
         .example = "5s",
         .help = "WAL is stored at least this often while there is any: what a disaster costs at "
                 "most."},
    [OPTION_WAL_CHUNK_SIZE] =
        {.name = "wal.chunk-size",
         .type = OPTION_BYTES,
         .group = GROUP_WAL,
         .standard = "16MiB",
         .min = MIB,
         .max = 32 * (int64_t)MIB,
         .example = "16MiB",
         .help = "Under load WAL is stored as soon as this much has come. The stream takes about "
                 "four times as much memory."},
    [OPTION_DAEMON_SNAPSHOT_SCHEDULE] =
        {.name = "daemon.snapshot-schedule",
         .type = OPTION_TEXT,
         .group = GROUP_DAEMON,
         .standard = "",
         .unset = "the daemon takes no snapshots",
         .max = 255,
         .example = "30 2 * * *",
         .help = "When the daemon takes a snapshot: minute, hour, day of month, month and day of "
                 "week as in crontab, @hourly, @daily, @weekly, @monthly or \"@every 15min\". A "
                 "time that the clock skips or repeats counts once."},
    [OPTION_DAEMON_VERIFY_SCHEDULE] = {.name = "daemon.verify-schedule",
                                       .type = OPTION_TEXT,
                                       .group = GROUP_DAEMON,
                                       .standard = "",
                                       .unset = "the daemon verifies nothing",
                                       .max = 255,
                                       .example = "0 5 * * *",
                                       .help = "When the daemon verifies one part of the "
                                               "repository."},
    [OPTION_DAEMON_VERIFY_RUNS] =
        {.name = "daemon.verify-runs",
         .type = OPTION_INT,
         .group = GROUP_DAEMON,
         .standard = "28",
         .min = 1,
         .max = 1000,
         .example = "7",
         .help = "Parts into which verification divides the repository: after as many runs all of "
                 "it has been read."},
    [OPTION_DAEMON_EXPIRE_SCHEDULE] = {.name = "daemon.expire-schedule",
                                       .type = OPTION_TEXT,
                                       .group = GROUP_DAEMON,
                                       .standard = "",
                                       .unset = "the daemon removes nothing",
                                       .max = 255,
                                       .example = "0 4 * * sun",
                                       .help = "When the daemon removes what retention no longer "
                                               "keeps."},
    [OPTION_DAEMON_WAL_STREAM] = {.name = "daemon.wal-stream",
                                  .type = OPTION_BOOL,
                                  .group = GROUP_DAEMON,
                                  .standard = "true",
                                  .example = "true",
                                  .help = "Whether the daemon streams the WAL all the time."},
    [OPTION_DAEMON_TIME_ZONE] = {.name = "daemon.time-zone",
                                 .type = OPTION_TEXT,
                                 .group = GROUP_DAEMON,
                                 .standard = "UTC",
                                 .max = 100,
                                 .example = "Europe/Berlin",
                                 .help = "IANA time zone whose clock the schedules mean."},
    [OPTION_DAEMON_JITTER] = {.name = "daemon.jitter",
                              .type = OPTION_DURATION,
                              .group = GROUP_DAEMON,
                              .standard = "0",
                              .min = SECOND_US,
                              .max = 60 * (int64_t)MINUTE_US,
                              .zero = "none",
                              .example = "5min",
                              .help = "Scheduled jobs start later by a random time of at most "
                                      "this, so that many daemons do not start at once."},
    [OPTION_DAEMON_LISTEN] =
        {.name = "daemon.listen",
         .type = OPTION_TEXT,
         .group = GROUP_DAEMON,
         .standard = "127.0.0.1:9871",
         .max = 100,
         .example = "0.0.0.0:9871",
         .help = "IPv4 address and port of /metrics, /healthz and /readyz; port 0 takes a free "
                 "one, \"off\" opens none. There is no authentication: keep it on a network that "
                 "you trust."},
    [OPTION_DAEMON_DRAIN_TIMEOUT] = {.name = "daemon.drain-timeout",
                                     .type = OPTION_DURATION,
                                     .group = GROUP_DAEMON,
                                     .standard = "25s",
                                     .min = SECOND_US,
                                     .max = 60 * (int64_t)MINUTE_US,
                                     .example = "5min",
                                     .help = "How long jobs may take to end after SIGTERM before "
                                             "they are killed."},
    [OPTION_DAEMON_STATUS_INTERVAL] =
        {.name = "daemon.status-interval",
         .type = OPTION_DURATION,
         .group = GROUP_DAEMON,
         .standard = "1min",
         .min = SECOND_US,
         .max = 60 * (int64_t)MINUTE_US,
         .example = "30s",
         .help = "How often the daemon looks at the repository and the server for its metrics and "
                 "alerts."},
    [OPTION_DAEMON_COUNT_INTERVAL] =
        {.name = "daemon.count-interval",
         .type = OPTION_DURATION,
         .group = GROUP_DAEMON,
         .standard = "1h",
         .min = SECOND_US,
         .max = 7 * DAY_US,
         .example = "6h",
         .help = "How often the daemon counts the objects of the repository and their sizes: a "
                 "request for each thousand of them."},
    [OPTION_ALERT_WEBHOOK_FILE] = {.name = "alert.webhook-file",
                                   .type = OPTION_SECRET_FILE,
                                   .group = GROUP_DAEMON,
                                   .standard = "",
                                   .unset = "no alerts are sent",
                                   .example = "/run/secrets/alert-webhook",
                                   .help = "File whose first line is the URL that alerts are "
                                           "posted to; such URLs are secrets."},
    [OPTION_ALERT_FORMAT] = {.name = "alert.format",
                             .type = OPTION_ENUM,
                             .group = GROUP_DAEMON,
                             .standard = "generic",
                             .values = {"generic", "slack", "pagerduty", "template"},
                             .example = "slack",
                             .help = "What is posted: our own JSON, a Slack message, an event of "
                                     "PagerDuty's Events API v2, or what alert.template-file "
                                     "says."},
    [OPTION_ALERT_TEMPLATE_FILE] =
        {.name = "alert.template-file",
         .type = OPTION_PATH,
         .group = GROUP_DAEMON,
         .standard = "",
         .unset = "none",
         .example = "/etc/mainstay/alert.json",
         .help = "JSON that is posted with alert.format template, with {{alert}}, {{state}} "
                 "(firing or resolved), {{text}}, {{since}}, {{time}}, {{repository}}, {{host}} "
                 "and {{key}} in its texts."},
    [OPTION_ALERT_KEY_FILE] = {.name = "alert.key-file",
                               .type = OPTION_SECRET_FILE,
                               .group = GROUP_DAEMON,
                               .standard = "",
                               .unset = "none",
                               .example = "/run/secrets/pagerduty-key",
                               .help = "File with PagerDuty's integration key (routing_key), or "
                                       "with what a template calls {{key}}."},
    [OPTION_ALERT_HEARTBEAT_FILE] =
        {.name = "alert.heartbeat-file",
         .type = OPTION_SECRET_FILE,
         .group = GROUP_DAEMON,
         .standard = "",
         .unset = "none",
         .example = "/run/secrets/heartbeat-url",
         .help = "File with a URL that is requested after every good snapshot: a service that "
                 "misses it raises the alarm when the daemon no longer can."},
    [OPTION_ALERT_SNAPSHOT_AGE] = {.name = "alert.snapshot-age",
                                   .type = OPTION_DURATION,
                                   .group = GROUP_DAEMON,
                                   .standard = "26h",
                                   .min = SECOND_US,
                                   .max = 366 * 24 * 60 * (int64_t)MINUTE_US,
                                   .zero = "no alert",
                                   .example = "2h",
                                   .help = "How old the last good snapshot may get."},
    [OPTION_ALERT_WAL_LAG] = {.name = "alert.wal-lag",
                              .type = OPTION_DURATION,
                              .group = GROUP_DAEMON,
                              .standard = "10min",
                              .min = SECOND_US,
                              .max = 366 * 24 * 60 * (int64_t)MINUTE_US,
                              .zero = "no alert",
                              .example = "2min",
                              .help = "How long ago WAL may have been stored last, while the "
                                      "server has written more."},
    [OPTION_ALERT_FAILURES] = {.name = "alert.failures",
                               .type = OPTION_INT,
                               .group = GROUP_DAEMON,
                               .standard = "3",
                               .min = 1,
                               .max = 100,
                               .example = "1",
                               .help = "Failures of a job in a row before there is an alert."},
    [OPTION_RETENTION_KEEP_LAST] = {.name = "retention.keep-last",
                                    .type = OPTION_INT,
                                    .group = GROUP_RETENTION,
                                    .standard = "0",
                                    .min = 1,
                                    .max = 100000,
                                    .zero = "no such rule",
                                    .alias = "keep-last",
                                    .example = "3",
                                    .help = "Keep the newest N snapshots."},
    [OPTION_RETENTION_KEEP_HOURLY] =
        {.name = "retention.keep-hourly",
         .type = OPTION_INT,
         .group = GROUP_RETENTION,
         .standard = "0",
         .min = 1,
         .max = 100000,
         .zero = "no such rule",
         .alias = "keep-hourly",
         .example = "24",
         .help = "Keep the newest snapshot of each of the last N hours that have one."},
    [OPTION_RETENTION_KEEP_DAILY] =
        {.name = "retention.keep-daily",
         .type = OPTION_INT,
         .group = GROUP_RETENTION,
         .standard = "0",
         .min = 1,
         .max = 100000,
         .zero = "no such rule",
         .alias = "keep-daily",
         .example = "7",
         .help = "Keep the newest snapshot of each of the last N days that have one."},
    [OPTION_RETENTION_KEEP_WEEKLY] =
        {.name = "retention.keep-weekly",
         .type = OPTION_INT,
         .group = GROUP_RETENTION,
         .standard = "0",
         .min = 1,
         .max = 100000,
         .zero = "no such rule",
         .alias = "keep-weekly",
         .example = "5",
         .help = "Keep the newest snapshot of each of the last N ISO weeks that have one."},
    [OPTION_RETENTION_KEEP_MONTHLY] =
        {.name = "retention.keep-monthly",
         .type = OPTION_INT,
         .group = GROUP_RETENTION,
         .standard = "0",
         .min = 1,
         .max = 100000,
         .zero = "no such rule",
         .alias = "keep-monthly",
         .example = "12",
         .help = "Keep the newest snapshot of each of the last N months that have one."},
    [OPTION_RETENTION_KEEP_YEARLY] =
        {.name = "retention.keep-yearly",
         .type = OPTION_INT,
         .group = GROUP_RETENTION,
         .standard = "0",
         .min = 1,
         .max = 100000,
         .zero = "no such rule",
         .alias = "keep-yearly",
         .example = "5",
         .help = "Keep the newest snapshot of each of the last N years that have one."},
    [OPTION_RETENTION_WITHIN] =
        {.name = "retention.within",
         .type = OPTION_DURATION,
         .group = GROUP_RETENTION,
         .standard = "0",
         .min = MINUTE_US,
         .max = MAX_DAYS * DAY_US,
         .zero = "no such rule",
         .alias = "keep-within",
         .example = "2d",
         .help = "Keep the snapshots that started at most so long before the newest."},
    [OPTION_RETENTION_MINIMUM] =
        {.name = "retention.minimum",
         .type = OPTION_INT,
         .group = GROUP_RETENTION,
         .standard = "1",
         .min = 1,
         .max = 100000,
         .example = "2",
         .help = "Whatever the rules say, the newest N snapshots without damaged pages stay."},
    [OPTION_RETENTION_TIMEZONE] =
        {.name = "retention.timezone",
         .type = OPTION_TEXT,
         .group = GROUP_RETENTION,
         .standard = "UTC",
         .max = 100,
         .example = "Europe/Berlin",
         .help = "Where hours, days, weeks, months and years end: an IANA time zone, UTC or an "
                 "offset as +01:00."},
    [OPTION_RETENTION_WAL_WINDOW] =
        {.name = "retention.wal-window",
         .type = OPTION_DURATION,
         .group = GROUP_RETENTION,
         .standard = "0",
         .min = MINUTE_US,
         .max = MAX_DAYS * DAY_US,
         .zero = "WAL from the oldest kept snapshot on",
         .example = "14d",
         .help = "Keep what recovering to any moment of this time before now takes: WAL, and the "
                 "snapshot to begin with. What a kept snapshot itself needs is always kept."},
    [OPTION_RETENTION_GC_GRACE] =
        {.name = "retention.gc-grace",
         .type = OPTION_DURATION,
         .group = GROUP_RETENTION,
         .standard = "24h",
         .min = 60 * (int64_t)MINUTE_US,
         .max = MAX_DAYS * DAY_US,
         .example = "24h",
         .help = "Packs that no snapshot needs stay this long, and a snapshot under way is taken "
                 "for dead after it: longer than the longest snapshot takes."},
    [OPTION_HELPDESK_CONNECTION] =
        {.name = "helpdesk.connection",
         .type = OPTION_TEXT,
         .group = GROUP_HELPDESK,
         .standard = "",
         .unset = "libpq's own defaults and environment",
         .secret = true,
         .alias = "helpdesk",
         .example = "host=db.example.net user=alice dbname=helpdesk",
         .help = "libpq connection string or URI of the helpdesk's database, for adapters and "
                 "runbooks. Who logs in is who requests, approves or runs: one login for each "
                 "person."},
    [OPTION_HELPDESK_PASSWORD_FILE] = {.name = "helpdesk.password-file",
                                       .type = OPTION_SECRET_FILE,
                                       .group = GROUP_HELPDESK,
                                       .standard = "",
                                       .unset = "libpq's own sources",
                                       .example = "/run/secrets/helpdesk-password",
                                       .help = "File whose first line is the password."},
    [OPTION_WEBHOOK_DIRECTORY] =
        {.name = "webhook.directory",
         .type = OPTION_TEXT,
         .group = GROUP_HELPDESK,
         .standard = "",
         .unset = "webhooks stay queued",
         .example = "/run/secrets/webhooks",
         .help = "Directory with one file for each webhook that runbooks name: its URL, and on the "
                 "second line generic (the default), slack or pagerduty KEY."},
    [OPTION_RUNBOOK_DIRECTORY] =
        {.name = "runbook.directory",
         .type = OPTION_TEXT,
         .group = GROUP_RUNBOOK,
         .standard = "",
         .unset = "only the runbooks that the program carries",
         .example = "/etc/mainstay/runbooks",
         .help = "Directory with runbooks of your own, NAME.yaml. They come before those that the "
                 "program carries."},
    [OPTION_RUNBOOK_TRUSTED_KEYS] =
        {.name = "runbook.trusted-keys",
         .type = OPTION_PATH,
         .group = GROUP_RUNBOOK,
         .standard = "",
         .unset = "no bundle can be imported",
         .example = "/etc/mainstay/runbook-keys.pem",
         .help = "File with the public keys (PEM, Ed25519) of those whose runbook bundles may be "
                 "imported."},
    [OPTION_LOG_LEVEL] = {.name = "log.level",
                          .type = OPTION_ENUM,
                          .group = GROUP_LOG,
                          .standard = "info",
                          .values = {"error", "warning", "info", "debug"},
                          .example = "debug",
                          .help = "What is said on stderr."},
    [OPTION_LOG_FORMAT] = {.name = "log.format",
                           .type = OPTION_ENUM,
                           .group = GROUP_LOG,
                           .standard = "text",
                           .values = {"text", "json"},
                           .example = "json",
                           .help = "How it is said: lines for people, or one JSON object a line."},
};

const struct option_row *option_row(enum option_id id)
{
    return &table[id];
}

bool option_is_free(enum option_id id)
{
    enum option_type type = table[id].type;
    return (type == OPTION_TEXT && table[id].max == 0) || type == OPTION_PATH ||
           type == OPTION_SECRET_FILE;
}

bool option_by_name(const char *name, enum option_id *out)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0) {
            *out = (enum option_id)i;
            return true;
        }
    }
    return false;
}

bool option_by_flag(const char *flag, enum option_id *out)
{
    char derived[OPTION_NAME_SIZE];
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *alias = table[i].alias;
        if (strcmp(option_flag((enum option_id)i, derived), flag) == 0 ||
            (alias != NULL && strcmp(alias, flag) == 0)) {
            *out = (enum option_id)i;
            return true;
        }
    }
    return false;
}

const char *option_flag(enum option_id id, char out[OPTION_NAME_SIZE])
{
    (void)snprintf(out, OPTION_NAME_SIZE, "%s", table[id].name);
    for (char *at = out; *at != '\0'; at++) {
        if (*at == '.')
            *at = '-';
    }
    return out;
}

const char *option_variable(enum option_id id, char out[OPTION_NAME_SIZE])
{
    (void)snprintf(out, OPTION_NAME_SIZE, "MAINSTAY_%s", table[id].name);
    for (char *at = out; *at != '\0'; at++)
        *at = *at == '.' || *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    return out;
}

/* "a|b|c", or "a, b or c" with the two separators given. */
static void join_values(const struct option_row *row, const char *separator, const char *last,
                        char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(row->values) && row->values[i] != NULL; i++) {
        bool is_last = i + 1 == ARRAY_LEN(row->values) || row->values[i + 1] == NULL;
        const char *between = i == 0 ? "" : is_last ? last : separator;
        int more = snprintf(out + len, size - len, "%s%s", between, row->values[i]);
        len += more < 0 || (size_t)more >= size - len ? 0 : (size_t)more;
    }
}

const char *option_placeholder(enum option_id id, char out[OPTION_NAME_SIZE])
{
    static const char *const names[] = {
        [OPTION_TEXT] = "TEXT",       [OPTION_PATH] = "FILE", [OPTION_SECRET_FILE] = "FILE",
        [OPTION_BOOL] = "true|false", [OPTION_INT] = "N",     [OPTION_BYTES] = "SIZE",
        [OPTION_DURATION] = "TIME"};
    if (table[id].type == OPTION_ENUM)
        join_values(&table[id], "|", "|", out, OPTION_NAME_SIZE);
    else
        (void)snprintf(out, OPTION_NAME_SIZE, "%s", names[table[id].type]);
    return out;
}

struct scale {
    const char *unit;
    int64_t factor;
};

/* In the largest unit without a rest, as it may be written: "16MiB", "10min". */
static const char *amount(enum option_type type, int64_t value, char out[TEXT_SIZE])
{
    static const struct scale bytes[] = {
        {"GiB", 1024 * (int64_t)MIB}, {"MiB", MIB}, {"KiB", 1024}, {"", 1}};
    static const struct scale times[] = {{"d", 24 * 60 * (int64_t)MINUTE_US},
                                         {"h", 60 * (int64_t)MINUTE_US},
                                         {"min", MINUTE_US},
                                         {"s", SECOND_US},
                                         {"ms", 1000},
                                         {"us", 1}};
    const struct scale *scale = type == OPTION_BYTES ? bytes : times;
    if (type == OPTION_INT) {
        (void)snprintf(out, TEXT_SIZE, "%" PRId64, value);
        return out;
    }
    while (value % scale->factor != 0)
        scale++;
    (void)snprintf(out, TEXT_SIZE, "%" PRId64 "%s", value / scale->factor, scale->unit);
    return out;
}

const char *option_allowed(enum option_id id, char out[OPTION_ALLOWED_SIZE])
{
    const struct option_row *row = &table[id];
    char min[TEXT_SIZE];
    char max[TEXT_SIZE];
    switch (row->type) {
    case OPTION_TEXT:
        if (row->max > 0)
            (void)snprintf(out, OPTION_ALLOWED_SIZE, "a text of at most %d bytes", (int)row->max);
        else
            (void)snprintf(out, OPTION_ALLOWED_SIZE, "a text without control characters");
        break;
    case OPTION_PATH:
    case OPTION_SECRET_FILE:
        (void)snprintf(out, OPTION_ALLOWED_SIZE, "a path");
        break;
    case OPTION_BOOL:
        (void)snprintf(out, OPTION_ALLOWED_SIZE, "true or false");
        break;
    case OPTION_ENUM:
        join_values(row, ", ", " or ", out, OPTION_ALLOWED_SIZE);
        break;
    default:
        (void)snprintf(out, OPTION_ALLOWED_SIZE, "%s to %s%s%s%s", amount(row->type, row->min, min),
                       amount(row->type, row->max, max), row->zero == NULL ? "" : ", or 0 (",
                       row->zero == NULL ? "" : row->zero, row->zero == NULL ? "" : ")");
        break;
    }
    return out;
}

static bool is_value(const struct option_row *row, const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(row->values) && row->values[i] != NULL; i++) {
        if (strcmp(row->values[i], text) == 0)
            return true;
    }
    return false;
}

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    }
    return true;
}

/* Number, size or duration as one number. */
static bool to_amount(enum option_type type, const char *text, int64_t *out)
{
    uint64_t bytes;
    if (type == OPTION_DURATION)
        return text_to_duration_us(text, out);
    if (type == OPTION_INT)
        return text_to_i64(text, out);
    if (!text_to_bytes(text, &bytes) || bytes > INT64_MAX)
        return false;
    *out = (int64_t)bytes;
    return true;
}

bool option_accepts(enum option_id id, const char *text)
{
    const struct option_row *row = &table[id];
    int64_t value;
    bool flag;
    switch (row->type) {
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_SECRET_FILE:
        return is_plain(text) && (row->max == 0 || strlen(text) <= (size_t)row->max);
    case OPTION_BOOL:
        return text_to_bool(text, &flag);
    case OPTION_ENUM:
        return is_value(row, text);
    default:
        if (!to_amount(row->type, text, &value))
            return false;
        return (value >= row->min && value <= row->max) || (value == 0 && row->zero != NULL);
    }
}

const char *option_type_name(enum option_type type)
{
    static const char *const names[] = {
        [OPTION_TEXT] = "text",       [OPTION_PATH] = "path",  [OPTION_SECRET_FILE] = "secret file",
        [OPTION_BOOL] = "true/false", [OPTION_INT] = "number", [OPTION_BYTES] = "size",
        [OPTION_DURATION] = "time",   [OPTION_ENUM] = "choice"};
    return names[type];
}
