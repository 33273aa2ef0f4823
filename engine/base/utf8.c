/* utf8.c - characters of UTF-8. */
#include "engine/base/utf8.h"

#include <stdint.h>

/* A text ends with a NUL, which continues nothing: no byte behind it is looked at. */
size_t gm_utf8_bytes(const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    const unsigned char first = byte[0];
    if (first < 0x80)
        return 1;
    const size_t bytes = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < bytes; i++)
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
    /* Longer forms than needed, halves of UTF-16 pairs, and what lies beyond U+10FFFF. */
    if ((first == 0xe0 && byte[1] < 0xa0) || (first == 0xed && byte[1] > 0x9f) ||
        (first == 0xf0 && byte[1] < 0x90) || (first == 0xf4 && byte[1] > 0x8f))
        return 0;
    return bytes;
}

size_t gm_utf8_prefix(const char *text, size_t characters)
{
    size_t length = 0;
    for (; characters > 0 && text[length] != '\0'; characters--) {
        const size_t bytes = gm_utf8_bytes(text + length);
        length += bytes > 0 ? bytes : 1;
    }
    return length;
}

size_t gm_utf8_length(const char *text)
{
    size_t count = 0;
    while (*text != '\0') {
        text += gm_utf8_prefix(text, 1);
        count++;
    }
    return count;
}
