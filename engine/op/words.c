/* words.c - the tokenize kernel for mappers.
 *
 * The kernel loads whole vectors and so looks behind the end of its span, which the engine's own
 * values allow.  A program's values need not: what the kernel is given here ends a vector before
 * the value does, or is a copy with room behind it.
 */
#define GLEAM_NO_PLACES
#include <string.h>

#include "engine/gleam.h"
#include "engine/op/tokenize_kernel.h"

#define WORDS_AT_ONCE 256
/* A typical line is copied whole: 80 bytes cost less than one mispredicted branch per word. */
#define COPIED_BYTES_MAX 512

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZES_ADDRESSES true
#elif defined(__has_feature)
#define SANITIZES_ADDRESSES __has_feature(address_sanitizer)
#else
#define SANITIZES_ADDRESSES false
#endif

/* The smallest page: what lies in the page of a readable byte is readable. */
#define PAGE_BYTES 4096

/* True when the kernel's last vector stays in the page of the last byte.  (The address sanitizer
 * does not know this argument, and gets copies.) */
static bool may_be_read_past(const uint8_t *data, size_t bytes)
{
    if (SANITIZES_ADDRESSES)
        return false;
    return ((uintptr_t)(data + bytes - 1) & (PAGE_BYTES - 1)) < PAGE_BYTES - GM_BYTES_SLACK;
}

static bool in_word(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z');
}

/* How many of `left` > COPIED_BYTES_MAX bytes the kernel may be given: up to behind a separator, a
 * vector before the end; 0 when there is none. */
static size_t span_before_end(const uint8_t *data, size_t left)
{
    size_t span = left - GM_BYTES_SLACK;
    while (span > 0 && in_word(data[span - 1]))
        span--;
    return span;
}

/* The words of a span, which has slack behind it; *used is how far they reach. */
static size_t words_of_span(const uint8_t *span, size_t bytes, const uint8_t *original,
                            struct gleam_value *ret_words, size_t room, size_t *used)
{
    struct gm_bytes words[WORDS_AT_ONCE];
    struct gm_tokenizer tokenizer;
    size_t count = 0;
    gm_tokenizer_init(&tokenizer, span, bytes);
    while (count < room) {
        const size_t found = gm_tokenize(&tokenizer, words + count, (uint32_t)(room - count));
        if (found == 0)
            break;
        count += found;
    }
    for (size_t i = 0; i < count; i++)
        ret_words[i] = gleam_bytes((const char *)original + (words[i].data - span),
                                   words[i].length);
    *used = count == room ? (size_t)(words[count - 1].data - span) + words[count - 1].length
                          : bytes;
    return count;
}

/* One word that is longer than any copy, byte by byte. */
static size_t giant_word(const uint8_t *data, size_t left, struct gleam_value *ret_word,
                         size_t *used)
{
    size_t begin = 0;
    while (begin < left && !in_word(data[begin]))
        begin++;
    size_t end = begin;
    while (end < left && in_word(data[end]))
        end++;
    *used = end;
    *ret_word = gleam_bytes((const char *)data + begin, end - begin);
    return end > begin;
}

size_t gleam_words(const struct gleam_value *text, size_t *offset, struct gleam_value *ret_words,
                   size_t word_count_max)
{
    const size_t room = word_count_max < WORDS_AT_ONCE ? word_count_max : WORDS_AT_ONCE;
    size_t count = 0;
    if (text->kind != GLEAM_BYTES)
        return 0;
    while (count == 0 && room > 0 && *offset < text->bytes.length) {
        const uint8_t *data = (const uint8_t *)text->bytes.data + *offset;
        const size_t left = text->bytes.length - *offset;
        uint8_t copy[COPIED_BYTES_MAX + GM_BYTES_SLACK];
        size_t used;
        if (may_be_read_past(data, left)) {
            count = words_of_span(data, left, data, ret_words, room, &used);
        } else if (left <= COPIED_BYTES_MAX) {
            memcpy(copy, data, left);
            memset(copy + left, 0, GM_BYTES_SLACK);
            count = words_of_span(copy, left, data, ret_words, room, &used);
        } else {
            const size_t span = span_before_end(data, left);
            count = span > 0 ? words_of_span(data, span, data, ret_words, room, &used)
                             : giant_word(data, left, ret_words, &used);
        }
        *offset += used;
    }
    return count;
}
