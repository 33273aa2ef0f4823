/* unpack.h - the bytes of a .gz, .zst or .bz2 file, piece by piece.
 *
 * Members may stand one behind the other; zeros behind the last are padding.
 *
 * Threads: an unpacker has one owner.  Memory: the heap's; a window of up to 128 MiB for .zst (zstd
 * --long=27), less than 4 MiB otherwise.
 */
#ifndef GM_SOURCE_UNPACK_H
#define GM_SOURCE_UNPACK_H

#include <stdbool.h>

#include "engine/base/compression.h"
#include "engine/base/heap.h"

struct gm_unpacker;

/* Returns 0 or GM_ETASK_MEMORY. */
int gm_unpacker_create(enum gm_compression method, struct gm_heap *heap,
                       struct gm_unpacker **ret_unpacker);
void gm_unpacker_destroy(struct gm_unpacker *unpacker); /* NULL is allowed */

/* Takes from *data, *bytes and fills out; *ret_bytes of it.  Until one of the two is used up.  What
 * of out is not filled is scratch.  Returns 0, GM_EJOB_DAMAGED or GM_ETASK_MEMORY. */
int gm_unpacker_run(struct gm_unpacker *unpacker, const uint8_t **data, size_t *bytes, void *out,
                    size_t out_bytes, size_t *ret_bytes);

/* True when the input may end here: behind a member. */
bool gm_unpacker_may_end(const struct gm_unpacker *unpacker);

#endif
