/* fuzz_jsonl.c - any bytes as JSON lines: no load or store outside the span, values that lie in it,
 * and as many rows from any blocks.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/source/jsonl.h"
#include "tests/fuzz/target.h"

static struct gm_bytes values[2][GM_BATCH_ROWS_MAX];
static uint8_t nulls[2][GM_BATCH_ROWS_MAX];

static uint64_t read_all(const struct gm_schema *schema, uint8_t on_error, const uint8_t *data,
                         size_t bytes, size_t block)
{
    struct gm_vector columns[2] = {{.kind = GLEAM_BYTES, .bytes = values[0], .nulls = nulls[0]},
                                   {.kind = GLEAM_BYTES, .bytes = values[1], .nulls = nulls[1]}};
    struct gm_jsonl_parser parser;
    struct gm_csv_fault fault;
    size_t at = 0, have = 0;
    uint64_t total = 0;
    gm_jsonl_parser_init(&parser, schema, on_error);
    while (at < bytes) {
        have = have + block < bytes - at ? have + block : bytes - at;
        uint8_t *span = malloc(have + GM_BYTES_SLACK);
        GM_CHECK(span != NULL);
        memcpy(span, data + at, have);
        gm_jsonl_parser_span(&parser, span, have, SIZE_MAX, at + have == bytes);
        uint32_t rows;
        int rc;
        while ((rc = gm_jsonl_parse(&parser, columns, &rows, &fault)) == 0) {
            total += rows;
            for (uint32_t row = 0; row < rows; row++)
                for (int i = 0; i < 2; i++)
                    GM_CHECK(values[i][row].data >= span &&
                             values[i][row].data + values[i][row].length <= span + have);
        }
        free(span);
        if (rc == GM_CSV_BAD_ROW)
            return total * 1000 + at + fault.begin;
        at += parser.begin;
        have -= parser.begin;
    }
    return total * 1000 + parser.bad_rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint8_t text[1 << 16];
    struct gm_schema schema = {0};
    if (bytes < 3)
        return 0;
    gm_schema_add(&schema, "a", GLEAM_BYTES, true);
    gm_schema_add(&schema, "b", GLEAM_BYTES, true);
    const uint8_t on_error = data[0] % 3;
    const size_t block = 1 + data[1];
    /* Random bytes hardly ever are those that mean something. */
    const bool narrow = (data[2] & 1) != 0;
    data += 3;
    bytes = bytes - 3 < sizeof text ? bytes - 3 : sizeof text;
    for (size_t i = 0; i < bytes; i++)
        text[i] = narrow ? (uint8_t)"{}[]\"\"\"\\\\u::,,ab10e\n\n "[data[i] % 23] : data[i];
    GM_CHECK(read_all(&schema, on_error, text, bytes, bytes + 1) ==
             read_all(&schema, on_error, text, bytes, block));
    return 0;
}
