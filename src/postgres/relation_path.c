#include "postgres/relation_path.h"

#include <string.h>

enum { GLOBAL_TABLESPACE_OID = 1664 };

/* Moves over `prefix` when the text begins with it. */
static bool take_text(const char **at, const char *prefix)
{
    size_t len = strlen(prefix);
    if (strncmp(*at, prefix, len) != 0)
        return false;
    *at += len;
    return true;
}

/* Moves over a number from 1 to 2^32 - 1 without leading zeros: what PostgreSQL prints for %u. */
static bool take_number(const char **at, uint32_t *out)
{
    uint64_t value = 0;
    if (**at < '1' || **at > '9')
        return false;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        value = value * 10 + (uint64_t)(**at - '0');
        if (value > UINT32_MAX)
            return false;
    }
    *out = (uint32_t)value;
    return true;
}

static enum relation_fork take_fork(const char **at)
{
    static const struct {
        const char *suffix;
        enum relation_fork fork;
    } forks[] = {{"_fsm", FORK_FSM}, {"_vm", FORK_VM}, {"_init", FORK_INIT}};
    for (size_t i = 0; i < sizeof forks / sizeof *forks; i++)
        if (take_text(at, forks[i].suffix))
            return forks[i].fork;
    return FORK_MAIN;
}

/* "16384", "16384_vm", "16384.1", "16384_fsm.2" up to the end of the text */
static bool take_file_name(const char *at, struct relation_path *out)
{
    if (!take_number(&at, &out->relation_number))
        return false;
    out->fork = take_fork(&at);
    if (take_text(&at, ".") && !take_number(&at, &out->segment))
        return false;
    return *at == '\0';
}

/* "16500/PG_15_202209061/" */
static bool take_tablespace(const char **at, uint32_t *out_oid)
{
    if (!take_number(at, out_oid) || !take_text(at, "/PG_"))
        return false;
    const char *slash = strchr(*at, '/');
    if (slash == NULL || slash == *at)
        return false;
    *at = slash + 1;
    return true;
}

bool relation_path_parse(const char *path, struct relation_path *out)
{
    struct relation_path parsed = {0};
    const char *at = path;
    if (take_text(&at, "global/")) {
        parsed.tablespace_oid = GLOBAL_TABLESPACE_OID;
    } else {
        if (take_text(&at, "pg_tblspc/")) {
            if (!take_tablespace(&at, &parsed.tablespace_oid))
                return false;
        } else if (!take_text(&at, "base/")) {
            return false;
        }
        if (!take_number(&at, &parsed.database_oid) || !take_text(&at, "/"))
            return false;
    }
    if (!take_file_name(at, &parsed))
        return false;
    *out = parsed;
    return true;
}
