/* tokenize_kernel.h - finds the words, maximal runs of [A-Za-z0-9], of a span of bytes.
 *
 * A tokenizer walks one span and hands out (pointer, length) pairs, a batch per call, so that
 * "read a block, tokenise it, aggregate the words" runs without a copy and without looking for
 * lines first: newlines are counted on the way for who needs the number of lines.
 *
 * Threads:   a tokenizer has one owner; the choice of a variant is shared and atomic.
 * Memory:    none of its own.  Words point into the span.
 * Variants:  "avx512" (VBMI2), "avx2", "neon" and "scalar".  The widest that the processor has is
 *            chosen at the first call; GLEAM_SIMD=scalar|avx2|avx512|neon in the environment asks
 *            for another and is read once.  All give the same words in the same order; how many
 *            of them come with one call may differ.
 */
#ifndef GM_OP_TOKENIZE_KERNEL_H
#define GM_OP_TOKENIZE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "engine/row/batch.h"

/* A 64-byte block holds at most 32 words and can end one more.  With at least this much room in
 * `out` the vector variants run; with less, words are found byte by byte: right, but slow. */
#define GM_TOKENIZE_ROOM_MIN 64

struct gm_tokenizer {
    const uint8_t *cursor; /* the first byte not looked at */
    const uint8_t *end;
    size_t open_bytes;      /* bytes right before the cursor that are a word not handed out yet */
    uint64_t newline_count; /* '\n' before the cursor; the whole span's after a call gave 0 */
};

/* Borrows `bytes` bytes at `data` until the span has ended; GM_BYTES_SLACK bytes behind them must
 * be readable, what they hold has no influence. */
void gm_tokenizer_init(struct gm_tokenizer *tokenizer, const uint8_t *data, size_t bytes);

/* Writes the next words to out[0..n) and returns n: 0 when, and only when, the span has ended.
 * 1 <= out_max; n <= out_max, often a little less.  Entries behind the n-th are scratch. */
size_t gm_tokenize(struct gm_tokenizer *tokenizer, struct gm_bytes *out, uint32_t out_max);

/* Forces a variant by name, or with NULL the widest again.  Returns 0, -EINVAL for a name that
 * does not exist or -ENOTSUP for one that this processor cannot run. */
int gm_tokenize_select(const char *name);

/* Name of the variant in use. */
const char *gm_tokenize_variant(void);

#endif
