/* join.c - hash join of two inputs: both sides of a partition are kept packed; the smaller one
 * becomes a table of keys, each with a list of its rows, and the other runs along it.  As soon as
 * one side is whole, and the other one seems not to be much smaller, it is not kept any more but
 * runs along the table as it comes.  What does not fit the memory comes from disk, section by
 * section (join_disk.c).
 *
 * A null key equals nothing, as in SQL: such a row is dropped, or, where its side is kept whole,
 * handed on at once.  NaN equals NaN, and 1 equals 1.0.  Without key columns every row meets every
 * row.
 */
#include "engine/op/join.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/op/gather.h"
#include "engine/row/row.h"

#define LEFT GM_JOIN_LEFT
#define RIGHT GM_JOIN_RIGHT
#define EITHER GM_JOIN_EITHER
/* Half of the memory that is left for windows and batches: a table may take the other half. */
#define TABLE_RESERVE_SHARE 8
/* A side is not kept any more when what was kept of it is this part of the side that is whole. */
#define STREAM_SHARE 2
/* Tables of sides that stay must leave this part of the memory, and take so much for a row. */
#define STREAM_RESERVE_SHARE 2
#define TABLE_ROW_BYTES (sizeof(struct gm_join_row) + 3 * (sizeof(struct gm_slot) + 8))
/* Of a slot's value: it is a row itself. */
#define ONLY_ROW (UINT64_C(1) << 63)

/* Where one side of the rows handed on comes from. */
struct origin {
    const struct gm_batch *batch; /* with row numbers; NULL: from `partners`, if those are set */
    const uint32_t *rows;
    const uint8_t *const *partners;
};

static bool is_filter(const struct gm_op *op)
{
    return op->step->join == GLEAM_JOIN_LEFT_SEMI || op->step->join == GLEAM_JOIN_LEFT_ANTI;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int open_side(struct gm_op *op, uint32_t index, const struct gleam_order *keys)
{
    struct gm_join_side *side = &((struct gm_join *)op->self)->sides[index];
    const struct gm_schema *schema = &op->inputs[index].schema;
    gm_layout_init(&side->layout, schema);
    gm_sort_order_init(&side->by_hash, schema, &((struct gm_join *)op->self)->no_columns);
    gm_key_reader_init(&side->keys, schema, keys, op->heap);
    if (op->step->tagged)
        gm_key_reader_tag(&side->keys);
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct gm_field *field = &schema->fields[keys->columns[i].column - 1];
        side->nullable_keys |= field->nullable || field->kind == GLEAM_ANY;
    }
    return gm_batch_init(&side->batch, schema, op->heap);
}

/* Keys, the left side's other columns, the right side's: as the planner made the schema. */
static void list_columns(struct gm_op *op)
{
    struct gm_join *self = op->self;
    const enum gleam_join_kind kind = op->step->join;
    uint32_t count = 0;
    for (uint32_t i = 0; i < op->step->order.count; i++)
        self->columns[count++] = (struct gm_join_column){
            .side = kind == GLEAM_JOIN_RIGHT_OUTER  ? RIGHT
                    : kind == GLEAM_JOIN_FULL_OUTER ? EITHER
                                                    : LEFT,
            .left = op->step->order.columns[i].column - 1,
            .right = op->step->right_keys.columns[i].column - 1};
    for (uint32_t c = 0; c < op->inputs[LEFT].schema.field_count; c++)
        if (!gm_order_names(&op->step->order, c + 1))
            self->columns[count++] = (struct gm_join_column){.side = LEFT, .left = c};
    for (uint32_t c = 0; !is_filter(op) && c < op->inputs[RIGHT].schema.field_count; c++)
        if (!gm_order_names(&op->step->right_keys, c + 1))
            self->columns[count++] = (struct gm_join_column){.side = RIGHT, .right = c};
    GM_CHECK(count == op->step->schema.field_count);
}

static int join_open(struct gm_op *op)
{
    const enum gleam_join_kind kind = op->step->join;
    struct gm_join *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    GM_CHECK(op->input_count == 2);
    self->sides[LEFT].keeps_all = kind == GLEAM_JOIN_LEFT_OUTER ||
                                  kind == GLEAM_JOIN_FULL_OUTER || kind == GLEAM_JOIN_LEFT_ANTI;
    self->sides[RIGHT].keeps_all =
        kind == GLEAM_JOIN_RIGHT_OUTER || kind == GLEAM_JOIN_FULL_OUTER;
    list_columns(op);
    int rc = open_side(op, LEFT, &op->step->order);
    if (rc == 0)
        rc = open_side(op, RIGHT, &op->step->right_keys);
    if (rc == 0)
        rc = gm_batch_init(&self->result, &op->step->schema, op->heap);
    return rc;
}

static void join_close(struct gm_op *op)
{
    struct gm_join *self = op->self;
    if (self == NULL)
        return;
    for (uint32_t i = 0; i < 2; i++) {
        if (self->sides[i].keys.scratch.heap != NULL)
            gm_key_reader_fini(&self->sides[i].keys);
        gm_batch_fini(&self->sides[i].batch, op->heap);
    }
    gm_batch_fini(&self->result, op->heap);
    gm_join_disk_close(op);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int join_begin(struct gm_op *op, void **ret_state)
{
    struct gm_join_state *state = gm_heap_zalloc(op->heap, sizeof *state);
    if (state == NULL)
        return GM_ETASK_MEMORY;
    for (uint32_t i = 0; i < 2; i++) {
        gm_packed_init(&state->rows[i], op->heap);
        gm_holding_add(&state->holdings[i], op, state);
    }
    *ret_state = state;
    return 0;
}

static void join_end(struct gm_op *op, void *opaque)
{
    struct gm_join_state *state = opaque;
    gm_join_disk_end(op, state);
    gm_packed_fini(&state->rows[LEFT]);
    gm_packed_fini(&state->rows[RIGHT]);
    if (state->has_table)
        gm_table_fini(&state->table);
    gm_heap_free(op->heap, state->kept, state->kept_capacity * sizeof *state->kept);
    gm_heap_free(op->heap, state, sizeof *state);
}

int gm_join_refuse_memory(const struct gm_op *op)
{
    return gm_error_set(op->error, GM_ETASK_MEMORY,
                        "%s: step '%s': the rows to join do not fit this executor's share of the "
                        "memory (%llu MiB), and it cannot be made on disk: give more with "
                        "--memory",
                        op->step->where, op->step->name,
                        (unsigned long long)(op->heap->limit_bytes >> 20));
}

/* ---- rows of the result ---------------------------------------------------------------------- */

static void fill(const struct gm_join *self, const struct origin *origin, uint32_t side,
                 uint32_t column, uint32_t count, struct gm_vector *out)
{
    if (origin->batch != NULL)
        gm_gather(&origin->batch->columns[column], origin->rows, count, out);
    else if (origin->partners != NULL)
        gm_gather_packed(&self->sides[side].layout, column, origin->partners, count, out);
    else
        gm_gather_nulls(out);
}

/* The left key of rows that may have no left side; they have a right one then. */
static void fill_either(const struct gm_join *self, const struct origin origins[2],
                        const struct gm_join_column *column, uint32_t count, struct gm_vector *out)
{
    const struct origin *left = &origins[LEFT], *right = &origins[RIGHT];
    if (left->batch != NULL || left->partners == NULL || right->batch == NULL) {
        const bool from_left = left->batch != NULL || left->partners != NULL;
        fill(self, &origins[from_left ? LEFT : RIGHT], from_left ? LEFT : RIGHT,
             from_left ? column->left : column->right, count, out);
        return;
    }
    out->constant = false;
    out->has_nulls = false;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *row = left->partners[i];
        const struct gleam_value value =
            row != NULL ? gm_row_get(&self->sides[LEFT].layout, row, column->left)
                        : gm_vector_get(&right->batch->columns[column->right], right->rows[i]);
        gm_gather_put(out, i, &value);
    }
}

/* Makes `count` rows of the result out of what its sides have. */
static void hand_on(const struct gm_op *op, const struct origin origins[2], uint32_t count,
                    struct gm_batch *out)
{
    struct gm_join *self = op->self;
    struct gm_batch *result = &self->result;
    for (uint32_t c = 0; c < result->column_count && count > 0; c++) {
        const struct gm_join_column *column = &self->columns[c];
        struct gm_vector *vector = &result->columns[c];
        if (column->side == EITHER)
            fill_either(self, origins, column, count, vector);
        else
            fill(self, &origins[column->side], column->side,
                 column->side == LEFT ? column->left : column->right, count, vector);
    }
    out->row_count = count;
    out->column_count = result->column_count;
    memcpy(out->columns, result->columns, result->column_count * sizeof result->columns[0]);
}

/* ---- collecting ------------------------------------------------------------------------------ */

static bool has_null_key(const struct gm_join_side *side, const struct gm_batch *in, uint32_t row)
{
    for (uint32_t i = 0; i < side->keys.column_count; i++) {
        const struct gm_vector *vector = &in->columns[side->keys.columns[i]];
        const uint32_t index = vector->constant ? 0 : row;
        if ((vector->has_nulls && vector->nulls[index] != 0) ||
            (vector->kind == GLEAM_ANY && vector->any[index].kind == GLEAM_NULL))
            return true;
    }
    return false;
}

static int keep(struct gm_op *op, struct gm_join_state *state, const struct gm_batch *in,
                uint32_t end)
{
    struct gm_join *self = op->self;
    struct gm_packed *rows = &state->rows[in->input];
    while (state->next_row < end) {
        int rc = gm_packed_add(rows, &self->sides[in->input].layout, in, state->next_row,
                               end - state->next_row, self->sizes);
        if (rc == 0)
            state->next_row = end;
        if (rows->row_count > 0)
            gm_holding_set(&state->holdings[in->input], rows->arena.held_bytes);
        if (rc == GM_ETASK_MEMORY)
            rc = gm_holding_ask_room(op);
        if (rc != 0)
            return rc == GM_ETASK_MEMORY ? gm_join_refuse_memory(op) : rc;
    }
    return 0;
}

/* Keeps rows without a null in their key, and hands on the others where their side is whole. */
static int collect(struct gm_op *op, struct gm_join_state *state, const struct gm_batch *in,
                   struct gm_batch *out)
{
    struct gm_join *self = op->self;
    const struct gm_join_side *side = &self->sides[in->input];
    uint32_t null_count = 0;
    int rc = 0;
    for (uint32_t row = 0; side->nullable_keys && row < in->row_count; row++) {
        if (!has_null_key(side, in, row))
            continue;
        self->rows[null_count++] = row;
        if (row < state->next_row) /* a call before this one was there */
            continue;
        rc = keep(op, state, in, row);
        if (rc != 0)
            return rc;
        state->next_row = row + 1;
    }
    rc = keep(op, state, in, in->row_count);
    if (rc != 0)
        return rc;
    state->next_row = 0;
    if (null_count > 0 && side->keeps_all) {
        struct origin origins[2] = {0};
        origins[in->input] = (struct origin){.batch = in, .rows = self->rows};
        hand_on(op, origins, null_count, out);
    }
    return GM_OP_NEED_INPUT;
}

/* ---- joining --------------------------------------------------------------------------------- */

/* The only row of a key, or NULL: there is a list. */
static const uint8_t *only_row(const struct gm_slot *slot)
{
    return slot->values[0] & ONLY_ROW ? (const uint8_t *)(uintptr_t)(slot->values[0] & ~ONLY_ROW)
                                      : NULL;
}

static struct gm_join_row *first_of(const struct gm_slot *slot)
{
    return (struct gm_join_row *)(uintptr_t)slot->values[0];
}

static struct gm_join_row *link_row(struct gm_join_state *state, uint64_t *kept_count,
                                    const uint8_t *row, struct gm_join_row *next)
{
    struct gm_join_row *kept = &state->kept[(*kept_count)++];
    *kept = (struct gm_join_row){.row = row, .next = next};
    return kept;
}

static void add_row(struct gm_join_state *state, uint64_t *kept_count, const uint8_t *row,
                    struct gm_slot *slot)
{
    const uint8_t *only = only_row(slot);
    if (slot->values[0] == 0) {
        slot->values[0] = (uint64_t)(uintptr_t)row | ONLY_ROW;
        return;
    }
    struct gm_join_row *next =
        only != NULL ? link_row(state, kept_count, only, NULL) : first_of(slot);
    slot->values[0] = (uint64_t)(uintptr_t)link_row(state, kept_count, row, next);
}

/* The rows of the table's side that lie in its batch. */
static int link_rows(struct gm_op *op, struct gm_join_state *state, const uint8_t **rows,
                     uint64_t *kept_count)
{
    struct gm_join *self = op->self;
    struct gm_join_side *side = &self->sides[state->build];
    struct gm_key keys[GM_KEY_BLOCK];
    struct gm_slot *slots[GM_KEY_BLOCK];
    for (uint32_t first = 0; first < side->batch.row_count; first += GM_KEY_BLOCK) {
        const uint32_t left = side->batch.row_count - first;
        const uint32_t count = left < GM_KEY_BLOCK ? left : GM_KEY_BLOCK;
        uint64_t new_slots;
        int rc = gm_key_read(&side->keys, &side->batch, first, count, keys);
        if (rc == 0)
            rc = gm_table_block(&state->table, keys, count, slots, &new_slots);
        if (rc == 0 && state->nested)
            rc = gm_join_note_keys(op, state, keys, count);
        if (rc < 0)
            return rc;
        for (uint32_t i = 0; i < count; i++)
            add_row(state, kept_count, rows[first + i], slots[i]);
    }
    return 0;
}

/* Room for `count` rows of the table, and none in it. */
static int make_table(struct gm_op *op, struct gm_join_state *state, uint64_t count)
{
    if (state->has_table)
        gm_table_clear(&state->table);
    else if (gm_table_init(&state->table, 1, op->heap) < 0)
        return GM_ETASK_MEMORY;
    state->has_table = true;
    if (count <= state->kept_capacity)
        return 0;
    gm_heap_free(op->heap, state->kept, state->kept_capacity * sizeof *state->kept);
    state->kept_capacity = 0;
    state->kept = gm_heap_alloc(op->heap, count * sizeof *state->kept);
    if (state->kept == NULL)
        return GM_ETASK_MEMORY;
    state->kept_capacity = count;
    return 0;
}

int gm_join_build(struct gm_op *op, struct gm_join_state *state)
{
    struct gm_join *self = op->self;
    struct gm_packed_cursor cursor = {0};
    uint64_t kept_count = 0;
    const struct gm_packed *packed = &state->rows[state->build];
    struct gm_join_side *side = &self->sides[state->build];
    const uint64_t most = op->heap->limit_bytes - op->heap->limit_bytes / TABLE_RESERVE_SHARE;
    int rc = make_table(op, state, packed->row_count);
    while (rc == 0) {
        gm_packed_next(packed, &side->layout, &cursor, &side->batch, self->partners);
        if (side->batch.row_count == 0)
            break;
        rc = link_rows(op, state, self->partners, &kept_count);
        /* Who can do with less leaves the others something. */
        if (rc == 0 && op->spill != NULL && !state->on_disk && op->heap->used_bytes > most)
            rc = GM_ETASK_MEMORY;
    }
    if (rc < 0)
        return rc;
    GM_CHECK(kept_count <= packed->row_count);
    self->running = &self->sides[!state->build].batch;
    self->sides[!state->build].batch.row_count = 0; /* of the section before */
    state->row = 0;
    state->partner = NULL;
    state->cursor = (struct gm_packed_cursor){0};
    state->position = 0;
    state->phase = GM_JOIN_PROBE;
    return 0;
}

/* Rows are looked at soon: their cache misses overlap. */
static void prefetch_rows(struct gm_slot *const *slots, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (slots[i] != NULL)
            __builtin_prefetch((const void *)(uintptr_t)(slots[i]->values[0] & ~ONLY_ROW));
}

/* Looks up the keys of a batch that is to run along the table. */
static int run_along(struct gm_op *op, struct gm_join_state *state, const struct gm_batch *batch)
{
    struct gm_join *self = op->self;
    struct gm_join_side *side = &self->sides[!state->build];
    struct gm_key keys[GM_KEY_BLOCK];
    self->running = batch;
    state->row = 0;
    state->partner = NULL;
    for (uint32_t first = 0; first < batch->row_count; first += GM_KEY_BLOCK) {
        const uint32_t left = batch->row_count - first;
        const uint32_t count = left < GM_KEY_BLOCK ? left : GM_KEY_BLOCK;
        if (gm_key_read(&side->keys, batch, first, count, keys) < 0)
            return gm_join_refuse_memory(op);
        gm_table_find(&state->table, keys, count, self->slots + first);
        prefetch_rows(self->slots + first, count);
        if (state->nested)
            gm_join_silence(op, state, keys, first, count);
    }
    return 0;
}

/* Reads the next rows of the side that runs along the table and looks up their keys.  Returns 0,
 * GM_AGAIN, GM_END or < 0. */
static int next_batch(struct gm_op *op, struct gm_join_state *state)
{
    struct gm_join *self = op->self;
    struct gm_join_side *side = &self->sides[!state->build];
    const struct gm_packed *rows = &state->rows[!state->build];
    state->row = 0; /* as the batch is empty until there are rows */
    gm_packed_next(rows, &side->layout, &state->cursor, &side->batch, NULL);
    if (side->batch.row_count == 0) {
        int rc = state->feed != GM_JOIN_FEED_NONE ? gm_join_more(op, state) : GM_END;
        if (rc != 0)
            return rc == GM_ETASK_MEMORY ? gm_join_refuse_memory(op) : rc;
        gm_packed_next(rows, &side->layout, &state->cursor, &side->batch, NULL);
    }
    return run_along(op, state, &side->batch);
}

/* A row that is not joined with each of its partners: what it is to give is decided by whether it
 * has any.  Marks them as met.  True: it comes out alone. */
static bool stands_alone(const struct gm_op *op, const struct gm_join_state *state,
                         struct gm_slot *slot)
{
    const struct gm_join *self = op->self;
    if (slot != NULL)
        slot->seen = 1;
    if (!is_filter(op)) /* it has no partner */
        return self->sides[!state->build].keeps_all &&
               !(state->nested && self->silent[state->row]);
    if (state->build == LEFT)
        return false;
    return (slot != NULL) == (op->step->join == GLEAM_JOIN_LEFT_SEMI);
}

/* Pairs of the batch's rows and their partners, as many as fit the result or are there. */
static uint32_t make_pairs(const struct gm_op *op, struct gm_join_state *state)
{
    struct gm_join *self = op->self;
    const uint32_t row_count = self->running->row_count;
    const bool filter = is_filter(op);
    uint32_t count = 0;
    for (; state->row < row_count && count < GM_BATCH_ROWS_MAX; state->row++) {
        struct gm_slot *slot = self->slots[state->row];
        if (slot == NULL || filter) {
            self->rows[count] = state->row;
            self->partners[count] = NULL;
            count += stands_alone(op, state, slot);
            continue;
        }
        slot->seen = 1;
        const uint8_t *only = only_row(slot);
        if (only != NULL) {
            self->rows[count] = state->row;
            self->partners[count++] = only;
            continue;
        }
        struct gm_join_row *partner = state->partner != NULL ? state->partner : first_of(slot);
        for (; partner != NULL && count < GM_BATCH_ROWS_MAX; partner = partner->next) {
            self->rows[count] = state->row;
            self->partners[count++] = partner->row;
        }
        state->partner = partner;
        if (partner != NULL)
            break; /* it goes on with this one */
    }
    return count;
}

/* Hands on pairs of the batch that runs along the table. */
static void hand_on_pairs(const struct gm_op *op, struct gm_join_state *state,
                          struct gm_batch *out)
{
    const struct gm_join *self = op->self;
    struct origin origins[2] = {0};
    const uint32_t count = make_pairs(op, state);
    origins[state->build] = (struct origin){.partners = self->partners};
    origins[!state->build] = (struct origin){.batch = self->running, .rows = self->rows};
    hand_on(op, origins, count, out);
}

static int probe(struct gm_op *op, struct gm_join_state *state, struct gm_batch *out)
{
    const struct gm_join *self = op->self;
    if (state->row == self->running->row_count) {
        int rc = next_batch(op, state);
        if (rc == GM_END) {
            state->phase = GM_JOIN_REST;
            return GM_OP_HAVE_MORE;
        }
        if (rc != 0)
            return rc;
    }
    hand_on_pairs(op, state, out);
    return GM_OP_HAVE_MORE;
}

/* ---- as it comes ----------------------------------------------------------------------------- */

/* Whether the side that `in` comes from need not be kept: the other one is whole, in memory, and
 * not much larger, as far as one can tell. */
static bool may_stream(const struct gm_op *op, const struct gm_join_state *state,
                       const struct gm_batch *in)
{
    const uint32_t whole = !in->input;
    const struct gm_packed *rows = &state->rows[whole];
    const uint64_t most = op->spill != NULL ? op->spill_at_bytes : op->heap->limit_bytes;
    return state->phase == GM_JOIN_COLLECT && (in->ended_inputs >> whole & 1) != 0 &&
           !state->may_not_stream && state->next_row == 0 &&
           state->rows[in->input].bytes >= rows->bytes / STREAM_SHARE &&
           !gm_holding_has_runs(&state->holdings[LEFT]) &&
           !gm_holding_has_runs(&state->holdings[RIGHT]) &&
           op->heap->used_bytes + rows->row_count * TABLE_ROW_BYTES < most / STREAM_RESERVE_SHARE;
}

static void begin_stream(struct gm_op *op, struct gm_join_state *state, uint32_t whole)
{
    state->build = whole;
    state->feed = GM_JOIN_FEED_NONE;
    for (uint32_t i = 0; i < 2; i++)
        gm_holding_pin(&state->holdings[i]);
    if (gm_join_build(op, state) == 0) {
        state->phase = GM_JOIN_STREAM;
        state->in_input = false;
        return;
    }
    state->may_not_stream = true;
    for (uint32_t i = 0; i < 2; i++)
        gm_holding_unpin(&state->holdings[i]);
    if (state->has_table)
        gm_table_fini(&state->table);
    state->has_table = false;
}

/* What was kept runs first, then the input. */
static int stream(struct gm_op *op, struct gm_join_state *state, const struct gm_batch *in,
                  struct gm_batch *out)
{
    const struct gm_join *self = op->self;
    struct gm_packed *kept = &state->rows[in->input];
    int rc = 0;
    if (!state->in_input && kept->row_count > 0 && state->row == self->running->row_count) {
        rc = next_batch(op, state);
        if (rc == GM_END) {
            gm_holding_set(&state->holdings[in->input], 0);
            gm_packed_fini(kept);
            gm_packed_init(kept, op->heap);
            rc = 0;
        }
    }
    if (rc == 0 && !state->in_input && kept->row_count == 0) {
        rc = run_along(op, state, in);
        state->in_input = rc == 0;
    }
    if (rc != 0)
        return rc;
    hand_on_pairs(op, state, out);
    if (!state->in_input || state->row < in->row_count)
        return GM_OP_HAVE_MORE;
    state->in_input = false;
    return GM_OP_NEED_INPUT;
}

static int join_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                        struct gm_batch *out)
{
    struct gm_join_state *state = opaque;
    const int rc = gm_holding_make_room(op);
    if (rc != 0)
        return rc == GM_ETASK_MEMORY ? gm_join_refuse_memory(op) : rc;
    if (may_stream(op, state, in))
        begin_stream(op, state, !in->input);
    return state->phase == GM_JOIN_STREAM ? stream(op, state, in, out)
                                          : collect(op, state, in, out);
}

/* ---- what nobody met ------------------------------------------------------------------------- */

/* The section is done. */
static int end_section(struct gm_join_state *state)
{
    state->phase = state->on_disk ? GM_JOIN_NEXT : GM_JOIN_DONE;
    return state->on_disk ? GM_OP_HAVE_MORE : GM_OP_NEED_INPUT;
}

/* Rows of the table: those that nobody met, or, of a semi join, those that somebody did. */
static int rest(struct gm_op *op, struct gm_join_state *state, struct gm_batch *out)
{
    struct gm_join *self = op->self;
    struct origin origins[2] = {0};
    uint32_t count = 0;
    const bool semi = op->step->join == GLEAM_JOIN_LEFT_SEMI && state->build == LEFT;
    const uint32_t wanted = semi ? 1 : 0;
    if (!semi && !self->sides[state->build].keeps_all)
        return end_section(state);
    while (count < GM_BATCH_ROWS_MAX) {
        if (state->partner == NULL) {
            const struct gm_slot *slot = gm_table_next(&state->table, &state->position);
            if (slot == NULL)
                break;
            const uint8_t *only = only_row(slot);
            if (slot->seen == wanted && only != NULL)
                self->partners[count++] = only;
            else if (slot->seen == wanted)
                state->partner = first_of(slot);
            continue;
        }
        self->partners[count++] = state->partner->row;
        state->partner = state->partner->next;
    }
    origins[state->build] = (struct origin){.partners = self->partners};
    hand_on(op, origins, count, out);
    return count == GM_BATCH_ROWS_MAX ? GM_OP_HAVE_MORE : end_section(state);
}

static int join_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct gm_join_state *state = opaque;
    int rc = 0;
    if (state->phase == GM_JOIN_STREAM) { /* all have run along */
        state->phase = GM_JOIN_REST;
        state->partner = NULL;
    }
    if (state->phase == GM_JOIN_COLLECT)
        rc = gm_join_start(op, state);
    else if (state->phase == GM_JOIN_NEXT)
        rc = gm_join_next(op, state);
    if (rc == GM_END)
        state->phase = GM_JOIN_DONE;
    else if (rc != 0)
        return rc == GM_ETASK_MEMORY ? gm_join_refuse_memory(op) : rc;
    switch (state->phase) {
    case GM_JOIN_PROBE:
        return probe(op, state, out);
    case GM_JOIN_REST:
        return rest(op, state, out);
    default:
        return GM_OP_NEED_INPUT;
    }
}

const struct gm_op_ops gm_op_join = {
    .name = "join",
    .open = join_open,
    .close = join_close,
    .begin = join_begin,
    .end = join_end,
    .process = join_process,
    .finish = join_finish,
    .give_back = gm_join_give_back,
};
