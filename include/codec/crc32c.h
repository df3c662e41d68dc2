/*
 * CRC-32C (Castagnoli, RFC 3720 B.4), as PostgreSQL computes it for backup manifests, pg_control
 * and WAL records: start 0xFFFFFFFF, reflected, final complement.
 *
 * Because a CRC is linear, the checksum of a file can be put together from the checksums of its
 * blocks in any order: that is how a restore that writes pages in pack order knows the checksum of
 * every file without reading it again.
 */
#ifndef CODEC_CRC32C_H
#define CODEC_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* crc of A (0 for nothing), continued with the bytes of B: crc of AB. */
uint32_t crc32c_extend(uint32_t crc, const void *bytes, size_t len);

/* The same without the processor's CRC instruction: for comparing the two. */
uint32_t crc32c_extend_portable(uint32_t crc, const void *bytes, size_t len);

/* crc of A, crc of B and length of B: crc of AB. */
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b);

/* The checksum of len zero bytes. */
uint32_t crc32c_zeros(uint64_t len);

#endif
