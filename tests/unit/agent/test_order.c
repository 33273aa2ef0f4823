/* test_order.c - goal: a job's process reads the order that the driver wrote, and no other bytes;
 * everybody has a place of his own; an outcome comes back as it was told.
 * Method: orders of chosen nodes, cut and changed at every byte.
 */
#include "agent/node/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/node/outcome.h"

static struct gm_order order(void)
{
    static const uint8_t plan[] = "the plan";
    struct gm_order made = {.attempt = 7, .secret = 8, .frame_bytes = 8192, .analyze = true,
                            .directory = "/here", .node_count = 4, .plan = plan,
                            .plan_bytes = sizeof plan};
    for (uint32_t i = 0; i < 4; i++) {
        snprintf(made.nodes[i].name, sizeof made.nodes[i].name, "n%u:1", i);
        made.nodes[i].executor_count = i < 3 ? 2 + i : 0;
    }
    return made;
}

static void it_is_read_as_it_was_written(void **state)
{
    (void)state;
    static struct gm_order read;
    struct gm_error error = {0};
    const struct gm_order written = order();
    uint8_t *data;
    size_t bytes;
    assert_int_equal(gm_order_encode(&written, &data, &bytes), 0);
    assert_int_equal(gm_order_decode(data, bytes, &read, &error), 0);
    assert_int_equal(read.attempt, 7);
    assert_int_equal(read.secret, 8);
    assert_int_equal(read.frame_bytes, 8192);
    assert_true(read.analyze);
    assert_string_equal(read.directory, "/here");
    assert_string_equal(read.nodes[2].name, "n2:1");
    assert_int_equal(read.plan_bytes, written.plan_bytes);
    assert_memory_equal(read.plan, written.plan, read.plan_bytes);
    for (size_t cut = 0; cut < bytes; cut++) {
        error.code = 0;
        uint8_t *shorter = malloc(cut + 1); /* a sanitizer sees a read behind it */
        memcpy(shorter, data, cut);
        assert_int_equal(gm_order_decode(shorter, cut, &read, &error), GM_EPEER_PROTOCOL);
        free(shorter);
    }
    free(data);
}

static void everybody_has_a_place(void **state)
{
    (void)state;
    const struct gm_order made = order();
    uint32_t first = 0;
    assert_int_equal(gm_order_executor_count(&made), 9);
    for (uint32_t i = 0; i < 4; i++) {
        const struct gm_job_place place = gm_order_place(&made, i);
        assert_int_equal(place.executor_count, 9);
        assert_int_equal(place.first_local, first);
        assert_int_equal(place.local_count, made.nodes[i].executor_count);
        assert_int_equal(place.driver_is_local, i == 3);
        assert_int_equal(place.frame_bytes, 8192);
        first += place.local_count;
    }
}

static void assert_refused(const struct gm_order *made)
{
    static struct gm_order read;
    struct gm_error error = {0};
    uint8_t *data;
    size_t bytes;
    assert_int_equal(gm_order_encode(made, &data, &bytes), 0);
    assert_int_equal(gm_order_decode(data, bytes, &read, &error), GM_EPEER_PROTOCOL);
    assert_non_null(strstr(error.text, "order"));
    free(data);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct gm_order made = order();
    made.node_count = 1;
    assert_refused(&made);
    made = order();
    made.nodes[3].executor_count = 1; /* the driver has none */
    assert_refused(&made);
    made = order();
    made.nodes[1].executor_count = 0;
    assert_refused(&made);
    made.nodes[1].executor_count = GM_EXECUTORS_MAX; /* with the others too many */
    assert_refused(&made);
    made = order();
    made.frame_bytes = 8000;
    assert_refused(&made);
    made.frame_bytes = 2 * GM_FRAME_BYTES_MAX;
    assert_refused(&made);
}

static void an_outcome_comes_back(void **state)
{
    (void)state;
    static struct gm_outcome read, told = {.region_bytes = 5, .region_pages = GM_PAGES_THP,
                                           .executor_count = 2, .busy_ns = {1, 2},
                                           .peak_bytes = {3, 4}};
    struct gm_plan plan = {0};
    struct gm_executor_counts counts = {0}, sum = {0};
    struct gm_error none = {0}, got = {0};
    uint8_t *data;
    size_t bytes;
    assert_int_equal(gm_executor_counts_init(&counts, &plan), 0);
    assert_int_equal(gm_executor_counts_init(&sum, &plan), 0);
    counts.busy_ns = 11;
    assert_int_equal(gm_outcome_encode(&told, &none, &counts, &plan, &data, &bytes), 0);
    assert_int_equal(gm_outcome_decode(data, bytes, &plan, &read, &got, &sum), 0);
    assert_memory_equal(&read, &told, sizeof read);
    assert_int_equal(sum.busy_ns, 11);
    for (size_t cut = 0; cut < bytes; cut++)
        assert_int_equal(gm_outcome_decode(data, cut, &plan, &read, &got, &sum),
                         GM_EPEER_PROTOCOL);
    free(data);
    struct gm_error failed = {0};
    gm_error_set(&failed, GM_EPEER_DIED, "it died");
    assert_int_equal(gm_outcome_encode_failure(&failed, &data, &bytes), 0);
    assert_int_equal(gm_outcome_decode(data, bytes, &plan, &read, &got, &sum), 0);
    assert_int_equal(got.code, GM_EPEER_DIED);
    assert_string_equal(got.text, "it died");
    free(data);
    gm_executor_counts_fini(&counts);
    gm_executor_counts_fini(&sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_read_as_it_was_written),
        cmocka_unit_test(everybody_has_a_place),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(an_outcome_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
