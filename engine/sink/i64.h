/* i64.h - a number as decimal text, for the loops that print many. */
#ifndef GM_SINK_I64_H
#define GM_SINK_I64_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What must be writable at out, whatever the number. */
#define GM_I64_TEXT_BYTES 21

/* Returns where the text ends; what lies behind it, up to GM_I64_TEXT_BYTES, is overwritten.  Two
 * digits a division. */
static inline char *gm_put_i64(char *out, int64_t number)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    char digits[40] = {0};
    size_t at = 20;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    for (; rest >= 10; rest /= 100)
        memcpy(digits + (at -= 2), pairs + 2 * (rest % 100), 2);
    if (rest > 0 || at == 20)
        digits[--at] = (char)('0' + rest);
    if (number < 0)
        *out++ = '-';
    memcpy(out, digits + at, 20);
    return out + (20 - at);
}

#endif
