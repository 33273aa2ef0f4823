/* sort.c - sorts each partition: in memory, and in runs on disk when memory is spent.
 *
 * Rows lie packed in the partition's arena, each with its position before it: (input partition,
 * arrival), which makes the order total and the sort stable.  When the executor's memory is spent
 * (holding.h), a partition is sorted and written as one run.  At the end the runs are merged, some
 * of them first into one when there are more than windows.
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/holding.h"
#include "engine/row/arena.h"
#include "engine/row/codec.h"

#define ENTRIES_MIN 16
/* Position: 20 bits of origin (GM_PARTITIONS_MAX needs 17) above 44 bits of arrival. */
#define ORIGIN_SHIFT 44
/* Rows of a merge on their way out; one larger row makes it grow. */
#define SCRATCH_BYTES (256u << 10)
/* Rows ahead that are fetched into the cache while rows are handed on. */
#define PREFETCH_ROWS 12
/* Lines of a row that are fetched before a batch is handed on: those of 1024 rows fit the L2
 * cache. */
#define LINES_MAX 4
#define CACHE_LINE_BYTES 64 /* that a prefetch brings */

struct state {
    struct gm_holding holding;
    struct gm_arena rows;
    struct gm_sort_entry *entries;
    uint64_t count;
    uint64_t capacity;
    uint64_t arrivals;
    uint64_t handed_on;
    uint64_t written; /* rows of the run under way */
    uint32_t row_lines; /* cache lines that most rows touch */
    bool sorted;
    bool handing_on;
};

struct sort {
    struct gm_sort_order order;
    struct gm_batch batch; /* arrays for what is handed on */
    uint32_t sizes[GM_BATCH_ROWS_MAX];
    uint64_t prefixes[GM_BATCH_ROWS_MAX];
    struct gm_scratch scratch;
};

static int refuse_memory(const struct gm_op *op)
{
    return gm_error_set(op->error, GM_ETASK_MEMORY,
                        "%s: step '%s': a row to sort does not fit this executor's share of the "
                        "memory (%llu MiB): give more with --memory",
                        op->step->where, op->step->name,
                        (unsigned long long)(op->heap->limit_bytes >> 20));
}

static int pass(const struct gm_op *op, int rc)
{
    return rc == GM_ETASK_MEMORY ? refuse_memory(op) : rc;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int sort_open(struct gm_op *op)
{
    struct sort *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    gm_sort_order_init(&self->order, &op->step->schema, &op->step->order);
    return gm_batch_init(&self->batch, &op->step->schema, op->heap);
}

static void sort_close(struct gm_op *op)
{
    struct sort *self = op->self;
    if (self == NULL)
        return;
    gm_scratch_free(&self->scratch, op->heap);
    gm_batch_fini(&self->batch, op->heap);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int sort_begin(struct gm_op *op, void **ret_state)
{
    struct state *state = gm_heap_zalloc(op->heap, sizeof *state);
    if (state == NULL)
        return GM_ETASK_MEMORY;
    gm_arena_init(&state->rows, op->heap);
    gm_arena_expect_much(&state->rows);
    gm_holding_add(&state->holding, op, state);
    *ret_state = state;
    return 0;
}

static void free_rows(struct gm_op *op, struct state *state)
{
    gm_holding_set(&state->holding, 0);
    gm_arena_fini(&state->rows);
    gm_heap_free(op->heap, state->entries, state->capacity * sizeof *state->entries);
    state->entries = NULL;
    state->count = 0;
    state->capacity = 0;
    state->written = 0;
    state->sorted = false;
}

static void sort_end(struct gm_op *op, void *opaque)
{
    struct state *state = opaque;
    free_rows(op, state);
    gm_holding_remove(&state->holding);
    gm_heap_free(op->heap, state, sizeof *state);
}

/* ---- keeping rows ---------------------------------------------------------------------------- */

static int reserve_entries(struct gm_op *op, struct state *state, uint32_t more)
{
    if (state->count + more <= state->capacity)
        return 0;
    uint64_t capacity = state->capacity > 0 ? state->capacity * 2 : ENTRIES_MIN;
    while (capacity < state->count + more)
        capacity *= 2;
    struct gm_sort_entry *entries =
        gm_heap_realloc(op->heap, state->entries, state->capacity * sizeof *entries,
                        capacity * sizeof *entries);
    if (entries == NULL)
        return GM_ETASK_MEMORY;
    state->entries = entries;
    state->capacity = capacity;
    return 0;
}

/* Rows with a position before each; nothing has changed when it returns GM_ETASK_MEMORY. */
static int pack_rows(struct gm_op *op, struct state *state, const struct gm_batch *in)
{
    struct sort *self = op->self;
    const struct gm_layout *layout = &self->order.layout;
    const uint32_t count = in->row_count;
    int rc = reserve_entries(op, state, count);
    if (rc < 0)
        return rc;
    uint64_t bytes = gm_codec_sizes(layout, in, 0, count, self->sizes);
    for (uint32_t i = 0; i < count; i++) {
        if (self->sizes[i] > GM_ROW_BYTES_MAX)
            return GM_ETASK_MEMORY;
        self->sizes[i] += GM_SORT_POSITION_BYTES;
    }
    bytes += (uint64_t)count * GM_SORT_POSITION_BYTES;
    uint8_t *rows = gm_arena_alloc(&state->rows, bytes);
    if (rows == NULL)
        return GM_ETASK_MEMORY;
    /* The encoder may write slack bytes behind the last row: the arena keeps them free. */
    gm_run_set_pack(layout, in, 0, count, self->sizes, rows);
    rows += GM_SORT_POSITION_BYTES;
    gm_sort_prefixes(&self->order, in, 0, count, self->prefixes);
    struct gm_sort_entry *entries = state->entries + state->count;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t position = (uint64_t)in->origin << ORIGIN_SHIFT | (state->arrivals + i);
        memcpy(rows - GM_SORT_POSITION_BYTES, &position, sizeof position);
        entries[i] = (struct gm_sort_entry){.prefix = self->prefixes[i], .row = rows};
        rows += self->sizes[i];
    }
    state->count += count;
    state->arrivals += count;
    return 0;
}

static int keep_rows(struct gm_op *op, struct state *state, const struct gm_batch *in)
{
    const int rc = pack_rows(op, state, in);
    if (state->count > 0)
        gm_holding_set(&state->holding,
                       state->rows.held_bytes + state->capacity * sizeof *state->entries);
    return rc;
}

/* ---- writing runs ---------------------------------------------------------------------------- */

static void sort_rows(struct sort *self, struct state *state)
{
    if (!state->sorted)
        gm_sort_entries(&self->order, state->entries, state->count);
    state->sorted = true;
}

static int sort_give_back(struct gm_op *op, struct gm_holding *holding)
{
    struct sort *self = op->self;
    struct state *state = holding->state;
    sort_rows(self, state);
    for (; state->written < state->count; state->written++) {
        if (state->written + PREFETCH_ROWS < state->count)
            __builtin_prefetch(state->entries[state->written + PREFETCH_ROWS].row);
        const uint8_t *row = state->entries[state->written].row;
        int rc = gm_run_set_put(&holding->set, op, holding->partition, row,
                                gm_row_bytes(&self->order.layout, row));
        if (rc != 0)
            return rc;
    }
    free_rows(op, state);
    return gm_run_set_end_run(&holding->set, op);
}

static int sort_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                        struct gm_batch *out)
{
    (void)out;
    int rc = gm_holding_make_room(op);
    while (rc == 0) {
        rc = keep_rows(op, opaque, in);
        if (rc == 0)
            return GM_OP_NEED_INPUT;
        if (rc == GM_ETASK_MEMORY)
            rc = gm_holding_ask_room(op);
    }
    return pass(op, rc);
}

/* ---- handing on ------------------------------------------------------------------------------ */

static void lend(struct gm_op *op, const uint8_t *const *rows, uint32_t count,
                 struct gm_batch *out)
{
    struct sort *self = op->self;
    gm_codec_decode_rows(&self->order.layout, rows, count, &self->batch);
    out->row_count = count;
    out->column_count = self->batch.column_count;
    memcpy(out->columns, self->batch.columns, out->column_count * sizeof out->columns[0]);
}

/* Of an average row, which begins anywhere in its first one; few, or the first ones would be gone
 * from the cache again. */
static uint32_t row_lines(const struct state *state)
{
    const uint64_t bytes = state->rows.held_bytes / (state->count > 0 ? state->count : 1);
    const uint64_t lines = 1 + (bytes + CACHE_LINE_BYTES / 2) / CACHE_LINE_BYTES;
    return lines < LINES_MAX ? (uint32_t)lines : LINES_MAX;
}

static int hand_on_rows(struct gm_op *op, struct state *state, struct gm_batch *out)
{
    const uint8_t *rows[GM_BATCH_ROWS_MAX];
    const uint64_t left = state->count - state->handed_on;
    const uint32_t count = left < GM_BATCH_ROWS_MAX ? (uint32_t)left : GM_BATCH_ROWS_MAX;
    const struct gm_sort_entry *entries = state->entries + state->handed_on;
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = entries[i].row;
        for (uint32_t line = 0; line < state->row_lines; line++)
            __builtin_prefetch(rows[i] + (size_t)line * CACHE_LINE_BYTES);
    }
    lend(op, rows, count, out);
    state->handed_on += count;
    return state->handed_on < state->count ? GM_OP_HAVE_MORE : GM_OP_NEED_INPUT;
}

/* Room for `bytes` more, once nothing in there is lent. */
static int reserve_scratch(struct gm_op *op, uint64_t bytes)
{
    struct sort *self = op->self;
    if (bytes < SCRATCH_BYTES)
        bytes = SCRATCH_BYTES;
    return gm_scratch_reserve(&self->scratch, op->heap, bytes) ? 0 : GM_ETASK_MEMORY;
}

static int hand_on_merged(struct gm_op *op, struct state *state, struct gm_batch *out)
{
    struct sort *self = op->self;
    const uint8_t *rows[GM_BATCH_ROWS_MAX];
    uint64_t used = 0;
    uint32_t count = 0;
    int rc = 0;
    while (count < GM_BATCH_ROWS_MAX) {
        struct gm_run_set *set = &state->holding.set;
        rc = gm_run_set_row(set);
        if (rc == 0 && count == 0)
            rc = reserve_scratch(op, set->row_bytes);
        if (rc != 0 || set->row_bytes > self->scratch.bytes - used)
            break;
        memcpy(self->scratch.data + used, set->row, set->row_bytes);
        rows[count++] = self->scratch.data + used;
        used += set->row_bytes;
        set->row = NULL;
    }
    if (rc < 0 || (rc == GM_AGAIN && count == 0))
        return rc;
    lend(op, rows, count, out);
    return rc == GM_END ? GM_OP_NEED_INPUT : GM_OP_HAVE_MORE;
}

static int sort_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct sort *self = op->self;
    struct state *state = opaque;
    struct gm_holding *holding = &state->holding;
    if (!state->handing_on) {
        int rc = gm_holding_has_runs(holding) ? gm_holding_merge(holding, &self->order) : 0;
        if (rc != 0)
            return pass(op, rc);
        state->handing_on = true;
        gm_holding_pin(holding);
        state->row_lines = row_lines(state);
        if (!holding->set.merging)
            sort_rows(self, state);
    }
    return pass(op, holding->set.merging ? hand_on_merged(op, state, out)
                                         : hand_on_rows(op, state, out));
}

const struct gm_op_ops gm_op_sort = {
    .name = "sort",
    .open = sort_open,
    .close = sort_close,
    .begin = sort_begin,
    .end = sort_end,
    .process = sort_process,
    .finish = sort_finish,
    .give_back = sort_give_back,
};
