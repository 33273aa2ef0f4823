/* needs.c - looks through the steps of a plan. */
#include "agent/needs.h"

#include "engine/op/op.h"

bool gm_needs_partition_ends(const struct gm_chain_plan *chain)
{
    for (uint32_t s = 0; s < chain->step_count; s++)
        if (chain->steps[s].kind == GM_STEP_PIPE)
            return true;
    return false;
}

uint32_t gm_needs_combiners(const struct gm_plan *plan)
{
    uint32_t count = 0;
    for (uint32_t c = 0; c < plan->chain_count; c++)
        for (uint32_t s = 0; s < plan->chains[c].step_count; s++)
            count += plan->chains[c].steps[s].kind == GM_STEP_COMBINE ||
                     plan->chains[c].steps[s].kind == GM_STEP_PARTIAL_DISTINCT;
    return count > 0 ? count : 1;
}

bool gm_needs_processes(const struct gm_plan *plan)
{
    for (uint32_t c = 0; c < plan->chain_count; c++)
        for (uint32_t s = 0; s < plan->chains[c].step_count; s++)
            if (plan->chains[c].steps[s].kind == GM_STEP_PIPE ||
                plan->chains[c].steps[s].kind == GM_STEP_PIPE_ARGS)
                return true;
    return false;
}

uint32_t gm_needs_lua(const struct gm_plan *plan)
{
    uint32_t count = 0;
    for (uint32_t c = 0; c < plan->chain_count; c++)
        for (uint32_t s = 0; s < plan->chains[c].step_count; s++) {
            const struct gm_step *step = &plan->chains[c].steps[s];
            const bool folds = step->kind == GM_STEP_COMBINE || step->kind == GM_STEP_REDUCE;
            count += step->kind == GM_STEP_LUA || (folds && step->reduce == GM_REDUCE_LUA);
        }
    return count;
}

const struct gm_step *gm_needs_sort_behind(const struct gm_plan *plan, uint32_t exchange)
{
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        const struct gm_chain_plan *chain = &plan->chains[c];
        if (chain->source.kind == GM_SOURCE_EXCHANGE && chain->source.input_count == 1 &&
            chain->source.inputs[0].exchange == exchange)
            for (uint32_t s = 0; s < chain->step_count && s < 2; s++)
                if (chain->steps[s].kind == GM_STEP_SORT)
                    return &chain->steps[s];
    }
    return NULL;
}

bool gm_needs_spill(const struct gm_plan *plan)
{
    for (uint32_t c = 0; c < plan->chain_count; c++)
        for (uint32_t s = 0; s < plan->chains[c].step_count; s++)
            if (gm_op_find(plan->chains[c].steps[s].kind)->give_back != NULL)
                return true;
    return false;
}
