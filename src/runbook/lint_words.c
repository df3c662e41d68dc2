#include "lint_words.h"

#include "base/macros.h"
#include "runbook/runbook_lint.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Lower case. What also has an innocent meaning in a notice ("offer to cancel", "stop the sale",
 * the French "remise" of a parcel) is only here as part of a phrase. */
static const char *const promotional[] = {
    /* English */
    "discount",
    "discounts",
    "coupon",
    "coupons",
    "promo",
    "promo code",
    "promotion",
    "promotional",
    "voucher code",
    "special offer",
    "special offers",
    "exclusive offer",
    "limited offer",
    "limited time",
    "flash sale",
    "on sale",
    "sale ends",
    "sale price",
    "% off",
    "buy now",
    "shop now",
    "order now",
    "use code",
    "with code",
    "free gift",
    "new arrivals",
    "best deals",
    "black friday",
    "cyber monday",
    "save up to",
    /* German */
    "rabatt",
    "rabatte",
    "rabattcode",
    "gutscheincode",
    "sonderangebot",
    "sonderangebote",
    "schnäppchen",
    "jetzt kaufen",
    "jetzt bestellen",
    "nur für kurze zeit",
    "mit dem code",
    "mit code",
    "aktionspreis",
    "sparen sie",
    /* French */
    "code promo",
    "promotions",
    "soldes",
    "réduction",
    "réductions",
    "bon de réduction",
    "% de remise",
    "offre spéciale",
    "offre exclusive",
    "achetez maintenant",
    "profitez de",
    "profitez-en",
    "avec le code",
    "bons plans",
    /* Spanish */
    "descuento",
    "descuentos",
    "oferta",
    "ofertas",
    "rebajas",
    "promoción",
    "promociones",
    "código promocional",
    "cupón",
    "cupones",
    "compra ahora",
    "compre ahora",
    "aprovecha",
    "aproveche",
    "con el código",
};

/* Beginnings of words; NULL ends each list. */
struct fact_words {
    const char *language;
    const char *words[4][10]; /* by enum lint_fact */
};

static const struct fact_words facts[] = {
    {"en",
     {[LINT_REFUND] = {"refund", "money back"},
      [LINT_REPLY] = {"reply", "answer", "write to", "contact", "call us", "get in touch"},
      [LINT_UNKNOWN_DATE] = {"not know", "don't know", "do not yet know", "do not know",
                             "cannot say", "no new date", "unknown", "not yet known", "not known"},
      [LINT_SAFETY] = {"recall", "safety", "danger", "warning", "stop using"}}},
    {"de",
     {[LINT_REFUND] = {"erstatt", "rückerstatt", "geld zurück"},
      [LINT_REPLY] = {"antwort", "schreiben sie", "melden sie", "kontakt", "rufen sie",
                      "erreichen"},
      [LINT_UNKNOWN_DATE] = {"nicht bekannt", "nicht fest", "noch kein", "wissen wir noch nicht",
                             "noch nicht", "unbekannt", "kein neues datum", "kein neuer"},
      [LINT_SAFETY] = {"rückruf", "sicherheit", "gefahr", "warnung", "warnhinweis"}}},
    {"fr",
     {[LINT_REFUND] = {"rembours"},
      [LINT_REPLY] = {"répond", "repond", "réponse", "écri", "contact", "appel", "joindre"},
      [LINT_UNKNOWN_DATE] = {"pas encore", "ne connaissons pas", "inconnue", "ne savons pas",
                             "pas connue", "ne pouvons pas"},
      [LINT_SAFETY] = {"rappel", "sécurité", "danger", "avertissement"}}},
    {"es",
     {[LINT_REFUND] = {"reembols", "devoluci", "devolver", "devolv"},
      [LINT_REPLY] = {"respond", "respuest", "contest", "escríb", "escrib", "contact", "llám",
                      "llam"},
      [LINT_UNKNOWN_DATE] = {"todavía no", "aún no", "no sabemos", "no conocemos", "desconocid",
                             "no se conoce"},
      [LINT_SAFETY] = {"retirada", "seguridad", "peligro", "advertencia", "aviso de seguridad"}}},
};

static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

/* Lower case of one byte, the Latin-1 letters of UTF-8 (C3 80 to C3 9E) included. */
static unsigned char lower(unsigned char c, unsigned char before)
{
    bool ascii = c >= 'A' && c <= 'Z';
    bool latin = before == 0xc3 && c >= 0x80 && c <= 0x9e && c != 0x97;
    return ascii || latin ? (unsigned char)(c + 0x20) : c;
}

/* White space of any length stands for one blank of the word: texts are broken into lines. */
static const char *match_at(const char *text, const char *word)
{
    unsigned char before = 0;
    for (; *word != '\0'; word++) {
        if (*word == ' ' && strchr(" \t\n", *text) != NULL && *text != '\0') {
            text += strspn(text, " \t\n");
            continue;
        }
        if (lower((unsigned char)*text, before) != (unsigned char)*word)
            return NULL;
        before = (unsigned char)*text++;
    }
    return text;
}

/* `whole`: the word must end there, too. */
static bool has_word(const char *text, const char *word, bool whole)
{
    for (const char *at = text; *at != '\0'; at++) {
        bool inside = at > text && is_letter((unsigned char)at[-1]) &&
                      is_letter((unsigned char)*word);
        const char *end = inside ? NULL : match_at(at, word);
        if (end != NULL && (!whole || !is_letter((unsigned char)*end)))
            return true;
    }
    return false;
}

const char *lint_promotional(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(promotional); i++)
        if (has_word(text, promotional[i], true))
            return promotional[i];
    return NULL;
}

enum lint_verdict lint_has_fact(const char *locale, const char *text, enum lint_fact fact)
{
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        size_t len = strlen(facts[i].language);
        if (strncmp(locale, facts[i].language, len) != 0 ||
            (locale[len] != '\0' && locale[len] != '-'))
            continue;
        for (size_t j = 0; j < ARRAY_LEN(facts[i].words[fact]); j++)
            if (facts[i].words[fact][j] != NULL && has_word(text, facts[i].words[fact][j], false))
                return LINT_FOUND;
        return LINT_MISSING;
    }
    return LINT_NOT_OUR_LANGUAGE;
}
