/* test_write.c
 * Goal:   rows become lines, CSV and JSON lines as said in write.h, and CSV reads back the same.
 * Method: listed rows against texts; random rows through the CSV parser; budgets from nothing up.
 */
#include "engine/sink/write.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/check.h"
#include "engine/source/csv.h"

#define ROWS 64

static struct gm_heap heap;
static struct gm_schema schema;
static struct gm_batch batch;
static char storage[ROWS * 128 + GM_BYTES_SLACK];
static size_t stored;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    schema = (struct gm_schema){0};
    gm_schema_add(&schema, "word", GLEAM_BYTES, true);
    gm_schema_add(&schema, "n", GLEAM_ANY, false);
    assert_int_equal(gm_batch_init(&batch, &schema, &heap), 0);
    batch.row_count = 0;
    batch.columns[0].has_nulls = false;
    stored = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gm_batch_fini(&batch, &heap);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
    return 0;
}

static void add(const char *word, size_t length, struct gleam_value n)
{
    const uint32_t row = batch.row_count++;
    struct gm_vector *words = &batch.columns[0];
    words->has_nulls = words->has_nulls || word == NULL;
    words->nulls[row] = word == NULL;
    if (word != NULL)
        memcpy(storage + stored, word, length);
    words->bytes[row] =
        (struct gm_bytes){.data = (const uint8_t *)storage + stored, .length = length};
    stored += length;
    if (n.kind == GLEAM_BYTES) {
        memcpy(storage + stored, n.bytes.data, n.bytes.length);
        n.bytes.data = storage + stored;
        stored += n.bytes.length;
    }
    batch.columns[1].any[row] = n;
}

static void written(const struct gm_write_plan *plan, const char *wanted)
{
    struct gm_text text = {.heap = &heap};
    struct gm_error error = {0};
    uint32_t rows;
    assert_int_equal(gm_write_header(plan, &schema, &text, &error), 0);
    assert_int_equal(gm_write_rows(plan, &schema, &batch, 0, SIZE_MAX, &text, &rows, &error), 0);
    assert_int_equal(rows, batch.row_count);
    if (text.length != strlen(wanted) || memcmp(text.data, wanted, text.length) != 0) {
        print_error("got <%.*s>\nwanted <%s>\n", (int)text.length, text.data, wanted);
        fail();
    }
    gm_heap_free(&heap, text.data, text.capacity);
}

static void add_examples(void)
{
    add("a", 1, gleam_i64(INT64_MIN));
    add("x,\"y\"\n", 6, gleam_f64(0.1));
    add("", 0, gleam_bool(true));
    add(NULL, 0, gleam_null());
    add("NA", 2, gleam_f64(NAN));
    add("\xc3\xa4\xff\x01\\", 5, gleam_bytes("t\tu", 3));
}

static void csv(void **state)
{
    struct gm_write_plan plan = {.format = GM_WRITE_CSV, .delimiter = ',', .quote = '"'};
    (void)state;
    add_examples();
    written(&plan, "a,-9223372036854775808\n\"x,\"\"y\"\"\n\",0.1\n\"\",true\n,\nNA,nan\n"
                   "\xc3\xa4\xff\x01\\,t\tu\n");
    plan.header = true;
    plan.quote_all = true;
    plan.null_bytes = 2;
    memcpy(plan.null_text, "NA", 2);
    written(&plan, "\"word\",\"n\"\n\"a\",-9223372036854775808\n\"x,\"\"y\"\"\n\",0.1\n\"\",true\n"
                   "NA,NA\n\"NA\",nan\n\"\xc3\xa4\xff\x01\\\",\"t\tu\"\n");
}

static void text(void **state)
{
    const struct gm_write_plan plan = {.format = GM_WRITE_TEXT};
    (void)state;
    add("a", 1, gleam_i64(7));
    add(NULL, 0, gleam_null());
    written(&plan, "a\t7\nnull\tnull\n");
}

static void json(void **state)
{
    const struct gm_write_plan plan = {.format = GM_WRITE_JSONL};
    (void)state;
    add_examples();
    written(&plan, "{\"word\":\"a\",\"n\":-9223372036854775808}\n"
                   "{\"word\":\"x,\\\"y\\\"\\n\",\"n\":0.1}\n{\"word\":\"\",\"n\":true}\n"
                   "{\"word\":null,\"n\":null}\n{\"word\":\"NA\",\"n\":null}\n"
                   "{\"word\":\"\xc3\xa4\xef\xbf\xbd\\u0001\\\\\",\"n\":\"t\\tu\"}\n");
    batch.row_count = 0;
    batch.columns[0].has_nulls = false;
    /* Cut characters, surrogates, and what is too long for its code are no UTF-8. */
    add("\xe2\x82\xac\xe2\x82", 5, gleam_i64(0));
    add("\xed\xa0\x80\xc0\x80", 5, gleam_i64(0));
    add("\xf0\x9f\x98\x80\xf4\x90\x80\x80", 8, gleam_i64(0));
#define BAD "\xef\xbf\xbd"
    written(&plan, "{\"word\":\"\xe2\x82\xac" BAD BAD "\",\"n\":0}\n"
                   "{\"word\":\"" BAD BAD BAD BAD BAD "\",\"n\":0}\n"
                   "{\"word\":\"\xf0\x9f\x98\x80" BAD BAD BAD BAD "\",\"n\":0}\n");
}

static void what_needs_a_quote_is_refused_without_one(void **state)
{
    const struct gm_write_plan plan = {.format = GM_WRITE_CSV, .delimiter = '\t'};
    static const char *const bad[] = {"a\tb", "a\nb", "a\rb", ""};
    (void)state;
    add("a\"b,c", 5, gleam_i64(1));
    add(NULL, 0, gleam_i64(1));
    written(&plan, "a\"b,c\t1\n\t1\n");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct gm_text out = {.heap = &heap};
        struct gm_error error = {0};
        uint32_t rows;
        batch.row_count = 0;
        batch.columns[0].has_nulls = false;
        add(bad[i], strlen(bad[i]), gleam_i64(1));
        assert_int_equal(gm_write_rows(&plan, &schema, &batch, 0, SIZE_MAX, &out, &rows, &error),
                         GM_EJOB_FLOW);
        assert_non_null(strstr(error.text, "column 'word' has a tab or line end"));
        gm_heap_free(&heap, out.data, out.capacity);
    }
}

static void it_stops_at_its_length_and_goes_on(void **state)
{
    const struct gm_write_plan plan = {.format = GM_WRITE_TEXT};
    struct gm_text out = {.heap = &heap};
    struct gm_error error = {0};
    uint32_t rows, first = 0;
    (void)state;
    for (int i = 0; i < ROWS; i++)
        add("abc", 3, gleam_i64(i));
    while (first < batch.row_count) {
        const size_t before = out.length;
        assert_int_equal(gm_write_rows(&plan, &schema, &batch, first, before + 20, &out, &rows,
                                       &error), 0);
        assert_true(rows >= 1 && rows <= 4);
        first += rows;
    }
    assert_int_equal(out.length, 10 * 6 + 54 * 7);
    gm_heap_free(&heap, out.data, out.capacity);
}

static void no_memory_is_told(void **state)
{
    const struct gm_write_plan plan = {.format = GM_WRITE_CSV, .header = true, .delimiter = ','};
    struct gm_text out = {.heap = &heap};
    struct gm_error error = {0};
    uint32_t rows;
    (void)state;
    add("abc", 3, gleam_i64(1));
    heap.limit_bytes = heap.used_bytes;
    assert_int_equal(gm_write_header(&plan, &schema, &out, &error), GM_ETASK_MEMORY);
    assert_int_equal(gm_write_rows(&plan, &schema, &batch, 0, 100, &out, &rows, &error),
                     GM_ETASK_MEMORY);
}

/* Values of the bytes that mean something, at every length around a vector's. */
static void csv_reads_back_the_same(void **state)
{
    static const uint8_t bytes[] = {'"', ',', '\n', '\r', 'a', 0, 0xff};
    const struct gm_write_plan plan = {.format = GM_WRITE_CSV, .delimiter = ',', .quote = '"'};
    const struct gm_csv_format format = {.dialect = {.delimiter = ',', .quote = '"'},
                                         .has_nulls = true,
                                         .field_count = 2,
                                         .column_count = 2,
                                         .columns = {{0, true}, {1, false}}};
    static struct gm_csv_parser parser;
    uint64_t random = 7;
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct gm_text out = {.heap = &heap};
        struct gm_error error = {0};
        struct gm_csv_fault fault;
        uint32_t rows;
        batch.row_count = 0;
        batch.columns[0].has_nulls = false;
        stored = 0;
        for (int i = 0; i < ROWS; i++) {
            char word[50];
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            const size_t length = (random >> 33) % 50;
            for (size_t k = 0; k < length; k++) {
                random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
                const bool rare = (random >> 60) < 4;
                word[k] = rare ? (char)bytes[(random >> 33) % sizeof bytes] : 'x';
            }
            const bool null = i % 9 == 8 && round % 2;
            add(null ? NULL : word, null ? 0 : length, gleam_bytes("y", 1));
        }
        /* Every other time of bytes without nulls alone, which are written in another way. */
        struct gm_batch plain = {.row_count = ROWS, .column_count = 2};
        struct gm_schema bytes_only = {0};
        plain.columns[0] = plain.columns[1] = batch.columns[0];
        gm_schema_add(&bytes_only, "a", GLEAM_BYTES, false);
        gm_schema_add(&bytes_only, "b", GLEAM_BYTES, false);
        assert_int_equal(round % 2 ? gm_write_rows(&plan, &schema, &batch, 0, SIZE_MAX, &out, &rows,
                                                   &error)
                                   : gm_write_rows(&plan, &bytes_only, &plain, 0, SIZE_MAX, &out,
                                                   &rows, &error),
                         0);
        assert_int_equal(rows, ROWS);
        struct gm_batch back;
        struct gm_schema texts = {0};
        gm_schema_add(&texts, "a", GLEAM_BYTES, true);
        gm_schema_add(&texts, "b", GLEAM_BYTES, false);
        assert_int_equal(gm_batch_init(&back, &texts, &heap), 0);
        uint8_t *span = calloc(1, out.length + GM_BYTES_SLACK);
        assert_non_null(span);
        memcpy(span, out.data, out.length);
        gm_csv_parser_init(&parser, &format);
        gm_csv_parser_span(&parser, span, out.length, SIZE_MAX, true, false);
        assert_int_equal(gm_csv_parse(&parser, back.columns, &rows, &fault), 0);
        assert_int_equal(rows, ROWS);
        for (uint32_t i = 0; i < rows; i++) {
            const struct gleam_value a = gm_vector_get(&batch.columns[0], i);
            const struct gleam_value b = gm_vector_get(&back.columns[0], i);
            assert_true(a.kind == b.kind || (round % 2 == 0 && a.bytes.length == 0));
            if (a.kind == GLEAM_NULL || (round % 2 == 0 && a.bytes.length == 0))
                continue;
            assert_int_equal(a.bytes.length, b.bytes.length);
            assert_memory_equal(a.bytes.data, b.bytes.data, a.bytes.length);
        }
        free(span);
        gm_batch_fini(&back, &heap);
        gm_heap_free(&heap, out.data, out.capacity);
    }
}

/* Columns of numbers and bytes without nulls take a way of their own; a row with a quote in the
 * middle, a constant, the ends of the range, and one more row than the length allows. */
static void csv_of_numbers_and_bytes(void **state)
{
    struct gm_write_plan plan = {.format = GM_WRITE_CSV, .delimiter = ',', .quote = '"'};
    static int64_t numbers[ROWS] = {INT64_MIN, 0, -1, INT64_MAX}, constant[] = {-42};
    const char *words[] = {"a", "", "b,\"c\"", "d"};
    const char *wanted = "-9223372036854775808,a,-42\n0,,-42\n-1,\"b,\"\"c\"\"\",-42\n"
                         "9223372036854775807,d,-42\n";
    (void)state;
    for (int i = 0; i < 4; i++)
        add(words[i], strlen(words[i]), gleam_null());
    for (int nullable = 0; nullable < 2; nullable++) { /* these are written by the general way */
        struct gm_schema mixed = {0};
        gm_schema_add(&mixed, "n", GLEAM_I64, false);
        gm_schema_add(&mixed, "word", GLEAM_BYTES, false);
        gm_schema_add(&mixed, "c", GLEAM_I64, nullable);
        struct gm_batch rows = {.row_count = 4, .column_count = 3};
        rows.columns[0] = (struct gm_vector){.kind = GLEAM_I64, .i64 = numbers};
        rows.columns[1] = batch.columns[0];
        rows.columns[2] = (struct gm_vector){.kind = GLEAM_I64, .constant = true, .i64 = constant};
        struct gm_text out = {.heap = &heap};
        struct gm_error error = {0};
        uint32_t written_rows, first = 0;
        while (first < 4) {
            assert_int_equal(gm_write_rows(&plan, &mixed, &rows, first, out.length + 30, &out,
                                           &written_rows, &error), 0);
            assert_true(written_rows > 0);
            first += written_rows;
        }
        assert_int_equal(out.length, strlen(wanted));
        assert_memory_equal(out.data, wanted, out.length);
        gm_heap_free(&heap, out.data, out.capacity);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(csv, setup, teardown),
        cmocka_unit_test_setup_teardown(text, setup, teardown),
        cmocka_unit_test_setup_teardown(json, setup, teardown),
        cmocka_unit_test_setup_teardown(what_needs_a_quote_is_refused_without_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(it_stops_at_its_length_and_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(no_memory_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(csv_reads_back_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(csv_of_numbers_and_bytes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
