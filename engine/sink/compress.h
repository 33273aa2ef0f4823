/* compress.h - a block of text to a member of a .gz, .zst or .bz2 file.
 *
 * Members stand one behind the other in a file, as gzip, zstd and bzip2 read them: so each is made
 * at once, by one compressor for any number of files.
 *
 * Threads: a compressor has one owner.  Memory: the heap's.
 */
#ifndef GM_SINK_COMPRESS_H
#define GM_SINK_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/compression.h"
#include "engine/base/heap.h"

struct gm_compressor;

/* Returns 0 or GM_ETASK_MEMORY. */
int gm_compressor_create(enum gm_compression method, struct gm_heap *heap,
                         struct gm_compressor **ret_compressor);
void gm_compressor_destroy(struct gm_compressor *compressor); /* NULL is allowed */

/* Room that a member of `bytes` bytes needs at most. */
size_t gm_compressor_bound(const struct gm_compressor *compressor, size_t bytes);
/* Writes one member; bytes is below 1 GiB, out has room for the bound.  Returns its length, or 0
 * when the heap's budget is spent. */
size_t gm_compressor_run(struct gm_compressor *compressor, const void *data, size_t bytes,
                         void *out, size_t out_bytes);

#endif
