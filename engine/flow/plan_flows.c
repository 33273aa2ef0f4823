/* plan_flows.c - one plan of the outputs of one flow or of several. */
#include <stdio.h>
#include <string.h>

#include "engine/flow/planner_internal.h"
#include "engine/flow/push.h"
#include "engine/udf/registry.h"

static int plan_outputs(struct planner *planner, const struct gm_plan_part *part,
                        uint32_t outputs_before)
{
    struct gleam_flow *flow = part->flow;
    const uint32_t exchanges_before = planner->plan.exchange_count;
    int rc = part->fill != NULL ? gm_planner_path(planner, part->fill) : 0;
    for (uint32_t i = part->first_output; i < flow->output_count && part->fill == NULL && rc == 0;
         i++)
        rc = gm_planner_path(planner, flow->nodes[flow->outputs[i].node]);
    for (uint32_t e = exchanges_before; e < planner->plan.exchange_count; e++)
        if (planner->plan.exchanges[e].kind == GM_EXCHANGE_OUTPUT && part->fill == NULL)
            planner->plan.exchanges[e].output += outputs_before - part->first_output;
    return rc;
}

/* One flow's chains and exchanges, behind those of the flows before it. */
static int plan_part(struct planner *planner, const struct gm_plan_part *part,
                     uint32_t outputs_before)
{
    struct gleam_flow *flow = part->flow;
    if (flow->broken)
        return flow->error.code;
    flow->error.code = 0;
    if (gm_registry_problem() != NULL)
        return gm_error_set(&flow->error, GM_EJOB_FLOW, "%s", gm_registry_problem());
    if (flow->output_count == 0 && part->fill == NULL)
        return gm_error_set(&flow->error, GM_EJOB_FLOW,
                            "flow '%s' has no output: end it with gleam_printf or another output",
                            flow->name);
    planner->flow = flow;
    planner->error = &flow->error;
    planner->fill = part->fill;
    planner->fill_id = part->fill_id;
    memset(planner->listened, 0, sizeof planner->listened);
    gm_planner_share(planner);
    return plan_outputs(planner, part, outputs_before);
}

int gm_planner_make_parts(const struct gm_plan_part *parts, uint32_t part_count,
                          uint32_t executor_count, gm_list_files_fn *list_files,
                          struct gm_plan *ret_plan, uint32_t *ret_failed)
{
    struct planner planner = {.executor_count = executor_count, .list_files = list_files};
    char *name = planner.plan.name;
    uint32_t outputs = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        const size_t used = strlen(name);
        snprintf(name + used, sizeof planner.plan.name - used, "%s%s", i > 0 ? ", " : "",
                 parts[i].flow->name);
        int rc = plan_part(&planner, &parts[i], outputs);
        if (rc < 0) {
            gm_plan_fini(&planner.plan);
            *ret_failed = i;
            return rc;
        }
        outputs += parts[i].flow->output_count - parts[i].first_output;
    }
    gm_plan_push(&planner.plan);
    gm_plan_prune(&planner.plan);
    *ret_plan = planner.plan;
    return 0;
}

int gm_planner_make(struct gleam_flow *flow, uint32_t executor_count, gm_list_files_fn *list_files,
                    struct gm_plan *ret_plan)
{
    const struct gm_plan_part part = {.flow = flow};
    uint32_t failed;
    return gm_planner_make_parts(&part, 1, executor_count, list_files, ret_plan, &failed);
}
