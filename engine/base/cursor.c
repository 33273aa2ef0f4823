/* cursor.c - the parts of reader and writer that are not one line. */
#include "engine/base/cursor.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/base/check.h"

#define CAPACITY_BYTES_MIN 256

uint32_t gm_cursor_count(struct gm_cursor *cursor, uint32_t count_max, size_t element_bytes_min)
{
    GM_CHECK(element_bytes_min > 0);
    const uint32_t count = gm_cursor_u32(cursor);
    if (count > count_max || count > cursor->left_bytes / element_bytes_min) {
        gm_cursor_fail(cursor);
        return 0;
    }
    return count;
}

const uint8_t *gm_cursor_blob(struct gm_cursor *cursor, uint32_t length_max, uint32_t *ret_length)
{
    const uint32_t length = gm_cursor_u32(cursor);
    *ret_length = 0;
    if (length > length_max) {
        gm_cursor_fail(cursor);
        return NULL;
    }
    const uint8_t *data = gm_cursor_bytes(cursor, length);
    if (data != NULL)
        *ret_length = length;
    return data;
}

void gm_cursor_string(struct gm_cursor *cursor, char *text, size_t text_bytes)
{
    GM_CHECK(text_bytes > 0);
    uint32_t length;
    const size_t length_max = text_bytes - 1 < UINT32_MAX ? text_bytes - 1 : UINT32_MAX;
    const uint8_t *data = gm_cursor_blob(cursor, (uint32_t)length_max, &length);
    if (length > 0 && memchr(data, '\0', length) != NULL) {
        gm_cursor_fail(cursor);
        length = 0;
    }
    if (length > 0)
        memcpy(text, data, length);
    text[length] = '\0';
}

void gm_writer_init(struct gm_writer *writer, size_t bytes_max)
{
    *writer = (struct gm_writer){.bytes_max = bytes_max};
}

void gm_writer_fini(struct gm_writer *writer)
{
    free(writer->data);
    *writer = (struct gm_writer){.bytes_max = writer->bytes_max};
}

/* Makes room for `bytes` more; latches the failure. */
static bool writer_reserve(struct gm_writer *writer, size_t bytes)
{
    if (writer->code != 0)
        return false;
    if (bytes > writer->bytes_max - writer->bytes) {
        writer->code = -E2BIG;
        return false;
    }
    const size_t need = writer->bytes + bytes;
    if (need <= writer->capacity_bytes && writer->data != NULL)
        return true;
    size_t capacity =
        writer->capacity_bytes < CAPACITY_BYTES_MIN ? CAPACITY_BYTES_MIN : writer->capacity_bytes;
    while (capacity < need)
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    uint8_t *data = realloc(writer->data, capacity);
    if (data == NULL) {
        writer->code = -ENOMEM;
        return false;
    }
    writer->data = data;
    writer->capacity_bytes = capacity;
    return true;
}

void gm_writer_bytes(struct gm_writer *writer, const void *data, size_t bytes)
{
    if (!writer_reserve(writer, bytes) || bytes == 0)
        return;
    memcpy(writer->data + writer->bytes, data, bytes);
    writer->bytes += bytes;
}

void gm_writer_blob(struct gm_writer *writer, const void *data, size_t length)
{
    if (length > UINT32_MAX) {
        if (writer->code == 0)
            writer->code = -E2BIG;
        return;
    }
    gm_writer_u32(writer, (uint32_t)length);
    gm_writer_bytes(writer, data, length);
}

void gm_writer_string(struct gm_writer *writer, const char *text)
{
    gm_writer_blob(writer, text, strlen(text));
}

int gm_writer_take(struct gm_writer *writer, uint8_t **ret_data, size_t *ret_bytes)
{
    writer_reserve(writer, 0);
    if (writer->code != 0)
        return writer->code;
    *ret_data = writer->data;
    *ret_bytes = writer->bytes;
    *writer = (struct gm_writer){.bytes_max = writer->bytes_max};
    return 0;
}
