/*
 * Passwords inside connection strings and URLs, for output. Masked are user:PASSWORD@ in a URI, the
 * parameters password and sslpassword (and any that ends in "secret", "password" or "token") in its
 * query, and the same keywords in libpq's keyword=value form with its quoting.
 */
#ifndef CONFIG_CONFIG_MASK_H
#define CONFIG_CONFIG_MASK_H

#include "base/buf.h"

#include <stdbool.h>

/* Appends text with every password replaced by "***". */
void config_mask(const char *text, struct buf *out);
/* Whether there is one. */
bool config_has_password(const char *text);

#endif
