/* readable.h - numbers as a person reads them; sizes in bytes are in text.h.
 *
 * Pure functions, without locale: a decimal point is a point.  The text is always terminated, and
 * cut when it does not fit; 32 bytes are enough.
 */
#ifndef GM_BASE_READABLE_H
#define GM_BASE_READABLE_H

#include <stddef.h>
#include <stdint.h>

/* A number from 0 to 10^15 with 0 to 3 decimals, rounded. */
void gm_readable_fixed(double number, unsigned decimals, char *text, size_t text_bytes);

/* "0", "9999", "12.3 k", "4.56 M", "7.89 G", "1.00 T": three digits from 10000 on. */
void gm_readable_count(uint64_t count, char *text, size_t text_bytes);

/* "12 us", "3.4 ms", "1.23 s", "2 min 05 s", "3 h 07 min". */
void gm_readable_time(uint64_t ns, char *text, size_t text_bytes);

#endif
