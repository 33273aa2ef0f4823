#include "shuffle/pool.h"

#include <stdatomic.h>
#include <stddef.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "shuffle/port/step.h"

#define POOL_MAGIC UINT32_C(0x314c5047) /* "GPL1" */
#define POOL_NONE UINT32_MAX            /* end of the list */
#define POOL_OUT (UINT32_MAX - 1)       /* in next: the frame is out, not on the list */
#define POOL_FRAMES_MAX (UINT32_C(1) << 30)
#define POOL_ACCOUNTS_MAX ((uint32_t)GM_EXCHANGES_MAX * GM_EXECUTORS_MAX)

/* Memory:  [label] [next of every frame, downwards] [struct gm_pool] [accounts].
 * The pool lies between its two arrays, so that no address depends on a count in shared
 * memory: a participant that checked index and account against its private copy of the region's
 * spec cannot be led outside, whatever an executor wrote over here. */
struct pool_label {
    _Alignas(GM_LINE_BYTES) uint32_t magic;
    uint32_t frame_count;
    uint32_t account_count;
};

struct pool_account {
    _Alignas(GM_LINE_BYTES) _Atomic uint32_t out_count;
    uint32_t quota_frames;
};

struct gm_pool {
    _Alignas(GM_LINE_BYTES) uint32_t magic;
    uint32_t frame_count;
    uint32_t account_count;
    _Alignas(GM_LINE_BYTES) _Atomic uint64_t head; /* generation in the high half, index below */
    struct pool_account accounts[];
};

_Static_assert(sizeof(struct pool_label) == GM_LINE_BYTES, "shared by processes");
_Static_assert(sizeof(struct pool_account) == GM_LINE_BYTES, "a line of its own");
_Static_assert(sizeof(struct gm_pool) == 2 * GM_LINE_BYTES, "shared by processes");

static uint64_t next_bytes(uint32_t frame_count)
{
    uint64_t bytes = (uint64_t)frame_count * sizeof(uint32_t);
    return (bytes + GM_LINE_BYTES - 1) / GM_LINE_BYTES * GM_LINE_BYTES;
}

static _Atomic uint32_t *next_of(const struct gm_pool *pool, uint32_t index)
{
    return (_Atomic uint32_t *)(uintptr_t)pool - 1 - index;
}

uint64_t gm_pool_footprint(uint32_t frame_count, uint32_t account_count)
{
    if (frame_count == 0 || frame_count > POOL_FRAMES_MAX)
        return 0;
    if (account_count == 0 || account_count > POOL_ACCOUNTS_MAX)
        return 0;
    return sizeof(struct pool_label) + next_bytes(frame_count) + sizeof(struct gm_pool) +
           (uint64_t)account_count * sizeof(struct pool_account);
}

void gm_pool_new(void *memory, uint32_t frame_count, uint32_t account_count)
{
    GM_CHECK(gm_pool_footprint(frame_count, account_count) != 0);
    GM_CHECK((uintptr_t)memory % GM_LINE_BYTES == 0);
    struct pool_label *label = memory;
    label->frame_count = frame_count;
    label->account_count = account_count;
    struct gm_pool *pool =
        (struct gm_pool *)((uint8_t *)memory + sizeof(*label) + next_bytes(frame_count));
    pool->frame_count = frame_count;
    pool->account_count = account_count;
    for (uint32_t i = 0; i < frame_count; i++) {
        uint32_t behind = i + 1 < frame_count ? i + 1 : POOL_NONE;
        atomic_store_explicit(next_of(pool, i), behind, memory_order_relaxed);
    }
    atomic_store_explicit(&pool->head, 0, memory_order_relaxed);
    for (uint32_t i = 0; i < account_count; i++) {
        atomic_store_explicit(&pool->accounts[i].out_count, 0, memory_order_relaxed);
        pool->accounts[i].quota_frames = 0;
    }
    pool->magic = POOL_MAGIC;
    label->magic = POOL_MAGIC;
}

struct gm_pool *gm_pool_join(void *memory, uint32_t frame_count, uint32_t account_count)
{
    GM_CHECK(gm_pool_footprint(frame_count, account_count) != 0);
    const struct pool_label *label = memory;
    if (label->magic != POOL_MAGIC || label->frame_count != frame_count ||
        label->account_count != account_count)
        return NULL;
    /* The caller's count says where: no count of shared memory is followed. */
    struct gm_pool *pool =
        (struct gm_pool *)((uint8_t *)memory + sizeof(*label) + next_bytes(frame_count));
    if (pool->magic != POOL_MAGIC || pool->frame_count != frame_count ||
        pool->account_count != account_count)
        return NULL;
    return pool;
}

void gm_pool_set_quota(struct gm_pool *pool, uint32_t account, uint32_t quota_frames)
{
    GM_CHECK(account < pool->account_count);
    pool->accounts[account].quota_frames = quota_frames;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < pool->account_count; i++)
        sum += pool->accounts[i].quota_frames;
    GM_CHECK(sum <= pool->frame_count);
}

/* The list holds a frame whenever the quota does (see gm_pool_give), so this fails only when
 * somebody wrote over the list; then there is none rather than a wild one. */
static uint32_t list_pop(struct gm_pool *pool)
{
    uint64_t head = atomic_load_explicit(&pool->head, memory_order_acquire);
    for (;;) {
        uint32_t index = (uint32_t)head;
        if (index >= pool->frame_count)
            return POOL_NONE;
        /* May be stale when another took the frame first; the generation then fails the swap. */
        uint32_t behind = atomic_load_explicit(next_of(pool, index), memory_order_relaxed);
        uint64_t generation = (head >> 32) + 1;
        GM_SIM_YIELD();
        if (atomic_compare_exchange_weak_explicit(&pool->head, &head, generation << 32 | behind,
                                                  memory_order_acquire, memory_order_acquire)) {
            GM_SIM_YIELD();
            atomic_store_explicit(next_of(pool, index), POOL_OUT, memory_order_relaxed);
            return index;
        }
    }
}

static void list_push(struct gm_pool *pool, uint32_t index)
{
    uint64_t head = atomic_load_explicit(&pool->head, memory_order_relaxed);
    uint64_t pushed;
    do {
        atomic_store_explicit(next_of(pool, index), (uint32_t)head, memory_order_relaxed);
        pushed = ((head >> 32) + 1) << 32 | index;
        GM_SIM_YIELD();
        /* Release: the giver's last reads of the frame, and next, come before the next taker's
         * acquire in list_pop. */
    } while (!atomic_compare_exchange_weak_explicit(&pool->head, &head, pushed,
                                                    memory_order_release, memory_order_relaxed));
}

int gm_pool_take(struct gm_pool *pool, uint32_t account, uint32_t *ret_index)
{
    GM_CHECK(account < pool->account_count);
    struct pool_account *entry = &pool->accounts[account];
    if (atomic_load_explicit(&entry->out_count, memory_order_relaxed) >= entry->quota_frames)
        return GM_AGAIN;
    GM_SIM_YIELD();
    /* Acquire pairs with the release in gm_pool_give: who sees the place sees the frame. */
    uint32_t before = atomic_fetch_add_explicit(&entry->out_count, 1, memory_order_acquire);
    GM_SIM_YIELD();
    uint32_t index = before < entry->quota_frames ? list_pop(pool) : POOL_NONE;
    if (index == POOL_NONE) {
        atomic_fetch_sub_explicit(&entry->out_count, 1, memory_order_relaxed);
        return GM_AGAIN;
    }
    GM_SIM_YIELD();
    *ret_index = index;
    return 0;
}

void gm_pool_give(struct gm_pool *pool, uint32_t account, uint32_t index)
{
    /* Absurd or given twice: dropped.  It would be a frame with two owners; and aborting would let
     * an executor that wrote over the pool take the driver along. */
    if (index >= pool->frame_count || account >= pool->account_count)
        return;
    uint32_t out = POOL_OUT;
    if (!atomic_compare_exchange_strong_explicit(next_of(pool, index), &out, POOL_NONE,
                                                 memory_order_relaxed, memory_order_relaxed))
        return;
    GM_SIM_YIELD();
    list_push(pool, index);
    GM_SIM_YIELD();
    /* After the push: out_count never says less than what is missing from the list. */
    atomic_fetch_sub_explicit(&pool->accounts[account].out_count, 1, memory_order_release);
}

uint32_t gm_pool_out(const struct gm_pool *pool, uint32_t account)
{
    GM_CHECK(account < pool->account_count);
    return atomic_load_explicit(&pool->accounts[account].out_count, memory_order_relaxed);
}

uint32_t gm_pool_frame_count(const struct gm_pool *pool)
{
    return pool->frame_count;
}

bool gm_pool_is_sound(const struct gm_pool *pool, uint32_t frame_count, uint32_t account_count)
{
    if (pool->magic != POOL_MAGIC || pool->frame_count != frame_count ||
        pool->account_count != account_count)
        return false;
    uint32_t head = (uint32_t)atomic_load_explicit(&pool->head, memory_order_relaxed);
    if (head >= frame_count && head != POOL_NONE)
        return false;
    for (uint32_t i = 0; i < account_count; i++) {
        const struct pool_account *account = &pool->accounts[i];
        uint32_t out = atomic_load_explicit(&account->out_count, memory_order_relaxed);
        /* A taker that finds the quota used up has counted itself for a moment. */
        if (account->quota_frames > frame_count || out > account->quota_frames + 1)
            return false;
    }
    return true;
}

uint32_t gm_pool_free_count(const struct gm_pool *pool)
{
    uint32_t count = 0;
    uint32_t index = (uint32_t)atomic_load_explicit(&pool->head, memory_order_acquire);
    while (index < pool->frame_count && count < pool->frame_count) {
        count++;
        index = atomic_load_explicit(next_of(pool, index), memory_order_relaxed);
    }
    return count;
}
