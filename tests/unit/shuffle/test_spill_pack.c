/* test_spill_pack.c
 * Goal:   blocks are compressed where the writer waits for the disk and they shrink, and nowhere
 *         else; that is looked at again; what comes out is what went in, and nonsense is refused.
 * Method: the policy, block by block; blocks of many kinds, cut and changed.
 */
#include "shuffle/spill_pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "shuffle/port/random.h"

#define BYTES (256u << 10)

/* Shows `count` blocks; returns how many were tried, of which all shrink or none. */
static uint32_t show(struct gm_spill_packer *packer, uint32_t count, bool stalled, bool shrinks)
{
    uint32_t tried = 0;
    for (uint32_t i = 0; i < count; i++)
        if (gm_spill_packer_wants(packer, stalled)) {
            gm_spill_packer_told(packer, shrinks);
            tried++;
        }
    return tried;
}

static void a_disk_that_keeps_up_gets_blocks_as_they_are(void **state)
{
    (void)state;
    struct gm_spill_packer packer = {.how = GM_SPILL_PACK_WHERE_IT_PAYS};
    assert_int_equal(show(&packer, 100000, false, true), 0);
}

static void what_shrinks_is_packed_when_the_disk_is_slow(void **state)
{
    (void)state;
    struct gm_spill_packer packer = {.how = GM_SPILL_PACK_WHERE_IT_PAYS};
    assert_int_equal(show(&packer, 31, true, true), 0);
    assert_int_equal(show(&packer, 1000, true, true), 1000);
    /* The disk is looked at again, and has become fast. */
    assert_true(show(&packer, 100000, false, true) < 200);
    assert_int_equal(show(&packer, 100000, false, true), 0);
    /* For a long time nearly all blocks are packed. */
    assert_true(show(&packer, 100000, true, true) > 95000);
}

static void what_does_not_shrink_is_left_alone(void **state)
{
    (void)state;
    struct gm_spill_packer packer = {.how = GM_SPILL_PACK_WHERE_IT_PAYS};
    const uint32_t tried = show(&packer, 100000, true, false);
    assert_true(tried > 10 && tried < 200);
    packer = (struct gm_spill_packer){.how = GM_SPILL_PACK_WHERE_IT_PAYS};
    assert_true(show(&packer, 100, true, true) > 60);
    assert_int_equal(show(&packer, 900, true, false), 4);
}

static void never_and_always(void **state)
{
    (void)state;
    struct gm_spill_packer packer = {.how = GM_SPILL_PACK_NEVER};
    assert_int_equal(show(&packer, 1000, true, true), 0);
    packer.how = GM_SPILL_PACK_ALWAYS;
    assert_int_equal(show(&packer, 1000, false, false), 1000);
}

static void what_comes_out_is_what_went_in(void **state)
{
    static uint8_t from[BYTES], packed[BYTES], back[BYTES + 1];
    struct gm_prng prng;
    (void)state;
    gm_prng_init(&prng, 3);
    for (uint32_t kind = 1; kind < 9; kind++) {
        /* Words of a few letters and a space, the more the longer. */
        const uint32_t bytes = BYTES - kind * 777;
        for (uint32_t i = 0; i < bytes; i++)
            from[i] = i % (4 * kind) == 0 ? (uint8_t)('a' + gm_prng_below(&prng, kind)) : ' ';
        const uint32_t count = gm_spill_pack(from, bytes, packed);
        assert_true(count > 0 && count <= bytes / 4 * 3);
        back[bytes] = 0xa5;
        assert_true(gm_spill_unpack(packed, count, back, bytes));
        assert_memory_equal(back, from, bytes);
        assert_int_equal(back[bytes], 0xa5);
        /* Too short, too long, cut. */
        assert_false(gm_spill_unpack(packed, count, back, bytes - 1));
        assert_false(gm_spill_unpack(packed, count - 1, back, bytes));
        assert_false(gm_spill_unpack(packed, 0, back, bytes));
        for (uint32_t i = 0; i < 200; i++) { /* whatever comes out, it stays in its bounds */
            const uint64_t at = gm_prng_below(&prng, count);
            packed[at] ^= (uint8_t)(1 + gm_prng_below(&prng, 255));
            (void)gm_spill_unpack(packed, count, back, bytes);
            assert_int_equal(back[bytes], 0xa5);
        }
    }
}

static void noise_does_not_shrink(void **state)
{
    static uint64_t from[BYTES / 8];
    static uint8_t packed[BYTES];
    struct gm_prng prng;
    (void)state;
    gm_prng_init(&prng, 4);
    for (uint32_t i = 0; i < BYTES / 8; i++)
        from[i] = gm_prng_next(&prng);
    assert_int_equal(gm_spill_pack((const uint8_t *)from, BYTES, packed), 0);
    memset(from, 0, sizeof from);
    assert_true(gm_spill_pack((const uint8_t *)from, BYTES, packed) > 0);
    assert_int_equal(gm_spill_pack((const uint8_t *)from, 1000, packed), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_that_keeps_up_gets_blocks_as_they_are),
        cmocka_unit_test(what_shrinks_is_packed_when_the_disk_is_slow),
        cmocka_unit_test(what_does_not_shrink_is_left_alone),
        cmocka_unit_test(never_and_always),
        cmocka_unit_test(what_comes_out_is_what_went_in),
        cmocka_unit_test(noise_does_not_shrink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
