#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed.sh TABLE FILE...: C source of a table of text files, by base name.
table=$1
shift
echo "struct hal_text_file { const char *name, *text; };"
echo "extern const struct hal_text_file ${table}[];"
echo "const struct hal_text_file ${table}[] = {"
for f; do
    printf '    { "%s",\n' "$(basename "$f")"
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/      "/' -e 's/$/\\n"/' "$f"
    [ -s "$f" ] || echo '      ""'
    echo "    },"
done
echo "    { 0, 0 }"
echo "};"
