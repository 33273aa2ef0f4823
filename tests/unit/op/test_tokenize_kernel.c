/* Goal: every variant of the tokenizer finds exactly the maximal runs of [A-Za-z0-9], at any
 * length, alignment and batch size, and counts the newlines.
 * Method: spans of random and of nasty shapes are tokenised with each variant that the processor
 * runs and compared with a byte-by-byte reference.  The bytes around the span are letters, so
 * that reading them as part of it shows; the buffer ends with the promised slack, so that ASan
 * sees a load behind it. */
#include "engine/op/tokenize_kernel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/limits.h"

#define SPAN_BYTES_MAX 5000
#define MARGIN_BYTES 64

static const char *const variant_names[] = {"avx512", "avx2", "neon", "scalar"};

struct words {
    struct gm_bytes list[SPAN_BYTES_MAX];
    size_t count;
    uint64_t newline_count;
};

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) * limit >> 31);
}

static bool reference_is_letter(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

static void reference(const uint8_t *data, size_t bytes, struct words *words)
{
    words->count = 0;
    words->newline_count = 0;
    for (size_t i = 0; i < bytes; i++) {
        words->newline_count += data[i] == '\n';
        if (!reference_is_letter(data[i]))
            continue;
        if (i > 0 && reference_is_letter(data[i - 1]))
            words->list[words->count - 1].length++;
        else
            words->list[words->count++] = (struct gm_bytes){data + i, 1};
    }
}

/* room 0: another room for every call. */
static void collect(const uint8_t *data, size_t bytes, uint32_t room, struct words *words)
{
    struct gm_tokenizer tokenizer;
    gm_tokenizer_init(&tokenizer, data, bytes);
    words->count = 0;
    for (;;) {
        uint32_t out_max = room ? room : 1 + random_below(200);
        /* Exactly as large as promised, for ASan. */
        struct gm_bytes *out = malloc(out_max * sizeof *out);
        assert_non_null(out);
        size_t count = gm_tokenize(&tokenizer, out, out_max);
        assert_true(count <= out_max);
        assert_true(words->count + count <= SPAN_BYTES_MAX);
        memcpy(words->list + words->count, out, count * sizeof *out);
        words->count += count;
        free(out);
        if (!count)
            break;
    }
    words->newline_count = tokenizer.newline_count;
}

static void assert_same(const struct words *expected, const struct words *found)
{
    assert_int_equal(expected->count, found->count);
    assert_int_equal(expected->newline_count, found->newline_count);
    for (size_t i = 0; i < expected->count; i++) {
        assert_ptr_equal(expected->list[i].data, found->list[i].data);
        assert_int_equal(expected->list[i].length, found->list[i].length);
    }
}

/* Tokenises the span with every variant and rooms that take the slow, the mixed and the fast
 * path. */
static void check_span(const uint8_t *data, size_t bytes)
{
    static const uint32_t rooms[] = {1, 63, 64, GM_BATCH_ROWS_MAX, 0};
    static struct words expected, found;
    reference(data, bytes, &expected);
    for (size_t v = 0; v < sizeof variant_names / sizeof variant_names[0]; v++) {
        if (gm_tokenize_select(variant_names[v]) != 0)
            continue;
        for (size_t r = 0; r < sizeof rooms / sizeof rooms[0]; r++) {
            collect(data, bytes, rooms[r], &found);
            assert_same(&expected, &found);
        }
    }
    assert_int_equal(gm_tokenize_select(NULL), 0);
}

typedef uint8_t byte_function(size_t index);

/* Spans made by `byte_at`, of the lengths [from, to], each at another alignment. */
static void check_spans(byte_function *byte_at, size_t from, size_t to)
{
    for (size_t bytes = from; bytes <= to; bytes++) {
        size_t shift = random_below(MARGIN_BYTES);
        uint8_t *buffer = malloc(MARGIN_BYTES + shift + bytes + GM_BYTES_SLACK);
        assert_non_null(buffer);
        memset(buffer, 'x', MARGIN_BYTES + shift + bytes + GM_BYTES_SLACK);
        uint8_t *data = buffer + MARGIN_BYTES + shift;
        for (size_t i = 0; i < bytes; i++)
            data[i] = byte_at(i);
        check_span(data, bytes);
        free(buffer);
    }
}

static uint8_t letter(size_t index)
{
    (void)index;
    return 'w';
}

static uint8_t separator(size_t index)
{
    return index % 3 ? ' ' : '\n';
}

static uint8_t letter_first(size_t index)
{
    return index % 2 ? '\n' : 'a';
}

static uint8_t separator_first(size_t index)
{
    return index % 2 ? '9' : 0;
}

static uint8_t any_byte(size_t index)
{
    (void)index;
    return (uint8_t)random_below(256);
}

static uint8_t border_byte(size_t index)
{
    (void)index;
    static const char borders[] = "@AZ[`az{/09:\n\r \xe1\xfa\xb0\xc1\x80\xff\x7f\x01";
    return (uint8_t)borders[random_below(sizeof borders)];
}

/* Letters with now and then a separator, so that words cross one or several blocks. */
static uint8_t long_words(size_t index)
{
    (void)index;
    return random_below(60) ? (uint8_t)('a' + random_below(26)) : '\n';
}

static uint8_t text(size_t index)
{
    (void)index;
    return random_below(6) ? (uint8_t)('A' + random_below(26)) : ' ';
}

static void every_single_byte_is_classified_alike(void **state)
{
    (void)state;
    uint8_t buffer[3 + GM_BYTES_SLACK] = {0};
    for (int byte = 0; byte < 256; byte++) {
        memset(buffer, byte, 3);
        check_span(buffer, 1);
        check_span(buffer, 3);
    }
}

static void a_span_of_letters_is_one_word(void **state)
{
    (void)state;
    check_spans(letter, 0, 300);
    check_spans(letter, 4096, 4099);
}

static void a_span_of_separators_has_no_words(void **state)
{
    (void)state;
    check_spans(separator, 0, 300);
    check_spans(separator, 4096, 4099);
}

static void one_letter_words_are_all_found(void **state)
{
    (void)state;
    check_spans(letter_first, 0, 300);
    check_spans(separator_first, 0, 300);
    check_spans(letter_first, 4090, 4100);
}

static void any_bytes_give_the_same_words(void **state)
{
    (void)state;
    check_spans(any_byte, 0, 300);
    check_spans(border_byte, 0, 300);
    check_spans(border_byte, 4000, 4010);
}

static void words_across_blocks_stay_whole(void **state)
{
    (void)state;
    check_spans(long_words, 0, 700);
    check_spans(text, 0, 300);
    check_spans(text, 4000, 4010);
}

static void an_empty_span_ends_at_once(void **state)
{
    (void)state;
    uint8_t buffer[GM_BYTES_SLACK] = "word";
    struct gm_tokenizer tokenizer;
    struct gm_bytes out[GM_TOKENIZE_ROOM_MIN];
    gm_tokenizer_init(&tokenizer, buffer, 0);
    assert_int_equal(gm_tokenize(&tokenizer, out, GM_TOKENIZE_ROOM_MIN), 0);
    assert_int_equal(gm_tokenize(&tokenizer, out, 1), 0);
}

static void an_unknown_variant_is_refused(void **state)
{
    (void)state;
    assert_int_equal(gm_tokenize_select("mmx"), -EINVAL);
    assert_int_equal(gm_tokenize_select("scalar"), 0);
    assert_string_equal(gm_tokenize_variant(), "scalar");
    assert_int_equal(gm_tokenize_select(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_single_byte_is_classified_alike),
        cmocka_unit_test(a_span_of_letters_is_one_word),
        cmocka_unit_test(a_span_of_separators_has_no_words),
        cmocka_unit_test(one_letter_words_are_all_found),
        cmocka_unit_test(any_bytes_give_the_same_words),
        cmocka_unit_test(words_across_blocks_stay_whole),
        cmocka_unit_test(an_empty_span_ends_at_once),
        cmocka_unit_test(an_unknown_variant_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
