/* arena.c - bump allocation over chunks of a heap. */
#include "engine/row/arena.h"

#include "engine/base/limits.h"

#define CHUNK_BYTES_MIN (4u << 10)
#define CHUNK_BYTES_MAX (512u << 10) /* below what the heap maps on its own */
#define CHUNK_BYTES_LARGE (2u << 20)
#define LARGE_CHUNKS_MIN 128

struct gm_arena_chunk {
    struct gm_arena_chunk *older;
    size_t bytes; /* whole block, this header included */
};

void gm_arena_init(struct gm_arena *arena, struct gm_heap *heap)
{
    *arena = (struct gm_arena){.heap = heap, .chunk_bytes_max = CHUNK_BYTES_MAX};
}

void gm_arena_expect_much(struct gm_arena *arena)
{
    if (arena->heap->limit_bytes / CHUNK_BYTES_LARGE >= LARGE_CHUNKS_MIN)
        arena->chunk_bytes_max = CHUNK_BYTES_LARGE;
}

static void free_chunks(struct gm_arena *arena, struct gm_arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct gm_arena_chunk *older = chunk->older;
        arena->held_bytes -= chunk->bytes;
        gm_heap_free(arena->heap, chunk, chunk->bytes);
        chunk = older;
    }
}

void gm_arena_fini(struct gm_arena *arena)
{
    free_chunks(arena, arena->chunks);
    arena->chunks = NULL;
    arena->next = NULL;
    arena->left_bytes = 0;
}

static void use_chunk(struct gm_arena *arena, struct gm_arena_chunk *chunk)
{
    arena->next = (uint8_t *)(chunk + 1);
    arena->left_bytes = chunk->bytes - sizeof *chunk - GM_BYTES_SLACK;
}

void gm_arena_reset(struct gm_arena *arena)
{
    struct gm_arena_chunk *newest = arena->chunks;
    if (newest == NULL)
        return;
    /* A chunk made for one huge value is not worth keeping. */
    if (newest->bytes > CHUNK_BYTES_MAX) {
        gm_arena_fini(arena);
        return;
    }
    free_chunks(arena, newest->older);
    newest->older = NULL;
    use_chunk(arena, newest);
}

/* What a chunk takes from the heap, which puts slack behind every block: a power of two, which the
 * allocator does not round up to the next size. */
static size_t whole_bytes(const struct gm_arena_chunk *chunk)
{
    return chunk->bytes + GM_BYTES_SLACK;
}

uint8_t *gm_arena_alloc_slow(struct gm_arena *arena, size_t bytes)
{
    size_t chunk_bytes = CHUNK_BYTES_MIN;
    if (arena->chunks != NULL && whole_bytes(arena->chunks) <= arena->chunk_bytes_max / 2)
        chunk_bytes = whole_bytes(arena->chunks) * 2;
    else if (arena->chunks != NULL)
        chunk_bytes = arena->chunk_bytes_max;
    chunk_bytes -= GM_BYTES_SLACK;
    const size_t need = bytes + sizeof(struct gm_arena_chunk) + GM_BYTES_SLACK;
    if (chunk_bytes < need)
        chunk_bytes = need;
    struct gm_arena_chunk *chunk = gm_heap_alloc(arena->heap, chunk_bytes);
    if (chunk == NULL)
        return NULL;
    chunk->bytes = chunk_bytes;
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    arena->held_bytes += chunk_bytes;
    use_chunk(arena, chunk);
    uint8_t *block = arena->next;
    arena->next += bytes;
    arena->left_bytes -= bytes;
    return block;
}
