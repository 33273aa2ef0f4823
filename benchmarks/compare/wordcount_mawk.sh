#!/bin/sh
# Word count as people do it in a shell: tr splits, mawk counts.  Prints one JSON line.
# Usage: wordcount_mawk.sh FILE
set -eu
export LC_ALL=C
tr -cs A-Za-z0-9 '\n' <"$1" | mawk '
    { c[$0]++ }
    END {
        # A file that begins with a separator gives one empty line.
        empty = c[""]
        delete c[""]
        used = 0
        for (w in c) {
            distinct++
            n = c[w]
            if (used == 5 && (n < count[5] || (n == count[5] && w > word[5])))
                continue
            at = used < 5 ? ++used : 5
            for (; at > 1 && (n > count[at - 1] || (n == count[at - 1] && w < word[at - 1])); at--) {
                count[at] = count[at - 1]
                word[at] = word[at - 1]
            }
            count[at] = n
            word[at] = w
        }
        printf "{\"words\":%d,\"distinct\":%d,\"top\":[", NR - empty, distinct
        for (i = 1; i <= used; i++)
            printf "%s[\"%s\",%d]", (i > 1 ? "," : ""), word[i], count[i]
        print "]}"
    }'
