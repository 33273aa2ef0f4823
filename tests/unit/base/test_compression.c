/* test_compression.c
 * Goal:   endings of names mean the libraries that they are for.
 * Method: listed names.
 */
#include "engine/base/compression.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void endings_name_methods(void **state)
{
    size_t length;
    (void)state;
    assert_int_equal(gm_compression_of("a.csv.gz", &length), GM_COMPRESSION_GZIP);
    assert_int_equal(length, 3);
    assert_int_equal(gm_compression_of("a.zst", &length), GM_COMPRESSION_ZSTD);
    assert_int_equal(length, 4);
    assert_int_equal(gm_compression_of("a.bz2", &length), GM_COMPRESSION_BZIP2);
    assert_int_equal(gm_compression_of(".gz", &length), GM_COMPRESSION_NONE);
    assert_int_equal(length, 0);
    assert_int_equal(gm_compression_of("a.gzip", &length), GM_COMPRESSION_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endings_name_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
