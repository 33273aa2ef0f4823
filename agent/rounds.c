/* rounds.c - runs that a driver is made of: several flows at once, rows for the driver itself, and
 * rounds over a cached dataset. */
#define GLEAM_NO_PLACES
#include <stdlib.h>

#include "agent/driver.h"
#include "engine/base/check.h"
#include "engine/flow/flow.h"

/* What went wrong in the middle of building breaks the flow; gleam_run tells of it. */
static struct gleam_dataset *break_off(struct gleam_flow *flow, int status)
{
    flow->broken = true;
    flow->status = status;
    return NULL;
}

int gleam_run_all(struct gleam_flow *const *flows, size_t count)
{
    int status = 0;
    if (gm_driver_shows_plan() || count == 0) {
        for (size_t i = 0; i < count && status == 0; i++)
            status = gleam_run(flows[i]);
        return status;
    }
    struct gm_plan_part *parts = calloc(count, sizeof *parts);
    GM_CHECK(parts != NULL);
    for (size_t i = 0; i < count; i++) {
        parts[i].flow = flows[i];
        for (size_t j = 0; j < i; j++)
            if (flows[j] == flows[i]) {
                free(parts);
                gm_driver_say("a flow is given twice to run beside itself");
                return 1;
            }
        if (flows[i]->broken && flows[i]->status != 0)
            status = flows[i]->status;
    }
    if (status == 0)
        status = gm_driver_run_parts(parts, (uint32_t)count, true);
    free(parts);
    return status;
}

int gleam_each_row(struct gleam_dataset *dataset, gleam_row_fn *function, void *argument)
{
    if (dataset == NULL)
        return 1;
    struct gleam_flow *flow = dataset->flow;
    if (flow->broken)
        return flow->status != 0 ? flow->status : 1;
    if (gm_driver_shows_plan()) {
        flow->error.code = 0;
        gm_flow_mistake(flow, "what follows depends on rows that are asked for here, so there is "
                              "no plan of it before it runs");
        return 1;
    }
    const struct gm_flow_mark mark = gm_flow_mark(flow);
    const struct gm_plan_part part = {.flow = flow, .first_output = mark.output_count};
    gleam_output_row(dataset, function, argument);
    const int status = flow->broken ? 1 : gm_driver_run_parts(&part, 1, false);
    gm_flow_drop(flow, mark);
    return status;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

struct gleam_dataset *gleam_rounds_begin(struct gleam_dataset *dataset, const char *step)
{
    struct gleam_dataset *rounds =
        gleam_cache(dataset, step != NULL && step[0] != '\0' ? step : "rounds");
    if (rounds == NULL || rounds->flow->broken)
        return NULL;
    const int status = gm_driver_shows_plan() ? 0 : gm_driver_fill(rounds);
    if (status != 0)
        return break_off(rounds->flow, status);
    rounds->cached->of_rounds = true;
    rounds->cached->mark = gm_flow_mark(rounds->flow);
    return rounds;
}

struct gleam_dataset *gleam_rounds_compute(struct gleam_dataset *rounds,
                                           struct gleam_dataset *next)
{
    if (rounds == NULL)
        return NULL;
    struct gleam_flow *flow = rounds->flow;
    if (flow->broken)
        return NULL;
    if (next == NULL || next->flow != flow)
        return gm_flow_mistake(flow, "a round gives no dataset of its own flow");
    if (flow->output_count != rounds->cached->mark.output_count)
        return gm_flow_mistake(flow, "a round has no outputs of its own: they belong behind the "
                                     "last one");
    struct gleam_dataset *made = gleam_cache(next, rounds->name);
    if (made == NULL || gm_driver_shows_plan())
        return made;
    const int status = gm_driver_fill(made);
    return status != 0 ? break_off(flow, status) : made;
}

void gleam_rounds_end(struct gleam_dataset *rounds, struct gleam_dataset *made)
{
    if (rounds == NULL || made == NULL || gm_driver_shows_plan())
        return;
    const struct gm_flow_mark mark = rounds->cached->mark;
    struct gm_cached *before = rounds->cached;
    rounds->cached = made->cached;
    rounds->cached->of_rounds = true;
    rounds->cached->mark = mark;
    made->cached = before;
    gm_flow_drop(rounds->flow, mark);
}

struct gleam_dataset *gleam_iterate(struct gleam_dataset *dataset, const char *step,
                                    uint32_t rounds_max, gleam_round_fn *round,
                                    gleam_until_fn *until, void *argument)
{
    struct gleam_dataset *rounds = gleam_rounds_begin(dataset, step);
    for (uint32_t i = 1; i <= rounds_max && rounds != NULL; i++) {
        struct gleam_dataset *made =
            gleam_rounds_compute(rounds, round(argument, rounds, i));
        if (made == NULL)
            return NULL;
        if (gm_driver_shows_plan())
            return made; /* of one round */
        const int stop = until != NULL ? until(argument, made, rounds, i) : 0;
        if (rounds->flow->broken)
            return NULL;
        gleam_rounds_end(rounds, made);
        if (stop != 0)
            break;
    }
    return rounds;
}
