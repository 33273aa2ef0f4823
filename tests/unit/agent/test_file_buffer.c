/* test_file_buffer.c
 * Goal:   texts lie one behind the other from the given place on, whatever their lengths; a place
 *         may be anywhere; without memory it still writes, and past the page cache, too; errors are
 *         told.
 * Method: random texts against a copy in memory, in a nameless file; /dev/full.
 */
#include "agent/file_buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/row/random_rows.h"

#define BYTES (3u << 20)

static void texts_lie_where_they_should(void **state)
{
    static uint8_t text[BYTES], back[BYTES];
    (void)state;
    uint64_t random = 1;
    for (uint32_t i = 0; i < BYTES; i++)
        text[i] = (uint8_t)random_next(&random);
    for (uint32_t run = 0; run < 12; run++) {
        char name[] = "/tmp/gleam-buffer-XXXXXX";
        const int fd = mkstemp(name);
        assert_true(fd >= 0);
        unlink(name);
        struct gm_heap heap;
        assert_int_equal(gm_heap_init(&heap, run % 3 == 2 ? 1000 : UINT64_MAX), 0);
        struct gm_file_buffer buffer;
        gm_file_buffer_init(&buffer, &heap);
        assert_int_equal(buffer.memory == NULL, run % 3 == 2);
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        const int direct = run % 3 == 1 ? open(path, O_WRONLY | O_DIRECT | O_CLOEXEC) : -1;
        /* Two places; the second one first. */
        const uint64_t middle = random_below(&random, BYTES);
        const uint64_t begins[] = {middle, 0}, ends[] = {BYTES, middle};
        for (uint32_t part = 0; part < 2; part++) {
            if (direct >= 0)
                assert_true(gm_file_buffer_begin_direct(&buffer, fd, direct, begins[part]));
            else
                gm_file_buffer_begin(&buffer, fd, begins[part]);
            for (uint64_t at = begins[part]; at < ends[part];) {
                uint64_t bytes = random_below(&random, run % 2 ? 400000 : 5000);
                if (bytes > ends[part] - at)
                    bytes = ends[part] - at;
                assert_int_equal(gm_file_buffer_append(&buffer, text + at, bytes), 0);
                at += bytes;
                assert_true(buffer.offset + buffer.used == at);
            }
            assert_int_equal(gm_file_buffer_append(&buffer, NULL, 0), 0);
            assert_int_equal(gm_file_buffer_flush(&buffer), 0);
            assert_true(buffer.offset == ends[part]);
        }
        assert_int_equal(pread(fd, back, BYTES, 0), BYTES);
        assert_memory_equal(back, text, BYTES);
        close(fd);
        if (direct >= 0)
            close(direct);
        gm_file_buffer_fini(&buffer);
        assert_int_equal(heap.used_bytes, 0);
        gm_heap_fini(&heap);
    }
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_file_buffer buffer;
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    gm_file_buffer_init(&buffer, &heap);
    const int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    gm_file_buffer_begin(&buffer, fd, 0);
    assert_int_equal(gm_file_buffer_append(&buffer, "text", 4), 0);
    assert_int_equal(gm_file_buffer_flush(&buffer), -ENOSPC);
    assert_true(buffer.offset == 0);
    close(fd);
    gm_file_buffer_fini(&buffer);
    gm_heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_lie_where_they_should),
        cmocka_unit_test(a_full_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
