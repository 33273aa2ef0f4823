/* text.h - English-like text for benchmarks: the same bytes for the same seed, on any machine.
 *
 * Words are drawn by Zipf's law (the k-th most frequent one with a weight of 1/k) from a
 * vocabulary of distinct words of 1 to 14 letters, frequent ones shorter: 4.9 letters in the mean
 * of a running text from 10,000 words, 5.4 from a million.  Lines have 60 to 110 bytes, some words
 * a comma or full stop behind them.
 * Beside the draws one pass goes over the whole vocabulary, spread evenly, so that a text that has
 * room for it (about 10 bytes for each distinct word) contains every word: "1 GB with a million
 * distinct words" has exactly a million.
 *
 * Memory: about 20 bytes for each distinct word, while it runs.
 */
#ifndef GM_BENCHMARKS_TEXT_H
#define GM_BENCHMARKS_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define GM_BENCH_WORDS_MAX (64u << 20)

struct gm_bench_text;

/* A text of `bytes` bytes.  distinct_words is in [1, GM_BENCH_WORDS_MAX].  Returns 0, -EINVAL or
 * -ENOMEM. */
int gm_bench_text_create(uint64_t bytes, uint32_t distinct_words, uint64_t seed,
                         struct gm_bench_text **ret_text);
void gm_bench_text_destroy(struct gm_bench_text *text);

/* The next at most `capacity` bytes of the text; 0 when all have been given out. */
size_t gm_bench_text_read(struct gm_bench_text *text, uint8_t *target, size_t capacity);

/* All of it to a file.  Exactly `bytes` bytes, the last of which is a newline.  Returns 0,
 * -EINVAL, -ENOMEM or the errno of write. */
int gm_bench_text(int fd, uint64_t bytes, uint32_t distinct_words, uint64_t seed);

#endif
