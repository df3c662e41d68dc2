/*
 * What a person or a service opens a sealed repository with: exactly one of a passphrase (file,
 * terminal), a key (file, output of a command), a recipient's secret key (file). Key files and
 * outputs are 64 hexadecimal digits on their first line.
 */
#ifndef REPOSITORY_KEY_SOURCE_H
#define REPOSITORY_KEY_SOURCE_H

#include "repository/key_object.h"

enum encryption_wish { ENCRYPTION_AS_IT_IS, ENCRYPTION_NONE, ENCRYPTION_SEALED };

/* Texts are borrowed; NULL: not given. */
struct key_options {
    enum encryption_wish wish; /* what the configuration says about the repository */
    const char *passphrase_file;
    const char *key_file;
    const char *key_command;   /* words separated by spaces: a program and its arguments */
    const char *identity_file; /* a recipient's secret key */
    const char *signer;        /* 64 hex digits: whose signature counts; needed with an identity */
    bool ask;                  /* without any of them, ask on the terminal if there is one */
    const struct key_material *loaded; /* what one of them gave already; NULL: not yet */
};

enum { PASSPHRASE_MAX = 1023 };

/* In locked memory (key_material_free). */
struct key_material {
    enum key_kind kind;
    uint8_t key[SEAL_KEY_BYTES]; /* file, command; the secret of a recipient */
    char passphrase[PASSPHRASE_MAX + 1];
    bool has_signer;
    uint8_t signer[SEAL_KEY_BYTES];
};

/* Whether any way is named. */
bool key_options_given(const struct key_options *options);

/* Zeroed, to be filled; NULL when there is no memory. */
struct key_material *key_material_new(void);
/* ERROR_USAGE: none is named, or several; ERROR_REFUSED: a file that others can read. Gives *out.
 */
MUST_CHECK bool key_material_load(const struct key_options *options, struct key_material **out,
                                  struct error *err);
void key_material_free(struct key_material *material);
void key_material_cleanup(struct key_material **material);

/* Makes a file with a new key that only its owner can read. ERROR_EXISTS. */
MUST_CHECK bool key_file_make(const char *path, const uint8_t key[SEAL_KEY_BYTES],
                              struct error *err);

#endif
