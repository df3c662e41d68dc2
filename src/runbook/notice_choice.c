#include "runbook/notice_choice.h"

#include "base/macros.h"
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LOCALE_SIZE = 36 };

/* ---- language ---- */

static void normalise(const char *locale, char out[LOCALE_SIZE])
{
    size_t len = 0;
    for (; locale[len] != '\0' && locale[len] != '.' && len + 1 < LOCALE_SIZE; len++)
        out[len] = locale[len] == '_' ? '-' : (char)tolower((unsigned char)locale[len]);
    out[len] = '\0';
}

static const struct runbook_text *find_text(const struct runbook_template *template,
                                            const char *locale, size_t len)
{
    for (size_t i = 0; i < template->text_count; i++) {
        char own[LOCALE_SIZE];
        normalise(template->texts[i].locale, own);
        if (strncmp(own, locale, len) == 0 && own[len] == '\0')
            return &template->texts[i];
    }
    return NULL;
}

static const struct runbook_text *find_language(const struct runbook_template *template,
                                                const char *locale)
{
    size_t len = strcspn(locale, "-");
    for (size_t i = 0; len > 0 && i < template->text_count; i++) {
        char own[LOCALE_SIZE];
        normalise(template->texts[i].locale, own);
        if (strcspn(own, "-") == len && strncmp(own, locale, len) == 0)
            return &template->texts[i];
    }
    return NULL;
}

const struct runbook_text *notice_choose_text(const struct runbook_template *template,
                                              const char *locale)
{
    char wanted[LOCALE_SIZE];
    normalise(locale == NULL ? "" : locale, wanted);
    for (size_t len = strlen(wanted); len > 0;) {
        const struct runbook_text *text = find_text(template, wanted, len);
        if (text != NULL)
            return text;
        while (len > 0 && wanted[len - 1] != '-')
            len--;
        len -= len > 0 ? 1 : 0;
    }
    const struct runbook_text *text = find_language(template, wanted);
    return text != NULL ? text : &template->texts[0];
}

/* ---- addresses ---- */

/* One mailbox, nothing that means something in a header. */
static bool email_address(const struct notice_reach *reach, char out[NOTICE_ADDRESS_SIZE])
{
    const char *email = reach->email == NULL ? "" : reach->email;
    const char *at = strchr(email, '@');
    if (at == NULL || at == email || at[1] == '\0' || strchr(at + 1, '@') != NULL ||
        strlen(email) > 254)
        return false;
    for (const char *next = email; *next != '\0'; next++)
        if ((unsigned char)*next <= ' ' || *next == 0x7f)
            return false;
    if (strpbrk(email, "<>()[],;:\\\"") != NULL)
        return false;
    (void)snprintf(out, NOTICE_ADDRESS_SIZE, "%s", email);
    return true;
}

/* International form; what people write between the digits is left out. */
static bool phone_number(const struct notice_reach *reach, char out[NOTICE_ADDRESS_SIZE])
{
    const char *phone = reach->phone == NULL ? "" : reach->phone;
    size_t len = 0;
    if (*phone != '+')
        return false;
    out[len++] = '+';
    for (const char *at = phone + 1; *at != '\0'; at++) {
        if (isdigit((unsigned char)*at) && len < 16)
            out[len++] = *at;
        else if (strchr(" -./()", *at) == NULL)
            return false;
    }
    out[len] = '\0';
    return len >= 7;
}

static bool ticket_address(const struct notice_reach *reach, char out[NOTICE_ADDRESS_SIZE])
{
    if (reach->api_ref == NULL || *reach->api_ref == '\0')
        return false;
    (void)snprintf(out, NOTICE_ADDRESS_SIZE, "%s", reach->api_ref);
    return true;
}

bool notice_address(const struct notice_reach *reach, const char *channel,
                    char out[NOTICE_ADDRESS_SIZE])
{
    static const struct {
        const char *channel;
        bool (*address)(const struct notice_reach *reach, char out[NOTICE_ADDRESS_SIZE]);
    } rows[] = {{"email", email_address}, {"sms", phone_number}, {"helpdesk", ticket_address}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].channel, channel) == 0)
            return rows[i].address(reach, out);
    return false;
}

/* ---- channel ---- */

bool notice_reason_counts(const char *reason, const char *purpose)
{
    bool wish = strcmp(reason, "unsubscribed") == 0 || strcmp(reason, "complaint") == 0;
    return !(wish && strcmp(purpose, "safety") == 0);
}

void notice_choose_channel(const struct text_list *wanted, const struct notice_reach *reach,
                           notice_suppressed_fn suppressed, void *context,
                           struct notice_choice *out)
{
    struct notice_choice best = {.channel = wanted->items[0], .suppressed = "no address"};
    for (size_t i = wanted->count; i-- > 0;) { /* the first one decides last */
        struct notice_choice next = {.channel = wanted->items[i]};
        if (!notice_address(reach, next.channel, next.address))
            continue;
        next.suppressed = suppressed(context, next.channel, next.address);
        if (next.suppressed == NULL || best.suppressed != NULL)
            best = next;
    }
    *out = best;
}
