#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# layers.sh: who may include whom.  The rule is mk/layers.txt; this reads it.
# Exit 0 when every #include obeys, 1 with one line for each that does not.
git ls-files -co --exclude-standard '*.c' '*.h' | awk -v rules=mk/layers.txt '
function folder_in(file, list,    n, i, part) {
    n = split(list, part, " ")
    for (i = 1; i <= n; i++)
        if (index(file, part[i] "/") == 1 || index(file, part[i]) == 1)
            return 1
    return 0
}
function complain(text) {
    printf "%s:%d: %s\n", file, line_no, text
    bad++
}
BEGIN {
    while ((getline line < rules) > 0) {
        if (line ~ /^#/ || line == "")
            continue
        n = split(line, w, " ")
        rest = ""
        for (i = 3; i <= n; i++)
            rest = rest " " w[i]
        if (w[1] == "floor") {
            rank[w[2]] = ++floors
            public_of[w[2]] = rest " "
        } else if (w[1] == "anywhere") {
            free_folder[w[2]] = 1
        } else if (w[1] == "private") {
            private_folder[w[2]] = 1
        } else if (w[1] == "vendor") {
            vendor[w[2]] = rest
        } else if (w[1] == "quotes") {
            quotes[w[2]] = rest
        } else {
            print rules ": unknown rule: " line
            exit 2
        }
    }
}
{
    file = $0
    top = file
    sub(/\/.*/, "", top)
    files++
    line_no = 0
    while ((getline line < file) > 0) {
        line_no++
        for (re in quotes)
            if (file ~ /\.c$/ && folder_in(file, quotes[re]) && line ~ re)
                complain("the core asks for a name: " line)
        if (line !~ /^[ \t]*#[ \t]*include/)
            continue
        includes++
        target = line
        sub(/^[^"<]*["<]/, "", target)
        sub(/[">].*/, "", target)
        for (v in vendor)
            if (index(target, v) == 1 && !folder_in(file, vendor[v]))
                complain("vendor header " target " outside" vendor[v])
        if (line !~ /"/ || top in free_folder)
            continue
        goal = target
        sub(/\/.*/, "", goal)
        if (!(goal in rank) || !(top in rank))
            continue
        for (p in private_folder)
            if (index(target, p "/") == 1 && index(file, p "/") != 1)
                complain(target " is private to " p "/")
        if (goal == top)
            continue
        if (rank[goal] > rank[top])
            complain(top "/ stands below " goal "/: " target)
        base = target
        sub(/^[^\/]*\//, "", base)
        if (rank[goal] < rank[top] && index(public_of[goal], " " base " ") == 0)
            complain(target " is not public (mk/layers.txt)")
    }
    close(file)
}
END {
    if (bad)
        exit 1
    if (!includes) {
        print "layers: no includes seen, so nothing was proven"
        exit 1
    }
    printf "layers: %d includes in %d files obey mk/layers.txt\n", includes, files
}'
