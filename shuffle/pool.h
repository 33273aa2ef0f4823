/* pool.h - lock-free pool of frames, given out by quota.
 *
 * Threads:   any participant takes and gives, in any process that maps the region.
 * Memory:    the caller's region; frame indices only.
 * Blocking:  never.  No frame, or no quota left, is GM_AGAIN.
 *
 * A Treiber stack of indices with a 32-bit generation beside the head against ABA.  Last in, first
 * out, so that a shuffle which needs few frames stays in few (and in the cache).
 *
 * Quota: every (exchange, source) may have quota_frames frames out at a time.  The sum of the
 *        quotas
 * is at most the number of frames, so a take within its quota finds one: no exchange can starve
 * another, and downstream always has frames of its own (that is the no-deadlock argument).
 */
#ifndef GM_SHUFFLE_POOL_H
#define GM_SHUFFLE_POOL_H

#include <stdbool.h>
#include <stdint.h>

struct gm_pool; /* lives in the region; opaque */

/* Bytes for the pool's own words, without the frames; 0 for a bad count. */
uint64_t gm_pool_footprint(uint32_t frame_count, uint32_t account_count);
/* Formats; every account starts with quota 0.  Frames of frame_bytes each start at frames_offset of
 * the region. */
void gm_pool_new(void *memory, uint32_t frame_count, uint32_t account_count);
/* Returns the pool, or NULL when the memory is none with these counts.  They are the caller's own,
 * checked ones; memory has gm_pool_footprint bytes for them. */
struct gm_pool *gm_pool_join(void *memory, uint32_t frame_count, uint32_t account_count);

/* Start-up only.  Checks that the sum of quotas does not pass the number of frames. */
void gm_pool_set_quota(struct gm_pool *pool, uint32_t account, uint32_t quota_frames);

/* Takes a frame on an account.  Returns 0 or GM_AGAIN. */
int gm_pool_take(struct gm_pool *pool, uint32_t account, uint32_t *ret_index);
/* Gives it back to the account that took it (the giver is mostly another participant). */
void gm_pool_give(struct gm_pool *pool, uint32_t account, uint32_t index);

uint32_t gm_pool_out(const struct gm_pool *pool, uint32_t account); /* frames out on an account */
uint32_t gm_pool_frame_count(const struct gm_pool *pool);
/* False when its counters, its quotas or the list's head cannot be.  For anybody, at any time. */
bool gm_pool_is_sound(const struct gm_pool *pool, uint32_t frame_count, uint32_t account_count);
/* Frames on the free list; walks it, so only when nobody else takes or gives. */
uint32_t gm_pool_free_count(const struct gm_pool *pool);

#endif
