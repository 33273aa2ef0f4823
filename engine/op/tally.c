/* tally.c - see tally.h; the loops over rows are in tally_kernel.c. */
#include "engine/op/tally.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/prng.h"
#include "engine/op/tally_kernel.h"

/* A dataset may have 40,000 partitions with a table each: an empty one takes less than half a KiB,
 * with one number a group. */
#define SHIFT_MAX 62
/* Buckets behind the last one where a hash belongs; where they are too few the table grows early.
 * More than 64 are needed once in 10,000 times at 3/4. */
#define TAIL_SHARE 4
#define TAIL_MAX 64
/* Tables from this on grow where they lie: it spares the kernel half of the pages to clear, and
 * the old table beside the new one.  Their tails are of one length. */
#define IN_PLACE_BYTES (UINT64_C(1) << 20)
/* Rows that the table grows for at once. */
#define CHUNK_MIN 64

/* ---- hashes ---------------------------------------------------------------------------------- */

/* Of an odd number modulo 2^64: each of Newton's steps doubles the bits that are right, 3 at
 * first. */
static uint64_t inverse_of(uint64_t factor)
{
    uint64_t inverse = factor;
    for (int i = 0; i < 5; i++)
        inverse *= 2 - factor * inverse;
    return inverse;
}

void gm_tally_hash_init(struct gm_tally_hash *hash, uint64_t seed)
{
    struct gm_prng prng;
    gm_prng_init(&prng, seed);
    hash->mask = gm_prng_next(&prng);
    for (int i = 0; i < 2; i++) {
        hash->factors[i] = gm_prng_next(&prng) | 1;
        hash->inverses[i] = inverse_of(hash->factors[i]);
    }
}

/* ---- the block of memory --------------------------------------------------------------------- */

static uint64_t bucket_count_of(uint32_t shift)
{
    const uint64_t homes = UINT64_C(1) << (64 - shift);
    const uint64_t tail = homes / TAIL_SHARE;
    return homes + (tail < TAIL_MAX ? tail : TAIL_MAX);
}

static uint64_t bytes_of(const struct gm_tally *tally, uint32_t shift)
{
    return (bucket_count_of(shift) + 1) * tally->stride;
}

/* It is empty, and lies there. */
static void settle(struct gm_tally *tally, uint8_t *buckets, uint32_t shift)
{
    tally->buckets = buckets;
    tally->end = buckets + bucket_count_of(shift) * tally->stride;
    tally->shift = shift;
    tally->reach = 0;
    tally->has_zero = false;
    tally->count = 0;
    tally->count_max = (UINT64_C(1) << (64 - shift)) * GM_TALLY_LANES / 4 * 3;
}

static int make_buckets(struct gm_tally *tally, uint32_t shift)
{
    uint8_t *buckets = gm_heap_zalloc(tally->heap, bytes_of(tally, shift));
    if (buckets == NULL)
        return GM_ETASK_MEMORY;
    settle(tally, buckets, shift);
    return 0;
}

int gm_tally_init(struct gm_tally *tally, uint32_t value_count, const uint64_t *starts,
                  struct gm_heap *heap)
{
    *tally = (struct gm_tally){.heap = heap, .value_count = value_count, .starts = starts};
    tally->stride = (uint32_t)sizeof(uint64_t) * GM_TALLY_LANES * (1 + value_count);
    return make_buckets(tally, SHIFT_MAX);
}

void gm_tally_fini(struct gm_tally *tally)
{
    if (tally->buckets != NULL)
        gm_heap_free(tally->heap, tally->buckets, gm_tally_bytes(tally));
    tally->buckets = NULL;
}

void gm_tally_clear(struct gm_tally *tally)
{
    memset(tally->buckets, 0, gm_tally_bytes(tally));
    settle(tally, tally->buckets, tally->shift);
}

static const uint64_t *hashes_at(const uint8_t *bucket)
{
    return (const uint64_t *)bucket;
}

static uint64_t *values_at(uint8_t *bucket)
{
    return (uint64_t *)bucket + GM_TALLY_LANES;
}

/* The group of hash 0. */
static uint64_t *zero_place(struct gm_tally *tally)
{
    uint64_t *values = values_at(tally->end);
    if (!tally->has_zero) {
        for (uint32_t v = 0; v < tally->value_count; v++)
            values[v * GM_TALLY_LANES] = tally->starts[v];
        tally->has_zero = true;
        tally->count++;
    }
    return values;
}

static void copy_values(uint64_t *to, const uint64_t *from, uint32_t value_count)
{
    for (uint32_t v = 0; v < value_count; v++)
        to[v * GM_TALLY_LANES] = from[v * GM_TALLY_LANES];
}

/* ---- growing --------------------------------------------------------------------------------- */

/* The groups of one bucket of `from`.  False where `to` is too small. */
static bool move_bucket(const struct gm_tally *from, uint8_t *bucket, struct gm_tally *to,
                        uint32_t probes)
{
    for (uint32_t lane = 0; lane < GM_TALLY_LANES && hashes_at(bucket)[lane] != 0; lane++) {
        uint64_t *values = gm_tally_place(to, hashes_at(bucket)[lane], probes);
        if (values == NULL)
            return false;
        copy_values(values, values_at(bucket) + lane, from->value_count);
    }
    return true;
}

/* Fills `to`, which is empty.  False where it is too small. */
static bool move_all(const struct gm_tally *from, struct gm_tally *to)
{
    for (uint8_t *bucket = from->buckets; bucket < from->end; bucket += from->stride)
        if (!move_bucket(from, bucket, to, GM_TALLY_PROBES))
            return false;
    if (from->has_zero)
        copy_values(zero_place(to), values_at(from->end), from->value_count);
    return true;
}

/* Into another block, of twice the size or, where that has no room, more. */
static int grow_by_copy(struct gm_tally *tally)
{
    for (uint32_t shift = tally->shift - 1; shift > 0; shift--) {
        struct gm_tally grown = *tally;
        int rc = make_buckets(&grown, shift);
        if (rc < 0)
            return rc;
        if (move_all(tally, &grown)) {
            gm_tally_fini(tally);
            *tally = grown;
            return 0;
        }
        gm_tally_fini(&grown);
    }
    return GM_ETASK_MEMORY;
}

/* Where a bucket's groups belong moves to twice its place.  So they can be moved within the block
 * from the last bucket to the first, where the buckets between are empty or done: but for the
 * first 2 * reach + 2, whose groups may belong in front of where they are, and are kept aside.
 * There is always room: whatever fits into the buckets from one to the end fits into twice as many
 * and a tail as long. */
static int grow_in_place(struct gm_tally *tally, uint64_t head_bytes)
{
    const uint32_t stride = tally->stride;
    const struct gm_tally old = *tally;
    uint8_t kept[sizeof(uint64_t) * GM_TALLY_LANES * (1 + GM_TALLY_VALUES_MAX)];
    uint8_t *head = gm_heap_alloc(tally->heap, head_bytes + stride);
    if (head == NULL)
        return GM_ETASK_MEMORY;
    uint8_t *buckets = gm_heap_zrealloc(tally->heap, tally->buckets, gm_tally_bytes(tally),
                                        bytes_of(tally, tally->shift - 1));
    if (buckets == NULL) {
        gm_heap_free(tally->heap, head, head_bytes + stride);
        return GM_ETASK_MEMORY;
    }
    uint8_t *old_end = buckets + (uint64_t)(old.end - old.buckets);
    memcpy(head, buckets, head_bytes);
    memset(buckets, 0, head_bytes);
    memcpy(head + head_bytes, old_end, stride); /* of hash 0 */
    memset(old_end, 0, stride);
    settle(tally, buckets, old.shift - 1);
    for (uint8_t *bucket = old_end - stride; bucket >= buckets + head_bytes; bucket -= stride) {
        memcpy(kept, bucket, stride);
        memset(bucket, 0, stride);
        GM_CHECK(move_bucket(&old, kept, tally, UINT32_MAX));
    }
    for (uint64_t at = 0; at < head_bytes; at += stride)
        GM_CHECK(move_bucket(&old, head + at, tally, UINT32_MAX));
    if (old.has_zero)
        copy_values(zero_place(tally), values_at(head + head_bytes), old.value_count);
    gm_heap_free(tally->heap, head, head_bytes + stride);
    GM_CHECK(tally->count == old.count);
    return 0;
}

static int grow(struct gm_tally *tally)
{
    const uint64_t head_bytes = (2 * (uint64_t)tally->reach + 2) * tally->stride;
    const uint64_t bytes = gm_tally_bytes(tally);
    return bytes >= IN_PLACE_BYTES && head_bytes < bytes / 8 ? grow_in_place(tally, head_bytes)
                                                             : grow_by_copy(tally);
}

/* ---- looking up ------------------------------------------------------------------------------ */

uint32_t gm_tally_chunk(const struct gm_tally *tally, uint32_t rows)
{
    const uint64_t room = tally->count < tally->count_max ? tally->count_max - tally->count : 0;
    const uint32_t least = rows < CHUNK_MIN ? rows : CHUNK_MIN;
    const uint32_t most = rows < GM_TALLY_BLOCK ? rows : GM_TALLY_BLOCK;
    return room < least ? least : room < most ? (uint32_t)room : most;
}

/* Rows of which one has hash 0. */
static uint32_t find_slowly(struct gm_tally *tally, const uint64_t *hashes, uint32_t count,
                            uint64_t **ret_values)
{
    for (uint32_t i = 0; i < count; i++) {
        ret_values[i] = hashes[i] == 0 ? zero_place(tally)
                                       : gm_tally_place(tally, hashes[i], GM_TALLY_PROBES);
        if (ret_values[i] == NULL)
            return i;
    }
    return count;
}

int gm_tally_find(struct gm_tally *tally, const struct gm_tally_hash *hash, const int64_t *keys,
                  uint32_t step, uint32_t count, uint64_t **ret_values, uint32_t *ret_count)
{
    const struct gm_tally_kernel *kernel = gm_tally_kernel();
    uint64_t hashes[GM_TALLY_BLOCK + GM_TALLY_AHEAD];
    GM_CHECK(count > 0 && count <= GM_TALLY_BLOCK);
    const uint32_t distinct = step == 0 ? 1 : count;
    const bool has_zero = kernel->mix(hash, keys, distinct, hashes);
    memset(hashes + distinct, 0, GM_TALLY_AHEAD * sizeof hashes[0]);
    for (;;) {
        while (tally->count + distinct > tally->count_max) {
            int rc = grow(tally);
            if (rc < 0)
                return rc;
        }
        const uint32_t found = has_zero ? find_slowly(tally, hashes, distinct, ret_values)
                                        : kernel->find(tally, hashes, distinct, ret_values);
        *ret_count = found;
        if (found == distinct)
            break;
        tally->count_max = tally->count; /* a run of full buckets: it grows next */
        if (found > 0)
            return 0;
    }
    for (uint32_t i = distinct; i < count; i++)
        ret_values[i] = ret_values[0];
    *ret_count = count;
    return 0;
}

/* ---- taking out ------------------------------------------------------------------------------ */

/* Position 0 is the group of hash 0, places follow. */
uint32_t gm_tally_next(const struct gm_tally *tally, uint64_t *position, uint32_t max,
                       uint64_t *ret_hashes, const uint64_t **ret_values)
{
    const uint64_t places =
        (uint64_t)(tally->end - tally->buckets) / tally->stride * GM_TALLY_LANES;
    uint32_t count = 0;
    if (*position == 0 && max > 0) {
        ret_hashes[0] = 0;
        ret_values[0] = values_at(tally->end);
        count = tally->has_zero;
        *position = 1;
    }
    while (count < max && *position <= places) {
        const uint64_t bucket_index = (*position - 1) / GM_TALLY_LANES;
        const uint32_t lane = (uint32_t)((*position - 1) % GM_TALLY_LANES);
        uint8_t *bucket = tally->buckets + bucket_index * tally->stride;
        ret_hashes[count] = hashes_at(bucket)[lane];
        ret_values[count] = values_at(bucket) + lane;
        count += hashes_at(bucket)[lane] != 0;
        ++*position;
    }
    return count;
}

static uint64_t *hash_place(const struct gm_tally *tally, uint64_t place)
{
    return (uint64_t *)(tally->buckets + place / GM_TALLY_LANES * tally->stride) +
           place % GM_TALLY_LANES;
}

static void move_group(const struct gm_tally *tally, uint64_t to, uint64_t from)
{
    uint64_t *target = hash_place(tally, to);
    const uint64_t *source = hash_place(tally, from);
    for (uint32_t v = 0; v <= tally->value_count; v++)
        target[v * GM_TALLY_LANES] = source[v * GM_TALLY_LANES];
}

/* Sifts the group at `place` down among those from `begin` on, which are sorted. */
static void sift(const struct gm_tally *tally, uint64_t begin, uint64_t place)
{
    uint64_t kept[1 + GM_TALLY_VALUES_MAX];
    const uint64_t hash = *hash_place(tally, place);
    if (place == begin || *hash_place(tally, place - 1) <= hash)
        return;
    for (uint32_t v = 0; v <= tally->value_count; v++)
        kept[v] = hash_place(tally, place)[v * GM_TALLY_LANES];
    for (; place > begin && *hash_place(tally, place - 1) > hash; place--)
        move_group(tally, place, place - 1);
    for (uint32_t v = 0; v <= tally->value_count; v++)
        hash_place(tally, place)[v * GM_TALLY_LANES] = kept[v];
}

void gm_tally_sort(struct gm_tally *tally)
{
    const uint64_t places =
        (uint64_t)(tally->end - tally->buckets) / tally->stride * GM_TALLY_LANES;
    uint64_t begin = 0;
    /* Behind a bucket that is not full everything belongs behind it. */
    for (uint64_t place = 0; place < places; place++) {
        if (*hash_place(tally, place) != 0)
            sift(tally, begin, place);
        else
            begin = (place / GM_TALLY_LANES + 1) * GM_TALLY_LANES;
    }
}

uint64_t gm_tally_bytes(const struct gm_tally *tally)
{
    return bytes_of(tally, tally->shift);
}

uint64_t gm_tally_bytes_with(const struct gm_tally *tally, uint32_t count)
{
    const bool grows = tally->count + count > tally->count_max;
    return bytes_of(tally, tally->shift - grows);
}
