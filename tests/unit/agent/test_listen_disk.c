/* test_listen_disk.c
 * Goal:   bytes come as they were sent, until the other side closes; a reset is an error; nobody
 *         else is let in; addresses that cannot be are told.
 * Method: clients on the loopback, ports that the kernel chooses.
 */
#include "agent/listen_disk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/error.h"

static struct gm_heap heap;
static struct gm_listen_disk *owner;
static struct gm_disk disk;
static struct gm_disk_file *file;
static _Atomic uint64_t port;

static void begin(void)
{
    port = 0;
    assert_int_equal(gm_listen_disk_create(&port, &heap, &owner), 0);
    disk = gm_listen_disk_port(owner);
}

static void end(void)
{
    gm_listen_disk_destroy(owner);
    assert_int_equal(heap.used_bytes, 0);
}

/* Returns a connected socket, or -errno. */
static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    const int rc = -errno;
    close(fd);
    return rc;
}

/* One read, waited for on the disk's descriptor. */
static int64_t read_some(char *buffer, uint32_t bytes)
{
    struct gm_disk_completion completion;
    assert_int_equal(disk.ops->read(disk.self, file, 0, buffer, bytes, &completion), 0);
    while (disk.ops->poll(disk.self, &completion, 1) == 0) {
        struct pollfd ready = {.fd = disk.ops->descriptor(disk.self), .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 10000), 1);
    }
    assert_ptr_equal(completion.tag, &completion);
    return completion.result;
}

static void test_bytes_until_the_end(void **state)
{
    (void)state;
    char buffer[64], tag;
    struct gm_disk_completion completion;
    begin();
    assert_int_equal(disk.ops->open(disk.self, "127.0.0.1:0", &file), 0);
    assert_true(port > 0);
    assert_int_equal(disk.ops->poll(disk.self, &completion, 1), 0); /* nothing was asked for */
    const int client = dial();
    assert_true(client >= 0);
    assert_int_equal(write(client, "hello", 5), 5);
    assert_int_equal(read_some(buffer, 3), 3);
    assert_memory_equal(buffer, "hel", 3);
    assert_int_equal(dial(), -ECONNREFUSED);
    assert_int_equal(read_some(buffer, sizeof buffer), 2);
    assert_int_equal(disk.ops->read(disk.self, file, 0, buffer, 1, &tag), 0);
    assert_int_equal(disk.ops->poll(disk.self, &completion, 1), 0);
    close(client);
    struct pollfd ready = {.fd = disk.ops->descriptor(disk.self), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 10000), 1);
    assert_int_equal(disk.ops->poll(disk.self, &completion, 1), 1);
    assert_int_equal(completion.result, 0);
    disk.ops->close(disk.self, file);
    end();
}

static void test_a_reset_is_no_end(void **state)
{
    (void)state;
    char buffer[64];
    const struct linger now = {.l_onoff = 1};
    begin();
    assert_int_equal(disk.ops->open(disk.self, "localhost:0", &file), 0);
    const int client = dial();
    assert_int_equal(write(client, "x", 1), 1);
    assert_int_equal(read_some(buffer, 1), 1);
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(client);
    assert_int_equal(read_some(buffer, 1), -ECONNRESET);
    end();
}

static void test_addresses_that_cannot_be(void **state)
{
    (void)state;
    char taken[32];
    begin();
    static const char *const wrong[] = {"name:0", "1.2.3:0", "[::1:0", "::1:0", "[127.0.0.1]:0",
                                        "x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(disk.ops->open(disk.self, wrong[i], &file), GM_EJOB_ADDRESS);
    assert_int_equal(disk.ops->open(disk.self, "192.0.2.1:0", &file), -EADDRNOTAVAIL);
    assert_int_equal(port, 0);
    assert_int_equal(disk.ops->open(disk.self, "127.0.0.1:0", &file), 0);
    struct gm_listen_disk *first = owner;
    snprintf(taken, sizeof taken, "127.0.0.1:%u", (unsigned)port);
    begin();
    assert_int_equal(disk.ops->open(disk.self, taken, &file), -EADDRINUSE);
    gm_listen_disk_destroy(first);
    end();
    gm_listen_disk_destroy(NULL);
}

int main(void)
{
    if (gm_heap_init(&heap, UINT64_MAX) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_until_the_end),
        cmocka_unit_test(test_a_reset_is_no_end),
        cmocka_unit_test(test_addresses_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
