/*
 * A selection as SQL. Three levels, from the inside out:
 *
 *   q  the rows that fit `where`, joined with what the conditions name, one row for each id, and
 *      for each segment whether its condition is true for any of the joined rows;
 *   r  the first segment that fits; only here messages are searched, for tickets that `where` let
 *      through and that no earlier segment has taken. OFFSET 0 keeps the planner from computing the
 *      segment twice;
 *   outermost: tags that exclude, for the rows that are selected.
 *
 * Messages are searched by a scalar subquery with LIMIT 1: an EXISTS may be planned as one scan
 * over the bodies of all messages. Ids stay bare columns, so that the helpdesk's own indexes are
 * used. Statements for given ids leave the planner no choice where one would cost more with each
 * batch: a run's own tags are not in the statistics yet (LIMIT 1 and OFFSET 0 forbid hashing what
 * the run has written so far, and walking all open tickets).
 */
#include "selection_internal.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "postgres/query.h"
#include "runbook/condition.h"
#include "runbook/helpdesk.h"
#include "runbook/scope.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JOIN_MAX = 2 };

struct join {
    char alias; /* 0: none */
    bool many;  /* may give more than one row for each row of the root */
    const char *capability;
    const char *sql;
};

struct root {
    const char *alias;
    const char *view;
    const char *customer;
    struct join joins[JOIN_MAX];
};

static const char orders_capability[] = "orders";

/* The last row is of tickets whose segments see all orders of the customer. */
static const struct root roots[] = {
    [OF_TICKETS] = {"t",
                    "tickets",
                    "t.customer_id",
                    {{'o', true, orders_capability, "mainstay.orders o ON o.order_no = t.order_no"},
                     {'c', false, NULL, "mainstay.customers c ON c.id = t.customer_id"}}},
    [OF_ORDERS] = {"o",
                   "orders",
                   "o.customer_id",
                   {{'c', false, NULL, "mainstay.customers c ON c.id = o.customer_id"},
                    {'t', true, NULL, "mainstay.tickets t ON t.order_no = o.order_no"}}},
    [OF_CUSTOMERS] = {"c",
                      "customers",
                      "c.id",
                      {{'o', true, orders_capability, "mainstay.orders o ON o.customer_id = c.id"},
                       {'t', true, NULL, "mainstay.tickets t ON t.customer_id = c.id"}}},
    [OF_CUSTOMERS +
        1] = {"t",
              "tickets",
              "t.customer_id",
              {{'o', true, orders_capability, "mainstay.orders o ON o.customer_id = t.customer_id"},
               {'c', false, NULL, "mainstay.customers c ON c.id = t.customer_id"}}}};

static const struct root *root_of(const struct runbook_selection *selection)
{
    return selection->of == OF_TICKETS && selection->orders_by_customer ? &roots[OF_CUSTOMERS + 1]
                                                                        : &roots[selection->of];
}

struct compiler {
    const struct selection_context *context;
    const struct runbook_selection *selection;
    const struct root *root;
    struct selection_query *query;
    struct buf *sql;
    bool joins[JOIN_MAX];
    bool grouped;
    bool mentions;
    char now[TEXT_SIZE];
};

/* ---- values ---- */

/* Appends "$3::interval". Borrows the name, copies the text. */
static bool bind(struct compiler *compiler, const char *name, const char *text, const char *type,
                 struct buf *out, struct error *err)
{
    struct selection_query *query = compiler->query;
    size_t at = 0;
    while (at < query->value_count &&
           (name == NULL || query->names[at] == NULL || strcmp(query->names[at], name) != 0))
        at++;
    if (at == SELECTION_MAX_VALUES)
        return error_set(err, ERROR_INVALID, "a selection can have %d values",
                         SELECTION_MAX_VALUES);
    if (at == query->value_count) {
        query->values[at] = text == NULL ? NULL : strdup(text);
        if (text != NULL && query->values[at] == NULL)
            return error_no_memory(err, "a value");
        query->names[at] = name;
        query->value_count++;
    }
    buf_printf(out, "$%zu::%s", at + 1, type);
    return true;
}

static bool bind_name(void *context, const char *name, struct buf *out, struct error *err)
{
    struct compiler *compiler = context;
    if (strcmp(name, "now") == 0)
        return bind(compiler, "now", compiler->now, "timestamptz", out, err);
    const struct param_value *value = param_values_find(compiler->context->params, name);
    if (value == NULL)
        return error_set(err, ERROR_INVALID, "there is no parameter \"%.60s\"", name);
    return bind(compiler, value->param->name, value->sql, param_sql_type(value->param->type), out,
                err);
}

/* ---- what is there ---- */

static bool has_capability(const struct compiler *compiler, const char *name)
{
    return text_list_has(compiler->context->capabilities, name);
}

static const char *missing(const struct compiler *compiler, const struct text_list *needs)
{
    for (size_t i = 0; i < needs->count; i++)
        if (!has_capability(compiler, needs->items[i]))
            return needs->items[i];
    return NULL;
}

static bool find_left_out(struct compiler *compiler, struct error *err)
{
    const struct runbook_selection *selection = compiler->selection;
    size_t count = selection->segment_count == 0 ? 1 : selection->segment_count;
    const char *all = missing(compiler, &selection->needs);
    compiler->query->left_out = calloc(count, sizeof *compiler->query->left_out);
    if (compiler->query->left_out == NULL)
        return error_no_memory(err, "a selection");
    for (size_t i = 0; i < count; i++) {
        const char *own = selection->segment_count == 0
                              ? NULL
                              : missing(compiler, &selection->segments[i].needs);
        compiler->query->left_out[i] = all != NULL ? all : own;
    }
    return true;
}

static bool is_left_out(const struct compiler *compiler, size_t segment)
{
    return compiler->query->left_out[segment] != NULL;
}

static bool everything_left_out(const struct compiler *compiler)
{
    size_t count = compiler->selection->segment_count;
    for (size_t i = 0; i < (count == 0 ? 1 : count); i++)
        if (!is_left_out(compiler, i))
            return false;
    return true;
}

/* Whether the condition may name a column of this alias. One in a string counts too: it costs a
 * join that was not needed, and nothing else. */
static bool names_alias(const char *sql, char alias)
{
    for (const char *at = sql; *at != '\0'; at++) {
        if (tolower((unsigned char)*at) != alias)
            continue;
        bool starts = at == sql || !(isalnum((unsigned char)at[-1]) || at[-1] == '_' ||
                                     at[-1] == '.' || at[-1] == ':');
        const char *next = at + 1;
        if (*next == '"')
            next++;
        while (*next == ' ' || *next == '\n' || *next == '\t')
            next++;
        if (starts && *next == '.')
            return true;
    }
    return false;
}

static bool any_condition_names(const struct compiler *compiler, char alias)
{
    const struct runbook_selection *selection = compiler->selection;
    if (names_alias(selection->where, alias) || names_alias(selection->exclude_where, alias))
        return true;
    for (size_t i = 0; i < selection->segment_count; i++)
        if (!is_left_out(compiler, i) && names_alias(selection->segments[i].where, alias))
            return true;
    return false;
}

static bool choose_joins(struct compiler *compiler, struct error *err)
{
    for (size_t i = 0; i < JOIN_MAX; i++) {
        const struct join *join = &compiler->root->joins[i];
        if (!any_condition_names(compiler, join->alias))
            continue;
        if (join->capability != NULL && !has_capability(compiler, join->capability)) {
            (void)error_set(err, ERROR_INVALID, "it names %c, but the adapter has no %s",
                            join->alias, join->capability);
            return error_hint(err, "Say `needs: [%s]` in the segments that need them.",
                              join->capability);
        }
        compiler->joins[i] = true;
        compiler->grouped |= join->many;
    }
    return true;
}

/* Tags and messages belong to tickets. */
static bool check_root(const struct compiler *compiler, struct error *err)
{
    bool of_tickets = compiler->selection->of == OF_TICKETS;
    if (!of_tickets && (compiler->mentions || compiler->selection->exclude_tags.count > 0))
        return error_set(err, ERROR_INVALID, "only tickets have tags and messages");
    if (compiler->selection->of == OF_ORDERS && !has_capability(compiler, orders_capability))
        return error_set(err, ERROR_INVALID, "the adapter has no orders");
    return true;
}

/* ---- words ---- */

/* ASCII word characters end words in every locale of the server; of the others only a look around
 * the word is known to work. */
static bool is_word(char at)
{
    return isalnum((unsigned char)at) || at == '_';
}

/* Appends one word or phrase as a regular expression of PostgreSQL (ARE): everything literal,
 * blanks of any length and kind between the words. */
static bool put_word(const char *word, struct buf *out, struct error *err)
{
    size_t len = strlen(word);
    while (len > 0 && isspace((unsigned char)word[len - 1]))
        len--;
    while (len > 0 && isspace((unsigned char)*word)) {
        word++;
        len--;
    }
    if (len == 0)
        return error_set(err, ERROR_INVALID, "a word in mentions is empty");
    buf_printf(out, "%s", is_word(word[0]) ? "\\m" : "(?<!\\w)");
    for (size_t i = 0; i < len; i++) {
        if (isspace((unsigned char)word[i])) {
            while (isspace((unsigned char)word[i + 1]))
                i++;
            buf_printf(out, "\\s+");
            continue;
        }
        if (!is_word(word[i]) && !((unsigned char)word[i] & 0x80))
            buf_put_u8(out, '\\');
        buf_put_u8(out, (uint8_t)word[i]);
    }
    buf_printf(out, "%s", is_word(word[len - 1]) ? "\\M" : "(?!\\w)");
    return true;
}

static bool render_each(const struct compiler *compiler, const struct text_list *templates,
                        bool (*visit)(const char *text, struct buf *out, struct error *err),
                        struct buf *out, struct error *err)
{
    struct scope scope = {.runbook = compiler->context->runbook,
                          .params = compiler->context->params,
                          .now_us = compiler->context->now_us};
    for (size_t i = 0; i < templates->count; i++) {
        CLEANUP(free_pointer) char *text = NULL;
        if (!scope_render(&scope, templates->items[i], TEMPLATE_TEXT, &text, err) ||
            !visit(text, out, err))
            return false;
    }
    return true;
}

static bool put_alternative(const char *word, struct buf *out, struct error *err)
{
    if (out->len > 0)
        buf_put_u8(out, '|');
    return put_word(word, out, err);
}

static bool put_mentions(struct compiler *compiler, const struct text_list *words,
                         struct error *err)
{
    struct buf pattern;
    struct buf place;
    buf_init(&pattern, SELECTION_MAX_ARRAY_BYTES);
    buf_init(&place, TEXT_SIZE);
    bool done = render_each(compiler, words, put_alternative, &pattern, err) &&
                buf_check(&pattern, "the words of mentions", err) &&
                bind(compiler, NULL, buf_text(&pattern), "text", &place, err);
    if (done) {
        const char *at = buf_text(&place);
        buf_printf(compiler->sql,
                   "(q.subject ~* %s OR (SELECT true FROM mainstay.messages m WHERE m.ticket_id = "
                   "q.id AND (m.subject ~* %s OR m.body ~* %s) LIMIT 1))",
                   at, at, at);
    }
    buf_release(&place);
    buf_release(&pattern);
    return done;
}

/* ---- tags ---- */

static bool put_exact_tag(const char *tag, struct buf *out, struct error *err)
{
    (void)err;
    if (!text_ends_with(tag, "*"))
        query_array_add(out, tag);
    return true;
}

static bool put_tag_prefix(const char *tag, struct buf *out, struct error *err)
{
    if (!text_ends_with(tag, "*"))
        return true;
    CLEANUP(free_pointer) char *prefix = strndup(tag, strlen(tag) - 1);
    if (prefix == NULL)
        return error_no_memory(err, "a tag");
    query_array_add(out, prefix);
    return true;
}

static bool bind_tags(struct compiler *compiler,
                      bool (*visit)(const char *text, struct buf *out, struct error *err),
                      struct error *err)
{
    struct buf array;
    buf_init(&array, SELECTION_MAX_ARRAY_BYTES);
    query_array_begin(&array);
    bool done = render_each(compiler, &compiler->selection->exclude_tags, visit, &array, err);
    query_array_end(&array);
    done = done && buf_check(&array, "a list of tags", err) &&
           bind(compiler, NULL, buf_text(&array), "text[]", compiler->sql, err);
    buf_release(&array);
    return done;
}

/* The condition on g, a row of ticket_tags. */
static bool put_excluding_tags(struct compiler *compiler, struct error *err)
{
    if (compiler->selection->exclude_tags.count == 0)
        return true;
    buf_printf(compiler->sql, "g.ticket_id = r.id AND (g.tag = ANY (");
    if (!bind_tags(compiler, put_exact_tag, err))
        return false;
    buf_printf(compiler->sql, ") OR g.tag ^@ ANY (");
    if (!bind_tags(compiler, put_tag_prefix, err))
        return false;
    buf_printf(compiler->sql, "))");
    return true;
}

/* ---- the levels ---- */

static bool put_where(struct compiler *compiler, const char *sql, struct error *err)
{
    buf_put_u8(compiler->sql, '(');
    if (!condition_compile(sql, bind_name, compiler, compiler->sql, err))
        return false;
    buf_put_u8(compiler->sql, ')');
    return true;
}

static bool put_condition(struct compiler *compiler, const char *sql, struct error *err)
{
    if (compiler->grouped)
        buf_printf(compiler->sql, "bool_or");
    return put_where(compiler, sql, err);
}

static bool in_segment(const struct runbook_segment *segment, struct error *err)
{
    return error_wrap(err, "segment \"%s\" (line %d)", segment->name, segment->line);
}

/* One column for each segment, and one for exclude.where. */
static bool put_columns(struct compiler *compiler, struct error *err)
{
    const struct runbook_selection *selection = compiler->selection;
    for (size_t i = 0; i < selection->segment_count; i++) {
        if (is_left_out(compiler, i))
            continue;
        buf_printf(compiler->sql, ",\n      ");
        if (!put_condition(compiler, selection->segments[i].where, err))
            return in_segment(&selection->segments[i], err);
        buf_printf(compiler->sql, " AS s%zu", i);
    }
    if (*selection->exclude_where == '\0')
        return true;
    buf_printf(compiler->sql, ",\n      ");
    if (!put_condition(compiler, selection->exclude_where, err))
        return error_wrap(err, "exclude");
    buf_printf(compiler->sql, " AS excluded");
    return true;
}

static bool put_rows(struct compiler *compiler, struct error *err)
{
    for (size_t i = 0; i < JOIN_MAX; i++)
        if (compiler->joins[i])
            buf_printf(compiler->sql, "\n    LEFT JOIN %s", compiler->root->joins[i].sql);
    buf_printf(compiler->sql, "\n    WHERE ");
    return put_where(compiler, compiler->selection->where, err) || error_wrap(err, "where");
}

/* The index of the first segment that fits. */
static bool put_segment(struct compiler *compiler, struct error *err)
{
    const struct runbook_selection *selection = compiler->selection;
    if (selection->segment_count == 0) {
        buf_printf(compiler->sql, "0");
        return true;
    }
    buf_printf(compiler->sql, "CASE");
    for (size_t i = 0; i < selection->segment_count; i++) {
        if (is_left_out(compiler, i))
            continue;
        buf_printf(compiler->sql, "\n      WHEN q.s%zu", i);
        if (selection->segments[i].mentions.count > 0) {
            buf_printf(compiler->sql, " AND ");
            if (!put_mentions(compiler, &selection->segments[i].mentions, err))
                return in_segment(&selection->segments[i], err);
        }
        buf_printf(compiler->sql, " THEN %zu", i);
    }
    buf_printf(compiler->sql, " END");
    return true;
}

/* For notices: the orders of one row as an array. Where a ticket sees all orders of its customer,
 * those that fit a segment. */
static bool put_orders(struct compiler *compiler, struct error *err)
{
    const struct runbook_selection *selection = compiler->selection;
    if (selection->of == OF_CUSTOMERS) {
        buf_printf(compiler->sql, "NULL::text[]");
        return true;
    }
    if (!(selection->of == OF_TICKETS && selection->orders_by_customer && compiler->joins[0])) {
        buf_printf(compiler->sql, "ARRAY[%s.order_no]::text[]", compiler->root->alias);
        return true;
    }
    buf_printf(compiler->sql, "array_agg(o.order_no) FILTER (WHERE false");
    for (size_t i = 0; i < selection->segment_count; i++) {
        if (is_left_out(compiler, i) || !names_alias(selection->segments[i].where, 'o'))
            continue;
        buf_printf(compiler->sql, " OR ");
        if (!put_where(compiler, selection->segments[i].where, err))
            return in_segment(&selection->segments[i], err);
    }
    buf_printf(compiler->sql, ")::text[]");
    return true;
}

/* ---- the statements ---- */

enum part { PART_SEGMENT, PART_COLUMNS, PART_ROWS, PART_TAGS, PART_ORDERS, PART_COUNT };

typedef bool (*part_fn)(struct compiler *compiler, struct error *err);

static const part_fn part_functions[PART_COUNT] = {
    [PART_SEGMENT] = put_segment,     [PART_COLUMNS] = put_columns, [PART_ROWS] = put_rows,
    [PART_TAGS] = put_excluding_tags, [PART_ORDERS] = put_orders,
};

/* Compiled once, so that all statements have the same values. What a statement needs besides comes
 * behind them: whose run it is, and which ids are asked for. */
struct parts {
    struct buf bufs[PART_COUNT];
    const char *text[PART_COUNT];
};

enum statement { STATEMENT_ALL, STATEMENT_RECHECK, STATEMENT_PEOPLE };

static bool has_exclude_where(const struct compiler *compiler)
{
    return *compiler->selection->exclude_where != '\0';
}

/* Whose run it is, then which ids are asked for: behind all other values. */
static size_t run_parameter(const struct compiler *compiler)
{
    return compiler->query->value_count + 1;
}

static void put_excluded(const struct compiler *compiler, const char *tags,
                         enum statement statement, struct buf *sql)
{
    buf_printf(sql, "%s", has_exclude_where(compiler) ? "COALESCE(r.excluded, false)" : "false");
    if (*tags != '\0' && statement == STATEMENT_ALL)
        buf_printf(sql, "\n    OR EXISTS (SELECT FROM mainstay.ticket_tags g WHERE %s)", tags);
    else if (*tags != '\0')
        buf_printf(sql,
                   "\n    OR (SELECT true FROM mainstay.ticket_tags g WHERE %s"
                   "\n      AND (SELECT true FROM mainstay.changes x WHERE x.run_id = "
                   "$%zu::text AND x.kind = 'tag+' AND x.value = g.tag AND x.ticket_id = "
                   "g.ticket_id AND x.mark IS NOT DISTINCT FROM g.mark LIMIT 1) IS NULL LIMIT 1) "
                   "IS NOT NULL",
                   tags, run_parameter(compiler));
    buf_printf(sql, " AS excluded");
}

/* The root's rows: all, or those asked for, each looked up by its key. */
static void put_from(const struct compiler *compiler, enum statement statement, struct buf *sql)
{
    const struct root *root = compiler->root;
    const char *key = statement == STATEMENT_RECHECK ? "id" : strchr(root->customer, '.') + 1;
    if (statement == STATEMENT_ALL)
        buf_printf(sql, "\n    FROM mainstay.%s %s", root->view, root->alias);
    else
        buf_printf(sql,
                   "\n    FROM (SELECT f.* FROM unnest($%zu::bigint[]) AS w (id) CROSS JOIN LATERAL"
                   "\n      (SELECT * FROM mainstay.%s f WHERE f.%s = w.id OFFSET 0) f) %s",
                   run_parameter(compiler) + 1, root->view, key, root->alias);
}

/* Every parameter must have a place in the text, the run's too where no tag excludes. */
static void put_asked(const struct compiler *compiler, enum statement statement, struct buf *sql)
{
    if (statement != STATEMENT_ALL)
        buf_printf(sql, "\n    AND ($%zu::text IS NULL OR true)", run_parameter(compiler));
}

static void put_grouping(const struct compiler *compiler, enum statement statement, struct buf *sql)
{
    if (!compiler->grouped)
        return;
    buf_printf(sql, "\n    GROUP BY %s.id", compiler->root->alias);
    if (compiler->selection->of != OF_CUSTOMERS)
        buf_printf(sql, ", %s", compiler->root->customer);
    if (compiler->mentions)
        buf_printf(sql, ", t.subject");
    if (statement == STATEMENT_PEOPLE && compiler->selection->of == OF_TICKETS)
        buf_printf(sql, ", t.ref, t.api_ref");
    if (statement == STATEMENT_PEOPLE && compiler->selection->of != OF_CUSTOMERS)
        buf_printf(sql, ", %s.order_no", compiler->root->alias);
}

static void put_inner(const struct compiler *compiler, const struct parts *parts,
                      enum statement statement, struct buf *sql)
{
    bool people = statement == STATEMENT_PEOPLE;
    buf_printf(sql, "  SELECT q.id, q.customer_id%s%s, %s AS segment\n  FROM (\n",
               has_exclude_where(compiler) ? ", q.excluded" : "",
               people ? ", q.ref, q.api_ref, q.orders" : "", parts->text[PART_SEGMENT]);
    buf_printf(sql, "    SELECT %s.id, %s AS customer_id%s", compiler->root->alias,
               compiler->root->customer, compiler->mentions ? ", t.subject" : "");
    if (people)
        buf_printf(sql, ", %s, %s AS orders",
                   compiler->selection->of == OF_TICKETS
                       ? "t.ref, t.api_ref"
                       : "NULL::text AS ref, NULL::text AS api_ref",
                   parts->text[PART_ORDERS]);
    buf_printf(sql, "%s", parts->text[PART_COLUMNS]);
    put_from(compiler, statement, sql);
    buf_printf(sql, "%s", parts->text[PART_ROWS]);
    put_asked(compiler, statement, sql);
    put_grouping(compiler, statement, sql);
}

/* Gives the text, or NULL with err filled. */
static char *assemble(const struct compiler *compiler, const struct parts *parts,
                      enum statement statement, struct error *err)
{
    bool people = statement == STATEMENT_PEOPLE;
    struct buf sql;
    buf_init(&sql, SELECTION_MAX_SQL_BYTES);
    buf_printf(&sql,
               "SELECT r.id::bigint AS id, r.customer_id::bigint AS customer_id, r.segment, ");
    put_excluded(compiler, parts->text[PART_TAGS], statement, &sql);
    buf_printf(&sql, "%s\nFROM (\n", people ? ", r.ref, r.api_ref, r.orders" : "");
    put_inner(compiler, parts, statement, &sql);
    buf_printf(&sql, ") q OFFSET 0) r\nWHERE r.segment IS NOT NULL\nORDER BY %s",
               people ? "r.customer_id, r.id" : "r.id");
    const char *text = buf_text(&sql);
    char *copy = text == NULL ? NULL : strdup(text);
    buf_release(&sql);
    if (copy == NULL)
        (void)error_no_memory(err, "a selection");
    return copy;
}

static bool compile_parts(struct compiler *compiler, struct parts *parts, struct error *err)
{
    for (size_t i = 0; i < PART_COUNT; i++) {
        compiler->sql = &parts->bufs[i];
        if (!part_functions[i](compiler, err) || !buf_check(compiler->sql, "a selection", err))
            return false;
        parts->text[i] = buf_text(compiler->sql);
        if (parts->text[i] == NULL)
            return error_no_memory(err, "a selection");
    }
    char **const texts[] = {[STATEMENT_ALL] = &compiler->query->sql,
                            [STATEMENT_RECHECK] = &compiler->query->recheck_sql,
                            [STATEMENT_PEOPLE] = &compiler->query->people_sql};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        *texts[i] = assemble(compiler, parts, (enum statement)i, err);
        if (*texts[i] == NULL)
            return false;
    }
    return true;
}

static bool compile_statements(struct compiler *compiler, struct error *err)
{
    struct parts parts;
    for (size_t i = 0; i < PART_COUNT; i++)
        buf_init(&parts.bufs[i], SELECTION_MAX_SQL_BYTES);
    bool done = compile_parts(compiler, &parts, err);
    for (size_t i = 0; i < PART_COUNT; i++)
        buf_release(&parts.bufs[i]);
    return done;
}

/* Nothing can be selected: every segment needs what the adapter does not have. */
static bool compile_nothing(struct selection_query *query, struct error *err)
{
    static const char columns[] =
        "SELECT 0::bigint AS id, NULL::bigint AS customer_id, 0 AS segment, false AS excluded";
    static const char never[] = "WHERE false";
    static const char asked[] = "AND ($1::text IS NULL OR $2::bigint[] IS NULL)";
    query->sql = text_format("%s %s", columns, never);
    query->recheck_sql = text_format("%s %s %s", columns, never, asked);
    query->people_sql = text_format(
        "%s, NULL::text AS ref, NULL::text AS api_ref, NULL::text[] AS orders %s %s", columns,
        never, asked);
    if (query->sql == NULL || query->recheck_sql == NULL || query->people_sql == NULL)
        return error_no_memory(err, "a selection");
    return true;
}

static bool compile(struct compiler *compiler, struct error *err)
{
    const struct runbook_selection *selection = compiler->selection;
    for (size_t i = 0; i < selection->segment_count; i++)
        compiler->mentions |= selection->segments[i].mentions.count > 0;
    if (!find_left_out(compiler, err))
        return false;
    if (everything_left_out(compiler))
        return compile_nothing(compiler->query, err);
    return check_root(compiler, err) && choose_joins(compiler, err) &&
           compile_statements(compiler, err);
}

bool selection_compile(const struct selection_context *context,
                       const struct runbook_selection *selection, struct selection_query **out,
                       struct error *err)
{
    CLEANUP(selection_cleanup) struct selection_query *query = calloc(1, sizeof *query);
    if (query == NULL)
        return error_no_memory(err, "a selection");
    query->selection = selection;
    struct compiler compiler = {
        .context = context, .selection = selection, .root = root_of(selection), .query = query};
    (void)text_time_exact_us(context->now_us, compiler.now);
    if (!compile(&compiler, err))
        return error_wrap(err, "selection \"%s\" (line %d)", selection->name, selection->line);
    *out = TAKE(query);
    return true;
}

void selection_free(struct selection_query *query)
{
    if (query == NULL)
        return;
    for (size_t i = 0; i < query->value_count; i++)
        free(query->values[i]);
    free((void *)query->left_out);
    free(query->people_sql);
    free(query->recheck_sql);
    free(query->sql);
    free(query);
}

void selection_cleanup(struct selection_query **query)
{
    selection_free(*query);
    *query = NULL;
}

const char *selection_left_out(const struct selection_query *query, size_t at)
{
    return query->left_out[at];
}

const char *selection_sql(const struct selection_query *query)
{
    return query->sql;
}

enum selection_of selection_of(const struct selection_query *query)
{
    return query->selection->of;
}
