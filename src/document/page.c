#include "document/page.h"

#include "document/chart.h"
#include "document/markup.h"

#include <stddef.h>

static const char page_css[] =
    ":root{color-scheme:light dark;--page:#fff;--text:#1b1f24;--muted:#59636e;--line:#d1d9e0;"
    "--accent:#2f6fbf;--good:#1a7f37;--bad:#c4261d;--soft:#f6f8fa}"
    "@media (prefers-color-scheme:dark){:root{--page:#0d1117;--text:#e6edf3;--muted:#9198a1;"
    "--line:#3d444d;--accent:#6cb0ff;--good:#4ac26b;--bad:#ff7b72;--soft:#151b23}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--page);color:var(--text);"
    "font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",sans-serif}"
    "main{max-width:60rem;margin:0 auto;padding:1rem}"
    "h2{font-size:1.15rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:1rem 0 0}"
    ".verdict{border-left:.5rem solid var(--line);background:var(--soft);padding:1rem 1.25rem}"
    ".verdict.good{border-color:var(--good)}.verdict.bad{border-color:var(--bad)}"
    ".verdict h1{margin:0;font-size:1.6rem}.verdict p{margin:.35rem 0 0;overflow-wrap:anywhere}"
    ".verdict .reason{font-size:1.1rem;font-weight:600}"
    ".measures{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.75rem;"
    "margin:1rem 0;padding:0}"
    ".measures div{border:1px solid var(--line);border-radius:.4rem;padding:.6rem .8rem}"
    ".measures dt{color:var(--muted);font-size:.9rem}"
    ".measures dd{margin:0;font-size:1.3rem;font-weight:600}"
    ".measures dd small{display:block;font-size:.85rem;font-weight:400;color:var(--muted)}"
    ".scroll{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%;font-size:.93rem}"
    "table.wide{min-width:46rem}"
    "th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;"
    "border-bottom:1px solid var(--line)}"
    "td{overflow-wrap:anywhere;min-width:5rem}th{font-weight:600}"
    "thead th{color:var(--muted);white-space:nowrap}"
    ".good{color:var(--good)}.bad{color:var(--bad)}.muted{color:var(--muted)}"
    "td.good,td.bad{font-weight:600}"
    "pre{margin:.3rem 0 0;white-space:pre-wrap;font-size:.82rem;color:var(--muted);"
    "max-height:18rem;overflow:auto}"
    "footer{margin:2rem 0 1rem;color:var(--muted);font-size:.85rem}"
    "@media print{body{font-size:11pt}pre{max-height:none}.verdict{background:none}}";

static void put(const char *before, const char *text, const char *after, struct buf *out)
{
    buf_printf(out, "%s", before);
    markup_put(text == NULL ? "" : text, out);
    buf_printf(out, "%s", after);
}

static bool is_there(const char *text)
{
    return text != NULL && *text != '\0';
}

const char *page_class(enum page_mood mood)
{
    static const char *const names[] = {
        [PAGE_NEUTRAL] = "", [PAGE_GOOD] = "good", [PAGE_BAD] = "bad"};
    return names[mood];
}

void page_begin(const char *title, struct buf *out)
{
    put("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" "
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>",
        title, "</title>\n", out);
    buf_printf(out, "<style>%s\n%s</style>\n</head>\n<body>\n<main>\n", page_css, chart_css);
}

void page_verdict(enum page_mood mood, const char *headline, const char *reason, const char *note,
                  struct buf *out)
{
    buf_printf(out, "<header class=\"verdict %s\">\n", page_class(mood));
    put("<h1>", headline, "</h1>\n", out);
    if (is_there(reason))
        put("<p class=\"reason\">", reason, "</p>\n", out);
    if (is_there(note))
        put("<p>", note, "</p>\n", out);
    buf_printf(out, "</header>\n<section>\n");
}

void page_measures_begin(struct buf *out)
{
    buf_printf(out, "<dl class=\"measures\">\n");
}

void page_measure(const char *name, const char *meaning, enum page_mood mood, const char *figure,
                  const char *note, struct buf *out)
{
    if (is_there(meaning)) {
        put("<div><dt><abbr title=\"", meaning, "\">", out);
        put("", name, "</abbr></dt>", out);
    } else {
        put("<div><dt>", name, "</dt>", out);
    }
    buf_printf(out, "<dd class=\"%s\">", page_class(mood));
    put("", figure, "", out);
    if (is_there(note))
        put("<small>", note, "</small>", out);
    buf_printf(out, "</dd></div>\n");
}

void page_measures_end(struct buf *out)
{
    buf_printf(out, "</dl>\n");
}

void page_section(const char *title, struct buf *out)
{
    put("</section>\n<section>\n<h2>", title, "</h2>\n", out);
}

void page_subtitle(const char *title, struct buf *out)
{
    put("<h3>", title, "</h3>\n", out);
}

void page_paragraph(const char *text, struct buf *out)
{
    put("<p class=\"muted\">", text, "</p>\n", out);
}

void page_table_begin(const char *const *titles, size_t count, struct buf *out)
{
    buf_printf(out, "<div class=\"scroll\"><table%s>\n", titles != NULL ? " class=\"wide\"" : "");
    if (titles != NULL) {
        buf_printf(out, "<thead><tr>");
        for (size_t i = 0; i < count; i++)
            put("<th scope=\"col\">", titles[i], "</th>", out);
        buf_printf(out, "</tr></thead>\n");
    }
    buf_printf(out, "<tbody>\n");
}

void page_row_begin(struct buf *out)
{
    buf_printf(out, "<tr>");
}

void page_cell(enum page_mood mood, const char *text, struct buf *out)
{
    buf_printf(out, mood == PAGE_NEUTRAL ? "<td>" : "<td class=\"%s\">", page_class(mood));
    put("", text, "</td>", out);
}

void page_row_name(const char *text, struct buf *out)
{
    put("<th scope=\"row\">", text, "</th>", out);
}

void page_cell_detail(const char *text, const char *detail, struct buf *out)
{
    put("<td>", text, "", out);
    if (is_there(detail))
        put("<pre>", detail, "</pre>", out);
    buf_printf(out, "</td>");
}

void page_row_end(struct buf *out)
{
    buf_printf(out, "</tr>\n");
}

void page_table_end(struct buf *out)
{
    buf_printf(out, "</tbody>\n</table></div>\n");
}

void page_end(const char *footer, struct buf *out)
{
    put("</section>\n<footer>", footer, "</footer>\n</main>\n</body>\n</html>\n", out);
}
