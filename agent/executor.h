/* executor.h - one executor: every chain of the plan for its partitions, in one cooperative loop.
 *
 * Threads:   the one that calls gm_executor_run or gm_executor_step.
 * Memory:    a heap of its own with a limit; the region's frames through the exchanges.
 * Blocking:  step never; run sleeps on the bell when nothing can be done.
 *
 * All that touches the world comes through ports, so the simulator runs the same code.
 */
#ifndef GM_AGENT_EXECUTOR_H
#define GM_AGENT_EXECUTOR_H

#include "agent/analysis.h"
#include "agent/cache.h"
#include "engine/base/error.h"
#include "engine/base/heap.h"
#include "engine/flow/plan.h"
#include "engine/udf/counters.h"
#include "shuffle/exchange.h"
#include "shuffle/port/bell.h"
#include "shuffle/port/clock.h"
#include "shuffle/port/disk.h"
#include "shuffle/port/spill_disk.h"
#include "shuffle/port/process.h"
#include "shuffle/region.h"

struct gm_executor;

struct gm_executor_ports {
    struct gm_clock clock;
    struct gm_bell bell;
    void *self;
    /* A disk for one text source, in the executor's heap.  Returns 0 or < 0. */
    int (*disk_open)(void *self, struct gm_heap *heap, struct gm_disk *ret_disk);
    void (*disk_close)(void *self, struct gm_disk *disk);
    /* The disk for what memory cannot hold, with `depth` transfers at once, in the executor's heap.
     * Returns 0 or < 0.  NULL: nothing may go to disk. */
    int (*spill_open)(void *self, struct gm_heap *heap, uint32_t depth,
                      struct gm_spill_disk *ret_disk);
    void (*spill_close)(void *self, struct gm_spill_disk *disk);
    /* Processes for the steps that run commands, in the executor's heap; asked for once, and only
     * when the plan has such steps.  NULL: there are none to be had. */
    int (*processes_open)(void *self, struct gm_heap *heap, struct gm_processes *ret_processes);
    void (*processes_close)(void *self, struct gm_processes *processes);
    /* May wrap the link (the simulator refuses and delays); NULL: the link itself. */
    void (*network_wrap)(void *self, uint16_t participant, struct gm_network *network);
};

struct gm_executor_spec {
    const struct gm_region *region; /* borrowed view of this executor's own */
    const struct gm_plan *plan;     /* borrowed */
    uint16_t participant;
    uint64_t memory_bytes; /* of the heap: an even share */
    uint64_t least_bytes;  /* of it, what is not lent; 0 or all of it: nothing is, nor borrowed */
    uint64_t spin_ns;      /* of empty looks before it sleeps */
    const char *const *spill_directories; /* borrowed */
    uint32_t spill_directory_count;
    uint64_t spill_at_bytes; /* of the heap; 0: three quarters of memory_bytes */
    struct gm_executor_ports ports;
    const _Atomic bool *cancel; /* looked at now and then; NULL: never */
    bool analyze;               /* times every call and counts bytes */
    struct gm_cache *cache;     /* borrowed, begun for the plan; NULL: the plan keeps nothing */
};

/* Returns 0 (ret_executor set) or < 0 with error. */
int gm_executor_create(const struct gm_executor_spec *spec, struct gm_executor **ret_executor,
                       struct gm_error *error);
/* Gives back every frame and byte. */
void gm_executor_destroy(struct gm_executor *executor); /* NULL is allowed */

/* A little work on every chain, downstream first.  Returns 0: it got on; GM_AGAIN: nothing can be
 * done until the bell rings or a read completes; GM_END: all chains are finished; < 0: failed. */
int gm_executor_step(struct gm_executor *executor);

/* Steps until the end.  Returns 0 or < 0. */
int gm_executor_run(struct gm_executor *executor);

/* Why it failed. */
const struct gm_error *gm_executor_error(const struct gm_executor *executor);

/* Counters of the end, as the driver adds them up. */
struct gm_chain_counts {
    uint64_t source_rows;  /* lines or rows that the source made */
    uint64_t source_words; /* of a fused tokenize step */
    uint64_t source_bytes;
    uint64_t bad_rows; /* of CSV: skipped, or filled up with nulls */
    uint64_t *step_rows; /* out of each step; owned by the struct's maker */
    uint64_t *step_spilled_bytes; /* written to disk by each step; in the same block */
};

struct gm_executor_counts {
    /* io_uring: 0 it was used, or nothing was read; 1 it was switched off; -errno of its set-up */
    int disk_refusal;
    uint64_t busy_ns;
    uint64_t heap_peak_bytes;
    struct gm_counters counters; /* what functions counted */
    bool counters_lost;          /* there were more names than fit */
    uint64_t spilled_bytes;        /* written to disk, by whatever step */
    uint64_t spilled_payload_bytes; /* what was in there, before it was compressed */
    uint64_t spill_buffered_count; /* spill files that could not bypass the page cache */
    uint32_t chain_count;
    struct gm_chain_counts *chains;       /* chain_count of them */
    struct gm_exchange_counts *exchanges; /* sent, plan->exchange_count of them */
    struct gm_analysis analysis;
    struct gm_process_counts commands;    /* of pipe steps */
    uint64_t *exchange_spilled_bytes;     /* by their senders; in the same block */
    uint64_t cached_memory_bytes, cached_disk_bytes; /* of datasets that are kept */
};

/* Allocates the tables by malloc for the plan's size, zeroed.  Returns 0 or -ENOMEM. */
int gm_executor_counts_init(struct gm_executor_counts *counts, const struct gm_plan *plan);
void gm_executor_counts_fini(struct gm_executor_counts *counts); /* accepts a zeroed one */
/* Adds what another struct of the same plan has. */
void gm_executor_counts_merge(struct gm_executor_counts *total,
                              const struct gm_executor_counts *one, const struct gm_plan *plan);
/* Adds this executor's numbers to an initialised struct. */
void gm_executor_counts_add(const struct gm_executor *executor, struct gm_executor_counts *counts);

#endif
