/* progress.c - bytes read, from the ledger, five times a second. */
#include "agent/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "engine/base/text.h"

#define TICK_NS UINT64_C(200000000)

void gm_progress_init(struct gm_progress *progress, bool quiet, uint64_t input_bytes,
                      uint64_t now_ns)
{
    *progress = (struct gm_progress){
        .on = !quiet && isatty(STDERR_FILENO) == 1,
        .begin_ns = now_ns,
        .next_ns = now_ns + TICK_NS,
        .input_bytes = input_bytes,
    };
}

void gm_progress_tick(struct gm_progress *progress, const struct gm_region *region,
                      uint64_t now_ns)
{
    if (!progress->on || now_ns < progress->next_ns)
        return;
    progress->next_ns = now_ns + TICK_NS;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < region->spec.executor_count; i++)
        bytes += atomic_load_explicit(&gm_region_ledger(region, i)->input_bytes,
                                      memory_order_relaxed);
    char done[32], all[32], rate[32];
    gm_text_format_size(bytes, done, sizeof done);
    gm_text_format_size(progress->input_bytes, all, sizeof all);
    const double seconds = (double)(now_ns - progress->begin_ns) / 1e9;
    gm_text_format_size((uint64_t)((double)bytes / seconds), rate, sizeof rate);
    const uint64_t percent =
        progress->input_bytes > 0 ? bytes * 100 / progress->input_bytes : 0;
    fprintf(stderr, "\r\033[K%3u %%  %s of %s  %s/s",
            (unsigned)(percent < 100 ? percent : 100), done, all, rate);
    fflush(stderr);
    progress->shown = true;
}

void gm_progress_end(struct gm_progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
    progress->shown = false;
}
