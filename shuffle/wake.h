/* wake.h - the two halves of the bell protocol (port/bell.h), on the ledger's word.
 *
 * The sleeper announces itself, then looks once more; who has something for it publishes that, then
 * looks at the announcement.  A fence stands between the two steps of each, so either the sleeper
 * sees what was published, or it is seen and rung.
 */
#ifndef GM_SHUFFLE_WAKE_H
#define GM_SHUFFLE_WAKE_H

#include "shuffle/port/bell.h"
#include "shuffle/port/step.h"
#include "shuffle/region.h"

/* ThreadSanitizer does not know fences and gcc says so.  The fences here only order announcement
 * and looks; no data is handed over by them. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif

/* Rings if whoever sits there announced its sleep, after something was published for it. */
static inline void gm_wake(const struct gm_ledger_entry *ledger, const struct gm_bell *bell,
                           uint32_t seat)
{
    atomic_thread_fence(memory_order_seq_cst);
    GM_SIM_YIELD();
    if (atomic_load_explicit(&ledger[seat].sleeping, memory_order_relaxed) != 0)
        bell->ops->ring(bell->self, (uint16_t)seat);
}

static inline void gm_sleep_announce(struct gm_ledger_entry *entry)
{
    atomic_store_explicit(&entry->sleeping, 1, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
    GM_SIM_YIELD();
}

/* After the sleep, or when it is called off. */
static inline void gm_sleep_end(struct gm_ledger_entry *entry)
{
    atomic_store_explicit(&entry->sleeping, 0, memory_order_relaxed);
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
