/* readable.c - counts and times for a person. */
#include "engine/base/readable.h"

#include <inttypes.h>
#include <stdio.h>

void gm_readable_fixed(double number, unsigned decimals, char *text, size_t text_bytes)
{
    static const unsigned powers[] = {1, 10, 100, 1000};
    const unsigned power = powers[decimals < 3 ? decimals : 3];
    const uint64_t scaled = (uint64_t)(number * power + 0.5);
    if (power == 1)
        snprintf(text, text_bytes, "%" PRIu64, scaled);
    else
        snprintf(text, text_bytes, "%" PRIu64 ".%0*u", scaled / power,
                 decimals < 3 ? (int)decimals : 3, (unsigned)(scaled % power));
}

void gm_readable_count(uint64_t count, char *text, size_t text_bytes)
{
    static const char units[] = "kMGTPE";
    if (count < 10000) {
        snprintf(text, text_bytes, "%" PRIu64, count);
        return;
    }
    double number = (double)count / 1000;
    size_t unit = 0;
    while (number >= 999.5 && units[unit + 1] != '\0') {
        number /= 1000;
        unit++;
    }
    char digits[32];
    gm_readable_fixed(number, number < 9.995 ? 2 : number < 99.95 ? 1 : 0, digits, sizeof digits);
    snprintf(text, text_bytes, "%s %c", digits, units[unit]);
}

void gm_readable_time(uint64_t ns, char *text, size_t text_bytes)
{
    const uint64_t seconds = (ns + 500000000) / 1000000000;
    char digits[32];
    if (ns < 1000000) {
        snprintf(text, text_bytes, "%" PRIu64 " us", ns / 1000);
    } else if (ns < 999950000) {
        gm_readable_fixed((double)ns / 1e6, 1, digits, sizeof digits);
        snprintf(text, text_bytes, "%s ms", digits);
    } else if (seconds < 60) {
        gm_readable_fixed((double)ns / 1e9, 2, digits, sizeof digits);
        snprintf(text, text_bytes, "%s s", digits);
    } else if (seconds < 3600) {
        snprintf(text, text_bytes, "%" PRIu64 " min %02" PRIu64 " s", seconds / 60, seconds % 60);
    } else {
        snprintf(text, text_bytes, "%" PRIu64 " h %02" PRIu64 " min", seconds / 3600,
                 seconds / 60 % 60);
    }
}
