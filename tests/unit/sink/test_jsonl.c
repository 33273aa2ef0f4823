/* test_jsonl.c
 * Goal:   rows become JSON objects that read back as the same rows; values go into the columns'
 *         types as far as they are of them.
 * Method: listed rows and lines; random rows there and back; budgets from nothing up.
 */
#include "engine/sink/jsonl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

struct world {
    struct gm_heap heap;
    struct gm_schema schema;
    struct gm_batch batch;
    struct gm_arena arena;
    struct gm_error why;
};

/* One column, named c, that may be null. */
static void world_open(struct world *world, uint8_t kind, uint64_t limit)
{
    *world = (struct world){0};
    assert_int_equal(gm_heap_init(&world->heap, UINT64_MAX), 0);
    gm_schema_add(&world->schema, "c", kind, kind != GLEAM_ANY);
    assert_int_equal(gm_batch_init(&world->batch, &world->schema, &world->heap), 0);
    gm_arena_init(&world->arena, &world->heap);
    world->heap.limit_bytes = limit;
}

static void world_close(struct world *world)
{
    gm_arena_fini(&world->arena);
    gm_batch_fini(&world->batch, &world->heap);
    assert_int_equal(world->heap.used_bytes, 0);
    gm_heap_fini(&world->heap);
}

static int read_line(struct world *world, const char *line)
{
    world->why = (struct gm_error){0};
    return gm_jsonl_read(&world->schema, (const uint8_t *)line, strlen(line), &world->batch, 0,
                         &world->arena, &world->why);
}

static void expect_read(uint8_t kind, const char *line, struct gleam_value expected)
{
    struct world world;
    world_open(&world, kind, UINT64_MAX);
    assert_int_equal(read_line(&world, line), 0);
    const struct gleam_value got = gm_vector_get(&world.batch.columns[0], 0);
    assert_int_equal(got.kind, expected.kind);
    assert_int_equal(gm_value_compare(&got, &expected), 0);
    world_close(&world);
}

static void values_go_into_their_columns(void **state)
{
    (void)state;
    expect_read(GLEAM_I64, "{\"c\": 12}", gleam_i64(12));
    expect_read(GLEAM_I64, "{\"c\": -3.0}", gleam_i64(-3));
    expect_read(GLEAM_F64, "{\"c\": 12}", gleam_f64(12));
    expect_read(GLEAM_F64, " { \"c\" : 1e3 } ", gleam_f64(1000));
    expect_read(GLEAM_BOOL, "{\"c\": true}", gleam_bool(true));
    expect_read(GLEAM_BOOL, "{\"c\": false}", gleam_bool(false));
    expect_read(GLEAM_BYTES, "{\"c\": \"a\\u0041\\n\"}", text_value("aA\n"));
    expect_read(GLEAM_BYTES, "{\"c\": \"a\\u0000b\"}", gleam_bytes("a\0b", 3));
    expect_read(GLEAM_BYTES, "{\"c\": 0.1}", text_value("0.1"));
    expect_read(GLEAM_BYTES, "{\"c\": [1, {\"d\": null}]}", text_value("[1,{\"d\":null}]"));
    expect_read(GLEAM_BYTES, "{\"c\": null}", gleam_null());
    expect_read(GLEAM_I64, "{\"c\": null}", gleam_null());
    expect_read(GLEAM_ANY, "{\"c\": null}", gleam_null());
    expect_read(GLEAM_ANY, "{\"c\": 7}", gleam_i64(7));
    expect_read(GLEAM_ANY, "{\"c\": 7.5}", gleam_f64(7.5));
    expect_read(GLEAM_ANY, "{\"c\": true}", gleam_bool(true));
    expect_read(GLEAM_ANY, "{\"c\": {}}", text_value("{}"));
}

static void expect_refusal(uint8_t kind, const char *line, const char *words)
{
    struct world world;
    world_open(&world, kind, UINT64_MAX);
    assert_int_equal(read_line(&world, line), GM_EJOB_FLOW);
    if (strstr(world.why.text, words) == NULL)
        fail_msg("'%s' is not in: %s", words, world.why.text);
    world_close(&world);
}

static void what_is_no_row_is_refused(void **state)
{
    (void)state;
    expect_refusal(GLEAM_I64, "", "no JSON object");
    expect_refusal(GLEAM_I64, "12", "no JSON object");
    expect_refusal(GLEAM_I64, "{\"c\": 1} x", "no JSON object");
    expect_refusal(GLEAM_I64, "{\"c\": 1, \"c\": 2}", "duplicate");
    expect_refusal(GLEAM_I64, "{\"c\": 99999999999999999999}", "no JSON object");
    expect_refusal(GLEAM_BYTES, "{\"c\": \"\xff\"}", "no JSON object");
    expect_refusal(GLEAM_I64, "{\"d\": 1}", "it has no member \"c\"");
    expect_refusal(GLEAM_I64, "{\"d\": 1, \"c\": 2}", "2 members");
    expect_refusal(GLEAM_I64, "{\"c\": \"1\"}", "member \"c\" is no i64");
    expect_refusal(GLEAM_I64, "{\"c\": 1e300}", "member \"c\" is no i64");
    expect_refusal(GLEAM_F64, "{\"c\": true}", "is no f64");
    expect_refusal(GLEAM_BOOL, "{\"c\": 1}", "is no bool");
}

static void too_little_memory_is_told(void **state)
{
    (void)state;
    struct world world;
    char line[20000];
    memset(line, 'x', sizeof line);
    memcpy(line, "{\"c\": \"", 7);
    memcpy(line + sizeof line - 3, "\"}", 3);
    world_open(&world, GLEAM_BYTES, 10000);
    assert_int_equal(read_line(&world, line), GM_ETASK_MEMORY);
    world_close(&world);

    struct rows rows = {0};
    struct input input;
    const struct gleam_value value = gleam_bytes(line, sizeof line - 1);
    world_open(&world, GLEAM_BYTES, 10000);
    rows_add(&rows, &value, 1);
    input_make(&input, &world.schema, &rows, 0, 1);
    struct gm_text text = {.heap = &world.heap};
    assert_int_equal(gm_jsonl_write(&world.schema, &input.batch, 0, &text, &world.why),
                     GM_ETASK_MEMORY);
    gm_heap_free(&world.heap, text.data, text.capacity);
    input_free(&input);
    rows_free(&rows);
    world_close(&world);
}

static void rows_come_back_as_they_were(void **state)
{
    (void)state;
    struct world world;
    uint64_t random = 5;
    for (uint32_t run = 0; run < 2000; run++) {
        struct rows rows = {0};
        struct input input;
        struct gleam_value value = random_small(&random, GLEAM_ANY, true);
        if (value.kind == GLEAM_F64 && (!isfinite(value.f64) || value.f64 == floor(value.f64)))
            value = gleam_f64(0.30000000000000004); /* an integral one comes back as i64 */
        world_open(&world, GLEAM_ANY, UINT64_MAX);
        rows_add(&rows, &value, 1);
        input_make(&input, &world.schema, &rows, 0, 1);
        struct gm_text text = {.heap = &world.heap};
        assert_int_equal(gm_jsonl_write(&world.schema, &input.batch, 0, &text, &world.why), 0);
        assert_int_equal(text.data[text.length - 1], '\n');
        assert_null(memchr(text.data, '\n', text.length - 1));
        assert_int_equal(gm_jsonl_read(&world.schema, (const uint8_t *)text.data, text.length - 1,
                                       &world.batch, 0, &world.arena, &world.why),
                         0);
        const struct gleam_value got = gm_vector_get(&world.batch.columns[0], 0);
        assert_int_equal(gm_value_compare(&got, &value), 0);
        gm_heap_free(&world.heap, text.data, text.capacity);
        input_free(&input);
        rows_free(&rows);
        world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_into_their_columns),
        cmocka_unit_test(what_is_no_row_is_refused),
        cmocka_unit_test(too_little_memory_is_told),
        cmocka_unit_test(rows_come_back_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
