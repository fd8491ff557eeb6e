/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - halcc, the offline compiler: .k files to a .halbin.  It needs the
 * compiler floor only, because the library that holds the rest is built from
 * what it makes.
 */
#include "tools/halcc/halcc.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    struct options o = { 0 };
    int code = options_parse(&o, argc, argv);

    if (!code)
        code = o.list     ? do_list(&o)
               : o.merge  ? do_merge(&o, o.out)
               : o.expand ? do_expand(&o)
                          : do_compile(&o);
    free(o.files);
    free(o.defines);
    return code < 0 ? 0 : code;
}
