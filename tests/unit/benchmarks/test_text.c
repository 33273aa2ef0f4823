/* Goal: the benchmark text is what it promises: exactly as long, exactly as many distinct words,
 * Zipf's frequencies, lines of a known width, the same for the same seed however it is read.
 * Method: texts of a few sizes and vocabularies are made in memory and counted by sorting their
 * words. */
#include "benchmarks/suite/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORD_BYTES 16

struct counted {
    size_t words;
    size_t distinct;
    size_t letters;
    size_t most; /* occurrences of the most frequent word */
};

static uint8_t *make(uint64_t bytes, uint32_t distinct_words, uint64_t seed, size_t step)
{
    struct gm_bench_text *text;
    uint8_t *data = malloc(bytes + 1);
    assert_non_null(data);
    assert_int_equal(gm_bench_text_create(bytes, distinct_words, seed, &text), 0);
    size_t made = 0;
    while (made < bytes) {
        size_t want = bytes - made < step ? bytes - made : step;
        assert_int_equal(gm_bench_text_read(text, data + made, want), want);
        made += want;
    }
    assert_int_equal(gm_bench_text_read(text, data + made, 1), 0);
    gm_bench_text_destroy(text);
    return data;
}

static bool is_letter(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
}

static int compare_words(const void *left, const void *right)
{
    return memcmp(left, right, WORD_BYTES);
}

static struct counted count(const uint8_t *data, size_t bytes)
{
    char(*words)[WORD_BYTES] = calloc(bytes / 2 + 1, WORD_BYTES);
    assert_non_null(words);
    struct counted counted = {0};
    for (size_t at = 0; at < bytes;) {
        size_t start = at;
        while (at < bytes && is_letter(data[at]))
            at++;
        assert_true(at - start <= 14);
        if (at > start)
            memcpy(words[counted.words++], data + start, at - start);
        counted.letters += at - start;
        at += at == start;
    }
    qsort(words, counted.words, WORD_BYTES, compare_words);
    for (size_t i = 0, run = 1; i < counted.words; i++, run++) {
        if (i + 1 < counted.words && memcmp(words[i], words[i + 1], WORD_BYTES) == 0)
            continue;
        counted.distinct++;
        counted.most = run > counted.most ? run : counted.most;
        run = 0;
    }
    free(words);
    return counted;
}

static void every_word_of_the_vocabulary_occurs(void **state)
{
    (void)state;
    static const uint32_t vocabularies[] = {1, 2, 10, 1000, 4096, 4097, 30000};
    for (size_t i = 0; i < sizeof vocabularies / sizeof vocabularies[0]; i++) {
        uint8_t *data = make(600000, vocabularies[i], i, 65536);
        assert_int_equal(count(data, 600000).distinct, vocabularies[i]);
        free(data);
    }
}

static void words_are_as_long_and_as_frequent_as_promised(void **state)
{
    (void)state;
    uint8_t *data = make(4000000, 10000, 7, 65536);
    struct counted counted = count(data, 4000000);
    assert_in_range(counted.letters * 10 / counted.words, 48, 60);
    /* The harmonic number of 10,000 is 9.79: the most frequent word is one in 9.79. */
    assert_in_range(counted.words * 100 / counted.most, 940, 1020);
    free(data);
}

static void lines_have_sixty_to_hundred_bytes_and_a_bit(void **state)
{
    (void)state;
    uint8_t *data = make(500000, 1000, 3, 65536);
    size_t line = 0;
    for (size_t i = 0; i < 500000; i++) {
        line++;
        if (data[i] != '\n')
            continue;
        /* The last one ends where the text does. */
        if (i + 1 < 500000)
            assert_in_range(line, 60, 112);
        line = 0;
    }
    assert_int_equal(line, 0);
    free(data);
}

static void the_same_seed_gives_the_same_text_however_read(void **state)
{
    (void)state;
    uint8_t *whole = make(100000, 500, 11, 100000);
    uint8_t *pieces = make(100000, 500, 11, 777);
    uint8_t *other = make(100000, 500, 12, 777);
    assert_memory_equal(whole, pieces, 100000);
    assert_int_not_equal(memcmp(whole, other, 100000), 0);
    free(whole);
    free(pieces);
    free(other);
}

static void any_length_is_met_exactly(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes < 300; bytes++) {
        uint8_t *data = make(bytes, 50, bytes, 4096);
        assert_int_equal(data[bytes - 1], '\n');
        free(data);
    }
    struct gm_bench_text *text;
    uint8_t byte;
    assert_int_equal(gm_bench_text_create(0, 5, 1, &text), 0);
    assert_int_equal(gm_bench_text_read(text, &byte, 1), 0);
    gm_bench_text_destroy(text);
}

static void a_vocabulary_of_no_words_is_refused(void **state)
{
    (void)state;
    struct gm_bench_text *text;
    assert_int_equal(gm_bench_text_create(100, 0, 1, &text), -EINVAL);
    assert_int_equal(gm_bench_text_create(100, GM_BENCH_WORDS_MAX + 1, 1, &text), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_of_the_vocabulary_occurs),
        cmocka_unit_test(words_are_as_long_and_as_frequent_as_promised),
        cmocka_unit_test(lines_have_sixty_to_hundred_bytes_and_a_bit),
        cmocka_unit_test(the_same_seed_gives_the_same_text_however_read),
        cmocka_unit_test(any_length_is_met_exactly),
        cmocka_unit_test(a_vocabulary_of_no_words_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
