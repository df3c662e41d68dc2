#include "config/config_table.h"

#include "config_rows.h"

enum { SECOND_US = 1000000, MINUTE_US = 60 * SECOND_US };

#define MIB (1024 * 1024)
#define DAY_US (24 * 60 * (int64_t)MINUTE_US)
#define MAX_DAYS (100 * 366)

/* Where data is and how it is taken and given back; the rest is in config_service_rows.c. */
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
    [OPTION_REPOSITORY_ENCRYPTION] =
        {.name = "repository.encryption",
         .type = OPTION_ENUM,
         .group = GROUP_REPOSITORY,
         .standard = "",
         .unset = "none when it is made, later what the repository is",
         .values = {"sealed", "none"},
         .example = "sealed",
         .help = "Whether the repository is sealed: encrypted here, before anything is sent. "
                 "Decided when it is made. Set, it is also a promise: a repository that is not as "
                 "it says is refused. A lost key cannot be replaced: print a recovery sheet with "
                 "`mainstay repo key export --paper`."},
    [OPTION_REPOSITORY_KEY_FILE] =
        {.name = "repository.key-file",
         .type = OPTION_SECRET_FILE,
         .group = GROUP_REPOSITORY,
         .standard = "",
         .unset = "another way to open a sealed repository, or none",
         .example = "/etc/mainstay/repository.key",
         .help = "File with the key of a sealed repository: 64 hexadecimal digits. Made by `repo "
                 "init` when it is not there. Nobody but its owner and group may read it."},
    [OPTION_REPOSITORY_KEY_COMMAND] =
        {.name = "repository.key-command",
         .type = OPTION_TEXT,
         .group = GROUP_REPOSITORY,
         .standard = "",
         .unset = "another way to open a sealed repository, or none",
         .example = "/usr/local/bin/get-mainstay-key helpdesk",
         .help = "Program, and its arguments, that prints the key of a sealed repository: for "
                 "Vault or a KMS. Words are separated by spaces; no shell is involved."},
    [OPTION_REPOSITORY_PASSPHRASE_FILE] =
        {.name = "repository.passphrase-file",
         .type = OPTION_SECRET_FILE,
         .group = GROUP_REPOSITORY,
         .standard = "",
         .unset = "asked on the terminal, where there is one",
         .example = "/run/secrets/repository-passphrase",
         .help = "File whose first line is the passphrase of a sealed repository."},
    [OPTION_REPOSITORY_IDENTITY_FILE] =
        {.name = "repository.identity-file",
         .type = OPTION_SECRET_FILE,
         .group = GROUP_REPOSITORY,
         .standard = "",
         .unset = "another way to open a sealed repository, or none",
         .example = "/etc/mainstay/identity.key",
         .help = "File with the secret X25519 key of a recipient: 64 hexadecimal digits. Needs "
                 "repository.signer."},
    [OPTION_REPOSITORY_SIGNER] =
        {.name = "repository.signer",
         .type = OPTION_TEXT,
         .group = GROUP_REPOSITORY,
         .standard = "",
         .unset = "what the key proves",
         .max = 64,
         .example = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
         .help = "Whose signature under the keys of a sealed repository counts, as `mainstay repo "
                 "key list` shows it. With an identity it is needed; with other keys it is one "
                 "more check."},
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
         .unset = "the environment, a role, or the credentials file",
         .example = "/run/secrets/s3-access-key",
         .help = "File with the access key id. Read again when the store refuses the key. Without "
                 "it keys come from the environment, web identity (IRSA), the credentials file, "
                 "pod identity or instance metadata, whichever is there first."},
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
    [OPTION_STORE_LOCK_MODE] =
        {.name = "store.lock-mode",
         .type = OPTION_ENUM,
         .group = GROUP_REPOSITORY,
         .standard = "none",
         .values = {"none", "governance", "compliance"},
         .example = "governance",
         .help = "Object lock of S3 for what is stored: nobody can delete it for good before "
                 "store.lock-days are over; in governance mode those with a special right can. "
                 "Needs a bucket that was made with object lock."},
    [OPTION_STORE_LOCK_DAYS] = {.name = "store.lock-days",
                                .type = OPTION_INT,
                                .group = GROUP_REPOSITORY,
                                .standard = "30",
                                .min = 1,
                                .max = MAX_DAYS,
                                .example = "30",
                                .help = "How long an object is locked at least; up to a quarter "
                                        "longer. A snapshot locks what it reuses anew."},
    [OPTION_STORE_LEGAL_HOLD] =
        {.name = "store.legal-hold",
         .type = OPTION_BOOL,
         .group = GROUP_REPOSITORY,
         .standard = "false",
         .example = "true",
         .help = "Put a legal hold on what is stored: nobody can delete it for good until somebody "
                 "with the right s3:PutObjectLegalHold lifts it. A snapshot holds what it reuses, "
                 "too."},
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
};

const struct option_row *option_row(enum option_id id)
{
    return table[id].name != NULL ? &table[id] : &service_rows[id];
}
