/* test_spill_file.c - goal: bytes come back from files that have no name, by both backends.
 * Method: real files in a folder of the test's own; the folder is looked at while they are open.
 */
#include "iouring/spill_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/error.h"
#include "engine/base/limits.h"

#define BYTES (256u << 10)
#define DEPTH 8

struct rig {
    char folder[64];
    struct gm_heap heap;
    struct gm_spill_file_disk *disk;
    struct gm_spill_disk port;
    bool absent; /* io_uring is forbidden here */
};

static void rig_open(struct rig *rig, enum gm_file_backend backend)
{
    strcpy(rig->folder, "/var/tmp/gleam-test-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    assert_int_equal(gm_heap_init(&rig->heap, UINT64_MAX), 0);
    const int rc = gm_spill_file_disk_create(DEPTH, backend, &rig->heap, &rig->disk);
    rig->absent = rc < 0;
    if (rig->absent) {
        assert_int_equal(backend, GM_FILE_BACKEND_URING);
        print_message("io_uring is not allowed here (%s)\n", gm_error_name(rc));
        return;
    }
    rig->port = gm_spill_file_disk_port(rig->disk);
}

static void rig_close(struct rig *rig)
{
    if (!rig->absent)
        gm_spill_file_disk_destroy(rig->disk);
    assert_int_equal(rig->heap.used_bytes, 0);
    gm_heap_fini(&rig->heap);
    assert_int_equal(rmdir(rig->folder), 0); /* empty, whatever the test did */
}

static uint8_t *buffer_new(uint8_t first)
{
    uint8_t *buffer = aligned_alloc(GM_SPILL_ALIGN, BYTES);
    assert_non_null(buffer);
    for (uint32_t i = 0; i < BYTES; i++)
        buffer[i] = (uint8_t)(first + i / 7);
    return buffer;
}

static int64_t wait_one(struct rig *rig, void **ret_tag)
{
    struct gm_spill_completion completion;
    for (;;) {
        if (rig->port.ops->poll(rig->port.self, &completion, 1) == 1) {
            *ret_tag = completion.tag;
            return completion.result;
        }
        struct pollfd watched = {.fd = rig->port.ops->descriptor(rig->port.self),
                                 .events = POLLIN};
        assert_true(watched.fd >= 0);
        assert_true(poll(&watched, 1, 10000) == 1);
    }
}

static void check_round_trip(enum gm_file_backend backend, bool windows)
{
    struct rig rig;
    rig_open(&rig, backend);
    if (rig.absent) {
        rig_close(&rig);
        skip();
    }
    struct gm_spill_file *file = NULL;
    assert_int_equal(rig.port.ops->create(rig.port.self, rig.folder, &file), 0);
    DIR *folder = opendir(rig.folder);
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        assert_int_equal(entry->d_name[0], '.');
    closedir(folder);
    const int reserved = rig.port.ops->reserve(rig.port.self, file, DEPTH * BYTES);
    assert_true(reserved == 0 || reserved == -EOPNOTSUPP);

    uint8_t *buffers[DEPTH];
    int numbers[DEPTH];
    for (uint32_t i = 0; i < DEPTH; i++) {
        buffers[i] = buffer_new((uint8_t)(3 * i));
        numbers[i] = windows ? rig.port.ops->window_add(rig.port.self, buffers[i], BYTES) : -1;
    }
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < DEPTH; i++) {
            if (round == 1)
                memset(buffers[i], 0, BYTES);
            const struct gm_spill_transfer transfer = {
                .write = round == 0, .window = numbers[i], .file = file,
                .offset = (uint64_t)(DEPTH - 1 - i) * BYTES, .buffer = buffers[i],
                .bytes = BYTES, .tag = &buffers[i]};
            assert_int_equal(rig.port.ops->start(rig.port.self, &transfer), 0);
        }
        const struct gm_spill_transfer more = {
            .write = false, .window = -1, .file = file, .buffer = buffers[0], .bytes = BYTES};
        assert_int_equal(rig.port.ops->start(rig.port.self, &more), GM_AGAIN);
        for (uint32_t i = 0; i < DEPTH; i++) {
            void *tag = NULL;
            assert_int_equal(wait_one(&rig, &tag), BYTES);
            assert_true(tag >= (void *)buffers && tag < (void *)(buffers + DEPTH));
        }
    }
    for (uint32_t i = 0; i < DEPTH; i++) {
        uint8_t *expected = buffer_new((uint8_t)(3 * i));
        assert_memory_equal(buffers[i], expected, BYTES);
        free(expected);
        if (numbers[i] >= 0)
            rig.port.ops->window_remove(rig.port.self, numbers[i]);
        free(buffers[i]);
    }
    struct gm_spill_file_facts facts;
    gm_spill_file_disk_facts(rig.disk, &facts);
    assert_int_equal(facts.direct_count + facts.buffered_count, 1);
    assert_int_equal(facts.registered_count, 0);
    rig.port.ops->close(rig.port.self, file);
    rig_close(&rig);
}

static void test_round_trip_io_uring(void **state)
{
    (void)state;
    check_round_trip(GM_FILE_BACKEND_URING, false);
}

static void test_round_trip_io_uring_with_windows(void **state)
{
    (void)state;
    check_round_trip(GM_FILE_BACKEND_URING, true);
}

static void test_round_trip_pwrite(void **state)
{
    (void)state;
    check_round_trip(GM_FILE_BACKEND_PREAD, true);
}

static void test_a_folder_that_is_not_there(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GM_FILE_BACKEND_PREAD);
    struct gm_spill_file *file = NULL;
    assert_int_equal(rig.port.ops->create(rig.port.self, "/nowhere/at/all", &file), -ENOENT);
    assert_int_equal(rig.port.ops->create(rig.port.self, "/dev/null", &file), -ENOTDIR);
    rig_close(&rig);
}

/* A file system without O_DIRECT, and one where only the transfer finds out: an offset that no
 * direct transfer may have stands for it. */
static void check_buffered(enum gm_file_backend backend)
{
    struct rig rig;
    rig_open(&rig, backend);
    if (rig.absent) {
        rig_close(&rig);
        skip();
    }
    struct gm_spill_file *file = NULL;
    assert_int_equal(rig.port.ops->create(rig.port.self, rig.folder, &file), 0);
    struct gm_spill_file_facts before, after;
    gm_spill_file_disk_facts(rig.disk, &before);
    uint8_t *buffer = buffer_new(1);
    struct gm_spill_transfer transfer = {.write = true, .window = -1, .file = file, .offset = 100,
                                         .buffer = buffer + 1, .bytes = 1000};
    void *tag = NULL;
    assert_int_equal(rig.port.ops->start(rig.port.self, &transfer), 0);
    assert_int_equal(wait_one(&rig, &tag), 1000);
    uint8_t back[1000];
    transfer.write = false;
    transfer.buffer = back;
    assert_int_equal(rig.port.ops->start(rig.port.self, &transfer), 0);
    assert_int_equal(wait_one(&rig, &tag), 1000);
    assert_memory_equal(back, buffer + 1, 1000);
    gm_spill_file_disk_facts(rig.disk, &after);
    free(buffer);
    rig_close(&rig);
    if (before.direct_count == 1 && after.direct_count == 1)
        skip(); /* a tmpfs takes any offset directly, so there is nothing to find out */
    assert_int_equal(after.buffered_count, 1);
    assert_int_equal(after.direct_count, 0);
}

static void test_without_direct_io(void **state)
{
    (void)state;
    check_buffered(GM_FILE_BACKEND_PREAD);
}

static void test_without_direct_io_on_io_uring(void **state)
{
    (void)state;
    check_buffered(GM_FILE_BACKEND_URING);
}

/* Destroy waits for what is under way: the buffer is freed right behind it. */
static void test_destroy_with_transfers_under_way(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        struct rig rig;
        rig_open(&rig, i == 0 ? GM_FILE_BACKEND_AUTO : GM_FILE_BACKEND_PREAD);
        struct gm_spill_file *file = NULL;
        assert_int_equal(rig.port.ops->create(rig.port.self, rig.folder, &file), 0);
        uint8_t *buffer = buffer_new(1);
        const struct gm_spill_transfer transfer = {
            .write = true, .window = -1, .file = file, .buffer = buffer, .bytes = BYTES};
        assert_int_equal(rig.port.ops->start(rig.port.self, &transfer), 0);
        rig_close(&rig);
        free(buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_io_uring),
        cmocka_unit_test(test_round_trip_io_uring_with_windows),
        cmocka_unit_test(test_round_trip_pwrite),
        cmocka_unit_test(test_a_folder_that_is_not_there),
        cmocka_unit_test(test_without_direct_io),
        cmocka_unit_test(test_without_direct_io_on_io_uring),
        cmocka_unit_test(test_destroy_with_transfers_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
