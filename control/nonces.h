/* nonces.h - which numbers used once were used: a bounded table, so that no request is taken twice.
 *
 * Pure; one thread at a time.  Two generations of entries: a new one begins when the current one is
 * as old as a request may be, and the one before it is forgotten.  So an entry is remembered for
 * that time at least, and twice that at most.
 */
#ifndef GM_CONTROL_NONCES_H
#define GM_CONTROL_NONCES_H

#include <stdint.h>

#define GM_NONCE_BYTES 16

/* 131072 in two minutes are 1000 a second: agents say something every 2 s, drivers too, so that is
 * the traffic of 2000 of them.  2 MiB a generation, touched as it is used. */
#define GM_NONCES_MAX (1u << 17)

struct gm_nonces;

/* keep_s: for how long one is remembered.  Returns NULL without memory. */
struct gm_nonces *gm_nonces_create(uint64_t keep_s);
void gm_nonces_destroy(struct gm_nonces *nonces); /* NULL is allowed */

enum gm_nonce { GM_NONCE_NEW, GM_NONCE_SEEN, GM_NONCE_FULL };

/* Remembers one that is new.  now_s never goes backwards.  FULL: nobody may be let in, since a
 * replay could not be told any more. */
enum gm_nonce gm_nonces_add(struct gm_nonces *nonces, const uint8_t nonce[GM_NONCE_BYTES],
                            uint64_t now_s);

#endif
