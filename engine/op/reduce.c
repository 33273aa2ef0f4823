/* reduce.c - hash aggregation: the reduce of a partition, and the combining before an exchange.
 *
 * When the executor's memory is spent (holding.h), a partition of the reduce is written to disk as
 * a run: its groups as rows in the order of their keys' hashes, so that a merge of all runs
 * brings the rows of one key together, and the last fold needs memory for a few thousand groups
 * only, whatever their number.
 *
 * The combiner has one table per executor.  When it passes its budget it hands its rows on and
 * starts again; when that showed that combining hardly shrinks the data, it lets the following rows
 * pass as they are for a while, and then tries again.
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/groups.h"
#include "engine/op/holding.h"
#include "engine/row/codec.h"

/* Combining pays when a flush holds at most this share of the rows that went in. */
#define COMBINE_KEEP_NUMERATOR 3
#define COMBINE_KEEP_DENOMINATOR 4
/* Rows that pass uncombined before the next try, per row of the flushed table. */
#define COMBINE_PASS_FACTOR 16
/* Packed rows between table and run, and between merge and table; one larger row makes it grow. */
#define SCRATCH_BYTES (256u << 10)
/* Groups of merged rows before they are handed on, unless these are large
 * (gm_holding_piece_bytes). */
#define MERGED_GROUPS 4096

struct reduce {
    struct gm_grouping grouping; /* of the input */
    /* Of the rows that it hands on: keys first, then what was folded.  NULL: those of the input are
     * like that as well, or none has come back from disk. */
    struct gm_grouping *again;
    struct gm_op again_op;
    struct gm_step again_step;
    struct gm_batch rows; /* arrays for what is handed on */
    uint64_t hashes[GM_BATCH_ROWS_MAX]; /* of them, for nobody */
    /* spilling */
    struct gleam_order no_columns; /* runs are sorted by hash, which stands for the position */
    struct gm_sort_order by_hash;
    struct gm_batch merged; /* arrays for rows that come back; made when they do */
    struct gm_scratch merged_scratch;
    /* What writes groups is there before memory is spent, and is used for nothing else: a partition
     * is written while the rows of another one are looked at. */
    struct gm_batch written;
    struct gm_scratch scratch;
    uint32_t sizes[GM_BATCH_ROWS_MAX];
    uint64_t written_hashes[GM_BATCH_ROWS_MAX];
    struct reduce_state *spilling;
    uint32_t batch_count, batch_first; /* rows of its groups in `written`: the first to be packed */
    uint32_t packed_count, packed_next; /* of them, in scratch, from batch_first on */
    uint64_t packed_offset;
};

struct reduce_state {
    struct gm_holding holding;
    struct gm_grouping *grouping; /* how rows get into the groups */
    bool merge_opened; /* the last one */
    bool merge_ended;
    bool full;          /* the groups are handed on before the next row */
    bool folding;       /* self->merged, from next_row on, is not in the groups yet */
    uint64_t last_hash; /* of the last merged row */
    uint64_t merged_bytes; /* of rows since the last hand-on */
    struct gm_groups groups;
    uint64_t position;  /* of the hand-on */
    bool handing_on;
    uint32_t next_row;  /* of the input batch */
    uint64_t rows_in;   /* since the last flush */
    uint64_t pass_left; /* rows to let pass */
};

static uint64_t group_count(const struct reduce_state *state)
{
    return gm_groups_count(&state->groups, state->grouping);
}

/* True when what it hands on may come in again: the rows have the same columns, keys first. */
static bool takes_its_own_rows(const struct gm_op *op)
{
    const struct gm_schema *in = op->input_schema, *out = &op->step->schema;
    if (op->step->kind != GM_STEP_REDUCE || op->step->reduce == GM_REDUCE_COUNT ||
        in->field_count != out->field_count)
        return false;
    for (uint32_t i = 0; i < in->field_count; i++)
        if (in->fields[i].kind != out->fields[i].kind)
            return false;
    for (uint32_t i = 0; i < op->step->order.count; i++)
        if (op->step->order.columns[i].column != i + 1)
            return false;
    return true;
}

static int reserve_scratch(struct gm_scratch *scratch, struct gm_heap *heap, uint64_t bytes)
{
    bytes += GM_BYTES_SLACK;
    if (bytes < SCRATCH_BYTES)
        bytes = SCRATCH_BYTES;
    return gm_scratch_reserve(scratch, heap, bytes) ? 0 : GM_ETASK_MEMORY;
}

/* What writing takes must be there when nothing else is. */
static int prepare_writing(struct gm_op *op, struct reduce *self)
{
    if (op->spill == NULL)
        return 0;
    int rc = gm_batch_init(&self->written, &op->step->schema, op->heap);
    return rc < 0 ? rc : reserve_scratch(&self->scratch, op->heap, 0);
}

static int reduce_open(struct gm_op *op)
{
    struct reduce *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    gm_sort_order_init(&self->by_hash, &op->step->schema, &self->no_columns);
    int rc = gm_grouping_init(&self->grouping, op);
    if (rc == 0)
        rc = gm_batch_init(&self->rows, &op->step->schema, op->heap);
    return rc < 0 ? rc : prepare_writing(op, self);
}

static void reduce_close(struct gm_op *op)
{
    struct reduce *self = op->self;
    if (self == NULL)
        return;
    gm_grouping_fini(&self->grouping);
    if (self->again != NULL)
        gm_grouping_fini(self->again);
    gm_heap_free(op->heap, self->again, sizeof *self->again);
    gm_batch_fini(&self->rows, op->heap);
    gm_batch_fini(&self->merged, op->heap);
    gm_batch_fini(&self->written, op->heap);
    gm_scratch_free(&self->merged_scratch, op->heap);
    gm_scratch_free(&self->scratch, op->heap);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int reduce_begin(struct gm_op *op, void **ret_state)
{
    struct reduce *self = op->self;
    struct reduce_state *state = gm_heap_zalloc(op->heap, sizeof *state);
    if (state == NULL)
        return GM_ETASK_MEMORY;
    state->grouping = &self->grouping;
    int rc = gm_groups_init(&state->groups, state->grouping);
    if (rc < 0) {
        gm_heap_free(op->heap, state, sizeof *state);
        return rc;
    }
    gm_holding_add(&state->holding, op, state);
    *ret_state = state;
    return 0;
}

static void reduce_end(struct gm_op *op, void *opaque)
{
    struct reduce *self = op->self;
    struct reduce_state *state = opaque;
    if (self->spilling == state)
        self->spilling = NULL;
    gm_holding_remove(&state->holding);
    gm_groups_fini(&state->groups, state->grouping);
    gm_heap_free(op->heap, state, sizeof *state);
}

static int refuse_memory(const struct gm_op *op, int rc)
{
    if (rc != GM_ETASK_MEMORY || op->error->code != 0)
        return rc;
    return gm_error_set(op->error, GM_ETASK_MEMORY,
                        "%s: step '%s': a group does not fit this executor's share of the memory "
                        "(%llu MiB), or nothing may go to disk: give more with --memory",
                        op->step->where, op->step->name,
                        (unsigned long long)(op->heap->limit_bytes >> 20));
}

/* Folds rows from state->next_row on, until the batch ends or the groups pass budget_bytes.
 * Returns 0 at the end of the batch; GM_AGAIN at the budget; GM_ETASK_MEMORY without an error set:
 * there is no room for another block, and what is in the groups is whole; or < 0. */
static int fold_batch(struct gm_op *op, struct reduce_state *state, const struct gm_batch *in,
                      uint64_t budget_bytes)
{
    struct gm_groups *groups = &state->groups;
    struct gm_grouping *grouping = state->grouping;
    struct gm_group_places places;
    while (state->next_row < in->row_count) {
        const uint32_t count = gm_groups_chunk(groups, grouping, in->row_count - state->next_row);
        /* Slots stay when the table is emptied: had they outgrown the budget, every block would
         * be a flush from then on. */
        if (group_count(state) > 0 && gm_groups_bytes_with(groups, grouping, count) > budget_bytes)
            return GM_AGAIN;
        int rc = gm_groups_find(groups, grouping, in, state->next_row, count, &places);
        if (rc < 0)
            return rc;
        rc = gm_groups_fold(groups, grouping, in, &places);
        if (rc < 0)
            return refuse_memory(op, rc);
        state->next_row += places.count;
        state->rows_in += places.count;
    }
    return 0;
}

/* The arrays of `rows` become the vectors of `out`. */
static void lend(const struct gm_batch *rows, uint32_t row_count, struct gm_batch *out)
{
    out->column_count = rows->column_count;
    out->row_count = row_count;
    memcpy(out->columns, rows->columns, rows->column_count * sizeof rows->columns[0]);
}

/* Fills `out` with the next groups.  Returns HAVE_MORE or, at the end, NEED_INPUT. */
static int hand_on(struct gm_op *op, struct reduce_state *state, struct gm_batch *out)
{
    struct reduce *self = op->self;
    const uint32_t count = gm_groups_next(&state->groups, state->grouping, &state->position,
                                          &self->rows, self->hashes);
    lend(&self->rows, count, out);
    return count == GM_BATCH_ROWS_MAX ? GM_OP_HAVE_MORE : GM_OP_NEED_INPUT;
}

/* ---- groups on disk -------------------------------------------------------------------------- */

/* Packs groups of self->written from batch_first on, as many as scratch holds, one at least, each
 * behind its hash.  Where values are boxes, they lie in the table until it is freed. */
static int pack_groups(struct gm_op *op)
{
    struct reduce *self = op->self;
    const struct gm_layout *layout = &self->by_hash.layout;
    const uint32_t left = self->batch_count - self->batch_first;
    uint64_t bytes = 0;
    uint32_t count = 0;
    self->written.row_count = self->batch_count;
    gm_codec_sizes(layout, &self->written, self->batch_first, left, self->sizes);
    for (; count < left; count++) {
        const uint64_t more = bytes + self->sizes[count] + GM_SORT_POSITION_BYTES;
        if (count > 0 && more > SCRATCH_BYTES - GM_BYTES_SLACK)
            break;
        bytes = more;
        self->sizes[count] += GM_SORT_POSITION_BYTES;
    }
    if (self->sizes[0] > GM_ROW_BYTES_MAX)
        return GM_ETASK_MEMORY;
    int rc = reserve_scratch(&self->scratch, op->heap, bytes);
    if (rc < 0)
        return rc;
    gm_run_set_pack(layout, &self->written, self->batch_first, count, self->sizes,
                    self->scratch.data);
    uint8_t *row = self->scratch.data;
    for (uint32_t i = 0; i < count; i++, row += self->sizes[i - 1])
        memcpy(row, &self->written_hashes[self->batch_first + i], GM_SORT_POSITION_BYTES);
    self->packed_count = count;
    self->packed_next = 0;
    self->packed_offset = 0;
    return 0;
}

static void begin_spilling(struct gm_op *op, struct reduce_state *state)
{
    struct reduce *self = op->self;
    gm_groups_sort(&state->groups, state->grouping);
    state->position = 0;
    self->spilling = state;
    self->batch_count = self->batch_first = 0;
    self->packed_count = self->packed_next = 0;
}

/* Empty groups take the place of those that were written. */
static int empty_groups(struct reduce_state *state, struct gm_grouping *grouping)
{
    gm_holding_set(&state->holding, 0);
    gm_groups_fini(&state->groups, state->grouping);
    state->position = 0;
    state->grouping = grouping;
    return gm_groups_init(&state->groups, grouping);
}

static int reduce_give_back(struct gm_op *op, struct gm_holding *holding)
{
    struct reduce *self = op->self;
    struct reduce_state *state = holding->state;
    if (self->spilling != state)
        begin_spilling(op, state);
    for (;;) {
        for (; self->packed_next < self->packed_count; self->packed_next++) {
            const uint32_t size = self->sizes[self->packed_next];
            const uint8_t *row = self->scratch.data + self->packed_offset + GM_SORT_POSITION_BYTES;
            int rc = gm_run_set_put(&holding->set, op, holding->partition, row,
                                    size - GM_SORT_POSITION_BYTES);
            if (rc != 0)
                return rc;
            self->packed_offset += size;
        }
        self->batch_first += self->packed_count;
        self->packed_count = self->packed_next = 0;
        if (self->batch_first == self->batch_count) {
            self->batch_first = 0;
            self->batch_count = gm_groups_next(&state->groups, state->grouping, &state->position,
                                               &self->written, self->written_hashes);
            if (self->batch_count == 0)
                break;
        }
        int rc = pack_groups(op);
        if (rc < 0)
            return rc;
    }
    self->spilling = NULL;
    int rc = gm_run_set_end_run(&holding->set, op);
    return rc < 0 ? rc : empty_groups(state, state->grouping);
}

static int reduce_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                          struct gm_batch *out)
{
    struct reduce_state *state = opaque;
    (void)out;
    int rc = gm_holding_make_room(op);
    while (rc == 0) {
        rc = fold_batch(op, state, in, UINT64_MAX);
        if (group_count(state) > 0)
            gm_holding_set(&state->holding, gm_groups_bytes(&state->groups, state->grouping));
        if (rc == 0) {
            state->next_row = 0;
            return GM_OP_NEED_INPUT;
        }
        if (rc == GM_ETASK_MEMORY && op->error->code == 0)
            rc = gm_holding_ask_room(op);
    }
    return refuse_memory(op, rc);
}

/* How rows from disk become groups: they are rows of the result. */
static int regroup(struct gm_op *op, struct gm_grouping **ret_grouping)
{
    struct reduce *self = op->self;
    *ret_grouping = self->again != NULL ? self->again : &self->grouping;
    if (self->again != NULL || takes_its_own_rows(op))
        return 0;
    self->again_step = *op->step;
    self->again_op = *op;
    self->again_op.step = &self->again_step;
    self->again_op.input_schema = &op->step->schema;
    if (op->step->reduce == GM_REDUCE_COUNT)
        self->again_step.reduce = GM_REDUCE_SUM_I64;
    for (uint32_t i = 0; i < op->step->order.count; i++)
        self->again_step.order.columns[i].column = i + 1;
    self->again = gm_heap_zalloc(op->heap, sizeof *self->again);
    if (self->again == NULL)
        return GM_ETASK_MEMORY;
    *ret_grouping = self->again;
    return gm_grouping_init(self->again, &self->again_op);
}

/* Whether what is merged so far is handed on before the row at hand, which stands `count` rows
 * behind those in the table: rows of one key have one hash, and come one behind the other. */
static bool is_full(const struct gm_op *op, const struct reduce_state *state, uint32_t count)
{
    return gm_sort_position(state->holding.set.row) != state->last_hash &&
           (group_count(state) + count >= MERGED_GROUPS ||
            state->merged_bytes >= gm_holding_piece_bytes(op->heap));
}

/* Merged rows, up to a batch, become self->merged.  Returns 0, GM_AGAIN or < 0. */
static int take_merged(struct gm_op *op, struct reduce_state *state)
{
    struct reduce *self = op->self;
    struct gm_run_set *set = &state->holding.set;
    const uint8_t *rows[GM_BATCH_ROWS_MAX];
    uint64_t used = 0;
    uint32_t count = 0;
    int rc = 0;
    if (self->merged.storage == NULL &&
        gm_batch_init(&self->merged, &op->step->schema, op->heap) < 0)
        return GM_ETASK_MEMORY;
    while (count < GM_BATCH_ROWS_MAX) {
        rc = gm_run_set_row(set);
        if (rc != 0)
            break;
        state->full = is_full(op, state, count);
        if (count == 0)
            rc = reserve_scratch(&self->merged_scratch, op->heap, set->row_bytes);
        if (rc < 0 || state->full ||
            set->row_bytes > self->merged_scratch.bytes - GM_BYTES_SLACK - used)
            break;
        memcpy(self->merged_scratch.data + used, set->row, set->row_bytes);
        rows[count++] = self->merged_scratch.data + used;
        used += set->row_bytes;
        state->merged_bytes += set->row_bytes;
        state->last_hash = gm_sort_position(set->row);
        set->row = NULL;
    }
    if (rc < 0 || (rc == GM_AGAIN && count == 0))
        return rc;
    state->merge_ended = rc == GM_END;
    gm_codec_decode_rows(&self->by_hash.layout, rows, count, &self->merged);
    state->next_row = 0;
    state->folding = true;
    return 0;
}

/* Merged rows, up to a batch, into the table.  Stops where a key ends once there are many groups.
 * Returns 0: hand on the table; GM_AGAIN; GM_OP_HAVE_MORE: call again at once; or < 0. */
static int fold_merged(struct gm_op *op, struct reduce_state *state)
{
    struct reduce *self = op->self;
    for (;;) {
        int rc = state->folding ? 0 : take_merged(op, state);
        if (rc == 0)
            rc = fold_batch(op, state, &self->merged, UINT64_MAX);
        if (rc == 0)
            break;
        if (rc == GM_ETASK_MEMORY && op->error->code == 0)
            rc = gm_holding_ask_room(op);
        if (rc != 0)
            return rc;
    }
    state->folding = false;
    return state->full || state->merge_ended ? 0 : GM_OP_HAVE_MORE;
}

/* Opens the last merge of a partition that has runs.  Returns 0, GM_AGAIN or < 0. */
static int open_merge(struct gm_op *op, struct reduce_state *state)
{
    struct reduce *self = op->self;
    struct gm_grouping *grouping;
    if (state->merge_opened)
        return 0;
    int rc = gm_holding_merge(&state->holding, &self->by_hash);
    if (rc == 0)
        rc = regroup(op, &grouping);
    if (rc == 0)
        rc = empty_groups(state, grouping);
    if (rc != 0)
        return rc;
    gm_groups_expect_sorted(&state->groups, grouping);
    state->merge_opened = true;
    return 0;
}

static int finish_merged(struct gm_op *op, struct reduce_state *state, struct gm_batch *out)
{
    int rc = open_merge(op, state);
    while (rc == 0 && !state->handing_on) {
        rc = fold_merged(op, state);
        state->handing_on = rc == 0;
        state->position = 0;
        if (rc == GM_OP_HAVE_MORE)
            rc = 0;
    }
    if (rc != 0)
        return refuse_memory(op, rc);
    hand_on(op, state, out);
    if (out->row_count > 0)
        return GM_OP_HAVE_MORE;
    /* What was handed on has been taken. */
    if (state->merge_ended)
        return GM_OP_NEED_INPUT;
    state->handing_on = false;
    state->full = false;
    state->merged_bytes = 0;
    gm_groups_clear(&state->groups, state->grouping);
    return GM_OP_HAVE_MORE;
}

static int reduce_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct reduce_state *state = opaque;
    if (state->merge_opened || gm_holding_has_runs(&state->holding))
        return finish_merged(op, state, out);
    gm_holding_pin(&state->holding);
    state->handing_on = true;
    return hand_on(op, state, out);
}

/* ---- the combiner -------------------------------------------------------------------------- */

/* Rows as they are, in the form of partial results. */
static int pass_on(struct gm_op *op, struct reduce_state *state, const struct gm_batch *in,
                   struct gm_batch *out)
{
    struct reduce *self = op->self;
    const uint32_t key_count = self->grouping.keys.column_count;
    GM_CHECK(state->next_row == 0);
    out->row_count = in->row_count;
    out->column_count = key_count + self->grouping.accumulator.value_count;
    for (uint32_t c = 0; c < key_count; c++)
        out->columns[c] = in->columns[self->grouping.keys.columns[c]];
    if (self->grouping.accumulator.kind == GM_REDUCE_COUNT) {
        struct gm_vector *ones = &self->rows.columns[key_count];
        ones->i64[0] = 1;
        out->columns[key_count] = *ones;
        out->columns[key_count].constant = true;
    } else {
        for (uint32_t v = 0; v < self->grouping.accumulator.value_count; v++)
            out->columns[key_count + v] = in->columns[self->grouping.accumulator.columns[v]];
    }
    state->pass_left -= state->pass_left < in->row_count ? state->pass_left : in->row_count;
    return GM_OP_NEED_INPUT;
}

static void end_flush(struct reduce_state *state)
{
    if (group_count(state) >
        state->rows_in / COMBINE_KEEP_DENOMINATOR * COMBINE_KEEP_NUMERATOR)
        state->pass_left = group_count(state) * COMBINE_PASS_FACTOR;
    gm_groups_clear(&state->groups, state->grouping);
    state->rows_in = 0;
    state->handing_on = false;
}

static int combine_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                           struct gm_batch *out)
{
    struct reduce_state *state = opaque;
    if (state->handing_on) {
        hand_on(op, state, out);
        /* The rows point into the table: it is emptied when they have been taken. */
        if (out->row_count > 0)
            return GM_OP_HAVE_MORE;
        end_flush(state);
    }
    if (state->next_row == 0 && state->pass_left > 0)
        return pass_on(op, state, in, out);
    int rc = fold_batch(op, state, in, op->budget_bytes);
    /* Who has rows makes room by handing them on, who has none asks others. */
    if (rc == GM_ETASK_MEMORY && op->error->code == 0) {
        rc = group_count(state) > 0 ? GM_AGAIN : gm_holding_ask_room(op);
        if (rc == 0)
            return GM_OP_HAVE_MORE;
        if (rc != GM_AGAIN || group_count(state) == 0)
            return refuse_memory(op, rc);
    }
    if (rc == GM_AGAIN) {
        state->handing_on = true;
        state->position = 0;
        return GM_OP_HAVE_MORE;
    }
    if (rc < 0)
        return rc;
    state->next_row = 0;
    return GM_OP_NEED_INPUT;
}

static int combine_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct reduce_state *state = opaque;
    if (!state->handing_on) {
        state->handing_on = true;
        state->position = 0;
    }
    return hand_on(op, state, out);
}

const struct gm_op_ops gm_op_reduce = {
    .name = "reduce",
    .open = reduce_open,
    .close = reduce_close,
    .begin = reduce_begin,
    .end = reduce_end,
    .process = reduce_process,
    .finish = reduce_finish,
    .give_back = reduce_give_back,
};

const struct gm_op_ops gm_op_combine = {
    .name = "combine",
    .executor_scope = true,
    .open = reduce_open,
    .close = reduce_close,
    .begin = reduce_begin,
    .end = reduce_end,
    .process = combine_process,
    .finish = combine_finish,
};
