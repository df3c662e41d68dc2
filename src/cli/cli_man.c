/* Manual pages in groff's man macros, written from the tables. */
#include "cli/cli_texts.h"

#include <ctype.h>
#include <string.h>

/* Text in which nothing is a request or an escape. */
static void put_roff(const char *text, struct buf *out)
{
    for (bool line_start = true; *text != '\0'; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            buf_printf(out, "\\&");
        line_start = *text == '\n';
        if (*text == '\\')
            buf_printf(out, "\\e");
        else if (*text == '-')
            buf_printf(out, "\\-");
        else if (*text == '\'')
            buf_printf(out, "\\(aq");
        else if (*text == '`')
            buf_printf(out, "\\(ga");
        else if (*text == '~')
            buf_printf(out, "\\(ti");
        else
            buf_put_u8(out, (uint8_t)*text);
    }
}

/* The macro at the start of a line takes quoted arguments; a quote inside is doubled by \(dq. */
static void put_heading(const char *macro, const char *text, struct buf *out)
{
    buf_printf(out, ".%s \"", macro);
    put_roff(text, out);
    buf_printf(out, "\"\n");
}

static void put_title(const char *name, int section, struct buf *out)
{
    buf_printf(out, ".TH %s %d \"\" \"mainstay %s\" \"Mainstay\"\n.nh\n.ad l\n", name, section,
               MAINSTAY_VERSION);
}

static void put_default(const char *standard, struct buf *out)
{
    buf_printf(out, " Default: ");
    put_roff(standard, out);
    buf_printf(out, ".\n");
}

static void put_flag(const struct command_flag *flag, struct buf *out)
{
    buf_printf(out, ".TP\n\\fB\\-\\-");
    put_roff(flag->name, out);
    buf_printf(out, "\\fR");
    if (flag->value != NULL) {
        buf_printf(out, " \\fI");
        put_roff(flag->value, out);
        buf_printf(out, "\\fR");
    }
    if (flag->letter != 0)
        buf_printf(out, ", \\fB\\-%c\\fR", flag->letter);
    buf_printf(out, "\n");
    put_roff(flag->help, out);
    if (flag->standard != NULL)
        put_default(flag->standard, out);
    else
        buf_printf(out, "\n");
}

static const char *group_name(enum option_group group)
{
    switch (group) {
    case GROUP_REPOSITORY:
        return "repository.url, store.*";
    case GROUP_INIT:
        return "repository.codec, repository.level, repository.pack-size";
    case GROUP_POSTGRES:
        return "postgres.*";
    case GROUP_SNAPSHOT:
        return "snapshot.*";
    case GROUP_RESTORE:
        return "restore.*";
    case GROUP_DRILL:
        return "drill.*";
    case GROUP_DAEMON:
        return "daemon.*, alert.*";
    case GROUP_WAL:
        return "wal.flush-interval, wal.chunk-size";
    case GROUP_SLOT:
        return "wal.slot";
    case GROUP_RETENTION:
        return "retention.*";
    case GROUP_HELPDESK:
        return "helpdesk.*, webhook.*";
    case GROUP_RUNBOOK:
        return "runbook.*";
    default:
        return "process.*, log.*";
    }
}

static void put_groups(const struct command *command, struct buf *out)
{
    const char *between = "";
    if (command->groups == 0)
        return;
    buf_printf(out, ".PP\nOptions of the configuration: ");
    for (unsigned group = 1; group < GROUP_ALL; group <<= 1) {
        if ((command->groups & group) == 0)
            continue;
        buf_printf(out, "%s", between);
        put_roff(group_name((enum option_group)group), out);
        between = ", ";
    }
    buf_printf(out, ".\n");
}

static void put_command(const struct command *command, struct buf *out)
{
    struct buf synopsis;
    buf_init(&synopsis, 4096);
    help_put_synopsis(command, &synopsis);
    const char *text = buf_text(&synopsis);
    put_heading("SS", text == NULL ? "" : text, out);
    buf_release(&synopsis);
    buf_printf(out, "%c", toupper((unsigned char)command->summary[0]));
    put_roff(command->summary + 1, out);
    buf_printf(out, ".\n");
    if (command->details != NULL) {
        put_roff(command->details, out);
        buf_printf(out, "\n");
    }
    for (size_t i = 0; i < command_flag_count(command); i++)
        put_flag(&command->flags[i], out);
    put_groups(command, out);
    if (command->examples[0] != NULL)
        buf_printf(out, ".PP\nExample:\n.PP\n.RS 4\n.nf\n");
    for (size_t i = 0; i < COMMAND_MAX_EXAMPLES && command->examples[i] != NULL; i++) {
        put_roff(command->examples[i], out);
        buf_printf(out, "\n");
    }
    if (command->examples[0] != NULL)
        buf_printf(out, ".fi\n.RE\n");
}

static void put_ends(struct buf *out)
{
    buf_printf(
        out, ".SH OPTIONS OF EVERY COMMAND\n"
             ".TP\n\\fB\\-\\-config\\fR \\fIFILE\\fR\nThe configuration. Default: "
             "$MAINSTAY_CONFIG, ./mainstay.yaml or /etc/mainstay/mainstay.yaml.\n"
             ".TP\n\\fB\\-\\-json\\fR\nOne JSON object on standard output, on failure too.\n"
             ".TP\n\\fB\\-\\-help\\fR\nThe options of the command with an example.\n"
             ".SH EXIT STATUS\n"
             "0 done, 1 failed, 2 wrong usage or configuration, 3 not found, 4 verification failed "
             "(damaged data), 5 refused by a safety rule.\n"
             ".SH SEE ALSO\n.BR mainstayd (8),\n.BR mainstay.yaml (5),\n.BR pg_basebackup (1)\n");
}

void man_put_commands(struct buf *out)
{
    put_title("MAINSTAY", 1, out);
    buf_printf(out, ".SH NAME\nmainstay \\- incremental PostgreSQL snapshots in object storage\n"
                    ".SH SYNOPSIS\n.B mainstay\n.I COMMAND\n[\\fIOPTION\\fR]...\n"
                    ".SH DESCRIPTION\n"
                    "Takes snapshots of a PostgreSQL cluster into a repository, a directory or "
                    "S3\\-compatible storage. The first one is full, every later one stores only "
                    "pages that changed, and each one restores on its own.\n"
                    ".PP\nEvery option of \\fBmainstay.yaml\\fR(5) is also a flag "
                    "(\\fB\\-\\-repository\\-url\\fR) and an environment variable "
                    "(\\fBMAINSTAY_REPOSITORY_URL\\fR). A flag beats the environment, which beats "
                    "the file.\n.SH COMMANDS\n");
    for (size_t i = 0; i < command_count(); i++) {
        if (!command_at(i)->hidden)
            put_command(command_at(i), out);
    }
    put_ends(out);
}

static void put_option(enum option_id id, struct buf *out)
{
    char name[OPTION_NAME_SIZE];
    char allowed[OPTION_ALLOWED_SIZE];
    const struct option_row *row = option_row(id);
    buf_printf(out, ".TP\n\\fB");
    put_roff(row->name, out);
    buf_printf(out, "\\fR (%s)\n", option_type_name(row->type));
    put_roff(row->help, out);
    if (!option_is_free(id)) {
        buf_printf(out, " Allowed: ");
        put_roff(option_allowed(id, allowed), out);
        buf_printf(out, ".");
    }
    put_default(row->standard[0] == '\0' ? row->unset : row->standard, out);
    buf_printf(out, ".br\nFlag: ");
    put_roff("--", out);
    put_roff(option_flag(id, name), out);
    if (row->alias != NULL) {
        put_roff(", --", out);
        put_roff(row->alias, out);
    }
    buf_printf(out, ". Variable: %s.\n", option_variable(id, name));
    if (row->secret)
        buf_printf(out, "Passwords in it are masked in all output.\n");
}

void man_put_config(struct buf *out)
{
    put_title("MAINSTAY.YAML", 5, out);
    buf_printf(out, ".SH NAME\nmainstay.yaml \\- configuration of mainstay\n"
                    ".SH DESCRIPTION\n"
                    "YAML with one mapping for each section. All values are texts whose type the "
                    "option decides; unknown keys, anchors, aliases, tags and duplicate keys are "
                    "errors that name line and column. Sizes are written like 32MiB or 1GB, times "
                    "like 250ms, 10s, 5min, 2h or 7d.\n"
                    ".PP\n\\fBmainstay config check\\fR reads the file without touching anything; "
                    "\\fBmainstay config show\\fR says where each value comes from; "
                    "\\fBmainstay config example\\fR prints a file with every option.\n"
                    ".SH OPTIONS\n");
    for (size_t i = 0; i < OPTION_COUNT; i++)
        put_option((enum option_id)i, out);
    buf_printf(out, ".SH FILES\n\\&./mainstay.yaml, /etc/mainstay/mainstay.yaml\n"
                    ".SH SEE ALSO\n.BR mainstay (1),\n.BR mainstayd (8)\n");
}

/* --- mainstayd(8)
 * ----------------------------------------------------------------------------------- */

struct entry {
    const char *name;
    const char *text; /* full sentences */
};

static void put_entries(const char *heading, const struct entry *entries, size_t count,
                        struct buf *out)
{
    put_heading("SH", heading, out);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, ".TP\n\\fB");
        put_roff(entries[i].name, out);
        buf_printf(out, "\\fR\n");
        put_roff(entries[i].text, out);
        buf_printf(out, "\n");
    }
}

static const struct entry daemon_flags[] = {
    {"--config FILE", "The configuration. Default: $MAINSTAY_CONFIG, ./mainstay.yaml or "
                      "/etc/mainstay/mainstay.yaml."},
    {"--check", "Read the configuration, say what is wrong, start nothing."},
    {"--health",
     "Ask the daemon of this configuration for /healthz and end with status 0 when it is "
     "alive: the health check of a container, where there is no shell."},
    {"--no-seccomp", "Jobs may make any system call, as with process.seccomp: no."},
    {"--version, --help", "Print that."},
};

static const struct entry daemon_signals[] = {
    {"SIGTERM, SIGINT",
     "No new jobs; running ones are asked to end and killed after daemon.drain-timeout. Exit "
     "status 0 when all ended by themselves, 1 otherwise."},
    {"SIGHUP", "Read the configuration again as a whole and log each change; a wrong one changes "
               "nothing. Jobs that run all the time are started anew when it concerns them."},
};

static const struct entry daemon_pages[] = {
    {"/metrics", "Metrics in Prometheus' text format; each says in its HELP line what it is."},
    {"/healthz", "200 while the daemon's loop runs, whatever the server and the store do: what "
                 "fails there is not mended by a restart."},
    {"/readyz",
     "200 for the daemon that works, when the repository (and the server, where "
     "postgres.connection is set) was reached within three status intervals; else 503 and the "
     "reason on one line: a standby, one that ends, or one that cannot reach something."},
};

static const struct entry daemon_alerts[] = {
    {"snapshot-stale", "The last good snapshot is older than alert.snapshot-age."},
    {"wal-lag", "Nothing was stored for alert.wal-lag although the server has more WAL."},
    {"wal-gap", "The stored WAL has a hole."},
    {"slot-danger", "Less than a fifth of what max_slot_wal_keep_size allows is left for our slot, "
                    "or the server has taken its WAL."},
    {"verify-failed", "A part of the repository was damaged when it was read last."},
    {"drill-stale", "The last good restore drill is older than alert.drill-age, where drills are "
                    "held."},
    {"drill-failed", "The last restore drill failed."},
    {"snapshot-unreadable", "The manifest of a snapshot cannot be read."},
    {"store-down", "The repository could not be read three times in a row."},
    {"server-down", "The server does not answer."},
    {"job-failed-NAME", "A job failed alert.failures times in a row."},
};

void man_put_daemon(struct buf *out)
{
    put_title("MAINSTAYD", 8, out);
    buf_printf(out, ".SH NAME\nmainstayd \\- the backup daemon of mainstay\n"
                    ".SH SYNOPSIS\n.B mainstayd\n[\\fIOPTION\\fR]...\n.SH DESCRIPTION\n");
    put_roff("Runs the jobs of mainstay: the WAL stream all the time, snapshots, verification, "
             "clean-ups and restore drills by their schedules. Each job is the command of the same "
             "name in a process "
             "of its own, so that a crash in one never stops another.\n",
             out);
    buf_printf(out, ".PP\n");
    put_roff("Several daemons may have the same repository. One works, the others stand by and "
             "take over within 30 seconds after it died, or at once when it ended by itself. What "
             "decides is in the repository, so that this is true also when the PostgreSQL server "
             "is down. A time of the schedule that nobody was there for is made up for once, and "
             "none is served twice, whatever the clocks do. Commands may be run beside a daemon at "
             "any time: a snapshot waits for the one under way.\n",
             out);
    put_entries("OPTIONS", daemon_flags, ARRAY_LEN(daemon_flags), out);
    put_entries("SIGNALS", daemon_signals, ARRAY_LEN(daemon_signals), out);
    put_entries("HTTP", daemon_pages, ARRAY_LEN(daemon_pages), out);
    put_entries("ALERTS", daemon_alerts, ARRAY_LEN(daemon_alerts), out);
    buf_printf(out, ".PP\n");
    put_roff("Each is told when it begins and when it is over, to the log and to "
             "alert.webhook-file, from memory, for a day. After every good snapshot the URL in "
             "alert.heartbeat-file is requested.\n",
             out);
    buf_printf(out, ".SH CONFIGURATION\nThe rest of it is in \\fBmainstay.yaml\\fR(5).\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (option_row((enum option_id)i)->group == GROUP_DAEMON)
            put_option((enum option_id)i, out);
    }
    buf_printf(out, ".SH SEE ALSO\n.BR mainstay (1),\n.BR mainstay.yaml (5)\n");
}
