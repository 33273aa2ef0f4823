/* heap.h - memory with a budget.
 *
 * Threads:   one owner thread per heap.  used_bytes may be read by others through `published`.
 * Memory:    jemalloc, in an arena of its own per heap, where the build has it; malloc otherwise.
 *            Requests of GM_HEAP_MAP_BYTES or more are mapped on their own, 2 MiB aligned and
 *            advised to huge pages, and go back to the system when freed, but for a few of one
 *            size: who gives one back while another asks for the same saves the kernel clearing it.
 * Limits:    an allocation that would pass limit_bytes returns NULL and changes nothing.  The
 *            caller decides: spill, or fail with GM_ETASK_MEMORY.
 * Slack:     every block has GM_BYTES_SLACK readable bytes behind it.
 */
#ifndef GM_BASE_HEAP_H
#define GM_BASE_HEAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GM_HEAP_MAP_BYTES (1u << 20)

struct gm_heap {
    unsigned arena;                      /* jemalloc arena, 0 without jemalloc */
    uint64_t limit_bytes;                /* UINT64_MAX = none */
    uint64_t used_bytes;                 /* as the allocator rounds it */
    uint64_t peak_bytes;
    void *spare;                         /* mapped blocks of spare_bytes each, linked */
    size_t spare_bytes;
    uint32_t spare_count;
    _Atomic uint64_t *published;         /* where used_bytes is shown to others, or NULL */
    _Atomic uint64_t *published_peak;
    /* Makes limit_bytes larger by so many, when an allocation does not fit; NULL: nobody does. */
    bool (*grow)(void *self, uint64_t bytes);
    void *grower;
};

/* Returns 0, or -ENOMEM when no arena can be made. */
int gm_heap_init(struct gm_heap *heap, uint64_t limit_bytes);
/* Empties the arena, for the next heap.  Every block must have been given back before: used_bytes
 * is 0 then, which is for tests to look at. */
void gm_heap_fini(struct gm_heap *heap);

/* Returns bytes > 0 of uninitialised memory, 64-byte aligned, or NULL.  The caller gives it back
 * with the same bytes. */
void *gm_heap_alloc(struct gm_heap *heap, size_t bytes);
/* The same, zeroed. */
void *gm_heap_zalloc(struct gm_heap *heap, size_t bytes);
/* Moves old_bytes to a block of new_bytes; on NULL the old block is untouched.  pointer may be NULL
 * when old_bytes is 0. */
void *gm_heap_realloc(struct gm_heap *heap, void *pointer, size_t old_bytes, size_t new_bytes);
/* The same for a zeroed block that grows, and of which nothing behind old_bytes was written: what
 * is new is zeroed. */
void *gm_heap_zrealloc(struct gm_heap *heap, void *pointer, size_t old_bytes, size_t new_bytes);
/* pointer may be NULL. */
void gm_heap_free(struct gm_heap *heap, void *pointer, size_t bytes);

/* A block that grows and forgets what was in it; all zeros is an empty one. */
struct gm_scratch {
    uint8_t *data;
    size_t bytes;
};

/* Makes room for `bytes`: what was there is lost when it was less.  False when memory is spent;
 * then nothing is there. */
bool gm_scratch_reserve(struct gm_scratch *scratch, struct gm_heap *heap, size_t bytes);
void gm_scratch_free(struct gm_scratch *scratch, struct gm_heap *heap);

#endif
