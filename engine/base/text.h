/* text.h - what a person types, read strictly, and sizes as a person reads them.
 *
 * Pure functions.  A failure is -EINVAL (no such thing) or -ERANGE (too large), writes no result,
 * and names its reason in *ret_why: a static string that completes `--option VALUE: `.  ret_why
 * may be NULL.
 */
#ifndef GM_BASE_TEXT_H
#define GM_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* The highest core number that is accepted: the kernel's largest NR_CPUS is 8192. */
#define GM_TEXT_CORE_MAX 8191

/* Decimal digits and nothing else, at most `max`. */
int gm_text_parse_u64(const char *text, uint64_t max, uint64_t *ret_number, const char **ret_why);

/* A number of bytes, with an optional fraction and unit: "4096", "64K", "1.5G", "2GiB".  Units are
 * binary: K 2^10, M 2^20, G 2^30, T 2^40, in either case, and may be followed by "iB"; "B" is
 * bytes.  A fraction of a byte is dropped. */
int gm_text_parse_size(const char *text, uint64_t *ret_bytes, const char **ret_why);

/* Core numbers and ranges, "0-3,6", into ret_cores in the order given; each once.  At most
 * cores_max of them; -ERANGE otherwise. */
int gm_text_parse_core_list(const char *text, uint32_t *ret_cores, uint32_t cores_max,
                            uint32_t *ret_count, const char **ret_why);

/* "0 B", "512 B", "64.0 KiB", "12.3 MiB"; always terminated, cut when text_bytes is too small
 * (16 are enough). */
void gm_text_format_size(uint64_t bytes, char *text, size_t text_bytes);

#endif
