/* The decisions about one notice, as functions of data: language, channel, suppression. */
#ifndef RUNBOOK_NOTICE_CHOICE_H
#define RUNBOOK_NOTICE_CHOICE_H

#include "notice/suppression.h"
#include "runbook/runbook.h"

/* "de_AT" finds "de-AT", then "de", then any other text of that language; NULL or a language that
 * the template does not have: its first text. */
const struct runbook_text *notice_choose_text(const struct runbook_template *template,
                                              const char *locale);

enum { NOTICE_ADDRESS_SIZE = SUPPRESSION_KEY_SIZE };

/* What there is to reach a customer by. Texts are borrowed; NULL: none. */
struct notice_reach {
    const char *email;
    const char *phone;
    const char *api_ref; /* of the ticket, for channel "helpdesk" */
};

/* False where this channel has no address, or one that could not be written into a header. */
bool notice_address(const struct notice_reach *reach, const char *channel,
                    char out[NOTICE_ADDRESS_SIZE]);

struct notice_choice {
    const char *channel;    /* one of the wanted ones, always */
    const char *suppressed; /* the reason; NULL: it can be sent */
    char address[NOTICE_ADDRESS_SIZE];
};

/* Who is not to be written to on this channel at this address, and why. The address is only
 * known while choosing, therefore a callback. NULL: may be written to. */
typedef const char *(*notice_suppressed_fn)(void *context, const char *channel,
                                            const char *address);

/* Whether a reason in mainstay.suppressions keeps back a notice of this purpose. */
bool notice_reason_counts(const char *reason, const char *purpose);

/* The first wanted channel that has an address and is not suppressed. Where there is none: the
 * reason of the first that has an address, else "no address". */
void notice_choose_channel(const struct text_list *wanted, const struct notice_reach *reach,
                           notice_suppressed_fn suppressed, void *context,
                           struct notice_choice *out);

#endif
