/* file_sink.h - where a chain's rows leave an executor for files: one file per partition.
 *
 * The chain's last step makes batches of (text, rows).  Each text is appended to the file of its
 * partition, in the directory that the driver made; at the end the driver is told of each file, by
 * rows (part, rows, bytes) through the output's exchange.
 *
 * Threads:   one executor's.
 * Blocking:  write(2) into the page cache, which waits when too much of it is dirty.  Nobody waits
 *            for this executor meanwhile but those that send to it.
 * Memory:    16 bytes per partition, and 128 KiB for the file that was pushed to last.
 */
#ifndef GM_AGENT_FILE_SINK_H
#define GM_AGENT_FILE_SINK_H

#include "engine/chain/chain.h"
#include "shuffle/exchange.h"

struct gm_file_sink;

/* The name of a part, below its directory. */
void gm_part_name(uint32_t part, const char *suffix, char *name, size_t name_bytes);
#define GM_PART_NAME_BYTES_MAX (GM_SUFFIX_BYTES_MAX + 16)

/* Borrows all. */
int gm_file_sink_create(const struct gm_parts_plan *parts, uint32_t partition_count,
                        struct gm_sender *sender, struct gm_heap *heap, struct gm_error *error,
                        struct gm_file_sink **ret_sink);
/* Closes what is open; the files stay where they are. */
void gm_file_sink_destroy(struct gm_file_sink *sink); /* NULL is allowed */
struct gm_chain_sink gm_file_sink_port(struct gm_file_sink *sink);

#endif
