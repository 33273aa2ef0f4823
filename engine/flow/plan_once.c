/* plan_once.c - what a flow has only one of: the connection of a listener, the command that takes
 * an output's rows. */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/flow/planner_internal.h"

bool gm_planner_reads_declared(const struct gleam_dataset *node, const struct gleam_dataset *as)
{
    return as != NULL && (node->kind == GM_NODE_READ_CSV || node->listen);
}

int gm_planner_check_listener(struct planner *planner, const struct gleam_dataset *node)
{
    if (node->listen && planner->listened[node->index])
        return refuse(planner, node,
                      "several steps or outputs need what comes over this connection, and it comes "
                      "once: write it to a file first, or let one step read it");
    planner->listened[node->index] = true;
    return 0;
}

int gm_planner_write_to(struct planner *planner, const struct gleam_dataset *node)
{
    const struct gm_exchange_plan exchange = {.kind = GM_EXCHANGE_OUTPUT,
                                              .partition_count = 1,
                                              .output = node->output,
                                              .ordered = planner->ranges};
    struct gm_write_plan *write = malloc(sizeof *write);
    GM_CHECK(write != NULL);
    *write = *node->write;
    planner->schema = (struct gm_schema){0};
    gm_schema_add(&planner->schema, "text", GLEAM_BYTES, false);
    add_step(planner, GM_STEP_WRITE, node)->write = write;
    return cut(planner, node, exchange);
}
