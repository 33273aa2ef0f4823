/* cursor.h - plans and control messages as bytes: a reader that cannot leave its input, a writer
 * that grows.
 *
 * Both latch: the first failure makes every later call a cheap no-op (reads give 0), so a codec
 * reads or writes a whole message and looks at `failed` once, at the end.  A value that is used
 * as a bound before that is still a value the reader checked (gm_cursor_count).
 *
 * Format: integers little-endian and unaligned; bytes and strings behind a u32 length.
 * Memory: the cursor borrows its input.  The writer's block comes from malloc.
 */
#ifndef GM_BASE_CURSOR_H
#define GM_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers are copied as they lie");

/* ---- reading ------------------------------------------------------------------------------- */

struct gm_cursor {
    const uint8_t *next;
    size_t left_bytes;
    bool failed;
};

static inline void gm_cursor_init(struct gm_cursor *cursor, const void *data, size_t bytes)
{
    *cursor = (struct gm_cursor){.next = data, .left_bytes = bytes};
}

/* For what the caller finds wrong. */
static inline void gm_cursor_fail(struct gm_cursor *cursor)
{
    cursor->failed = true;
    cursor->left_bytes = 0;
}

/* The next `bytes` bytes, borrowed; NULL on failure.  Not NULL when bytes is 0 and the input was
 * not NULL. */
static inline const uint8_t *gm_cursor_bytes(struct gm_cursor *cursor, size_t bytes)
{
    if (cursor->failed || bytes > cursor->left_bytes) {
        gm_cursor_fail(cursor);
        return NULL;
    }
    const uint8_t *data = cursor->next;
    if (bytes > 0)
        cursor->next += bytes;
    cursor->left_bytes -= bytes;
    return data;
}

#define GM_CURSOR_READ(name, type)                                                                 \
    static inline type gm_cursor_##name(struct gm_cursor *cursor)                                  \
    {                                                                                              \
        type value = 0;                                                                            \
        const uint8_t *data = gm_cursor_bytes(cursor, sizeof value);                               \
        if (data != NULL)                                                                          \
            memcpy(&value, data, sizeof value);                                                    \
        return value;                                                                              \
    }
GM_CURSOR_READ(u8, uint8_t)
GM_CURSOR_READ(u16, uint16_t)
GM_CURSOR_READ(u32, uint32_t)
GM_CURSOR_READ(u64, uint64_t)
GM_CURSOR_READ(i64, int64_t)
#undef GM_CURSOR_READ

/* 0 or 1; anything else fails. */
static inline bool gm_cursor_bool(struct gm_cursor *cursor)
{
    const uint8_t value = gm_cursor_u8(cursor);
    if (value > 1)
        gm_cursor_fail(cursor);
    return value == 1;
}

/* A u32 count of things that take at least element_bytes_min > 0 bytes each.  Fails when it is
 * above count_max or cannot fit what is left: so it is safe to allocate by. */
uint32_t gm_cursor_count(struct gm_cursor *cursor, uint32_t count_max, size_t element_bytes_min);

/* A length and so many bytes, borrowed; fails above length_max.  NULL and 0 on failure. */
const uint8_t *gm_cursor_blob(struct gm_cursor *cursor, uint32_t length_max, uint32_t *ret_length);

/* A length and so many characters, copied to text and terminated.  Fails when they do not fit
 * text_bytes > 0 with their terminator, or hold a NUL; text is "" then. */
void gm_cursor_string(struct gm_cursor *cursor, char *text, size_t text_bytes);

/* Nothing failed and nothing is left. */
static inline bool gm_cursor_done(const struct gm_cursor *cursor)
{
    return !cursor->failed && cursor->left_bytes == 0;
}

/* ---- writing ------------------------------------------------------------------------------- */

struct gm_writer {
    uint8_t *data;
    size_t bytes;
    size_t capacity_bytes;
    size_t bytes_max;
    int code; /* 0, or why it failed: -ENOMEM, or -E2BIG past bytes_max */
};

void gm_writer_init(struct gm_writer *writer, size_t bytes_max);
/* Frees what was not taken. */
void gm_writer_fini(struct gm_writer *writer);

/* data may be NULL when bytes is 0. */
void gm_writer_bytes(struct gm_writer *writer, const void *data, size_t bytes);

#define GM_WRITER_WRITE(name, type)                                                                \
    static inline void gm_writer_##name(struct gm_writer *writer, type value)                      \
    {                                                                                              \
        gm_writer_bytes(writer, &value, sizeof value);                                             \
    }
GM_WRITER_WRITE(u8, uint8_t)
GM_WRITER_WRITE(u16, uint16_t)
GM_WRITER_WRITE(u32, uint32_t)
GM_WRITER_WRITE(u64, uint64_t)
GM_WRITER_WRITE(i64, int64_t)
#undef GM_WRITER_WRITE

static inline void gm_writer_bool(struct gm_writer *writer, bool value)
{
    gm_writer_u8(writer, value ? 1 : 0);
}

/* A u32 length and the bytes; -E2BIG when the length does not fit. */
void gm_writer_blob(struct gm_writer *writer, const void *data, size_t length);
/* A blob of the characters, without the terminator. */
void gm_writer_string(struct gm_writer *writer, const char *text);

/* Hands the block over: the caller frees it.  Returns 0, or the code of the first failure, and then
 * nothing changes hands.  The writer is empty and usable afterwards.  The block is not NULL, also
 * when nothing was written. */
int gm_writer_take(struct gm_writer *writer, uint8_t **ret_data, size_t *ret_bytes);

#endif
