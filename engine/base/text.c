/* text.c - numbers, sizes and core lists in words.  No locale: a decimal point is a point. */
#include "engine/base/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int fail(int code, const char *why, const char **ret_why)
{
    if (ret_why != NULL)
        *ret_why = why;
    return code;
}

static bool is_digit(char letter)
{
    return letter >= '0' && letter <= '9';
}

/* Reads digits at *text and moves it behind them.  Returns 0, -EINVAL without a digit, -ERANGE
 * above max. */
static int read_digits(const char **text, uint64_t max, uint64_t *ret_number)
{
    const char *next = *text;
    uint64_t number = 0;
    if (!is_digit(*next))
        return -EINVAL;
    for (; is_digit(*next); next++) {
        if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)(*next - '0'), &number) || number > max)
            return -ERANGE;
    }
    *text = next;
    *ret_number = number;
    return 0;
}

int gm_text_parse_u64(const char *text, uint64_t max, uint64_t *ret_number, const char **ret_why)
{
    uint64_t number = 0;
    const int rc = read_digits(&text, max, &number);
    if (rc == -ERANGE)
        return fail(rc, "the number is too large", ret_why);
    if (rc != 0 || *text != '\0')
        return fail(-EINVAL, "not a whole number", ret_why);
    *ret_number = number;
    return 0;
}

/* Bits of the unit at text, the whole rest of it; -1 when it is none. */
static int unit_shift(const char *text)
{
    static const char letters[] = "KMGT";
    if (text[0] == '\0' || strcmp(text, "B") == 0)
        return 0;
    const char upper = text[0] >= 'a' && text[0] <= 'z' ? (char)(text[0] - 'a' + 'A') : text[0];
    const char *letter = strchr(letters, upper);
    if (letter == NULL || *letter == '\0')
        return -1;
    if (text[1] != '\0' && strcmp(text + 1, "iB") != 0)
        return -1;
    return 10 * (int)(letter - letters + 1);
}

int gm_text_parse_size(const char *text, uint64_t *ret_bytes, const char **ret_why)
{
    uint64_t whole = 0;
    const int rc = read_digits(&text, UINT64_MAX, &whole);
    if (rc == -ERANGE)
        return fail(rc, "the size is too large", ret_why);
    if (rc != 0)
        return fail(rc, "not a size; write a number and K, M, G or T, as in 1.5G", ret_why);
    /* 18 digits of the fraction are kept: 10^18 times the largest unit, 2^40, is 2^100. */
    uint64_t fraction = 0;
    uint64_t scale = 1;
    if (*text == '.') {
        text++;
        if (!is_digit(*text))
            return fail(-EINVAL, "a digit is missing behind the point", ret_why);
        for (; is_digit(*text); text++) {
            if (scale < UINT64_C(1000000000000000000)) {
                fraction = fraction * 10 + (uint64_t)(*text - '0');
                scale *= 10;
            }
        }
    }
    const int shift = unit_shift(text);
    if (shift < 0)
        return fail(-EINVAL, "unknown unit; K, M, G and T are known, and are powers of 1024",
                    ret_why);
    const __uint128_t bytes =
        ((__uint128_t)whole << shift) + (((__uint128_t)fraction << shift) / scale);
    if (bytes > UINT64_MAX)
        return fail(-ERANGE, "the size is too large", ret_why);
    *ret_bytes = (uint64_t)bytes;
    return 0;
}

/* Reads "6" or "0-3" and moves *text behind it. */
static int read_range(const char **text, uint64_t *ret_first, uint64_t *ret_last)
{
    int rc = read_digits(text, GM_TEXT_CORE_MAX, ret_first);
    if (rc != 0)
        return rc;
    *ret_last = *ret_first;
    if (**text != '-')
        return 0;
    (*text)++;
    return read_digits(text, GM_TEXT_CORE_MAX, ret_last);
}

int gm_text_parse_core_list(const char *text, uint32_t *ret_cores, uint32_t cores_max,
                            uint32_t *ret_count, const char **ret_why)
{
    uint64_t seen[(GM_TEXT_CORE_MAX + 64) / 64] = {0};
    uint32_t count = 0;
    for (;;) {
        uint64_t core = 0;
        uint64_t last = 0;
        const int rc = read_range(&text, &core, &last);
        if (rc == -ERANGE)
            return fail(rc, "no machine has so many cores", ret_why);
        if (rc != 0)
            return fail(rc, "not a list of cores, as in 0-3,6", ret_why);
        if (last < core)
            return fail(-EINVAL, "a range of cores runs backwards", ret_why);
        for (; core <= last; core++) {
            if (seen[core / 64] >> (core % 64) & 1)
                return fail(-EINVAL, "a core is listed twice", ret_why);
            if (count == cores_max)
                return fail(-ERANGE, "too many cores", ret_why);
            seen[core / 64] |= UINT64_C(1) << (core % 64);
            ret_cores[count++] = (uint32_t)core;
        }
        if (*text == '\0')
            break;
        if (*text != ',')
            return fail(-EINVAL, "not a list of cores, as in 0-3,6", ret_why);
        text++;
    }
    *ret_count = count;
    return 0;
}

void gm_text_format_size(uint64_t bytes, char *text, size_t text_bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        snprintf(text, text_bytes, "%u B", (unsigned)bytes);
        return;
    }
    unsigned unit = 1;
    /* Tenths, rounded to the nearest; 1023.95 and more is shown in the next unit. */
    for (;; unit++) {
        const __uint128_t one = (__uint128_t)1 << (10 * unit);
        const uint64_t tenths = (uint64_t)(((__uint128_t)bytes * 10 + one / 2) / one);
        if (tenths < 10240) {
            snprintf(text, text_bytes, "%u.%u %s", (unsigned)(tenths / 10), (unsigned)(tenths % 10),
                     units[unit]);
            return;
        }
    }
}
