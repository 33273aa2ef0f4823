/* teller.h - what the end of a chain tells the driver: rows of three numbers each.
 *
 * Threads: one executor's.  Memory: its owner's.  Blocking: never.
 */
#ifndef GM_AGENT_TELLER_H
#define GM_AGENT_TELLER_H

#include "shuffle/exchange.h"

/* Rows for the driver at a time: 24 bytes each. */
#define GM_TELLER_ROWS_MAX 64

struct gm_teller {
    /* The next row; false when there is none. */
    bool (*next)(void *self, int64_t row[3]);
    void *self;
    struct gm_sender *sender;
    uint32_t packed, taken;
    int64_t rows[GM_TELLER_ROWS_MAX][3];
    uint32_t sizes[GM_TELLER_ROWS_MAX];
};

/* Sends all rows, and then the end.  GM_AGAIN until it is done. */
int gm_teller_finish(struct gm_teller *teller);

#endif
