/* test_control.c - goal: what the driver and an executor tell each other arrives as it was sent,
 * and nonsense is refused, not believed.
 * Method: both ends of a socket pair in one thread; every cut and many random changes of an
 * outcome.
 */
#include "agent/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct gm_chain_plan chains[2] = {{.step_count = 3}, {.step_count = 0}};
static const struct gm_plan plan = {.chains = chains, .chain_count = 2, .exchange_count = 2};
static int ends[2];

static int setup(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int teardown(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static struct gm_executor_counts some_counts(void)
{
    struct gm_executor_counts counts;
    assert_int_equal(gm_executor_counts_init(&counts, &plan), 0);
    counts.busy_ns = 11;
    counts.heap_peak_bytes = 12;
    counts.commands = (struct gm_process_counts){21, 22, 23};
    counts.chains[0].source_rows = 13;
    counts.chains[0].step_rows[2] = 14;
    counts.chains[1].source_bytes = 15;
    counts.exchanges[1].frames_count = 16;
    gm_analysis_add(&counts.analysis, 4, 17, 18, 19);
    return counts;
}

static void a_job_arrives_with_its_descriptors(void **state)
{
    (void)state;
    const struct gm_job_message job = {.memory_bytes = 1, .spin_ns = 2, .plan_bytes = 3};
    struct gm_job_message got;
    int region = -1, plan_fd = -1, pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(gm_control_send_job(ends[0], &job, pipes[0], pipes[1]), 0);
    assert_int_equal(gm_control_receive_job(ends[1], &got, &region, &plan_fd), 0);
    assert_memory_equal(&got, &job, sizeof job);
    char byte = 'x';
    assert_int_equal(write(plan_fd, &byte, 1), 1);
    assert_int_equal(read(region, &byte, 1), 1);
    assert_true(fcntl(region, F_GETFD) & FD_CLOEXEC);
    for (int i = 0; i < 2; i++)
        close(pipes[i]);
    close(region);
    close(plan_fd);
}

static void a_job_without_descriptors_is_refused(void **state)
{
    (void)state;
    struct gm_job_message got;
    int region, plan_fd;
    const uint8_t junk[32] = {0x47, 0x4d, 0x4a, 0x31};
    assert_int_equal(send(ends[0], junk, sizeof junk, 0), sizeof junk);
    assert_int_equal(gm_control_receive_job(ends[1], &got, &region, &plan_fd), GM_EPEER_PROTOCOL);
}

/* The next descriptor that would be given out: the same again when none was left open. */
static int next_descriptor(void)
{
    const int fd = dup(ends[0]);
    assert_true(fd >= 0);
    close(fd);
    return fd;
}

static void descriptors_of_a_refused_packet_are_closed(void **state)
{
    (void)state;
    const int before = next_descriptor();
    for (int count = 1; count <= 2; count++) {
        uint8_t junk[8] = {1};
        struct iovec part = {.iov_base = junk, .iov_len = sizeof junk};
        union {
            struct cmsghdr header;
            char bytes[CMSG_SPACE(2 * sizeof(int))];
        } ancillary = {0};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = &ancillary,
                                 .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                   .cmsg_type = SCM_RIGHTS,
                                   .cmsg_len = CMSG_LEN((size_t)count * sizeof(int))};
        const int passed[2] = {ends[0], ends[1]};
        memcpy(CMSG_DATA(header), passed, (size_t)count * sizeof(int));
        assert_int_equal(sendmsg(ends[0], &message, 0), sizeof junk);
        struct gm_job_message got;
        int region, plan_fd;
        assert_int_equal(gm_control_receive_job(ends[1], &got, &region, &plan_fd),
                         GM_EPEER_PROTOCOL);
        assert_int_equal(next_descriptor(), before);
    }
}

static void the_outcome_of_the_largest_plan_arrives(void **state)
{
    (void)state;
    static struct gm_chain_plan many[GM_EXCHANGES_MAX];
    for (uint32_t i = 0; i < GM_EXCHANGES_MAX; i++)
        many[i].step_count = GM_CONTROL_STEPS_MAX / GM_EXCHANGES_MAX;
    const struct gm_plan largest = {.chains = many,
                                    .chain_count = GM_EXCHANGES_MAX,
                                    .exchange_count = GM_EXCHANGES_MAX};
    struct gm_executor_counts counts, total;
    struct gm_error error = {0};
    assert_int_equal(gm_executor_counts_init(&counts, &largest), 0);
    assert_int_equal(gm_executor_counts_init(&total, &largest), 0);
    counts.exchanges[GM_EXCHANGES_MAX - 1].frames_count = 17;
    assert_int_equal(gm_control_send_outcome(ends[1], &error, &counts, &largest), 0);
    assert_int_equal(gm_control_receive_outcome(ends[0], &largest, &error, &total), 0);
    assert_int_equal(error.code, 0);
    assert_int_equal(total.exchanges[GM_EXCHANGES_MAX - 1].frames_count, 17);
    gm_executor_counts_fini(&counts);
    gm_executor_counts_fini(&total);
}

static void a_driver_that_is_gone_is_the_end(void **state)
{
    (void)state;
    struct gm_job_message got;
    int region, plan_fd;
    shutdown(ends[0], SHUT_RDWR);
    assert_int_equal(gm_control_receive_job(ends[1], &got, &region, &plan_fd), GM_END);
    struct gm_error error;
    struct gm_executor_counts counts = some_counts();
    assert_int_equal(gm_control_receive_outcome(ends[1], &plan, &error, &counts), GM_END);
    gm_executor_counts_fini(&counts);
}

static void counters_add_up(void **state)
{
    (void)state;
    struct gm_executor_counts counts = some_counts();
    struct gm_executor_counts total;
    struct gm_error error = {0};
    assert_int_equal(gm_executor_counts_init(&total, &plan), 0);
    assert_int_equal(gm_control_receive_outcome(ends[0], &plan, &error, &total), GM_AGAIN);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(gm_control_send_outcome(ends[1], &error, &counts, &plan), 0);
        assert_int_equal(gm_control_receive_outcome(ends[0], &plan, &error, &total), 0);
        assert_int_equal(error.code, 0);
        assert_int_equal(total.busy_ns, 11 * i);
        assert_int_equal(total.heap_peak_bytes, 12 * i);
        assert_int_equal(total.commands.commands_count, 21 * i);
        assert_int_equal(total.commands.written_bytes, 22 * i);
        assert_int_equal(total.commands.read_bytes, 23 * i);
        assert_int_equal(total.chains[0].source_rows, 13 * i);
        assert_int_equal(total.chains[0].step_rows[2], 14 * i);
        assert_int_equal(total.chains[1].source_bytes, 15 * i);
        assert_int_equal(total.exchanges[1].frames_count, 16 * i);
        assert_int_equal(total.analysis.notes[4].rows, 17 * i);
        assert_int_equal(total.analysis.notes[4].rows_max, 17);
        assert_int_equal(total.analysis.notes[4].ns, 19 * i);
    }
    gm_executor_counts_fini(&counts);
    gm_executor_counts_fini(&total);
}

static void an_error_arrives_with_its_text(void **state)
{
    (void)state;
    struct gm_error error = {0}, got = {0};
    struct gm_executor_counts counts = some_counts();
    gm_error_set(&error, GM_EJOB_INPUT, "cannot read this: %s", "because");
    assert_int_equal(gm_control_send_outcome(ends[1], &error, &counts, &plan), 0);
    assert_int_equal(gm_control_receive_outcome(ends[0], &plan, &got, &counts), 0);
    assert_int_equal(got.code, GM_EJOB_INPUT);
    assert_string_equal(got.text, "cannot read this: because");
    gm_executor_counts_fini(&counts);
}

static void outcomes_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct gm_executor_counts counts = some_counts();
    struct gm_error error = {0};
    uint8_t message[4096], changed[4096];
    assert_int_equal(gm_control_send_outcome(ends[1], &error, &counts, &plan), 0);
    const ssize_t bytes = recv(ends[0], message, sizeof message, 0);
    assert_true(bytes > 16);
    for (ssize_t cut = 1; cut < bytes; cut++) {
        assert_int_equal(send(ends[1], message, (size_t)cut, 0), cut);
        assert_int_equal(gm_control_receive_outcome(ends[0], &plan, &error, &counts),
                         GM_EPEER_PROTOCOL);
    }
    srand(1);
    for (int round = 0; round < 20000; round++) {
        memcpy(changed, message, (size_t)bytes);
        for (int i = 0; i < 3; i++)
            changed[rand() % bytes] ^= (uint8_t)(1 << rand() % 8);
        assert_int_equal(send(ends[1], changed, (size_t)bytes, 0), bytes);
        const int rc = gm_control_receive_outcome(ends[0], &plan, &error, &counts);
        assert_true(rc == 0 || rc == GM_EPEER_PROTOCOL);
    }
    gm_executor_counts_fini(&counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_arrives_with_its_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(a_job_without_descriptors_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(descriptors_of_a_refused_packet_are_closed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_outcome_of_the_largest_plan_arrives, setup, teardown),
        cmocka_unit_test_setup_teardown(a_driver_that_is_gone_is_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(counters_add_up, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_arrives_with_its_text, setup, teardown),
        cmocka_unit_test_setup_teardown(outcomes_that_make_no_sense_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
