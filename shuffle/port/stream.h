/* stream.h - port: connected byte streams to other nodes, by number of the peer.
 *
 * Real: iouring/tcp.h, over sockets that somebody else connected.  Simulated: tests/sim, and fakes
 * of the tests.
 * Threads: one owner.
 * Memory:  the pieces of a send or a receive, and what they point at, are lent until it ended.
 *
 * Per peer one send and one receive may be under way.  Either may end early, with fewer bytes than
 * its pieces have room for: whoever asked goes on with the rest.
 */
#ifndef GM_PORT_STREAM_H
#define GM_PORT_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum gm_stream_event_kind {
    GM_STREAM_RECEIVED, /* result: bytes; 0: the peer ended the stream; < 0: it broke */
    GM_STREAM_SENT,     /* result: bytes; < 0: it broke */
    GM_STREAM_RELEASED, /* of an earlier send that was `held`: its memory is its owner's again */
};

struct gm_stream_event {
    uint16_t peer;
    uint8_t kind;
    bool held; /* SENT: the next send may begin, but the memory stays lent until RELEASED, which
                * comes in the order of the sends */
    int32_t result;
};

struct gm_streams_ops {
    const char *name;
    /* Both queue; poll hands everything queued to the system at once. */
    void (*send)(void *self, uint16_t peer, const struct iovec *pieces, uint32_t count);
    void (*receive)(void *self, uint16_t peer, const struct iovec *pieces, uint32_t count);
    /* Starts what is queued, and takes up to count events.  Never waits.  Returns how many; < 0:
     * the streams as a whole are of no use any more. */
    int (*poll)(void *self, struct gm_stream_event *ret_events, uint32_t count);
    /* From now until the next wait is over, the descriptor says when poll has something.  To be
     * called before the last poll in front of the wait. */
    void (*arm)(void *self);
    int (*descriptor)(void *self); /* readable when poll has something; for poll(2) */
};

struct gm_streams {
    const struct gm_streams_ops *ops;
    void *self;
};

#endif
