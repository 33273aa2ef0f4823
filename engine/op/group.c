/* group.c - the rows of each key as lists of their values: of one input, or of two side by side.
 *
 * A row's values are kept as they stand in the list: the value of the only column, or a list of
 * several.  A key's rows are linked, the last one first, and put in the order of (origin, arrival)
 * when the partition ends.  Null keys are a group like any other.
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/key.h"
#include "engine/op/op.h"
#include "engine/op/table.h"
#include "engine/row/list.h"
#include "engine/row/row.h"

/* Lists made for one batch of the result, beyond its first row. */
#define LISTS_BYTES_MAX (256u << 10)

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
};

struct group_state {
    struct gm_table table;
    struct gm_arena entries;
    uint64_t arrived;
    uint64_t position; /* of the hand-on, in slots */
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
    *ret_state = state;
    return 0;
}

static void group_end(struct gm_op *op, void *opaque)
{
    struct group_state *state = opaque;
    gm_table_fini(&state->table);
    gm_arena_fini(&state->entries);
    gm_heap_free(op->heap, state, sizeof *state);
}

static int refuse_memory(const struct gm_op *op)
{
    return gm_error_set(op->error, GM_ETASK_MEMORY,
                        "%s: step '%s': the rows to group do not fit this executor's share of the "
                        "memory (%llu MiB): give more with --memory",
                        op->step->where, op->step->name,
                        (unsigned long long)(op->heap->limit_bytes >> 20));
}

/* ---- collecting ------------------------------------------------------------------------------ */

/* The row's values as one element of a list. */
static struct entry *make_entry(struct gm_op *op, struct group_state *state,
                                const struct input_shape *shape, const struct gm_batch *in,
                                uint32_t row)
{
    struct gleam_value values[GM_FIELDS_MAX];
    size_t bytes = shape->value_count > 1 ? 1 + 4 + GM_LIST_HEADER_BYTES : 0;
    (void)op;
    for (uint32_t i = 0; i < shape->value_count; i++) {
        values[i] = gm_vector_get(&in->columns[shape->values[i]], row);
        bytes += gm_list_value_bytes(&values[i]);
    }
    if (bytes > GM_VALUE_BYTES_MAX)
        return NULL;
    struct entry *entry =
        (struct entry *)gm_arena_alloc(&state->entries, (sizeof *entry + bytes + 7) & ~(size_t)7);
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

static int group_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                         struct gm_batch *out)
{
    struct group *self = op->self;
    struct group_state *state = opaque;
    const uint32_t input = self->input_count > 1 ? in->input : 0;
    struct input_shape *shape = &self->inputs[input];
    struct gm_key keys[GM_KEY_BLOCK];
    struct gm_slot *slots[GM_KEY_BLOCK];
    (void)out;
    for (uint32_t first = 0; first < in->row_count; first += GM_KEY_BLOCK) {
        const uint32_t left = in->row_count - first;
        const uint32_t count = left < GM_KEY_BLOCK ? left : GM_KEY_BLOCK;
        uint64_t new_slots;
        if (gm_key_read(&shape->keys, in, first, count, keys) < 0 ||
            gm_table_block(&state->table, keys, count, slots, &new_slots) < 0)
            return refuse_memory(op);
        for (uint32_t i = 0; i < count; i++) {
            struct entry *entry = make_entry(op, state, shape, in, first + i);
            if (entry == NULL)
                return refuse_memory(op);
            uint64_t *values = slots[i]->values + PER_INPUT * input;
            entry->older = (struct entry *)(uintptr_t)values[NEWEST];
            values[NEWEST] = (uint64_t)(uintptr_t)entry;
            values[COUNT]++;
            values[BYTES] += entry->bytes;
        }
    }
    return GM_OP_NEED_INPUT;
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

static int make_list(struct gm_op *op, const uint64_t *values, struct gleam_value *ret_list)
{
    struct group *self = op->self;
    const uint64_t bytes = GM_LIST_HEADER_BYTES + values[BYTES];
    if (bytes > GM_VALUE_BYTES_MAX || values[COUNT] > UINT32_MAX)
        return refuse_length(op);
    if (order_entries(op, values) < 0)
        return refuse_memory(op);
    uint8_t *data = gm_arena_alloc(&self->lists, bytes);
    if (data == NULL)
        return refuse_memory(op);
    uint8_t *out = gm_list_write_header((uint32_t)values[COUNT], data);
    for (uint64_t i = 0; i < values[COUNT]; i++) {
        memcpy(out, self->order[i]->data, self->order[i]->bytes);
        out += self->order[i]->bytes;
    }
    *ret_list = gleam_bytes((const char *)data, bytes);
    ret_list->kind = GLEAM_LIST;
    return 0;
}

static int group_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct group *self = op->self;
    struct group_state *state = opaque;
    struct gm_batch *result = &self->result;
    const uint32_t key_count = self->inputs[0].keys.column_count;
    uint32_t count = 0;
    uint64_t bytes = 0;
    bool more = true;
    gm_arena_reset(&self->lists);
    for (uint32_t c = 0; c < result->column_count; c++)
        result->columns[c].has_nulls = false;
    while (count < GM_BATCH_ROWS_MAX && (count == 0 || bytes < LISTS_BYTES_MAX)) {
        const struct gm_slot *slot = gm_table_next(&state->table, &state->position);
        more = slot != NULL;
        if (!more)
            break;
        uint32_t length;
        const uint8_t *form = gm_slot_key(slot, &length);
        gm_key_write(&self->inputs[0].keys, form, length, result, count);
        for (uint32_t i = 0; i < self->input_count; i++) {
            const uint64_t *values = slot->values + PER_INPUT * i;
            int rc = make_list(op, values, &result->columns[key_count + i].any[count]);
            if (rc < 0)
                return rc;
            bytes += values[BYTES];
        }
        count++;
    }
    out->row_count = count;
    out->column_count = result->column_count;
    memcpy(out->columns, result->columns, result->column_count * sizeof result->columns[0]);
    return more ? GM_OP_HAVE_MORE : GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_group = {
    .name = "group",
    .open = group_open,
    .close = group_close,
    .begin = group_begin,
    .end = group_end,
    .process = group_process,
    .finish = group_finish,
};
