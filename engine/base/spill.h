/* spill.h - port: where operators park bytes that memory has no room for.
 *
 * A run is a sequence of blocks, written in order, read block by block in any order, each as often
 * as it is wanted until it is dropped.  What is in the blocks is the operator's own business.
 * Real: shuffle/spill over a disk.  Tests and the simulator: the same over a virtual disk.
 *
 * Threads:   one executor's thread.
 * Memory:    windows of one block each, in the executor's heap, made when they are first asked for.
 * Blocking:  never.  GM_AGAIN means: a read or write is under way; the executor sleeps until it
 *            ends and calls again.
 * Errors:    the first one is kept, with file, offset and partition in the executor's error; every
 *            later call returns it.
 */
#ifndef GM_BASE_SPILL_H
#define GM_BASE_SPILL_H

#include <stdbool.h>
#include <stdint.h>

struct gm_spill_window {
    uint8_t *data;  /* room for a block's payload, 16-byte aligned, GM_BYTES_SLACK behind it */
    uint32_t bytes; /* in it: set by who writes, and by a read that is ready */
};

struct gm_spill_run {
    uint32_t *blocks; /* numbers of the store */
    uint32_t count;
    uint32_t capacity;
    uint32_t first;     /* blocks before this one were dropped */
    uint32_t partition; /* for messages */
    uint64_t bytes;     /* of payload */
};

struct gm_spill_ops {
    /* Lends a window.  0; GM_AGAIN: all are at work; GM_ETASK_MEMORY: nothing is at work that could
     * give one back, and the heap has no room for another; or < 0. */
    int (*take)(void *self, struct gm_spill_window **ret_window);
    /* Gives back a window, also one whose read is under way. */
    void (*give)(void *self, struct gm_spill_window *window);
    /* Adds a block of window->bytes > 0 bytes to the run; the window is given back with it, also
     * when it fails.  Returns 0 or < 0.  Blocks may be read at once. */
    int (*write)(void *self, struct gm_spill_run *run, struct gm_spill_window *window);
    /* Starts reading block `index` of the run into a lent window.  Returns 0 or < 0. */
    int (*read)(void *self, const struct gm_spill_run *run, uint32_t index,
                struct gm_spill_window *window);
    /* 0: the window's block is there and passed its checks; GM_AGAIN; or < 0. */
    int (*ready)(void *self, struct gm_spill_window *window);
    /* The room of blocks before `end` is used for others from now on. */
    void (*drop)(void *self, struct gm_spill_run *run, uint32_t end);
    /* Drops what is left, and frees the run's table. */
    void (*forget)(void *self, struct gm_spill_run *run);
};

struct gm_spill {
    const struct gm_spill_ops *ops;
    void *self;
    uint32_t room_bytes;   /* of a window */
    uint32_t windows_max;  /* that may be lent at once */
};

#endif
