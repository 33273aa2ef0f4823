/* growing_text.h - a text that tests append to. */
#ifndef GM_TESTS_GROWING_TEXT_H
#define GM_TESTS_GROWING_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct text {
    char *data;
    size_t length, capacity;
};

static inline void append(struct text *text, const void *data, size_t bytes)
{
    if (text->length + bytes + 1 > text->capacity) {
        text->capacity = 2 * (text->length + bytes + 64);
        text->data = realloc(text->data, text->capacity);
        assert_non_null(text->data);
    }
    if (bytes > 0)
        memcpy(text->data + text->length, data, bytes);
    text->length += bytes;
    text->data[text->length] = '\0';
}

#endif
