/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_html.c - the report as one page (report_page.html) with the JSON
 * report inside.  The page does everything else.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance/runner.h"

#define MARK "@REPORT@"

struct hal_text_file {
    const char *name, *text;
};
/* Generated from report_page.html (mk/embed.sh). */
extern const struct hal_text_file hal_page_files[];

/* In a script element only < can do harm: "</script>", "<!--". */
static void put_json(FILE *to, const char *json)
{
    for (; *json; json++) {
        if (*json == '<')
            fputs("\\u003c", to);
        else
            fputc(*json, to);
    }
}

char *conf_report_html(const struct conf_run *run)
{
    const char *page = hal_page_files[0].text, *mark = strstr(page, MARK);
    char *json = conf_report_json(run), *text = NULL;
    FILE *to = NULL;
    size_t size;

    if (json && mark)
        to = open_memstream(&text, &size);
    if (to) {
        fwrite(page, 1, (size_t)(mark - page), to);
        put_json(to, json);
        fputs(mark + strlen(MARK), to);
        if (fclose(to)) {
            free(text);
            text = NULL;
        }
    }
    free(json);
    return text;
}
