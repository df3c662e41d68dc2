#include "daemon/alert_text.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "document/template.h"
#include "document/value.h"

#include <string.h>

static const char *sentence(const struct alert *alert)
{
    return alert->raised ? alert->text : "this is over";
}

static bool set_generic(struct value *root, const struct alert *alert,
                        const struct alert_target *target, struct error *err)
{
    char time[TEXT_SIZE];
    char since[TEXT_SIZE];
    return value_set_text(root, "alert", alert->name, err) &&
           value_set_text(root, "state", alert->raised ? "firing" : "resolved", err) &&
           value_set_text_lossy(root, "text", sentence(alert), err) &&
           value_set_text(root, "since", text_time_us(alert->since_us, since), err) &&
           value_set_text(root, "time", text_time_us(alert->now_us, time), err) &&
           value_set_text_lossy(root, "repository", target->repository, err) &&
           value_set_text_lossy(root, "host", target->host, err);
}

static bool set_slack(struct value *root, const struct alert *alert,
                      const struct alert_target *target, struct error *err)
{
    CLEANUP(free_pointer)
    char *text = text_format("%s *%s* %s\n%s on %s",
                             alert->raised ? ":rotating_light:" : ":white_check_mark:", alert->name,
                             sentence(alert), target->repository, target->host);
    if (text == NULL)
        return error_no_memory(err, "an alert");
    return value_set_text_lossy(root, "text", text, err);
}

/* https://developer.pagerduty.com/docs/events-api-v2/trigger-events/ */
static bool set_pagerduty(struct value *root, const struct alert *alert,
                          const struct alert_target *target, struct error *err)
{
    char time[TEXT_SIZE];
    const char *key = secret_is_set(target->key) ? target->key->text : "";
    CLEANUP(free_pointer)
    char *dedup = text_format("mainstay/%s/%.180s", alert->name, target->repository);
    if (dedup == NULL)
        return error_no_memory(err, "an alert");
    if (!value_set_text(root, "routing_key", key, err) ||
        !value_set_text(root, "event_action", alert->raised ? "trigger" : "resolve", err) ||
        !value_set_text_lossy(root, "dedup_key", dedup, err))
        return false;
    struct value *payload = value_set_new_object(root, "payload", err);
    return payload != NULL && value_set_text_lossy(payload, "summary", sentence(alert), err) &&
           value_set_text_lossy(payload, "source", target->host, err) &&
           value_set_text(payload, "severity", "critical", err) &&
           value_set_text(payload, "timestamp", text_time_us(alert->now_us, time), err) &&
           value_set_text(payload, "component", "mainstay", err) &&
           value_set_text(payload, "class", alert->name, err);
}

/* --- a template of the user's
 * --------------------------------------------------------------------- */

struct names {
    const struct alert *alert;
    const struct alert_target *target;
    char time[TEXT_SIZE];
    char since[TEXT_SIZE];
    struct buf value; /* the last one, escaped */
};

static const char *plain_value(const struct names *names, const char *name)
{
    const struct {
        const char *name;
        const char *value;
    } table[] = {
        {"alert", names->alert->name},
        {"state", names->alert->raised ? "firing" : "resolved"},
        {"text", sentence(names->alert)},
        {"since", names->since},
        {"time", names->time},
        {"repository", names->target->repository},
        {"host", names->target->host},
        {"key", secret_is_set(names->target->key) ? names->target->key->text : ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (strcmp(table[i].name, name) == 0)
            return table[i].value;
    }
    return NULL;
}

/* As it stands within the quotes of a JSON text. */
static const char *look_up(void *context, const char *name)
{
    struct names *names = context;
    const char *text = plain_value(names, name);
    if (text == NULL)
        return NULL;
    buf_clear(&names->value);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buf_printf(&names->value, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            buf_printf(&names->value, "\\u%04x", (unsigned)*text);
        else
            buf_put_u8(&names->value, (uint8_t)*text);
    }
    return buf_text(&names->value);
}

static bool put_template(const struct alert *alert, const struct alert_target *target,
                         struct buf *out, struct error *err)
{
    struct names names = {.alert = alert, .target = target};
    CLEANUP(buf_release) struct buf text;
    (void)text_time_us(alert->now_us, names.time);
    (void)text_time_us(alert->since_us, names.since);
    buf_init(&text, ALERT_JSON_MAX_BYTES);
    buf_init(&names.value, ALERT_JSON_MAX_BYTES);
    bool done = template_render(target->text, TEMPLATE_TEXT, look_up, &names, &text, err);
    buf_release(&names.value);
    if (!done)
        return false;
    CLEANUP(value_cleanup)
    struct value *root = value_parse(text.data, text.len, ALERT_JSON_MAX_BYTES,
                                     "what the template of alerts gives", err);
    return root != NULL && value_print(root, false, out, err);
}

bool alert_put_json(const struct alert *alert, const struct alert_target *target, struct buf *out,
                    struct error *err)
{
    static const struct {
        const char *format;
        bool (*set)(struct value *root, const struct alert *alert,
                    const struct alert_target *target, struct error *err);
    } formats[] = {{"generic", set_generic}, {"slack", set_slack}, {"pagerduty", set_pagerduty}};
    if (strcmp(target->format, "template") == 0)
        return put_template(alert, target, out, err);
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (strcmp(formats[i].format, target->format) == 0)
            return formats[i].set(root, alert, target, err) && value_print(root, false, out, err);
    }
    return error_set(err, ERROR_USAGE, "there is no alert format \"%s\"", target->format);
}
