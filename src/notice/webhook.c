#include "notice/webhook.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "document/value.h"

#include <stdio.h>
#include <string.h>

enum { FILE_MAX_BYTES = 4096, NAME_MAX_LEN = 63, MESSAGE_MAX_BYTES = 256 * 1024 };

static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t len = strlen(name);
    return len > 0 && len <= NAME_MAX_LEN && strspn(name, allowed) == len;
}

/* ---- what a file says ---- */

static bool take_format(struct webhook *webhook, const char *name, char *line, struct error *err)
{
    static const char *const formats[] = {"generic", "slack", "pagerduty"};
    char *key = strchr(line, ' ');
    if (key != NULL)
        *key++ = '\0';
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (strcmp(line, formats[i]) == 0)
            webhook->format = formats[i];
    }
    if (webhook->format == NULL) {
        (void)error_set(err, ERROR_INVALID, "webhook \"%s\" has an unknown format \"%.40s\"", name,
                        line);
        return error_hint(err, "The second line is \"generic\", \"slack\" or \"pagerduty KEY\".");
    }
    bool wants_key = strcmp(webhook->format, "pagerduty") == 0;
    if (wants_key != (key != NULL && *key != '\0'))
        return error_set(err, ERROR_INVALID, "webhook \"%s\": format %s %s", name, webhook->format,
                         wants_key ? "needs its integration key behind it" : "takes nothing more");
    return !wants_key || secret_set(&webhook->key, key, err);
}

static bool take_lines(struct webhook *webhook, const char *name, char *text, struct error *err)
{
    char generic[] = "generic";
    char *rest = text;
    const char *url = strsep(&rest, "\n");
    char *format = rest == NULL ? NULL : strsep(&rest, "\n");
    if (!text_starts_with(url, "https://") && !text_starts_with(url, "http://"))
        return error_set(err, ERROR_INVALID, "webhook \"%s\": its first line is no URL", name);
    return secret_set(&webhook->url, url, err) &&
           take_format(webhook, name, format == NULL || *format == '\0' ? generic : format, err);
}

bool webhook_load(const char *directory, const char *name, struct webhook *out, struct error *err)
{
    struct buf content;
    if (!is_name(name))
        return error_set(err, ERROR_USAGE, "\"%.60s\" cannot be the name of a webhook", name);
    if (directory == NULL) {
        (void)error_set(err, ERROR_NOT_FOUND, "there is no webhook \"%s\"", name);
        return error_hint(err, "Set webhook.directory, with one file for each webhook.");
    }
    CLEANUP(free_pointer) char *path = text_format("%s/%s", directory, name);
    if (path == NULL)
        return error_no_memory(err, "a webhook");
    *out = (struct webhook){0};
    buf_init(&content, FILE_MAX_BYTES);
    bool done = secret_read_private_file(path, &content, err);
    if (!done) {
        (void)error_wrap(err, "could not look up webhook \"%s\"", name);
        if (err->kind == ERROR_NOT_FOUND)
            (void)error_hint(err,
                             "webhook.directory has one file for each webhook, named like it.");
    } else if (buf_text(&content) == NULL) {
        done = buf_check(&content, "a webhook", err);
    } else {
        done = take_lines(out, name, (char *)content.data, err);
    }
    secret_wipe(content.data, content.cap);
    buf_release(&content);
    if (!done)
        webhook_release(out);
    return done;
}

void webhook_release(struct webhook *webhook)
{
    secret_release(&webhook->url);
    secret_release(&webhook->key);
}

/* ---- what is posted ---- */

static bool set_generic(struct value *root, const struct webhook *webhook,
                        const struct webhook_message *message, struct error *err)
{
    (void)webhook;
    return value_set_text(root, "id", message->id, err) &&
           value_set_text(root, "run", message->run_id, err) &&
           value_set_text(root, "template", message->template_name, err) &&
           value_set_text(root, "purpose", message->purpose, err) &&
           value_set_text_lossy(root, "subject", message->subject, err) &&
           value_set_text_lossy(root, "text", message->text, err) &&
           value_set_text(root, "queued", message->queued, err);
}

/* https://api.slack.com/reference/surfaces/formatting#escaping: nothing becomes a link or a mention
 * ("<!channel>") by standing in a text. */
static void put_slack(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '&')
            buf_printf(out, "&amp;");
        else if (*text == '<')
            buf_printf(out, "&lt;");
        else if (*text == '>')
            buf_printf(out, "&gt;");
        else
            buf_put_u8(out, (uint8_t)*text);
    }
}

static bool set_slack(struct value *root, const struct webhook *webhook,
                      const struct webhook_message *message, struct error *err)
{
    struct buf text;
    (void)webhook;
    buf_init(&text, MESSAGE_MAX_BYTES);
    if (message->subject[0] != '\0') {
        put_slack(&text, message->subject);
        buf_put_u8(&text, '\n');
    }
    put_slack(&text, message->text);
    const char *whole = buf_text(&text);
    bool done = whole != NULL ? value_set_text_lossy(root, "text", whole, err)
                              : buf_check(&text, "a message", err);
    buf_release(&text);
    return done;
}

static bool set_pagerduty(struct value *root, const struct webhook *webhook,
                          const struct webhook_message *message, struct error *err)
{
    struct value *payload;
    const char *summary = message->subject[0] != '\0' ? message->subject : message->text;
    char cut[1024]; /* the API's maximum */
    (void)snprintf(cut, sizeof cut, "%s", summary);
    if (!value_set_text(root, "routing_key", webhook->key.text, err) ||
        !value_set_text(root, "event_action", "trigger", err) ||
        !value_set_text(root, "dedup_key", message->run_id, err))
        return false;
    payload = value_set_new_object(root, "payload", err);
    return payload != NULL && value_set_text_lossy(payload, "summary", cut, err) &&
           value_set_text(payload, "source", "mainstay", err) &&
           value_set_text(payload, "severity", "critical", err) &&
           value_set_text(payload, "timestamp", message->queued, err) &&
           value_set_text(payload, "class", message->template_name, err);
}

bool webhook_put_json(const struct webhook *webhook, const struct webhook_message *message,
                      struct buf *out, struct error *err)
{
    static const struct {
        const char *format;
        bool (*set)(struct value *root, const struct webhook *webhook,
                    const struct webhook_message *message, struct error *err);
    } formats[] = {{"generic", set_generic}, {"slack", set_slack}, {"pagerduty", set_pagerduty}};
    CLEANUP(value_cleanup) struct value *root = value_new_object(err);
    if (root == NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (strcmp(formats[i].format, webhook->format) == 0)
            return formats[i].set(root, webhook, message, err) &&
                   value_print(root, false, out, err);
    }
    return error_set(err, ERROR_INVALID, "there is no webhook format \"%s\"", webhook->format);
}
