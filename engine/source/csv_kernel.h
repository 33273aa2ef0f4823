/* csv_kernel.h - finds the bytes that end fields: delimiters and line ends outside quotes.
 *
 * A scanner walks one span, 64 bytes at a time, and writes the places of those bytes.  What a quote
 * means does not depend on what stands around it: every quote flips between inside and outside, and
 * a doubled one flips twice.  So the state at any place of a file is the parity of the quotes
 * before it, which is what splits of a file pass on, and a block's masks are two comparisons, a
 * prefix sum modulo 2 and an and.
 *
 * Quotes in other places than RFC 4180 has them (inside an unquoted field, or with text behind a
 * closing one) are noticed by the same masks, not placed: the scanner then says `suspicious`, and
 * the parser looks at its fields one by one.
 *
 * Threads:   a scanner has one owner; the choice of a variant is shared and atomic.
 * Memory:    none of its own.
 * Variants:  "avx512", "avx2", "sse2", "neon" and "scalar"; GLEAM_SIMD in the environment asks for
 *            one and is read once.  A dialect with an escape character or comments is scanned byte
 *            by byte, about a sixth as fast.
 */
#ifndef GM_SOURCE_CSV_KERNEL_H
#define GM_SOURCE_CSV_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gm_csv_dialect {
    uint8_t delimiter;
    uint8_t quote;   /* 0: no field is quoted */
    uint8_t escape;  /* makes the next byte plain, anywhere; 0: a quote is written twice instead */
    uint8_t comment; /* a line that begins with it is none; 0: there are no comments */
};

/* Room that gm_csv_scan needs in `out`: a block has 64 places, rounded to whole stores. */
#define GM_CSV_SCAN_ROOM_MIN 80

struct gm_csv_scanner {
    struct gm_csv_dialect dialect;
    const uint8_t *at; /* the first byte not looked at */
    const uint8_t *end;
    uint64_t inside;     /* ~0: the cursor is inside quotes, 0: it is not */
    uint64_t may_open;   /* 1: a field or the second of two quotes may begin at the cursor */
    uint64_t has_closed; /* 1: the byte before the cursor closed a quoted field, or seems to have */
    uint64_t has_returned; /* 1: and a '\r' stands between */
    bool escaped, in_comment, line_begins; /* dialects with escape or comments */
    bool suspicious;
};

/* Borrows [data, data + bytes) and, readable, GM_BYTES_SLACK bytes behind it.  inside: data lies
 * within quotes. */
void gm_csv_scanner_init(struct gm_csv_scanner *scanner, const struct gm_csv_dialect *dialect,
                         const uint8_t *data, size_t bytes, bool inside);

/* Writes places, counted from base (at most 4 GiB before the span's end), and returns how many,
 * until the span has ended (scanner->at == scanner->end) or room is below GM_CSV_SCAN_ROOM_MIN.
 * Entries behind the last are scratch. */
size_t gm_csv_scan(struct gm_csv_scanner *scanner, const uint8_t *base, uint32_t *out,
                   size_t room);

/* How often `byte` occurs. */
uint64_t gm_csv_count(const uint8_t *data, size_t bytes, uint8_t byte);

/* True when the state at a place follows from the parity of the quotes before it. */
bool gm_csv_dialect_splits(const struct gm_csv_dialect *dialect);

/* Forces a variant by name, or with NULL the widest again.  Returns 0, -EINVAL for a name that
 * does not exist or -ENOTSUP for one that this processor cannot run. */
int gm_csv_select(const char *name);
/* Name of the variant in use. */
const char *gm_csv_variant(void);

#endif
