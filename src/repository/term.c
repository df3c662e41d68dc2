#include "repository/term.h"

#include "base/text.h"
#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "terms/"
#define ENDED "ended"
#define NUMBER_MAX ((uint64_t)1 << 62) /* beyond it are names that nobody of us gave */

enum {
    DIGITS = 16,
    NAME_OFFSET = sizeof PREFIX - 1 + DIGITS + 1,
    KEY_SIZE = sizeof "terms/0123456789abcdef/0123456789abcdef.json",
    SIGNS_KEPT = 2,
    REMOVED_MAX = 4096, /* at the beginning of one term */
};

/* --- names
 * ---------------------------------------------------------------------------------------- */

static const char *sign_key(uint64_t term, uint64_t sign, char out[KEY_SIZE])
{
    (void)snprintf(out, KEY_SIZE, PREFIX "%016" PRIx64 "/%016" PRIx64 ".json", term, sign);
    return out;
}

static const char *end_key(uint64_t term, char out[KEY_SIZE])
{
    (void)snprintf(out, KEY_SIZE, PREFIX "%016" PRIx64 "/" ENDED ".json", term);
    return out;
}

static bool parse_number(const char *text, char end, uint64_t *out)
{
    uint8_t bytes[DIGITS / 2];
    char digits[DIGITS + 1];
    if (strlen(text) <= DIGITS || text[DIGITS] != end)
        return false;
    (void)snprintf(digits, sizeof digits, "%.*s", DIGITS, text);
    if (!text_from_hex(digits, bytes, sizeof bytes))
        return false;
    *out = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        *out = *out << 8 | bytes[i];
    return *out <= NUMBER_MAX;
}

/* False for what nobody of us has stored. */
static bool parse_key(const char *key, struct term_view *out)
{
    struct term_view view = {0};
    if (strlen(key) >= KEY_SIZE || !text_ends_with(key, ".json") ||
        !parse_number(key + strlen(PREFIX), '/', &view.term) || view.term == 0)
        return false;
    const char *name = key + NAME_OFFSET;
    view.ended = strcmp(name, ENDED ".json") == 0;
    if (!view.ended && !parse_number(name, '.', &view.sign))
        return false;
    *out = view;
    return true;
}

/* --- looking
 * -------------------------------------------------------------------------------------- */

static bool see_latest(void *context, const struct store_object *object, struct error *err)
{
    struct term_view *latest = context;
    struct term_view view;
    (void)err;
    if (!parse_key(object->key, &view) || view.term < latest->term)
        return true;
    if (view.term == latest->term) {
        view.sign = view.sign > latest->sign ? view.sign : latest->sign;
        view.ended |= latest->ended;
    }
    *latest = view;
    return true;
}

bool term_look(const struct repository *repository, struct term_view *out, struct error *err)
{
    struct term_view view = {0};
    if (!store_list(repository->store, PREFIX, see_latest, &view, err))
        return error_wrap(err, "could not see which daemon works");
    *out = view;
    return true;
}

static bool copy_text(const struct value *record, const char *key, char *out, size_t size,
                      struct error *err)
{
    const char *text;
    if (!value_get_text(record, key, &text, err))
        return false;
    if (strlen(text) >= size)
        return error_set(err, ERROR_CORRUPT, "%s is too long", key);
    (void)snprintf(out, size, "%s", text);
    return true;
}

bool term_read_claim(const struct repository *repository, uint64_t term, struct term_claim *out,
                     struct error *err)
{
    char key[KEY_SIZE];
    struct term_claim claim = {0};
    CLEANUP(value_cleanup)
    struct value *record = record_get(repository, sign_key(term, 0, key), err);
    if (record == NULL || !copy_text(record, "holder", claim.holder, sizeof claim.holder, err) ||
        !copy_text(record, "host", claim.host, sizeof claim.host, err) ||
        !copy_text(record, "lock", claim.lock, sizeof claim.lock, err))
        return error_wrap(err, "could not read \"%s\"", key);
    *out = claim;
    return true;
}

static bool same_view(const struct term_view *a, const struct term_view *b)
{
    return a->term == b->term && a->sign == b->sign && a->ended == b->ended;
}

bool term_watch_look(struct term_watch *watch, const struct repository *repository,
                     const struct clock *clock, bool *out_silent, struct error *err)
{
    struct term_view view;
    if (!term_look(repository, &view, err))
        return false;
    int64_t now_us = clock_monotonic_us(clock);
    if (!watch->looked || !same_view(&view, &watch->seen))
        *watch = (struct term_watch){.seen = view, .looked = true, .since_us = now_us};
    *out_silent = now_us - watch->since_us >= TERM_SILENCE_US;
    return true;
}

/* --- holding
 * -------------------------------------------------------------------------------------- */

static bool put(const struct term *term, const char *key, const struct term_claim *claim,
                const struct clock *clock, struct error *err)
{
    char created[TEXT_SIZE];
    CLEANUP(value_cleanup) struct value *record = value_new_object(err);
    if (record == NULL || !value_set_text(record, "holder", term->holder, err) ||
        (claim != NULL && (!value_set_text_lossy(record, "host", claim->host, err) ||
                           !value_set_text(record, "lock", claim->lock, err))) ||
        !value_set_text(record, "created", text_time_exact_us(clock_now_us(clock), created), err))
        return false;
    return record_put(term->repository, key, record, err);
}

/* Not only that it was stored: where create-only is two requests, somebody else's may have come in
 * between. */
static bool is_ours(const struct repository *repository, const struct term *term, struct error *err)
{
    struct term_claim there;
    if (!term_read_claim(repository, term->number, &there, err))
        return false;
    if (strcmp(there.holder, term->holder) == 0)
        return true;
    return error_set(err, ERROR_EXISTS, "another daemon (on %s) has begun term %" PRIu64,
                     there.host, term->number);
}

struct leftovers {
    uint64_t now;
    char (*keys)[KEY_SIZE];
    size_t count;
};

static bool see_leftover(void *context, const struct store_object *object, struct error *err)
{
    struct leftovers *leftovers = context;
    struct term_view view;
    (void)err;
    if (leftovers->count == REMOVED_MAX || !parse_key(object->key, &view) ||
        view.term >= leftovers->now)
        return true;
    bool is_claim = !view.ended && view.sign == 0;
    if (!is_claim || view.term + TERM_KEPT < leftovers->now)
        (void)snprintf(leftovers->keys[leftovers->count++], KEY_SIZE, "%s", object->key);
    return true;
}

/* What cannot be removed is only in the way of nobody. */
static void remove_leftovers(const struct term *term)
{
    struct error ignored;
    struct leftovers leftovers = {.now = term->number,
                                  .keys = calloc(REMOVED_MAX, sizeof *leftovers.keys)};
    if (leftovers.keys != NULL &&
        store_list(term->repository->store, PREFIX, see_leftover, &leftovers, &ignored)) {
        for (size_t i = 0; i < leftovers.count; i++)
            (void)!store_remove(term->repository->store, leftovers.keys[i], &ignored);
    }
    free(leftovers.keys);
}

bool term_begin(const struct repository *repository, const struct term_view *view,
                const struct term_claim *claim, const struct clock *clock,
                const struct random_source *random, struct term *out, struct error *err)
{
    char key[KEY_SIZE];
    uint8_t id[(TERM_HOLDER_SIZE - 1) / 2];
    struct error again;
    struct term term = {.repository = repository, .number = view->term + 1};
    random_fill(random, id, sizeof id);
    text_hex(id, sizeof id, term.holder);
    bool stored = put(&term, sign_key(term.number, 0, key), claim, clock, err);
    /* An answer that was lost makes the second attempt find the first. */
    if (!stored && err->kind != ERROR_EXISTS)
        return error_wrap(err, "could not begin to work");
    if (!is_ours(repository, &term, &again)) {
        *err = again;
        return false;
    }
    remove_leftovers(&term);
    *out = term;
    return true;
}

bool term_check(struct store *store, uint64_t number, struct error *err)
{
    char key[KEY_SIZE];
    struct error absent;
    struct store_object object;
    if (!store_stat(store, sign_key(number + 1, 0, key), &object, &absent)) {
        if (absent.kind == ERROR_NOT_FOUND)
            return true;
        *err = absent;
        return error_wrap(err, "could not see whether another daemon has taken over");
    }
    return error_set(err, ERROR_REFUSED,
                     "cannot go on: another daemon has taken over (term %" PRIu64 ")", number + 1);
}

bool term_renew(struct term *term, const struct clock *clock, struct error *err)
{
    char key[KEY_SIZE];
    struct error ignored;
    uint64_t sign = term->sign + 1;
    if (!put(term, sign_key(term->number, sign, key), NULL, clock, err) &&
        err->kind != ERROR_EXISTS)
        return error_wrap(err, "could not give a sign of life");
    term->sign = sign;
    if (sign > SIGNS_KEPT)
        (void)!store_remove(term->repository->store, sign_key(term->number, sign - SIGNS_KEPT, key),
                            &ignored);
    if (!term_check(term->repository->store, term->number, err))
        return false;
    if (is_ours(term->repository, term, err))
        return true;
    if (err->kind == ERROR_EXISTS || err->kind == ERROR_NOT_FOUND)
        err->kind = ERROR_REFUSED;
    return false;
}

bool term_end(const struct term *term, const struct clock *clock, struct error *err)
{
    char key[KEY_SIZE];
    return put(term, end_key(term->number, key), NULL, clock, err) || err->kind == ERROR_EXISTS;
}
