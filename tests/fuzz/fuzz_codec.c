/* fuzz_codec.c - packed rows that anybody may have written.
 *
 * The first 8 bytes are the seed of a schema; the rest is hostile rows of it, or (odd seeds)
 * changes to good rows: pairs of position and value.  Decoding must stay inside, and what it
 * accepts must encode to the same bytes.
 */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/row/codec.h"
#include "tests/fuzz/target.h"
#include "tests/unit/row/random_rows.h"

#define GOOD_ROWS 8

static void check_same(const struct random_rows *rows, const struct gm_batch *batch,
                       const uint8_t *data, size_t used_bytes)
{
    uint32_t sizes[GM_BATCH_ROWS_MAX];
    const uint64_t bytes = gm_codec_sizes(&rows->layout, batch, 0, batch->row_count, sizes);
    GM_CHECK(bytes == used_bytes);
    uint8_t *out = malloc(bytes + GM_BYTES_SLACK);
    GM_CHECK(out != NULL);
    gm_codec_encode(&rows->layout, batch, 0, batch->row_count, sizes, out);
    GM_CHECK(memcmp(out, data, used_bytes) == 0);
    free(out);
}

static void decode(struct random_rows *rows, const uint8_t *data, size_t bytes)
{
    struct gm_batch batch;
    size_t used_bytes = 0;
    GM_CHECK(gm_batch_init(&batch, &rows->schema, &rows->heap) == 0);
    /* Exact first, so that a read outside is seen; then with the slack that encoding wants. */
    uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
    uint8_t *slack = malloc(bytes + GM_BYTES_SLACK);
    GM_CHECK(exact != NULL && slack != NULL);
    if (bytes > 0) {
        memcpy(exact, data, bytes);
        memcpy(slack, data, bytes);
    }
    const int rc = gm_codec_decode(&rows->layout, exact, bytes, UINT32_MAX, &batch, &used_bytes);
    GM_CHECK(rc == 0 || rc == GM_EFRAME_CORRUPT);
    if (rc == 0) {
        GM_CHECK(used_bytes <= bytes);
        GM_CHECK(gm_codec_decode(&rows->layout, slack, bytes, UINT32_MAX, &batch, &used_bytes) ==
                 0);
        check_same(rows, &batch, slack, used_bytes);
    }
    free(exact);
    free(slack);
    gm_batch_fini(&batch, &rows->heap);
}

static void change_good_rows(struct random_rows *rows, const uint8_t *changes, size_t bytes)
{
    uint32_t sizes[GOOD_ROWS];
    const uint64_t sum = gm_codec_sizes(&rows->layout, &rows->batch, 0, GOOD_ROWS, sizes);
    uint8_t *out = malloc(sum + GM_BYTES_SLACK);
    GM_CHECK(out != NULL);
    gm_codec_encode(&rows->layout, &rows->batch, 0, GOOD_ROWS, sizes, out);
    decode(rows, out, sum);
    for (size_t i = 0; i + 3 <= bytes && i < 48; i += 3) {
        out[(changes[i] | (uint64_t)changes[i + 1] << 8) % sum] = changes[i + 2];
        decode(rows, out, sum);
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint64_t seed;
    if (bytes < sizeof seed)
        return 0;
    memcpy(&seed, data, sizeof seed);
    struct random_rows *rows = malloc(sizeof *rows);
    GM_CHECK(rows != NULL);
    const bool change = seed & 1;
    random_rows_init(rows, &seed, change ? GOOD_ROWS : 1);
    if (change)
        change_good_rows(rows, data + sizeof seed, bytes - sizeof seed);
    else
        decode(rows, data + sizeof seed, bytes - sizeof seed);
    random_rows_fini(rows);
    free(rows);
    return 0;
}
