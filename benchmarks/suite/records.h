/* records.h - records for sorting, and whether a file of them is sorted: the layout of the Sort
 * Benchmark (sortbenchmark.org).
 *
 * A record has 100 bytes: a key of 10 and a value of 90, which holds the record's number.  Binary
 * keys are any bytes; ASCII keys are printable, and records end in "\r\n", so that line tools sort
 * them as well.  Keys are uniform; with `skew` every second record has one and the same key.  The
 * same seed gives the same bytes (by a generator of ours, not that of gensort).
 */
#ifndef GM_BENCHMARKS_RECORDS_H
#define GM_BENCHMARKS_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#define GM_RECORD_BYTES 100
#define GM_RECORD_KEY_BYTES 10
#define GM_RECORDS_MAX (UINT64_C(1) << 40)

struct gm_records_spec {
    uint64_t count;
    uint64_t seed;
    bool ascii;
    bool skew;
};

/* Record `number` of a file. */
void gm_record_make(const struct gm_records_spec *spec, uint64_t number,
                    uint8_t ret_record[GM_RECORD_BYTES]);
/* Writes all of them to a descriptor.  Returns 0 or -errno. */
int gm_records_write(int fd, const struct gm_records_spec *spec);

struct gm_records_facts {
    uint64_t count;
    uint64_t duplicates;      /* records whose key is that of the one before */
    uint64_t disordered;      /* records whose key is less than that of the one before */
    uint64_t first_disorder;  /* number of the first of those */
    uint64_t checksum[2];     /* sum of the records' hashes: the same for any order */
    uint64_t rest_bytes;      /* behind the last whole record */
};

/* Reads a descriptor to its end.  Returns 0 or -errno. */
int gm_records_check(int fd, struct gm_records_facts *ret_facts);

#endif
