/*
 * Text in and out: strict number parsing, sizes, durations, UTC times, hex, nearest name.
 * Parsers accept the whole text or nothing and never skip white space.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Decimal digits only. */
MUST_CHECK bool text_to_u64(const char *text, uint64_t *out);
MUST_CHECK bool text_to_i64(const char *text, int64_t *out);
/* "4096", "64KiB", "16 MiB", "1GiB", also kB MB GB (powers of 1000). */
MUST_CHECK bool text_to_bytes(const char *text, uint64_t *out);
/* "250ms", "5s", "10min", "2h", "7d" to microseconds; "0" needs no unit. */
MUST_CHECK bool text_to_duration_us(const char *text, int64_t *out);
/* "true/false/yes/no/on/off". */
MUST_CHECK bool text_to_bool(const char *text, bool *out);
/* "16/B374D848" as PostgreSQL prints it. */
MUST_CHECK bool text_to_lsn(const char *text, uint64_t *out);

enum { TEXT_SIZE = 40 };

/* "1.2 GiB", "812 kB" style, 1024-based with IEC units. Returns out. */
const char *text_bytes(uint64_t bytes, char out[TEXT_SIZE]);
/* "850 ms", "12.3 s", "4 min 10 s", "2 h 5 min". */
const char *text_duration_us(int64_t us, char out[TEXT_SIZE]);
/* "16/B374D848". */
const char *text_lsn(uint64_t lsn, char out[TEXT_SIZE]);
/* RFC 3339 in UTC with seconds: "2026-03-01T12:00:05Z". Microseconds since 1970. */
const char *text_time_us(int64_t unix_us, char out[TEXT_SIZE]);
/* The same with microseconds: "2026-03-01T12:00:05.250000Z". */
const char *text_time_exact_us(int64_t unix_us, char out[TEXT_SIZE]);
/* "20260301T120005Z". */
const char *text_time_compact_us(int64_t unix_us, char out[TEXT_SIZE]);
/* "20260301T120005.250000Z": sorts by time, fit for object names. */
const char *text_time_key_us(int64_t unix_us, char out[TEXT_SIZE]);
MUST_CHECK bool text_to_time_key_us(const char *text, int64_t *out);
/* Parses what text_time_us prints (fraction and offset "+hh:mm" allowed; a zone is required), from
 * 1970 to 9999 in UTC. */
MUST_CHECK bool text_to_time_us(const char *text, int64_t *out);

/* Lower-case hex; out holds 2 * len + 1 bytes. */
void text_hex(const void *bytes, size_t len, char *out);
/* Exactly 2 * len lower- or upper-case digits. */
MUST_CHECK bool text_from_hex(const char *text, void *out, size_t len);

bool text_starts_with(const char *text, const char *prefix);
bool text_ends_with(const char *text, const char *suffix);

/* The words behind a number: `one` for 1, else `many`. */
const char *text_plural(uint64_t count, const char *one, const char *many);

/* malloc'd; NULL when memory is short. */
char *text_format(const char *format, ...) FORMAT(1, 2);

/* The name nearest to `word` within two edits or a third of its length, else NULL. */
const char *text_nearest(const char *word, const char *const *names, size_t count);

#endif
