/* counters.h - numbers that steps count under names of their own ("bad rows").
 *
 * Threads: one owner.  Memory: in the struct.  A table of at most GM_COUNTERS_MAX names.
 */
#ifndef GM_UDF_COUNTERS_H
#define GM_UDF_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/limits.h"

struct gm_counters {
    uint32_t count;
    struct {
        char name[GM_COUNTER_NAME_BYTES_MAX];
        int64_t value;
    } entries[GM_COUNTERS_MAX];
};

/* Adds number to a name; names longer than the table's are cut.  Sums wrap at 64 bits.  Returns 0,
 * or -E2BIG when there is no room for one more name. */
int gm_counters_add(struct gm_counters *counters, const char *name, size_t length, int64_t number);

/* Adds all of `from`.  Returns as gm_counters_add. */
int gm_counters_merge(struct gm_counters *counters, const struct gm_counters *from);

#endif
