#include "runbook/condition.h"

#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 64 };

struct scanner {
    const char *start;
    const char *at;
    char open[CONDITION_MAX_DEPTH]; /* "(" and "[" that are not closed yet */
    size_t depth;
    bool has_token;
    condition_param_fn param; /* NULL: only looking */
    void *context;
    struct buf *out; /* NULL: only looking */
};

static bool refuse(const struct scanner *scanner, const char *at, const char *problem,
                   struct error *err)
{
    return error_set(err, ERROR_INVALID, "%s (character %td of the condition)", problem,
                     at - scanner->start + 1);
}

static bool starts_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Moves to `end`, copying what lies before it. */
static void pass(struct scanner *scanner, const char *end)
{
    if (scanner->out != NULL)
        buf_put(scanner->out, scanner->at, (size_t)(end - scanner->at));
    scanner->at = end;
    scanner->has_token = true;
}

/* 'text' and "name": a quote in it is written twice, which reads like two that touch. */
static bool pass_quoted(struct scanner *scanner, struct error *err)
{
    char quote = *scanner->at;
    const char *end = strchr(scanner->at + 1, quote);
    if (end == NULL)
        return refuse(scanner, scanner->at, "a quote is not closed", err);
    pass(scanner, end + 1);
    return true;
}

/* An identifier or keyword; "$" may stand inside one. */
static bool pass_name(struct scanner *scanner, struct error *err)
{
    const char *end = scanner->at + 1;
    while (starts_name(*end) || is_digit(*end) || *end == '$')
        end++;
    if (end == scanner->at + 1 && (*scanner->at == 'e' || *scanner->at == 'E') && *end == '\'') {
        (void)refuse(scanner, scanner->at, "E'...' is not allowed", err);
        return error_hint(err, "Write a plain '...', in which a backslash is a backslash.");
    }
    pass(scanner, end);
    return true;
}

/* $$text$$, $tag$text$tag$ */
static bool pass_dollar(struct scanner *scanner, struct error *err)
{
    const char *tag_end = scanner->at + 1;
    if (starts_name(*tag_end))
        while (starts_name(*tag_end) || is_digit(*tag_end))
            tag_end++;
    if (*tag_end != '$') {
        (void)refuse(scanner, scanner->at, "\"$\" is not allowed here", err);
        return error_hint(err, "Parameters are written as :name.");
    }
    char tag[NAME_SIZE];
    size_t len = (size_t)(tag_end + 1 - scanner->at);
    if (len >= sizeof tag)
        return refuse(scanner, scanner->at, "the tag of this $quote$ is too long", err);
    memcpy(tag, scanner->at, len);
    tag[len] = '\0';
    const char *end = strstr(tag_end + 1, tag);
    if (end == NULL)
        return refuse(scanner, scanner->at, "a $quote$ is not closed", err);
    pass(scanner, end + len);
    return true;
}

/* Comments nest. */
static bool skip_comment(struct scanner *scanner, struct error *err)
{
    const char *at = scanner->at + 2;
    size_t depth = 1;
    while (depth > 0) {
        if (*at == '\0')
            return refuse(scanner, scanner->at, "a comment is not closed", err);
        bool opens = at[0] == '/' && at[1] == '*';
        bool closes = at[0] == '*' && at[1] == '/';
        depth = depth + (opens ? 1 : 0) - (closes ? 1 : 0);
        at += opens || closes ? 2 : 1;
    }
    if (scanner->out != NULL)
        buf_put(scanner->out, " ", 1);
    scanner->at = at;
    return true;
}

/* ":name"; the other colons ("::", ":=", "[1:2]") stay what they are. */
static bool pass_colon(struct scanner *scanner, struct error *err)
{
    const char *name = scanner->at + 1;
    if (*name == ':' || !starts_name(*name)) {
        pass(scanner, *name == ':' ? name + 1 : name);
        return true;
    }
    char copy[NAME_SIZE];
    const char *end = name;
    while (starts_name(*end) || is_digit(*end))
        end++;
    size_t len = (size_t)(end - name);
    if (len >= sizeof copy)
        return refuse(scanner, scanner->at, "the name of this parameter is too long", err);
    memcpy(copy, name, len);
    copy[len] = '\0';
    if (scanner->param != NULL && !scanner->param(scanner->context, copy, scanner->out, err))
        return false;
    scanner->at = end;
    scanner->has_token = true;
    return true;
}

static bool pass_bracket(struct scanner *scanner, struct error *err)
{
    char c = *scanner->at;
    if (c == '(' || c == '[') {
        if (scanner->depth == CONDITION_MAX_DEPTH)
            return refuse(scanner, scanner->at, "this is nested too deeply", err);
        scanner->open[scanner->depth++] = c;
    } else {
        char opener = c == ')' ? '(' : '[';
        if (scanner->depth == 0 || scanner->open[scanner->depth - 1] != opener)
            return refuse(scanner, scanner->at,
                          c == ')' ? "\")\" closes nothing" : "\"]\" closes nothing", err);
        scanner->depth--;
    }
    pass(scanner, scanner->at + 1);
    return true;
}

static bool pass_blank(struct scanner *scanner)
{
    bool had_token = scanner->has_token;
    pass(scanner, scanner->at + 1);
    scanner->has_token = had_token;
    return true;
}

static bool pass_token(struct scanner *scanner, struct error *err)
{
    const char *at = scanner->at;
    if (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')
        return pass_blank(scanner);
    if ((unsigned char)*at < 0x20 || *at == 0x7f)
        return refuse(scanner, at, "a control character is not allowed", err);
    if (*at == '\'' || *at == '"')
        return pass_quoted(scanner, err);
    if (starts_name(*at))
        return pass_name(scanner, err);
    if (*at == '$')
        return pass_dollar(scanner, err);
    if (at[0] == '/' && at[1] == '*')
        return skip_comment(scanner, err);
    if (at[0] == '-' && at[1] == '-') {
        (void)refuse(scanner, at, "\"--\" is not allowed", err);
        return error_hint(err, "Write a comment as /* ... */: YAML may have joined the lines.");
    }
    if (*at == ':')
        return pass_colon(scanner, err);
    if (*at == '(' || *at == ')' || *at == '[' || *at == ']')
        return pass_bracket(scanner, err);
    if (*at == ';')
        return refuse(scanner, at, "\";\" is not allowed", err);
    pass(scanner, at + 1);
    return true;
}

static bool scan(struct scanner *scanner, struct error *err)
{
    if (strlen(scanner->start) > CONDITION_MAX_BYTES)
        return error_set(err, ERROR_INVALID, "a condition can have %d bytes", CONDITION_MAX_BYTES);
    while (*scanner->at != '\0')
        if (!pass_token(scanner, err))
            return false;
    if (scanner->depth > 0)
        return error_set(err, ERROR_INVALID, "\"%c\" is not closed in the condition",
                         scanner->open[scanner->depth - 1]);
    return true;
}

bool condition_check(const char *sql, struct error *err)
{
    struct scanner scanner = {.start = sql, .at = sql};
    return scan(&scanner, err);
}

bool condition_compile(const char *sql, condition_param_fn param, void *context, struct buf *out,
                       struct error *err)
{
    struct scanner scanner = {
        .start = sql, .at = sql, .param = param, .context = context, .out = out};
    if (!scan(&scanner, err))
        return false;
    if (!scanner.has_token)
        buf_put(out, "true", 4);
    return buf_check(out, "a condition", err);
}
