/* words.c - the tokenize kernel for mappers. */
#define GLEAM_NO_PLACES
#include "engine/gleam.h"
#include "engine/op/tokenize_kernel.h"

#define WORDS_AT_ONCE 256

size_t gleam_words(const struct gleam_value *text, size_t *offset, struct gleam_value *ret_words,
                   size_t word_count_max)
{
    const char *data = text->bytes.data;
    if (text->kind != GLEAM_BYTES || *offset >= text->bytes.length || word_count_max == 0)
        return 0;
    struct gm_bytes words[WORDS_AT_ONCE];
    struct gm_tokenizer tokenizer;
    const size_t room = word_count_max < WORDS_AT_ONCE ? word_count_max : WORDS_AT_ONCE;
    gm_tokenizer_init(&tokenizer, (const uint8_t *)data + *offset, text->bytes.length - *offset);
    size_t count = 0;
    while (count < room) {
        const size_t found = gm_tokenize(&tokenizer, words + count, (uint32_t)(room - count));
        if (found == 0)
            break;
        count += found;
    }
    for (size_t i = 0; i < count; i++)
        ret_words[i] = gleam_bytes((const char *)words[i].data, words[i].length);
    *offset = count == room ? (size_t)((const char *)words[count - 1].data +
                                       words[count - 1].length - data)
                            : text->bytes.length;
    return count;
}
