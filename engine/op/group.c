/* group.c - the rows of each key as lists of their values: of one input, or of two side by side.
 *
 * A row's values are kept as they stand in the list: the value of the only column, or a list of
 * several.  A key's rows are linked, the last one first, and put in the order of (origin, arrival)
 * when the partition ends.  Null keys are a group like any other.
 *
 * When the executor's memory is spent (holding.h), a partition's rows go to disk as they are kept,
 * each with its key, in the order of the keys' hashes.  A merge brings the rows of a key together,
 * and the lists of a few keys are made at a time.  A list itself is one value: it must fit.
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/holding.h"
#include "engine/op/keyed.h"
#include "engine/row/list.h"
#include "engine/row/row.h"

/* Lists made for one batch of the result, beyond its first row. */
#define LISTS_BYTES_MAX (256u << 10)

/* Making lists in memory leaves this part of it at least: otherwise they are made from disk. */
#define LIST_RESERVE_SHARE 16

/* Accumulators of a slot: those of input i begin at 3 * i. */
enum { NEWEST = 0, COUNT = 1, BYTES = 2, PER_INPUT = 3 };

/* Lies on an 8-byte boundary: everything in its arena is a multiple of 8 bytes long. */
struct entry {
    struct entry *older;
    uint64_t position;
    uint64_t bytes;
    uint8_t data[];
};

/* What is common to all partitions of one input. */
struct input_shape {
    struct gm_key_reader keys;
    uint32_t value_count;
    uint32_t values[GM_FIELDS_MAX]; /* columns, from 0 */
};

struct group {
    struct input_shape inputs[2];
    uint32_t input_count;
    struct gm_batch result;
    struct gm_arena lists;     /* of the batch handed on last */
    struct entry **order;      /* the entries of one key */
    uint64_t order_capacity;
    struct gm_sort_order by_hash;
};

struct group_state {
    struct gm_holding holding;
    struct gm_table table;
    struct gm_arena entries;
    uint32_t next_row; /* of the input batch */
    uint64_t arrived;
    uint64_t position; /* of the hand-on or of what goes to disk, in slots */
    uint64_t most_bytes; /* that making one list takes */
    /* to disk */
    bool giving;
    struct gm_slot *slot;
    uint32_t input;
    struct entry *entry;
    /* from disk */
    bool merge_opened;
    bool handing_on;
    struct gm_holding_piece piece; /* of the merge */
};

/* ---- life ------------------------------------------------------------------------------------ */

static void open_input(struct gm_op *op, uint32_t index, const struct gm_schema *schema,
                       const struct gleam_order *keys)
{
    struct input_shape *shape = &((struct group *)op->self)->inputs[index];
    gm_key_reader_init(&shape->keys, schema, keys, op->heap);
    if (op->step->tagged)
        gm_key_reader_tag(&shape->keys);
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (!gm_order_names(keys, c + 1))
            shape->values[shape->value_count++] = c;
    GM_CHECK(shape->value_count > 0); /* the planner refuses it */
}

static int group_open(struct gm_op *op)
{
    struct group *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    gm_arena_init(&self->lists, op->heap);
    gm_keyed_order_init(&self->by_hash);
    self->input_count = op->step->kind == GM_STEP_COGROUP ? 2 : 1;
    if (self->input_count == 2) {
        GM_CHECK(op->input_count == 2);
        open_input(op, 0, &op->inputs[0].schema, &op->step->order);
        open_input(op, 1, &op->inputs[1].schema, &op->step->right_keys);
    } else {
        open_input(op, 0, op->input_schema, &op->step->order);
    }
    return gm_batch_init(&self->result, &op->step->schema, op->heap);
}

static void group_close(struct gm_op *op)
{
    struct group *self = op->self;
    if (self == NULL)
        return;
    for (uint32_t i = 0; i < self->input_count; i++)
        gm_key_reader_fini(&self->inputs[i].keys);
    gm_arena_fini(&self->lists);
    gm_heap_free(op->heap, self->order, self->order_capacity * sizeof *self->order);
    gm_batch_fini(&self->result, op->heap);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int group_begin(struct gm_op *op, void **ret_state)
{
    const struct group *self = op->self;
    struct group_state *state = gm_heap_zalloc(op->heap, sizeof *state);
    if (state == NULL)
        return GM_ETASK_MEMORY;
    if (gm_table_init(&state->table, PER_INPUT * self->input_count, op->heap) < 0) {
        gm_heap_free(op->heap, state, sizeof *state);
        return GM_ETASK_MEMORY;
    }
    gm_arena_init(&state->entries, op->heap);
    gm_holding_add(&state->holding, op, state);
    *ret_state = state;
    return 0;
}

static void group_end(struct gm_op *op, void *opaque)
{
    struct group_state *state = opaque;
    gm_holding_remove(&state->holding);
    gm_table_fini(&state->table);
    gm_arena_fini(&state->entries);
    gm_heap_free(op->heap, state, sizeof *state);
}

static int refuse_memory(const struct gm_op *op)
{
    return gm_error_set(op->error, GM_ETASK_MEMORY,
                        "%s: step '%s': the rows to group do not fit this executor's share of the "
                        "memory (%llu MiB), and nothing may go to disk: give more with "
                        "--memory",
                        op->step->where, op->step->name,
                        (unsigned long long)(op->heap->limit_bytes >> 20));
}

/* ---- collecting ------------------------------------------------------------------------------ */

static struct entry *allocate(struct group_state *state, uint64_t bytes)
{
    return (struct entry *)gm_arena_alloc(&state->entries,
                                          (sizeof(struct entry) + bytes + 7) & ~(size_t)7);
}

/* The row's values as one element of a list. */
static struct entry *make_entry(struct group_state *state, const struct input_shape *shape,
                                const struct gm_batch *in, uint32_t row)
{
    struct gleam_value values[GM_FIELDS_MAX];
    size_t bytes = shape->value_count > 1 ? 1 + 4 + GM_LIST_HEADER_BYTES : 0;
    for (uint32_t i = 0; i < shape->value_count; i++) {
        values[i] = gm_vector_get(&in->columns[shape->values[i]], row);
        bytes += gm_list_value_bytes(&values[i]);
    }
    if (bytes > GM_VALUE_BYTES_MAX)
        return NULL;
    struct entry *entry = allocate(state, bytes);
    if (entry == NULL)
        return NULL;
    uint8_t *out = entry->data;
    if (shape->value_count > 1) {
        const uint32_t length = (uint32_t)(bytes - 1 - 4);
        *out = GLEAM_LIST;
        memcpy(out + 1, &length, sizeof length);
        out = gm_list_write_header(shape->value_count, out + 5);
    }
    for (uint32_t i = 0; i < shape->value_count; i++)
        out = gm_list_write_value(&values[i], out);
    GM_DCHECK(out == entry->data + bytes);
    entry->bytes = bytes;
    entry->position = gm_op_position(in->origin, state->arrived++);
    return entry;
}

/* What making the list of these rows takes: the list, and an array to order them. */
static uint64_t list_bytes(const uint64_t *values)
{
    return values[BYTES] + 2 * values[COUNT] * sizeof(struct entry *);
}

static void add_entry(struct group_state *state, struct gm_slot *slot, uint32_t input,
                      struct entry *entry)
{
    uint64_t *values = slot->values + PER_INPUT * input;
    entry->older = (struct entry *)(uintptr_t)values[NEWEST];
    values[NEWEST] = (uint64_t)(uintptr_t)entry;
    values[COUNT]++;
    values[BYTES] += entry->bytes;
    if (list_bytes(values) > state->most_bytes)
        state->most_bytes = list_bytes(values);
}

/* Keeps rows from state->next_row on.  Returns 0, or GM_ETASK_MEMORY: those before it are kept. */
static int keep_rows(struct gm_op *op, struct group_state *state, const struct gm_batch *in)
{
    struct group *self = op->self;
    const uint32_t input = self->input_count > 1 ? in->input : 0;
    struct input_shape *shape = &self->inputs[input];
    struct gm_key keys[GM_KEY_BLOCK];
    struct gm_slot *slots[GM_KEY_BLOCK];
    while (state->next_row < in->row_count) {
        const uint32_t left = in->row_count - state->next_row;
        const uint32_t count = left < GM_KEY_BLOCK ? left : GM_KEY_BLOCK;
        uint64_t new_slots;
        if (gm_key_read(&shape->keys, in, state->next_row, count, keys) < 0 ||
            gm_table_block(&state->table, keys, count, slots, &new_slots) < 0)
            return GM_ETASK_MEMORY;
        for (uint32_t i = 0; i < count; i++, state->next_row++) {
            struct entry *entry = make_entry(state, shape, in, state->next_row);
            if (entry == NULL)
                return GM_ETASK_MEMORY;
            add_entry(state, slots[i], input, entry);
        }
    }
    return 0;
}

static int group_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                         struct gm_batch *out)
{
    struct group_state *state = opaque;
    (void)out;
    int rc = gm_holding_make_room(op);
    while (rc == 0) {
        rc = keep_rows(op, state, in);
        if (state->entries.held_bytes > 0) /* keys alone are nothing to be written */
            gm_holding_set(&state->holding,
                           gm_table_bytes(&state->table) + state->entries.held_bytes);
        if (rc == 0) {
            state->next_row = 0;
            return GM_OP_NEED_INPUT;
        }
        rc = gm_holding_ask_room(op);
    }
    return rc == GM_ETASK_MEMORY ? refuse_memory(op) : rc;
}

/* ---- to disk --------------------------------------------------------------------------------- */

/* A key's rows, the first one first. */
static struct entry *reverse(struct entry *newest)
{
    struct entry *first = NULL;
    while (newest != NULL) {
        struct entry *older = newest->older;
        newest->older = first;
        first = newest;
        newest = older;
    }
    return first;
}

/* Moves on to the next row, where the last one is done.  False at the end. */
static bool find_entry(const struct group *self, struct group_state *state)
{
    while (state->entry == NULL) {
        if (state->slot != NULL && state->input + 1 < self->input_count) {
            state->input++;
        } else {
            state->slot = gm_table_next(&state->table, &state->position);
            state->input = 0;
            if (state->slot == NULL)
                return false;
        }
        state->entry = reverse(
            (struct entry *)(uintptr_t)state->slot->values[PER_INPUT * state->input + NEWEST]);
    }
    return true;
}

static int group_give_back(struct gm_op *op, struct gm_holding *holding)
{
    struct group *self = op->self;
    struct group_state *state = holding->state;
    if (!state->giving) {
        gm_table_sort(&state->table);
        state->giving = true;
        state->position = 0;
        state->slot = NULL;
        state->entry = NULL;
    }
    for (; find_entry(self, state); state->entry = state->entry->older) {
        const struct entry *entry = state->entry;
        int rc = gm_keyed_put(&holding->set, op, holding->partition, state->slot, entry->position,
                              (uint8_t)state->input, entry->data, (uint32_t)entry->bytes);
        if (rc != 0)
            return rc;
    }
    state->giving = false;
    state->position = 0;
    gm_holding_set(holding, 0);
    gm_arena_fini(&state->entries);
    gm_table_fini(&state->table);
    int rc = gm_table_init(&state->table, PER_INPUT * self->input_count, op->heap);
    return rc < 0 ? rc : gm_run_set_end_run(&holding->set, op);
}

/* ---- handing on ------------------------------------------------------------------------------ */

static void sift_down(struct entry **entries, uint64_t count, uint64_t at)
{
    struct entry *entry = entries[at];
    for (;;) {
        uint64_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && entries[child + 1]->position > entries[child]->position)
            child++;
        if (entries[child]->position <= entry->position)
            break;
        entries[at] = entries[child];
        at = child;
    }
    entries[at] = entry;
}

/* By position; rows of one origin came in order already. */
static void sort_entries(struct entry **entries, uint64_t count)
{
    bool sorted = true;
    for (uint64_t i = 1; i < count && sorted; i++)
        sorted = entries[i - 1]->position < entries[i]->position;
    if (sorted)
        return;
    for (uint64_t i = count / 2; i-- > 0;)
        sift_down(entries, count, i);
    for (uint64_t left = count; left > 1; left--) {
        struct entry *last = entries[0];
        entries[0] = entries[left - 1];
        entries[left - 1] = last;
        sift_down(entries, left - 1, 0);
    }
}

/* The entries of a key in self->order, sorted.  Returns 0 or GM_ETASK_MEMORY. */
static int order_entries(struct gm_op *op, const uint64_t *values)
{
    struct group *self = op->self;
    const uint64_t count = values[COUNT];
    if (count > self->order_capacity) {
        struct entry **order = gm_heap_alloc(op->heap, 2 * count * sizeof *order);
        if (order == NULL)
            return GM_ETASK_MEMORY;
        gm_heap_free(op->heap, self->order, self->order_capacity * sizeof *order);
        self->order = order;
        self->order_capacity = 2 * count;
    }
    uint64_t at = count;
    for (struct entry *entry = (struct entry *)(uintptr_t)values[NEWEST]; entry != NULL;
         entry = entry->older)
        self->order[--at] = entry;
    GM_CHECK(at == 0);
    sort_entries(self->order, count);
    return 0;
}

static int refuse_length(const struct gm_op *op)
{
    return gm_error_set(op->error, GM_EJOB_FLOW,
                        "%s: step '%s': the list of one key is longer than 1 GiB: reduce its rows, "
                        "or select fewer columns before",
                        op->step->where, op->step->name);
}

/* The list of the rows of one key that does not fit. */
static int refuse_list(const struct gm_op *op, const struct group_state *state,
                       const uint64_t *values)
{
    return gm_error_set(op->error, GM_ETASK_MEMORY,
                        "%s: step '%s': the list of one key of partition %u, of %llu rows and "
                        "%llu MiB and maybe more, does not fit this executor's share of the memory "
                        "(%llu MiB): a list is one value, which is there as rows and as a list "
                        "while it is made: give more with --memory, or reduce its rows before",
                        op->step->where, op->step->name, state->holding.partition,
                        (unsigned long long)values[COUNT],
                        (unsigned long long)(values[BYTES] >> 20),
                        (unsigned long long)(op->heap->limit_bytes >> 20));
}

static int make_list(struct gm_op *op, const uint64_t *values, struct gleam_value *ret_list)
{
    struct group *self = op->self;
    const uint64_t bytes = GM_LIST_HEADER_BYTES + values[BYTES];
    if (bytes > GM_VALUE_BYTES_MAX || values[COUNT] > UINT32_MAX)
        return refuse_length(op);
    if (order_entries(op, values) < 0)
        return GM_ETASK_MEMORY;
    uint8_t *data = gm_arena_alloc(&self->lists, bytes);
    if (data == NULL)
        return GM_ETASK_MEMORY;
    uint8_t *out = gm_list_write_header((uint32_t)values[COUNT], data);
    for (uint64_t i = 0; i < values[COUNT]; i++) {
        memcpy(out, self->order[i]->data, self->order[i]->bytes);
        out += self->order[i]->bytes;
    }
    *ret_list = gleam_bytes((const char *)data, bytes);
    ret_list->kind = GLEAM_LIST;
    return 0;
}

/* Memory was asked for in vain.  Returns 0: try again; GM_AGAIN, GM_ETASK_MEMORY or < 0. */
static int find_room(struct gm_op *op, struct group_state *state)
{
    return gm_merge_give_ahead(&state->holding.set.merge) ? 0 : gm_holding_ask_room(op);
}

/* A slot as row `row` of the result.  Returns 0, GM_ETASK_MEMORY or < 0. */
static int make_row(struct gm_op *op, const struct gm_slot *slot, uint32_t row,
                    uint64_t *ret_bytes)
{
    struct group *self = op->self;
    const uint32_t key_count = self->inputs[0].keys.column_count;
    uint32_t length;
    const uint8_t *form = gm_slot_key(slot, &length);
    gm_key_write(&self->inputs[0].keys, form, length, &self->result, row);
    for (uint32_t i = 0; i < self->input_count; i++) {
        const uint64_t *values = slot->values + PER_INPUT * i;
        int rc = make_list(op, values, &self->result.columns[key_count + i].any[row]);
        if (rc < 0)
            return rc;
        *ret_bytes += values[BYTES];
    }
    return 0;
}

/* Fills `out` with the next slots.  Returns HAVE_MORE; NEED_INPUT at the end; GM_AGAIN or < 0. */
static int hand_on(struct gm_op *op, struct group_state *state, struct gm_batch *out)
{
    struct group *self = op->self;
    struct gm_batch *result = &self->result;
    uint32_t count = 0;
    uint64_t bytes = 0;
    bool more = true;
    gm_arena_reset(&self->lists);
    for (uint32_t c = 0; c < result->column_count; c++)
        result->columns[c].has_nulls = false;
    while (count < GM_BATCH_ROWS_MAX && (count == 0 || bytes < LISTS_BYTES_MAX)) {
        const uint64_t position = state->position;
        const struct gm_slot *slot = gm_table_next(&state->table, &state->position);
        more = slot != NULL;
        if (!more)
            break;
        int rc = make_row(op, slot, count, &bytes);
        if (rc < 0)
            state->position = position;
        if (rc == GM_ETASK_MEMORY && count > 0)
            break; /* what is there goes first, and its memory with it */
        if (rc == GM_ETASK_MEMORY) {
            gm_arena_fini(&self->lists);
            rc = find_room(op, state);
            if (rc == GM_ETASK_MEMORY)
                return refuse_list(op, state, slot->values);
            if (rc == 0)
                continue;
        }
        if (rc != 0)
            return rc;
        count++;
    }
    out->row_count = count;
    out->column_count = result->column_count;
    memcpy(out->columns, result->columns, result->column_count * sizeof result->columns[0]);
    return more ? GM_OP_HAVE_MORE : GM_OP_NEED_INPUT;
}

/* ---- from disk ------------------------------------------------------------------------------- */

/* The row that the merge lends, into the table.  Returns 0, GM_AGAIN or < 0. */
static int keep_merged(struct gm_op *op, struct group_state *state, const struct gm_run_set *set)
{
    struct gm_keyed record;
    struct gm_slot *slot;
    uint64_t new_slots;
    gm_keyed_read(set->row, set->row_bytes, &record);
    for (;;) {
        struct entry *entry = NULL;
        const int rc = gm_table_block(&state->table, &record.key, 1, &slot, &new_slots);
        if (rc == 0)
            entry = allocate(state, record.bytes);
        if (entry != NULL) {
            entry->bytes = record.bytes;
            entry->position = record.position;
            memcpy(entry->data, record.data, record.bytes);
            add_entry(state, slot, record.tag, entry);
            return 0;
        }
        const int asked = find_room(op, state);
        if (asked == GM_ETASK_MEMORY)
            return rc == 0 ? refuse_list(op, state, slot->values + PER_INPUT * record.tag)
                           : refuse_memory(op);
        if (asked != 0)
            return asked;
    }
}

/* The rows of some keys, all that there are.  Returns 0, GM_AGAIN or < 0. */
static int read_keys(struct gm_op *op, struct group_state *state)
{
    struct gm_run_set *set = &state->holding.set;
    for (;;) {
        const uint64_t held_bytes =
            state->table.count > 0 ? gm_table_bytes(&state->table) + state->entries.held_bytes : 0;
        int rc = gm_holding_piece_row(&state->holding, &state->piece, held_bytes);
        if (rc != 0)
            return rc == GM_END ? 0 : rc;
        rc = keep_merged(op, state, set);
        if (rc != 0)
            return rc;
        set->row = NULL;
    }
}

static int finish_merged(struct gm_op *op, struct group_state *state, struct gm_batch *out)
{
    const struct group *self = op->self;
    int rc = 0;
    if (!state->merge_opened) {
        rc = gm_holding_merge(&state->holding, &self->by_hash);
        state->merge_opened = rc == 0;
    }
    if (rc == 0 && !state->handing_on) {
        rc = read_keys(op, state);
        state->handing_on = rc == 0;
        state->position = 0;
    }
    if (rc == 0)
        rc = hand_on(op, state, out);
    if (rc != GM_OP_HAVE_MORE && rc != GM_OP_NEED_INPUT)
        return rc == GM_ETASK_MEMORY && op->error->code == 0 ? refuse_memory(op) : rc;
    if (out->row_count > 0)
        return GM_OP_HAVE_MORE;
    /* What was handed on has been taken. */
    if (state->piece.is_last)
        return GM_OP_NEED_INPUT;
    state->handing_on = false;
    gm_table_clear(&state->table);
    gm_arena_reset(&state->entries);
    return GM_OP_HAVE_MORE;
}

/* Whether its longest list can be made while all its rows are there. */
static bool has_room(const struct gm_op *op, const struct group_state *state)
{
    const struct gm_heap *heap = op->heap;
    return op->spill == NULL ||
           heap->used_bytes + state->most_bytes <=
               heap->limit_bytes - heap->limit_bytes / LIST_RESERVE_SHARE;
}

static int group_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct group_state *state = opaque;
    struct gm_holding *holding = &state->holding;
    if (!state->handing_on && !holding->pinned && !gm_holding_has_runs(holding) &&
        holding->bytes > 0 && !has_room(op, state)) {
        const int rc = gm_holding_write(holding);
        if (rc != 0)
            return rc == GM_ETASK_MEMORY ? refuse_memory(op) : rc;
    }
    if (state->merge_opened || gm_holding_has_runs(holding))
        return finish_merged(op, state, out);
    gm_holding_pin(holding);
    state->handing_on = true;
    return hand_on(op, state, out);
}

const struct gm_op_ops gm_op_group = {
    .name = "group",
    .open = group_open,
    .close = group_close,
    .begin = group_begin,
    .end = group_end,
    .process = group_process,
    .finish = group_finish,
    .give_back = group_give_back,
};
