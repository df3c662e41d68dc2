#include "drill/drill_assertion.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "document/yaml.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const keys[] = {"name",     "promise", "database", "sql",    "equals",
                                   "at-least", "at-most", "rows",     "source", "slack"};

static const char *const expectations[] = {[EXPECT_EQUALS] = "equals",
                                           [EXPECT_AT_LEAST] = "at-least",
                                           [EXPECT_AT_MOST] = "at-most",
                                           [EXPECT_ROWS] = "rows",
                                           [EXPECT_SOURCE] = "source"};

/* --- reading -------------------------------------------------------------------------------------
 */

struct place {
    const char *file;
    int line;
    int column;
};

static bool fail(const struct place *at, struct error *err, const char *what, const char *word)
{
    return error_set(err, ERROR_INVALID, "%s:%d:%d: %s%s%s%s", at->file, at->line, at->column, what,
                     word == NULL ? "" : " \"", word == NULL ? "" : word, word == NULL ? "" : "\"");
}

static bool check_key(const char *file, const struct yaml_pair *pair, struct error *err)
{
    const struct place at = {.file = file, .line = pair->line, .column = pair->column};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i], pair->key) != 0)
            continue;
        if (pair->value->kind == YAML_SCALAR && pair->value->text[0] != '\0')
            return true;
        return fail(&at, err, "a text is missing behind", pair->key);
    }
    (void)fail(&at, err, "unknown key", pair->key);
    const char *nearest = text_nearest(pair->key, keys, ARRAY_LEN(keys));
    return nearest == NULL ? false : error_hint(err, "Is \"%s\" meant?", nearest);
}

static bool is_number(const char *text, double *out)
{
    char *end;
    if (text[0] == '\0' || strspn(text, "+-.0123456789eE") != strlen(text))
        return false;
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

static bool take_expectation(const struct place *at, const struct yaml_pair *pair,
                             enum drill_expectation kind, struct drill_assertion *out,
                             struct error *err)
{
    double number;
    uint64_t rows;
    const char *text = pair->value->text;
    const struct place here = {.file = at->file, .line = pair->line, .column = pair->column};
    if (out->value != NULL)
        return fail(&here, err, "there is an expectation already, besides", pair->key);
    if (kind == EXPECT_SOURCE && strcmp(text, "within-lag") != 0)
        return fail(&here, err, "\"source\" can only be \"within-lag\", not", text);
    if ((kind == EXPECT_AT_LEAST || kind == EXPECT_AT_MOST) && !is_number(text, &number))
        return fail(&here, err, "this is no number:", text);
    if (kind == EXPECT_ROWS && !text_to_u64(text, &rows))
        return fail(&here, err, "this is no number of rows:", text);
    out->expectation = kind;
    out->value = strdup(text);
    return out->value != NULL || error_no_memory(err, "an assertion");
}

static bool take_text(const struct yaml_node *node, const char *key, char **out, struct error *err)
{
    const struct yaml_pair *pair = yaml_find(node, key);
    if (pair == NULL)
        return true;
    *out = strdup(pair->value->text);
    return *out != NULL || error_no_memory(err, "an assertion");
}

static bool take_slack(const struct place *at, const struct yaml_node *node,
                       struct drill_assertion *out, struct error *err)
{
    const struct yaml_pair *pair = yaml_find(node, "slack");
    if (pair == NULL)
        return true;
    const struct place here = {.file = at->file, .line = pair->line, .column = pair->column};
    if (out->expectation != EXPECT_SOURCE)
        return fail(&here, err, "\"slack\" goes with \"source\" only", NULL);
    if (!text_to_i64(pair->value->text, &out->slack) || out->slack < 0)
        return fail(&here, err, "this is no number of rows:", pair->value->text);
    return true;
}

static bool take_assertion(const struct place *at, const struct yaml_node *node,
                           struct drill_assertion *out, struct error *err)
{
    if (node->kind != YAML_MAPPING)
        return fail(at, err, "an assertion is a mapping, not", yaml_kind_name(node->kind));
    for (size_t i = 0; i < node->count; i++)
        if (!check_key(at->file, &node->pairs[i], err))
            return false;
    if (!take_text(node, "name", &out->name, err) ||
        !take_text(node, "promise", &out->promise, err) ||
        !take_text(node, "database", &out->database, err) ||
        !take_text(node, "sql", &out->sql, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(expectations); i++) {
        const struct yaml_pair *pair = yaml_find(node, expectations[i]);
        if (pair != NULL && !take_expectation(at, pair, (enum drill_expectation)i, out, err))
            return false;
    }
    if (out->name == NULL || out->promise == NULL || out->sql == NULL)
        return fail(at, err, "an assertion needs name, promise and sql", NULL);
    if (out->value == NULL)
        return fail(at, err, "one of equals, at-least, at-most, rows, source is missing in",
                    out->name);
    return take_slack(at, node, out, err);
}

static bool check_name(const struct place *at, const struct drill_assertions *list,
                       struct error *err)
{
    const char *name = list->items[list->count - 1].name;
    for (size_t i = 0; i + 1 < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return fail(at, err, "there is another assertion", name);
    return true;
}

static bool take_list(const char *file, const struct yaml_node *root, struct drill_assertions *list,
                      struct error *err)
{
    const struct yaml_pair *pair = yaml_find(root, "assertions");
    const struct place top = {.file = file, .line = 1, .column = 1};
    if (root->kind != YAML_MAPPING || root->count != 1 || pair == NULL ||
        pair->value->kind != YAML_SEQUENCE)
        return fail(&top, err, "the file must hold one list, \"assertions\"", NULL);
    const struct yaml_node *items = pair->value;
    if (items->count > DRILL_ASSERTIONS_MAX)
        return fail(&top, err, "there are more than 200 assertions", NULL);
    list->items = calloc(items->count + 1, sizeof *list->items);
    if (list->items == NULL)
        return error_no_memory(err, "the assertions");
    for (size_t i = 0; i < items->count; i++) {
        const struct yaml_node *node = items->items[i];
        const struct place at = {.file = file, .line = node->line, .column = node->column};
        if (!take_assertion(&at, node, &list->items[list->count++], err) ||
            !check_name(&at, list, err))
            return false;
    }
    return true;
}

bool drill_assertions_parse(const char *text, size_t len, const char *file,
                            struct drill_assertions *out, struct error *err)
{
    CLEANUP(yaml_cleanup) struct yaml_node *root = NULL;
    struct drill_assertions list = {0};
    if (!yaml_parse(text, len, file, &root, err))
        return false;
    if (!take_list(file, root, &list, err)) {
        drill_assertions_release(&list);
        return false;
    }
    *out = list;
    return true;
}

void drill_assertions_release(struct drill_assertions *assertions)
{
    for (size_t i = 0; assertions->items != NULL && i < assertions->count; i++) {
        struct drill_assertion *item = &assertions->items[i];
        free(item->name);
        free(item->promise);
        free(item->database);
        free(item->sql);
        free(item->value);
    }
    free(assertions->items);
    *assertions = (struct drill_assertions){0};
}

/* --- judging -------------------------------------------------------------------------------------
 */

static bool settle(struct drill_check *check, bool holds, char *expected, char *found,
                   struct error *err)
{
    check->outcome = holds ? DRILL_CHECK_PASSED : DRILL_CHECK_FAILED;
    if (drill_proof_set(&check->expected, expected, err))
        return drill_proof_set(&check->found, found, err);
    free(found);
    return false;
}

static char *show_rows(uint64_t rows)
{
    return text_format("%" PRIu64 " %s", rows, text_plural(rows, "row", "rows"));
}

static char *show(const struct drill_answer *answer)
{
    if (answer->has_value)
        return strdup(answer->value);
    return answer->rows == 1 ? strdup("NULL") : show_rows(answer->rows);
}

static bool judge_value(const struct drill_assertion *assertion, const struct drill_answer *answer,
                        struct drill_check *check, struct error *err)
{
    double found = 0;
    double wanted = 0;
    bool numbers = answer->has_value && is_number(answer->value, &found) &&
                   is_number(assertion->value, &wanted);
    bool holds = false;
    if (assertion->expectation == EXPECT_EQUALS)
        holds = answer->has_value && (strcmp(answer->value, assertion->value) == 0 ||
                                      (numbers && !(found < wanted) && !(found > wanted)));
    else if (assertion->expectation == EXPECT_AT_LEAST)
        holds = numbers && found >= wanted;
    else
        holds = numbers && found <= wanted;
    static const char *const words[] = {
        [EXPECT_EQUALS] = "", [EXPECT_AT_LEAST] = "at least ", [EXPECT_AT_MOST] = "at most "};
    return settle(check, holds,
                  text_format("%s%s", words[assertion->expectation], assertion->value),
                  show(answer), err);
}

static bool judge_rows(const struct drill_assertion *assertion, const struct drill_answer *answer,
                       struct drill_check *check, struct error *err)
{
    uint64_t wanted = 0;
    bool holds = text_to_u64(assertion->value, &wanted) && answer->rows == wanted;
    return settle(check, holds,
                  text_format("%s %s", assertion->value, text_plural(wanted, "row", "rows")),
                  show_rows(answer->rows), err);
}

static bool judge_source(const struct drill_assertion *assertion,
                         const struct drill_comparison *comparison, struct drill_check *check,
                         struct error *err)
{
    double restored = 0;
    double source = 0;
    const struct drill_answer *other = comparison->source;
    if (other == NULL)
        return drill_proof_set(&check->detail, strdup("there is no source server to ask"), err);
    bool numbers = comparison->restored->has_value && other->has_value &&
                   is_number(comparison->restored->value, &restored) &&
                   is_number(other->value, &source);
    double allowed = (double)comparison->transactions + (double)assertion->slack;
    bool same = comparison->restored->has_value && other->has_value &&
                strcmp(comparison->restored->value, other->value) == 0;
    bool holds = same || (numbers && fabs(restored - source) <= allowed);
    CLEANUP(free_pointer) char *there = show(other);
    if (there == NULL)
        return error_no_memory(err, "an answer");
    return settle(check, holds, text_format("%s as on the source, within %.0f", there, allowed),
                  show(comparison->restored), err) &&
           drill_proof_set(&check->detail,
                           text_format("the source began %" PRIu64
                                       " transactions since the restored point",
                                       comparison->transactions),
                           err);
}

bool drill_assertion_judge(const struct drill_assertion *assertion,
                           const struct drill_comparison *comparison, struct drill_check *check,
                           struct error *err)
{
    switch (assertion->expectation) {
    case EXPECT_ROWS:
        return judge_rows(assertion, comparison->restored, check, err);
    case EXPECT_SOURCE:
        return judge_source(assertion, comparison, check, err);
    default:
        return judge_value(assertion, comparison->restored, check, err);
    }
}
