/* csv_source.h - feeds a chain with the rows of CSV files.
 *
 * Blocks (blocks.h) are parsed where they lie (engine/source/csv.h); the unfinished record at the
 * end of one is put in front of the next.  A record belongs to the segment in which its first byte
 * lies; whether a segment begins inside quotes is worked out with the other executors
 * (csv_parity.h).
 *
 * Threads:   one executor's.
 * Memory:    the blocks, a parser and two batches; a record longer than a block's headroom is put
 *            together in a buffer of its own, within the heap's budget.
 */
#ifndef GM_AGENT_CSV_SOURCE_H
#define GM_AGENT_CSV_SOURCE_H

#include "agent/blocks.h"
#include "agent/csv_parity.h"
#include "engine/chain/chain.h"

struct gm_csv_source;

struct gm_csv_source_spec {
    const struct gm_source *source; /* all borrowed */
    const struct gm_disk *disk;
    const struct gm_region *region;
    const struct gm_bell *bell;
    uint16_t participant;
    uint32_t claim;
    struct gm_heap *heap;
    struct gm_error *error;
};

/* Returns 0 or GM_ETASK_MEMORY. */
int gm_csv_source_create(const struct gm_csv_source_spec *spec, struct gm_csv_source **ret_source);
/* The disk's reads must be over: destroy the disk first. */
void gm_csv_source_destroy(struct gm_csv_source *source); /* NULL is allowed */
struct gm_chain_source gm_csv_source_port(struct gm_csv_source *source);

/* True when the last `next` of its port returned GM_AGAIN and the disk is what it waits for. */
bool gm_csv_source_waits(const struct gm_csv_source *source);
uint64_t gm_csv_source_bytes(const struct gm_csv_source *source);
/* Rows that were skipped, or have a null for what was bad. */
uint64_t gm_csv_source_bad_rows(const struct gm_csv_source *source);

#endif
