/* key.h - the key file that master, agents and drivers of one cluster share.
 *
 * A file of one line: 64 hexadecimal digits, which nobody but its owner may read.
 * Pure but for the file; no library.
 */
#ifndef GM_CONTROL_KEY_H
#define GM_CONTROL_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/error.h"

#define GM_KEY_BYTES 32
#define GM_KEY_VARIABLE "GLEAM_KEY_FILE"

struct gm_key {
    bool present; /* false: nobody has to prove anything, so only the loopback is listened at */
    uint8_t bytes[GM_KEY_BYTES];
};

/* Makes a new file, mode 0600; one that is there already stays as it is.  Returns 0 or < 0 with
 * error. */
int gm_key_generate(const char *path, struct gm_error *error);

/* Refuses a file that others may read or write. */
int gm_key_load(const char *path, struct gm_key *ret_key, struct gm_error *error);

/* The key of --key, else of GLEAM_KEY_FILE, else none.  path NULL or "": not given. */
int gm_key_find(const char *path, struct gm_key *ret_key, struct gm_error *error);

/* Bytes of the kernel's generator. */
void gm_key_random(void *ret_bytes, size_t bytes);

/* 2 * bytes lower-case digits and a NUL. */
void gm_hex_format(const void *data, size_t bytes, char *ret_text);
/* Exactly 2 * bytes digits, then `end` (such as '\0'); false otherwise. */
bool gm_hex_parse(const char *text, char end, void *ret_data, size_t bytes);

#endif
