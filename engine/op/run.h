/* run.h - records of bytes, one behind the other, in a run of the disk queue.
 *
 * A record that fits a block lies in one, so that reading lends it where it is.  A larger one
 * begins a block, goes on in the next ones, and is joined in the heap when it is read.
 *
 * Threads:   one.
 * Memory:    a writer holds one window; a reader one, and another to read ahead when there is one.
 * Blocking:  never: GM_AGAIN as in engine/base/spill.h.
 */
#ifndef GM_OP_RUN_H
#define GM_OP_RUN_H

#include "engine/base/heap.h"
#include "engine/base/spill.h"

struct gm_run_writer {
    const struct gm_spill *spill;
    struct gm_spill_run run;
    struct gm_spill_window *window; /* NULL: none */
    uint64_t done;                  /* bytes of the record under way, its length included */
    uint64_t records;
};

void gm_run_writer_init(struct gm_run_writer *writer, const struct gm_spill *spill,
                        uint32_t partition);
/* Adds a record of head_bytes and bytes, head_bytes + bytes > 0.  Returns 0; GM_AGAIN: call again
 * with the same; or < 0. */
int gm_run_put(struct gm_run_writer *writer, const void *head, uint32_t head_bytes,
               const void *data, uint32_t bytes);
/* The same for a record of several parts, one behind the other. */
struct gm_run_part {
    const void *data;
    uint32_t bytes;
};
int gm_run_put_parts(struct gm_run_writer *writer, const struct gm_run_part *parts,
                     uint32_t part_count);
/* Writes what is left, and hands over the run.  Returns 0 or < 0. */
int gm_run_writer_end(struct gm_run_writer *writer, struct gm_spill_run *ret_run);
/* Gives up a run that is half written. */
void gm_run_writer_fini(struct gm_run_writer *writer);

struct gm_run_reader {
    const struct gm_spill *spill;
    struct gm_heap *heap;
    struct gm_spill_run run;        /* owned; its blocks are dropped as they are read */
    struct gm_spill_window *window; /* of block `index` */
    struct gm_spill_window *ahead;  /* of the one behind it, or NULL */
    uint32_t index;
    uint32_t offset;
    bool ready;
    bool keeps; /* blocks are not dropped: it may begin anew */
    uint8_t *joined; /* a large record */
    uint64_t joined_capacity;
    uint64_t joined_bytes; /* so far; 0: none is under way */
    uint32_t joined_length;
    bool lent;             /* it was lent by the last call */
};

/* True while less than 1 - 1/share of the heap is used.  A merge takes runs while a quarter is
 * left, and reads ahead while half is: rows may be large, and lie in several places. */
bool gm_run_spare_memory(const struct gm_heap *heap, uint32_t share);
#define GM_RUN_MERGE_SHARE 4
#define GM_RUN_AHEAD_SHARE 2

/* Takes over the run, of one block at least, and a window; starts reading.  Returns 0; GM_AGAIN or
 * GM_ETASK_MEMORY: there is no window, and the run is still the caller's; or < 0. */
int gm_run_reader_open(struct gm_run_reader *reader, const struct gm_spill *spill,
                       struct gm_heap *heap, struct gm_spill_run *run);
/* The next record, lent until the next call, with GM_BYTES_SLACK readable behind it.  Returns 0,
 * GM_AGAIN, GM_END, GM_ETASK_MEMORY (a large record has no room) or < 0. */
int gm_run_next(struct gm_run_reader *reader, const uint8_t **ret_record, uint32_t *ret_bytes);
/* Gives back the window of the block ahead.  False: there was none. */
bool gm_run_reader_give_ahead(struct gm_run_reader *reader);
/* Its blocks stay from now on; nothing was read yet. */
void gm_run_reader_keep(struct gm_run_reader *reader);
/* A reader that keeps its blocks begins anew.  Returns 0 or < 0. */
int gm_run_reader_rewind(struct gm_run_reader *reader);
/* Gives back windows, and what is left of the run.  Accepts a zeroed one. */
void gm_run_reader_close(struct gm_run_reader *reader);

#endif
