/* heap.c - memory with a budget, from jemalloc, malloc or the kernel.
 *
 * jemalloc is called past its thread caches (MALLOCX_TCACHE_NONE): nothing allocates per row, so
 * the bin lock, which no other thread wants, costs nothing that shows; and memory that lies in a
 * cache would be outside the arena's count and forbid destroying the arena.
 */
#include "engine/base/heap.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef GM_HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

#include "engine/base/check.h"
#include "engine/base/limits.h"

/* Spare blocks: up to 32 MiB in blocks of 4 MiB or less, and a 16th of the limit. */
#define SPARE_BLOCKS_MAX 16
#define SPARE_BLOCK_BYTES_MAX (4u << 20)
#define SPARE_SHARE 16
/* Arenas that wait to be used again: the heaps of an in-process job, and some. */
#define IDLE_ARENAS_MAX 512
#define BLOCK_ALIGN 64
#define PAGE_BYTES ((size_t)4096)
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
/* Above this a request cannot be meant, and sums of sizes could wrap. */
#define REQUEST_BYTES_MAX ((size_t)1 << 46)

static size_t round_up(size_t bytes, size_t align)
{
    return (bytes + align - 1) & ~(align - 1);
}

static bool is_mapped(size_t bytes)
{
    return bytes >= GM_HEAP_MAP_BYTES;
}

/* What a block of `bytes` takes, slack and rounding included. */
static size_t footprint(const struct gm_heap *heap, size_t bytes)
{
    if (is_mapped(bytes))
        return round_up(bytes + GM_BYTES_SLACK, PAGE_BYTES);
#ifdef GM_HAVE_JEMALLOC
    return nallocx(bytes + GM_BYTES_SLACK,
                   MALLOCX_ARENA(heap->arena) | MALLOCX_TCACHE_NONE | MALLOCX_ALIGN(BLOCK_ALIGN));
#else
    (void)heap;
    return round_up(bytes + GM_BYTES_SLACK, BLOCK_ALIGN);
#endif
}

static void publish(struct gm_heap *heap)
{
    if (heap->used_bytes > heap->peak_bytes) {
        heap->peak_bytes = heap->used_bytes;
        if (heap->published_peak != NULL)
            atomic_store_explicit(heap->published_peak, heap->peak_bytes, memory_order_relaxed);
    }
    if (heap->published != NULL)
        atomic_store_explicit(heap->published, heap->used_bytes, memory_order_relaxed);
}

/* 2 MiB aligned, so that every whole 2 MiB can be one huge page. */
static void *map_block(size_t map_bytes)
{
    const size_t reserve_bytes = map_bytes + HUGE_PAGE_BYTES - PAGE_BYTES;
    uint8_t *reserve = mmap(NULL, reserve_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserve == MAP_FAILED)
        return NULL;
    const size_t head_bytes = -(uintptr_t)reserve & (HUGE_PAGE_BYTES - 1);
    const size_t tail_bytes = reserve_bytes - head_bytes - map_bytes;
    uint8_t *block = reserve + head_bytes;
    if (head_bytes > 0)
        munmap(reserve, head_bytes);
    if (tail_bytes > 0)
        munmap(block + map_bytes, tail_bytes);
    /* Advice: a kernel without huge pages may refuse it. */
    (void)madvise(block, map_bytes, MADV_HUGEPAGE);
    return block;
}

/* Grows in place where the addresses behind are free; otherwise moves the pages, not the bytes,
 * to a new aligned place. */
static void *remap_block(void *block, size_t old_map_bytes, size_t new_map_bytes)
{
    if (mremap(block, old_map_bytes, new_map_bytes, 0) != MAP_FAILED) {
        (void)madvise(block, new_map_bytes, MADV_HUGEPAGE);
        return block;
    }
    void *target = map_block(new_map_bytes);
    if (target == NULL)
        return NULL;
    if (mremap(block, old_map_bytes, new_map_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, target) ==
        MAP_FAILED) {
        munmap(target, new_map_bytes);
        return NULL;
    }
    return target;
}

static void *block_alloc(const struct gm_heap *heap, size_t bytes, size_t taken_bytes, bool zero)
{
    if (is_mapped(bytes))
        return map_block(taken_bytes);
#ifdef GM_HAVE_JEMALLOC
    return mallocx(bytes + GM_BYTES_SLACK, MALLOCX_ARENA(heap->arena) | MALLOCX_TCACHE_NONE |
                                               MALLOCX_ALIGN(BLOCK_ALIGN) |
                                               (zero ? MALLOCX_ZERO : 0));
#else
    (void)heap;
    void *block = aligned_alloc(BLOCK_ALIGN, taken_bytes);
    if (block != NULL && zero)
        memset(block, 0, taken_bytes);
    return block;
#endif
}

/* Spare blocks are memory as well: they go before an allocation is refused. */
static void drop_spare(struct gm_heap *heap)
{
    while (heap->spare != NULL) {
        void *next = *(void **)heap->spare;
        munmap(heap->spare, heap->spare_bytes);
        heap->spare = next;
    }
    heap->spare_count = 0;
}

static bool keep_spare(struct gm_heap *heap, void *block, size_t taken_bytes)
{
    if (taken_bytes > SPARE_BLOCK_BYTES_MAX)
        return false;
    if (heap->spare_bytes != taken_bytes)
        drop_spare(heap);
    if (heap->spare_count == SPARE_BLOCKS_MAX ||
        (uint64_t)taken_bytes * (heap->spare_count + 1) > heap->limit_bytes / SPARE_SHARE)
        return false;
    heap->spare_bytes = taken_bytes;
    *(void **)block = heap->spare;
    heap->spare = block;
    heap->spare_count++;
    return true;
}

static void *take_spare(struct gm_heap *heap, size_t taken_bytes)
{
    void *block = heap->spare;
    if (block == NULL || heap->spare_bytes != taken_bytes)
        return NULL;
    heap->spare = *(void **)block;
    heap->spare_count--;
    return block;
}

#ifdef GM_HAVE_JEMALLOC

/* Arenas that were destroyed are used again by jemalloc, but lose a page each time; those that are
 * reset do not.  A process has few heaps at a time, and one more arena than it ever had. */
static _Atomic unsigned idle_arenas[IDLE_ARENAS_MAX]; /* 0: none in this place */

/* By number, because a name would have to be printed and parsed. */
static bool arena_control(const char *text, unsigned arena)
{
    size_t name[3];
    size_t name_length = 3;
    if (mallctlnametomib(text, name, &name_length) != 0)
        return false;
    name[1] = arena;
    return mallctlbymib(name, name_length, NULL, NULL, NULL, 0) == 0;
}

static int take_arena(unsigned *ret_arena)
{
    size_t bytes = sizeof *ret_arena;
    for (uint32_t i = 0; i < IDLE_ARENAS_MAX; i++) {
        if (atomic_load_explicit(&idle_arenas[i], memory_order_relaxed) == 0)
            continue;
        *ret_arena = atomic_exchange_explicit(&idle_arenas[i], 0, memory_order_acquire);
        if (*ret_arena != 0)
            return 0;
    }
    return mallctl("arenas.create", ret_arena, &bytes, NULL, 0) == 0 ? 0 : -ENOMEM;
}

/* All of its pages go back to the system. */
static void give_arena(unsigned arena)
{
    const bool empty =
        arena_control("arena.0.reset", arena) && arena_control("arena.0.purge", arena);
    for (uint32_t i = 0; i < IDLE_ARENAS_MAX && empty; i++) {
        unsigned none = 0;
        if (atomic_compare_exchange_strong_explicit(&idle_arenas[i], &none, arena,
                                                    memory_order_release, memory_order_relaxed))
            return;
    }
    (void)arena_control("arena.0.destroy", arena);
}

#endif

int gm_heap_init(struct gm_heap *heap, uint64_t limit_bytes)
{
    unsigned arena = 0;
#ifdef GM_HAVE_JEMALLOC
    if (take_arena(&arena) < 0)
        return -ENOMEM;
#endif
    *heap = (struct gm_heap){.arena = arena, .limit_bytes = limit_bytes};
    return 0;
}

void gm_heap_fini(struct gm_heap *heap)
{
    drop_spare(heap);
#ifdef GM_HAVE_JEMALLOC
    give_arena(heap->arena);
#endif
    *heap = (struct gm_heap){0};
}

static bool fits(struct gm_heap *heap, uint64_t bytes)
{
    const uint64_t used = heap->used_bytes + bytes;
    return used <= heap->limit_bytes ||
           (heap->grow != NULL && heap->grow(heap->grower, used - heap->limit_bytes));
}

static void *heap_alloc(struct gm_heap *heap, size_t bytes, bool zero)
{
    GM_CHECK(bytes > 0);
    if (bytes > REQUEST_BYTES_MAX)
        return NULL;
    const size_t taken_bytes = footprint(heap, bytes);
    if (!fits(heap, taken_bytes))
        return NULL;
    void *block = zero ? NULL : take_spare(heap, taken_bytes);
    if (block == NULL) {
        const uint64_t spare_bytes = (uint64_t)heap->spare_bytes * heap->spare_count;
        if (spare_bytes > heap->limit_bytes - heap->used_bytes - taken_bytes)
            drop_spare(heap);
        block = block_alloc(heap, bytes, taken_bytes, zero);
    }
    if (block == NULL)
        return NULL;
    heap->used_bytes += taken_bytes;
    publish(heap);
    return block;
}

void *gm_heap_alloc(struct gm_heap *heap, size_t bytes)
{
    return heap_alloc(heap, bytes, false);
}

void *gm_heap_zalloc(struct gm_heap *heap, size_t bytes)
{
    return heap_alloc(heap, bytes, true);
}

static void *realloc_mapped(struct gm_heap *heap, void *pointer, size_t old_bytes, size_t new_bytes)
{
    const size_t old_taken = footprint(heap, old_bytes);
    const size_t new_taken = footprint(heap, new_bytes);
    if (new_taken == old_taken)
        return pointer;
    if (new_taken > old_taken && !fits(heap, new_taken - old_taken))
        return NULL;
    drop_spare(heap);
    void *moved = remap_block(pointer, old_taken, new_taken);
    if (moved == NULL)
        return NULL;
    heap->used_bytes = heap->used_bytes - old_taken + new_taken;
    publish(heap);
    return moved;
}

void *gm_heap_realloc(struct gm_heap *heap, void *pointer, size_t old_bytes, size_t new_bytes)
{
    GM_CHECK(new_bytes > 0);
    GM_CHECK((pointer == NULL) == (old_bytes == 0));
    if (pointer == NULL)
        return gm_heap_alloc(heap, new_bytes);
    if (new_bytes > REQUEST_BYTES_MAX)
        return NULL;
    if (is_mapped(old_bytes) && is_mapped(new_bytes))
        return realloc_mapped(heap, pointer, old_bytes, new_bytes);
    /* Both blocks count while the bytes are copied: for that moment both are there. */
    void *moved = gm_heap_alloc(heap, new_bytes);
    if (moved == NULL)
        return NULL;
    memcpy(moved, pointer, old_bytes < new_bytes ? old_bytes : new_bytes);
    gm_heap_free(heap, pointer, old_bytes);
    return moved;
}

/* A zeroed block that is mapped came from the kernel as it is, like the pages it grows by. */
void *gm_heap_zrealloc(struct gm_heap *heap, void *pointer, size_t old_bytes, size_t new_bytes)
{
    GM_CHECK(pointer != NULL && new_bytes >= old_bytes);
    if (new_bytes > REQUEST_BYTES_MAX)
        return NULL;
    if (is_mapped(old_bytes))
        return realloc_mapped(heap, pointer, old_bytes, new_bytes);
    void *moved = gm_heap_zalloc(heap, new_bytes);
    if (moved == NULL)
        return NULL;
    memcpy(moved, pointer, old_bytes);
    gm_heap_free(heap, pointer, old_bytes);
    return moved;
}

void gm_heap_free(struct gm_heap *heap, void *pointer, size_t bytes)
{
    if (pointer == NULL)
        return;
    const size_t taken_bytes = footprint(heap, bytes);
    GM_CHECK(taken_bytes <= heap->used_bytes);
    if (is_mapped(bytes)) {
        if (!keep_spare(heap, pointer, taken_bytes))
            munmap(pointer, taken_bytes);
    } else {
#ifdef GM_HAVE_JEMALLOC
        GM_DCHECK(sallocx(pointer, MALLOCX_ARENA(heap->arena)) == taken_bytes);
        sdallocx(pointer, bytes + GM_BYTES_SLACK,
                 MALLOCX_ARENA(heap->arena) | MALLOCX_TCACHE_NONE | MALLOCX_ALIGN(BLOCK_ALIGN));
#else
        free(pointer);
#endif
    }
    heap->used_bytes -= taken_bytes;
    publish(heap);
}

void gm_scratch_free(struct gm_scratch *scratch, struct gm_heap *heap)
{
    gm_heap_free(heap, scratch->data, scratch->bytes);
    *scratch = (struct gm_scratch){0};
}

bool gm_scratch_reserve(struct gm_scratch *scratch, struct gm_heap *heap, size_t bytes)
{
    if (bytes <= scratch->bytes)
        return true;
    gm_scratch_free(scratch, heap);
    scratch->data = gm_heap_alloc(heap, bytes);
    if (scratch->data == NULL)
        return false;
    scratch->bytes = bytes;
    return true;
}
