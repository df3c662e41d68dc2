/* What a single text of a runbook may hold, whatever it means. */
#include "runbook_loading.h"

#include <string.h>

bool text_has_hidden(const char *text, bool lines, bool message)
{
    static const char *const turns[] = {"\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac",
                                        "\xe2\x80\xad", "\xe2\x80\xae", "\xe2\x81\xa6",
                                        "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9"};
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        bool c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;
        if (c1 || *at == 0x7f || (*at < 0x20 && !(lines && (*at == '\n' || *at == '\t'))))
            return true;
    }
    for (size_t i = 0; !message && i < ARRAY_LEN(turns); i++)
        if (strstr(text, turns[i]) != NULL)
            return true;
    return false;
}

bool loading_fits(struct loading *loading, enum text_form form, const char *text)
{
    const char *pattern = text_form(form)->pattern;
    if (pattern == NULL)
        return true;
    if (!loading->compiled[form])
        loading->compiled[form] = regcomp(&loading->patterns[form], pattern,
                                          REG_EXTENDED | REG_NOSUB) == 0;
    return loading->compiled[form] && regexec(&loading->patterns[form], text, 0, NULL, 0) == 0;
}
