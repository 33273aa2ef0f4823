/* fuzz_rows.c - what a command may write: lines in any form, parsed to any columns.
 *
 * The first byte chooses the form, the second the columns; the rest is the output.  Records lie one
 * behind the other, values inside them, and a row that is taken must be told and parse to the same
 * again.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/sink/jsonl.h"
#include "engine/sink/rows.h"
#include "engine/source/rows.h"
#include "tests/fuzz/target.h"

struct world {
    struct gm_heap heap;
    struct gm_schema schema;
    struct gm_batch batch;
    struct gm_arena arena;
    struct gm_row_reader reader;
    bool jsonl;
};

static int read_row(struct world *world, uint8_t *line, size_t bytes, uint32_t row)
{
    struct gm_error why = {0};
    const int rc =
        world->jsonl ? gm_jsonl_read(&world->schema, line, bytes, &world->batch, row,
                                     &world->arena, &why)
                     : gm_row_read(&world->reader, line, bytes, &world->batch, row, &why);
    GM_CHECK(rc == 0 || (rc == GM_EJOB_FLOW && why.code == rc));
    return rc;
}

/* Row 0 as text, and that as row 1. */
static void tell_again(struct world *world)
{
    struct gm_text text = {.heap = &world->heap};
    struct gm_error why = {0};
    const struct gm_row_writer writer = {.schema = &world->schema,
                                         .csv = world->reader.csv,
                                         .escape = world->reader.escape};
    const int rc = world->jsonl ? gm_jsonl_write(&world->schema, &world->batch, 0, &text, &why)
                                : gm_row_write(&writer, &world->batch, 0, &text, &why);
    /* JSON has no word for an infinite number. */
    GM_CHECK(rc == 0 || rc == GM_EJOB_FLOW);
    if (rc == 0) {
        GM_CHECK(text.length > 0 && text.data[text.length - 1] == '\n');
        GM_CHECK(read_row(world, (uint8_t *)text.data, text.length - 1, 1) == 0);
        for (uint32_t c = 0; c < world->schema.field_count; c++) {
            const struct gleam_value a = gm_vector_get(&world->batch.columns[c], 0);
            const struct gleam_value b = gm_vector_get(&world->batch.columns[c], 1);
            GM_CHECK(a.kind == b.kind);
            GM_CHECK(a.kind != GLEAM_I64 || a.i64 == b.i64);
            GM_CHECK(a.kind != GLEAM_BYTES ||
                     (a.bytes.length == b.bytes.length &&
                      memcmp(a.bytes.data, b.bytes.data, a.bytes.length) == 0));
        }
    }
    gm_heap_free(&world->heap, text.data, text.capacity);
}

static void read_all(struct world *world, const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
    GM_CHECK(copy != NULL);
    if (bytes > 0)
        memcpy(copy, data, bytes);
    for (size_t at = 0; at < bytes;) {
        bool quoted = false;
        const uint8_t *end = gm_row_end(&world->reader, copy + at, copy + bytes, &quoted);
        const size_t length = (end != NULL ? (size_t)(end - copy) : bytes) - at;
        for (uint32_t c = 0; c < world->schema.field_count; c++)
            world->batch.columns[c].has_nulls = false;
        memset(world->batch.storage, 0, world->batch.storage_bytes);
        gm_arena_reset(&world->arena);
        if (read_row(world, copy + at, length, 0) == 0)
            tell_again(world);
        at += length + 1;
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const uint8_t kinds[] = {GLEAM_BYTES, GLEAM_I64, GLEAM_F64, GLEAM_BOOL};
    struct world world = {0};
    if (bytes < 2)
        return 0;
    const uint8_t form = data[0] % 3;
    world.jsonl = form == 2;
    world.reader = (struct gm_row_reader){
        .schema = &world.schema, .csv = form == 1, .escape = form == 0};
    for (uint32_t c = 0; c <= (data[1] >> 6); c++) {
        const char name[] = {(char)('a' + c), '\0'};
        const uint8_t kind = kinds[data[1] >> (2 * (c % 3)) & 3];
        gm_schema_add(&world.schema, name, kind, form != 1 || kind != GLEAM_BYTES);
    }
    GM_CHECK(gm_heap_init(&world.heap, UINT64_MAX) == 0);
    GM_CHECK(gm_batch_init(&world.batch, &world.schema, &world.heap) == 0);
    gm_arena_init(&world.arena, &world.heap);
    read_all(&world, data + 2, bytes - 2);
    gm_arena_fini(&world.arena);
    gm_batch_fini(&world.batch, &world.heap);
    GM_CHECK(world.heap.used_bytes == 0);
    gm_heap_fini(&world.heap);
    return 0;
}
