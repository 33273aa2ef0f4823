/* plan_size.c - how large datasets are, as far as that is known before they are there: the sizes of
 * files, what steps can do to them, and what the person said; and what follows from it.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/text.h"
#include "engine/flow/planner_internal.h"

/* What the side of a join that goes to every executor may have: it is kept by each of them, packed
 * and in a table, next to everything else. */
#define TO_ALL_BYTES_MAX (UINT64_C(16) << 20)
/* How many times as much the other side must have, for every executor: it pays then, whatever the
 * keys are. */
#define TO_ALL_RATIO 4
/* A row whose size nobody knows, of those of a top or a limit. */
#define ROW_BYTES_GUESS 1024

void gm_planner_size_source(struct planner *planner, const struct gleam_dataset *node)
{
    const struct gm_source *source = &planner->chain->source;
    struct gm_size size = {.known = true, .bound = true};
    for (uint32_t i = 0; i < source->file_count; i++) {
        size.known = size.known && source->files[i].bytes != UINT64_MAX;
        size.bytes += source->files[i].bytes != UINT64_MAX ? source->files[i].bytes : 0;
    }
    for (uint32_t i = 0; i < source->string_count; i++)
        size.bytes += source->strings[i].bytes + sizeof(uint32_t);
    if (source->kind == GM_SOURCE_INTS && source->to > source->from)
        size.bytes = 8 * ((uint64_t)source->to - (uint64_t)source->from);
    if (!size.known && planner->flow->hint.total_bytes > 0)
        size = (struct gm_size){planner->flow->hint.total_bytes, true, true};
    planner->size = size;
    gm_planner_size_hinted(planner, node);
}

void gm_planner_size_hinted(struct planner *planner, const struct gleam_dataset *node)
{
    if (node->hint.total_bytes > 0)
        planner->size = (struct gm_size){node->hint.total_bytes, true, true};
}

void gm_planner_size_after(struct planner *planner, const struct gleam_dataset *node)
{
    struct gm_size *size = &planner->size;
    const uint64_t few = node->count < UINT32_MAX ? node->count * ROW_BYTES_GUESS : UINT64_MAX;
    switch (node->kind) {
    case GM_NODE_MAP: /* one row may become many, but not by a Map in Lua and a kernel */
        if (node->function.kind != GM_FUNCTION_KERNEL &&
            (node->function.kind != GM_FUNCTION_LUA || node->lua_mode != GM_LUA_MAP))
            size->bound = false;
        break;
    case GM_NODE_PIPE:
        size->bound = false;
        break;
    case GM_NODE_TOP:
    case GM_NODE_LIMIT:
        if (!node->local && (!size->known || few < size->bytes))
            *size = (struct gm_size){few, few != UINT64_MAX, few != UINT64_MAX};
        break;
    case GM_NODE_REDUCE:
        *size = (struct gm_size){ROW_BYTES_GUESS, true, true};
        break;
    case GM_NODE_BROADCAST:
        size->bound = false;
        break;
    default:
        break;
    }
    gm_planner_size_hinted(planner, node);
}

struct gm_size gm_size_sum(struct gm_size a, struct gm_size b, bool bound)
{
    return (struct gm_size){a.bytes + b.bytes, a.known && b.known, bound && a.bound && b.bound};
}

uint32_t gm_planner_partitions(const struct planner *planner, const struct gleam_dataset *node,
                               uint32_t count)
{
    const uint64_t part = node->hint.partition_bytes > 0 ? node->hint.partition_bytes
                                                         : planner->flow->hint.partition_bytes;
    if (part == 0 || !planner->size.known)
        return count;
    const uint64_t wanted = planner->size.bytes / part + (planner->size.bytes % part > 0);
    return wanted < 1 ? 1 : wanted > GM_PARTITIONS_MAX ? GM_PARTITIONS_MAX : (uint32_t)wanted;
}

/* ---- joins ----------------------------------------------------------------------------------- */

static bool is_small_against(const struct planner *planner, struct gm_size small,
                             struct gm_size large)
{
    return small.known && small.bound && large.known && small.bytes <= TO_ALL_BYTES_MAX &&
           large.bytes / TO_ALL_RATIO / planner->executor_count >= small.bytes;
}

enum gm_join_way gm_planner_join_way(const struct planner *planner, enum gleam_join_kind kind,
                                     struct gm_size left, struct gm_size right)
{
    /* Who is kept whole, partner or not, must be there once. */
    const bool right_may = kind != GLEAM_JOIN_RIGHT_OUTER && kind != GLEAM_JOIN_FULL_OUTER;
    const bool left_may = kind == GLEAM_JOIN_INNER || kind == GLEAM_JOIN_RIGHT_OUTER;
    if (right_may && is_small_against(planner, right, left))
        return GM_JOIN_RIGHT_TO_ALL;
    return left_may && is_small_against(planner, left, right) ? GM_JOIN_LEFT_TO_ALL
                                                              : GM_JOIN_SPREAD;
}

void gm_planner_join_note(enum gm_join_way way, struct gm_size left, struct gm_size right,
                          char *note, size_t note_bytes)
{
    char small[32], large[32];
    const bool is_right = way == GM_JOIN_RIGHT_TO_ALL;
    note[0] = '\0';
    if (way == GM_JOIN_SPREAD)
        return;
    gm_text_format_size(is_right ? right.bytes : left.bytes, small, sizeof small);
    gm_text_format_size(is_right ? left.bytes : right.bytes, large, sizeof large);
    snprintf(note, note_bytes, "%s side to all executors: about %s beside %s",
             is_right ? "right" : "left", small, large);
}
