/* chain.c - the loop over a chain's operators.
 *
 * Work always goes on at the deepest operator that has some, so at most one batch lies between two
 * neighbours, and the bytes that a batch points at are alive while it does.
 */
#include "engine/chain/chain.h"

#include "engine/base/check.h"

struct level {
    struct gm_op op;
    struct gm_batch out;
    const struct gm_batch *in;
    bool more; /* process is to be called with `in` */
    void **states; /* by partition; one for all in executor scope; NULL: not begun */
    uint64_t rows_out;
    struct gm_meter meter;
    uint64_t spilled_bytes;
};

enum phase {
    PHASE_RUNNING,   /* batches from the source */
    PHASE_PARTITION, /* finishing one partition's operators */
    PHASE_PICK,      /* the source has ended: the next partition that was begun is to finish */
    PHASE_EXECUTOR,  /* finishing the executor-scope operator */
    PHASE_SINK,
    PHASE_DONE,
};

struct gm_chain {
    struct gm_chain_spec spec;
    struct level *levels;
    uint32_t level_count;
    uint32_t partition_levels; /* levels before the executor-scope operator */
    uint32_t state_count;      /* per level */
    bool every_partition;      /* some operator must see each */
    bool *begun;               /* by partition */
    enum phase phase;
    uint32_t partition;      /* of the batch under way */
    uint32_t finishing;      /* the level whose finish runs */
    bool source_ended;
    bool may_skip; /* the source may have more of the current partition */
    uint32_t next_partition; /* PHASE_PICK */
    const struct gm_batch *sink_batch;
    uint64_t source_rows;
    struct gm_meter source_meter, sink_meter;
};

static void show(const struct gm_chain *chain, uint32_t step)
{
    if (chain->spec.step_shown == NULL)
        return;
    atomic_store_explicit(chain->spec.chain_shown, chain->spec.chain_index, memory_order_relaxed);
    atomic_store_explicit(chain->spec.step_shown, step, memory_order_relaxed);
}

static int open_level(struct gm_chain *chain, uint32_t index)
{
    const struct gm_chain_spec *spec = &chain->spec;
    struct level *level = &chain->levels[index];
    level->op = (struct gm_op){
        .ops = gm_op_find(spec->plan->steps[index].kind),
        .step = &spec->plan->steps[index],
        .input_schema = gm_plan_input_schema(spec->plan, index),
        .heap = spec->heap,
        .error = spec->error,
        .budget_bytes = spec->budget_bytes,
        .spill = spec->spill,
        .spill_at_bytes = spec->spill_at_bytes,
        .holdings = spec->holdings,
        .spilled_bytes = &level->spilled_bytes,
        .chain_index = spec->chain_index,
        .shared = spec->shared,
        .counters = spec->counters,
        .claim = spec->claim,
        .found = spec->found,
        .claim_end = spec->plan->source.partition_count,
        .inputs = index == 0 ? spec->plan->source.inputs : NULL,
        .input_count = index == 0 ? spec->plan->source.input_count : 0,
        .processes = spec->processes,
        .measured = spec->sink.measured,
        .sink = spec->sink.self,
    };
    chain->every_partition = chain->every_partition || level->op.ops->every_partition;
    if (level->op.ops->begin != NULL) {
        level->states =
            gm_heap_zalloc(spec->heap, chain->state_count * sizeof *level->states);
        if (level->states == NULL)
            return GM_ETASK_MEMORY;
    }
    return level->op.ops->open(&level->op);
}

int gm_chain_create(const struct gm_chain_spec *spec, struct gm_chain **ret_chain)
{
    struct gm_chain *chain = gm_heap_zalloc(spec->heap, sizeof *chain);
    int rc = chain == NULL ? GM_ETASK_MEMORY : 0;
    if (rc == 0) {
        chain->spec = *spec;
        chain->state_count = spec->plan->source.partition_count;
        chain->begun = gm_heap_zalloc(spec->heap, chain->state_count);
        chain->levels =
            gm_heap_zalloc(spec->heap, (spec->plan->step_count + 1) * sizeof *chain->levels);
        if (chain->begun == NULL || chain->levels == NULL)
            rc = GM_ETASK_MEMORY;
    }
    for (uint32_t i = 0; rc == 0 && i < spec->plan->step_count; i++) {
        chain->level_count = i + 1;
        rc = open_level(chain, i);
        if (rc == 0 && !chain->levels[i].op.ops->executor_scope) {
            /* The combiner is the last step before an exchange; nothing stands behind it. */
            GM_CHECK(chain->partition_levels == i);
            chain->partition_levels = i + 1;
        }
    }
    if (rc < 0) {
        gm_error_set(spec->error, rc,
                     "chain %u: there is no room for its buffers in this executor's share of the "
                     "memory: give more with --memory",
                     spec->chain_index);
        gm_chain_destroy(chain);
        return rc;
    }
    *ret_chain = chain;
    return 0;
}

/* Ends what partitions still have of a level. */
static void end_states(struct gm_chain *chain, struct level *level)
{
    if (level->states == NULL)
        return;
    for (uint32_t p = 0; p < chain->state_count; p++)
        if (level->states[p] != NULL)
            level->op.ops->end(&level->op, level->states[p]);
    gm_heap_free(chain->spec.heap, level->states, chain->state_count * sizeof *level->states);
    level->states = NULL;
}

void gm_chain_destroy(struct gm_chain *chain)
{
    if (chain == NULL)
        return;
    struct gm_heap *heap = chain->spec.heap;
    for (uint32_t i = 0; i < chain->level_count; i++) {
        struct level *level = &chain->levels[i];
        end_states(chain, level);
        level->op.ops->close(&level->op);
    }
    gm_heap_free(heap, chain->levels, (chain->spec.plan->step_count + 1) * sizeof *chain->levels);
    gm_heap_free(heap, chain->begun, chain->state_count);
    gm_heap_free(heap, chain, sizeof *chain);
}

static void *state_of(const struct gm_chain *chain, const struct level *level)
{
    if (level->states == NULL)
        return NULL;
    return level->states[level->op.ops->executor_scope ? 0 : chain->partition];
}

/* Makes the states of the current partition. */
static int begin_partition(struct gm_chain *chain)
{
    if (chain->begun[chain->partition])
        return 0;
    for (uint32_t i = 0; i < chain->level_count; i++) {
        struct level *level = &chain->levels[i];
        if (level->states == NULL)
            continue;
        void **slot = &level->states[level->op.ops->executor_scope ? 0 : chain->partition];
        if (*slot != NULL)
            continue;
        level->op.partition = chain->partition;
        int rc = level->op.ops->begin(&level->op, slot);
        if (rc < 0)
            return gm_error_set(chain->spec.error, rc,
                                "%s: step '%s': there is no room for partition %u in this "
                                "executor's share of the memory: give more with --memory",
                                level->op.step->where, level->op.step->name, chain->partition);
    }
    chain->begun[chain->partition] = true;
    return 0;
}

/* Hands a batch to level `index`, or to the sink behind the last. */
static void feed(struct gm_chain *chain, uint32_t index, const struct gm_batch *batch)
{
    if (batch->row_count == 0)
        return;
    if (index == chain->level_count) {
        chain->sink_batch = batch;
        return;
    }
    chain->levels[index].in = batch;
    chain->levels[index].more = true;
}

static void clear(struct level *level, uint32_t origin)
{
    level->out.row_count = 0;
    level->out.column_count = 0;
    level->out.origin = origin;
}

static void count_rows(struct level *level)
{
    level->rows_out += level->out.row_count + level->op.hidden_rows;
    level->op.hidden_rows = 0;
}

/* What stands in front of level `end` need not make more rows of the current partition. */
static void stop_before(struct gm_chain *chain, uint32_t end)
{
    for (uint32_t i = 0; i < end; i++) {
        struct level *level = &chain->levels[i];
        void *state = state_of(chain, level);
        if (level->op.ops->stop != NULL && state != NULL)
            level->op.ops->stop(&level->op, state);
    }
}

/* Level `end` has all it wants of the current partition: operators in front of it that could make
 * rows for ever (a person's iterator) leave the batch at hand. */
static void abandon_before(struct gm_chain *chain, uint32_t end)
{
    const struct level *satisfied = &chain->levels[end];
    if (satisfied->op.ops->satisfied == NULL ||
        !satisfied->op.ops->satisfied(&satisfied->op, state_of(chain, satisfied)))
        return;
    for (uint32_t i = 0; i < end; i++) {
        struct level *level = &chain->levels[i];
        if (!level->more || level->op.ops->abandon == NULL)
            continue;
        level->op.ops->abandon(&level->op);
        level->more = false;
    }
}

/* One call of the deepest operator that has input.  Returns 0, GM_END when none has, GM_AGAIN when
 * it waits, or < 0. */
static int process_deepest(struct gm_chain *chain)
{
    for (uint32_t i = chain->level_count; i-- > 0;) {
        struct level *level = &chain->levels[i];
        if (!level->more)
            continue;
        clear(level, level->in->origin);
        show(chain, i);
        level->op.partition = chain->partition;
        const uint64_t begin_ns = gm_meter_begin(&chain->spec.clock);
        int rc = level->op.ops->process(&level->op, state_of(chain, level), level->in, &level->out);
        gm_meter_end(&chain->spec.clock, &level->meter, begin_ns, rc < 0 ? NULL : &level->out);
        if (rc < 0 || rc == GM_AGAIN)
            return rc;
        level->more = rc == GM_OP_HAVE_MORE;
        count_rows(level);
        feed(chain, i + 1, &level->out);
        if (rc == GM_OP_ENOUGH)
            stop_before(chain, i);
        abandon_before(chain, i);
        return 0;
    }
    return GM_END;
}

/* Moves everything that is under way into the sink.  Returns 0 when nothing is left, GM_AGAIN when
 * the sink is full or an operator waits, or < 0. */
static int drain(struct gm_chain *chain, bool *progressed)
{
    for (;;) {
        if (chain->sink_batch != NULL) {
            show(chain, chain->level_count);
            const uint64_t begin_ns = gm_meter_begin(&chain->spec.clock);
            int rc = chain->spec.sink.push(chain->spec.sink.self, chain->sink_batch,
                                           chain->partition);
            gm_meter_end(&chain->spec.clock, &chain->sink_meter, begin_ns, NULL);
            if (rc != 0)
                return rc;
            *progressed = true;
            chain->sink_batch = NULL;
        }
        int rc = process_deepest(chain);
        if (rc == GM_END)
            return 0;
        if (rc != 0)
            return rc;
        *progressed = true;
    }
}

/* Runs finish of levels [chain->finishing, end) for the current partition.  Returns 0 when all are
 * done, or what drain returns. */
static int finish_levels(struct gm_chain *chain, uint32_t end, bool *progressed)
{
    for (;;) {
        int rc = drain(chain, progressed);
        if (rc != 0)
            return rc;
        if (chain->finishing >= end)
            return 0;
        struct level *level = &chain->levels[chain->finishing];
        void *state = state_of(chain, level);
        if (level->op.ops->finish == NULL || state == NULL) {
            chain->finishing++;
            continue;
        }
        clear(level, 0);
        show(chain, chain->finishing);
        level->op.partition = chain->partition;
        const uint64_t begin_ns = gm_meter_begin(&chain->spec.clock);
        rc = level->op.ops->finish(&level->op, state, &level->out);
        gm_meter_end(&chain->spec.clock, &level->meter, begin_ns, rc < 0 ? NULL : &level->out);
        if (rc < 0 || rc == GM_AGAIN)
            return rc;
        *progressed = true;
        count_rows(level);
        feed(chain, chain->finishing + 1, &level->out);
        if (rc == GM_OP_NEED_INPUT)
            chain->finishing++;
    }
}

/* Frees the states of the current partition. */
static void end_partition(struct gm_chain *chain)
{
    for (uint32_t i = 0; i < chain->partition_levels; i++) {
        struct level *level = &chain->levels[i];
        if (level->states == NULL || level->states[chain->partition] == NULL)
            continue;
        level->op.ops->end(&level->op, level->states[chain->partition]);
        level->states[chain->partition] = NULL;
    }
    chain->begun[chain->partition] = false;
}

/* Some operator has all it wants of the current partition. */
static bool is_satisfied(const struct gm_chain *chain)
{
    for (uint32_t i = 0; i < chain->partition_levels; i++) {
        const struct level *level = &chain->levels[i];
        if (level->op.ops->satisfied != NULL &&
            level->op.ops->satisfied(&level->op, state_of(chain, level)))
            return true;
    }
    return false;
}

/* The source has nothing now: operators that wait for the world hand on what has come meanwhile for
 * the partition of the last batch.  Returns 0, GM_AGAIN when there was nothing, or < 0. */
static int run_idle(struct gm_chain *chain, bool *progressed)
{
    for (uint32_t i = chain->level_count; i-- > 0;) {
        struct level *level = &chain->levels[i];
        if (level->op.ops->idle == NULL || !chain->begun[chain->partition])
            continue;
        clear(level, chain->partition);
        level->op.partition = chain->partition;
        show(chain, i);
        int rc = level->op.ops->idle(&level->op, state_of(chain, level), &level->out);
        if (rc < 0)
            return rc;
        if (level->out.row_count == 0)
            continue;
        *progressed = true;
        count_rows(level);
        feed(chain, i + 1, &level->out);
        return drain(chain, progressed);
    }
    return GM_AGAIN;
}

static int run_source(struct gm_chain *chain, bool *progressed)
{
    int rc = drain(chain, progressed);
    if (rc != 0)
        return rc;
    if (chain->may_skip && chain->spec.source.skip != NULL && chain->begun[chain->partition] &&
        is_satisfied(chain)) {
        chain->spec.source.skip(chain->spec.source.self);
        chain->may_skip = false;
    }
    const struct gm_batch *batch = NULL;
    uint32_t partition = 0;
    show(chain, GM_STEP_SHOWN_SOURCE);
    const uint64_t begin_ns = gm_meter_begin(&chain->spec.clock);
    rc = chain->spec.source.next(chain->spec.source.self, &batch, &partition);
    gm_meter_end(&chain->spec.clock, &chain->source_meter, begin_ns, rc == 0 ? batch : NULL);
    if (rc == GM_AGAIN)
        return run_idle(chain, progressed);
    if (rc < 0)
        return rc;
    *progressed = true;
    if (rc == GM_END) {
        chain->source_ended = true;
        chain->phase = PHASE_PICK;
        return 0;
    }
    GM_CHECK(partition < chain->state_count);
    chain->may_skip = chain->may_skip && partition == chain->partition;
    chain->partition = partition;
    if (rc == GM_PARTITION_END) {
        chain->may_skip = false;
        chain->finishing = 0;
        if (chain->every_partition)
            rc = begin_partition(chain);
        if (chain->begun[partition])
            chain->phase = PHASE_PARTITION;
        return rc < 0 ? rc : 0;
    }
    if (batch->row_count == 0)
        return 0;
    rc = begin_partition(chain);
    if (rc < 0)
        return rc;
    chain->source_rows += batch->row_count;
    chain->may_skip = true;
    feed(chain, 0, batch);
    return drain(chain, progressed);
}

/* Partitions of claimed sources have told their end, with rows or without; those of an exchange
 * live where its rows go. */
static bool is_due(const struct gm_chain *chain, uint32_t partition)
{
    return chain->every_partition && chain->spec.plan->source.kind == GM_SOURCE_EXCHANGE &&
           partition % chain->spec.executor_count == chain->spec.participant;
}

/* The next partition that was begun, or must be, is finished, or, behind the last, the
 * executor-scope operator. */
static int pick_partition(struct gm_chain *chain)
{
    while (chain->next_partition < chain->state_count && !chain->begun[chain->next_partition] &&
           !is_due(chain, chain->next_partition))
        chain->next_partition++;
    if (chain->next_partition == chain->state_count) {
        chain->finishing = chain->partition_levels;
        chain->phase = PHASE_EXECUTOR;
        return 0;
    }
    chain->partition = chain->next_partition++;
    chain->finishing = 0;
    chain->phase = PHASE_PARTITION;
    return begin_partition(chain);
}

static int run_phase(struct gm_chain *chain, bool *progressed)
{
    int rc;
    uint64_t begin_ns;
    switch (chain->phase) {
    case PHASE_RUNNING:
        return run_source(chain, progressed);
    case PHASE_PARTITION:
        rc = finish_levels(chain, chain->partition_levels, progressed);
        if (rc != 0)
            return rc;
        end_partition(chain);
        chain->phase = chain->source_ended ? PHASE_PICK : PHASE_RUNNING;
        return 0;
    case PHASE_PICK:
        return pick_partition(chain);
    case PHASE_EXECUTOR:
        rc = finish_levels(chain, chain->level_count, progressed);
        if (rc != 0)
            return rc;
        /* A combiner's table is of no use any more, and the chains behind it want the memory. */
        for (uint32_t i = 0; i < chain->level_count; i++)
            end_states(chain, &chain->levels[i]);
        chain->phase = PHASE_SINK;
        return 0;
    case PHASE_SINK:
        begin_ns = gm_meter_begin(&chain->spec.clock);
        rc = chain->spec.sink.finish(chain->spec.sink.self);
        gm_meter_end(&chain->spec.clock, &chain->sink_meter, begin_ns, NULL);
        if (rc == 0) {
            *progressed = true;
            chain->phase = PHASE_DONE;
        }
        return rc;
    default:
        return GM_END;
    }
}

int gm_chain_run(struct gm_chain *chain, uint32_t batches_max)
{
    bool progressed = false;
    for (uint32_t i = 0; i < batches_max; i++) {
        int rc = run_phase(chain, &progressed);
        if (rc == GM_AGAIN)
            return progressed ? 0 : GM_AGAIN;
        if (rc != 0)
            return rc;
    }
    return 0;
}

void gm_chain_set_spill_at(struct gm_chain *chain, uint64_t bytes)
{
    for (uint32_t i = 0; i < chain->level_count; i++)
        chain->levels[i].op.spill_at_bytes = bytes;
}

uint64_t gm_chain_rows(const struct gm_chain *chain, uint32_t index)
{
    return index == 0 ? chain->source_rows : chain->levels[index - 1].rows_out;
}

struct gm_meter gm_chain_meter(const struct gm_chain *chain, uint32_t index)
{
    return index == 0                    ? chain->source_meter
           : index <= chain->level_count ? chain->levels[index - 1].meter
                                         : chain->sink_meter;
}

uint64_t gm_chain_spilled_bytes(const struct gm_chain *chain, uint32_t step)
{
    return chain->levels[step].spilled_bytes;
}
