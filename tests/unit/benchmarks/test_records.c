/* test_records.c - goal: records have their layout, follow from the seed, and a file that is not
 * sorted, or not of the same records, is found out.
 * Method: small files; sorted with qsort, then damaged in one place.
 */
#include "benchmarks/suite/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT 25000

static uint8_t *records_of(const struct gm_records_spec *spec)
{
    uint8_t *records = malloc(spec->count * GM_RECORD_BYTES);
    assert_non_null(records);
    for (uint64_t i = 0; i < spec->count; i++)
        gm_record_make(spec, i, records + i * GM_RECORD_BYTES);
    return records;
}

static struct gm_records_facts facts_of(const uint8_t *data, size_t bytes)
{
    struct gm_records_facts facts;
    const int fd = memfd_create("records", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, bytes), bytes);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(gm_records_check(fd, &facts), 0);
    close(fd);
    return facts;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, GM_RECORD_KEY_BYTES);
}

static void records_have_their_layout(void **state)
{
    (void)state;
    uint8_t record[GM_RECORD_BYTES];
    const struct gm_records_spec ascii = {.count = 1000, .seed = 3, .ascii = true};
    const struct gm_records_spec binary = {.count = 1000, .seed = 3};
    for (uint64_t i = 0; i < 1000; i++) {
        gm_record_make(&ascii, i, record);
        for (uint32_t b = 0; b < 98; b++)
            assert_true(isprint(record[b]));
        assert_memory_equal(record + 98, "\r\n", 2);
        assert_memory_equal(record + 10, "  00000000000000000000000000000", 31);
        gm_record_make(&binary, i, record);
        assert_memory_equal(record + 10, "\x00\x11", 2);
        assert_memory_equal(record + 44, "\x88\x99\xaa\xbb", 4);
        assert_memory_equal(record + 96, "\xcc\xdd\xee\xff", 4);
        assert_int_equal(strtoull((const char *)record + 40, NULL, 16) & 0xfff, i & 0xfff);
    }
}

static void a_file_follows_from_its_seed(void **state)
{
    (void)state;
    for (uint32_t skew = 0; skew < 2; skew++) {
        const struct gm_records_spec spec = {.count = COUNT, .seed = 7, .skew = skew};
        uint8_t *records = records_of(&spec);
        const int fd = memfd_create("records", MFD_CLOEXEC);
        struct gm_records_facts facts;
        assert_int_equal(gm_records_write(fd, &spec), 0);
        uint8_t *got = mmap(NULL, COUNT * GM_RECORD_BYTES, PROT_READ, MAP_SHARED, fd, 0);
        assert_true(got != MAP_FAILED);
        assert_memory_equal(got, records, COUNT * GM_RECORD_BYTES);
        munmap(got, COUNT * GM_RECORD_BYTES);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_int_equal(gm_records_check(fd, &facts), 0);
        assert_int_equal(facts.count, COUNT);
        assert_true(facts.disordered > COUNT / 3);
        qsort(records, COUNT, GM_RECORD_BYTES, compare_keys);
        const struct gm_records_facts sorted = facts_of(records, COUNT * GM_RECORD_BYTES);
        assert_int_equal(sorted.disordered, 0);
        assert_memory_equal(sorted.checksum, facts.checksum, sizeof facts.checksum);
        assert_int_equal(sorted.duplicates, skew ? COUNT / 2 - 1 : 0);
        free(records);
        close(fd);
    }
}

static void what_is_wrong_is_found(void **state)
{
    (void)state;
    const struct gm_records_spec spec = {.count = COUNT, .seed = 9};
    uint8_t *records = records_of(&spec);
    qsort(records, COUNT, GM_RECORD_BYTES, compare_keys);
    const struct gm_records_facts right = facts_of(records, COUNT * GM_RECORD_BYTES);
    uint8_t swap[GM_RECORD_BYTES];
    /* 10,000 records are read at once: across that border as well. */
    for (uint32_t i = 9998; i < 10002; i++) {
        uint8_t *a = records + i * GM_RECORD_BYTES, *b = a + GM_RECORD_BYTES;
        memcpy(swap, a, sizeof swap);
        memcpy(a, b, sizeof swap);
        memcpy(b, swap, sizeof swap);
        const struct gm_records_facts facts = facts_of(records, COUNT * GM_RECORD_BYTES);
        assert_true(facts.disordered > 0);
        assert_int_equal(facts.first_disorder, i + 1);
        assert_memory_equal(facts.checksum, right.checksum, sizeof right.checksum);
        memcpy(b, a, sizeof swap);
        memcpy(a, swap, sizeof swap);
    }
    records[55 * GM_RECORD_BYTES + 60] ^= 1;
    struct gm_records_facts facts = facts_of(records, COUNT * GM_RECORD_BYTES);
    assert_int_equal(facts.disordered, 0);
    assert_memory_not_equal(facts.checksum, right.checksum, sizeof right.checksum);
    facts = facts_of(records, 10 * GM_RECORD_BYTES + 33);
    assert_int_equal(facts.count, 10);
    assert_int_equal(facts.rest_bytes, 33);
    facts = facts_of(records, 0);
    assert_int_equal(facts.count, 0);
    free(records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_have_their_layout),
        cmocka_unit_test(a_file_follows_from_its_seed),
        cmocka_unit_test(what_is_wrong_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
