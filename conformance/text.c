/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - words: names of families, reasons of ends, clean text.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "conformance/runner.h"

/* Bytes of the UTF-8 sequence at s, 0 if it is not one. */
static size_t utf8_length(const unsigned char *s)
{
    size_t n = s[0] < 0x80   ? 1
               : s[0] < 0xC2 ? 0
               : s[0] < 0xE0 ? 2
               : s[0] < 0xF0 ? 3
               : s[0] < 0xF5 ? 4
                             : 0;

    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0; /* too long a form, a surrogate, beyond the last */
    if (s[0] == 0xEF && s[1] == 0xBF && s[2] >= 0xBE)
        return 0; /* U+FFFE and U+FFFF are no characters in XML */
    return n;
}

void conf_clean(char *text)
{
    unsigned char *s = (unsigned char *)text;

    while (*s) {
        size_t n = utf8_length(s);

        if (n == 0) {
            *s++ = '?';
        } else {
            if (n == 1 && (*s == 0x7F || (*s < 0x20 && *s != '\n')))
                *s = ' ';
            s += n;
        }
    }
}

size_t conf_family_length(const char *name, int parts)
{
    size_t n = 0;

    while (parts-- > 0 && name[n]) {
        size_t part = strcspn(name + n + (n > 0), ".");

        if (!name[n + (n > 0) + part] && n > 0)
            break; /* the last part is the case itself */
        n += (n > 0) + part;
    }
    return n;
}

void conf_status_text(int status, char *text, size_t room)
{
    if (WIFSIGNALED(status)) {
        int sig = WTERMSIG(status);

        snprintf(text, room, "killed by signal %d (%s)%s", sig, strsignal(sig),
                 sig == SIGKILL ? ", as when memory runs out" : "");
    } else {
        snprintf(text, room, "ended with exit status %d", WEXITSTATUS(status));
    }
}
