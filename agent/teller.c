/* teller.c - rows are packed as the columns of a plan's i64 schema are: one behind the other. */
#include "agent/teller.h"

static void pack(struct gm_teller *teller)
{
    teller->packed = 0;
    teller->taken = 0;
    while (teller->packed < GM_TELLER_ROWS_MAX &&
           teller->next(teller->self, teller->rows[teller->packed]))
        teller->sizes[teller->packed++] = sizeof teller->rows[0];
}

int gm_teller_finish(struct gm_teller *teller)
{
    for (;;) {
        if (teller->taken == teller->packed) {
            pack(teller);
            if (teller->packed == 0)
                return gm_sender_finish(teller->sender);
        }
        const int rc = gm_sender_rows(teller->sender, (const uint8_t *)teller->rows,
                                      teller->sizes, NULL, teller->packed, 0, &teller->taken);
        if (rc != 0)
            return rc;
    }
}
