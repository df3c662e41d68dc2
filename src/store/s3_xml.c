#include "s3_xml.h"

#include <expat.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void xml_fail(struct s3_xml *xml, const char *failure)
{
    if (xml->failure == NULL)
        xml->failure = failure;
    (void)XML_StopParser(xml->parser, XML_FALSE);
}

static void on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct s3_xml *xml = context;
    (void)attributes;
    if (xml->depth == S3_XML_DEPTH_MAX) {
        xml_fail(xml, "elements are nested too deeply");
        return;
    }
    (void)snprintf(xml->name[xml->depth++], sizeof xml->name[0], "%s", name);
    xml->text_len = 0;
}

static void on_characters(void *context, const XML_Char *text, int len)
{
    struct s3_xml *xml = context;
    if (xml->text_len + (size_t)len >= sizeof xml->text) {
        xml_fail(xml, "a text is too long");
        return;
    }
    memcpy(xml->text + xml->text_len, text, (size_t)len);
    xml->text_len += (size_t)len;
}

static void on_end(void *context, const XML_Char *name)
{
    struct s3_xml *xml = context;
    (void)name;
    xml->text[xml->text_len] = '\0';
    if (!xml->on_text(xml->context, xml))
        xml_fail(xml, "memory is short");
    xml->depth--;
    xml->text_len = 0;
}

/* Declarations could define entities that grow without bounds; S3 sends none. */
static void on_doctype(void *context, const XML_Char *name, const XML_Char *system_id,
                       const XML_Char *public_id, int has_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_subset;
    xml_fail(context, "it declares a document type");
}

const char *s3_xml_parse(struct s3_xml *xml, const void *bytes, size_t len)
{
    XML_Parser parser = XML_ParserCreate(NULL);
    if (parser == NULL)
        return "memory is short";
    xml->parser = parser;
    XML_SetUserData(parser, xml);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_characters);
    XML_SetStartDoctypeDeclHandler(parser, on_doctype);
    bool whole = len > 0 && len < INT32_MAX &&
                 XML_Parse(parser, bytes, (int)len, XML_TRUE) == XML_STATUS_OK;
    if (!whole && xml->failure == NULL)
        xml->failure = XML_ErrorString(XML_GetErrorCode(parser));
    if (!whole && xml->failure == NULL)
        xml->failure = "it is empty";
    XML_ParserFree(parser);
    return whole ? NULL : xml->failure;
}

bool s3_xml_at(const struct s3_xml *xml, int depth, const char *name)
{
    return xml->depth == depth && strcmp(xml->name[depth - 1], name) == 0;
}
