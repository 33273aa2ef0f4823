/* Goal: the parser finds the rows and values that a byte-by-byte reader finds, with every variant,
 * however the text is cut into segments and blocks, and bad rows are told, skipped or filled up.
 * Method: random texts of nasty bytes against csv_reference.h; a segment is read as the source
 * does: from the first record that begins in it, what is unfinished carried to the next block. */
#include "engine/source/csv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/base/error.h"
#include "tests/unit/source/csv_reference.h"
#include "tests/unit/source/growing_text.h"

#define TEXT_BYTES_MAX 6000
#define COLUMNS_MAX 8

static const char *const variant_names[] = {"avx512", "avx2", "sse2", "neon", "scalar"};

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) * limit >> 31);
}

/* Rows that a parser gave are a text "field|field\n" with "=" before values and "~" for null. */
static void append_value(struct text *text, const void *data, size_t bytes)
{
    append(text, data == NULL ? "~" : "=", 1);
    append(text, data, data == NULL ? 0 : bytes);
    append(text, "|", 1);
}

static struct gm_vector columns[COLUMNS_MAX];

static void make_columns(void)
{
    for (int i = 0; i < COLUMNS_MAX; i++) {
        columns[i].kind = GLEAM_BYTES;
        columns[i].bytes = calloc(GM_BATCH_ROWS_MAX, sizeof *columns[i].bytes);
        columns[i].nulls = malloc(GM_BATCH_ROWS_MAX);
        memset(columns[i].nulls, 0xee, GM_BATCH_ROWS_MAX);
        assert_true(columns[i].bytes != NULL && columns[i].nulls != NULL);
    }
}

static void append_rows(struct text *text, const struct gm_csv_format *format, uint32_t rows)
{
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t i = 0; i < format->column_count; i++) {
            const struct gm_bytes *value = &columns[i].bytes[row];
            const bool null = columns[i].has_nulls && columns[i].nulls[row] != 0;
            assert_non_null(value->data);
            append_value(text, null ? NULL : value->data, value->length);
        }
        append(text, "\n", 1);
    }
}

struct outcome {
    struct text rows;
    uint64_t bad_rows;
    bool failed;
    struct gm_csv_fault fault;
    size_t fault_begin; /* in the text */
};

/* Reads the records that begin in [begin, end) of the text, in blocks of block_bytes. */
static void read_segment(struct gm_csv_parser *parser, const uint8_t *text, size_t bytes,
                         size_t begin, size_t end, size_t block_bytes, struct outcome *outcome)
{
    const struct gm_csv_format *format = &parser->format;
    size_t at = 0;
    if (begin > 0) {
        bool inside = format->dialect.quote != 0 &&
                      gm_csv_count(text, begin, format->dialect.quote) % 2 == 1;
        at = begin;
        if (inside || text[begin - 1] != '\n') {
            const size_t found =
                gm_csv_find_record(&format->dialect, text + begin, bytes - begin, &inside);
            if (found == SIZE_MAX)
                return;
            at = begin + found;
        }
    }
    size_t have = 0; /* the span is [at, at + have) */
    while (at < end && !outcome->failed) {
        have = have + block_bytes < bytes - at ? have + block_bytes : bytes - at;
        uint8_t *span = malloc(have + GM_BYTES_SLACK);
        assert_non_null(span);
        memcpy(span, text + at, have);
        memset(span + have, '"', GM_BYTES_SLACK);
        gm_csv_parser_span(parser, span, have, end - at, at + have == bytes, false);
        int rc = 0;
        while (rc == 0) {
            uint32_t rows = 77;
            rc = gm_csv_parse(parser, columns, &rows, &outcome->fault);
            assert_true((rc == 0) == (rows > 0));
            append_rows(&outcome->rows, format, rows);
        }
        outcome->failed = rc == GM_CSV_BAD_ROW;
        outcome->fault_begin = at + outcome->fault.begin;
        assert_true(rc != GM_AGAIN || at + have < bytes);
        const size_t used = parser->begin < have ? parser->begin : have;
        at += used;
        have -= used;
        free(span);
        if (rc == GM_END)
            break;
    }
}

static void read_all(const struct gm_csv_format *format, const uint8_t *text, size_t bytes,
                     const size_t *cuts, size_t cut_count, size_t block_bytes,
                     struct outcome *outcome)
{
    static struct gm_csv_parser parser;
    uint8_t *padded = malloc(bytes + GM_BYTES_SLACK);
    assert_non_null(padded);
    memcpy(padded, text, bytes);
    memset(padded + bytes, '"', GM_BYTES_SLACK);
    *outcome = (struct outcome){0};
    append(&outcome->rows, "", 0);
    gm_csv_parser_init(&parser, format);
    size_t begin = 0;
    for (size_t i = 0; i <= cut_count && !outcome->failed; i++) {
        const size_t end = i < cut_count ? cuts[i] : bytes;
        if (end > begin)
            read_segment(&parser, padded, bytes, begin, end, block_bytes, outcome);
        begin = end;
    }
    free(padded);
    outcome->bad_rows = parser.bad_rows;
}

/* What the reference says of the same text. */
static void expect(const struct gm_csv_format *format, const uint8_t *text, size_t bytes,
                   struct outcome *outcome)
{
    struct reference reference;
    *outcome = (struct outcome){0};
    append(&outcome->rows, "", 0);
    reference_parse(format, text, bytes, &reference);
    for (size_t i = 0; i < reference.row_count && !outcome->failed; i++) {
        const struct reference_row *row = &reference.rows[i];
        if (row->bad && format->on_error == GM_CSV_FAIL) {
            outcome->failed = true;
            outcome->fault_begin = row->begin;
        }
        outcome->bad_rows += row->bad && !outcome->failed;
        if (row->bad && format->on_error != GM_CSV_NULL)
            continue;
        for (uint32_t c = 0; c < format->column_count; c++) {
            const uint32_t field = format->columns[c].field;
            const bool there = field < row->field_count && field < REFERENCE_FIELDS_MAX;
            append_value(&outcome->rows, there ? row->fields[field] : NULL,
                         there ? row->lengths[field] : 0);
        }
        append(&outcome->rows, "\n", 1);
    }
    reference_free(&reference);
}

static void compare(const struct gm_csv_format *format, const uint8_t *text, size_t bytes,
                    const size_t *cuts, size_t cut_count, size_t block_bytes, const char *variant)
{
    struct outcome wanted, got;
    expect(format, text, bytes, &wanted);
    read_all(format, text, bytes, cuts, cut_count, block_bytes, &got);
    const bool same = wanted.failed == got.failed && wanted.bad_rows == got.bad_rows &&
                      (!got.failed || got.fault_begin == wanted.fault_begin) &&
                      wanted.rows.length == got.rows.length &&
                      memcmp(wanted.rows.data, got.rows.data, got.rows.length) == 0;
    if (!same) {
        print_error("%s, block %zu, cut %zu, %u fields of '%c' '%c' '%c' '%c', on error %d\n",
                    variant, block_bytes, cut_count > 0 ? cuts[0] : 0, format->field_count,
                    format->dialect.delimiter, format->dialect.quote, format->dialect.escape,
                    format->dialect.comment, format->on_error);
        print_error("bad %d, got %d; failed %d at %zu, got %d at %zu\n", (int)wanted.bad_rows,
                    (int)got.bad_rows, wanted.failed, wanted.fault_begin, got.failed,
                    got.fault_begin);
        print_error("text <%.*s>\nwanted <%s>\ngot <%s>\n", (int)(bytes < 900 ? bytes : 900), text,
                    wanted.rows.data, got.rows.data);
    }
    free(wanted.rows.data);
    free(got.rows.data);
    assert_true(same);
}

/* ---- random texts ---------------------------------------------------------------------------- */

static struct gm_csv_format random_format(void)
{
    static const uint8_t delimiters[] = {',', '\t', ';', 0xff};
    struct gm_csv_format format = {.on_error = (uint8_t)random_below(3)};
    format.dialect.delimiter = delimiters[random_below(4)];
    format.dialect.quote = random_below(8) == 0 ? 0 : random_below(8) == 0 ? '\'' : '"';
    format.dialect.escape = random_below(4) == 0 ? '\\' : 0;
    format.dialect.comment = random_below(4) == 0 ? '#' : 0;
    format.field_count = 1 + random_below(5);
    format.has_nulls = random_below(2) == 0;
    if (format.has_nulls && random_below(2) == 0)
        format.null_bytes = (uint32_t)snprintf(format.null_text, sizeof format.null_text, "NA");
    for (uint32_t i = 0; i < format.field_count; i++) {
        if (random_below(4) == 0)
            continue;
        format.columns[format.column_count].nullable = format.has_nulls;
        format.columns[format.column_count++].field = (uint16_t)i;
    }
    return format;
}

static size_t put(uint8_t *text, size_t at, const char *data)
{
    memcpy(text + at, data, strlen(data));
    return at + strlen(data);
}

/* Mostly good rows; wild: any bytes of the dialect in any order. */
static size_t random_text(const struct gm_csv_format *format, uint8_t *text, size_t most,
                          bool wild)
{
    const struct gm_csv_dialect *d = &format->dialect;
    const uint8_t bytes[] = {d->delimiter, '"', '\'', '\n', '\r', '\\', '#', 'a', 'b', 'N', 'A'};
    size_t at = 0;
    while (at + 100 < most) {
        if (wild) {
            text[at++] = bytes[random_below(sizeof bytes)];
            continue;
        }
        for (uint32_t i = 0; i < format->field_count; i++) {
            const bool quoted = d->quote != 0 && random_below(3) == 0;
            if (i > 0)
                text[at++] = d->delimiter;
            if (quoted)
                text[at++] = d->quote;
            for (uint32_t n = random_below(random_below(8) == 0 ? 15 : 5); n > 0; n--) {
                const uint8_t byte = bytes[random_below(sizeof bytes)];
                const bool hard = byte == d->delimiter || byte == '\n' || byte == '\r' ||
                                  byte == '#';
                if (byte == d->escape || (byte == d->quote && d->escape != 0)) {
                    text[at++] = d->escape;
                    text[at++] = byte;
                } else if (byte == d->quote && quoted) {
                    text[at++] = byte;
                    text[at++] = byte;
                } else if (byte != d->quote && (quoted || !hard)) {
                    text[at++] = byte;
                }
            }
            if (quoted)
                text[at++] = d->quote;
        }
        at = put(text, at, random_below(3) == 0 ? "\r\n" : "\n");
        if (random_below(20) == 0)
            at = put(text, at, d->comment != 0 ? "# don't \"\n" : "\n");
        if (random_below(60) == 0)
            at = put(text, at, d->quote == 0 ? "x\n" : "x\"y\"\n");
    }
    return random_below(2) == 0 && at > 0 ? at - 1 : at;
}

static void random_texts(const char *variant, bool wild, int rounds)
{
    static uint8_t text[TEXT_BYTES_MAX];
    for (int round = 0; round < rounds; round++) {
        const struct gm_csv_format format = random_format();
        const size_t bytes =
            random_text(&format, text, 101 + random_below(TEXT_BYTES_MAX - 200), wild);
        size_t cuts[3];
        size_t cut_count = gm_csv_dialect_splits(&format.dialect) ? random_below(4) : 0;
        for (size_t i = 0; i < cut_count; i++)
            cuts[i] = bytes * (i + 1) / (cut_count + 1) + random_below(3) * (bytes > 100);
        compare(&format, text, bytes, cuts, cut_count, 1 + random_below(2000), variant);
    }
}

static void test_variants_agree_with_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variant_names / sizeof *variant_names; i++) {
        if (gm_csv_select(variant_names[i]) != 0)
            continue;
        assert_string_equal(gm_csv_variant(), variant_names[i]);
        random_state = i + 1;
        random_texts(variant_names[i], false, 400);
        random_texts(variant_names[i], true, 200);
    }
    assert_int_equal(gm_csv_select("mmx"), -EINVAL);
    assert_int_equal(gm_csv_select(NULL), 0);
}

static void test_every_split_gives_the_same_rows(void **state)
{
    static const char text[] =
        "a,b\n\"x\ny\",1\r\n\"q\"\"\n\"\"\",\"\n\n\"\n,\n\"\",z\n\nlast,\"a,\"\"b\"";
    struct gm_csv_format format = {.dialect = {.delimiter = ',', .quote = '"'},
                                   .field_count = 2,
                                   .column_count = 2,
                                   .columns = {{0, false}, {1, false}}};
    const size_t bytes = sizeof text - 1;
    (void)state;
    for (size_t block = 1; block < 70; block += 1 + block / 4)
        for (size_t first = 0; first <= bytes; first++)
            for (size_t second = first; second <= bytes; second++) {
                const size_t cuts[] = {first, second};
                compare(&format, (const uint8_t *)text, bytes, cuts, 2, block, "every split");
            }
}

/* ---- said cases ------------------------------------------------------------------------------ */

static struct gm_csv_format two_columns(uint8_t on_error)
{
    return (struct gm_csv_format){.dialect = {.delimiter = ',', .quote = '"'},
                                  .on_error = on_error,
                                  .field_count = 2,
                                  .column_count = 2,
                                  .columns = {{0, false}, {1, false}}};
}

static void rows_are(const struct gm_csv_format *format, const char *text, const char *rows)
{
    struct outcome got;
    read_all(format, (const uint8_t *)text, strlen(text), NULL, 0, 100, &got);
    assert_false(got.failed);
    assert_string_equal(got.rows.data, rows);
    free(got.rows.data);
}

static void test_plain_rows(void **state)
{
    struct gm_csv_format format = two_columns(GM_CSV_FAIL);
    (void)state;
    rows_are(&format, "a,b\nc,d", "=a|=b|\n=c|=d|\n");
    rows_are(&format, "a,b\r\n\r\n\"c\",\"d\"\r\n", "=a|=b|\n=c|=d|\n");
    rows_are(&format, "\"a\"\"b\",\"\"\n,", "=a\"b|=|\n=|=|\n");
    rows_are(&format, "", "");
    rows_are(&format, "a\rb,c\r\r\n", "=a\rb|=c\r|\n");
    format.column_count = 1;
    format.columns[0].field = 1;
    rows_are(&format, "a,b\nc,d\n", "=b|\n=d|\n");
    format.field_count = 1;
    format.columns[0].field = 0;
    rows_are(&format, "a\n\nb\n", "=a|\n=|\n=b|\n");
}

static void test_null_is_not_the_quoted_text(void **state)
{
    struct gm_csv_format format = two_columns(GM_CSV_FAIL);
    (void)state;
    format.has_nulls = true;
    format.columns[0].nullable = true;
    rows_are(&format, ",\n\"\",\n", "~|=|\n=|=|\n");
    format.null_bytes = 2;
    memcpy(format.null_text, "NA", 2);
    rows_are(&format, "NA,NA\n\"NA\",x\nN,\n", "~|=NA|\n=NA|=x|\n=N|=|\n");
}

static void fault_is(const char *text, enum gm_csv_fault_kind kind, size_t begin, size_t end,
                     uint32_t number)
{
    const struct gm_csv_format format = two_columns(GM_CSV_FAIL);
    struct outcome got;
    read_all(&format, (const uint8_t *)text, strlen(text), NULL, 0, 1000, &got);
    assert_true(got.failed);
    assert_int_equal(got.fault.kind, kind);
    assert_int_equal(got.fault_begin, begin);
    assert_int_equal(got.fault.end, end);
    assert_int_equal(kind == GM_CSV_FAULT_FIELDS ? got.fault.field_count : got.fault.field,
                     number);
    free(got.rows.data);
}

static void test_faults_are_told_apart(void **state)
{
    (void)state;
    fault_is("a,b\nc\nd,e\n", GM_CSV_FAULT_FIELDS, 4, 5, 1);
    fault_is("a,b\nc,d,e\r\n", GM_CSV_FAULT_FIELDS, 4, 9, 3);
    fault_is("a,b\n\"c\" ,d\n", GM_CSV_FAULT_STRAY, 4, 10, 0);
    fault_is("a,\"b\"\rx\n", GM_CSV_FAULT_STRAY, 0, 7, 1);
    fault_is("a,b\nc,5\" x 6\"\n", GM_CSV_FAULT_QUOTE, 4, 13, 1);
    fault_is("a,b\nc,\"d\ne,f\n", GM_CSV_FAULT_UNCLOSED, 4, 13, 1);
}

static void test_bad_rows_are_skipped_or_filled_up(void **state)
{
    static const char text[] = "a,b\nc\nd,e,f\ng,\"h\"x\ni,j\n\"k";
    struct gm_csv_format format = two_columns(GM_CSV_SKIP);
    (void)state;
    rows_are(&format, text, "=a|=b|\n=i|=j|\n");
    format.on_error = GM_CSV_NULL;
    rows_are(&format, text, "=a|=b|\n=c|~|\n=d|=e|\n=g|~|\n=i|=j|\n~|~|\n");
}

/* A row of more fields than the window of places. */
static void test_rows_of_very_many_fields(void **state)
{
    const size_t fields = 3 * GM_CSV_WINDOW;
    uint8_t *text = malloc(fields + 64 + GM_BYTES_SLACK);
    assert_non_null(text);
    memset(text, ',', fields);
    const size_t bytes = fields + (size_t)sprintf((char *)text + fields, "\nx,y\n");
    struct gm_csv_format format = two_columns(GM_CSV_NULL);
    struct outcome got;
    (void)state;
    for (size_t block = 1000; block <= 100000; block *= 10) {
        read_all(&format, text, bytes, NULL, 0, block, &got);
        assert_string_equal(got.rows.data, "=|=|\n=x|=y|\n");
        assert_int_equal(got.bad_rows, 1);
        free(got.rows.data);
    }
    format.on_error = GM_CSV_FAIL;
    read_all(&format, text, bytes, NULL, 0, bytes, &got);
    assert_true(got.failed);
    assert_int_equal(got.fault.field_count, fields + 1);
    free(got.rows.data);
    free(text);
}

static void test_a_file_of_the_most_fields(void **state)
{
    static struct gm_csv_format format;
    static uint8_t text[4 * GM_CSV_FIELDS_MAX * 3];
    size_t bytes = 0;
    (void)state;
    format = two_columns(GM_CSV_FAIL);
    format.field_count = GM_CSV_FIELDS_MAX;
    format.columns[1].field = GM_CSV_FIELDS_MAX - 1;
    for (int row = 0; row < 3; row++)
        for (int i = 0; i < GM_CSV_FIELDS_MAX; i++) {
            text[bytes++] = (uint8_t)('a' + row + i % 3);
            text[bytes++] = i + 1 < GM_CSV_FIELDS_MAX ? ',' : '\n';
        }
    struct outcome got;
    read_all(&format, text, bytes, NULL, 0, 3000, &got);
    assert_string_equal(got.rows.data, "=a|=b|\n=b|=c|\n=c|=d|\n");
    free(got.rows.data);
}

static void test_a_header_is_left_out(void **state)
{
    static struct gm_csv_parser parser;
    const struct gm_csv_format format = two_columns(GM_CSV_FAIL);
    uint8_t text[64 + GM_BYTES_SLACK] = "\nname,count,more\na,b\n";
    struct gm_csv_fault fault;
    uint32_t rows;
    (void)state;
    gm_csv_parser_init(&parser, &format);
    gm_csv_parser_span(&parser, text, strlen((char *)text), SIZE_MAX, true, true);
    assert_int_equal(gm_csv_parse(&parser, columns, &rows, &fault), 0);
    assert_int_equal(rows, 1);
    assert_memory_equal(columns[0].bytes[0].data, "a", 1);
    assert_int_equal(gm_csv_parse(&parser, columns, &rows, &fault), GM_END);
}

static uint32_t split(const char *text, bool whole, struct gm_bytes *fields, bool *quoted,
                      size_t *used)
{
    static uint8_t copy[256 + GM_BYTES_SLACK];
    const struct gm_csv_dialect dialect = {.delimiter = ',', .quote = '"', .comment = '#'};
    snprintf((char *)copy, sizeof copy, "%s", text);
    return gm_csv_split_record(&dialect, copy, strlen(text), whole, fields, quoted, 3, used);
}

static void test_the_first_record_is_split(void **state)
{
    struct gm_bytes fields[3];
    bool quoted[3];
    size_t used = 0;
    (void)state;
    assert_int_equal(split("# x\n\na,\"b\"\"\nc\",d,e\nf", false, fields, quoted, &used), 4);
    assert_int_equal(used, 19);
    assert_int_equal(fields[1].length, 4);
    assert_memory_equal(fields[1].data, "b\"\nc", 4);
    assert_true(!quoted[0] && quoted[1] && !quoted[2]);
    assert_int_equal(split("a,", true, fields, NULL, &used), 2);
    assert_int_equal(fields[1].length, 0);
    assert_int_equal(used, 2);
    assert_int_equal(split("a,b", false, fields, NULL, &used), 0);
    assert_int_equal(split("\na,\"b", true, fields, NULL, &used), 0);
    assert_int_equal(used, 1);
    assert_int_equal(split("a,\"b\"c\n", true, fields, NULL, &used), 0);
    assert_int_equal(split("\n#\n", true, fields, NULL, &used), 0);
    assert_int_equal(used, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variants_agree_with_the_reference),
        cmocka_unit_test(test_every_split_gives_the_same_rows),
        cmocka_unit_test(test_plain_rows),
        cmocka_unit_test(test_null_is_not_the_quoted_text),
        cmocka_unit_test(test_faults_are_told_apart),
        cmocka_unit_test(test_bad_rows_are_skipped_or_filled_up),
        cmocka_unit_test(test_rows_of_very_many_fields),
        cmocka_unit_test(test_a_file_of_the_most_fields),
        cmocka_unit_test(test_a_header_is_left_out),
        cmocka_unit_test(test_the_first_record_is_split),
    };
    make_columns();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
