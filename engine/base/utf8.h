/* utf8.h - texts whose bytes may be anything, for formats that allow only UTF-8.
 *
 * Pure functions over texts that end with a NUL.
 */
#ifndef GM_BASE_UTF8_H
#define GM_BASE_UTF8_H

#include <stddef.h>

/* Stands for a byte that is no text: U+FFFD. */
#define GM_UTF8_BAD "\xef\xbf\xbd"

/* Bytes of the character that text begins with, 1 to 4; 0 when it is none: a stray byte, a longer
 * form than needed, half of a UTF-16 pair, beyond U+10FFFF.  The NUL is a character of 1 byte. */
size_t gm_utf8_bytes(const char *text);

/* The first bytes of text that make at most `characters` characters (a stray byte is one). */
size_t gm_utf8_prefix(const char *text, size_t characters);

/* Characters of text (a stray byte is one). */
size_t gm_utf8_length(const char *text);

#endif
