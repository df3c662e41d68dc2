#include "runbook/notice_choice.h"

#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* ---- language ---- */

static void test_a_locale_finds_its_text(void **state)
{
    struct runbook_text texts[] = {{.locale = (char[]){"en"}},
                                   {.locale = (char[]){"de"}},
                                   {.locale = (char[]){"de-AT"}},
                                   {.locale = (char[]){"pt-BR"}}};
    const struct runbook_template template = {.texts = texts, .text_count = 4};
    static const struct {
        const char *locale;
        const char *chosen;
    } cases[] = {
        {"de", "de"},
        {"de-AT", "de-AT"},
        {"de_at", "de-AT"},
        {"DE", "de"},
        {"de-CH", "de"},
        {"de-CH-1996", "de"},
        {"de_DE.UTF-8", "de"},
        {"pt", "pt-BR"},
        {"pt-PT", "pt-BR"},
        {"fr", "en"},
        {"", "en"},
        {NULL, "en"},
        {"d", "en"},
        {"deu", "en"},
        {"-", "en"},
        {"--", "en"},
        {"a-very-long-locale-that-nobody-has-but-somebody-sends", "en"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(notice_choose_text(&template, cases[i].locale)->locale,
                            cases[i].chosen);
}

/* ---- addresses ---- */

static void test_addresses_are_usable_or_none(void **state)
{
    static const struct {
        const char *channel;
        const char *given;
        const char *address; /* NULL: none */
    } cases[] = {
        {"email", "ada@example.org", "ada@example.org"},
        {"email", "j\xc3\xbcrgen@example.org", "j\xc3\xbcrgen@example.org"},
        {"email", "", NULL},
        {"email", "ada", NULL},
        {"email", "@example.org", NULL},
        {"email", "ada@", NULL},
        {"email", "a@b@c", NULL},
        {"email", "a@example.org,b@example.org", NULL},
        {"email", "Ada <ada@example.org>", NULL},
        {"email", "ada@example.org\r\nBcc: all@example.org", NULL},
        {"email", "ada@example.org\x01", NULL},
        {"sms", "+49 (170) 123-45.67/8", "+4917012345678"},
        {"sms", "0170 1234567", NULL},
        {"sms", "+49x170", NULL},
        {"sms", "+1", NULL},
        {"sms", "+12345678901234567890", NULL},
        {"helpdesk", "42", "42"},
        {"helpdesk", "", NULL},
        {"pigeon", "coo", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char address[NOTICE_ADDRESS_SIZE] = "";
        const struct notice_reach reach = {
            .email = cases[i].given, .phone = cases[i].given, .api_ref = cases[i].given};
        bool found = notice_address(&reach, cases[i].channel, address);
        if (found != (cases[i].address != NULL))
            fail_msg("%s \"%s\" %s", cases[i].channel, cases[i].given, found ? "taken" : "refused");
        if (found)
            assert_string_equal(address, cases[i].address);
    }
    assert_false(
        notice_address(&(struct notice_reach){0}, "email", (char[NOTICE_ADDRESS_SIZE]){0}));
}

/* ---- channel ---- */

static const char *blocked_channel(void *context, const char *channel, const char *address)
{
    (void)address;
    return strstr(context, channel) != NULL ? channel : NULL; /* the reason says which */
}

static void assert_choice(const struct notice_reach *reach, const char *blocked,
                          const char *channel, const char *suppressed)
{
    const struct text_list wanted = {
        (char *[]){(char[]){"email"}, (char[]){"sms"}, (char[]){"helpdesk"}}, 3};
    struct notice_choice choice;
    char context[64];
    (void)strncpy(context, blocked, sizeof context - 1);
    context[sizeof context - 1] = '\0';
    notice_choose_channel(&wanted, reach, blocked_channel, context, &choice);
    assert_string_equal(choice.channel, channel);
    if (suppressed == NULL)
        assert_null(choice.suppressed);
    else
        assert_string_equal(choice.suppressed, suppressed);
}

static void test_the_first_channel_that_works_is_taken(void **state)
{
    const struct notice_reach all = {
        .email = "a@example.org", .phone = "+4917012345", .api_ref = "7"};
    const struct notice_reach phone = {.phone = "+4917012345"};
    const struct notice_reach none = {.email = "nonsense"};
    (void)state;
    assert_choice(&all, "", "email", NULL);
    assert_choice(&all, "email", "sms", NULL);
    assert_choice(&all, "email sms", "helpdesk", NULL);
    assert_choice(&all, "sms", "email", NULL);
    assert_choice(&all, "email sms helpdesk", "email", "email");
    assert_choice(&phone, "", "sms", NULL);
    assert_choice(&phone, "sms", "sms", "sms");
    assert_choice(&none, "", "email", "no address");
}

static void test_safety_overrides_wishes_only(void **state)
{
    (void)state;
    assert_false(notice_reason_counts("unsubscribed", "safety"));
    assert_false(notice_reason_counts("complaint", "safety"));
    assert_true(notice_reason_counts("hard_bounce", "safety"));
    assert_true(notice_reason_counts("legal_hold", "safety"));
    assert_true(notice_reason_counts("test_account", "safety"));
    assert_true(notice_reason_counts("other", "safety"));
    assert_true(notice_reason_counts("unsubscribed", "delay"));
    assert_true(notice_reason_counts("complaint", "security"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_locale_finds_its_text),
        cmocka_unit_test(test_addresses_are_usable_or_none),
        cmocka_unit_test(test_the_first_channel_that_works_is_taken),
        cmocka_unit_test(test_safety_overrides_wishes_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
