/* region.h - one job attempt's shared memory: header, ledger, rings, claims, pool and frames.
 *
 * Memory:    one memfd per attempt; huge pages by choice.  It holds offsets, never pointers: every
 *            participant maps it where it likes.  After an executor's crash the region is thrown
 *            away, never repaired.
 * Threads:   created and formatted by the driver (or agent); then joined by every participant.
 * Participants: executors 0..executor_count-1, and the driver as number executor_count.  The
 *            numbers are the job's, over all its nodes; a region is one node's, where some of the
 *            executors, the driver, or both are.  It has the rings of which one end is here; for
 *            the other ends acts a gateway (shuffle/gateway.h), participant executor_count + 1.
 */
#ifndef GM_SHUFFLE_REGION_H
#define GM_SHUFFLE_REGION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "shuffle/pool.h"
#include "shuffle/ring.h"

enum gm_pages_want { GM_PAGES_AUTO, GM_PAGES_OFF, GM_PAGES_HUGE };
enum gm_pages { GM_PAGES_PLAIN, GM_PAGES_THP, GM_PAGES_HUGETLB };

/* One exchange: who may send to whom.  The ring (source, destination) exists where both bits say
 * so: sources are the executors; destinations the executors, or the driver alone. */
struct gm_exchange_shape {
    bool to_driver;
    uint32_t quota_frames; /* per source of this node: at least 2 */
    uint32_t ring_slots;   /* a power of two, not less than quota_frames and credit_frames */
    /* Per source of another node: what of its frames may lie here at once.  At least 2 where such
     * a source sends here, else without meaning. */
    uint32_t credit_frames;
};

struct gm_region_spec {
    uint32_t executor_count;
    uint32_t exchange_count; /* at most GM_EXCHANGES_MAX */
    struct gm_exchange_shape exchanges[GM_EXCHANGES_MAX];
    uint32_t claim_count; /* shared counters from which work is claimed */
    uint32_t word_count;  /* shared words of the sources, at most GM_WORDS_MAX; zero at first */
    uint32_t frame_bytes; /* a power of two in [GM_FRAME_BYTES_MIN, GM_FRAME_BYTES_MAX] */
    uint32_t attempt;
    uint64_t secret; /* seals frame headers */
    /* Who is at this node: executors [first_local, first_local + local_count), and maybe the
     * driver.  Nobody: read as everybody, so that a job of one node need not say it. */
    uint32_t first_local;
    uint32_t local_count;
    bool driver_is_local;
};

static inline bool gm_region_executor_is_local(const struct gm_region_spec *spec,
                                               uint32_t participant)
{
    return participant - spec->first_local < spec->local_count;
}

static inline bool gm_region_has_gateway(const struct gm_region_spec *spec)
{
    return spec->local_count < spec->executor_count || !spec->driver_is_local;
}

/* The gateway's number as a participant. */
static inline uint32_t gm_region_gateway(const struct gm_region_spec *spec)
{
    return spec->executor_count + 1;
}

/* Seats number who is at this node: its executors from 0 on, the driver, the gateway.  Bells and
 * ledger go by seats.  A participant of another node has the gateway's. */
static inline uint32_t gm_region_seat(const struct gm_region_spec *spec, uint32_t participant)
{
    if (gm_region_executor_is_local(spec, participant))
        return participant - spec->first_local;
    if (participant == spec->executor_count && spec->driver_is_local)
        return spec->local_count;
    return spec->local_count + spec->driver_is_local;
}

static inline uint32_t gm_region_seat_count(const struct gm_region_spec *spec)
{
    return spec->local_count + spec->driver_is_local + gm_region_has_gateway(spec);
}

/* Positions of a plan whose rows are shown while it runs: 64 words are 4 lines per participant, and
 * plans have a dozen.  Further ones are not shown. */
#define GM_LEDGER_ROWS_MAX 64

/* What each participant shows of itself.  Written by its owner, relaxed; read by anyone. */
struct gm_ledger_entry {
    _Alignas(GM_LINE_BYTES) _Atomic uint32_t chain; /* what it runs now; a crash is blamed on it */
    _Atomic uint32_t step;                          /* index of the op in the chain */
    _Atomic uint64_t heap_bytes;
    _Atomic uint64_t heap_peak_bytes;
    _Atomic uint64_t input_bytes; /* read from sources so far */
    _Atomic uint64_t busy_ns;
    _Alignas(GM_LINE_BYTES) _Atomic uint32_t sleeping; /* bell protocol; read by senders */
    _Alignas(GM_LINE_BYTES) _Atomic uint64_t rows[GM_LEDGER_ROWS_MAX]; /* by position of the plan */
};

/* A process's view of a mapped region. */
struct gm_region {
    uint8_t *base;
    uint64_t bytes;
    int fd; /* -1 in a view that only mapped it */
    enum gm_pages pages;
    bool shared_view; /* another view of this process owns the mapping */
    struct gm_region_spec spec; /* a checked copy: nobody re-reads it from shared memory */
    struct gm_pool *pool;
    /* Worked out from the spec, once. */
    uint32_t frame_count;
    uint64_t claims_offset;
    uint64_t words_offset;
    uint64_t ring_offsets[GM_EXCHANGES_MAX]; /* of the first ring of each exchange */
    uint64_t pool_offset;
    uint64_t frames_offset;
};

/* Bytes of a region for the spec; 0 for a bad one. */
uint64_t gm_region_footprint(const struct gm_region_spec *spec);

/* Makes the memfd (named "gleam"), maps and formats it.  want HUGE needs hugetlb pages and says in
 * the error the command that makes them; AUTO falls back to transparent huge pages and then plain
 * ones.  Returns 0 or < 0 with error. */
int gm_region_create(const struct gm_region_spec *spec, enum gm_pages_want want,
                     struct gm_region *ret_region, struct gm_error *error);
/* The same in private anonymous memory, for --in-process, tests and the simulator. */
int gm_region_create_private(const struct gm_region_spec *spec, struct gm_region *ret_region,
                             struct gm_error *error);
/* Maps an existing one.  Borrows fd.  Checks magic, version and that the spec fits the size. */
int gm_region_join(int fd, struct gm_region *ret_region, struct gm_error *error);
/* A second view of the same mapping, for another participant of this process. */
void gm_region_share(const struct gm_region *region, struct gm_region *ret_view);
/* Unmaps (a shared view: forgets) and closes the fd that create made. */
void gm_region_leave(struct gm_region *region);

/* What of the region was written over by somebody who may not, as far as its fixed words and the
 * possible range of its counters tell; NULL when nothing seems to be.  Such a region may stand
 * still instead of failing.  For any participant, at any time; looks at every ring. */
const char *gm_region_damage(const struct gm_region *region);

/* A participant of another node has the gateway's entry. */
struct gm_ledger_entry *gm_region_ledger(const struct gm_region *region, uint32_t participant);
_Atomic uint64_t *gm_region_claim(const struct gm_region *region, uint32_t claim);
/* One of spec.word_count words; what it means is its users' affair. */
_Atomic uint64_t *gm_region_word(const struct gm_region *region, uint32_t word);
/* Memory of the ring from source to destination in an exchange; NULL where there is none, as
 * between two participants of other nodes. */
void *gm_region_ring(const struct gm_region *region, uint32_t exchange, uint32_t source,
                     uint32_t destination);
/* Pool account of (exchange, source): of a source of this node for what it sends, of another's for
 * what has come from it. */
uint32_t gm_region_account(const struct gm_region *region, uint32_t exchange, uint32_t source);
/* The frame's memory, frame_bytes long with GM_BYTES_SLACK readable behind; NULL for an index that
 * is none. */
uint8_t *gm_region_frame(const struct gm_region *region, uint32_t index);

#endif
