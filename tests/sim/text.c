#include "tests/sim/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"

#define FILE_BYTES_MAX (UINT64_C(16) << 20)
#define LONG_LINE_BYTES (200u << 10)

enum style { PROSE, DISTINCT, SKEWED, BINARY, EMPTY_LINES, LONG_LINES, STYLES };

struct writer {
    struct sim_file *file;
    uint64_t capacity;
    struct gm_prng *prng;
};

static void put(struct writer *writer, uint8_t byte)
{
    struct sim_file *file = writer->file;
    if (file->bytes == writer->capacity) {
        writer->capacity = writer->capacity > 0 ? 2 * writer->capacity : 1024;
        file->data = realloc(file->data, writer->capacity);
        GM_CHECK(file->data != NULL);
    }
    file->data[file->bytes++] = byte;
}

static void put_word(struct writer *writer, uint64_t number)
{
    /* Mostly short; a few are longer than what a table's slot holds. */
    char word[48];
    const int length = number % 7 == 0 ? snprintf(word, sizeof word, "averyveryverylongword%06u",
                                                  (unsigned)number)
                                       : snprintf(word, sizeof word, "w%u", (unsigned)number);
    for (int i = 0; i < length; i++)
        put(writer, (uint8_t)word[i]);
}

static uint64_t word_number(struct writer *writer, enum style style)
{
    struct gm_prng *prng = writer->prng;
    if (style == DISTINCT)
        return gm_prng_below(prng, 100000000);
    if (style == SKEWED && gm_prng_below(prng, 2) == 0)
        return 1;
    return gm_prng_below(prng, 1 + gm_prng_below(prng, 3000));
}

static void put_line(struct writer *writer, enum style style)
{
    struct gm_prng *prng = writer->prng;
    if (style == EMPTY_LINES && gm_prng_below(prng, 4) > 0)
        return;
    if (style == BINARY) {
        for (uint64_t left = gm_prng_below(prng, 100); left > 0; left--) {
            const uint8_t byte = (uint8_t)gm_prng_next(prng);
            put(writer, byte == '\n' ? 0 : byte);
        }
        return;
    }
    if (style == LONG_LINES && gm_prng_below(prng, 3) == 0) {
        const uint64_t bytes = gm_prng_below(prng, LONG_LINE_BYTES);
        const uint8_t base = gm_prng_below(prng, 2) == 0 ? ' ' : 'a';
        for (uint64_t i = 0; i < bytes; i++)
            put(writer, i % 61 == 0 ? ' ' : (uint8_t)(base + i % 26));
        return;
    }
    for (uint64_t left = gm_prng_below(prng, 12); left > 0; left--) {
        put_word(writer, word_number(writer, style));
        if (left > 1)
            put(writer, " ,.\t-"[gm_prng_below(prng, 5)]);
    }
}

static void make_file(struct sim_file *file, struct gm_prng *prng, uint64_t bytes, bool distinct)
{
    struct writer writer = {.file = file, .prng = prng};
    const enum style style = distinct ? DISTINCT : (enum style)gm_prng_below(prng, STYLES);
    const bool carriage_returns = gm_prng_below(prng, 4) == 0;
    const bool last_newline = gm_prng_below(prng, 3) > 0;
    while (file->bytes < bytes) {
        put_line(&writer, style);
        if (carriage_returns)
            put(&writer, '\r');
        put(&writer, '\n');
    }
    if (last_newline)
        return;
    /* An unfinished line that ends in a carriage return would be a matter of taste. */
    while (file->bytes > 0 &&
           (file->data[file->bytes - 1] == '\n' || file->data[file->bytes - 1] == '\r'))
        file->bytes--;
}

void sim_text_make(struct sim_text *text, struct gm_prng *prng, const struct sim_text_spec *spec)
{
    static const uint64_t bytes_max[] = {0, 6000, 60000, 1200000, 4000000};
    *text = (struct sim_text){0};
    const bool many = gm_prng_below(prng, 4) == 0;
    text->file_count = 1 + (uint32_t)gm_prng_below(prng, many ? SIM_FILES_MAX : 4);
    const uint64_t bytes = 1 + gm_prng_below(prng, bytes_max[spec->size_scale]);
    for (uint32_t i = 0; i < text->file_count; i++) {
        struct sim_file *file = &text->files[i];
        snprintf(file->path, sizeof file->path, "file-%u", i);
        const uint64_t share = 1 + 2 * bytes / text->file_count;
        if (gm_prng_below(prng, 8) > 0)
            make_file(file, prng, gm_prng_below(prng, share), spec->distinct);
        GM_CHECK(file->bytes <= FILE_BYTES_MAX);
        file->size_unknown = spec->may_be_unknown && gm_prng_below(prng, 10) == 0;
        if (!file->size_unknown)
            text->bytes += file->bytes;
        /* The exact size, so that a sanitizer sees a read behind the end. */
        if (file->bytes > 0) {
            file->data = realloc(file->data, file->bytes);
            GM_CHECK(file->data != NULL);
        }
    }
}

void sim_text_free(struct sim_text *text)
{
    for (uint32_t i = 0; i < text->file_count; i++)
        free(text->files[i].data);
}

const struct sim_file *sim_text_find(const struct sim_text *text, const char *path)
{
    for (uint32_t i = 0; i < text->file_count; i++)
        if (strcmp(text->files[i].path, path) == 0)
            return &text->files[i];
    return NULL;
}

bool sim_text_line(const struct sim_text *text, struct sim_line *line)
{
    while (line->file < text->file_count && line->at >= text->files[line->file].bytes) {
        line->file_begin += text->files[line->file].bytes;
        line->file++;
        line->at = 0;
    }
    if (line->file == text->file_count)
        return false;
    const struct sim_file *file = &text->files[line->file];
    uint64_t end = line->at;
    while (end < file->bytes && file->data[end] != '\n')
        end++;
    line->begin = line->file_begin + line->at;
    line->data = file->data + line->at;
    line->bytes = end - line->at;
    if (line->bytes > 0 && end < file->bytes && file->data[end - 1] == '\r')
        line->bytes--;
    line->at = end + 1;
    return true;
}

bool sim_text_word(const uint8_t *data, uint64_t bytes, uint64_t *offset, const uint8_t **ret_word,
                   uint64_t *ret_bytes)
{
    uint64_t at = *offset;
    while (at < bytes && !(data[at] < 128 && isalnum(data[at])))
        at++;
    const uint64_t begin = at;
    while (at < bytes && data[at] < 128 && isalnum(data[at]))
        at++;
    *offset = at;
    *ret_word = data + begin;
    *ret_bytes = at - begin;
    return at > begin;
}
