/* demand.c - looks ahead along the path, and counts verbs and declarations. */
#include "engine/flow/demand.h"

#include <string.h>

/* Verbs of a format: every "%" but "%%".  What else is wrong with it, its parser says. */
static uint32_t count_verbs(const char *format)
{
    uint32_t count = 0;
    for (const char *at = strchr(format, '%'); at != NULL; at = strchr(at, '%')) {
        if (at[1] != '%')
            count++;
        else
            at++;
        at++;
    }
    return count;
}

static uint32_t count_declared(const char *columns)
{
    uint32_t count = 1;
    for (const char *at = strchr(columns, ','); at != NULL; at = strchr(at + 1, ','))
        count++;
    return count;
}

uint32_t gm_demand_columns(struct gleam_dataset *const *path, uint32_t count, uint32_t index)
{
    for (uint32_t i = index + 1; i < count; i++) {
        switch (path[i]->kind) {
        case GM_NODE_AS:
            return count_declared(path[i]->columns);
        case GM_NODE_FORMAT:
            return count_verbs(path[i]->columns);
        case GM_NODE_PARTITION:
        case GM_NODE_SORT:
        case GM_NODE_TOP:
            continue;
        default:
            return 0;
        }
    }
    return 0;
}
