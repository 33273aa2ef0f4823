/* push.c - moves every where one place at a time, until none can move. */
#include "engine/flow/push.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/row/row.h"

void gm_chain_insert(struct gm_chain_plan *chain, uint32_t index, const struct gm_step *step)
{
    chain->steps = realloc(chain->steps, (chain->step_count + 1) * sizeof *chain->steps);
    GM_CHECK(chain->steps != NULL && index <= chain->step_count);
    memmove(chain->steps + index + 1, chain->steps + index,
            (chain->step_count - index) * sizeof *chain->steps);
    chain->steps[index] = *step;
    chain->step_count++;
}

static struct gm_step take_out(struct gm_chain_plan *chain, uint32_t index)
{
    const struct gm_step step = chain->steps[index];
    chain->step_count--;
    memmove(chain->steps + index, chain->steps + index + 1,
            (chain->step_count - index) * sizeof *chain->steps);
    return step;
}

bool gm_step_is_combiner(const struct gm_step *step)
{
    return step->kind == GM_STEP_COMBINE || step->kind == GM_STEP_PARTIAL_DISTINCT;
}

/* ---- columns in front of a step -------------------------------------------------------------- */

/* The column of a step's input that it hands on as this one, where leaving rows out before the step
 * is the same as leaving them out behind it.  0: there is none. */
static uint32_t column_before(const struct gm_step *step, const struct gm_schema *input,
                              uint32_t column)
{
    switch (step->kind) {
    case GM_STEP_SORT:
        return column;
    case GM_STEP_SELECT:
        return step->order.columns[column - 1].column;
    case GM_STEP_APPEND_ONE:
        return column <= input->field_count ? column : 0;
    case GM_STEP_CAST:
        return input->fields[column - 1].kind == step->schema.fields[column - 1].kind ? column : 0;
    case GM_STEP_PARTIAL_DISTINCT:
    case GM_STEP_DISTINCT:
        return gm_order_names(&step->order, column) ? column : 0;
    case GM_STEP_COMBINE:
    case GM_STEP_REDUCE:
    case GM_STEP_GROUP:
    case GM_STEP_MARKS:
    case GM_STEP_MEAN_PARTS:
    case GM_STEP_MEAN:
        return column <= step->order.count ? step->order.columns[column - 1].column : 0;
    default:
        return 0;
    }
}

struct gm_join_column gm_join_column(const struct gm_step *join, uint32_t left_count,
                                     uint32_t right_count, uint32_t column)
{
    uint32_t at = join->order.count;
    if (column <= at)
        return (struct gm_join_column){GM_SIDE_BOTH, join->order.columns[column - 1].column,
                                       join->right_keys.columns[column - 1].column};
    if (join->kind == GM_STEP_COGROUP)
        return (struct gm_join_column){GM_SIDE_NONE, 0, 0};
    for (uint32_t c = 1; c <= left_count; c++)
        if (!gm_order_names(&join->order, c) && ++at == column)
            return (struct gm_join_column){GM_SIDE_LEFT, c, 0};
    for (uint32_t c = 1; c <= right_count; c++)
        if (!gm_order_names(&join->right_keys, c) && ++at == column)
            return (struct gm_join_column){GM_SIDE_RIGHT, 0, c};
    return (struct gm_join_column){GM_SIDE_NONE, 0, 0};
}

/* The columns of a join's inputs by which rows may be left out before it. */
static struct gm_join_column before_join(const struct gm_source *source, const struct gm_step *join,
                                         uint32_t column)
{
    static const struct gm_join_column none = {GM_SIDE_NONE, 0, 0};
    const struct gm_schema *left = &source->inputs[0].schema, *right = &source->inputs[1].schema;
    struct gm_join_column found =
        gm_join_column(join, left->field_count, right->field_count, column);
    const bool keeps_left = join->kind == GM_STEP_JOIN && (join->join == GLEAM_JOIN_LEFT_OUTER ||
                                                           join->join == GLEAM_JOIN_LEFT_ANTI);
    const bool keeps_right = join->kind == GM_STEP_JOIN && join->join == GLEAM_JOIN_RIGHT_OUTER;
    const bool keeps_both = join->kind == GM_STEP_COGROUP || join->join == GLEAM_JOIN_FULL_OUTER;
    if (found.side == GM_SIDE_LEFT && (keeps_both || keeps_right))
        return none; /* the nulls of who has no partner come behind */
    if (found.side == GM_SIDE_RIGHT && (keeps_both || keeps_left))
        return none;
    /* Both sides have a key; where one of them is another kind, a value may be another there. */
    if (found.side == GM_SIDE_BOTH &&
        left->fields[found.left - 1].kind != right->fields[found.right - 1].kind) {
        if (keeps_both)
            return none;
        found.side = keeps_right ? GM_SIDE_RIGHT : GM_SIDE_LEFT;
    }
    return found;
}

/* ---- moving ---------------------------------------------------------------------------------- */

/* Past the step in front, in the same chain. */
static bool move_in_chain(struct gm_chain_plan *chain, uint32_t index)
{
    const struct gm_schema *input = gm_plan_input_schema(chain, index - 1);
    struct gm_step *where = &chain->steps[index];
    const uint32_t column =
        column_before(&chain->steps[index - 1], input, where->order.columns[0].column);
    if (column == 0)
        return false;
    where->order.columns[0].column = column;
    where->schema = *input;
    const struct gm_step moved = *where;
    *where = chain->steps[index - 1];
    chain->steps[index - 1] = moved;
    return true;
}

/* The chain that feeds an exchange; NULL where it is not the only reader's. */
static struct gm_chain_plan *feeder_of(struct gm_plan *plan, uint32_t exchange)
{
    struct gm_chain_plan *feeder = NULL;
    uint32_t readers = 0;
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        struct gm_chain_plan *chain = &plan->chains[c];
        if (chain->exchange == exchange)
            feeder = chain;
        for (uint32_t i = 0; i < chain->source.input_count; i++)
            readers += chain->source.inputs[i].exchange == exchange;
    }
    return readers == 1 ? feeder : NULL;
}

/* Where in a feeder's steps a condition on a column at its end may stand: behind all of them, or in
 * front of a combiner.  Returns the column there, 0: nowhere. */
static uint32_t end_of(const struct gm_chain_plan *feeder, uint32_t column, uint32_t *ret_index)
{
    *ret_index = feeder->step_count;
    if (feeder->step_count == 0 || !gm_step_is_combiner(&feeder->steps[feeder->step_count - 1]))
        return column;
    --*ret_index;
    return column_before(&feeder->steps[*ret_index], gm_plan_input_schema(feeder, *ret_index),
                         column);
}

static bool may_end(struct gm_plan *plan, const struct gm_source *source, uint32_t input,
                    uint32_t column)
{
    uint32_t index;
    const struct gm_chain_plan *feeder = feeder_of(plan, source->inputs[input].exchange);
    return feeder != NULL && end_of(feeder, column, &index) > 0;
}

/* A copy of the condition to the end of what leads to an input. */
static void add_to_feeder(struct gm_plan *plan, const struct gm_source *source, uint32_t input,
                          const struct gm_step *where, uint32_t column)
{
    struct gm_chain_plan *feeder = feeder_of(plan, source->inputs[input].exchange);
    struct gm_step copy = *where;
    uint32_t index;
    copy.order = gleam_field(end_of(feeder, column, &index));
    copy.schema = *gm_plan_input_schema(feeder, index);
    copy.parameter = malloc(where->parameter_bytes);
    GM_CHECK(copy.parameter != NULL);
    memcpy(copy.parameter, where->parameter, where->parameter_bytes);
    gm_chain_insert(feeder, index, &copy);
}

/* To the inputs of the chain, at whose beginning the condition stands, or right behind a join. */
static bool move_to_feeders(struct gm_plan *plan, struct gm_chain_plan *chain, uint32_t index)
{
    const struct gm_source *source = &chain->source;
    uint32_t columns[GM_EXCHANGES_MAX] = {0}; /* by input; 0: not there */
    const uint32_t column = chain->steps[index].order.columns[0].column;
    bool any = false;
    for (uint32_t i = 0; i < source->input_count && index == 0; i++)
        columns[i] = column;
    if (index == 1) {
        const struct gm_join_column found = before_join(source, &chain->steps[0], column);
        columns[0] = found.side == GM_SIDE_RIGHT ? 0 : found.left;
        columns[1] = found.side == GM_SIDE_LEFT ? 0 : found.right;
    }
    for (uint32_t i = 0; i < source->input_count; i++) {
        any = any || columns[i] > 0;
        if (columns[i] > 0 && !may_end(plan, source, i, columns[i]))
            return false;
    }
    if (!any)
        return false;
    struct gm_step where = take_out(chain, index);
    for (uint32_t i = 0; i < source->input_count; i++)
        if (columns[i] > 0)
            add_to_feeder(plan, source, i, &where, columns[i]);
    free(where.parameter);
    return true;
}

static bool is_meeting(const struct gm_step *step)
{
    return step->kind == GM_STEP_JOIN || step->kind == GM_STEP_COGROUP;
}

/* A step of a chain to where it belongs.  Returns whether it left the chain. */
static bool settle(struct gm_plan *plan, struct gm_chain_plan *chain, uint32_t index)
{
    while (index > 0 && move_in_chain(chain, index))
        index--;
    if (chain->source.kind != GM_SOURCE_EXCHANGE)
        return false;
    return (index == 0 || (index == 1 && is_meeting(&chain->steps[0]))) &&
           move_to_feeders(plan, chain, index);
}

/* Feeders come before their readers, so one run from the last chain to the first moves all. */
void gm_plan_push(struct gm_plan *plan)
{
    for (uint32_t c = plan->chain_count; c-- > 0;) {
        struct gm_chain_plan *chain = &plan->chains[c];
        for (uint32_t i = 0; i < chain->step_count;)
            i += chain->steps[i].kind != GM_STEP_WHERE || !settle(plan, chain, i);
    }
}
