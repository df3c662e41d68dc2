#include "runbook/notice_plan.h"

#include "notice_maker_internal.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "document/utf8.h"
#include "runbook/notice_choice.h"
#include "runbook/quiet_hours.h"
#include "runbook/scope.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ZONES_MAX = 64, CLEAN_MAX_BYTES = 64 * 1024, ORDERS_MAX = 1000 };

struct zone {
    char *name;
    struct time_zone *zone; /* NULL: there is no such zone */
};

/* One customer's draft with what it points to. */
struct made {
    char key[SUPPRESSION_KEY_SIZE];
    char *address;
    char *api_ref;
    char *subject;
    char *body_text;
    char *body_html;
    struct text_list orders;
};

struct notice_maker {
    struct connection *connection;
    const struct runbook_step *step;
    const struct runbook_template *template;
    struct selection_query *selection;
    struct scope scope;
    const char *run_id;
    int64_t at_us; /* times count from here */
    bool at_is_given;
    bool names_orders;
    bool names_ticket;
    struct quiet_hours quiet;
    struct zone zones[ZONES_MAX];
    size_t zone_count;
    struct notice_chunk chunk;
    struct made made[NOTICE_CHUNK];
    struct notice_draft drafts[NOTICE_CHUNK];
    size_t count;
};

/* What the rows of one customer come to. */
struct affected {
    struct text_list orders;
    const char *ref;     /* of the newest ticket; borrowed */
    const char *api_ref; /* borrowed */
    int64_t ticket_id;
};

/* ---- lists of texts ---- */

static void list_release(struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct text_list){0};
}

/* Sorted, each once. Takes the text. */
static bool list_insert(struct text_list *list, char *text, struct error *err)
{
    size_t at = 0;
    while (at < list->count && strcmp(list->items[at], text) < 0)
        at++;
    if (list->count == ORDERS_MAX || (at < list->count && strcmp(list->items[at], text) == 0)) {
        free(text);
        return true;
    }
    char **items = reallocarray(list->items, list->count + 1, sizeof *items);
    if (items == NULL) {
        free(text);
        return error_no_memory(err, "a list of orders");
    }
    list->items = items;
    memmove(&items[at + 1], &items[at], (list->count - at) * sizeof *items);
    items[at] = text;
    list->count++;
    return true;
}

/* Without control characters: what comes from the helpdesk may stand in a subject. */
static bool copy_clean(const char *text, char **out, struct error *err)
{
    struct buf clean;
    buf_init(&clean, CLEAN_MAX_BYTES);
    utf8_put_clean(text, "", &clean);
    const char *kept = buf_text(&clean);
    *out = kept == NULL ? NULL : strdup(kept);
    buf_release(&clean);
    return *out != NULL || error_no_memory(err, "a text");
}

/* ---- making a maker ---- */

static bool note_name(void *context, const char *name, struct error *err)
{
    struct notice_maker *maker = context;
    (void)err;
    maker->names_orders |= strcmp(name, "orders") == 0;
    maker->names_ticket |= strcmp(name, "ticket.ref") == 0;
    return true;
}

static bool render(struct notice_maker *maker, const struct runbook_text *text, struct made *out,
                   struct error *err)
{
    if (!scope_render(&maker->scope, text->subject, TEMPLATE_HEADER, &out->subject, err) ||
        !scope_render(&maker->scope, text->text, TEMPLATE_TEXT, &out->body_text, err) ||
        (*text->html != '\0' &&
         !scope_render(&maker->scope, text->html, TEMPLATE_HTML, &out->body_html, err)))
        return error_wrap(err, "template \"%s\", %s (line %d)", maker->template->name, text->locale,
                          text->line);
    return true;
}

static void made_release(struct made *made)
{
    free(made->address);
    free(made->api_ref);
    free(made->subject);
    free(made->body_text);
    free(made->body_html);
    list_release(&made->orders);
    *made = (struct made){0};
}

/* A name that nobody can have a value for is found before there are customers. */
static bool try_texts(struct notice_maker *maker, struct error *err)
{
    enum selection_of of = selection_of(maker->selection);
    struct scope_customer anybody = {.name = "N",
                                     .orders = of == OF_CUSTOMERS ? NULL : "1",
                                     .order_count = 1,
                                     .ticket_ref = of == OF_TICKETS ? "1" : NULL};
    bool done = true;
    maker->scope.customer = &anybody;
    for (size_t i = 0; done && i < maker->template->text_count; i++) {
        const struct runbook_text *text = &maker->template->texts[i];
        struct made made = {0};
        done = template_visit(text->subject, note_name, maker, err) &&
               template_visit(text->text, note_name, maker, err) &&
               template_visit(text->html, note_name, maker, err) && render(maker, text, &made, err);
        made_release(&made);
    }
    maker->scope.customer = NULL;
    return done;
}

static bool read_clock(struct notice_maker *maker, struct error *err)
{
    CLEANUP(query_result_cleanup) struct query_result *rows = NULL;
    static const struct query query = {
        .sql = "SELECT (extract(epoch FROM now()) * 1000000)::bigint", .what = "ask for the time"};
    if (maker->run_id == NULL || maker->at_is_given)
        return true;
    return query_run(maker->connection, &query, &rows, err) &&
           query_i64(rows, 0, 0, &maker->at_us, err);
}

static bool find_template(struct notice_maker *maker, const struct runbook *runbook,
                          struct error *err)
{
    maker->template = runbook_template(runbook, maker->step->template_name);
    if (maker->template == NULL || maker->template->text_count == 0)
        return error_set(err, ERROR_INVALID, "there is no template \"%s\"",
                         maker->step->template_name);
    if (maker->step->channels.count == 0)
        return error_set(err, ERROR_INVALID, "it has no channels");
    return quiet_hours_parse(maker->step->quiet_from, maker->step->quiet_to, &maker->quiet, err);
}

bool notice_maker_new(const struct selection_context *context, struct connection *connection,
                      const struct runbook_step *step, const char *run_id,
                      struct notice_maker **out, struct error *err)
{
    CLEANUP(notice_maker_cleanup) struct notice_maker *maker = calloc(1, sizeof *maker);
    const struct runbook_selection *selection = runbook_selection(context->runbook, step->from);
    if (maker == NULL)
        return error_no_memory(err, "notices");
    if (selection == NULL)
        return error_set(err, ERROR_INVALID, "there is no selection \"%s\"", step->from);
    maker->connection = connection;
    maker->step = step;
    maker->run_id = run_id;
    maker->at_is_given = context->at_us != 0;
    maker->at_us = maker->at_is_given ? context->at_us : context->now_us;
    maker->scope = (struct scope){
        .runbook = context->runbook, .params = context->params, .now_us = context->now_us};
    if (!find_template(maker, context->runbook, err) ||
        !selection_compile(context, selection, &maker->selection, err) || !try_texts(maker, err))
        return false;
    *out = TAKE(maker);
    return true;
}

static void forget(struct notice_maker *maker)
{
    for (size_t i = 0; i < maker->count; i++)
        made_release(&maker->made[i]);
    maker->count = 0;
    notice_chunk_release(&maker->chunk);
}

void notice_maker_free(struct notice_maker *maker)
{
    if (maker == NULL)
        return;
    forget(maker);
    for (size_t i = 0; i < maker->zone_count; i++) {
        free(maker->zones[i].name);
        time_zone_free(maker->zones[i].zone);
    }
    selection_free(maker->selection);
    free(maker);
}

void notice_maker_cleanup(struct notice_maker **maker)
{
    notice_maker_free(*maker);
    *maker = NULL;
}

/* ---- when ---- */

/* NULL where the name is empty, unknown, or one too many. */
static const struct time_zone *find_zone(struct notice_maker *maker, const char *name)
{
    struct error ignored = {0};
    for (size_t i = 0; i < maker->zone_count; i++)
        if (strcmp(maker->zones[i].name, name) == 0)
            return maker->zones[i].zone;
    if (*name == '\0' || maker->zone_count == ZONES_MAX)
        return NULL;
    struct zone *next = &maker->zones[maker->zone_count];
    next->name = strdup(name);
    if (next->name == NULL)
        return NULL;
    maker->zone_count++;
    if (!time_zone_load(name, TIME_ZONE_DIRECTORY, &next->zone, &ignored))
        next->zone = NULL;
    return next->zone;
}

static void set_times(struct notice_maker *maker, const char *zone, struct notice_draft *draft)
{
    draft->not_before_us = maker->at_us + maker->step->not_before_us;
    draft->expires_us = maker->at_us + maker->step->expires_after_us;
    if (draft->suppressed != NULL || strcmp(maker->template->purpose, "safety") == 0)
        return;
    int64_t moved = quiet_hours_move(&maker->quiet, find_zone(maker, zone), draft->not_before_us);
    if (moved < draft->expires_us)
        draft->not_before_us = moved;
    else
        draft->suppressed = "would expire in quiet hours";
}

/* ---- who ---- */

struct asking {
    const struct notice_maker *maker;
    const char *customer_key;
};

static const char *find_suppression(void *context, const char *channel, const char *address)
{
    const struct asking *asking = context;
    const char *purpose = asking->maker->template->purpose;
    const struct notice_chunk *chunk = &asking->maker->chunk;
    char key[SUPPRESSION_KEY_SIZE];
    struct error ignored = {0};
    const char *reason = notice_chunk_suppressed(chunk, asking->customer_key, channel, purpose);
    if (reason != NULL || strcmp(channel, "helpdesk") == 0 ||
        !suppression_key(address, key, &ignored))
        return reason;
    return notice_chunk_suppressed(chunk, key, channel, purpose);
}

/* Why nothing is sent whatever the channel; NULL: something is. */
static const char *why_not(const struct notice_maker *maker, int64_t customer_id,
                           const struct affected *affected)
{
    if (maker->names_orders && affected->orders.count == 0)
        return "no order";
    if (maker->names_ticket && (affected->ref == NULL || *affected->ref == '\0'))
        return "no ticket";
    return id_list_has(&maker->chunk.told, customer_id) ? "told already" : NULL;
}

/* ---- what ---- */

static bool join_orders(const struct text_list *orders, char **out, struct error *err)
{
    struct buf joined;
    buf_init(&joined, CLEAN_MAX_BYTES);
    for (size_t i = 0; i < orders->count; i++)
        buf_printf(&joined, "%s%s", i == 0 ? "" : ", ", orders->items[i]);
    const char *text = buf_text(&joined);
    *out = text == NULL ? NULL : strdup(text);
    buf_release(&joined);
    return *out != NULL || error_no_memory(err, "a list of orders");
}

static bool render_for(struct notice_maker *maker, const char *name, const char *ref,
                       const struct runbook_text *text, struct made *made, struct error *err)
{
    CLEANUP(free_pointer) char *orders = NULL;
    CLEANUP(free_pointer) char *clean_name = NULL;
    CLEANUP(free_pointer) char *clean_ref = NULL;
    if (!join_orders(&made->orders, &orders, err) || !copy_clean(name, &clean_name, err) ||
        !copy_clean(ref == NULL ? "" : ref, &clean_ref, err))
        return false;
    struct scope_customer customer = {.name = clean_name,
                                      .orders = orders,
                                      .order_count = made->orders.count,
                                      .ticket_ref = clean_ref};
    maker->scope.customer = &customer;
    bool done = render(maker, text, made, err);
    maker->scope.customer = NULL;
    return done;
}

static const char *name_of(const struct notice_maker *maker, size_t person,
                           const struct notice_choice *choice)
{
    const char *name = query_field(maker->chunk.customers, person, PERSON_NAME);
    return name[strspn(name, " ")] != '\0' ? name : choice->address;
}

/* Takes the affected orders. */
static bool make_draft(struct notice_maker *maker, size_t person, int64_t customer_id,
                       struct affected *affected, struct error *err)
{
    const struct query_result *customers = maker->chunk.customers;
    struct made *made = &maker->made[maker->count];
    struct notice_draft *draft = &maker->drafts[maker->count];
    struct asking asking = {maker, made->key};
    struct notice_choice choice;
    struct notice_reach reach = {.email = query_field(customers, person, PERSON_EMAIL),
                                 .phone = query_field(customers, person, PERSON_PHONE),
                                 .api_ref = affected->api_ref};
    const struct runbook_text *text = notice_choose_text(
        maker->template, query_field(customers, person, PERSON_LOCALE));
    maker->count++;
    made->orders = affected->orders;
    affected->orders = (struct text_list){0};
    (void)snprintf(made->key, sizeof made->key, "c:%" PRId64, customer_id);
    notice_choose_channel(&maker->step->channels, &reach, find_suppression, &asking, &choice);
    made->address = strdup(choice.address);
    made->api_ref = affected->api_ref == NULL ? NULL : strdup(affected->api_ref);
    if (made->address == NULL || (affected->api_ref != NULL && made->api_ref == NULL))
        return error_no_memory(err, "a notice");
    if (!render_for(maker, name_of(maker, person, &choice), affected->ref, text, made, err))
        return false;
    *draft = (struct notice_draft){.customer_id = customer_id,
                                   .customer_key = made->key,
                                   .ticket_id = affected->ticket_id,
                                   .api_ref = made->api_ref,
                                   .orders = (const char *const *)made->orders.items,
                                   .order_count = made->orders.count,
                                   .channel = choice.channel,
                                   .address = made->address,
                                   .locale = text->locale,
                                   .subject = made->subject,
                                   .body_text = made->body_text,
                                   .body_html = made->body_html,
                                   .suppressed = choice.suppressed};
    return true;
}

/* ---- rows to customers ---- */

/* Elements of '{R1,"a b",NULL}' as the server prints text arrays. */
static bool add_orders(const char *array, struct text_list *out, struct error *err)
{
    const char *at = *array == '{' ? array + 1 : array;
    while (*at != '\0' && *at != '}') {
        char element[256];
        size_t len = 0;
        bool quoted = *at == '"';
        at += quoted ? 1 : 0;
        for (; *at != '\0' && (quoted ? *at != '"' : *at != ',' && *at != '}'); at++) {
            at += *at == '\\' && at[1] != '\0' ? 1 : 0;
            if (len + 1 < sizeof element)
                element[len++] = *at;
        }
        element[len] = '\0';
        at += quoted && *at == '"' ? 1 : 0;
        at += *at == ',' ? 1 : 0;
        char *clean = NULL;
        if (len == 0 || (!quoted && strcmp(element, "NULL") == 0))
            continue;
        if (!copy_clean(element, &clean, err) || !list_insert(out, clean, err))
            return false;
    }
    return true;
}

static const char *field_or_null(const struct query_result *rows, size_t row, size_t column)
{
    return query_is_null(rows, row, column) ? NULL : query_field(rows, row, column);
}

/* Rows of this customer from *at on; later ones are newer. */
static bool collect(const struct notice_maker *maker, int64_t customer_id, size_t *at,
                    struct affected *out, size_t *out_rows, struct error *err)
{
    const struct query_result *rows = maker->chunk.rows;
    bool of_tickets = selection_of(maker->selection) == OF_TICKETS;
    for (; *at < query_rows(rows); (*at)++) {
        int64_t customer = 0;
        bool excluded = false;
        if (!query_i64(rows, *at, ROW_CUSTOMER, &customer, err) ||
            !query_bool(rows, *at, ROW_EXCLUDED, &excluded, err))
            return false;
        if (customer > customer_id)
            break;
        if (customer < customer_id || excluded)
            continue;
        (*out_rows)++;
        if (!add_orders(query_field(rows, *at, ROW_ORDERS), &out->orders, err) ||
            (of_tickets && !query_i64(rows, *at, ROW_ID, &out->ticket_id, err)))
            return false;
        out->ref = field_or_null(rows, *at, ROW_REF);
        out->api_ref = field_or_null(rows, *at, ROW_API_REF);
    }
    return true;
}

static bool make_one(struct notice_maker *maker, size_t person, size_t *row, struct error *err)
{
    const struct query_result *customers = maker->chunk.customers;
    struct affected affected = {0};
    int64_t customer_id = 0;
    size_t row_count = 0;
    bool done = query_i64(customers, person, PERSON_ID, &customer_id, err) &&
                collect(maker, customer_id, row, &affected, &row_count, err);
    bool wanted = done && row_count > 0 &&
                  (maker->run_id == NULL || *maker->step->only_after == '\0' ||
                   id_list_has(&maker->chunk.before, customer_id));
    if (wanted) {
        const char *reason = why_not(maker, customer_id, &affected);
        done = make_draft(maker, person, customer_id, &affected, err);
        struct notice_draft *draft = &maker->drafts[maker->count - 1];
        if (done && draft->suppressed == NULL)
            draft->suppressed = reason;
        if (done)
            set_times(maker, query_field(customers, person, PERSON_ZONE), draft);
    }
    list_release(&affected.orders);
    return done;
}

bool notice_maker_make(struct notice_maker *maker, const int64_t *customer_ids, size_t count,
                       const struct notice_draft **out, size_t *out_count, struct error *err)
{
    struct notice_chunk_query query = {
        .selection = maker->selection, .step = maker->step, .run_id = maker->run_id};
    size_t row = 0;
    if (count > NOTICE_CHUNK)
        return error_set(err, ERROR_NO_MEMORY, "at most %d notices can be made at once",
                         NOTICE_CHUNK);
    forget(maker);
    if (!read_clock(maker, err))
        return false;
    query.at_us = maker->at_us;
    if (!notice_chunk_read(&query, maker->connection, customer_ids, count, &maker->chunk, err))
        return false;
    for (size_t i = 0; i < query_rows(maker->chunk.customers); i++)
        if (!make_one(maker, i, &row, err))
            return false;
    *out = maker->drafts;
    *out_count = maker->count;
    return true;
}
