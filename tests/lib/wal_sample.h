/* WAL as a server lays it out: records over pages, each page with its header. */
#ifndef TESTS_LIB_WAL_SAMPLE_H
#define TESTS_LIB_WAL_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

enum { SAMPLE_BLOCK = 8192, SAMPLE_SEGMENT = 1 << 20 };

struct wal_sample {
    uint8_t *bytes; /* borrows: the caller's, large enough */
    uint64_t lsn;   /* of the first byte, where a page begins */
    size_t at;      /* so much is written */
};

void wal_sample_begin(struct wal_sample *wal, uint64_t lsn, uint8_t *bytes, size_t room);

/* Bytes of a record; where a page begins among the first `remaining` of them, its header says that
 * the record goes on. */
void wal_sample_put(struct wal_sample *wal, const void *bytes, size_t len, size_t remaining);

/* One record: manager and info as in XLogRecord, then `data`, which has its block ids. */
void wal_sample_record(struct wal_sample *wal, uint8_t manager, uint8_t info, const void *data,
                       size_t len);

/* The end of a transaction (info: 0x00 commit, 0x20 abort) at this time. */
void wal_sample_end(struct wal_sample *wal, uint8_t info, int64_t time_us);

#endif
