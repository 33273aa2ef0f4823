/* prune.c - works out backwards which columns every step needs, then forwards drops the others and
 * numbers the rest anew.
 *
 * A set of columns is a word with a bit for each.  Numbers in the first half are those of the plan
 * as it was; `kept` of an edge says which of them are left.
 */
#include "engine/flow/prune.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/flow/push.h"

_Static_assert(GM_FIELDS_MAX <= 64, "a set of columns is a word");

struct pruning {
    struct gm_plan *plan;
    uint64_t wanted[GM_EXCHANGES_MAX]; /* by exchange: what its reader needs */
    uint64_t kept[GM_EXCHANGES_MAX];
    uint32_t counts[GM_EXCHANGES_MAX]; /* columns of the plan as it was */
};

static uint64_t all_of(uint32_t count)
{
    return count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

static uint64_t bit(uint32_t column)
{
    return UINT64_C(1) << (column - 1);
}

static uint64_t named_in(const struct gleam_order *order)
{
    uint64_t set = 0;
    for (uint32_t i = 0; i < order->count; i++)
        set |= bit(order->columns[i].column);
    return set;
}

/* ---- what is needed -------------------------------------------------------------------------- */

/* Steps whose columns are those of their input, which they read by `order` alone. */
static bool passes_columns(const struct gm_step *step)
{
    switch (step->kind) {
    case GM_STEP_WHERE:
    case GM_STEP_LOCAL_LIMIT:
    case GM_STEP_SORT:
    case GM_STEP_DISTINCT:
    case GM_STEP_PARTIAL_DISTINCT:
    case GM_STEP_SAMPLE:
        return true;
    default:
        return false;
    }
}

/* A count looks at no values. */
static bool only_counts(const struct gm_step *step)
{
    return (step->kind == GM_STEP_COMBINE || step->kind == GM_STEP_REDUCE) &&
           step->reduce == GM_REDUCE_COUNT;
}

/* What a step needs of its one input, when `out` is needed of what it makes. */
static uint64_t needs(const struct gm_step *step, uint32_t input_count, uint64_t out)
{
    uint64_t set = 0;
    if (passes_columns(step))
        return out | named_in(&step->order);
    if (only_counts(step))
        return named_in(&step->order);
    if (step->kind == GM_STEP_APPEND_ONE)
        return out & all_of(input_count);
    if (step->kind != GM_STEP_SELECT)
        return all_of(input_count);
    for (uint32_t i = 0; i < step->order.count; i++)
        if ((out & bit(i + 1)) != 0)
            set |= bit(step->order.columns[i].column);
    return set;
}

static void needs_of_join(struct pruning *pruning, const struct gm_chain_plan *chain, uint64_t out)
{
    const struct gm_step *join = &chain->steps[0];
    const uint32_t left = chain->source.inputs[0].exchange;
    const uint32_t right = chain->source.inputs[1].exchange;
    pruning->wanted[left] = named_in(&join->order);
    pruning->wanted[right] = named_in(&join->right_keys);
    for (uint32_t c = 1; c <= join->schema.field_count; c++) {
        const struct gm_join_column from =
            gm_join_column(join, pruning->counts[left], pruning->counts[right], c);
        if ((out & bit(c)) != 0 && from.left > 0)
            pruning->wanted[left] |= bit(from.left);
        if ((out & bit(c)) != 0 && from.right > 0)
            pruning->wanted[right] |= bit(from.right);
    }
}

static bool is_join(const struct gm_chain_plan *chain)
{
    return chain->step_count > 0 && chain->steps[0].kind == GM_STEP_JOIN;
}

/* Rows have one column at least: of nothing but their number, the first is as good as any. */
static uint64_t at_least_one(uint64_t set)
{
    return set != 0 ? set : 1;
}

/* Whether only what is wanted may come to an exchange: a select can stand at the chain's end. */
static bool may_drop(const struct gm_chain_plan *chain, const struct gm_exchange_plan *exchange)
{
    return exchange->kind != GM_EXCHANGE_OUTPUT && exchange->kind != GM_EXCHANGE_SAMPLE &&
           (chain->step_count == 0 || !gm_step_is_combiner(&chain->steps[chain->step_count - 1]));
}

/* need[s]: of the input of step s, need[step_count]: of the exchange. */
static void work_out(struct pruning *pruning, const struct gm_chain_plan *chain, uint64_t *need)
{
    const struct gm_exchange_plan *exchange = &pruning->plan->exchanges[chain->exchange];
    /* Of rows that are kept the driver gets only numbers: who keeps them needs them whole. */
    const struct gm_schema *taken = exchange->cached_id != 0
                                        ? gm_plan_input_schema(chain, chain->step_count)
                                        : &exchange->schema;
    const uint64_t all = all_of(taken->field_count);
    if (!may_drop(chain, exchange))
        pruning->wanted[chain->exchange] = all;
    pruning->wanted[chain->exchange] |= named_in(&exchange->keys);
    need[chain->step_count] = pruning->wanted[chain->exchange];
    for (uint32_t s = chain->step_count; s-- > 0;)
        need[s] = at_least_one(needs(&chain->steps[s],
                                     gm_plan_input_schema(chain, s)->field_count, need[s + 1]));
    if (gm_source_is_kept(&chain->source))
        return;
    for (uint32_t i = 0; i < chain->source.input_count; i++)
        pruning->wanted[chain->source.inputs[i].exchange] =
            chain->step_count > 0 && chain->steps[0].kind == GM_STEP_COGROUP
                ? all_of(chain->source.inputs[i].schema.field_count)
                : need[0];
    if (is_join(chain))
        needs_of_join(pruning, chain, need[1]);
    for (uint32_t i = 0; i < chain->source.input_count; i++) {
        uint64_t *wanted = &pruning->wanted[chain->source.inputs[i].exchange];
        *wanted = at_least_one(*wanted);
    }
}

/* ---- what is left ---------------------------------------------------------------------------- */

/* The number of a column among those that are kept. */
static uint32_t rank(uint64_t kept, uint32_t column)
{
    return (uint32_t)__builtin_popcountll(kept & (bit(column) - 1)) + 1;
}

static void renumber(struct gleam_order *order, uint64_t kept)
{
    for (uint32_t i = 0; i < order->count; i++)
        order->columns[i].column = rank(kept, order->columns[i].column);
}

static void keep(struct gm_schema *schema, uint64_t kept)
{
    uint32_t count = 0;
    for (uint32_t c = 0; c < schema->field_count; c++)
        if ((kept & bit(c + 1)) != 0)
            schema->fields[count++] = schema->fields[c];
    schema->field_count = count;
}

/* Columns whose values may be bad, and decide then whether there is a row. */
static uint64_t deciding(const struct gm_source *source)
{
    uint64_t set = 0;
    for (uint32_t c = 1; c <= source->schema.field_count; c++)
        if (source->csv->format.on_error == GM_CSV_SKIP &&
            (source->csv->json || source->schema.fields[c - 1].kind != GLEAM_BYTES))
            set |= bit(c);
    return set;
}

static void prune_csv(struct gm_source *source, uint64_t kept)
{
    struct gm_csv_format *format = &source->csv->format;
    uint32_t count = 0;
    if (kept == all_of(source->schema.field_count))
        return;
    for (uint32_t c = 0; c < format->column_count; c++)
        if ((kept & bit(c + 1)) != 0)
            format->columns[count++] = format->columns[c];
    format->column_count = count;
    /* Objects have members by name, and as many as they like. */
    if (source->csv->json) {
        format->field_count = count;
        for (uint32_t c = 0; c < count; c++)
            format->columns[c].field = (uint16_t)c;
    }
    keep(&source->schema, kept);
}

/* Returns what is kept of the rows that the source makes, a join's step included. */
static uint64_t prune_source(struct pruning *pruning, struct gm_chain_plan *chain, uint64_t need)
{
    struct gm_source *source = &chain->source;
    uint64_t kept = all_of(source->schema.field_count);
    if (source->kind == GM_SOURCE_CSV) {
        kept = need | deciding(source);
        prune_csv(source, kept);
    }
    if (gm_source_is_kept(source))
        return kept;
    for (uint32_t i = 0; i < source->input_count; i++)
        keep(&source->inputs[i].schema, pruning->kept[source->inputs[i].exchange]);
    if (source->input_count == 0)
        return kept;
    kept = pruning->kept[source->inputs[0].exchange];
    keep(&source->schema, kept);
    return kept;
}

/* A join's columns are those that its sides have. */
static uint64_t prune_join(struct pruning *pruning, struct gm_chain_plan *chain)
{
    struct gm_step *join = &chain->steps[0];
    const uint32_t left = chain->source.inputs[0].exchange;
    const uint32_t right = chain->source.inputs[1].exchange;
    uint64_t kept = 0;
    for (uint32_t c = 1; c <= join->schema.field_count; c++) {
        const struct gm_join_column from =
            gm_join_column(join, pruning->counts[left], pruning->counts[right], c);
        if ((from.left > 0 && (pruning->kept[left] & bit(from.left)) != 0) ||
            (from.right > 0 && (pruning->kept[right] & bit(from.right)) != 0))
            kept |= bit(c);
    }
    renumber(&join->order, pruning->kept[left]);
    renumber(&join->right_keys, pruning->kept[right]);
    keep(&join->schema, kept);
    return kept;
}

/* Rewrites a step whose input has `in`; need: of what it makes.  Returns what is kept of that. */
static uint64_t prune_step(struct gm_step *step, uint32_t input_count, uint64_t in, uint64_t need)
{
    const uint64_t all = all_of(step->schema.field_count);
    uint64_t kept = all;
    if (step->kind == GM_STEP_SELECT) {
        uint32_t count = 0;
        kept = at_least_one(need & all);
        for (uint32_t i = 0; i < step->order.count; i++)
            if ((kept & bit(i + 1)) != 0)
                step->order.columns[count++] = step->order.columns[i];
        step->order.count = count;
    } else if (step->kind == GM_STEP_APPEND_ONE) {
        kept = in | bit(input_count + 1);
    } else if (passes_columns(step)) {
        kept = in;
    }
    renumber(&step->order, in);
    keep(&step->schema, kept);
    return kept;
}

/* What is not wanted behind an exchange is left in front of it. */
static void prune_exchange(struct pruning *pruning, struct gm_chain_plan *chain, uint64_t kept)
{
    struct gm_exchange_plan *exchange = &pruning->plan->exchanges[chain->exchange];
    const uint64_t wanted = pruning->wanted[chain->exchange];
    if (exchange->kind == GM_EXCHANGE_OUTPUT)
        return; /* the driver knows what it gets */
    if (kept != wanted && may_drop(chain, exchange)) {
        struct gm_step select = {.kind = GM_STEP_SELECT, .name = "select"};
        select.schema = *gm_plan_input_schema(chain, chain->step_count);
        for (uint32_t c = 1; c <= GM_FIELDS_MAX; c++)
            if ((wanted & bit(c)) != 0)
                select.order = gleam_then_by(select.order, rank(kept, c), true);
        struct gm_schema from = select.schema;
        select.schema.field_count = select.order.count;
        for (uint32_t i = 0; i < select.order.count; i++)
            select.schema.fields[i] = from.fields[select.order.columns[i].column - 1];
        gm_chain_insert(chain, chain->step_count, &select);
        kept = wanted;
    }
    pruning->kept[chain->exchange] = kept;
    renumber(&exchange->keys, kept);
    keep(&exchange->schema, kept);
}

static void prune_chain(struct pruning *pruning, struct gm_chain_plan *chain, const uint64_t *need)
{
    const uint32_t step_count = chain->step_count;
    uint32_t input_count = chain->source.schema.field_count;
    uint32_t first = 0;
    uint64_t kept = prune_source(pruning, chain, need[0]);
    if (is_join(chain)) {
        input_count = chain->steps[0].schema.field_count;
        kept = prune_join(pruning, chain);
        first = 1;
    }
    for (uint32_t s = first; s < step_count; s++) {
        const uint32_t count = chain->steps[s].schema.field_count; /* as it was */
        kept = prune_step(&chain->steps[s], input_count, kept, need[s + 1]);
        input_count = count;
    }
    prune_exchange(pruning, chain, kept);
}

void gm_plan_prune(struct gm_plan *plan)
{
    struct pruning pruning = {.plan = plan};
    uint64_t **needs_of = calloc(plan->chain_count + 1, sizeof *needs_of);
    GM_CHECK(needs_of != NULL);
    for (uint32_t e = 0; e < plan->exchange_count; e++) {
        pruning.counts[e] = plan->exchanges[e].schema.field_count;
        pruning.wanted[e] = pruning.kept[e] = all_of(pruning.counts[e]);
    }
    /* A chain comes before the one that it feeds. */
    for (uint32_t c = plan->chain_count; c-- > 0;) {
        needs_of[c] = calloc(plan->chains[c].step_count + 1, sizeof *needs_of[c]);
        GM_CHECK(needs_of[c] != NULL);
        work_out(&pruning, &plan->chains[c], needs_of[c]);
    }
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        prune_chain(&pruning, &plan->chains[c], needs_of[c]);
        free(needs_of[c]);
    }
    free(needs_of);
}
