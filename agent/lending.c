/* lending.c - compare and exchange on the pool; everything else is this executor's own. */
#include "agent/lending.h"

/* What a heap takes beyond its need, so that it does not come again at once: it also covers what
 * operators take within one turn of an executor. */
#define STEP_BYTES_MIN (UINT64_C(2) << 20)
#define STEP_SHARE 8

static uint64_t step_bytes(const struct gm_lending *lending)
{
    const uint64_t step = lending->even_bytes / STEP_SHARE;
    return step > STEP_BYTES_MIN ? step : STEP_BYTES_MIN;
}

/* As much as there is, up to `bytes`. */
static uint64_t take(struct gm_lending *lending, uint64_t bytes)
{
    uint64_t there = atomic_load_explicit(lending->pool, memory_order_relaxed);
    uint64_t taken;
    do
        taken = there < bytes ? there : bytes;
    while (taken > 0 &&
           !atomic_compare_exchange_weak_explicit(lending->pool, &there, there - taken,
                                                  memory_order_relaxed, memory_order_relaxed));
    lending->heap->limit_bytes += taken;
    return taken;
}

/* An allocation does not fit: all of what it needs, or nothing. */
static bool grow(void *self, uint64_t bytes)
{
    struct gm_lending *lending = self;
    const uint64_t taken = take(lending, bytes);
    if (taken == bytes)
        return true;
    lending->heap->limit_bytes -= taken;
    atomic_fetch_add_explicit(lending->pool, taken, memory_order_relaxed);
    return false;
}

void gm_lending_init(struct gm_lending *lending, _Atomic uint64_t *pool, _Atomic uint64_t *asking,
                     struct gm_heap *heap, uint64_t even_bytes, uint64_t reserve_bytes)
{
    *lending = (struct gm_lending){.pool = pool,
                                   .asking = asking,
                                   .heap = heap,
                                   .least_bytes = heap->limit_bytes,
                                   .even_bytes = even_bytes,
                                   .reserve_bytes = reserve_bytes};
    heap->grow = grow;
    heap->grower = lending;
}

static void ask(struct gm_lending *lending, uint64_t wanted_bytes)
{
    if (wanted_bytes > 0 && lending->wanted_bytes == 0)
        atomic_fetch_add_explicit(lending->asking, 1, memory_order_relaxed);
    if (wanted_bytes == 0 && lending->wanted_bytes > 0)
        atomic_fetch_sub_explicit(lending->asking, 1, memory_order_relaxed);
    lending->wanted_bytes = wanted_bytes;
}

void gm_lending_end(struct gm_lending *lending)
{
    if (lending->heap == NULL)
        return;
    ask(lending, 0);
    lending->heap->grow = NULL;
    lending->heap = NULL;
}

/* Others ask, and this one has more than an even share. */
static bool is_asked(const struct gm_lending *lending)
{
    return lending->wanted_bytes == 0 && lending->heap->limit_bytes > lending->even_bytes &&
           atomic_load_explicit(lending->asking, memory_order_relaxed) > 0;
}

/* What is over comes back; a little is kept, unless others ask. */
static void give_back(struct gm_lending *lending, uint64_t need_bytes, bool asked)
{
    struct gm_heap *heap = lending->heap;
    const uint64_t kept = need_bytes + (asked ? 0 : 2 * step_bytes(lending));
    const uint64_t least = asked ? lending->even_bytes : lending->least_bytes;
    const uint64_t floor = kept > least ? kept : least;
    if (heap->limit_bytes <= floor)
        return;
    const uint64_t bytes = heap->limit_bytes - floor;
    heap->limit_bytes = floor;
    atomic_fetch_add_explicit(lending->pool, bytes, memory_order_relaxed);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t gm_lending_settle(struct gm_lending *lending)
{
    struct gm_heap *heap = lending->heap;
    const uint64_t held = heap->used_bytes + (uint64_t)heap->spare_bytes * heap->spare_count;
    /* Who had to spill, because others had it all, asks on: the next rows need it again. */
    const uint64_t need =
        larger(held + lending->reserve_bytes + step_bytes(lending), lending->wanted_bytes);
    const bool asked = is_asked(lending);
    if (heap->limit_bytes < need && !asked)
        take(lending, need - heap->limit_bytes);
    ask(lending, heap->limit_bytes < need && heap->limit_bytes < lending->even_bytes ? need : 0);
    give_back(lending, asked ? held : need, asked);
    const uint64_t limit = asked ? lending->even_bytes : heap->limit_bytes;
    return limit > lending->reserve_bytes ? limit - lending->reserve_bytes : 0;
}
