/* test_holding.c
 * Goal:   the largest holding of all operators goes first, whoever asks; what is pinned, empty or
 *         too small is left alone; a write that waits is gone on with by the next who asks.
 * Method: operators that only count, in one registry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/base/error.h"
#include "engine/op/holding.h"

static uint32_t waits; /* calls of give_back that say GM_AGAIN */

static int give_back(struct gm_op *op, struct gm_holding *holding)
{
    if (waits > 0) {
        waits--;
        return GM_AGAIN;
    }
    op->heap->used_bytes -= holding->bytes;
    gm_holding_set(holding, 0);
    return 0;
}

static const struct gm_op_ops counting = {.name = "counting", .give_back = give_back};

struct test {
    struct gm_heap heap;
    struct gm_spill spill;
    struct gm_holdings all;
    struct gm_op ops[2];
    struct gm_holding holdings[4]; /* of operator i / 2 */
};

static void open_test(struct test *test)
{
    *test = (struct test){.heap = {.limit_bytes = 1600}};
    waits = 0;
    for (uint32_t i = 0; i < 2; i++)
        test->ops[i] = (struct gm_op){.ops = &counting,
                                      .heap = &test->heap,
                                      .spill = &test->spill,
                                      .spill_at_bytes = 1200,
                                      .holdings = &test->all,
                                      .partition = i};
    for (uint32_t i = 0; i < 4; i++)
        gm_holding_add(&test->holdings[i], &test->ops[i / 2], test);
}

static void hold(struct test *test, uint32_t index, uint64_t bytes)
{
    struct gm_holding *holding = &test->holdings[index];
    test->heap.used_bytes += bytes - holding->bytes;
    gm_holding_set(holding, bytes);
}

static void close_test(struct test *test)
{
    for (uint32_t i = 0; i < 4; i++)
        gm_holding_remove(&test->holdings[i]);
    assert_null(test->all.first);
    assert_null(test->all.writing);
    assert_int_equal(test->all.bytes, 0);
}

static void nothing_goes_while_there_is_room(void **state)
{
    struct test test;
    (void)state;
    open_test(&test);
    hold(&test, 0, 1199);
    assert_int_equal(gm_holding_make_room(&test.ops[1]), 0);
    assert_int_equal(test.holdings[0].bytes, 1199);
    close_test(&test);
}

static void the_largest_goes_whoever_asks(void **state)
{
    struct test test;
    (void)state;
    open_test(&test);
    hold(&test, 0, 300);
    hold(&test, 1, 700);
    hold(&test, 2, 200);
    assert_int_equal(gm_holding_make_room(&test.ops[1]), 0);
    assert_int_equal(test.holdings[0].bytes, 300);
    assert_int_equal(test.holdings[1].bytes, 0);
    assert_int_equal(test.holdings[2].bytes, 200);
    close_test(&test);
}

static void what_is_pinned_or_small_stays(void **state)
{
    struct test test;
    (void)state;
    open_test(&test);
    hold(&test, 0, 900);
    hold(&test, 1, 99); /* a 12th is 100 */
    test.heap.used_bytes += 500; /* nobody's */
    gm_holding_pin(&test.holdings[0]);
    gm_holding_pin(&test.holdings[0]);
    assert_int_equal(test.all.bytes, 99);
    assert_int_equal(gm_holding_make_room(&test.ops[0]), 0);
    assert_int_equal(test.holdings[1].bytes, 99);
    /* Who has no room at all gets that as well, and no more. */
    assert_int_equal(gm_holding_ask_room(&test.ops[0]), 0);
    assert_int_equal(test.holdings[1].bytes, 0);
    assert_int_equal(gm_holding_ask_room(&test.ops[0]), GM_ETASK_MEMORY);
    gm_holding_unpin(&test.holdings[0]);
    assert_int_equal(gm_holding_make_room(&test.ops[1]), 0);
    assert_int_equal(test.holdings[0].bytes, 0);
    close_test(&test);
}

/* Many small ones that are a third together are written, one after the other. */
static void many_small_ones_go(void **state)
{
    struct test test;
    (void)state;
    open_test(&test);
    for (uint32_t i = 0; i < 4; i++)
        hold(&test, i, 99 + i);
    test.ops[0].spill_at_bytes = 1188;
    test.heap.used_bytes += 900;
    assert_int_equal(gm_holding_make_room(&test.ops[0]), 0);
    assert_int_equal(test.holdings[3].bytes, 0);
    assert_int_equal(test.holdings[0].bytes, 99);
    close_test(&test);
}

static void a_write_that_waits_is_gone_on_with(void **state)
{
    struct test test;
    (void)state;
    open_test(&test);
    hold(&test, 0, 1300);
    waits = 2;
    assert_int_equal(gm_holding_make_room(&test.ops[0]), GM_AGAIN);
    assert_ptr_equal(test.all.writing, &test.holdings[0]);
    hold(&test, 2, 1500); /* larger, but one is written at a time */
    assert_int_equal(gm_holding_ask_room(&test.ops[1]), GM_AGAIN);
    assert_int_equal(gm_holding_settle(&test.ops[1]), 0);
    assert_int_equal(test.holdings[0].bytes, 0);
    assert_int_equal(test.holdings[2].bytes, 1500);
    waits = 1;
    assert_int_equal(gm_holding_write(&test.holdings[2]), GM_AGAIN);
    close_test(&test); /* forgets the write */
}

static void without_a_disk_nobody_gives(void **state)
{
    struct test test;
    (void)state;
    open_test(&test);
    hold(&test, 0, 1500);
    test.ops[1].spill = NULL;
    assert_int_equal(gm_holding_make_room(&test.ops[1]), 0);
    assert_int_equal(gm_holding_ask_room(&test.ops[1]), GM_ETASK_MEMORY);
    assert_int_equal(test.holdings[0].bytes, 1500);
    close_test(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_goes_while_there_is_room),
        cmocka_unit_test(the_largest_goes_whoever_asks),
        cmocka_unit_test(what_is_pinned_or_small_stays),
        cmocka_unit_test(many_small_ones_go),
        cmocka_unit_test(a_write_that_waits_is_gone_on_with),
        cmocka_unit_test(without_a_disk_nobody_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
