/* lua_heap.h - the allocator of a Lua state: many small blocks, out of few large ones of a heap.
 *
 * Threads: one, the state's.
 * Memory:  blocks of up to GM_LUA_SMALL_BYTES_MAX come from free lists by size, filled from chunks
 *          of GM_LUA_CHUNK_BYTES that stay until the end; larger ones are the heap's own.  A Lua
 *          string costs 16 bytes at most beyond itself here; a block of the heap has 64 bytes of
 *          slack.
 * Limits:  the heap's; a smaller block in place of a larger one may pass them by a chunk.
 *          A reserve is a block of the heap that nobody uses: it is given up for the first request
 *          that does not fit, because LuaJIT's compiled code can crash where memory ends inside of
 *          it.  is_short says so to the owner, who collects garbage or ends the step in a place
 *          that he chooses.  Only what does not fit then either gets NULL.
 */
#ifndef GM_UDF_LUA_HEAP_H
#define GM_UDF_LUA_HEAP_H

#include <stdbool.h>

#include "engine/base/heap.h"

#define GM_LUA_SMALL_BYTES_MAX 512
/* The reserve: this part of the heap's limit, between these bounds. */
#define GM_LUA_RESERVE_SHARE 32
#define GM_LUA_RESERVE_BYTES_MIN ((size_t)128 << 10)
#define GM_LUA_RESERVE_BYTES_MAX ((size_t)4 << 20)
#define GM_LUA_CHUNK_BYTES ((size_t)32 << 10)

struct gm_lua_chunk;
struct gm_lua_large;

struct gm_lua_heap {
    struct gm_heap *heap; /* borrowed */
    struct gm_lua_chunk *chunks;
    struct gm_lua_large *large; /* blocks of their own */
    void *free_lists[GM_LUA_SMALL_BYTES_MAX / 16 + 1]; /* by size in units of 16 bytes */
    uint8_t *next;
    size_t left_bytes;
    uint64_t held_bytes; /* of the heap: chunks and large blocks */
    void *reserve; /* NULL: none */
    size_t reserve_bytes;
    bool is_short; /* the reserve was given up since it was taken */
    uint64_t live_bytes; /* asked for and not given back; garbage counts until it is collected */
};

void gm_lua_heap_init(struct gm_lua_heap *self, struct gm_heap *heap);
/* After lua_close: gives all back, also what LuaJIT forgot, as it does where memory ends while it
 * opens its libraries. */
void gm_lua_heap_fini(struct gm_lua_heap *self);

/* Takes the reserve, if it is not there.  False: the heap has no room for it. */
bool gm_lua_heap_take_reserve(struct gm_lua_heap *self);

/* The form that lua_newstate wants: lua_Alloc.  opaque is the struct gm_lua_heap.  At the limit it
 * returns NULL, and all is as it was; a request for less is granted also then. */
void *gm_lua_heap_alloc(void *opaque, void *pointer, size_t old_bytes, size_t new_bytes);

#endif
