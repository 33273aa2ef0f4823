/* json.c - strings of JSON. */
#include "agent/json.h"

#include "engine/base/utf8.h"

void gm_json_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (size_t bytes; *text != '\0'; text += bytes) {
        const unsigned char byte = (unsigned char)*text;
        bytes = gm_utf8_bytes(text);
        if (bytes == 0) {
            fputs(GM_UTF8_BAD, file);
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
