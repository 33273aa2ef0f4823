/* records.c - every record follows from the seed and its number. */
#include "benchmarks/suite/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "benchmarks/suite/write_all.h"
#include "engine/base/hash.h"

#define BLOCK_RECORDS 10000
#define BLOCK_BYTES (BLOCK_RECORDS * GM_RECORD_BYTES)
#define PRINTABLE 95 /* ' ' to '~' */

/* SplitMix64 (Sebastiano Vigna, public domain). */
static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void make_key(const struct gm_records_spec *spec, uint64_t number, uint8_t *key)
{
    /* Of a skewed file, odd records have the key that number 2^63 would have. */
    const uint64_t which = spec->skew && number % 2 == 1 ? UINT64_C(1) << 63 : number;
    uint64_t words[2] = {mix(spec->seed * UINT64_C(0x2545f4914f6cdd1d) ^ which), 0};
    words[1] = mix(words[0] ^ spec->seed);
    if (!spec->ascii) {
        memcpy(key, words, GM_RECORD_KEY_BYTES);
        return;
    }
    for (int i = 0; i < GM_RECORD_KEY_BYTES; i++) {
        uint64_t *word = &words[i / 5];
        key[i] = (uint8_t)(' ' + *word % PRINTABLE);
        *word /= PRINTABLE;
    }
}

static void make_number(uint64_t number, uint8_t *digits)
{
    memset(digits, '0', 16);
    for (int i = 15; i >= 0; i--, number >>= 4)
        digits[16 + i] = (uint8_t)"0123456789ABCDEF"[number & 15];
}

void gm_record_make(const struct gm_records_spec *spec, uint64_t number,
                    uint8_t ret_record[GM_RECORD_BYTES])
{
    uint8_t *at = ret_record;
    make_key(spec, number, at);
    at += GM_RECORD_KEY_BYTES;
    memcpy(at, spec->ascii ? "  " : "\x00\x11", 2);
    make_number(number, at + 2);
    at += 34;
    const uint64_t filler = mix(number ^ ~spec->seed);
    if (spec->ascii) {
        memcpy(at, "  ", 2);
        for (int i = 0; i < 13; i++)
            memset(at + 2 + 4 * i, "0123456789ABCDEF"[filler >> (4 * i) & 15], 4);
        memcpy(at + 54, "\r\n", 2);
        return;
    }
    memcpy(at, "\x88\x99\xaa\xbb", 4);
    for (int i = 0; i < 12; i++)
        memset(at + 4 + 4 * i, "0123456789ABCDEF"[filler >> (4 * i) & 15], 4);
    memcpy(at + 52, "\xcc\xdd\xee\xff", 4);
}

int gm_records_write(int fd, const struct gm_records_spec *spec)
{
    uint8_t *block = malloc(BLOCK_BYTES);
    if (block == NULL)
        return -ENOMEM;
    int rc = 0;
    for (uint64_t number = 0; number < spec->count && rc == 0;) {
        uint32_t in_block = 0;
        for (; in_block < BLOCK_RECORDS && number < spec->count; in_block++, number++)
            gm_record_make(spec, number, block + (size_t)in_block * GM_RECORD_BYTES);
        rc = gm_write_all(fd, block, (size_t)in_block * GM_RECORD_BYTES);
    }
    free(block);
    return rc;
}

/* Reads until the block is full or the file ends.  Returns bytes or -errno. */
static ssize_t read_block(int fd, uint8_t *block)
{
    size_t got = 0;
    while (got < BLOCK_BYTES) {
        const ssize_t bytes = read(fd, block + got, BLOCK_BYTES - got);
        if (bytes < 0 && errno == EINTR)
            continue;
        if (bytes < 0)
            return -errno;
        if (bytes == 0)
            break;
        got += (size_t)bytes;
    }
    return (ssize_t)got;
}

static void check_record(const uint8_t *record, uint8_t *last, struct gm_records_facts *facts)
{
    if (facts->count > 0) {
        const int order = memcmp(last, record, GM_RECORD_KEY_BYTES);
        facts->duplicates += order == 0;
        if (order > 0 && facts->disordered++ == 0)
            facts->first_disorder = facts->count;
    }
    memcpy(last, record, GM_RECORD_KEY_BYTES);
    const uint64_t hash = gm_hash_long(record, GM_RECORD_BYTES);
    facts->checksum[0] += hash;
    facts->checksum[1] += facts->checksum[0] < hash;
    facts->count++;
}

int gm_records_check(int fd, struct gm_records_facts *ret_facts)
{
    uint8_t last[GM_RECORD_KEY_BYTES] = {0};
    uint8_t *block = malloc(BLOCK_BYTES);
    if (block == NULL)
        return -ENOMEM;
    *ret_facts = (struct gm_records_facts){0};
    ssize_t bytes;
    while ((bytes = read_block(fd, block)) > 0) {
        size_t at = 0;
        for (; at + GM_RECORD_BYTES <= (size_t)bytes; at += GM_RECORD_BYTES)
            check_record(block + at, last, ret_facts);
        ret_facts->rest_bytes = (size_t)bytes - at;
        if (bytes < BLOCK_BYTES)
            break;
    }
    free(block);
    return bytes < 0 ? (int)bytes : 0;
}
