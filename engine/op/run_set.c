/* run_set.c - runs are added, merged while there are too many, and read in order. */
#include "engine/op/run_set.h"

#include "engine/base/check.h"
#include "engine/row/codec.h"

#define RUNS_MIN 4

void gm_run_set_fini(struct gm_run_set *set, struct gm_op *op)
{
    if (set->writing)
        gm_run_writer_fini(&set->writer);
    gm_merge_close(&set->merge);
    for (uint32_t i = 0; i < set->count; i++)
        op->spill->ops->forget(op->spill->self, &set->runs[i]);
    gm_heap_free(op->heap, set->runs, set->capacity * sizeof *set->runs);
    *set = (struct gm_run_set){0};
}

static void begin_run(struct gm_run_set *set, struct gm_op *op, uint32_t partition)
{
    if (!set->writing)
        gm_run_writer_init(&set->writer, op->spill, partition);
    set->writing = true;
}

int gm_run_set_put(struct gm_run_set *set, struct gm_op *op, uint32_t partition,
                   const uint8_t *row, uint64_t row_bytes)
{
    begin_run(set, op, partition);
    return gm_merge_put(&set->writer, row, row_bytes);
}

int gm_run_set_put_parts(struct gm_run_set *set, struct gm_op *op, uint32_t partition,
                         const struct gm_run_part *parts, uint32_t part_count)
{
    begin_run(set, op, partition);
    return gm_run_put_parts(&set->writer, parts, part_count);
}

static int add_run(struct gm_run_set *set, struct gm_op *op, struct gm_spill_run *run)
{
    if (set->count == set->capacity) {
        const uint32_t capacity = set->capacity > 0 ? 2 * set->capacity : RUNS_MIN;
        struct gm_spill_run *runs =
            gm_heap_realloc(op->heap, set->runs, set->capacity * sizeof *runs,
                            capacity * sizeof *runs);
        if (runs == NULL)
            return GM_ETASK_MEMORY;
        set->runs = runs;
        set->capacity = capacity;
    }
    set->runs[set->count++] = *run;
    return 0;
}

int gm_run_set_end_run(struct gm_run_set *set, struct gm_op *op)
{
    struct gm_spill_run run = {0};
    if (!set->writing)
        return 0;
    int rc = gm_run_writer_end(&set->writer, &run);
    if (rc < 0)
        return rc;
    set->writing = false;
    *op->spilled_bytes += run.bytes;
    rc = add_run(set, op, &run);
    if (rc < 0)
        op->spill->ops->forget(op->spill->self, &run);
    return rc;
}

int gm_run_set_row(struct gm_run_set *set)
{
    if (set->row != NULL)
        return 0;
    return gm_merge_next(&set->merge, &set->row, &set->row_bytes);
}

/* Rows of some runs become one run. */
static int write_merged(struct gm_run_set *set, struct gm_op *op, uint32_t partition)
{
    for (;;) {
        int rc = gm_run_set_row(set);
        if (rc == GM_END)
            break;
        if (rc == 0)
            rc = gm_run_set_put(set, op, partition, set->row, set->row_bytes);
        if (rc != 0)
            return rc;
        set->row = NULL;
    }
    gm_merge_close(&set->merge);
    set->merging = false;
    return gm_run_set_end_run(set, op);
}

/* Opens as many runs as can be merged at once, so that `most` are left at last. */
static int open_some(struct gm_run_set *set, struct gm_op *op, const struct gm_sort_order *order,
                     uint32_t most)
{
    uint32_t opened = 0;
    GM_CHECK(!set->writing && set->count > 0);
    int rc = gm_merge_open(&set->merge, order, op->spill, op->heap, set->runs, set->count, most,
                           &opened);
    if (rc != 0)
        return rc;
    set->merging = true;
    set->count -= opened;
    memmove(set->runs, set->runs + opened, set->count * sizeof *set->runs);
    set->merge_is_last = set->count == 0;
    return 0;
}

int gm_run_set_open(struct gm_run_set *set, struct gm_op *op, const struct gm_sort_order *order,
                    uint32_t partition)
{
    int rc = 0;
    while (rc == 0 && !(set->merging && set->merge_is_last))
        rc = set->merging ? write_merged(set, op, partition)
                          : open_some(set, op, order, UINT32_MAX);
    return rc;
}

int gm_run_set_shrink(struct gm_run_set *set, struct gm_op *op, const struct gm_sort_order *order,
                      uint32_t partition, uint32_t most)
{
    int rc = 0;
    while (rc == 0 && (set->merging || set->count > most))
        rc = set->merging ? write_merged(set, op, partition) : open_some(set, op, order, most);
    return rc;
}

int gm_run_set_scan(struct gm_run_set *set, struct gm_op *op, const struct gm_sort_order *order)
{
    GM_CHECK(!set->writing);
    for (;;) {
        if (set->merging) {
            const int rc = gm_run_set_row(set);
            if (rc != GM_END)
                return rc;
            gm_merge_close(&set->merge);
            set->merging = false;
        }
        if (set->count == 0)
            return GM_END;
        uint32_t opened = 0;
        const int rc = gm_merge_open(&set->merge, order, op->spill, op->heap,
                                     &set->runs[set->count - 1], 1, 1, &opened);
        if (rc != 0)
            return rc;
        set->merging = true;
        set->count--;
    }
}

void gm_run_set_pack(const struct gm_layout *layout, const struct gm_batch *batch, uint32_t first,
                     uint32_t count, const uint32_t *sizes, uint8_t *out)
{
    out += GM_SORT_POSITION_BYTES;
    /* The encoder spaces rows of variable length by the sizes it is given. */
    gm_codec_encode(layout, batch, first, count, sizes, out);
    if (layout->variable_count > 0)
        return;
    const uint64_t stride = (uint64_t)layout->fixed_bytes + GM_SORT_POSITION_BYTES;
    for (uint32_t i = count; i-- > 1;) /* packed densely: moved apart, the last one first */
        memmove(out + i * stride, out + (uint64_t)i * layout->fixed_bytes, layout->fixed_bytes);
}
