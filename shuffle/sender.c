/* sender.c - the sending end of an exchange (exchange.h).
 *
 * Rows of a partition gather in a staging block of less than 1 KiB; a full block becomes (part of)
 * a run in the one open frame of its destination.  So open buffers cost destinations x frame plus
 * partitions x 1 KiB, not partitions x frame, and the scattered writes stay in the cache.
 */
#include "shuffle/exchange.h"

#include <errno.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"

#define HEADER_BYTES ((uint32_t)sizeof(struct gm_frame_header))
#define RUN_HEADER_BYTES ((uint32_t)sizeof(struct gm_run_header))

/* Staging of one partition and its 8 bytes of bookkeeping stay below GM_STAGING_BYTES_MAX.  15
 * lines, an odd number, so that the blocks spread over all sets of a cache. */
#define STAGING_BYTES 960
#define STAGING_BYTES_SMALL 448 /* for frames below 16 KiB: two blocks and more fit a frame */
_Static_assert(STAGING_BYTES + 8 <= GM_STAGING_BYTES_MAX, "promised in limits.h");

/* Room below which a fragment of a large row goes into a new frame. */
#define FRAGMENT_BYTES_MIN 256

/* What one destination is being filled with. */
struct sender_output {
    uint8_t *frame; /* NULL: none open */
    uint32_t index;
    uint32_t used_bytes; /* header and payload */
    uint32_t run_offset; /* header of the growing run in the frame; 0: the next rows start one */
    struct gm_run_header run; /* the growing run; it goes into the frame when it ends */
    uint32_t run_bytes;
    uint32_t row_count;
    uint32_t run_count;
    uint32_t first_partition;
    uint64_t sequence;
    uint16_t participant;
    bool ended; /* its END frame is sent */
};

/* Rows that wait for a partition's run. */
struct sender_stage {
    uint32_t origin;
    uint16_t bytes;
    uint16_t row_count;
};

struct gm_sender {
    const struct gm_region *region;
    struct gm_network network;
    struct gm_heap *heap;
    uint32_t account;
    uint16_t exchange;
    uint16_t participant;
    uint32_t partition_count;
    uint32_t output_count;
    uint32_t open_count; /* outputs with a frame */
    uint32_t frame_bytes; /* that are used: the slack at the end stays the reader's to look at */
    uint32_t staging_bytes; /* per partition; 0: rows go straight to the frames */
    uint32_t large_bytes;   /* of the row that is being sent in fragments: how many are gone */
    uint32_t flushed_count; /* partitions that gm_sender_finish is done with */
    struct gm_exchange_counts counts;
    struct sender_stage *stages; /* by partition */
    uint8_t *staging;            /* partition_count blocks */
    size_t bytes;                /* of this block */
    struct sender_output outputs[];
};

int gm_sender_create(const struct gm_region *region, uint16_t exchange, uint16_t participant,
                     uint32_t partition_count, const struct gm_network *network,
                     struct gm_heap *heap, struct gm_sender **ret_sender)
{
    const struct gm_region_spec *spec = &region->spec;
    GM_CHECK(exchange < spec->exchange_count);
    GM_CHECK(participant < spec->executor_count);
    GM_CHECK(partition_count > 0 && partition_count <= GM_PARTITIONS_MAX);
    bool to_driver = spec->exchanges[exchange].to_driver;
    uint32_t output_count = to_driver ? 1 : spec->executor_count;
    size_t bytes = sizeof(struct gm_sender) + output_count * sizeof(struct sender_output);
    struct gm_sender *sender = gm_heap_zalloc(heap, bytes);
    if (sender == NULL)
        return GM_ETASK_MEMORY;
    sender->region = region;
    sender->network = *network;
    sender->heap = heap;
    sender->account = gm_region_account(region, exchange, participant);
    sender->exchange = exchange;
    sender->participant = participant;
    sender->partition_count = partition_count;
    sender->output_count = output_count;
    /* Kernels load whole vectors: what they read behind the last value must not be the next frame,
     * which another participant may be filling. */
    sender->frame_bytes = spec->frame_bytes - GM_BYTES_SLACK;
    sender->bytes = bytes;
    for (uint32_t i = 0; i < output_count; i++)
        sender->outputs[i].participant = (uint16_t)(to_driver ? spec->executor_count : i);
    /* With at most one partition per destination every frame is one run that grows: staging would
     * only copy once more. */
    if (partition_count > output_count) {
        bool small = spec->frame_bytes < (16u << 10);
        uint32_t staging_bytes = small ? STAGING_BYTES_SMALL : STAGING_BYTES;
        sender->stages = gm_heap_zalloc(heap, partition_count * sizeof(struct sender_stage));
        sender->staging_bytes = staging_bytes;
        sender->staging = gm_heap_alloc(heap, (size_t)partition_count * staging_bytes);
        if (sender->stages == NULL || sender->staging == NULL) {
            gm_sender_destroy(sender);
            return GM_ETASK_MEMORY;
        }
    }
    *ret_sender = sender;
    return 0;
}

void gm_sender_destroy(struct gm_sender *sender)
{
    if (sender == NULL)
        return;
    for (uint32_t i = 0; i < sender->output_count; i++)
        if (sender->outputs[i].frame != NULL)
            gm_pool_give(sender->region->pool, sender->account, sender->outputs[i].index);
    struct gm_heap *heap = sender->heap;
    uint32_t partition_count = sender->partition_count;
    if (sender->stages != NULL)
        gm_heap_free(heap, sender->stages, partition_count * sizeof(struct sender_stage));
    if (sender->staging != NULL)
        gm_heap_free(heap, sender->staging, (size_t)partition_count * sender->staging_bytes);
    gm_heap_free(heap, sender, sender->bytes);
}

static void output_end_run(struct sender_output *output)
{
    if (output->run_offset == 0)
        return;
    output->run.bytes = output->run_bytes;
    memcpy(output->frame + output->run_offset, &output->run, sizeof(output->run));
    output->run_offset = 0;
}

/* Seals the open frame and hands it over.  GM_AGAIN: it stays open and may even grow. */
static int output_send(struct gm_sender *sender, struct sender_output *output, uint16_t flags)
{
    output_end_run(output);
    struct gm_frame_header header = {
        .magic = GM_FRAME_MAGIC,
        .exchange = sender->exchange,
        .source = sender->participant,
        .destination = output->participant,
        .flags = flags,
        .attempt = sender->region->spec.attempt,
        .sequence = output->sequence,
        .partition = output->run_count > 0 ? output->first_partition : UINT32_MAX,
        .payload_bytes = output->used_bytes - HEADER_BYTES,
        .row_count = output->row_count,
        .run_count = output->run_count,
    };
    header.seal = gm_frame_seal(&header, sender->region->spec.secret);
    memcpy(output->frame, &header, sizeof(header));
    struct gm_descriptor descriptor = {output->index, output->used_bytes};
    int rc = sender->network.ops->send(sender->network.self, sender->exchange, output->participant,
                                       descriptor);
    if (rc != 0)
        return rc;
    sender->counts.frames_count++;
    sender->counts.payload_bytes += header.payload_bytes;
    sender->counts.rows_count += header.row_count;
    sender->open_count--;
    output->sequence++;
    output->frame = NULL;
    output->ended = (flags & GM_FRAME_END) != 0;
    return 0;
}

/* The quota is spent.  While frames are under way one will come back; when all of it is in frames
 * that lie open here, nothing would ever come back, so the fullest goes out as it is. */
static int sender_give_way(struct gm_sender *sender)
{
    uint32_t out_count = gm_pool_out(sender->region->pool, sender->account);
    if (out_count > sender->open_count)
        return GM_AGAIN;
    struct sender_output *fullest = NULL;
    for (uint32_t i = 0; i < sender->output_count; i++) {
        struct sender_output *output = &sender->outputs[i];
        /* An open frame without rows waits for the network as an END frame and will go as such. */
        if (output->frame == NULL || output->run_count == 0)
            continue;
        if (fullest == NULL || output->used_bytes > fullest->used_bytes)
            fullest = output;
    }
    if (fullest == NULL)
        return GM_AGAIN;
    int rc = output_send(sender, fullest, 0);
    return rc < 0 ? rc : GM_AGAIN;
}

static int output_open(struct gm_sender *sender, struct sender_output *output)
{
    uint32_t index;
    int rc = gm_pool_take(sender->region->pool, sender->account, &index);
    if (rc == GM_AGAIN) {
        rc = sender_give_way(sender);
        if (rc < 0)
            return rc;
        /* Whoever received the frame may have given it back already (one thread may be both). */
        rc = gm_pool_take(sender->region->pool, sender->account, &index);
    }
    if (rc != 0)
        return rc;
    uint8_t *frame = gm_region_frame(sender->region, index);
    if (frame == NULL)
        return GM_EFRAME_CORRUPT; /* somebody wrote over the pool */
    output->frame = frame;
    output->index = index;
    output->used_bytes = HEADER_BYTES;
    output->run_offset = 0;
    output->row_count = 0;
    output->run_count = 0;
    sender->open_count++;
    return 0;
}

static void output_begin_run(struct sender_output *output, struct gm_run_header run)
{
    output_end_run(output);
    if (output->run_count++ == 0)
        output->first_partition = run.partition;
    output->run = run;
    output->run_bytes = 0;
    output->run_offset = output->used_bytes;
    output->used_bytes += RUN_HEADER_BYTES;
}

static bool output_grows(const struct sender_output *output, uint32_t partition, uint32_t origin)
{
    return output->run_offset != 0 && output->run.partition == partition &&
           output->run.origin == origin;
}

/* Makes room for `bytes` bytes of whole rows in the growing run of (partition, origin), in a new
 * frame where need be.  bytes + the run's header fit an empty frame. */
static int output_reserve(struct gm_sender *sender, struct sender_output *output,
                          uint32_t partition, uint32_t origin, uint32_t bytes)
{
    if (output->frame != NULL) {
        bool grows = output_grows(output, partition, origin);
        uint32_t needed_bytes = bytes + (grows ? 0 : RUN_HEADER_BYTES);
        if (needed_bytes <= sender->frame_bytes - output->used_bytes) {
            if (!grows)
                output_begin_run(output, (struct gm_run_header){
                    .partition = partition, .origin = origin, .flags = GM_RUN_FIRST | GM_RUN_LAST});
            return 0;
        }
        int rc = output_send(sender, output, 0);
        if (rc != 0)
            return rc;
    }
    int rc = output_open(sender, output);
    if (rc != 0)
        return rc;
    output_begin_run(output, (struct gm_run_header){
        .partition = partition, .origin = origin, .flags = GM_RUN_FIRST | GM_RUN_LAST});
    return 0;
}

static void output_append(struct sender_output *output, const uint8_t *rows, uint32_t bytes,
                          uint32_t row_count)
{
    memcpy(output->frame + output->used_bytes, rows, bytes);
    output->used_bytes += bytes;
    output->run_bytes += bytes;
    output->run.row_count += row_count;
    output->row_count += row_count;
}

static struct sender_output *sender_output_of(struct gm_sender *sender, uint32_t partition)
{
    return &sender->outputs[partition % sender->output_count];
}

static uint32_t sender_room_bytes(const struct gm_sender *sender)
{
    return sender->frame_bytes - HEADER_BYTES - RUN_HEADER_BYTES;
}

/* Sends the rest of a row that is larger than a frame; large_bytes says where it stands. */
static int sender_large(struct gm_sender *sender, const uint8_t *row, uint32_t bytes,
                        uint32_t partition, uint32_t origin)
{
    struct sender_output *output = sender_output_of(sender, partition);
    while (sender->large_bytes < bytes) {
        if (output->frame != NULL && sender->frame_bytes - output->used_bytes <
                                         RUN_HEADER_BYTES + FRAGMENT_BYTES_MIN) {
            int rc = output_send(sender, output, 0);
            if (rc != 0)
                return rc;
        }
        if (output->frame == NULL) {
            int rc = output_open(sender, output);
            if (rc != 0)
                return rc;
        }
        uint32_t room_bytes = sender->frame_bytes - output->used_bytes - RUN_HEADER_BYTES;
        uint32_t left_bytes = bytes - sender->large_bytes;
        bool last = left_bytes <= room_bytes;
        uint8_t flags = (sender->large_bytes == 0 ? GM_RUN_FIRST : 0) | (last ? GM_RUN_LAST : 0);
        uint32_t fragment_bytes = last ? left_bytes : room_bytes;
        output_begin_run(output, (struct gm_run_header){
            .partition = partition, .origin = origin, .flags = flags});
        output_append(output, row + sender->large_bytes, fragment_bytes, last ? 1 : 0);
        output_end_run(output); /* whatever follows is another run */
        sender->large_bytes += fragment_bytes;
    }
    sender->large_bytes = 0;
    return 0;
}

static int sender_flush(struct gm_sender *sender, uint32_t partition)
{
    struct sender_stage *stage = &sender->stages[partition];
    if (stage->row_count == 0)
        return 0;
    struct sender_output *output = sender_output_of(sender, partition);
    int rc = output_reserve(sender, output, partition, stage->origin, stage->bytes);
    if (rc != 0)
        return rc;
    output_append(output, sender->staging + (size_t)partition * sender->staging_bytes, stage->bytes,
                  stage->row_count);
    stage->bytes = 0;
    stage->row_count = 0;
    return 0;
}

/* Short rows: two overlapping moves instead of a call. */
static inline void copy_row(uint8_t *target, const uint8_t *row, uint32_t bytes)
{
    if (bytes >= 8 && bytes <= 16) {
        uint64_t head, tail;
        memcpy(&head, row, 8);
        memcpy(&tail, row + bytes - 8, 8);
        memcpy(target, &head, 8);
        memcpy(target + bytes - 8, &tail, 8);
    } else if (bytes > 16 && bytes <= 32) {
        uint64_t words[4];
        memcpy(&words[0], row, 16);
        memcpy(&words[2], row + bytes - 16, 16);
        memcpy(target, &words[0], 16);
        memcpy(target + bytes - 16, &words[2], 16);
    } else {
        memcpy(target, row, bytes);
    }
}

/* Takes one row that the fast paths did not: it starts a frame or a run, or is too large for a
 * staging block or a frame. */
static int sender_row_slow(struct gm_sender *sender, const uint8_t *row, uint32_t bytes,
                           uint32_t partition, uint32_t origin)
{
    if (bytes > GM_ROW_BYTES_MAX)
        return -EMSGSIZE;
    if (sender->staging_bytes != 0 && sender->large_bytes == 0) {
        struct sender_stage *stage = &sender->stages[partition];
        int rc = sender_flush(sender, partition);
        if (rc != 0)
            return rc;
        if (bytes <= sender->staging_bytes) {
            memcpy(sender->staging + (size_t)partition * sender->staging_bytes, row, bytes);
            stage->origin = origin;
            stage->bytes = (uint16_t)bytes;
            stage->row_count = 1;
            return 0;
        }
    }
    if (bytes > sender_room_bytes(sender))
        return sender_large(sender, row, bytes, partition, origin);
    struct sender_output *output = sender_output_of(sender, partition);
    int rc = output_reserve(sender, output, partition, origin, bytes);
    if (rc == 0)
        output_append(output, row, bytes, 1);
    return rc;
}

struct sender_batch {
    const uint8_t *rows;
    const uint32_t *sizes;
    const uint32_t *partitions;
    uint32_t count;
    uint32_t origin;
};

/* Rows into staging.  index and row move along; both are right also when GM_AGAIN comes back. */
static int sender_rows_staged(struct gm_sender *sender, const struct sender_batch *batch,
                              uint32_t *index, const uint8_t *row)
{
    struct sender_stage *stages = sender->stages;
    uint8_t *staging = sender->staging;
    uint32_t staging_bytes = sender->staging_bytes;
    for (uint32_t i = *index; i < batch->count; i++) {
        uint32_t partition = batch->partitions[i];
        uint32_t bytes = batch->sizes[i];
        GM_DCHECK(partition < sender->partition_count);
        struct sender_stage *stage = &stages[partition];
        if (bytes <= staging_bytes - stage->bytes && stage->origin == batch->origin) {
            copy_row(staging + (size_t)partition * staging_bytes + stage->bytes, row, bytes);
            stage->bytes = (uint16_t)(stage->bytes + bytes);
            stage->row_count++;
        } else {
            int rc = sender_row_slow(sender, row, bytes, partition, batch->origin);
            if (rc != 0) {
                *index = i;
                return rc;
            }
        }
        row += bytes;
    }
    *index = batch->count;
    return 0;
}

/* Rows straight into the frames: at most one partition per destination. */
static int sender_rows_direct(struct gm_sender *sender, const struct sender_batch *batch,
                              uint32_t *index, const uint8_t *row)
{
    uint32_t frame_bytes = sender->frame_bytes;
    for (uint32_t i = *index; i < batch->count; i++) {
        uint32_t partition = batch->partitions[i];
        uint32_t bytes = batch->sizes[i];
        GM_DCHECK(partition < sender->partition_count);
        struct sender_output *output = &sender->outputs[partition];
        if (output->frame != NULL && output_grows(output, partition, batch->origin) &&
            bytes <= frame_bytes - output->used_bytes) {
            copy_row(output->frame + output->used_bytes, row, bytes);
            output->used_bytes += bytes;
            output->run_bytes += bytes;
            output->run.row_count++;
            output->row_count++;
        } else {
            int rc = sender_row_slow(sender, row, bytes, partition, batch->origin);
            if (rc != 0) {
                *index = i;
                return rc;
            }
        }
        row += bytes;
    }
    *index = batch->count;
    return 0;
}

/* All rows to partition 0: as many as fit the frame at once. */
static int sender_rows_gathered(struct gm_sender *sender, const struct sender_batch *batch,
                                uint32_t *index, const uint8_t *row)
{
    struct sender_output *output = &sender->outputs[0];
    uint32_t i = *index;
    while (i < batch->count) {
        if (sender->staging_bytes != 0 || output->frame == NULL ||
            !output_grows(output, 0, batch->origin) ||
            batch->sizes[i] > sender->frame_bytes - output->used_bytes) {
            int rc = sender_row_slow(sender, row, batch->sizes[i], 0, batch->origin);
            *index = i;
            if (rc != 0)
                return rc;
            row += batch->sizes[i++];
            continue;
        }
        uint32_t room_bytes = sender->frame_bytes - output->used_bytes;
        uint32_t bytes = 0, first = i;
        while (i < batch->count && batch->sizes[i] <= room_bytes - bytes)
            bytes += batch->sizes[i++];
        output_append(output, row, bytes, i - first);
        row += bytes;
    }
    *index = i;
    return 0;
}

int gm_sender_rows(struct gm_sender *sender, const uint8_t *rows, const uint32_t *sizes,
                   const uint32_t *partitions, uint32_t count, uint32_t origin, uint32_t *taken)
{
    GM_CHECK(*taken <= count);
    GM_CHECK(sender->flushed_count == 0);
    struct sender_batch batch = {rows, sizes, partitions, count, origin};
    for (uint32_t i = 0; i < *taken; i++)
        rows += sizes[i];
    /* A row of which a part is gone already is in no other hands than the slow path's. */
    if (sender->large_bytes != 0) {
        GM_CHECK(*taken < count);
        uint32_t partition = partitions != NULL ? partitions[*taken] : 0;
        int rc = sender_large(sender, rows, sizes[*taken], partition, origin);
        if (rc != 0)
            return rc;
        rows += sizes[(*taken)++];
    }
    if (partitions == NULL)
        return sender_rows_gathered(sender, &batch, taken, rows);
    if (sender->staging_bytes != 0)
        return sender_rows_staged(sender, &batch, taken, rows);
    return sender_rows_direct(sender, &batch, taken, rows);
}

int gm_sender_finish(struct gm_sender *sender)
{
    GM_CHECK(sender->large_bytes == 0);
    if (sender->staging_bytes != 0) {
        while (sender->flushed_count < sender->partition_count) {
            int rc = sender_flush(sender, sender->flushed_count);
            if (rc != 0)
                return rc;
            sender->flushed_count++;
        }
    }
    sender->flushed_count = sender->partition_count; /* no rows from here on */
    /* Open frames first: an END frame of its own takes a frame from the quota. */
    int result = 0;
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < sender->output_count; i++) {
            struct sender_output *output = &sender->outputs[i];
            if (output->ended)
                continue;
            int rc = 0;
            if (output->frame == NULL) {
                if (pass == 0)
                    continue;
                rc = output_open(sender, output);
            }
            if (rc == 0)
                rc = output_send(sender, output, GM_FRAME_END);
            if (rc < 0)
                return rc;
            /* Another destination may have room while this one has none. */
            if (rc == GM_AGAIN && pass == 1)
                result = GM_AGAIN;
        }
    }
    return result;
}

void gm_sender_counts(const struct gm_sender *sender, struct gm_exchange_counts *ret_counts)
{
    *ret_counts = sender->counts;
}
