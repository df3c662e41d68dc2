#include "restore/recovery_target.h"

#include "base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SECOND_US = 1000000, TIME_SIZE = 64 };

static bool set_kind(struct recovery_target *target, enum recovery_target_kind kind,
                     struct error *err)
{
    if (target->kind == TARGET_NONE) {
        target->kind = kind;
        return true;
    }
    (void)error_set(err, ERROR_USAGE, "more than one recovery target");
    return error_hint(err, "Give one of --target-time, --target-lsn, --target-name, --target-xid, "
                           "--target-immediate and --latest.");
}

/* PostgreSQL prints "2026-03-01 12:00:05.25+01": a blank for the T, an offset without minutes. */
static bool normalise_time(const char *text, char out[TIME_SIZE])
{
    size_t len = strlen(text);
    if (len < 11 || len + 4 > TIME_SIZE)
        return false;
    (void)snprintf(out, TIME_SIZE, "%s", text);
    if (out[10] == ' ')
        out[10] = 'T';
    if (out[len - 1] == 'z')
        out[len - 1] = 'Z';
    bool short_offset = len > 14 && (out[len - 3] == '+' || out[len - 3] == '-') &&
                        isdigit((unsigned char)out[len - 2]) != 0;
    if (short_offset)
        (void)snprintf(out + len, TIME_SIZE - len, ":00");
    return true;
}

/* The 30th of February would quietly become a day in March. */
static bool is_in_the_calendar(const char *normal)
{
    char midnight[TIME_SIZE];
    char again[TEXT_SIZE];
    int64_t moment;
    (void)snprintf(midnight, sizeof midnight, "%.10sT00:00:00Z", normal);
    return text_to_time_us(midnight, &moment) && strcmp(text_time_us(moment, again), midnight) == 0;
}

/* Names of zones are refused: "EST" and "IST" are several zones, and an hour is there twice when
 * the clocks go back. */
static bool parse_time(const char *text, int64_t *out, struct error *err)
{
    char normal[TIME_SIZE];
    char with_zone[TIME_SIZE + 1];
    char moment[TEXT_SIZE];
    if (normalise_time(text, normal) && is_in_the_calendar(normal)) {
        if (text_to_time_us(normal, out))
            return true;
        (void)snprintf(with_zone, sizeof with_zone, "%sZ", normal);
        if (text_to_time_us(with_zone, out)) {
            (void)error_set(err, ERROR_USAGE, "--target-time \"%.60s\" has no time zone", text);
            return error_hint(err,
                              "Write \"%.60sZ\" if that is UTC (%s), or add the offset: "
                              "\"%.60s+01:00\".",
                              text, text_time_us(*out, moment), text);
        }
    }
    (void)error_set(err, ERROR_USAGE, "--target-time \"%.60s\" is not a time", text);
    return error_hint(err, "Write date, time and the offset from UTC in digits, because names of "
                           "zones are ambiguous: \"2026-03-01 12:00:05+01:00\", or Z for UTC.");
}

static bool read_time(const char *text, struct recovery_target *target, struct error *err)
{
    return parse_time(text, &target->time_us, err);
}

static bool read_lsn(const char *text, struct recovery_target *target, struct error *err)
{
    if (text_to_lsn(text, &target->lsn) && target->lsn > 0)
        return true;
    (void)error_set(err, ERROR_USAGE, "--target-lsn \"%.60s\" is not an LSN", text);
    return error_hint(err, "Write it as pg_current_wal_lsn() prints it: 16/B374D848.");
}

static bool read_name(const char *text, struct recovery_target *target, struct error *err)
{
    if (!restore_point_check_name(text, err))
        return false;
    (void)snprintf(target->name, sizeof target->name, "%s", text);
    return true;
}

/* txid_current() counts on over epochs; the WAL has the low 32 bits. */
static bool read_xid(const char *text, struct recovery_target *target, struct error *err)
{
    uint64_t xid;
    if (text_to_u64(text, &xid) && (uint32_t)xid >= 3) {
        target->xid = (uint32_t)xid;
        return true;
    }
    (void)error_set(err, ERROR_USAGE, "--target-xid \"%.60s\" is not a transaction id", text);
    return error_hint(err, "Write the number that pg_current_xact_id() gave in the transaction.");
}

static bool parse_kind(const struct recovery_target_texts *texts, struct recovery_target *target,
                       struct error *err)
{
    const struct {
        enum recovery_target_kind kind;
        const char *text;
        bool (*read)(const char *text, struct recovery_target *target, struct error *err);
    } rows[] = {{TARGET_TIME, texts->time, read_time},
                {TARGET_LSN, texts->lsn, read_lsn},
                {TARGET_NAME, texts->name, read_name},
                {TARGET_XID, texts->xid, read_xid},
                {TARGET_IMMEDIATE, texts->immediate ? "" : NULL, NULL},
                {TARGET_LATEST, texts->latest ? "" : NULL, NULL}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].text == NULL)
            continue;
        if (!set_kind(target, rows[i].kind, err) ||
            (rows[i].read != NULL && !rows[i].read(rows[i].text, target, err)))
            return false;
    }
    return true;
}

static bool parse_timeline(const char *text, struct recovery_target *target, struct error *err)
{
    uint64_t number;
    if (text == NULL || strcmp(text, "latest") == 0)
        return true; /* TIMELINE_LATEST is 0 */
    if (strcmp(text, "current") == 0) {
        target->timeline = TIMELINE_CURRENT;
        return true;
    }
    if (!text_to_u64(text, &number) || number == 0 || number > UINT32_MAX)
        return error_set(err, ERROR_USAGE,
                         "--target-timeline \"%.60s\" is not latest, current or a number", text);
    target->timeline = TIMELINE_NUMBER;
    target->timeline_number = (uint32_t)number;
    return true;
}

static bool parse_action(const char *text, struct recovery_target *target, struct error *err)
{
    static const char *const names[] = {
        [ACTION_PROMOTE] = "promote", [ACTION_PAUSE] = "pause", [ACTION_SHUTDOWN] = "shutdown"};
    if (text == NULL)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            target->action = (enum recovery_action)i;
            return true;
        }
    }
    return error_set(err, ERROR_USAGE,
                     "--target-action \"%.60s\" is not promote, pause or shutdown", text);
}

static bool check_combination(const struct recovery_target_texts *texts,
                              struct recovery_target *target, struct error *err)
{
    bool has_before = target->kind == TARGET_TIME || target->kind == TARGET_LSN ||
                      target->kind == TARGET_XID;
    if (texts->exclusive && !has_before)
        return error_set(err, ERROR_USAGE,
                         "--target-exclusive goes with --target-time, --target-lsn or "
                         "--target-xid only");
    if (texts->standby && (target->kind != TARGET_NONE && target->kind != TARGET_LATEST))
        return error_set(err, ERROR_USAGE,
                         "--standby follows its primary: it does not go with a target");
    if (texts->standby && (texts->action != NULL || texts->timeline != NULL))
        return error_set(err, ERROR_USAGE,
                         "--standby goes without --target-action and --target-timeline");
    if (texts->standby)
        target->kind = TARGET_LATEST;
    bool details = texts->action != NULL || texts->timeline != NULL;
    if (target->kind == TARGET_NONE && details) {
        (void)error_set(err, ERROR_USAGE,
                        "--target-action and --target-timeline need a recovery target");
        return error_hint(err, "To go as far as the WAL does, add --latest.");
    }
    if (target->kind == TARGET_LATEST && texts->action != NULL)
        return error_set(err, ERROR_USAGE,
                         "--latest has no --target-action: at the end of the WAL PostgreSQL "
                         "always promotes");
    return true;
}

bool recovery_target_parse(const struct recovery_target_texts *texts, struct recovery_target *out,
                           struct error *err)
{
    struct recovery_target target = {.exclusive = texts->exclusive, .standby = texts->standby};
    if (!parse_kind(texts, &target, err) || !parse_timeline(texts->timeline, &target, err) ||
        !parse_action(texts->action, &target, err) || !check_combination(texts, &target, err))
        return false;
    /* A restore point lies on one timeline, which is known. */
    if (target.kind == TARGET_NAME && texts->timeline == NULL)
        target.timeline = TIMELINE_CURRENT;
    *out = target;
    return true;
}

/* Floors, so that times before 1970 keep a positive fraction. */
static void split_time(int64_t time_us, struct tm *out_parts, int64_t *out_fraction)
{
    int64_t fraction = time_us % SECOND_US;
    if (fraction < 0)
        fraction += SECOND_US;
    time_t seconds = (time_t)((time_us - fraction) / SECOND_US);
    *out_parts = (struct tm){0};
    (void)gmtime_r(&seconds, out_parts);
    *out_fraction = fraction;
}

static const char *print_time(int64_t time_us, char separator, const char *zone,
                              char out[TARGET_TEXT_SIZE])
{
    struct tm parts;
    int64_t fraction;
    char seconds[TEXT_SIZE];
    split_time(time_us, &parts, &fraction);
    (void)strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &parts);
    char *middle = strchr(seconds, 'T');
    if (middle != NULL)
        *middle = separator;
    (void)snprintf(out, TARGET_TEXT_SIZE, "%s.%06" PRId64 "%s", seconds, fraction, zone);
    return out;
}

const char *recovery_target_time_text(int64_t time_us, char out[TARGET_TEXT_SIZE])
{
    return print_time(time_us, ' ', "+00", out);
}

const char *recovery_target_text(const struct recovery_target *target, char out[TARGET_TEXT_SIZE])
{
    char moment[TARGET_TEXT_SIZE];
    char lsn[TEXT_SIZE];
    switch (target->kind) {
    case TARGET_TIME:
        (void)print_time(target->time_us, 'T', "Z", moment);
        (void)snprintf(out, TARGET_TEXT_SIZE, "time %.100s", moment);
        break;
    case TARGET_LSN:
        (void)snprintf(out, TARGET_TEXT_SIZE, "LSN %s", text_lsn(target->lsn, lsn));
        break;
    case TARGET_NAME:
        (void)snprintf(out, TARGET_TEXT_SIZE, "restore point \"%s\"", target->name);
        break;
    case TARGET_XID:
        (void)snprintf(out, TARGET_TEXT_SIZE, "transaction %" PRIu32, target->xid);
        break;
    case TARGET_IMMEDIATE:
        (void)snprintf(out, TARGET_TEXT_SIZE, "the first consistent point");
        break;
    default:
        (void)snprintf(out, TARGET_TEXT_SIZE, "the end of the WAL");
        break;
    }
    return out;
}
