/*
 * JSON values: built member by member, printed in the order of building, parsed from bytes of
 * outside with a stated maximum, and read with getters that name what is missing or of the wrong
 * type. jansson underneath; its types do not leave src/document.
 *
 * Numbers are integers of 64 bits. JSON libraries, jansson among them, stop at 2^63 - 1, therefore
 * a larger unsigned number is written as decimal text ("18446744073709551615") and value_get_u64
 * reads that form back; a number that fits is never accepted as text. Identifiers that are numbers
 * only by accident (system identifiers) are better stored as text always.
 *
 * Texts are UTF-8 without NUL. Setting anything else is ERROR_INVALID, because what cannot be read
 * back must not be stored; value_set_text_lossy is for display.
 */
#ifndef DOCUMENT_VALUE_H
#define DOCUMENT_VALUE_H

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct value;

/* Gives an empty object or array; NULL when memory is short. */
MUST_CHECK struct value *value_new_object(struct error *err);
MUST_CHECK struct value *value_new_array(struct error *err);
/* NULL is allowed. Only for roots: what was set or appended belongs to its parent. */
void value_free(struct value *value);
/* For CLEANUP(value_cleanup). */
void value_cleanup(struct value **value);

/* Set replaces a member of the same key. Borrows key and text. */
MUST_CHECK bool value_set_text(struct value *object, const char *key, const char *text,
                               struct error *err);
/* Bytes that are not UTF-8 become U+FFFD. */
MUST_CHECK bool value_set_text_lossy(struct value *object, const char *key, const char *text,
                                     struct error *err);
MUST_CHECK bool value_set_u64(struct value *object, const char *key, uint64_t number,
                              struct error *err);
MUST_CHECK bool value_set_i64(struct value *object, const char *key, int64_t number,
                              struct error *err);
MUST_CHECK bool value_set_bool(struct value *object, const char *key, bool flag, struct error *err);
MUST_CHECK bool value_set_null(struct value *object, const char *key, struct error *err);
/* Takes child (an object or array), also on failure. */
MUST_CHECK bool value_set(struct value *object, const char *key, struct value *child,
                          struct error *err);
/* A new empty member; it belongs to the object. NULL on failure. */
MUST_CHECK struct value *value_set_new_object(struct value *object, const char *key,
                                              struct error *err);
MUST_CHECK struct value *value_set_new_array(struct value *object, const char *key,
                                             struct error *err);

/* A new array of texts. */
MUST_CHECK bool value_set_texts(struct value *object, const char *key, char *const *texts,
                                size_t count, struct error *err);

/* The same at the end of an array. */
MUST_CHECK bool value_append_text(struct value *array, const char *text, struct error *err);
MUST_CHECK bool value_append_text_lossy(struct value *array, const char *text, struct error *err);
MUST_CHECK bool value_append_u64(struct value *array, uint64_t number, struct error *err);
MUST_CHECK bool value_append(struct value *array, struct value *child, struct error *err);
MUST_CHECK struct value *value_append_new_object(struct value *array, struct error *err);
MUST_CHECK struct value *value_append_new_array(struct value *array, struct error *err);

/* Appends the text to out: on one line, or pretty with an indent of 2 and a final newline. */
MUST_CHECK bool value_print(const struct value *value, bool pretty, struct buf *out,
                            struct error *err);

/* Parses one object or array of at most max_bytes; duplicate keys, NULs, invalid UTF-8 and anything
 * behind it are refused. ERROR_INVALID names `what`, line and column. Gives the root. */
MUST_CHECK struct value *value_parse(const void *text, size_t len, size_t max_bytes,
                                     const char *what, struct error *err);

bool value_is_object(const struct value *value);
bool value_is_array(const struct value *value);
bool value_has(const struct value *object, const char *key);

/* A member that must be there. ERROR_INVALID names the key when it is missing, of another type or
 * out of range; texts, objects and arrays are borrowed from the root. */
MUST_CHECK bool value_get_text(const struct value *object, const char *key, const char **out,
                               struct error *err);
MUST_CHECK bool value_get_u64(const struct value *object, const char *key, uint64_t *out,
                              struct error *err);
MUST_CHECK bool value_get_u32(const struct value *object, const char *key, uint32_t *out,
                              struct error *err);
MUST_CHECK bool value_get_i64(const struct value *object, const char *key, int64_t *out,
                              struct error *err);
MUST_CHECK bool value_get_bool(const struct value *object, const char *key, bool *out,
                               struct error *err);
MUST_CHECK bool value_get_object(const struct value *object, const char *key,
                                 const struct value **out, struct error *err);
MUST_CHECK bool value_get_array(const struct value *object, const char *key,
                                const struct value **out, struct error *err);

/* A member that may be missing: *out is then the given default, or NULL for objects and arrays. A
 * member of the wrong type is an error here too. */
MUST_CHECK bool value_get_text_or(const struct value *object, const char *key,
                                  const char *otherwise, const char **out, struct error *err);
MUST_CHECK bool value_get_u64_or(const struct value *object, const char *key, uint64_t otherwise,
                                 uint64_t *out, struct error *err);
MUST_CHECK bool value_get_i64_or(const struct value *object, const char *key, int64_t otherwise,
                                 int64_t *out, struct error *err);
MUST_CHECK bool value_get_bool_or(const struct value *object, const char *key, bool otherwise,
                                  bool *out, struct error *err);
MUST_CHECK bool value_find_object(const struct value *object, const char *key,
                                  const struct value **out, struct error *err);
MUST_CHECK bool value_find_array(const struct value *object, const char *key,
                                 const struct value **out, struct error *err);

/* Elements of an array: for (size_t i = 0; i < value_count(array); i++). 0 for NULL. */
size_t value_count(const struct value *array);
MUST_CHECK bool value_at_text(const struct value *array, size_t at, const char **out,
                              struct error *err);
MUST_CHECK bool value_at_u64(const struct value *array, size_t at, uint64_t *out,
                             struct error *err);
MUST_CHECK bool value_at_object(const struct value *array, size_t at, const struct value **out,
                                struct error *err);
MUST_CHECK bool value_at_array(const struct value *array, size_t at, const struct value **out,
                               struct error *err);

/* For objects whose members are not known: every member in the order of the text. The visitor's
 * false ends it, with its err. */
typedef bool (*value_member_fn)(void *context, const char *key, const struct value *member,
                                struct error *err);
MUST_CHECK bool value_each(const struct value *object, value_member_fn visit, void *context,
                           struct error *err);
/* Element of an array, whatever it is. Borrowed. */
const struct value *value_at(const struct value *array, size_t at);
bool value_is_null(const struct value *value);
/* Appends a text as it is, a number in digits, "true" or "false", nothing for null. False for
 * objects and arrays. */
MUST_CHECK bool value_put_plain(const struct value *value, struct buf *out);

/* ERROR_INVALID for a member that is not among the names, with the nearest one as hint. */
MUST_CHECK bool value_check_keys(const struct value *object, const char *const *names, size_t count,
                                 struct error *err);

#endif
