/* csv_text.h - rows of CSV for benchmarks: two text columns, about 85 bytes a row, the same for the
 * same seed everywhere.
 *
 * Column 1 is a sentence of 40 to 100 bytes; one in eight is quoted, for a comma in it, and one in
 * 64 for doubled quotes or a line end.  Column 2 is one of 5000 names, the first ones more often.
 *
 * Threads: one generator, one thread.
 */
#ifndef GM_BENCHMARKS_CSV_TEXT_H
#define GM_BENCHMARKS_CSV_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define GM_BENCH_CSV_ROW_BYTES_MAX 256

struct gm_bench_csv {
    uint64_t state;
};

void gm_bench_csv_init(struct gm_bench_csv *generator, uint64_t seed);

/* Writes one row with its "\n"; `out` has room for GM_BENCH_CSV_ROW_BYTES_MAX bytes.  Returns its
 * length in bytes. */
size_t gm_bench_csv_row(struct gm_bench_csv *generator, char *out);

#endif
