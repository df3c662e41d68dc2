/* The example file: every option with its help, its default and an example, all commented out. */
#include "config/config.h"

#include <stdio.h>
#include <string.h>

enum { COMMENT_WIDTH = 92 };

/* "  # " in front of every line, broken at spaces. */
static void put_comment(const char *text, struct buf *out)
{
    while (*text != '\0') {
        size_t len = strlen(text);
        if (len > COMMENT_WIDTH) {
            len = COMMENT_WIDTH;
            while (len > 0 && text[len] != ' ')
                len--;
            if (len == 0)
                len = COMMENT_WIDTH;
        }
        buf_printf(out, "  # %.*s\n", (int)len, text);
        text += len;
        while (*text == ' ')
            text++;
    }
}

static void put_option(enum option_id id, struct buf *out)
{
    char allowed[OPTION_ALLOWED_SIZE];
    char line[512];
    const struct option_row *row = option_row(id);
    const char *key = strchr(row->name, '.') + 1;
    const char *value = row->standard[0] == '\0' ? row->example : row->standard;
    const char *standard = row->standard[0] == '\0' ? row->unset : row->standard;
    put_comment(row->help, out);
    (void)option_allowed(id, allowed);
    if (option_is_free(id))
        (void)snprintf(line, sizeof line, "Default: %s.", standard);
    else
        (void)snprintf(line, sizeof line, "Allowed: %s. Default: %s.", allowed, standard);
    put_comment(line, out);
    buf_printf(out, "  #%s: %s\n", key, value);
}

void config_put_example(struct buf *out)
{
    const char *section = "";
    size_t section_len = 0;
    buf_printf(out, "# mainstay.yaml: every option with its default. Remove the # in front of a "
                    "key to set it.\n"
                    "# Flags (--repository-url) beat the environment (MAINSTAY_REPOSITORY_URL), "
                    "which beats this\n"
                    "# file. `mainstay config check` reads it without touching anything.\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *name = option_row((enum option_id)i)->name;
        size_t len = strcspn(name, ".");
        if (len != section_len || strncmp(name, section, len) != 0)
            buf_printf(out, "\n%.*s:\n", (int)len, name);
        else
            buf_printf(out, "\n");
        section = name;
        section_len = len;
        put_option((enum option_id)i, out);
    }
}
