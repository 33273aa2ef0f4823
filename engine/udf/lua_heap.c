/* lua_heap.c - free lists by size, as LuaJIT's own allocator would keep them. */
#include "engine/udf/lua_heap.h"

#include <string.h>

#include "engine/base/check.h"

#define UNIT_BYTES 16

struct gm_lua_chunk {
    struct gm_lua_chunk *next;
    uint64_t reserved; /* blocks stay aligned to 16 */
};

/* Stands before a block of its own. */
struct gm_lua_large {
    struct gm_lua_large *next;
    struct gm_lua_large **link; /* what points here */
    uint64_t bytes;             /* with this header */
    uint64_t reserved;
};

_Static_assert(sizeof(struct gm_lua_chunk) % UNIT_BYTES == 0, "blocks behind it are aligned");
_Static_assert(sizeof(struct gm_lua_large) % UNIT_BYTES == 0, "blocks behind it are aligned");

void gm_lua_heap_init(struct gm_lua_heap *self, struct gm_heap *heap)
{
    *self = (struct gm_lua_heap){.heap = heap};
}

static struct gm_lua_large *large_of(void *block)
{
    return (struct gm_lua_large *)block - 1;
}

static void *large_link(struct gm_lua_heap *self, struct gm_lua_large *large, uint64_t bytes)
{
    *large = (struct gm_lua_large){.next = self->large, .link = &self->large, .bytes = bytes};
    if (self->large != NULL)
        self->large->link = &large->next;
    self->large = large;
    self->held_bytes += bytes;
    return large + 1;
}

static void large_unlink(struct gm_lua_heap *self, struct gm_lua_large *large)
{
    *large->link = large->next;
    if (large->next != NULL)
        large->next->link = large->link;
    self->held_bytes -= large->bytes;
}

static void *large_alloc(struct gm_lua_heap *self, size_t bytes)
{
    const size_t total_bytes = bytes + sizeof(struct gm_lua_large);
    struct gm_lua_large *large = gm_heap_alloc(self->heap, total_bytes);
    return large != NULL ? large_link(self, large, total_bytes) : NULL;
}

static void *large_realloc(struct gm_lua_heap *self, void *block, size_t bytes)
{
    const size_t total_bytes = bytes + sizeof(struct gm_lua_large);
    struct gm_lua_large *large = large_of(block);
    struct gm_lua_large *moved = gm_heap_realloc(self->heap, large, large->bytes, total_bytes);
    if (moved == NULL)
        return NULL;
    /* The header's copy still says who its neighbours are. */
    large_unlink(self, moved);
    return large_link(self, moved, total_bytes);
}

static void large_free(struct gm_lua_heap *self, struct gm_lua_large *large)
{
    large_unlink(self, large);
    gm_heap_free(self->heap, large, large->bytes);
}

bool gm_lua_heap_take_reserve(struct gm_lua_heap *self)
{
    size_t bytes = self->heap->limit_bytes / GM_LUA_RESERVE_SHARE;
    if (bytes < GM_LUA_RESERVE_BYTES_MIN)
        bytes = GM_LUA_RESERVE_BYTES_MIN;
    if (bytes > GM_LUA_RESERVE_BYTES_MAX)
        bytes = GM_LUA_RESERVE_BYTES_MAX;
    if (self->reserve == NULL) {
        self->reserve = gm_heap_alloc(self->heap, bytes);
        self->reserve_bytes = bytes;
    }
    self->is_short = self->reserve == NULL;
    return !self->is_short;
}

/* False: there was none. */
static bool give_up_reserve(struct gm_lua_heap *self)
{
    if (self->reserve == NULL)
        return false;
    gm_heap_free(self->heap, self->reserve, self->reserve_bytes);
    self->reserve = NULL;
    self->is_short = true;
    return true;
}

void gm_lua_heap_fini(struct gm_lua_heap *self)
{
    (void)give_up_reserve(self);
    while (self->large != NULL)
        large_free(self, self->large);
    while (self->chunks != NULL) {
        struct gm_lua_chunk *chunk = self->chunks;
        self->chunks = chunk->next;
        gm_heap_free(self->heap, chunk, GM_LUA_CHUNK_BYTES);
        self->held_bytes -= GM_LUA_CHUNK_BYTES;
    }
    GM_CHECK(self->held_bytes == 0);
}

static bool add_chunk(struct gm_lua_heap *self)
{
    struct gm_lua_chunk *chunk = gm_heap_alloc(self->heap, GM_LUA_CHUNK_BYTES);
    if (chunk == NULL)
        return false;
    chunk->next = self->chunks;
    self->chunks = chunk;
    self->held_bytes += GM_LUA_CHUNK_BYTES;
    self->next = (uint8_t *)(chunk + 1);
    self->left_bytes = GM_LUA_CHUNK_BYTES - sizeof *chunk;
    return true;
}

static size_t units_of(size_t bytes)
{
    return (bytes + UNIT_BYTES - 1) / UNIT_BYTES;
}

static void *small_alloc(struct gm_lua_heap *self, size_t units)
{
    void *block = self->free_lists[units];
    if (block != NULL) {
        memcpy(&self->free_lists[units], block, sizeof block);
        return block;
    }
    const size_t bytes = units * UNIT_BYTES;
    /* The rest of the old chunk is lost: at most one small block per chunk. */
    if (self->left_bytes < bytes && !add_chunk(self))
        return NULL;
    block = self->next;
    self->next += bytes;
    self->left_bytes -= bytes;
    return block;
}

static void *block_alloc(struct gm_lua_heap *self, size_t bytes)
{
    if (bytes <= GM_LUA_SMALL_BYTES_MAX)
        return small_alloc(self, units_of(bytes));
    return large_alloc(self, bytes);
}

static void block_free(struct gm_lua_heap *self, void *block, size_t bytes)
{
    if (bytes > GM_LUA_SMALL_BYTES_MAX) {
        large_free(self, large_of(block));
        return;
    }
    const size_t units = units_of(bytes);
    memcpy(block, &self->free_lists[units], sizeof block);
    self->free_lists[units] = block;
}

/* new_bytes > 0; old_bytes may be 0. */
static void *block_move(struct gm_lua_heap *self, void *pointer, size_t old_bytes, size_t new_bytes)
{
    if (old_bytes > GM_LUA_SMALL_BYTES_MAX && new_bytes > GM_LUA_SMALL_BYTES_MAX)
        return large_realloc(self, pointer, new_bytes);
    if (old_bytes <= GM_LUA_SMALL_BYTES_MAX && units_of(old_bytes) == units_of(new_bytes))
        return pointer;
    void *block = block_alloc(self, new_bytes);
    if (block != NULL && old_bytes > 0) {
        memcpy(block, pointer, old_bytes < new_bytes ? old_bytes : new_bytes);
        block_free(self, pointer, old_bytes);
    }
    return block;
}

/* Lua counts on it that a smaller block can always be had: collecting garbage shrinks tables.  So
 * the limit is passed, for the moment that both blocks are there, or by a chunk. */
static void *block_shrink(struct gm_lua_heap *self, void *pointer, size_t old_bytes,
                          size_t new_bytes)
{
    const uint64_t limit_bytes = self->heap->limit_bytes;
    self->heap->limit_bytes = UINT64_MAX;
    void *block = block_move(self, pointer, old_bytes, new_bytes);
    self->heap->limit_bytes = limit_bytes;
    return block;
}

void *gm_lua_heap_alloc(void *opaque, void *pointer, size_t old_bytes, size_t new_bytes)
{
    struct gm_lua_heap *self = opaque;
    void *block = NULL;
    if (new_bytes == 0) {
        if (old_bytes > 0)
            block_free(self, pointer, old_bytes);
    } else {
        block = new_bytes < old_bytes ? block_shrink(self, pointer, old_bytes, new_bytes)
                                      : block_move(self, pointer, old_bytes, new_bytes);
        if (block == NULL && give_up_reserve(self))
            block = block_move(self, pointer, old_bytes, new_bytes);
        if (block == NULL)
            return NULL;
    }
    self->live_bytes += new_bytes - old_bytes;
    return block;
}
