/* Goal:   every variant that runs here gives the value of gm_hash_long: nodes with other processors
 *         check each other's frames.
 * Method: all lengths up to some blocks of the hash, at odd places, and a frame's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engine/base/checksum.h"
#include "engine/base/hash.h"

#define BYTES (64u << 10)

static void all_variants_agree(void **state)
{
    (void)state;
    static const char *const names[] = {"avx512", "avx2", "sse2", "neon", "scalar", NULL};
    uint8_t *data = malloc(BYTES + 64);
    for (uint32_t i = 0; i < BYTES + 64; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 23);
    uint32_t ran = 0;
    for (uint32_t v = 0; v < sizeof names / sizeof *names; v++) {
        const int rc = gm_checksum_select(names[v]);
        assert_true(rc == 0 || rc == -ENOTSUP || rc == -EINVAL);
        if (rc != 0)
            continue;
        ran++;
        for (uint32_t length = 0; length < 3000; length++)
            assert_int_equal(gm_checksum(data + length % 64, length),
                             gm_hash_long(data + length % 64, length));
        assert_int_equal(gm_checksum(data + 1, BYTES), gm_hash_long(data + 1, BYTES));
    }
    assert_true(ran >= 2); /* scalar, and the widest */
    assert_int_equal(gm_checksum_select("abacus"), -EINVAL);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_variants_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
