#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sizes.sh: files above 600 lines and functions above 80 are named; above 1000
# and 120 they fail.  hal.h, the manual, is exempt.
git ls-files -co --exclude-standard '*.c' '*.h' '*.k' '*.sh' '*.mk' '*.py' \
    Makefile | awk '
{
    file = $0
    files++
    n = 0
    start = 0
    while ((getline line < file) > 0) {
        n++
        if (file !~ /\.[ch]$/)
            continue
        if (line == "{") {
            start = n
        } else if (line ~ /^}/ && start) {
            len = n - start + 1
            if (len > 80)
                printf("%s %s:%d: a function of %d lines\n",
                       (len > 120 ? "FAIL" : "warn"), file, start, len)
            if (len > 120)
                bad++
            start = 0
        }
    }
    close(file)
    if (file == "hal/hal.h")
        next
    if (n > 600)
        printf("%s %s: %d lines\n", (n > 1000 ? "FAIL" : "warn"), file, n)
    if (n > 1000)
        bad++
}
END {
    if (!files) {
        print "sizes: no files seen"
        exit 1
    }
    printf "sizes: %d files, %d too long\n", files, bad
    exit bad > 0
}'
