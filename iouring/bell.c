/* bell.c - sleeping on an eventfd and ringing another's. */
#include "iouring/bell.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"

#define NS_PER_S 1000000000u

int gm_eventfd_bell_open(uint32_t participants_count, int *ret_descriptors)
{
    GM_CHECK(participants_count > 0 && participants_count <= GM_PARTICIPANTS_MAX);
    GM_CHECK(ret_descriptors != NULL);
    for (uint32_t i = 0; i < participants_count; i++) {
        ret_descriptors[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (ret_descriptors[i] < 0) {
            int rc = -errno;
            gm_eventfd_bell_close(i, ret_descriptors);
            return rc;
        }
    }
    return 0;
}

void gm_eventfd_bell_close(uint32_t participants_count, int *descriptors)
{
    for (uint32_t i = 0; i < participants_count; i++) {
        close(descriptors[i]);
        descriptors[i] = -1;
    }
}

static void bell_ring(void *self, uint16_t participant)
{
    struct gm_eventfd_bell *bell = self;
    GM_CHECK(participant < bell->participants_count);
    const uint64_t one = 1;
    ssize_t done;
    do {
        done = write(bell->descriptors[participant], &one, sizeof(one));
    } while (done < 0 && errno == EINTR);
    /* EAGAIN: it was rung 2^64 - 2 times and is still ringing. */
    GM_CHECK(done == sizeof(one) || errno == EAGAIN);
}

static void bell_wait(void *self, const int *extra, uint32_t extra_count, uint64_t timeout_ns)
{
    struct gm_eventfd_bell *bell = self;
    GM_CHECK(extra_count <= GM_BELL_EXTRA_MAX);
    struct pollfd watched[1 + GM_BELL_EXTRA_MAX];
    watched[0] = (struct pollfd){.fd = bell->descriptors[bell->participant], .events = POLLIN};
    for (uint32_t i = 0; i < extra_count; i++)
        watched[1 + i] = (struct pollfd){.fd = extra[i], .events = POLLIN};

    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                               .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    int count = ppoll(watched, 1 + extra_count, timeout_ns == UINT64_MAX ? NULL : &timeout, NULL);
    if (count < 0) {
        /* A signal, or the kernel short of memory: an early return, which the port allows. */
        GM_CHECK(errno == EINTR || errno == ENOMEM);
        return;
    }
    GM_CHECK((watched[0].revents & POLLNVAL) == 0);
    if ((watched[0].revents & POLLIN) == 0)
        return;
    uint64_t rings;
    ssize_t done;
    do {
        done = read(watched[0].fd, &rings, sizeof(rings));
    } while (done < 0 && errno == EINTR);
    GM_CHECK(done == sizeof(rings));
}

static const struct gm_bell_ops bell_ops = {
    .name = "eventfd",
    .ring = bell_ring,
    .wait = bell_wait,
};

void gm_eventfd_bell_init(struct gm_eventfd_bell *bell, const int *descriptors,
                          uint32_t participants_count, uint16_t participant)
{
    GM_CHECK(descriptors != NULL);
    GM_CHECK(participant < participants_count);
    *bell = (struct gm_eventfd_bell){.descriptors = descriptors,
                                     .participants_count = participants_count,
                                     .participant = participant};
}

struct gm_bell gm_eventfd_bell_port(struct gm_eventfd_bell *bell)
{
    GM_CHECK(bell->descriptors != NULL);
    return (struct gm_bell){.ops = &bell_ops, .self = bell};
}
