/* chain.h - runs one chain of the plan: source, operators, sink, in one cooperative loop.
 *
 * Threads:   one executor's thread.
 * Blocking:  never.  A full sink leaves everything where it is; the next gm_chain_run goes on
 *            there.
 * Partitions: a source may mix batches of several partitions (an exchange) or give one after the
 *            other (files).  Operators keep a state per partition, made at its first batch, or
 *            at its end where an operator must see every partition.
 *
 * Pure: the source and the sink are tables of functions; the executor gives real ones, tests and
 * the simulator theirs.
 */
#ifndef GM_CHAIN_CHAIN_H
#define GM_CHAIN_CHAIN_H

#include <stdatomic.h>

#include "engine/chain/meter.h"
#include "engine/flow/plan.h"
#include "engine/op/op.h"
#include "engine/row/batch.h"

/* Further return of a source's next. */
#define GM_PARTITION_END 4

struct gm_chain_source {
    void *self;
    /* 0: *ret_batch, maybe without rows, is lent until the next call, and belongs to
     * *ret_partition; GM_PARTITION_END: that partition has no more; GM_AGAIN: nothing now; GM_END:
     * nothing ever again, every partition has ended; < 0 with the chain's error set. */
    int (*next)(void *self, const struct gm_batch **ret_batch, uint32_t *ret_partition);
    /* Leaves out what the partition of the last batch still has; GM_PARTITION_END comes as ever.
     * NULL where a partition's rows come anyway. */
    void (*skip)(void *self);
};

struct gm_chain_sink {
    void *self;
    /* Takes a batch that comes from `partition`.  GM_AGAIN: call again with the same batch. */
    int (*push)(void *self, const struct gm_batch *batch, uint32_t partition);
    /* After the last batch; GM_AGAIN until all is sent. */
    int (*finish)(void *self);
    /* Hears how many bytes of text a partition will be, where a step measures them; or NULL. */
    void (*measured)(void *self, uint32_t partition, uint64_t bytes);
};

struct gm_chain;

struct gm_chain_spec {
    const struct gm_chain_plan *plan; /* borrowed */
    uint32_t chain_index;
    struct gm_chain_source source;
    struct gm_chain_sink sink;
    struct gm_heap *heap;
    struct gm_error *error;
    struct gm_processes *processes; /* for steps that run commands; NULL: the plan has none */
    /* Partition p of an exchange is this executor's when p % executor_count == participant;
     * looked at only for steps that see every partition. */
    uint32_t participant, executor_count;
    uint64_t budget_bytes;        /* for each operator that can give back */
    const struct gm_udf_shared *shared; /* borrowed; what functions may ask for */
    struct gm_counters *counters;       /* borrowed; where functions count */
    _Atomic uint64_t *claim; /* of a source whose partitions are claimed, and the rows that a */
    _Atomic uint64_t *found; /* limit found there; or NULL */
    const struct gm_spill *spill; /* NULL: nothing may go to disk */
    uint64_t spill_at_bytes;      /* of the heap's used_bytes */
    struct gm_holdings *holdings; /* borrowed; the executor's; NULL without spill */
    _Atomic uint32_t *chain_shown; /* ledger words for crash reports; NULL: nobody looks */
    _Atomic uint32_t *step_shown;
    struct gm_meter_clock clock; /* --analyze: every call is timed; zeroed: none is */
};

/* Returns 0 or < 0 with the error set. */
int gm_chain_create(const struct gm_chain_spec *spec, struct gm_chain **ret_chain);
void gm_chain_destroy(struct gm_chain *chain); /* at any point of its life; NULL is allowed */

/* Works on up to batches_max source batches.  Returns 0: it got on, and may have more to do;
 * GM_AGAIN: nothing could be done; GM_END: finished; < 0. */
int gm_chain_run(struct gm_chain *chain, uint32_t batches_max);

/* Another spill_at_bytes from now on. */
void gm_chain_set_spill_at(struct gm_chain *chain, uint64_t bytes);

/* Rows that the source made (index 0) and that each step made (1 + step). */
uint64_t gm_chain_rows(const struct gm_chain *chain, uint32_t index);

/* Bytes and time of the source (index 0), of each step (1 + step), and of the sink behind them
 * (time alone); zeroes without a clock. */
struct gm_meter gm_chain_meter(const struct gm_chain *chain, uint32_t index);
/* Bytes that a step has written to disk. */
uint64_t gm_chain_spilled_bytes(const struct gm_chain *chain, uint32_t step);

/* What *chain_shown says while the source is at work, in *step_shown. */
#define GM_STEP_SHOWN_SOURCE UINT32_MAX

#endif
