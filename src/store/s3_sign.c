#include "store/s3_sign.h"

#include "base/text.h"
#include "codec/digest.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SIGN_PARAMS_MAX = 16, SIGN_HEADERS_MAX = 32, CANONICAL_MAX_BYTES = 64 * 1024 };

void s3_put_encoded(struct buf *out, const char *text, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c < 0x80 && isalnum(c)) || c == '-' || c == '.' || c == '_' || c == '~' ||
                     (c == '/' && keep_slash);
        char encoded[3] = {'%', digits[c >> 4], digits[c & 15]};
        if (plain)
            buf_put_u8(out, c);
        else
            buf_put(out, encoded, sizeof encoded);
    }
}

static int compare_params(const void *left, const void *right)
{
    const struct s3_param *a = left;
    const struct s3_param *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : strcmp(a->value, b->value);
}

/* Sorting before encoding gives the same order as long as names are ASCII letters, digits and "-",
 * which all of S3's are. */
void s3_put_query(struct buf *out, const struct s3_param *params, size_t count)
{
    struct s3_param sorted[SIGN_PARAMS_MAX];
    if (count > SIGN_PARAMS_MAX) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        sorted[i] = params[i];
    qsort(sorted, count, sizeof *sorted, compare_params);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_u8(out, '&');
        s3_put_encoded(out, sorted[i].name, false);
        buf_put_u8(out, '=');
        s3_put_encoded(out, sorted[i].value, false);
    }
}

static void put_lower(struct buf *out, const char *name)
{
    for (; *name != '\0'; name++)
        buf_put_u8(out, (uint8_t)tolower((unsigned char)*name));
}

/* Without white space at both ends, and runs of spaces within as one. */
static void put_trimmed(struct buf *out, const char *value)
{
    bool space = false;
    bool started = false;
    for (; *value != '\0'; value++) {
        if (*value == ' ' || *value == '\t') {
            space = started;
            continue;
        }
        if (space)
            buf_put_u8(out, ' ');
        buf_put_u8(out, (uint8_t)*value);
        space = false;
        started = true;
    }
}

struct sorted_headers {
    const struct http_header *at[SIGN_HEADERS_MAX];
    size_t count;
};

/* Insertion keeps headers of one name in the order in which they are sent. */
static void sort_headers(const struct s3_signing *signing, struct sorted_headers *out)
{
    out->count = 0;
    for (size_t i = 0; i < signing->header_count && i < SIGN_HEADERS_MAX; i++) {
        size_t to = out->count++;
        for (; to > 0 && strcasecmp(out->at[to - 1]->name, signing->headers[i].name) > 0; to--)
            out->at[to] = out->at[to - 1];
        out->at[to] = &signing->headers[i];
    }
}

static bool same_name_as_before(const struct sorted_headers *headers, size_t i)
{
    return i > 0 && i < headers->count &&
           strcasecmp(headers->at[i]->name, headers->at[i - 1]->name) == 0;
}

static void put_signed_names(struct buf *out, const struct sorted_headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (same_name_as_before(headers, i))
            continue;
        if (i > 0)
            buf_put_u8(out, ';');
        put_lower(out, headers->at[i]->name);
    }
}

static void put_header_lines(struct buf *out, const struct sorted_headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        bool again = same_name_as_before(headers, i);
        if (i > 0 && !again)
            buf_put_u8(out, '\n');
        if (!again)
            put_lower(out, headers->at[i]->name);
        buf_put_u8(out, again ? ',' : ':');
        put_trimmed(out, headers->at[i]->value);
    }
    buf_put_u8(out, '\n');
}

void s3_put_canonical_request(struct buf *out, const struct s3_signing *signing)
{
    struct sorted_headers headers;
    sort_headers(signing, &headers);
    if (signing->header_count > SIGN_HEADERS_MAX)
        out->failed = true;
    buf_printf(out, "%s\n%s\n%s\n", signing->method, signing->path, signing->query);
    put_header_lines(out, &headers);
    buf_put_u8(out, '\n');
    put_signed_names(out, &headers);
    buf_printf(out, "\n%s", signing->payload_hash);
}

static void hmac_text(uint8_t key[SHA256_BYTES], const char *text)
{
    uint8_t out[SHA256_BYTES];
    digest_hmac_sha256(key, SHA256_BYTES, text, strlen(text), out);
    memcpy(key, out, sizeof out);
    secret_wipe(out, sizeof out);
}

/* HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), service), "aws4_request") */
static bool signing_key(const struct s3_signing *signing, const char *date,
                        uint8_t out[SHA256_BYTES], struct error *err)
{
    const struct secret *secret = signing->secret_key;
    char *start = malloc(secret->len + 4);
    if (start == NULL)
        return error_no_memory(err, "a signing key");
    for (size_t i = 0; i < 4; i++)
        start[i] = "AWS4"[i];
    memcpy(start + 4, secret->text, secret->len);
    digest_hmac_sha256(start, secret->len + 4, date, strlen(date), out);
    secret_wipe(start, secret->len + 4);
    free(start);
    hmac_text(out, signing->region);
    hmac_text(out, signing->service);
    hmac_text(out, "aws4_request");
    return true;
}

static void put_authorization(struct buf *out, const struct s3_signing *signing, const char *scope,
                              const uint8_t signature[SHA256_BYTES])
{
    struct sorted_headers headers;
    char hex[SHA256_HEX_SIZE];
    text_hex(signature, SHA256_BYTES, hex);
    sort_headers(signing, &headers);
    buf_printf(out, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=", signing->access_key,
               scope);
    put_signed_names(out, &headers);
    buf_printf(out, ", Signature=%s", hex);
}

bool s3_sign(const struct s3_signing *signing, struct buf *out, struct error *err)
{
    char time[TEXT_SIZE];
    char date[9];
    char hex[SHA256_HEX_SIZE];
    uint8_t hash[SHA256_BYTES];
    uint8_t key[SHA256_BYTES];
    (void)text_time_compact_us(signing->time_us, time);
    memcpy(date, time, 8);
    date[8] = '\0';

    struct buf work;
    struct buf scope;
    buf_init(&work, CANONICAL_MAX_BYTES);
    buf_init(&scope, CANONICAL_MAX_BYTES);
    buf_printf(&scope, "%s/%s/%s/aws4_request", date, signing->region, signing->service);
    s3_put_canonical_request(&work, signing);
    const char *scope_text = buf_text(&scope);
    bool done = buf_check(&scope, "a credential scope", err) &&
                buf_check(&work, "a canonical request", err) &&
                signing_key(signing, date, key, err);
    if (done) {
        digest_sha256(work.data, work.len, hash);
        text_hex(hash, sizeof hash, hex);
        buf_clear(&work);
        buf_printf(&work, "AWS4-HMAC-SHA256\n%s\n%s\n%s", time, scope_text, hex);
        digest_hmac_sha256(key, sizeof key, work.data, work.len, hash);
        secret_wipe(key, sizeof key);
        put_authorization(out, signing, scope_text, hash);
        done = buf_check(&work, "a string to sign", err) &&
               buf_check(out, "an Authorization header", err);
    }
    buf_release(&work);
    buf_release(&scope);
    return done;
}
