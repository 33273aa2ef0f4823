/* sort.c - sorts a partition in memory: key prefixes beside row pointers, merged from short runs.
 *
 * Stable by (input partition, position in it): every entry carries both.
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/op.h"
#include "engine/op/rows.h"

#define ENTRIES_MIN 16
/* Runs this long are sorted by insertion before the first merge. */
#define RUN_ROWS 16

struct sort_state {
    struct gm_arena rows;
    struct gm_row_entry *entries;
    uint64_t count;
    uint64_t capacity;
    uint64_t next; /* to hand on */
    bool sorted;
};

static int sort_open(struct gm_op *op)
{
    struct gm_row_codec *codec = gm_heap_zalloc(op->heap, sizeof *codec);
    if (codec == NULL)
        return GM_ETASK_MEMORY;
    op->self = codec;
    return gm_row_codec_open(codec, &op->step->schema, &op->step->order, op->heap);
}

static void sort_close(struct gm_op *op)
{
    struct gm_row_codec *codec = op->self;
    if (codec == NULL)
        return;
    gm_row_codec_close(codec);
    gm_heap_free(op->heap, codec, sizeof *codec);
    op->self = NULL;
}

static int sort_begin(struct gm_op *op, void **ret_state)
{
    struct sort_state *state = gm_heap_zalloc(op->heap, sizeof *state);
    if (state == NULL)
        return GM_ETASK_MEMORY;
    gm_arena_init(&state->rows, op->heap);
    *ret_state = state;
    return 0;
}

static void sort_end(struct gm_op *op, void *opaque)
{
    struct sort_state *state = opaque;
    gm_arena_fini(&state->rows);
    gm_heap_free(op->heap, state->entries, state->capacity * sizeof *state->entries);
    gm_heap_free(op->heap, state, sizeof *state);
}

static int refuse_memory(const struct gm_op *op)
{
    return gm_error_set(op->error, GM_ETASK_MEMORY,
                        "%s: step '%s': the rows to sort do not fit this executor's share of the "
                        "memory (%llu MiB): give more with --memory",
                        op->step->where, op->step->name,
                        (unsigned long long)(op->heap->limit_bytes >> 20));
}

static int sort_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                        struct gm_batch *out)
{
    struct sort_state *state = opaque;
    (void)out;
    if (state->count + in->row_count > state->capacity) {
        uint64_t capacity = state->capacity > 0 ? state->capacity * 2 : ENTRIES_MIN;
        while (capacity < state->count + in->row_count)
            capacity *= 2;
        struct gm_row_entry *entries =
            gm_heap_realloc(op->heap, state->entries, state->capacity * sizeof *entries,
                            capacity * sizeof *entries);
        if (entries == NULL)
            return refuse_memory(op);
        state->entries = entries;
        state->capacity = capacity;
    }
    struct gm_row_entry *entries = state->entries + state->count;
    if (gm_row_codec_pack(op->self, in, &state->rows, entries) < 0)
        return refuse_memory(op);
    for (uint32_t i = 0; i < in->row_count; i++)
        entries[i].position = gm_op_position(in->origin, state->count + i);
    state->count += in->row_count;
    return GM_OP_NEED_INPUT;
}

static bool comes_before(const struct gm_row_codec *codec, const struct gm_row_entry *a,
                         const struct gm_row_entry *b)
{
    const int order = gm_row_entry_compare(codec, a, b);
    return order != 0 ? order < 0 : a->position < b->position;
}

static void sort_run(const struct gm_row_codec *codec, struct gm_row_entry *entries,
                     uint64_t count)
{
    for (uint64_t i = 1; i < count; i++) {
        const struct gm_row_entry entry = entries[i];
        uint64_t at = i;
        for (; at > 0 && comes_before(codec, &entry, &entries[at - 1]); at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

static void merge_runs(const struct gm_row_codec *codec, const struct gm_row_entry *from,
                       uint64_t middle, uint64_t count, struct gm_row_entry *to)
{
    uint64_t left = 0, right = middle, out = 0;
    while (left < middle && right < count)
        to[out++] = comes_before(codec, &from[right], &from[left]) ? from[right++] : from[left++];
    memcpy(to + out, from + left, (middle - left) * sizeof *to);
    out += middle - left;
    memcpy(to + out, from + right, (count - right) * sizeof *to);
}

/* Bottom-up merge sort between the entries and a second array. */
static int sort_entries(struct gm_op *op, struct sort_state *state)
{
    const uint64_t bytes = state->capacity * sizeof *state->entries;
    for (uint64_t i = 0; i < state->count; i += RUN_ROWS)
        sort_run(op->self, state->entries + i,
                 state->count - i < RUN_ROWS ? state->count - i : RUN_ROWS);
    if (state->count <= RUN_ROWS)
        return 0;
    struct gm_row_entry *other = gm_heap_alloc(op->heap, bytes);
    if (other == NULL)
        return refuse_memory(op);
    for (uint64_t run = RUN_ROWS; run < state->count; run *= 2) {
        for (uint64_t i = 0; i < state->count; i += 2 * run) {
            const uint64_t left = state->count - i;
            merge_runs(op->self, state->entries + i, run < left ? run : left,
                       2 * run < left ? 2 * run : left, other + i);
        }
        struct gm_row_entry *swap = state->entries;
        state->entries = other;
        other = swap;
    }
    gm_heap_free(op->heap, other, bytes);
    return 0;
}

static int sort_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct sort_state *state = opaque;
    if (!state->sorted) {
        int rc = sort_entries(op, state);
        if (rc < 0)
            return rc;
        state->sorted = true;
    }
    int rc = gm_row_codec_emit(op->self, state->entries, state->count, &state->next, out);
    return rc == GM_ETASK_MEMORY ? refuse_memory(op) : rc;
}

const struct gm_op_ops gm_op_sort = {
    .name = "sort",
    .open = sort_open,
    .close = sort_close,
    .begin = sort_begin,
    .end = sort_end,
    .process = sort_process,
    .finish = sort_finish,
};
