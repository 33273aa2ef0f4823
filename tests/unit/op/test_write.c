/* test_write.c
 * Goal:   the texts that are handed on, laid end to end, are the partition's file, compressed or
 *         not, with a header once; their numbers of rows add up.
 * Method: many short rows and one longer than a text; errors and budgets from nothing up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <zlib.h>

#include "tests/unit/op/rig.h"

#define FILE_BYTES_MAX (4u << 20)

static struct gm_write_plan plan;

static struct rig write_rig(enum gm_compression compression)
{
    struct rig rig = {
        .step = {.kind = GM_STEP_WRITE, .name = "write csv", .where = "test.c:2", .write = &plan}};
    plan = (struct gm_write_plan){.format = GM_WRITE_CSV,
                                  .compression = compression,
                                  .counts = true,
                                  .delimiter = ',',
                                  .quote = '"',
                                  .header = true};
    gm_schema_add(&rig.step.schema, "text", GLEAM_BYTES, false);
    gm_schema_add(&rig.step.schema, "rows", GLEAM_I64, false);
    gm_schema_add(&rig.input, "word", GLEAM_BYTES, false);
    gm_schema_add(&rig.input, "n", GLEAM_I64, false);
    return rig;
}

/* Members of a .gz, one behind the other. */
static size_t unzip(uint8_t *data, size_t bytes, char *out)
{
    size_t at = 0;
    z_stream stream = {.next_in = data, .avail_in = (uInt)bytes};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    while (stream.avail_in > 0) {
        stream.next_out = (Bytef *)out + at;
        stream.avail_out = (uInt)(FILE_BYTES_MAX - at);
        assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
        at = FILE_BYTES_MAX - stream.avail_out;
        assert_int_equal(inflateReset(&stream), Z_OK);
    }
    inflateEnd(&stream);
    return at;
}

static void texts_make_the_file(enum gm_compression compression)
{
    uint64_t random = 1;
    struct rig rig = write_rig(compression);
    struct rows in = {0}, got = {0};
    static char large[200000], expected[FILE_BYTES_MAX], file[FILE_BYTES_MAX],
        plain[FILE_BYTES_MAX];
    size_t bytes = (size_t)sprintf(expected, "word,n\n"), at = 0;
    int64_t rows = 0;
    memset(large, 'L', sizeof large);
    for (uint32_t i = 0; i < 70000; i++) {
        const struct gleam_value values[] = {
            i == 777 ? gleam_bytes(large, sizeof large) : text_value(i % 3 ? "word" : ""),
            gleam_i64(i)};
        rows_add(&in, values, 2);
        bytes += (size_t)snprintf(expected + bytes, sizeof expected - bytes, "%.*s,%u\n",
                                  (int)values[0].bytes.length, values[0].bytes.data, i);
    }
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push_all(&rig, &in, &random, &got), 0);
    assert_int_equal(rig_finish(&rig, &got), 0);
    for (uint64_t i = 0; i < got.row_count; i++) {
        const struct gleam_value *row = rows_at(&got, i);
        memcpy(file + at, row[0].bytes.data, row[0].bytes.length);
        at += row[0].bytes.length;
        rows += row[1].i64;
    }
    assert_int_equal(rows, 70000);
    if (compression == GM_COMPRESSION_GZIP) {
        assert_true(got.row_count > 1 && at < bytes / 2);
        at = unzip((uint8_t *)file, at, plain);
    } else {
        memcpy(plain, file, at);
    }
    assert_int_equal(at, bytes);
    assert_memory_equal(plain, expected, bytes);
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void plain_texts(void **state)
{
    (void)state;
    texts_make_the_file(GM_COMPRESSION_NONE);
}

static void compressed_texts(void **state)
{
    (void)state;
    texts_make_the_file(GM_COMPRESSION_GZIP);
}

static void a_value_that_cannot_be_written_names_the_step(void **state)
{
    struct rig rig = write_rig(GM_COMPRESSION_NONE);
    struct rows in = {0}, got = {0};
    const struct gleam_value values[] = {text_value("a,b"), gleam_i64(1)};
    (void)state;
    plan.quote = 0;
    rows_add(&in, values, 2);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push(&rig, &in, 0, 1, 0, &got), GM_EJOB_FLOW);
    assert_non_null(strstr(rig.error.text, "test.c:2: step 'write csv': a value of column 'word'"));
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void budgets_that_are_too_small_are_told(void **state)
{
    (void)state;
    for (int method = GM_COMPRESSION_NONE; method <= GM_COMPRESSION_GZIP; method++) {
        int rc = GM_ETASK_MEMORY;
        for (uint64_t limit = 0; rc < 0; limit += 40000) {
            struct rig rig = write_rig((enum gm_compression)method);
            struct rows in = {0}, got = {0};
            const struct gleam_value values[] = {text_value("a"), gleam_i64(1)};
            assert_true(limit < 4000000);
            rows_add(&in, values, 2);
            rc = rig_open(&rig, limit, 0);
            if (rc == 0)
                rc = rig_push(&rig, &in, 0, 1, 0, &got);
            if (rc == 0)
                rc = rig_finish(&rig, &got);
            assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
            rows_free(&in);
            rows_free(&got);
            rig_close(&rig);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_texts),
        cmocka_unit_test(compressed_texts),
        cmocka_unit_test(a_value_that_cannot_be_written_names_the_step),
        cmocka_unit_test(budgets_that_are_too_small_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
