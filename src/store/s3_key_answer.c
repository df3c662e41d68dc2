#include "store/s3_key_answer.h"

#include "base/text.h"
#include "document/value.h"
#include "s3_xml.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_MAX_BYTES = 64 * 1024 };

/* One text of a set of keys on its way from an answer. */
static bool is_key_text(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~')
            return false;
    return *text != '\0';
}

struct sts_answer {
    struct s3_keys *keys;
    bool odd; /* a text that cannot be a key, or an expiration that is no time */
};

static bool take_sts_text(void *context, const struct s3_xml *xml)
{
    struct sts_answer *answer = context;
    struct error ignored;
    const struct {
        const char *name;
        struct secret *to;
    } texts[] = {
        {"AccessKeyId", &answer->keys->access_key},
        {"SecretAccessKey", &answer->keys->secret_key},
        {"SessionToken", &answer->keys->session_token},
    };
    if (xml->depth != 4 || strcmp(xml->name[0], "AssumeRoleWithWebIdentityResponse") != 0 ||
        strcmp(xml->name[1], "AssumeRoleWithWebIdentityResult") != 0 ||
        strcmp(xml->name[2], "Credentials") != 0)
        return true;
    if (s3_xml_at(xml, 4, "Expiration"))
        answer->odd = answer->odd || !text_to_time_us(xml->text, &answer->keys->expires_us);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!s3_xml_at(xml, 4, texts[i].name))
            continue;
        answer->odd = answer->odd || !is_key_text(xml->text);
        return secret_set(texts[i].to, xml->text, &ignored);
    }
    return true;
}

bool s3_key_answer_sts(struct s3_keys *out, const void *body, size_t len, struct error *err)
{
    struct sts_answer answer = {.keys = out};
    struct s3_xml xml = {.on_text = take_sts_text, .context = &answer};
    const char *failure = s3_xml_parse(&xml, body, len);
    secret_wipe(xml.text, sizeof xml.text);
    if (failure == NULL && answer.odd)
        failure = "its keys are malformed";
    if (failure == NULL && (!secret_is_set(&out->access_key) || !secret_is_set(&out->secret_key) ||
                            !secret_is_set(&out->session_token) || out->expires_us == 0))
        failure = "it holds no keys";
    return failure == NULL ||
           error_set(err, ERROR_INVALID, "cannot read the answer of STS: %s", failure);
}

static bool take_json_text(const struct value *object, const char *key, struct secret *out,
                           struct error *err)
{
    const char *text;
    if (!value_get_text_or(object, key, NULL, &text, err))
        return false;
    if (text == NULL || *text == '\0')
        return true;
    if (!is_key_text(text))
        return error_set(err, ERROR_INVALID, "its %s is malformed", key);
    return secret_set(out, text, err);
}

static bool take_json(const struct value *root, struct s3_keys *out, struct error *err)
{
    const char *code;
    const char *expiration;
    if (!value_is_object(root))
        return error_set(err, ERROR_INVALID, "it is no object");
    if (!value_get_text_or(root, "Code", "Success", &code, err) ||
        !value_get_text_or(root, "Expiration", NULL, &expiration, err) ||
        !take_json_text(root, "AccessKeyId", &out->access_key, err) ||
        !take_json_text(root, "SecretAccessKey", &out->secret_key, err) ||
        !take_json_text(root, "Token", &out->session_token, err))
        return false;
    if (strcmp(code, "Success") != 0)
        return error_set(err, ERROR_DENIED, "its code is not \"Success\"");
    if (expiration != NULL && !text_to_time_us(expiration, &out->expires_us))
        return error_set(err, ERROR_INVALID, "its Expiration is no time");
    if (!secret_is_set(&out->access_key) || !secret_is_set(&out->secret_key))
        return error_set(err, ERROR_INVALID, "it holds no keys");
    return true;
}

bool s3_key_answer_json(struct s3_keys *out, const void *body, size_t len, struct error *err)
{
    struct value *root = value_parse(body, len, ANSWER_MAX_BYTES, "the answer", err);
    bool done = root != NULL && take_json(root, out, err);
    value_free(root);
    return done || error_wrap(err, "cannot use the answer");
}

struct problem {
    char code[64];
    char message[S3_KEY_PROBLEM_MAX - 80];
};

/* AWS: ErrorResponse, Error, Code. Ceph: Error, Code. */
static bool take_problem_text(void *context, const struct s3_xml *xml)
{
    struct problem *problem = context;
    bool within = xml->depth >= 2 && strcmp(xml->name[xml->depth - 2], "Error") == 0;
    if (within && s3_xml_at(xml, xml->depth, "Code"))
        (void)snprintf(problem->code, sizeof problem->code, "%.63s", xml->text);
    if (within && s3_xml_at(xml, xml->depth, "Message"))
        (void)snprintf(problem->message, sizeof problem->message, "%.175s", xml->text);
    return true;
}

static void take_problem_json(struct problem *problem, const void *body, size_t len)
{
    static const char *const names[][2] = {{"code", "message"}, {"Code", "Message"}};
    struct error ignored;
    struct value *root = value_parse(body, len, ANSWER_MAX_BYTES, "the answer", &ignored);
    for (size_t i = 0; i < ARRAY_LEN(names) && root != NULL && value_is_object(root); i++) {
        const char *code = NULL;
        const char *message = NULL;
        if (value_get_text_or(root, names[i][0], NULL, &code, &ignored) && code != NULL)
            (void)snprintf(problem->code, sizeof problem->code, "%s", code);
        if (value_get_text_or(root, names[i][1], NULL, &message, &ignored) && message != NULL)
            (void)snprintf(problem->message, sizeof problem->message, "%s", message);
    }
    value_free(root);
}

void s3_key_answer_problem(const void *body, size_t len, char out[S3_KEY_PROBLEM_MAX])
{
    struct problem problem = {0};
    struct s3_xml xml = {.on_text = take_problem_text, .context = &problem};
    if (s3_xml_parse(&xml, body, len) != NULL)
        take_problem_json(&problem, body, len);
    bool both = problem.code[0] != '\0' && problem.message[0] != '\0';
    (void)snprintf(out, S3_KEY_PROBLEM_MAX, "%s%s%s", problem.code, both ? ": " : "",
                   problem.message);
    for (char *at = out; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
}
