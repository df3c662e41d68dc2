/* A template, a NUL, and what its names stand for: nothing of a value becomes markup or a header.
 */
#include "base/cleanup.h"
#include "document/template.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *the_value(void *context, const char *name)
{
    return strcmp(name, "missing") == 0 ? NULL : context;
}

static bool count_name(void *context, const char *name, struct error *err)
{
    size_t *count = context;
    (void)err;
    if (*name < 'a' || *name > 'z')
        abort();
    (*count)++;
    return true;
}

static void check_value(char *value)
{
    struct error err;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 4 << 20);
    if (!template_render("{{ a }}", TEMPLATE_HTML, the_value, value, &out, &err))
        abort();
    const char *html = buf_text(&out);
    if (html != NULL && strpbrk(html, "<>\"'") != NULL)
        abort();
    buf_clear(&out);
    if (template_render("a: {{ a }}", TEMPLATE_HEADER, the_value, value, &out, &err) &&
        strpbrk(buf_text(&out), "\r\n\x7f\x1b") != NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum template_escape escapes[] = {TEMPLATE_TEXT, TEMPLATE_HTML, TEMPLATE_HEADER};
    struct error err;
    size_t names = 0;
    size_t text_len = strnlen((const char *)data, size);
    CLEANUP(free_pointer) char *text = strndup((const char *)data, size);
    CLEANUP(free_pointer)
    char *value = text_len + 1 < size
                      ? strndup((const char *)data + text_len + 1, size - text_len - 1)
                      : strdup("");
    if (text == NULL || value == NULL)
        abort();
    bool sound = template_visit(text, count_name, &names, &err);
    for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
        CLEANUP(buf_release) struct buf out;
        buf_init(&out, 1 << 20);
        if (template_render(text, escapes[i], the_value, value, &out, &err) && !sound)
            abort();
    }
    check_value(value);
    return 0;
}
