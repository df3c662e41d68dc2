/*
 * Keys as text to print and to type in again: numbered lines of 16 hexadecimal digits, each with a
 * check behind that finds a mistyped digit and a line out of place.
 *
 *   1: 7f3a 09c2 e5d1 448b - a558
 *
 * Lines 1 to 4 are the key of a slot. What follows, if anything, is a copy of the data keys
 * (keyring_copy), for a repository that has lost its own.
 */
#ifndef CLI_RECOVERY_SHEET_H
#define CLI_RECOVERY_SHEET_H

#include "base/buf.h"
#include "codec/seal.h"

enum { SHEET_LINE_BYTES = 8, SHEET_KEY_LINES = SEAL_KEY_BYTES / SHEET_LINE_BYTES };

/* len: a multiple of 8 bytes. first: the number of the first line. */
void recovery_sheet_put(unsigned first, const void *bytes, size_t len, struct buf *out);

/* Appends what the lines hold; other lines may stand around them, and they may be in any order.
 * ERROR_INVALID names the line that is wrong or missing. The caller wipes *out. */
MUST_CHECK bool recovery_sheet_read(const char *text, struct buf *out, struct error *err);

#endif
