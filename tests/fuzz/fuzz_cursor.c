/* fuzz_cursor.c - a reader driven by the bytes that it reads, and the parsers of base/text.
 *
 * Each byte read picks the next read.  No read may leave the input, and after a failure nothing may
 * succeed.  What was read well is written again and must give the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/cursor.h"
#include "engine/base/text.h"
#include "tests/fuzz/target.h"

#define TEXT_BYTES_MAX 64

/* One read, copied to the writer. */
static void step(struct gm_cursor *cursor, struct gm_writer *writer, uint8_t kind)
{
    char text[TEXT_BYTES_MAX];
    uint32_t length;
    const uint8_t *blob;
    switch (kind % 8) {
    case 0:
        gm_writer_u8(writer, gm_cursor_u8(cursor));
        break;
    case 1:
        gm_writer_u16(writer, gm_cursor_u16(cursor));
        break;
    case 2:
        gm_writer_u32(writer, gm_cursor_u32(cursor));
        break;
    case 3:
        gm_writer_u64(writer, gm_cursor_u64(cursor));
        break;
    case 4:
        gm_writer_bool(writer, gm_cursor_bool(cursor));
        break;
    case 5:
        gm_cursor_string(cursor, text, kind % sizeof text + 1);
        GM_CHECK(strlen(text) <= kind % sizeof text);
        gm_writer_string(writer, text);
        break;
    case 6:
        blob = gm_cursor_blob(cursor, 1000, &length);
        gm_writer_blob(writer, blob, length);
        break;
    default:
        length = gm_cursor_count(cursor, 100, 3);
        GM_CHECK(length <= 100 && length * 3 <= cursor->left_bytes);
        gm_writer_u32(writer, length);
        break;
    }
}

static void read_all(const uint8_t *data, size_t bytes)
{
    struct gm_cursor cursor;
    struct gm_writer writer;
    gm_cursor_init(&cursor, data, bytes);
    gm_writer_init(&writer, bytes + 64);
    size_t good_bytes = 0;
    while (!cursor.failed && cursor.left_bytes > 0) {
        const uint8_t kind = gm_cursor_u8(&cursor);
        gm_writer_u8(&writer, kind);
        step(&cursor, &writer, kind);
        if (!cursor.failed)
            good_bytes = bytes - cursor.left_bytes;
    }
    if (cursor.failed) {
        GM_CHECK(gm_cursor_u64(&cursor) == 0);
        GM_CHECK(gm_cursor_bytes(&cursor, 0) == NULL);
        GM_CHECK(!gm_cursor_done(&cursor));
    }
    uint8_t *again;
    size_t again_bytes;
    GM_CHECK(gm_writer_take(&writer, &again, &again_bytes) == 0);
    GM_CHECK(again_bytes >= good_bytes);
    GM_CHECK(good_bytes == 0 || memcmp(again, data, good_bytes) == 0);
    free(again);
}

static void parse_text(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    GM_CHECK(text != NULL);
    if (bytes > 0)
        memcpy(text, data, bytes);
    text[bytes] = '\0';
    uint32_t cores[16], count;
    uint64_t number;
    const char *why = NULL;
    GM_CHECK(gm_text_parse_size(text, &number, &why) == 0 || why != NULL);
    GM_CHECK(gm_text_parse_u64(text, 50, &number, &why) != 0 || number <= 50);
    GM_CHECK(gm_text_parse_core_list(text, cores, 16, &count, &why) != 0 || count <= 16);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    read_all(data, bytes);
    parse_text(data, bytes);
    return 0;
}
