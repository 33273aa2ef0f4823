#include "shuffle/link.h"

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "shuffle/port/step.h"
#include "shuffle/wake.h"

/* Rings of one exchange, by the participant at their other end; NULL where there are none. */
struct link_exchange {
    struct gm_ring_producer *producers; /* by destination, executor_count + 1 of them */
    struct gm_ring_consumer *consumers; /* by source, executor_count of them */
};

struct gm_link {
    struct gm_heap *heap;
    const struct gm_bell *bell;
    const struct gm_region_spec *spec;
    struct gm_ledger_entry *ledger; /* of seat 0; the others follow */
    uint32_t seat;
    uint16_t participant;
    uint32_t executor_count;
    uint32_t exchange_count;
    size_t bytes; /* of the one block that holds this and all handles */
    struct link_exchange exchanges[];
};

/* For a participant of another node this wakes the gateway. */
static void link_wake(const struct gm_link *link, uint16_t participant)
{
    gm_wake(link->ledger, link->bell, gm_region_seat(link->spec, participant));
}

static int link_send(void *self, uint16_t exchange, uint16_t destination,
                     struct gm_descriptor descriptor)
{
    struct gm_link *link = self;
    GM_CHECK(exchange < link->exchange_count);
    GM_CHECK(destination <= link->executor_count);
    struct gm_ring_producer *producer = &link->exchanges[exchange].producers[destination];
    GM_CHECK(producer->ring != NULL);
    uint64_t packed = gm_descriptor_pack(descriptor);
    if (gm_ring_push(producer, &packed, 1) == 0)
        return GM_AGAIN;
    link_wake(link, destination);
    return 0;
}

static int link_receive(void *self, uint16_t exchange, uint16_t source,
                        struct gm_descriptor *ret_descriptor)
{
    struct gm_link *link = self;
    GM_CHECK(exchange < link->exchange_count);
    GM_CHECK(source < link->executor_count);
    struct gm_ring_consumer *consumer = &link->exchanges[exchange].consumers[source];
    GM_CHECK(consumer->ring != NULL);
    uint64_t packed;
    if (gm_ring_pop(consumer, &packed, 1) == 0)
        return GM_AGAIN;
    GM_SIM_YIELD();
    *ret_descriptor = gm_descriptor_unpack(packed);
    return 0;
}

static void link_returned(void *self, uint16_t source)
{
    struct gm_link *link = self;
    GM_CHECK(source < link->executor_count);
    link_wake(link, source);
}

static const struct gm_network_ops link_ops = {
    .name = "link",
    .send = link_send,
    .receive = link_receive,
    .returned = link_returned,
};

static int link_join_rings(struct gm_link *link, const struct gm_region *region, uint32_t exchange)
{
    uint32_t slot_count = region->spec.exchanges[exchange].ring_slots;
    struct link_exchange *ends = &link->exchanges[exchange];
    uint32_t self = link->participant;
    for (uint32_t peer = 0; peer <= link->executor_count; peer++) {
        void *outbound = gm_region_ring(region, exchange, self, peer);
        void *inbound = gm_region_ring(region, exchange, peer, self);
        int rc = 0;
        if (outbound != NULL)
            rc = gm_ring_join_producer(outbound, slot_count, &ends->producers[peer]);
        if (rc == 0 && inbound != NULL)
            rc = gm_ring_join_consumer(inbound, slot_count, &ends->consumers[peer]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int gm_link_create(const struct gm_region *region, uint16_t participant, const struct gm_bell *bell,
                   struct gm_heap *heap, struct gm_link **ret_link)
{
    uint32_t executor_count = region->spec.executor_count;
    uint32_t exchange_count = region->spec.exchange_count;
    GM_CHECK(participant <= executor_count);
    GM_CHECK(gm_region_seat(&region->spec, participant) < gm_region_seat_count(&region->spec));
    size_t head_bytes = sizeof(struct gm_link) + exchange_count * sizeof(struct link_exchange);
    size_t out_bytes = (executor_count + 1) * sizeof(struct gm_ring_producer);
    size_t in_bytes = executor_count * sizeof(struct gm_ring_consumer);
    size_t bytes = head_bytes + exchange_count * (out_bytes + in_bytes);
    struct gm_link *link = gm_heap_zalloc(heap, bytes);
    if (link == NULL)
        return GM_ETASK_MEMORY;
    link->heap = heap;
    link->bell = bell;
    link->spec = &region->spec;
    link->seat = gm_region_seat(&region->spec, participant);
    link->ledger = gm_region_ledger(region, participant) - link->seat;
    link->participant = participant;
    link->executor_count = executor_count;
    link->exchange_count = exchange_count;
    link->bytes = bytes;
    uint8_t *next = (uint8_t *)link + head_bytes;
    for (uint32_t i = 0; i < exchange_count; i++) {
        link->exchanges[i].producers = (struct gm_ring_producer *)next;
        link->exchanges[i].consumers = (struct gm_ring_consumer *)(next + out_bytes);
        next += out_bytes + in_bytes;
        int rc = link_join_rings(link, region, i);
        if (rc < 0) {
            gm_link_destroy(link);
            return rc;
        }
    }
    *ret_link = link;
    return 0;
}

void gm_link_destroy(struct gm_link *link)
{
    if (link != NULL)
        gm_heap_free(link->heap, link, link->bytes);
}

struct gm_network gm_link_network(struct gm_link *link)
{
    return (struct gm_network){.ops = &link_ops, .self = link};
}

bool gm_link_ready(struct gm_link *link)
{
    for (uint32_t i = 0; i < link->exchange_count; i++) {
        struct gm_ring_consumer *consumers = link->exchanges[i].consumers;
        for (uint32_t source = 0; source < link->executor_count; source++)
            if (consumers[source].ring != NULL && gm_ring_ready(&consumers[source]) != 0)
                return true;
    }
    return false;
}

void gm_link_announce(struct gm_link *link)
{
    gm_sleep_announce(&link->ledger[link->seat]);
}

bool gm_link_sleep(struct gm_link *link)
{
    gm_link_announce(link);
    if (!gm_link_ready(link))
        return true;
    gm_link_awake(link);
    return false;
}

void gm_link_awake(struct gm_link *link)
{
    gm_sleep_end(&link->ledger[link->seat]);
}

/* As link_wake wakes the receiver of a frame. */
void gm_link_wake_sleepers(const struct gm_region *region, const struct gm_bell *bell,
                           uint16_t participant)
{
    const struct gm_ledger_entry *ledger = gm_region_ledger(region, region->spec.first_local);
    const uint32_t self = gm_region_seat(&region->spec, participant);
    for (uint32_t seat = 0; seat < region->spec.local_count; seat++)
        if (seat != self)
            gm_wake(ledger, bell, seat);
}
