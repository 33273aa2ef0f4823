/* test_frame.c
 * Goal:   a frame that anything was done to is refused, with a reason; runs stay in their payload.
 * Method: one good header, then every bit of it flipped, with the old seal and with a new one;
 *         runs by hand, cut at every length in blocks of their exact size.
 */
#include "engine/row/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/error.h"
#include "tests/unit/row/random_rows.h"

#define SECRET UINT64_C(0x0123456789abcdef)

static const struct gm_frame_expect expect = {.exchange = 3,
                                              .source = 1,
                                              .destination = 2,
                                              .attempt = 9,
                                              .sequence = 77,
                                              .secret = SECRET,
                                              .frame_bytes = GM_FRAME_BYTES_DEFAULT};

static struct gm_frame_header good_header(void)
{
    struct gm_frame_header header = {.magic = GM_FRAME_MAGIC,
                                     .exchange = 3,
                                     .source = 1,
                                     .destination = 2,
                                     .attempt = 9,
                                     .sequence = 77,
                                     .partition = 5,
                                     .payload_bytes = 1000,
                                     .row_count = 10,
                                     .run_count = 2};
    header.seal = gm_frame_seal(&header, SECRET);
    return header;
}

static int check(struct gm_frame_header header, bool seal_again)
{
    const char *why = NULL;
    if (seal_again)
        header.seal = gm_frame_seal(&header, SECRET);
    const int rc = gm_frame_check(&header, &expect, &why);
    if (rc != 0)
        assert_true(rc == GM_EFRAME_CORRUPT && why != NULL);
    return rc;
}

static void good_header_passes(void **state)
{
    (void)state;
    assert_int_equal(check(good_header(), false), 0);
}

static void every_flipped_bit_breaks_the_seal(void **state)
{
    (void)state;
    for (uint32_t bit = 0; bit < 8 * sizeof(struct gm_frame_header); bit++) {
        struct gm_frame_header header = good_header();
        ((uint8_t *)&header)[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        assert_int_equal(check(header, false), GM_EFRAME_CORRUPT);
    }
}

static void seal_needs_the_secret(void **state)
{
    (void)state;
    struct gm_frame_header header = good_header();
    for (uint32_t bit = 0; bit < 64; bit++) {
        header.seal = gm_frame_seal(&header, SECRET ^ UINT64_C(1) << bit);
        assert_int_equal(check(header, false), GM_EFRAME_CORRUPT);
    }
    memset(&header, 0, sizeof header);
    assert_int_equal(check(header, false), GM_EFRAME_CORRUPT);
}

static void sealed_bits_mix(void **state)
{
    (void)state;
    /* Half of the seal's bits change with any bit of the header, give or take. */
    const struct gm_frame_header header = good_header();
    for (uint32_t bit = 0; bit < 8 * offsetof(struct gm_frame_header, seal); bit++) {
        struct gm_frame_header other = header;
        ((uint8_t *)&other)[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        const int changed = __builtin_popcountll(header.seal ^ gm_frame_seal(&other, SECRET));
        assert_in_range(changed, 10, 54);
    }
}

#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        struct gm_frame_header changed = good_header();                                            \
        changed.field = value;                                                                     \
        assert_int_equal(check(changed, true), GM_EFRAME_CORRUPT);                                 \
    } while (0)

static void well_sealed_nonsense_is_refused(void **state)
{
    (void)state;
    REFUSED(magic, GM_FRAME_MAGIC + 1);
    REFUSED(exchange, 4);
    REFUSED(source, 4);
    REFUSED(destination, 4);
    REFUSED(attempt, 4);
    REFUSED(sequence, 78);
    REFUSED(flags, GM_FRAME_PACKED);
    REFUSED(flags, 8);
    REFUSED(reserved, 1);
    REFUSED(checksum, 1);
    REFUSED(payload_bytes, GM_FRAME_BYTES_DEFAULT - 63);
    REFUSED(payload_bytes, UINT32_MAX);
    REFUSED(payload_bytes, 0);
    REFUSED(run_count, 0);
    REFUSED(run_count, 63);
    REFUSED(run_count, UINT32_MAX);
    REFUSED(row_count, 969);
}

static void last_frame_may_be_empty(void **state)
{
    (void)state;
    struct gm_frame_header header = good_header();
    header.payload_bytes = header.row_count = header.run_count = 0;
    assert_int_equal(check(header, true), GM_EFRAME_CORRUPT);
    header.flags = GM_FRAME_END;
    assert_int_equal(check(header, true), 0);
    header.flags = GM_FRAME_END | GM_FRAME_CHECKSUM;
    header.checksum = 5;
    assert_int_equal(check(header, true), 0);
}

static uint32_t put_run(uint8_t *payload, uint32_t offset, struct gm_run_header run)
{
    memcpy(payload + offset, &run, sizeof run);
    memset(payload + offset + sizeof run, 'r', run.bytes);
    return offset + (uint32_t)sizeof run + run.bytes;
}

/* Walks the runs of a copy of its exact size.  Returns how many there are, or the failure. */
static int walk(const uint8_t *payload, uint32_t bytes)
{
    uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
    memcpy(exact, payload, bytes);
    struct gm_run_header run;
    const uint8_t *rows;
    uint32_t offset = 0;
    int count = 0, rc;
    uint32_t sum = 0;
    while ((rc = gm_frame_next_run(exact, bytes, &offset, &run, &rows)) == 0) {
        assert_true(rows == exact + offset - run.bytes);
        for (uint32_t i = 0; i < run.bytes; i++)
            sum += rows[i];
        count++;
    }
    assert_true(offset <= bytes);
    free(exact);
    assert_true(sum < UINT32_MAX);
    return rc == GM_END ? count : rc;
}

static void runs_are_walked_to_the_end(void **state)
{
    (void)state;
    uint8_t payload[256];
    uint32_t bytes = 0;
    bytes =
        put_run(payload, bytes, (struct gm_run_header){.bytes = 20, .flags = 3, .row_count = 2});
    bytes = put_run(payload, bytes, (struct gm_run_header){.bytes = 7, .flags = GM_RUN_FIRST});
    bytes = put_run(payload, bytes, (struct gm_run_header){.bytes = 7});
    bytes = put_run(payload, bytes,
                    (struct gm_run_header){.bytes = 1, .flags = GM_RUN_LAST, .row_count = 1});
    assert_int_equal(walk(payload, bytes), 4);
    assert_int_equal(walk(payload, 0), 0);
    static const uint32_t whole[] = {36, 59, 82};
    for (uint32_t cut = 1; cut < bytes; cut++) {
        bool between = false;
        for (uint32_t i = 0; i < 3; i++)
            between |= cut == whole[i];
        assert_true(between ? walk(payload, cut) > 0 : walk(payload, cut) == GM_EFRAME_CORRUPT);
    }
}

static void bad_runs_are_refused(void **state)
{
    (void)state;
    static const struct gm_run_header bad[] = {
        {.bytes = 4, .flags = 3, .row_count = 0},
        {.bytes = 4, .flags = 3, .row_count = 5},
        {.bytes = 4, .flags = GM_RUN_FIRST, .row_count = 1},
        {.bytes = 4, .flags = 0, .row_count = 1},
        {.bytes = 4, .flags = GM_RUN_LAST, .row_count = 0},
        {.bytes = 4, .flags = 7, .row_count = 1},
        {.bytes = 0, .flags = GM_RUN_FIRST, .row_count = 0},
        {.bytes = 4, .flags = 3, .row_count = 1, .partition = GM_PARTITIONS_MAX},
    };
    uint8_t payload[64];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(walk(payload, put_run(payload, 0, bad[i])), GM_EFRAME_CORRUPT);
}

static void offset_behind_the_end_is_refused(void **state)
{
    (void)state;
    const uint8_t payload[16] = {0};
    struct gm_run_header run;
    const uint8_t *rows;
    uint32_t offset = 17;
    assert_int_equal(gm_frame_next_run(payload, 16, &offset, &run, &rows), GM_EFRAME_CORRUPT);
    offset = UINT32_MAX;
    assert_int_equal(gm_frame_next_run(payload, 16, &offset, &run, &rows), GM_EFRAME_CORRUPT);
}

static void random_payloads_stay_inside(void **state)
{
    (void)state;
    uint64_t random = 5;
    for (uint32_t round = 0; round < 20000; round++) {
        uint8_t payload[128];
        for (uint32_t i = 0; i < sizeof payload; i++)
            payload[i] = random_below(&random, 8) ? (uint8_t)random_below(&random, 4)
                                                  : (uint8_t)random_next(&random);
        const int rc = walk(payload, random_below(&random, sizeof payload));
        assert_true(rc >= 0 || rc == GM_EFRAME_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_header_passes),
        cmocka_unit_test(every_flipped_bit_breaks_the_seal),
        cmocka_unit_test(seal_needs_the_secret),
        cmocka_unit_test(sealed_bits_mix),
        cmocka_unit_test(well_sealed_nonsense_is_refused),
        cmocka_unit_test(last_frame_may_be_empty),
        cmocka_unit_test(runs_are_walked_to_the_end),
        cmocka_unit_test(bad_runs_are_refused),
        cmocka_unit_test(offset_behind_the_end_is_refused),
        cmocka_unit_test(random_payloads_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
