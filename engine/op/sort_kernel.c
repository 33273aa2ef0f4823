/* sort_kernel.c - prefixes, and sorting by them piece by piece.
 *
 * Large groups are distributed by a byte in place (American flag sort; McIlroy, Bostic and McIlroy,
 * "Engineering radix sort", 1993), middling ones by quicksort, small ones by insertion.  Taking the
 * next piece of the key only for rows that are still equal is multikey sorting with caching
 * (Bentley and Sedgewick, "Fast algorithms for sorting and searching strings", 1997).
 */
#include "engine/op/sort_kernel.h"

#include <math.h>

#include "engine/base/check.h"

/* Groups up to this are sorted by insertion, and up to the other by quicksort. */
#define INSERTION_MAX 20
#define QUICK_MAX 1024
/* Equal rows up to this are compared whole instead of getting the next piece of their key. */
#define COMPARE_MAX 12
/* Bytes of a value in one prefix; the eighth says how many there are. */
#define PIECE_BYTES 7
/* Pieces of one value before rows are compared instead: what so many bytes do not tell apart is
 * compared faster by memcmp. */
#define PIECES_MAX 9
#define MORE (PIECE_BYTES + 2)
/* Rows ahead that are fetched into the cache where all of a large group are looked at. */
#define PREFETCH_ROWS 16

/* How far a group's key is known to be equal. */
struct piece {
    uint32_t column; /* of the order; order->count: only positions are left */
    uint32_t number; /* of the column's pieces */
};

void gm_sort_order_init(struct gm_sort_order *order, const struct gm_schema *schema,
                        const struct gleam_order *columns)
{
    gm_layout_init(&order->layout, schema);
    order->order = columns;
}

/* ---- prefixes -------------------------------------------------------------------------------- */

/* NaN last, -0.0 as 0.0. */
static uint64_t number_bits(double number)
{
    if (isnan(number))
        return UINT64_MAX;
    if (number == 0)
        number = 0;
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

/* Up to 7 bytes and how many there are: 0 null, n + 1, or MORE when others follow.  A value that is
 * a prefix of another comes first, zero bytes or not. */
static inline uint64_t bytes_piece(const char *data, size_t length, uint32_t number)
{
    const size_t skip = (size_t)number * PIECE_BYTES;
    const size_t left = length > skip ? length - skip : 0;
    uint64_t piece = 0;
    if (left >= 8) {
        memcpy(&piece, data + skip, 8);
        return (__builtin_bswap64(piece) & ~UINT64_C(0xff)) | MORE;
    }
    for (size_t i = 0; i < PIECE_BYTES; i++)
        piece = piece << 8 | (i < left ? (uint8_t)data[skip + i] : 0);
    return piece << 8 | (left + 1);
}

/* One bit is given up to null, and comes in a second piece. */
static uint64_t number_piece(uint64_t bits, bool nullable, uint32_t number)
{
    if (!nullable)
        return bits;
    return number == 0 ? UINT64_C(1) << 63 | bits >> 1 : bits & 1;
}

static inline uint64_t value_piece(const struct gleam_value *value, uint8_t kind, bool nullable,
                                   uint32_t number)
{
    if (kind == GLEAM_ANY)
        return gm_value_prefix(value);
    switch (value->kind) {
    case GLEAM_NULL:
        return 0;
    case GLEAM_BOOL:
        return 1 + (uint64_t)value->boolean;
    case GLEAM_I64:
        return number_piece((uint64_t)value->i64 ^ UINT64_C(1) << 63, nullable, number);
    case GLEAM_F64:
        return number_piece(number_bits(value->f64), nullable, number);
    default:
        return bytes_piece(value->bytes.data, value->bytes.length, number);
    }
}

static uint64_t row_piece(const struct gm_sort_order *order, struct piece piece,
                          const uint8_t *row)
{
    if (piece.column == order->order->count)
        return gm_sort_position(row);
    const uint32_t field = order->order->columns[piece.column].column - 1;
    const uint64_t flip = order->order->columns[piece.column].ascending ? 0 : UINT64_MAX;
    const struct gleam_value value = gm_row_get(&order->layout, row, field);
    return value_piece(&value, order->layout.kinds[field], order->layout.nullable[field],
                       piece.number) ^
           flip;
}

uint64_t gm_sort_prefix(const struct gm_sort_order *order, const uint8_t *row)
{
    return row_piece(order, (struct piece){0}, row);
}

void gm_sort_prefixes(const struct gm_sort_order *order, const struct gm_batch *batch,
                      uint32_t first, uint32_t count, uint64_t *ret_prefixes)
{
    const uint32_t field = order->order->columns[0].column - 1;
    const uint64_t flip = order->order->columns[0].ascending ? 0 : UINT64_MAX;
    const struct gm_vector *vector = &batch->columns[field];
    const uint8_t kind = order->layout.kinds[field];
    const bool nullable = order->layout.nullable[field];
    if (kind == GLEAM_BYTES && !vector->constant && !vector->has_nulls) {
        for (uint32_t i = 0; i < count; i++) {
            const struct gm_bytes *bytes = &vector->bytes[first + i];
            ret_prefixes[i] = bytes_piece((const char *)bytes->data, bytes->length, 0) ^ flip;
        }
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct gleam_value value = gm_vector_get(vector, first + i);
        ret_prefixes[i] = value_piece(&value, kind, nullable, 0) ^ flip;
    }
}

int gm_sort_compare_keys(const struct gm_sort_order *order, const struct gm_sort_entry *a,
                         const struct gm_sort_entry *b)
{
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    return gm_row_compare(&order->layout, order->order, a->row, b->row);
}

bool gm_sort_before(const struct gm_sort_order *order, const struct gm_sort_entry *a,
                    const struct gm_sort_entry *b)
{
    const int by_key = gm_sort_compare_keys(order, a, b);
    return by_key != 0 ? by_key < 0 : gm_sort_position(a->row) < gm_sort_position(b->row);
}

/* ---- by whole rows --------------------------------------------------------------------------- */

static bool rows_before(const struct gm_sort_order *order, const struct gm_sort_entry *a,
                        const struct gm_sort_entry *b)
{
    const int by_key = gm_row_compare(&order->layout, order->order, a->row, b->row);
    return by_key != 0 ? by_key < 0 : gm_sort_position(a->row) < gm_sort_position(b->row);
}

static void insert_rows(const struct gm_sort_order *order, struct gm_sort_entry *entries,
                        uint64_t count)
{
    for (uint64_t i = 1; i < count; i++) {
        const struct gm_sort_entry entry = entries[i];
        uint64_t at = i;
        for (; at > 0 && rows_before(order, &entry, &entries[at - 1]); at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

static void sink_row(const struct gm_sort_order *order, struct gm_sort_entry *entries,
                     uint64_t at, uint64_t count)
{
    const struct gm_sort_entry entry = entries[at];
    for (;;) {
        uint64_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && rows_before(order, &entries[child], &entries[child + 1]))
            child++;
        if (!rows_before(order, &entry, &entries[child]))
            break;
        entries[at] = entries[child];
        at = child;
    }
    entries[at] = entry;
}

/* Heapsort: in place, and never worse than n log n comparisons. */
static void sort_rows(const struct gm_sort_order *order, struct gm_sort_entry *entries,
                      uint64_t count)
{
    if (count <= INSERTION_MAX) {
        insert_rows(order, entries, count);
        return;
    }
    for (uint64_t i = count / 2; i-- > 0;)
        sink_row(order, entries, i, count);
    for (uint64_t end = count; end-- > 1;) {
        const struct gm_sort_entry last = entries[end];
        entries[end] = entries[0];
        entries[0] = last;
        sink_row(order, entries, 0, end);
    }
}

/* ---- by prefixes ----------------------------------------------------------------------------- */

static void insert_prefixes(struct gm_sort_entry *entries, uint64_t count)
{
    for (uint64_t i = 1; i < count; i++) {
        const struct gm_sort_entry entry = entries[i];
        uint64_t at = i;
        for (; at > 0 && entry.prefix < entries[at - 1].prefix; at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

static uint64_t middle_of(uint64_t a, uint64_t b, uint64_t c)
{
    if (a < b)
        return b < c ? b : a < c ? c : a;
    return a < c ? a : b < c ? c : b;
}

/* Both sides of the pivot in one pass without a branch that depends on the keys. */
static uint64_t split(struct gm_sort_entry *entries, uint64_t count, uint64_t pivot)
{
    uint64_t less = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct gm_sort_entry entry = entries[i];
        entries[i] = entries[less];
        entries[less] = entry;
        less += entry.prefix < pivot;
    }
    return less;
}

static void flag_sort(struct gm_sort_entry *entries, uint64_t count, int shift);

/* depth_left: splits that may go wrong before distribution, which cannot, takes over. */
static void quick_sort(struct gm_sort_entry *entries, uint64_t count, int shift,
                       uint32_t depth_left)
{
    while (count > INSERTION_MAX) {
        const uint64_t first = entries[0].prefix;
        const uint64_t pivot =
            middle_of(first, entries[count / 2].prefix, entries[count - 1].prefix);
        if (depth_left-- == 0) {
            flag_sort(entries, count, shift);
            return;
        }
        const uint64_t less = split(entries, count, pivot);
        /* What equals the pivot stands in front of what is larger. */
        uint64_t upto = less;
        if (pivot != UINT64_MAX)
            upto += split(entries + less, count - less, pivot + 1);
        else
            upto = count;
        quick_sort(entries, less, shift, depth_left);
        entries += upto;
        count -= upto;
    }
    insert_prefixes(entries, count);
}

static void sort_prefixes(struct gm_sort_entry *entries, uint64_t count, int shift)
{
    if (count <= INSERTION_MAX)
        insert_prefixes(entries, count);
    else if (count <= QUICK_MAX || shift < 0)
        quick_sort(entries, count, shift, 64);
    else
        flag_sort(entries, count, shift);
}

/* Distributes by the byte at `shift`, in place; then each byte's group by the next one. */
static void flag_sort(struct gm_sort_entry *entries, uint64_t count, int shift)
{
    uint64_t ends[256], nexts[256];
    uint64_t counts[256];
    for (; shift >= 0; shift -= 8) {
        memset(counts, 0, sizeof counts);
        for (uint64_t i = 0; i < count; i++)
            counts[entries[i].prefix >> shift & 0xff]++;
        if (counts[entries[0].prefix >> shift & 0xff] < count)
            break; /* otherwise this byte is the same everywhere */
    }
    if (shift < 0)
        return;
    uint64_t sum = 0;
    for (uint32_t b = 0; b < 256; b++) {
        nexts[b] = sum;
        sum += counts[b];
        ends[b] = sum;
    }
    for (uint32_t b = 0; b < 256; b++) {
        while (nexts[b] < ends[b]) {
            struct gm_sort_entry entry = entries[nexts[b]];
            uint32_t to = entry.prefix >> shift & 0xff;
            while (to != b) {
                const struct gm_sort_entry other = entries[nexts[to]];
                entries[nexts[to]++] = entry;
                entry = other;
                to = entry.prefix >> shift & 0xff;
            }
            entries[nexts[b]++] = entry;
        }
    }
    uint64_t begin = 0;
    for (uint32_t b = 0; b < 256; b++) {
        if (ends[b] - begin > 1)
            sort_prefixes(entries + begin, ends[b] - begin, shift - 8);
        begin = ends[b];
    }
}

/* ---- piece by piece -------------------------------------------------------------------------- */

/* What comes behind `piece` for rows that share `prefix` there. */
static struct piece next_piece(const struct gm_sort_order *order, struct piece piece,
                               uint64_t prefix)
{
    const uint32_t field = order->order->columns[piece.column].column - 1;
    const uint8_t kind = order->layout.kinds[field];
    if (!order->order->columns[piece.column].ascending)
        prefix = ~prefix;
    bool more = false;
    if (kind == GLEAM_BYTES)
        more = (prefix & 0xff) == MORE;
    else if (kind != GLEAM_BOOL && order->layout.nullable[field])
        more = piece.number == 0 && prefix != 0;
    if (more)
        piece.number++;
    else
        piece = (struct piece){.column = piece.column + 1};
    return piece;
}

static void sort_group(const struct gm_sort_order *order, struct gm_sort_entry *entries,
                       uint64_t count, struct piece piece);

/* Rows with the same prefix in `piece`. */
static void sort_equal(const struct gm_sort_order *order, struct gm_sort_entry *entries,
                       uint64_t count, struct piece piece)
{
    const uint32_t field = order->order->columns[piece.column].column - 1;
    if (count <= COMPARE_MAX || order->layout.kinds[field] == GLEAM_ANY) {
        sort_rows(order, entries, count);
        return;
    }
    piece = next_piece(order, piece, entries[0].prefix);
    if (piece.number >= PIECES_MAX) {
        sort_rows(order, entries, count);
        return;
    }
    /* They lie anywhere in memory.  A row's position is in front of it. */
    for (uint64_t i = 0; i < count; i++) {
        if (i + PREFETCH_ROWS < count)
            __builtin_prefetch(entries[i + PREFETCH_ROWS].row - GM_SORT_POSITION_BYTES);
        entries[i].prefix = row_piece(order, piece, entries[i].row);
    }
    sort_group(order, entries, count, piece);
}

/* The prefixes are those of `piece`. */
static void sort_group(const struct gm_sort_order *order, struct gm_sort_entry *entries,
                       uint64_t count, struct piece piece)
{
    sort_prefixes(entries, count, 56);
    if (piece.column == order->order->count)
        return; /* positions are the last piece */
    uint64_t begin = 0;
    while (begin < count) {
        uint64_t end = begin + 1;
        while (end < count && entries[end].prefix == entries[begin].prefix)
            end++;
        if (end - begin > 1)
            sort_equal(order, entries + begin, end - begin, piece);
        begin = end;
    }
}

void gm_sort_entries(const struct gm_sort_order *order, struct gm_sort_entry *entries,
                     uint64_t count)
{
    if (count > 1)
        sort_group(order, entries, count, (struct piece){0});
}
