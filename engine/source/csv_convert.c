/* csv_convert.c - numbers by hand where that is exact, by the C library where it is not. */
#include "engine/source/csv_convert.h"

#include <locale.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/check.h"

/* Longer texts of a number are handed to the C library in a block of their own. */
#define NUMBER_BYTES 64
/* 10^22 is the largest power of ten that a double holds exactly. */
#define EXACT_POWER_MAX 22

struct text {
    const uint8_t *data;
    size_t length;
};

static struct text without_spaces(const uint8_t *data, size_t length)
{
    while (length > 0 && *data == ' ') {
        data++;
        length--;
    }
    while (length > 0 && data[length - 1] == ' ')
        length--;
    return (struct text){data, length};
}

static bool is_word(struct text text, const char *word)
{
    return text.length == strlen(word) &&
           strncasecmp((const char *)text.data, word, text.length) == 0;
}

bool gm_csv_to_i64(const uint8_t *data, size_t length, int64_t *ret)
{
    const struct text text = without_spaces(data, length);
    size_t i = 0;
    const bool minus = text.length > 0 && text.data[0] == '-';
    if (text.length > 0 && (minus || text.data[0] == '+'))
        i = 1;
    if (i == text.length)
        return false;
    const uint64_t most = (uint64_t)INT64_MAX + minus;
    uint64_t number = 0;
    for (; i < text.length; i++) {
        const uint8_t digit = (uint8_t)(text.data[i] - '0');
        if (digit > 9)
            return false;
        if (number > (most - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret = minus ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

/* ---- f64 ------------------------------------------------------------------------------------- */

/* A program may have set a locale whose decimal point is a comma. */
static locale_t plain_locale(void)
{
    static _Atomic(locale_t) made;
    locale_t locale = atomic_load_explicit(&made, memory_order_acquire);
    if (locale != (locale_t)0)
        return locale;
    locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    GM_CHECK(locale != (locale_t)0);
    locale_t none = (locale_t)0;
    if (!atomic_compare_exchange_strong(&made, &none, locale)) {
        freelocale(locale);
        locale = none;
    }
    return locale;
}

static bool to_f64_slowly(struct text text, double *ret)
{
    char small[NUMBER_BYTES];
    char *copy = text.length < sizeof small ? small : malloc(text.length + 1);
    char *end = NULL;
    if (copy == NULL)
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    const double number = strtod_l(copy, &end, plain_locale());
    const bool whole = end == copy + text.length && text.length > 0;
    if (copy != small)
        free(copy);
    if (whole)
        *ret = number;
    return whole;
}

/* Digits, a point and an exponent, as an integer and a power of ten. */
struct decimal {
    uint64_t digits;
    uint32_t digit_count; /* significant ones */
    int32_t exponent;
    bool any_digit;
};

/* Returns false when the text has another form. */
static bool read_decimal(struct text text, size_t at, struct decimal *ret)
{
    struct decimal decimal = {0};
    bool point = false;
    for (; at < text.length; at++) {
        const uint8_t digit = (uint8_t)(text.data[at] - '0');
        if (digit <= 9) {
            decimal.any_digit = true;
            decimal.digit_count += decimal.digit_count > 0 || digit > 0;
            if (decimal.digit_count <= 19)
                decimal.digits = decimal.digits * 10 + digit;
            decimal.exponent -= point;
        } else if (text.data[at] == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    if (at < text.length && (text.data[at] | 0x20) == 'e') {
        int64_t exponent;
        /* The library knows what is wrong with the rest, if anything. */
        if (!gm_csv_to_i64(text.data + at + 1, text.length - at - 1, &exponent) ||
            exponent > 1000 || exponent < -1000)
            return false;
        decimal.exponent += (int32_t)exponent;
        at = text.length;
    }
    *ret = decimal;
    return at == text.length && decimal.any_digit;
}

bool gm_csv_to_f64(const uint8_t *data, size_t length, double *ret)
{
    static const double powers[EXACT_POWER_MAX + 1] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const struct text text = without_spaces(data, length);
    const bool sign = text.length > 0 && (text.data[0] == '-' || text.data[0] == '+');
    const struct text rest = {text.data + sign, text.length - sign};
    struct decimal decimal;
    /* What the library would take as well: hexadecimal numbers, "nan(...)", spaces inside. */
    const bool named = is_word(rest, "inf") || is_word(rest, "infinity") || is_word(rest, "nan");
    for (size_t i = 0; i < rest.length && !named; i++)
        if (memchr("0123456789.eE+-", rest.data[i], 15) == NULL)
            return false;
    if (!named && read_decimal(text, sign, &decimal) && decimal.digit_count <= 19 &&
        decimal.digits <= UINT64_C(1) << 53 && decimal.exponent >= -EXACT_POWER_MAX &&
        decimal.exponent <= EXACT_POWER_MAX) {
        double number = (double)decimal.digits;
        /* One operation on two exact numbers: rounded once. */
        if (decimal.exponent < 0)
            number /= powers[-decimal.exponent];
        else
            number *= powers[decimal.exponent];
        *ret = text.data[0] == '-' ? -number : number;
        return true;
    }
    return to_f64_slowly(text, ret);
}

bool gm_csv_to_bool(const uint8_t *data, size_t length, bool *ret)
{
    const struct text text = without_spaces(data, length);
    const bool truth = is_word(text, "true") || is_word(text, "1");
    if (!truth && !is_word(text, "false") && !is_word(text, "0"))
        return false;
    *ret = truth;
    return true;
}

/* ---- columns --------------------------------------------------------------------------------- */

uint32_t gm_csv_convert(const struct gm_vector *from, uint32_t first, uint32_t rows,
                        struct gm_vector *to)
{
    for (uint32_t row = first; row < rows; row++) {
        const struct gm_bytes *text = &from->bytes[row];
        const bool null = from->has_nulls && from->nulls[row] != 0;
        bool good = true, truth = false;
        to->nulls[row] = null;
        to->has_nulls |= null;
        switch (to->kind) {
        case GLEAM_I64:
            to->i64[row] = 0;
            good = null || gm_csv_to_i64(text->data, text->length, &to->i64[row]);
            break;
        case GLEAM_F64:
            to->f64[row] = 0;
            good = null || gm_csv_to_f64(text->data, text->length, &to->f64[row]);
            break;
        default:
            GM_CHECK(to->kind == GLEAM_BOOL);
            good = null || gm_csv_to_bool(text->data, text->length, &truth);
            to->boolean[row] = truth;
        }
        if (!good)
            return row;
    }
    return rows;
}

uint8_t gm_csv_guess_kind(uint8_t so_far, const uint8_t *data, size_t length)
{
    int64_t i64;
    double f64;
    const struct text text = without_spaces(data, length);
    const size_t sign = text.length > 0 && (text.data[0] == '-' || text.data[0] == '+');
    const bool padded = text.length > sign + 1 && text.data[sign] == '0' &&
                        text.data[sign + 1] >= '0' && text.data[sign + 1] <= '9';
    uint8_t kind = GLEAM_BYTES;
    if (so_far == GLEAM_BYTES || padded)
        kind = GLEAM_BYTES;
    else if (gm_csv_to_i64(data, length, &i64))
        kind = GLEAM_I64;
    else if (gm_csv_to_f64(data, length, &f64))
        kind = GLEAM_F64;
    else if (is_word(text, "true") || is_word(text, "false"))
        kind = GLEAM_BOOL;
    if (so_far == GLEAM_NULL || so_far == kind)
        return kind;
    const bool numbers = (so_far == GLEAM_I64 || so_far == GLEAM_F64) &&
                         (kind == GLEAM_I64 || kind == GLEAM_F64);
    return numbers ? GLEAM_F64 : GLEAM_BYTES;
}
