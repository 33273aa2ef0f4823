/* test_key.c - goal: a key file is made once, for its owner alone, and anything else is refused.
 * Method: files in a folder of the test's.
 */
#include "control/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/gleam-key-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/key", mkdtemp(folder));
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_text(const char *text, mode_t mode)
{
    unlink(path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void a_made_key_is_read_back(void **state)
{
    (void)state;
    struct gm_error error = {0};
    struct gm_key key, again;
    struct stat status;
    unlink(path);
    assert_int_equal(gm_key_generate(path, &error), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(gm_key_load(path, &key, &error), 0);
    assert_true(key.present);
    assert_int_equal(gm_key_generate(path, &error), -EEXIST);
    error.code = 0;
    assert_int_equal(gm_key_load(path, &again, &error), 0);
    assert_memory_equal(key.bytes, again.bytes, sizeof key.bytes);
    unlink(path);
    assert_int_equal(gm_key_generate(path, &error), 0);
    assert_int_equal(gm_key_load(path, &again, &error), 0);
    assert_memory_not_equal(key.bytes, again.bytes, sizeof key.bytes);
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    static const char digits[] =
        "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
    char text[80];
    struct gm_key key;
    static const char *const wrong[] = {"%s",       "%s\n\n", "%.63s\n", "%s0\n",
                                        "%.63sg\n", " %s\n",  ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct gm_error error = {0};
        snprintf(text, sizeof text, wrong[i], digits);
        write_text(text, 0600);
        assert_int_equal(gm_key_load(path, &key, &error), GM_EJOB_OPTION);
        assert_non_null(strstr(error.text, "keygen"));
    }
    struct gm_error error = {0};
    snprintf(text, sizeof text, "%s\n", digits);
    write_text(text, 0640);
    assert_int_equal(gm_key_load(path, &key, &error), GM_EJOB_OPTION);
    assert_non_null(strstr(error.text, "chmod 600"));
    error.code = 0;
    write_text(text, 0600);
    assert_int_equal(gm_key_load(path, &key, &error), 0);
    assert_int_equal(key.bytes[1], 0x11);
    assert_int_equal(key.bytes[31], 0xff);
}

static void it_is_looked_for_in_two_places(void **state)
{
    (void)state;
    struct gm_error error = {0};
    struct gm_key key;
    unsetenv(GM_KEY_VARIABLE);
    assert_int_equal(gm_key_find("", &key, &error), 0);
    assert_false(key.present);
    unlink(path);
    assert_int_equal(gm_key_generate(path, &error), 0);
    setenv(GM_KEY_VARIABLE, path, 1);
    assert_int_equal(gm_key_find(NULL, &key, &error), 0);
    assert_true(key.present);
    assert_int_equal(gm_key_find("/no/such/key", &key, &error), -ENOENT);
    unsetenv(GM_KEY_VARIABLE);
}

static void digits_are_read_as_they_are_written(void **state)
{
    (void)state;
    uint8_t bytes[256], back[256];
    char text[513];
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    gm_hex_format(bytes, sizeof bytes, text);
    assert_true(gm_hex_parse(text, '\0', back, sizeof back));
    assert_memory_equal(bytes, back, sizeof bytes);
    assert_false(gm_hex_parse("0", '\0', back, 1));
    assert_false(gm_hex_parse("00:", '\0', back, 1));
    assert_true(gm_hex_parse("00:", ':', back, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_made_key_is_read_back),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(it_is_looked_for_in_two_places),
        cmocka_unit_test(digits_are_read_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
