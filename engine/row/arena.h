/* arena.h - memory for bytes that live and die together.
 *
 * Threads: one.
 * Memory:  chunks of a heap, doubling from 4 to 512 KiB, or to 2 MiB where gigabytes are expected
 *          (a huge page each); a larger request gets a chunk of its own.
 *          Every block has GM_BYTES_SLACK readable bytes behind it.
 */
#ifndef GM_ROW_ARENA_H
#define GM_ROW_ARENA_H

#include "engine/base/heap.h"

struct gm_arena_chunk;

struct gm_arena {
    struct gm_heap *heap;
    struct gm_arena_chunk *chunks; /* newest first */
    uint8_t *next;
    size_t left_bytes;
    uint64_t held_bytes; /* from the heap */
    size_t chunk_bytes_max;
};

void gm_arena_init(struct gm_arena *arena, struct gm_heap *heap);
/* Chunks of up to 2 MiB from now on, if the heap may have hundreds of them. */
void gm_arena_expect_much(struct gm_arena *arena);
void gm_arena_fini(struct gm_arena *arena);
/* Forgets every block; keeps one chunk for the next use. */
void gm_arena_reset(struct gm_arena *arena);

/* Unaligned memory, or NULL when the heap's budget is spent; bytes may be 0. */
uint8_t *gm_arena_alloc_slow(struct gm_arena *arena, size_t bytes);

static inline uint8_t *gm_arena_alloc(struct gm_arena *arena, size_t bytes)
{
    /* Not `>`: an arena without a chunk has no place for a block of 0 bytes either. */
    if (bytes >= arena->left_bytes)
        return gm_arena_alloc_slow(arena, bytes);
    uint8_t *block = arena->next;
    arena->next += bytes;
    arena->left_bytes -= bytes;
    return block;
}

#endif
