/* counters.c - a short table, searched from its beginning. */
#include "engine/udf/counters.h"

#include <errno.h>
#include <string.h>

int gm_counters_add(struct gm_counters *counters, const char *name, size_t length, int64_t number)
{
    length = strnlen(name, length);
    if (length >= GM_COUNTER_NAME_BYTES_MAX)
        length = GM_COUNTER_NAME_BYTES_MAX - 1;
    uint32_t i = 0;
    while (i < counters->count && (memcmp(counters->entries[i].name, name, length) != 0 ||
                                   counters->entries[i].name[length] != '\0'))
        i++;
    if (i == GM_COUNTERS_MAX)
        return -E2BIG;
    if (i == counters->count) {
        memset(&counters->entries[i], 0, sizeof counters->entries[i]);
        memcpy(counters->entries[i].name, name, length);
        counters->count++;
    }
    counters->entries[i].value = (int64_t)((uint64_t)counters->entries[i].value + (uint64_t)number);
    return 0;
}

int gm_counters_merge(struct gm_counters *counters, const struct gm_counters *from)
{
    int rc = 0;
    for (uint32_t i = 0; i < from->count && rc == 0; i++)
        rc = gm_counters_add(counters, from->entries[i].name, strlen(from->entries[i].name),
                             from->entries[i].value);
    return rc;
}
