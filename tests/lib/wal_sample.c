#include "tests/lib/wal_sample.h"

#include <string.h>

#define UNIX_AT_2000_US INT64_C(946684800000000)

void wal_sample_begin(struct wal_sample *wal, uint64_t lsn, uint8_t *bytes, size_t room)
{
    memset(bytes, 0, room);
    *wal = (struct wal_sample){.bytes = bytes, .lsn = lsn};
}

void wal_sample_put(struct wal_sample *wal, const void *bytes, size_t len, size_t remaining)
{
    const uint8_t *from = bytes;
    for (size_t i = 0; i < len; i++) {
        if (wal->at % SAMPLE_BLOCK == 0) {
            uint16_t info = remaining > 0 ? 1 : 0;
            uint32_t left = (uint32_t)remaining;
            memcpy(wal->bytes + wal->at + 2, &info, sizeof info);
            memcpy(wal->bytes + wal->at + 16, &left, sizeof left);
            wal->at += (wal->lsn + wal->at) % SAMPLE_SEGMENT == 0 ? 40 : 24;
        }
        wal->bytes[wal->at++] = from[i];
        if (remaining > 0)
            remaining--;
    }
}

void wal_sample_record(struct wal_sample *wal, uint8_t manager, uint8_t info, const void *data,
                       size_t len)
{
    uint8_t header[24] = {0};
    uint32_t total = (uint32_t)(sizeof header + len);
    wal->at = (wal->at + 7) / 8 * 8;
    memcpy(header, &total, sizeof total);
    header[16] = info;
    header[17] = manager;
    wal_sample_put(wal, header, 8, 0);
    wal_sample_put(wal, header + 8, sizeof header - 8, total - 8);
    wal_sample_put(wal, data, len, len);
}

void wal_sample_end(struct wal_sample *wal, uint8_t info, int64_t time_us)
{
    uint8_t data[] = {253, 1, 0, 252, 9, 0, 0, 0, 255, 12, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7};
    int64_t time = time_us - UNIX_AT_2000_US;
    memcpy(data + 10, &time, sizeof time);
    wal_sample_record(wal, 1, info, data, sizeof data);
}
