/*
 * What a path below the data directory is: a relation file (database, relation, fork, segment) or
 * anything else. Source: PostgreSQL src/common/relpath.c, src/backend/storage/file/reinit.c.
 */
#ifndef POSTGRES_RELATION_PATH_H
#define POSTGRES_RELATION_PATH_H

#include <stdbool.h>
#include <stdint.h>

enum relation_fork { FORK_MAIN, FORK_FSM, FORK_VM, FORK_INIT };

struct relation_path {
    uint32_t tablespace_oid; /* 0 = pg_default ("base/..."), 1664 = pg_global */
    uint32_t database_oid;   /* 0 below global/ */
    uint32_t relation_number;
    enum relation_fork fork;
    uint32_t segment; /* 0, 1, ... */
};

/* "base/5/16384_vm.1", "global/1260", "pg_tblspc/16500/PG_15_202209061/5/16384". False for every
 * other path, temporary relations ("base/5/t3_16384") included. */
bool relation_path_parse(const char *path, struct relation_path *out);

#endif
