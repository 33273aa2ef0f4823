/* key.c - a key as a file of hexadecimal digits. */
#include "control/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/check.h"

#define TEXT_BYTES (2 * GM_KEY_BYTES + 1) /* digits and the line's end */

void gm_key_random(void *ret_bytes, size_t bytes)
{
    /* Up to 256 bytes come whole once the generator has been seeded. */
    ssize_t got;
    GM_CHECK(bytes <= 256);
    do
        got = getrandom(ret_bytes, bytes, 0);
    while (got < 0 && errno == EINTR);
    GM_CHECK(got == (ssize_t)bytes);
}

void gm_hex_format(const void *data, size_t bytes, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = data;
    for (size_t i = 0; i < bytes; i++) {
        ret_text[2 * i] = digits[at[i] >> 4];
        ret_text[2 * i + 1] = digits[at[i] & 15];
    }
    ret_text[2 * bytes] = '\0';
}

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

bool gm_hex_parse(const char *text, char end, void *ret_data, size_t bytes)
{
    uint8_t *at = ret_data;
    for (size_t i = 0; i < bytes; i++) {
        const int high = digit_value(text[2 * i]);
        const int low = high < 0 ? -1 : digit_value(text[2 * i + 1]);
        if (low < 0)
            return false;
        at[i] = (uint8_t)(high << 4 | low);
    }
    return text[2 * bytes] == end;
}

int gm_key_generate(const char *path, struct gm_error *error)
{
    uint8_t bytes[GM_KEY_BYTES];
    char text[TEXT_BYTES + 1];
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return gm_error_set(error, -EEXIST,
                            "%s is there already, and a cluster may be using it: remove it first, "
                            "or choose another name",
                            path);
    if (fd < 0)
        return gm_error_set(error, -errno, "cannot make the key file %s: %s", path,
                            gm_error_name(-errno));
    gm_key_random(bytes, sizeof bytes);
    gm_hex_format(bytes, sizeof bytes, text);
    text[TEXT_BYTES - 1] = '\n';
    const ssize_t written = write(fd, text, TEXT_BYTES);
    int rc = written < 0 ? -errno : written == TEXT_BYTES ? 0 : -EIO;
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(text, sizeof text);
    if (rc == 0)
        return 0;
    unlink(path);
    return gm_error_set(error, rc, "cannot write the key file %s: %s", path, gm_error_name(rc));
}

int gm_key_load(const char *path, struct gm_key *ret_key, struct gm_error *error)
{
    char text[TEXT_BYTES + 1] = "";
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return gm_error_set(error, -errno, "cannot read the key file %s: %s", path,
                            gm_error_name(-errno));
    const bool open_to_others = fstat(fd, &status) < 0 || (status.st_mode & 077) != 0;
    const ssize_t got = open_to_others ? 0 : read(fd, text, sizeof text);
    close(fd);
    if (open_to_others)
        return gm_error_set(error, GM_EJOB_OPTION,
                            "the key file %s may be read by others than its owner: chmod 600 %s",
                            path, path);
    struct gm_key key = {.present = true};
    const bool whole = got == TEXT_BYTES && text[TEXT_BYTES - 1] == '\n' &&
                       gm_hex_parse(text, '\n', key.bytes, sizeof key.bytes);
    explicit_bzero(text, sizeof text);
    if (!whole)
        return gm_error_set(error, GM_EJOB_OPTION,
                            "%s is no key file: it is one line of %d hexadecimal digits; make one "
                            "with gleam keygen",
                            path, 2 * GM_KEY_BYTES);
    *ret_key = key;
    return 0;
}

int gm_key_find(const char *path, struct gm_key *ret_key, struct gm_error *error)
{
    if (path == NULL || path[0] == '\0')
        path = getenv(GM_KEY_VARIABLE);
    if (path != NULL && path[0] != '\0')
        return gm_key_load(path, ret_key, error);
    *ret_key = (struct gm_key){.present = false};
    return 0;
}
