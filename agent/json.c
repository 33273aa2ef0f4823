/* json.c - strings of JSON. */
#include "agent/json.h"

#include <stddef.h>

/* Bytes of the UTF-8 character that text begins with; 0 when it is none.  A text ends with a NUL,
 * which continues nothing: no byte behind it is looked at. */
static size_t character_bytes(const unsigned char *text)
{
    const unsigned char first = text[0];
    if (first < 0x80)
        return 1;
    const size_t bytes = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < bytes; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    /* Longer forms than needed, halves of UTF-16 pairs, and what lies beyond U+10FFFF. */
    if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f) ||
        (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f))
        return 0;
    return bytes;
}

void gm_json_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (size_t bytes; *text != '\0'; text += bytes) {
        const unsigned char byte = (unsigned char)*text;
        bytes = character_bytes((const unsigned char *)text);
        if (bytes == 0) {
            fputs("\xef\xbf\xbd", file); /* U+FFFD stands for a byte that is no text */
            bytes = 1;
        } else if (byte == '"' || byte == '\\')
            fprintf(file, "\\%c", byte);
        else if (byte < 0x20)
            fprintf(file, "\\u%04x", byte);
        else
            fwrite(text, 1, bytes, file);
    }
    fputc('"', file);
}
