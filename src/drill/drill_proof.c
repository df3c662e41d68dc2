#include "drill/drill_proof.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const phase_names[DRILL_PHASE_COUNT] = {
    [DRILL_PLAN] = "plan",   [DRILL_FETCH] = "fetch",   [DRILL_WRITE] = "write",
    [DRILL_START] = "start", [DRILL_REPLAY] = "replay", [DRILL_CHECKS] = "checks"};

static const char *const outcome_names[] = {[DRILL_CHECK_PASSED] = "passed",
                                            [DRILL_CHECK_FAILED] = "failed",
                                            [DRILL_CHECK_SKIPPED] = "skipped"};

/* --- the members: one row for each, so that writing and reading cannot disagree ------------------
 */

struct text_member {
    const char *name;
    size_t offset;
};

static const struct text_member texts[] = {
    {"broken", offsetof(struct drill_proof, broken)},
    {"server_version", offsetof(struct drill_proof, server_version)},
    {"program_version", offsetof(struct drill_proof, program_version)},
    {"host", offsetof(struct drill_proof, host)},
    {"target_kind", offsetof(struct drill_proof, target_kind)},
    {"target_value", offsetof(struct drill_proof, target_value)},
    {"kept", offsetof(struct drill_proof, kept)},
};

static const struct text_member check_texts[] = {
    {"name", offsetof(struct drill_check, name)},
    {"promise", offsetof(struct drill_check, promise)},
    {"expected", offsetof(struct drill_check, expected)},
    {"found", offsetof(struct drill_check, found)},
    {"detail", offsetof(struct drill_check, detail)},
};

/* Texts of a fixed size: identifiers. */
static const struct {
    const char *name;
    size_t offset;
    size_t size;
} ids[] = {
    {"id", offsetof(struct drill_proof, id), sizeof((struct drill_proof *)0)->id},
    {"repository_id", offsetof(struct drill_proof, repository_id),
     sizeof((struct drill_proof *)0)->repository_id},
    {"snapshot", offsetof(struct drill_proof, snapshot_id),
     sizeof((struct drill_proof *)0)->snapshot_id},
};

static const struct text_member times[] = {
    {"started_us", offsetof(struct drill_proof, started_us)},
    {"finished_us", offsetof(struct drill_proof, finished_us)},
    {"snapshot_started_us", offsetof(struct drill_proof, snapshot_started_us)},
    {"reached_us", offsetof(struct drill_proof, reached_us)},
    {"rto_us", offsetof(struct drill_proof, rto_us)},
    {"rto_goal_us", offsetof(struct drill_proof, rto_goal_us)},
    {"rpo_us", offsetof(struct drill_proof, rpo_us)},
    {"rpo_goal_us", offsetof(struct drill_proof, rpo_goal_us)},
};

static const struct text_member numbers[] = {
    {"seed", offsetof(struct drill_proof, seed)},
    {"reached_lsn", offsetof(struct drill_proof, reached_lsn)},
    {"bytes_total", offsetof(struct drill_proof, bytes_total)},
    {"bytes_fetched", offsetof(struct drill_proof, bytes_fetched)},
    {"bytes_written", offsetof(struct drill_proof, bytes_written)},
    {"wal_bytes", offsetof(struct drill_proof, wal_bytes)},
};

static void *member(void *object, size_t offset)
{
    return (char *)object + offset;
}

static const void *member_of(const void *object, size_t offset)
{
    return (const char *)object + offset;
}

static const char *text_of(const void *object, const struct text_member *row)
{
    char *const *text = member_of(object, row->offset);
    return *text == NULL ? "" : *text;
}

const char *drill_phase_name(enum drill_phase phase)
{
    return phase_names[phase];
}

/* --- life ----------------------------------------------------------------------------------------
 */

static bool fill_texts(void *object, const struct text_member *rows, size_t count,
                       struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        char **text = member(object, rows[i].offset);
        *text = strdup("");
        if (*text == NULL)
            return error_no_memory(err, "a proof");
    }
    return true;
}

static void free_texts(void *object, const struct text_member *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char **text = member(object, rows[i].offset);
        free(*text);
        *text = NULL;
    }
}

bool drill_proof_init(struct drill_proof *proof, struct error *err)
{
    *proof = (struct drill_proof){.reached_us = -1, .rto_us = -1, .rpo_us = -1};
    for (size_t i = 0; i < DRILL_PHASE_COUNT; i++)
        proof->phases[i] = (struct drill_phase_time){.offset_us = -1, .duration_us = -1};
    if (fill_texts(proof, texts, ARRAY_LEN(texts), err))
        return true;
    drill_proof_release(proof);
    return false;
}

void drill_proof_release(struct drill_proof *proof)
{
    for (size_t i = 0; i < proof->check_count; i++)
        free_texts(&proof->checks[i], check_texts, ARRAY_LEN(check_texts));
    free(proof->checks);
    free_texts(proof, texts, ARRAY_LEN(texts));
    *proof = (struct drill_proof){0};
}

bool drill_proof_set(char **text, char *value, struct error *err)
{
    if (value == NULL)
        return error_no_memory(err, "a proof");
    free(*text);
    *text = value;
    return true;
}

struct drill_check *drill_proof_add_check(struct drill_proof *proof, const char *name,
                                          const char *promise, struct error *err)
{
    struct drill_check check = {.outcome = DRILL_CHECK_SKIPPED};
    struct drill_check *checks = reallocarray(proof->checks, proof->check_count + 1,
                                              sizeof *checks);
    if (checks == NULL) {
        (void)error_no_memory(err, "a proof");
        return NULL;
    }
    proof->checks = checks;
    if (!fill_texts(&check, check_texts, ARRAY_LEN(check_texts), err) ||
        !drill_proof_set(&check.name, strdup(name), err) ||
        !drill_proof_set(&check.promise, strdup(promise), err)) {
        free_texts(&check, check_texts, ARRAY_LEN(check_texts));
        return NULL;
    }
    checks[proof->check_count] = check;
    return &checks[proof->check_count++];
}

/* --- to JSON -------------------------------------------------------------------------------------
 */

/* What does not fit a record is cut; the evidence has all of it. */
static bool put_texts(struct value *object, const void *from, const struct text_member *rows,
                      size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        char cut[DRILL_TEXT_MAX + sizeof " [...]"];
        const char *text = text_of(from, &rows[i]);
        if (strlen(text) > DRILL_TEXT_MAX) {
            (void)snprintf(cut, sizeof cut, "%.*s [...]", DRILL_TEXT_MAX, text);
            text = cut;
        }
        if (!value_set_text_lossy(object, rows[i].name, text, err))
            return false;
    }
    return true;
}

static bool put_checks(struct value *root, const struct drill_proof *proof, struct error *err)
{
    struct value *list = value_set_new_array(root, "checks", err);
    if (list == NULL)
        return false;
    for (size_t i = 0; i < proof->check_count; i++) {
        const struct drill_check *check = &proof->checks[i];
        struct value *item = value_append_new_object(list, err);
        if (item == NULL || !put_texts(item, check, check_texts, ARRAY_LEN(check_texts), err) ||
            !value_set_text(item, "outcome", outcome_names[check->outcome], err) ||
            !value_set_i64(item, "duration_us", check->duration_us, err))
            return false;
    }
    return true;
}

static bool put_phases(struct value *root, const struct drill_proof *proof, struct error *err)
{
    struct value *phases = value_set_new_object(root, "phases", err);
    for (size_t i = 0; phases != NULL && i < DRILL_PHASE_COUNT; i++) {
        struct value *phase = value_set_new_object(phases, phase_names[i], err);
        if (phase == NULL || !value_set_i64(phase, "offset_us", proof->phases[i].offset_us, err) ||
            !value_set_i64(phase, "duration_us", proof->phases[i].duration_us, err))
            return false;
    }
    return phases != NULL;
}

static bool put_amounts(struct value *root, const struct drill_proof *proof, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        const int64_t *time = member_of(proof, times[i].offset);
        if (!value_set_i64(root, times[i].name, *time, err))
            return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const uint64_t *number = member_of(proof, numbers[i].offset);
        if (!value_set_u64(root, numbers[i].name, *number, err))
            return false;
    }
    return true;
}

static bool put_all(struct value *root, const struct drill_proof *proof, struct error *err)
{
    char system[TEXT_SIZE];
    (void)snprintf(system, sizeof system, "%llu", (unsigned long long)proof->system_identifier);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        if (!value_set_text(root, ids[i].name, member_of(proof, ids[i].offset), err))
            return false;
    return value_set_bool(root, "passed", proof->passed, err) &&
           value_set_text(root, "system_identifier", system, err) &&
           value_set_u64(root, "timeline", proof->timeline, err) &&
           put_texts(root, proof, texts, ARRAY_LEN(texts), err) && put_amounts(root, proof, err) &&
           put_phases(root, proof, err) && put_checks(root, proof, err);
}

struct value *drill_proof_to_value(const struct drill_proof *proof, struct error *err)
{
    struct value *root = value_new_object(err);
    if (root != NULL && put_all(root, proof, err))
        return root;
    value_free(root);
    return NULL;
}

/* --- from JSON -----------------------------------------------------------------------------------
 */

static bool get_texts(const struct value *object, void *to, const struct text_member *rows,
                      size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *text;
        if (!value_get_text(object, rows[i].name, &text, err) ||
            !drill_proof_set(member(to, rows[i].offset), strdup(text), err))
            return false;
    }
    return true;
}

static bool get_ids(const struct value *root, struct drill_proof *proof, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        const char *text;
        if (!value_get_text(root, ids[i].name, &text, err))
            return false;
        if (strlen(text) >= ids[i].size || strspn(text, "0123456789abcdef") != strlen(text))
            return error_set(err, ERROR_INVALID, "\"%s\" is not an identifier", ids[i].name);
        (void)snprintf(member(proof, ids[i].offset), ids[i].size, "%s", text);
    }
    return true;
}

static bool get_amounts(const struct value *root, struct drill_proof *proof, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        if (!value_get_i64(root, times[i].name, member(proof, times[i].offset), err))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (!value_get_u64(root, numbers[i].name, member(proof, numbers[i].offset), err))
            return false;
    return true;
}

static bool get_phases(const struct value *root, struct drill_proof *proof, struct error *err)
{
    const struct value *phases;
    const struct value *phase;
    if (!value_get_object(root, "phases", &phases, err))
        return false;
    for (size_t i = 0; i < DRILL_PHASE_COUNT; i++)
        if (!value_get_object(phases, phase_names[i], &phase, err) ||
            !value_get_i64(phase, "offset_us", &proof->phases[i].offset_us, err) ||
            !value_get_i64(phase, "duration_us", &proof->phases[i].duration_us, err))
            return false;
    return true;
}

static bool get_outcome(const struct value *item, enum drill_check_outcome *out, struct error *err)
{
    const char *text;
    if (!value_get_text(item, "outcome", &text, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(outcome_names); i++) {
        if (strcmp(outcome_names[i], text) == 0) {
            *out = (enum drill_check_outcome)i;
            return true;
        }
    }
    return error_set(err, ERROR_INVALID, "\"outcome\" cannot be \"%.40s\"", text);
}

static bool get_checks(const struct value *root, struct drill_proof *proof, struct error *err)
{
    const struct value *list;
    const struct value *item;
    if (!value_get_array(root, "checks", &list, err))
        return false;
    for (size_t i = 0; i < value_count(list); i++) {
        struct drill_check *check = drill_proof_add_check(proof, "", "", err);
        if (check == NULL || !value_at_object(list, i, &item, err) ||
            !get_texts(item, check, check_texts, ARRAY_LEN(check_texts), err) ||
            !get_outcome(item, &check->outcome, err) ||
            !value_get_i64(item, "duration_us", &check->duration_us, err))
            return false;
    }
    return true;
}

static bool get_all(const struct value *root, struct drill_proof *proof, struct error *err)
{
    const char *system;
    if (!value_get_text(root, "system_identifier", &system, err))
        return false;
    if (!text_to_u64(system, &proof->system_identifier))
        return error_set(err, ERROR_INVALID, "\"system_identifier\" is not a number");
    return value_get_bool(root, "passed", &proof->passed, err) &&
           value_get_u32(root, "timeline", &proof->timeline, err) && get_ids(root, proof, err) &&
           get_texts(root, proof, texts, ARRAY_LEN(texts), err) && get_amounts(root, proof, err) &&
           get_phases(root, proof, err) && get_checks(root, proof, err);
}

bool drill_proof_from_value(const struct value *value, struct drill_proof *out, struct error *err)
{
    struct drill_proof proof;
    if (!drill_proof_init(&proof, err))
        return false;
    if (get_all(value, &proof, err)) {
        *out = proof;
        return true;
    }
    drill_proof_release(&proof);
    if (err->kind == ERROR_INVALID)
        err->kind = ERROR_CORRUPT;
    return error_wrap(err, "could not read the proof of a drill");
}
