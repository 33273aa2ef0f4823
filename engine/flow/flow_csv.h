/* flow_csv.h - the options of CSV as a flow keeps them.
 *
 * Threads: one.  Memory: malloc.
 */
#ifndef GM_FLOW_FLOW_CSV_H
#define GM_FLOW_FLOW_CSV_H

#include "engine/gleam.h"

/* A copy with its own texts; NULL is all zero. */
struct gleam_csv_options *gm_csv_options_copy(const struct gleam_csv_options *options);
void gm_csv_options_free(struct gleam_csv_options *options); /* NULL is allowed */

#endif
