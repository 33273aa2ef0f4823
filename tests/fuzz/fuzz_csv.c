/* fuzz_csv.c - any bytes as CSV, in any dialect: no load or store outside the span, and the same
 * rows and faults from every variant and from any blocks.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/source/csv.h"
#include "tests/fuzz/target.h"

#define COLUMNS 3

static struct gm_csv_parser parser;
static struct gm_vector columns[COLUMNS];

static void make_columns(void)
{
    for (int i = 0; i < COLUMNS && columns[i].bytes == NULL; i++) {
        columns[i].kind = GLEAM_BYTES;
        columns[i].bytes = calloc(GM_BATCH_ROWS_MAX, sizeof *columns[i].bytes);
        columns[i].nulls = calloc(GM_BATCH_ROWS_MAX, 1);
        GM_CHECK(columns[i].bytes != NULL && columns[i].nulls != NULL);
    }
}

static uint64_t fold(uint64_t hash, const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
    return (hash ^ bytes) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t fold_rows(uint64_t hash, uint32_t column_count, uint32_t rows)
{
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t i = 0; i < column_count; i++) {
            const bool null = columns[i].has_nulls && columns[i].nulls[row] != 0;
            const struct gm_bytes *value = &columns[i].bytes[row];
            hash = null ? fold(hash, "null", 4) : fold(hash, value->data, value->length);
        }
    return hash;
}

/* Everything in blocks of block_bytes; what it gave, as one number. */
static uint64_t read_all(const struct gm_csv_format *format, const uint8_t *data, size_t bytes,
                         size_t block_bytes)
{
    uint64_t hash = 1;
    size_t at = 0, have = 0;
    gm_csv_parser_init(&parser, format);
    while (at < bytes) {
        have = have + block_bytes < bytes - at ? have + block_bytes : bytes - at;
        uint8_t *span = malloc(have + GM_BYTES_SLACK);
        GM_CHECK(span != NULL);
        memcpy(span, data + at, have);
        memset(span + have, format->dialect.quote, GM_BYTES_SLACK);
        gm_csv_parser_span(&parser, span, have, SIZE_MAX, at + have == bytes, false);
        struct gm_csv_fault fault;
        uint32_t rows;
        int rc;
        while ((rc = gm_csv_parse(&parser, columns, &rows, &fault)) == 0)
            hash = fold_rows(hash, format->column_count, rows);
        free(span);
        if (rc == GM_CSV_BAD_ROW)
            return fold(hash, &fault.kind, sizeof fault.kind) + at + fault.begin;
        GM_CHECK(rc == GM_END || (rc == GM_AGAIN && at + have < bytes));
        const size_t used = parser.begin < have ? parser.begin : have;
        at += used;
        have -= used;
        if (rc == GM_END)
            break;
    }
    return hash + parser.bad_rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const variants[] = {"scalar", "sse2", "avx2", "avx512", "neon"};
    static const uint8_t delimiters[] = {',', '\t', '"', 'a'};
    if (bytes < 4)
        return 0;
    make_columns();
    struct gm_csv_format format = {.dialect = {.delimiter = delimiters[data[0] % 3],
                                               .quote = data[0] & 4 ? '"' : 0,
                                               .escape = data[0] & 8 ? '\\' : 0,
                                               .comment = data[0] & 16 ? '#' : 0},
                                   .on_error = data[1] % 3,
                                   .has_nulls = data[1] & 4,
                                   .field_count = 1 + data[2] % 5};
    if (format.dialect.delimiter == format.dialect.quote)
        format.dialect.delimiter = ';';
    for (uint32_t i = 0; i < format.field_count && i < COLUMNS; i++) {
        format.columns[i].field = (uint16_t)i;
        format.columns[i].nullable = format.has_nulls;
        format.column_count++;
    }
    const size_t block = 1 + data[3];
    /* Random bytes hardly ever are those that mean something. */
    static uint8_t text[1 << 16];
    const bool narrow = (data[1] & 8) != 0;
    data += 4;
    bytes = bytes - 4 < sizeof text ? bytes - 4 : sizeof text;
    for (size_t i = 0; i < bytes; i++)
        text[i] = narrow ? (uint8_t)",,\n\n\r\"\"\"\\#abcdef"[data[i] % 16] : data[i];
    data = text;
    GM_CHECK(gm_csv_select("scalar") == 0);
    const uint64_t wanted = read_all(&format, data, bytes, bytes + 1);
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        if (gm_csv_select(variants[i]) != 0)
            continue;
        GM_CHECK(read_all(&format, data, bytes, block) == wanted);
    }
    return 0;
}
