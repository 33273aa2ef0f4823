/* groups.c - see groups.h. */
#include "engine/op/groups.h"

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/op/tally_fold.h"

_Static_assert(GM_REDUCE_VALUES_MAX <= GM_TALLY_VALUES_MAX, "a group is moved through a buffer");

static bool can_tally(const struct gm_grouping *grouping, const struct gm_op *op)
{
    const struct gm_accumulator *accumulator = &grouping->accumulator;
    if (!grouping->keys.plain || accumulator->value_count == 0 ||
        op->input_schema->fields[grouping->keys.columns[0]].kind != GLEAM_I64)
        return false;
    for (uint32_t v = 0; v < accumulator->value_count; v++)
        if (accumulator->nullable[v] ||
            !gm_tally_folds(accumulator->folds[v], accumulator->kinds[v]))
            return false;
    return true;
}

int gm_grouping_init(struct gm_grouping *grouping, const struct gm_op *op)
{
    gm_key_reader_init(&grouping->keys, op->input_schema, &op->step->order, op->heap);
    int rc = gm_accumulator_init(&grouping->accumulator, op);
    if (rc < 0)
        return rc;
    grouping->tallied = can_tally(grouping, op);
    for (uint32_t v = 0; v < grouping->accumulator.value_count && grouping->tallied; v++)
        grouping->starts[v] =
            gm_tally_start(grouping->accumulator.folds[v], grouping->accumulator.kinds[v]);
    /* A combiner and the reduce behind the exchange have different ones, see tally.h. */
    const uint64_t seed = 4 * (uint64_t)op->chain_index + 2 * (op->step->kind == GM_STEP_COMBINE);
    for (uint32_t i = 0; i < 2; i++)
        gm_tally_hash_init(&grouping->hashes[i], seed + i);
    return 0;
}

void gm_grouping_fini(struct gm_grouping *grouping)
{
    if (grouping->keys.scratch.heap != NULL)
        gm_key_reader_fini(&grouping->keys);
    gm_accumulator_fini(&grouping->accumulator);
}

int gm_groups_init(struct gm_groups *groups, const struct gm_grouping *grouping)
{
    const struct gm_accumulator *accumulator = &grouping->accumulator;
    groups->hash = 0;
    return grouping->tallied ? gm_tally_init(&groups->tally, accumulator->value_count,
                                             grouping->starts, accumulator->heap)
                             : gm_table_init(&groups->table, accumulator->value_count,
                                             accumulator->heap);
}

void gm_groups_fini(struct gm_groups *groups, const struct gm_grouping *grouping)
{
    if (grouping->tallied)
        gm_tally_fini(&groups->tally);
    else
        gm_table_fini(&groups->table);
}

void gm_groups_clear(struct gm_groups *groups, const struct gm_grouping *grouping)
{
    if (grouping->tallied)
        gm_tally_clear(&groups->tally);
    else
        gm_table_clear(&groups->table);
}

void gm_groups_expect_sorted(struct gm_groups *groups, const struct gm_grouping *grouping)
{
    GM_CHECK(gm_groups_count(groups, grouping) == 0);
    groups->hash = 1;
}

uint64_t gm_groups_count(const struct gm_groups *groups, const struct gm_grouping *grouping)
{
    return grouping->tallied ? groups->tally.count : groups->table.count;
}

uint64_t gm_groups_bytes(const struct gm_groups *groups, const struct gm_grouping *grouping)
{
    return grouping->tallied ? gm_tally_bytes(&groups->tally) : gm_table_bytes(&groups->table);
}

uint64_t gm_groups_bytes_with(const struct gm_groups *groups, const struct gm_grouping *grouping,
                              uint32_t count)
{
    return grouping->tallied ? gm_tally_bytes_with(&groups->tally, count)
                             : gm_table_bytes_with(&groups->table, count);
}

/* ---- rows in --------------------------------------------------------------------------------- */

uint32_t gm_groups_chunk(const struct gm_groups *groups, const struct gm_grouping *grouping,
                         uint32_t rows)
{
    if (grouping->tallied)
        return gm_tally_chunk(&groups->tally, rows);
    return rows < GM_KEY_BLOCK ? rows : GM_KEY_BLOCK;
}

int gm_groups_find(struct gm_groups *groups, struct gm_grouping *grouping,
                   const struct gm_batch *batch, uint32_t first, uint32_t count,
                   struct gm_group_places *ret_places)
{
    ret_places->first = first;
    ret_places->count = count;
    if (grouping->tallied) {
        const struct gm_vector *keys = &batch->columns[grouping->keys.columns[0]];
        return gm_tally_find(&groups->tally, &grouping->hashes[groups->hash],
                             keys->i64 + (keys->constant ? 0 : first), !keys->constant, count,
                             ret_places->values, &ret_places->count);
    }
    struct gm_key keys[GM_KEY_BLOCK];
    int rc = gm_key_read(&grouping->keys, batch, first, count, keys);
    return rc == 0 ? gm_table_block(&groups->table, keys, count, ret_places->slots,
                                    &ret_places->new_slots)
                   : rc;
}

int gm_groups_fold(struct gm_groups *groups, struct gm_grouping *grouping,
                   const struct gm_batch *batch, const struct gm_group_places *places)
{
    struct gm_accumulator *accumulator = &grouping->accumulator;
    if (!grouping->tallied)
        return gm_accumulator_fold(accumulator, &groups->table, (struct gm_slot **)places->slots,
                                   places->new_slots, batch, places->first, places->count);
    for (uint32_t v = 0; v < accumulator->value_count; v++)
        if (!gm_tally_fold(accumulator->folds[v], &batch->columns[accumulator->columns[v]],
                           places->first, places->count, places->values, v))
            return gm_accumulator_overflow(accumulator);
    return 0;
}

/* ---- groups out ------------------------------------------------------------------------------ */

static uint32_t next_tallied(const struct gm_groups *groups, const struct gm_grouping *grouping,
                             uint64_t *position, struct gm_batch *rows, uint64_t *ret_hashes)
{
    const uint64_t *values[GM_BATCH_ROWS_MAX];
    const struct gm_tally_hash *hash = &grouping->hashes[groups->hash];
    const uint32_t count =
        gm_tally_next(&groups->tally, position, GM_BATCH_ROWS_MAX, ret_hashes, values);
    int64_t *keys = rows->columns[0].i64;
    for (uint32_t i = 0; i < count; i++)
        keys[i] = gm_tally_unmix(hash, ret_hashes[i]);
    for (uint32_t v = 0; v < grouping->accumulator.value_count; v++) {
        uint64_t *out = rows->columns[1 + v].data;
        for (uint32_t i = 0; i < count; i++)
            out[i] = values[i][GM_TALLY_LANES * v];
    }
    return count;
}

uint32_t gm_groups_next(const struct gm_groups *groups, const struct gm_grouping *grouping,
                        uint64_t *position, struct gm_batch *rows, uint64_t *ret_hashes)
{
    const uint32_t key_count = grouping->keys.column_count;
    uint32_t count = 0;
    for (uint32_t c = 0; c < rows->column_count; c++)
        rows->columns[c].has_nulls = false;
    if (grouping->tallied)
        return next_tallied(groups, grouping, position, rows, ret_hashes);
    while (count < GM_BATCH_ROWS_MAX) {
        const struct gm_slot *slot = gm_table_next(&groups->table, position);
        if (slot == NULL)
            break;
        uint32_t length;
        const uint8_t *form = gm_slot_key(slot, &length);
        gm_key_write(&grouping->keys, form, length, rows, count);
        for (uint32_t v = 0; v < grouping->accumulator.value_count; v++)
            gm_accumulator_store(&grouping->accumulator, slot, v, &rows->columns[key_count + v],
                                 count);
        ret_hashes[count++] = gm_slot_hash(slot);
    }
    return count;
}

void gm_groups_sort(struct gm_groups *groups, const struct gm_grouping *grouping)
{
    if (grouping->tallied)
        gm_tally_sort(&groups->tally);
    else
        gm_table_sort(&groups->table);
}
