#include "runbook/scope.h"

#include "base/macros.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RENDERED_MAX_BYTES = 256 * 1024 };

static const char *now(struct scope *scope)
{
    return text_time_us(scope->now_us, scope->number);
}

static const char *runbook_name(struct scope *scope)
{
    return scope->runbook->name;
}

static const char *runbook_title(struct scope *scope)
{
    return scope->runbook->title;
}

static const char *row_segment(struct scope *scope)
{
    return scope->segment;
}

static const char *customer_name(struct scope *scope)
{
    return scope->customer == NULL ? NULL : scope->customer->name;
}

static const char *orders(struct scope *scope)
{
    return scope->customer == NULL ? NULL : scope->customer->orders;
}

static const char *order_count(struct scope *scope)
{
    if (scope->customer == NULL)
        return NULL;
    (void)snprintf(scope->number, sizeof scope->number, "%" PRIu64, scope->customer->order_count);
    return scope->number;
}

static const char *ticket_ref(struct scope *scope)
{
    return scope->customer == NULL ? NULL : scope->customer->ticket_ref;
}

static const struct {
    const char *name;
    const char *(*value)(struct scope *scope);
} names[] = {
    {"now", now},
    {"runbook.name", runbook_name},
    {"runbook.title", runbook_title},
    {"row.segment", row_segment},
    {"customer.name", customer_name},
    {"orders", orders},
    {"order_count", order_count},
    {"ticket.ref", ticket_ref},
};

static const char param_prefix[] = "params.";

const char *scope_lookup(void *context, const char *name)
{
    struct scope *scope = context;
    if (text_starts_with(name, param_prefix)) {
        const struct param_value *value = param_values_find(scope->params,
                                                            name + sizeof param_prefix - 1);
        return value == NULL ? NULL : value->text;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].value(scope);
    return NULL;
}

bool scope_render(struct scope *scope, const char *text, enum template_escape escape, char **out,
                  struct error *err)
{
    struct buf rendered;
    buf_init(&rendered, RENDERED_MAX_BYTES);
    bool done = template_render(text, escape, scope_lookup, scope, &rendered, err) &&
                buf_check(&rendered, "a rendered text", err);
    const char *copied = done ? buf_text(&rendered) : NULL;
    char *copy = copied == NULL ? NULL : strdup(copied);
    buf_release(&rendered);
    if (done && copy == NULL)
        return error_no_memory(err, "a rendered text");
    if (done)
        *out = copy;
    return done;
}
