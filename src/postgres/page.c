#include "postgres/page.h"

#include <string.h>

enum {
    AT_LSN_HIGH = 0,
    AT_LSN_LOW = 4,
    AT_CHECKSUM = 8,
    AT_LOWER = 12,
    AT_UPPER = 14,
    AT_SPECIAL = 16,
    AT_SIZE_VERSION = 18,
    HEADER_BYTES = 24,
    LAYOUT_VERSION = 4,
    SUMS = 32, /* parallel FNV-1a sums, so that a row is a few vector registers */
    ROWS = PAGE_BYTES / (SUMS * 4),
    FNV_PRIME = 16777619,
};

/* Start values of the sums: part of the definition in checksum_impl.h. */
static const uint32_t base_offsets[SUMS] = {
    0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
    0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
    0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
    0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
};

static uint16_t u16_at(const void *page, size_t offset)
{
    const uint8_t *bytes = page;
    return (uint16_t)(bytes[offset] | bytes[offset + 1] << 8);
}

static uint32_t u32_at(const void *page, size_t offset)
{
    return (uint32_t)u16_at(page, offset) | (uint32_t)u16_at(page, offset + 2) << 16;
}

uint64_t page_lsn(const void *page)
{
    return (uint64_t)u32_at(page, AT_LSN_HIGH) << 32 | u32_at(page, AT_LSN_LOW);
}

bool page_is_new(const void *page)
{
    return u16_at(page, AT_UPPER) == 0;
}

bool page_header_is_sane(const void *page)
{
    unsigned lower = u16_at(page, AT_LOWER);
    unsigned upper = u16_at(page, AT_UPPER);
    unsigned special = u16_at(page, AT_SPECIAL);
    return lower >= HEADER_BYTES && lower <= upper && upper <= special && special <= PAGE_BYTES &&
           special % 8 == 0 && u16_at(page, AT_SIZE_VERSION) == (PAGE_BYTES | LAYOUT_VERSION);
}

uint16_t page_stored_checksum(const void *page)
{
    return u16_at(page, AT_CHECKSUM);
}

static inline __attribute__((always_inline)) void mix_row(uint32_t sums[SUMS],
                                                          const uint32_t row[SUMS])
{
    for (size_t i = 0; i < SUMS; i++) {
        uint32_t mixed = sums[i] ^ row[i];
        sums[i] = (mixed * FNV_PRIME) ^ (mixed >> 17);
    }
}

static inline __attribute__((always_inline)) uint32_t sum_page(const uint8_t *page)
{
    static const uint32_t zeros[SUMS];
    uint32_t sums[SUMS];
    uint32_t row[SUMS];
    uint32_t result = 0;
    memcpy(sums, base_offsets, sizeof sums);
    memcpy(row, page, sizeof row);
    memset((uint8_t *)row + AT_CHECKSUM, 0, 2); /* the checksum does not cover itself */
    mix_row(sums, row);
    for (size_t i = 1; i < ROWS; i++) {
        memcpy(row, page + i * sizeof row, sizeof row);
        mix_row(sums, row);
    }
    mix_row(sums, zeros);
    mix_row(sums, zeros);
    for (size_t i = 0; i < SUMS; i++)
        result ^= sums[i];
    return result;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint32_t sum_page_avx2(const uint8_t *page)
{
    return sum_page(page);
}
#endif

uint16_t page_checksum(const void *page, uint32_t block)
{
    uint32_t sum = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        sum = sum_page_avx2(page);
    else
#endif
        sum = sum_page(page);
    return (uint16_t)((sum ^ block) % 65535 + 1); /* never 0 */
}

bool page_verifies(const void *page, uint32_t block, uint64_t start_lsn)
{
    if (page_is_new(page) || page_lsn(page) >= start_lsn)
        return true;
    return page_checksum(page, block) == page_stored_checksum(page);
}

bool bytes_are_zero(const void *bytes, size_t len)
{
    enum { CHUNK = 256 };
    const uint8_t *at = bytes;
    for (; len >= CHUNK; len -= CHUNK, at += CHUNK) {
        uint64_t words[CHUNK / 8];
        uint64_t any = 0;
        memcpy(words, at, CHUNK);
        for (size_t i = 0; i < CHUNK / 8; i++)
            any |= words[i];
        if (any != 0)
            return false;
    }
    for (; len > 0; len--)
        if (*at++ != 0)
            return false;
    return true;
}
