/* Which columns there are, and by which names the exports of other helpdesks call them. */
#include "import_internal.h"

#include "base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 96 };

/* Where a ticket or an order says whose it is. */
#define CUSTOMER_COLUMNS                                                                        \
    {"customer", TYPE_TEXT, USE_CUSTOMER, .aliases = " customer_id requester_id customer.id "}, \
        {"customer_email", TYPE_TEXT, USE_CUSTOMER,                                             \
         .aliases = " requester_email customer.email email "},                                  \
    {                                                                                           \
        "customer_name", TYPE_TEXT, USE_CUSTOMER,                                               \
            .aliases = " requester requester_name customer.name "                               \
    }

static const struct import_table tables[IMPORT_KIND_COUNT] = {
    [IMPORT_CUSTOMERS] =
        {.name = "customers",
         .relation = "helpdesk.customers",
         .columns = {{"external_id", TYPE_TEXT, .required = true, .aliases = " id customer_id "},
                     {"name", TYPE_TEXT, .aliases = " full_name display_name "},
                     {"email", TYPE_TEXT, .aliases = " email_address "},
                     {"phone", TYPE_TEXT, .aliases = " phone_number mobile "},
                     {"locale", TYPE_TEXT, .aliases = " language "},
                     {"time_zone", TYPE_TEXT, .aliases = " timezone iana_time_zone "},
                     {"country", TYPE_TEXT, .aliases = " country_code "},
                     {"is_vip", TYPE_BOOL, .standard = "false", .aliases = " vip "},
                     {"created_at", TYPE_TIME, .standard = "now()",
                      .aliases = " created created_datetime "}}},
    [IMPORT_ORDERS] =
        {.name = "orders",
         .relation = "helpdesk.orders",
         .columns = {{"external_id", TYPE_TEXT, .required = true, .aliases = " id order_id "},
                     {"order_no", TYPE_TEXT, .required = true,
                      .aliases = " name number order_number "},
                     CUSTOMER_COLUMNS,
                     {"carrier", TYPE_TEXT, .aliases = " tracking_company "},
                     {"tracking", TYPE_TEXT, .aliases = " tracking_number "},
                     {"state", TYPE_ORDER_STATE, .required = true,
                      .aliases = " status fulfillment_status "},
                     {"label_state", TYPE_LABEL_STATE, .aliases = " label_status "},
                     {"shipped_at", TYPE_TIME, .aliases = " fulfilled_at "},
                     {"last_scan_at", TYPE_TIME, .aliases = " last_scan "},
                     {"promised_at", TYPE_TIME, .aliases = " estimated_delivery_at "},
                     {"placed_at", TYPE_TIME, .standard = "now()", .aliases = " created_at "},
                     {"total_cents", TYPE_COUNT, .aliases = ""},
                     {"total", TYPE_MONEY, .target = "total_cents", .aliases = " total_price "},
                     {"currency", TYPE_TEXT, .aliases = ""},
                     {"skus", TYPE_LIST, .standard = "'{}'", .aliases = " lineitem_sku "}}},
    [IMPORT_TICKETS] =
        {.name = "tickets",
         .relation = "helpdesk.tickets",
         .columns = {{"external_id", TYPE_TEXT, .required = true, .aliases = " id ticket_id "},
                     {"number", TYPE_TEXT, .aliases = " ticket_number "},
                     {"subject", TYPE_TEXT, .aliases = " title "},
                     {"status", TYPE_STATUS, .standard = "'new'", .aliases = " state "},
                     {"priority", TYPE_PRIORITY, .aliases = ""},
                     {"queue", TYPE_TEXT, .aliases = " group team assignee_team "},
                     {"assignee", TYPE_TEXT, .aliases = " assignee_name assignee_user agent "},
                     {"channel", TYPE_TEXT, .aliases = " via via.channel source "},
                     {"locale", TYPE_TEXT, .aliases = " language "},
                     CUSTOMER_COLUMNS,
                     {"order_no", TYPE_TEXT, .aliases = " order_number order "},
                     {"tags", TYPE_WORDS, USE_TAGS, .aliases = " labels "},
                     {"created_at", TYPE_TIME, .standard = "now()",
                      .aliases = " created created_datetime "},
                     {"updated_at", TYPE_TIME, .standard = "now()",
                      .aliases = " updated updated_datetime "}}},
    [IMPORT_MESSAGES] =
        {.name = "messages",
         .relation = "helpdesk.messages",
         .columns = {{"external_id", TYPE_TEXT, .required = true,
                      .aliases = " id message_id comment_id "},
                     {"ticket", TYPE_TEXT, USE_TICKET, .required = true, .aliases = " ticket_id "},
                     {"direction", TYPE_DIRECTION, .standard = "'in'",
                      .aliases = " from_agent message_type "},
                     {"is_public", TYPE_BOOL, .standard = "true", .aliases = " public "},
                     {"subject", TYPE_TEXT, .aliases = ""},
                     {"body", TYPE_TEXT, .standard = "''",
                      .aliases = " body_text plain_body text content "},
                     {"content_type", TYPE_TEXT, .standard = "'text/plain'", .aliases = ""},
                     {"created_at", TYPE_TIME, .standard = "now()",
                      .aliases = " created created_datetime "}}},
    [IMPORT_TAGS] =
        {.name = "tags",
         .relation = "helpdesk.ticket_tags",
         .columns = {{"ticket", TYPE_TEXT, USE_TICKET, .required = true, .aliases = " ticket_id "},
                     {"tag", TYPE_TAG, USE_TAGS, .required = true, .aliases = " name label "}}},
};

const char *import_kind_name(enum import_kind kind)
{
    return tables[kind].name;
}

bool import_kind_from_text(const char *text, enum import_kind *out)
{
    for (size_t i = 0; i < IMPORT_KIND_COUNT; i++) {
        if (strcmp(tables[i].name, text) == 0) {
            *out = (enum import_kind)i;
            return true;
        }
    }
    return false;
}

const struct import_table *import_table(enum import_kind kind)
{
    return &tables[kind];
}

size_t import_column_count(const struct import_table *table)
{
    size_t count = 0;
    while (count < IMPORT_COLUMNS_MAX && table->columns[count].name != NULL)
        count++;
    return count;
}

const char *import_target(const struct import_column *column)
{
    return column->target == NULL ? column->name : column->target;
}

/* "Requester email" is "requester_email". */
static void normalise(const char *source, char out[NAME_SIZE])
{
    size_t len = 0;
    for (; *source != '\0' && len + 1 < NAME_SIZE; source++) {
        char letter = *source == ' ' || *source == '-' ? '_' : *source;
        out[len++] = (char)tolower((unsigned char)letter);
    }
    out[len] = '\0';
}

static bool find_column(const struct import_table *table, const char *name, size_t *out)
{
    size_t count = import_column_count(table);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table->columns[i].name, name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool find_alias(const struct import_table *table, const char *name, size_t *out)
{
    char word[NAME_SIZE + 2];
    size_t count = import_column_count(table);
    (void)snprintf(word, sizeof word, " %s ", name);
    for (size_t i = 0; strchr(name, ' ') == NULL && i < count; i++) {
        if (strstr(table->columns[i].aliases, word) != NULL) {
            *out = i;
            return true;
        }
    }
    return false;
}

enum import_match import_match(const struct import_options *options, const char *source,
                               size_t *out_column)
{
    char name[NAME_SIZE];
    const struct import_table *table = import_table(options->kind);
    for (size_t i = 0; i < options->mapping_count; i++) {
        const struct import_mapping *mapping = &options->mappings[i];
        if (strcmp(mapping->source, source) != 0)
            continue;
        if (mapping->column[0] == '\0')
            return MATCH_IGNORED;
        return find_column(table, mapping->column, out_column) ? MATCH_COLUMN : MATCH_UNKNOWN;
    }
    normalise(source, name);
    if (find_column(table, name, out_column) || find_alias(table, name, out_column))
        return MATCH_COLUMN;
    return options->skip_unknown ? MATCH_IGNORED : MATCH_UNKNOWN;
}

bool import_unknown(const struct import_options *options, uint64_t line, const char *source,
                    struct error *err)
{
    char name[NAME_SIZE];
    const char *names[IMPORT_COLUMNS_MAX];
    const struct import_table *table = import_table(options->kind);
    size_t count = import_column_count(table);
    for (size_t i = 0; i < count; i++)
        names[i] = table->columns[i].name;
    normalise(source, name);
    const char *nearest = text_nearest(name, names, count);
    (void)error_set(err, ERROR_INVALID, "%s:%" PRIu64 ": %s have no column \"%.60s\"",
                    options->file, line, table->name, source);
    if (nearest != NULL)
        return error_hint(err, "Did you mean \"%s\"? --map \"%.60s=%s\" says so.", nearest, source,
                          nearest);
    return error_hint(err,
                      "--map \"%.60s=COLUMN\" says what it is, --map \"%.60s=\" leaves it out.",
                      source, source);
}
