/* receiver.c - the receiving end of an exchange (exchange.h).
 *
 * What other processes wrote is not believed: a descriptor is checked, then a copy of the header,
 * then a copy of each run's header; the rows themselves are checked by whoever decodes them.
 */
#include "shuffle/exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"

#define HEADER_BYTES ((uint32_t)sizeof(struct gm_frame_header))
#define WHY_BYTES 256

/* A row that comes in fragments. */
struct receiver_row {
    uint8_t *data; /* NULL: none is under way */
    size_t capacity_bytes;
    uint64_t bytes;
    uint32_t partition;
    uint32_t origin;
};

struct receiver_source {
    uint64_t sequence; /* of the next frame */
    bool ended;
    struct receiver_row row;
};

struct gm_receiver {
    const struct gm_region *region;
    struct gm_network network;
    struct gm_heap *heap;
    uint16_t exchange;
    uint16_t participant;
    uint32_t partition_count;
    uint32_t partition_step;  /* ours are partition_first and every partition_step-th behind it */
    uint32_t partition_first;
    uint32_t source_count;
    uint32_t ended_count;
    bool ordered;    /* sources one after the other */
    uint32_t source; /* whose turn it is; the one of the open frame while there is one */
    /* The open frame; its header was copied, checked, and is not read again. */
    const uint8_t *payload; /* NULL: none is open */
    uint32_t frame_index;
    struct gm_frame_header header;
    uint32_t offset;
    uint32_t row_count; /* seen in this frame */
    uint32_t run_count;
    struct receiver_row lent; /* a joined row, until the next call */
    struct gm_exchange_counts counts;
    size_t bytes;
    char why[WHY_BYTES];
    struct receiver_source sources[];
};

int gm_receiver_create(const struct gm_region *region, uint16_t exchange, uint16_t participant,
                       uint32_t partition_count, const struct gm_network *network,
                       struct gm_heap *heap, struct gm_receiver **ret_receiver)
{
    const struct gm_region_spec *spec = &region->spec;
    GM_CHECK(exchange < spec->exchange_count);
    GM_CHECK(partition_count > 0 && partition_count <= GM_PARTITIONS_MAX);
    bool to_driver = spec->exchanges[exchange].to_driver;
    GM_CHECK(to_driver ? participant == spec->executor_count : participant < spec->executor_count);
    size_t bytes =
        sizeof(struct gm_receiver) + spec->executor_count * sizeof(struct receiver_source);
    struct gm_receiver *receiver = gm_heap_zalloc(heap, bytes);
    if (receiver == NULL)
        return GM_ETASK_MEMORY;
    receiver->region = region;
    receiver->network = *network;
    receiver->heap = heap;
    receiver->exchange = exchange;
    receiver->participant = participant;
    receiver->partition_count = partition_count;
    receiver->partition_step = to_driver ? 1 : spec->executor_count;
    receiver->partition_first = to_driver ? 0 : participant;
    receiver->source_count = spec->executor_count;
    receiver->bytes = bytes;
    *ret_receiver = receiver;
    return 0;
}

void gm_receiver_set_ordered(struct gm_receiver *receiver)
{
    GM_CHECK(receiver->counts.frames_count == 0 && receiver->payload == NULL);
    receiver->ordered = true;
}

/* Whose turn is next. */
static void receiver_turn(struct gm_receiver *receiver)
{
    receiver->source = receiver->source + 1 < receiver->source_count ? receiver->source + 1 : 0;
}

static void row_free(struct gm_receiver *receiver, struct receiver_row *row)
{
    gm_heap_free(receiver->heap, row->data, row->capacity_bytes);
    *row = (struct receiver_row){0};
}

static void receiver_close_frame(struct gm_receiver *receiver)
{
    receiver->payload = NULL;
    uint32_t account = gm_region_account(receiver->region, receiver->exchange, receiver->source);
    gm_pool_give(receiver->region->pool, account, receiver->frame_index);
    receiver->network.ops->returned(receiver->network.self, (uint16_t)receiver->source);
}

void gm_receiver_destroy(struct gm_receiver *receiver)
{
    if (receiver == NULL)
        return;
    if (receiver->payload != NULL)
        receiver_close_frame(receiver);
    row_free(receiver, &receiver->lent);
    for (uint32_t i = 0; i < receiver->source_count; i++)
        row_free(receiver, &receiver->sources[i].row);
    gm_heap_free(receiver->heap, receiver, receiver->bytes);
}

const char *gm_receiver_why(const struct gm_receiver *receiver)
{
    return receiver->why;
}

void gm_receiver_counts(const struct gm_receiver *receiver, struct gm_exchange_counts *ret_counts)
{
    *ret_counts = receiver->counts;
}

/* Remembers the first reason; the receiver is of no use afterwards. */
static int refuse(struct gm_receiver *receiver, uint64_t sequence, const char *why)
{
    if (receiver->why[0] == '\0')
        snprintf(receiver->why, sizeof(receiver->why),
                 "exchange %u: frame %" PRIu64 " from executor %" PRIu32 ": %s",
                 (unsigned)receiver->exchange, sequence, receiver->source, why);
    return GM_EFRAME_CORRUPT;
}

/* Takes the next frame of receiver->source, if there is one, and checks it. */
static int receiver_open_frame(struct gm_receiver *receiver)
{
    const struct gm_region *region = receiver->region;
    struct receiver_source *source = &receiver->sources[receiver->source];
    struct gm_descriptor descriptor;
    int rc = receiver->network.ops->receive(receiver->network.self, receiver->exchange,
                                            (uint16_t)receiver->source, &descriptor);
    if (rc != 0)
        return rc;
    const uint8_t *frame = gm_region_frame(region, descriptor.frame_index);
    if (frame == NULL)
        return refuse(receiver, source->sequence, "its descriptor names no frame");
    if (descriptor.frame_bytes < HEADER_BYTES || descriptor.frame_bytes > region->spec.frame_bytes)
        return refuse(receiver, source->sequence, "its descriptor gives it a size no frame has");
    struct gm_frame_header header;
    memcpy(&header, frame, sizeof(header));
    struct gm_frame_expect expect = {
        .exchange = receiver->exchange,
        .source = (uint16_t)receiver->source,
        .destination = receiver->participant,
        .attempt = region->spec.attempt,
        .sequence = source->sequence,
        .secret = region->spec.secret,
        .frame_bytes = descriptor.frame_bytes,
    };
    const char *why = "";
    if (gm_frame_check(&header, &expect, &why) != 0)
        return refuse(receiver, source->sequence, why);
    if (header.payload_bytes != descriptor.frame_bytes - HEADER_BYTES)
        return refuse(receiver, source->sequence, "its descriptor gives another size than it has");
    receiver->header = header;
    receiver->frame_index = descriptor.frame_index;
    receiver->payload = frame + HEADER_BYTES;
    receiver->offset = 0;
    receiver->row_count = 0;
    receiver->run_count = 0;
    return 0;
}

/* All runs of the open frame are consumed. */
static int receiver_end_frame(struct gm_receiver *receiver)
{
    struct receiver_source *source = &receiver->sources[receiver->source];
    const struct gm_frame_header *header = &receiver->header;
    if (receiver->row_count != header->row_count || receiver->run_count != header->run_count)
        return refuse(receiver, source->sequence, "its header counts other rows than it has");
    bool end = (header->flags & GM_FRAME_END) != 0;
    if (end && source->row.data != NULL)
        return refuse(receiver, source->sequence, "it is the last one, but a row is not complete");
    receiver->counts.frames_count++;
    receiver->counts.payload_bytes += header->payload_bytes;
    receiver->counts.rows_count += header->row_count;
    source->sequence++;
    receiver_close_frame(receiver);
    if (end) {
        source->ended = true;
        receiver->ended_count++;
    }
    if (!receiver->ordered || end)
        receiver_turn(receiver);
    return 0;
}

/* Adds a fragment to the source's row.  0: it is complete. */
static int receiver_join(struct gm_receiver *receiver, const struct gm_run_header *run,
                         const uint8_t *data)
{
    struct receiver_source *source = &receiver->sources[receiver->source];
    struct receiver_row *row = &source->row;
    bool first = (run->flags & GM_RUN_FIRST) != 0;
    bool last = (run->flags & GM_RUN_LAST) != 0;
    if (first == (row->data != NULL))
        return refuse(receiver, source->sequence, "fragments of a row are out of order");
    if (!first && (run->partition != row->partition || run->origin != row->origin))
        return refuse(receiver, source->sequence, "fragments of a row are of different rows");
    uint64_t bytes = row->bytes + run->bytes;
    if (bytes > GM_ROW_BYTES_MAX)
        return refuse(receiver, source->sequence, "a row is longer than any may be");
    if (bytes > row->capacity_bytes || row->data == NULL) {
        size_t capacity_bytes = first ? 4 * (size_t)receiver->region->spec.frame_bytes
                                      : 2 * row->capacity_bytes;
        uint8_t *grown = gm_heap_realloc(receiver->heap, row->data, row->capacity_bytes,
                                         capacity_bytes);
        /* Twice may be too much where just enough is not. */
        if (grown == NULL) {
            capacity_bytes = bytes;
            grown = gm_heap_realloc(receiver->heap, row->data, row->capacity_bytes, bytes);
        }
        if (grown == NULL)
            return GM_ETASK_MEMORY;
        row->data = grown;
        row->capacity_bytes = capacity_bytes;
    }
    memcpy(row->data + row->bytes, data, run->bytes);
    row->bytes = bytes;
    row->partition = run->partition;
    row->origin = run->origin;
    return last ? 0 : GM_AGAIN;
}

/* The next run of the open frame to lend: 0, GM_END behind the last, GM_AGAIN after a fragment. */
static int receiver_run(struct gm_receiver *receiver, struct gm_run *ret_run)
{
    struct receiver_source *source = &receiver->sources[receiver->source];
    struct gm_run_header run;
    const uint8_t *rows;
    int rc = gm_frame_next_run(receiver->payload, receiver->header.payload_bytes, &receiver->offset,
                               &run, &rows);
    if (rc == GM_END)
        return GM_END;
    if (rc != 0)
        return refuse(receiver, source->sequence, "a run in it makes no sense");
    if (run.partition >= receiver->partition_count ||
        run.partition % receiver->partition_step != receiver->partition_first)
        return refuse(receiver, source->sequence, "a run is for a partition that is not here");
    receiver->run_count++;
    receiver->row_count += run.row_count;
    *ret_run = (struct gm_run){.partition = run.partition,
                               .origin = run.origin,
                               .source = receiver->source,
                               .row_count = run.row_count,
                               .bytes = run.bytes,
                               .rows = rows};
    uint8_t flags = run.flags & (GM_RUN_FIRST | GM_RUN_LAST);
    if (flags == (GM_RUN_FIRST | GM_RUN_LAST)) {
        if (source->row.data != NULL)
            return refuse(receiver, source->sequence, "a run comes between fragments of a row");
        return 0;
    }
    rc = receiver_join(receiver, &run, rows);
    if (rc != 0)
        return rc;
    receiver->lent = source->row;
    source->row = (struct receiver_row){0};
    ret_run->bytes = (uint32_t)receiver->lent.bytes;
    ret_run->rows = receiver->lent.data;
    return 0;
}

int gm_receiver_next(struct gm_receiver *receiver, struct gm_run *ret_run)
{
    if (receiver->why[0] != '\0')
        return GM_EFRAME_CORRUPT;
    if (receiver->lent.data != NULL)
        row_free(receiver, &receiver->lent);
    for (;;) {
        if (receiver->payload != NULL) {
            int rc = receiver_run(receiver, ret_run);
            if (rc == 0 || rc < 0)
                return rc;
            if (rc == GM_AGAIN)
                continue;
            rc = receiver_end_frame(receiver);
            if (rc != 0)
                return rc;
        }
        if (receiver->ended_count == receiver->source_count)
            return GM_END;
        uint32_t looked_count = 0;
        for (;;) {
            if (!receiver->sources[receiver->source].ended) {
                int rc = receiver_open_frame(receiver);
                if (rc == 0)
                    break;
                if (rc != GM_AGAIN)
                    return rc;
            }
            if (receiver->ordered || ++looked_count == receiver->source_count)
                return GM_AGAIN;
            receiver_turn(receiver);
        }
    }
}
