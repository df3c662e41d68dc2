/*
 * A key as text to print and to type in again: four lines of 16 hexadecimal digits, each with its
 * number in front and a check behind that finds any mistyped digit and any line out of place.
 *
 *   1: 7f3a 09c2 e5d1 448b - 51d0
 */
#ifndef CLI_RECOVERY_SHEET_H
#define CLI_RECOVERY_SHEET_H

#include "base/buf.h"
#include "codec/seal.h"

void recovery_sheet_put(const uint8_t key[SEAL_KEY_BYTES], struct buf *out);
/* Other lines may stand around them. ERROR_INVALID names the line that is wrong or missing. */
MUST_CHECK bool recovery_sheet_read(const char *text, uint8_t out[SEAL_KEY_BYTES],
                                    struct error *err);

#endif
