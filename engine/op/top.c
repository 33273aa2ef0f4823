/* top.c - the first n rows in an order: a heap whose root is the worst row kept.  A limit is the
 * same with the order of (origin, arrival).
 *
 * A tie at the cut is decided by the whole row, so the result does not depend on how rows were
 * partitioned.
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/op.h"
#include "engine/op/rows.h"

struct top {
    struct gm_row_codec codec;
    struct gm_arena candidates; /* rows of the batch being looked at */
    struct gm_row_entry entries[GM_BATCH_ROWS_MAX];
};

struct top_state {
    struct gm_row_entry *heap; /* `position` holds the bytes of the row's block */
    uint64_t count;
    uint64_t capacity;
    uint64_t next;
    uint64_t arrived; /* of a limit */
    bool sorted;
};

static int top_open(struct gm_op *op)
{
    struct top *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    gm_arena_init(&self->candidates, op->heap);
    return gm_row_codec_open(&self->codec, &op->step->schema, &op->step->order, op->heap);
}

static void top_close(struct gm_op *op)
{
    struct top *self = op->self;
    if (self == NULL)
        return;
    gm_row_codec_close(&self->codec);
    gm_arena_fini(&self->candidates);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int top_begin(struct gm_op *op, void **ret_state)
{
    struct top_state *state = gm_heap_zalloc(op->heap, sizeof *state);
    if (state == NULL)
        return GM_ETASK_MEMORY;
    *ret_state = state;
    return 0;
}

static void top_end(struct gm_op *op, void *opaque)
{
    struct top_state *state = opaque;
    for (uint64_t i = 0; i < state->count; i++)
        gm_heap_free(op->heap, (void *)(uintptr_t)state->heap[i].row, state->heap[i].position);
    gm_heap_free(op->heap, state->heap, state->capacity * sizeof *state->heap);
    gm_heap_free(op->heap, state, sizeof *state);
}

/* The total order of Top; 0 only for rows that are the same in every column.  Two rows of a limit
 * differ in their prefix. */
static int compare(const struct top *self, const struct gm_row_entry *a,
                   const struct gm_row_entry *b)
{
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    const int order = gm_row_entry_compare(&self->codec, a, b);
    return order != 0 ? order : gm_row_compare_whole(&self->codec.layout, a->row, b->row);
}

static void sift_down(const struct top *self, struct gm_row_entry *heap, uint64_t count,
                      uint64_t at)
{
    const struct gm_row_entry entry = heap[at];
    for (;;) {
        uint64_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && compare(self, &heap[child + 1], &heap[child]) > 0)
            child++;
        if (compare(self, &heap[child], &entry) <= 0)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = entry;
}

static void sift_up(const struct top *self, struct gm_row_entry *heap, uint64_t at)
{
    const struct gm_row_entry entry = heap[at];
    while (at > 0) {
        const uint64_t parent = (at - 1) / 2;
        if (compare(self, &heap[parent], &entry) >= 0)
            break;
        heap[at] = heap[parent];
        at = parent;
    }
    heap[at] = entry;
}

static int refuse_memory(const struct gm_op *op)
{
    return gm_error_set(op->error, GM_ETASK_MEMORY,
                        "%s: step '%s': the %llu rows to keep do not fit this executor's share of "
                        "the memory: give more with --memory",
                        op->step->where, op->step->name, (unsigned long long)op->step->count);
}

/* A copy of the candidate's row, in the block of *entry if it is large enough: rows of one dataset
 * have about the same length, so replacing one by a better one mostly allocates nothing. */
static int copy_row(struct gm_op *op, const struct gm_row_entry *candidate,
                    struct gm_row_entry *entry)
{
    const struct top *self = op->self;
    const size_t bytes = gm_row_bytes(&self->codec.layout, candidate->row);
    uint8_t *row = (uint8_t *)(uintptr_t)entry->row;
    size_t block = entry->position;
    if (row == NULL || block < bytes) {
        block = bytes > 0 ? bytes : 1;
        row = gm_heap_alloc(op->heap, block);
        if (row == NULL)
            return refuse_memory(op);
        if (entry->row != NULL)
            gm_heap_free(op->heap, (void *)(uintptr_t)entry->row, entry->position);
    }
    memcpy(row, candidate->row, bytes);
    *entry = (struct gm_row_entry){.prefix = candidate->prefix, .row = row, .position = block};
    return 0;
}

static int add(struct gm_op *op, struct top_state *state, const struct gm_row_entry *candidate)
{
    struct top *self = op->self;
    if (state->count == op->step->count) {
        struct gm_row_entry *worst = &state->heap[0];
        if (candidate->prefix > worst->prefix || compare(self, candidate, worst) >= 0)
            return 0;
        int rc = copy_row(op, candidate, worst);
        if (rc < 0)
            return rc;
        sift_down(self, state->heap, state->count, 0);
        return 0;
    }
    if (state->count == state->capacity) {
        const uint64_t capacity = state->capacity > 0 ? state->capacity * 2 : 16;
        struct gm_row_entry *heap =
            gm_heap_realloc(op->heap, state->heap, state->capacity * sizeof *heap,
                            capacity * sizeof *heap);
        if (heap == NULL)
            return refuse_memory(op);
        state->heap = heap;
        state->capacity = capacity;
    }
    state->heap[state->count] = (struct gm_row_entry){0};
    int rc = copy_row(op, candidate, &state->heap[state->count]);
    if (rc < 0)
        return rc;
    sift_up(self, state->heap, state->count++);
    return 0;
}

static int top_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                       struct gm_batch *out)
{
    struct top *self = op->self;
    struct top_state *state = opaque;
    (void)out;
    if (op->step->count == 0)
        return GM_OP_NEED_INPUT;
    gm_arena_reset(&self->candidates);
    if (gm_row_codec_pack(&self->codec, in, &self->candidates, self->entries) < 0)
        return refuse_memory(op);
    if (op->step->kind == GM_STEP_LIMIT)
        for (uint32_t i = 0; i < in->row_count; i++)
            self->entries[i].prefix = gm_op_position(in->origin, state->arrived++);
    for (uint32_t i = 0; i < in->row_count; i++) {
        int rc = add(op, state, &self->entries[i]);
        if (rc < 0)
            return rc;
    }
    return GM_OP_NEED_INPUT;
}

static int top_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct top *self = op->self;
    struct top_state *state = opaque;
    if (!state->sorted) {
        /* Heap sort in place: the worst goes to the end. */
        for (uint64_t left = state->count; left > 1; left--) {
            const struct gm_row_entry worst = state->heap[0];
            state->heap[0] = state->heap[left - 1];
            state->heap[left - 1] = worst;
            sift_down(self, state->heap, left - 1, 0);
        }
        state->sorted = true;
    }
    int rc = gm_row_codec_emit(&self->codec, state->heap, state->count, &state->next, out);
    return rc == GM_ETASK_MEMORY ? refuse_memory(op) : rc;
}

const struct gm_op_ops gm_op_top = {
    .name = "top",
    .open = top_open,
    .close = top_close,
    .begin = top_begin,
    .end = top_end,
    .process = top_process,
    .finish = top_finish,
};

const struct gm_op_ops gm_op_limit = {
    .name = "limit",
    .open = top_open,
    .close = top_close,
    .begin = top_begin,
    .end = top_end,
    .process = top_process,
    .finish = top_finish,
};
