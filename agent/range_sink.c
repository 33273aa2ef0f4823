/* range_sink.c - keep, tell, hear, send. */
#include "agent/range_sink.h"

#include <inttypes.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/range.h"
#include "engine/op/row_queue.h"

/* Samples of all executors together: with so many a range's share is wrong by about 1%. */
#define SAMPLES_TOTAL 65536
#define SAMPLES_MIN 1024
#define SAMPLES_MAX 8192
/* Samples may take this part of the heap. */
#define SAMPLES_SHARE 16
/* As in engine/op/sort.c. */
#define ORIGIN_SHIFT 44

enum phase { PHASE_KEEP, PHASE_TELL, PHASE_SEND, PHASE_END };

struct gm_range_sink {
    struct gm_range_sink_spec spec;
    struct gm_sort_order order;
    struct gm_range_sampler sampler;
    struct gm_range_splitters splitters;
    struct gm_row_queue queue;
    enum phase phase;
    uint64_t arrivals;
    bool open; /* a batch is under way, from row `first` on */
    uint32_t first;
    /* telling */
    uint8_t *message;
    size_t message_bytes;
    uint32_t told; /* executors */
    uint32_t taken;
    bool all_told;
    /* hearing */
    struct gm_range_message messages[GM_EXECUTORS_MAX];
    bool all_heard;
    /* sending */
    bool sending; /* `piece` is under way */
    struct gm_row_piece piece;
    uint32_t sizes[GM_BATCH_ROWS_MAX];
    uint32_t ranges[GM_BATCH_ROWS_MAX];
};

static int refuse_memory(const struct gm_range_sink *sink)
{
    return gm_error_set(sink->spec.error, GM_ETASK_MEMORY,
                        "%s: step '%s': the rows to sort do not fit this executor's share of the "
                        "memory (%" PRIu64 " MiB): give more with --memory",
                        sink->spec.step->where, sink->spec.step->name,
                        sink->spec.heap->limit_bytes >> 20);
}

static uint32_t sample_count(const struct gm_range_sink_spec *spec)
{
    uint64_t count = SAMPLES_TOTAL / spec->executor_count;
    const uint64_t room = spec->heap->limit_bytes / SAMPLES_SHARE /
                          (64 + spec->plan->keys.count * (GM_RANGE_KEY_BYTES_MAX + 8));
    count = count < SAMPLES_MIN ? SAMPLES_MIN : count > SAMPLES_MAX ? SAMPLES_MAX : count;
    count = count < room ? count : room;
    return count > 0 ? (uint32_t)count : 1;
}

int gm_range_sink_create(const struct gm_range_sink_spec *spec, struct gm_range_sink **ret_sink)
{
    struct gm_range_sink *sink = gm_heap_zalloc(spec->heap, sizeof *sink);
    if (sink == NULL)
        return GM_ETASK_MEMORY;
    sink->spec = *spec;
    gm_sort_order_init(&sink->order, &spec->plan->schema, &spec->plan->keys);
    gm_row_queue_init(&sink->queue, &sink->order.layout, spec->spill, spec->spill_at_bytes,
                      spec->heap);
    int rc = gm_range_sampler_init(&sink->sampler, &spec->plan->schema, &spec->plan->keys,
                                   sample_count(spec), spec->participant, spec->heap);
    if (rc < 0) {
        gm_range_sink_destroy(sink);
        return rc;
    }
    *ret_sink = sink;
    return 0;
}

static void free_messages(struct gm_range_sink *sink)
{
    for (uint32_t i = 0; i < sink->spec.executor_count; i++) {
        gm_heap_free(sink->spec.heap, (void *)(uintptr_t)sink->messages[i].data,
                     sink->messages[i].bytes);
        sink->messages[i] = (struct gm_range_message){0};
    }
    gm_heap_free(sink->spec.heap, sink->message, sink->message_bytes);
    sink->message = NULL;
}

void gm_range_sink_destroy(struct gm_range_sink *sink)
{
    if (sink == NULL)
        return;
    free_messages(sink);
    gm_range_splitters_fini(&sink->splitters);
    gm_range_sampler_fini(&sink->sampler);
    gm_row_queue_fini(&sink->queue);
    gm_heap_free(sink->spec.heap, sink, sizeof *sink);
}

void gm_range_sink_set_spill_at(struct gm_range_sink *sink, uint64_t bytes)
{
    sink->queue.spill_at_bytes = bytes;
}

uint64_t gm_range_sink_spilled_bytes(const struct gm_range_sink *sink)
{
    return sink->queue.spilled_bytes;
}

static int sink_push(void *opaque, const struct gm_batch *batch, uint32_t partition)
{
    struct gm_range_sink *sink = opaque;
    if (!sink->open) {
        sink->open = true;
        sink->first = 0;
    }
    const uint32_t begin = sink->first;
    const uint64_t position = (uint64_t)partition << ORIGIN_SHIFT | sink->arrivals;
    const int rc = gm_row_queue_add(&sink->queue, batch, &sink->first, partition, position);
    gm_range_sampler_add(&sink->sampler, batch, begin, sink->first - begin, position);
    sink->arrivals += sink->first - begin;
    if (rc == GM_ETASK_MEMORY)
        return refuse_memory(sink);
    sink->open = rc != 0;
    return rc;
}

/* ---- samples --------------------------------------------------------------------------------- */

static int begin_telling(struct gm_range_sink *sink)
{
    int rc = gm_range_sampler_tell(&sink->sampler, &sink->message, &sink->message_bytes);
    if (rc < 0)
        return refuse_memory(sink);
    gm_range_sampler_fini(&sink->sampler);
    sink->phase = PHASE_TELL;
    return 0;
}

/* Returns 0 when everybody was told, GM_AGAIN or < 0. */
static int tell(struct gm_range_sink *sink)
{
    const uint32_t size = (uint32_t)sink->message_bytes;
    while (sink->told < sink->spec.executor_count) {
        int rc = gm_sender_rows(sink->spec.samples_out, sink->message, &size, &sink->told, 1, 0,
                                &sink->taken);
        if (rc != 0)
            return rc == GM_ETASK_MEMORY ? refuse_memory(sink) : rc;
        sink->taken = 0;
        sink->told++;
    }
    int rc = gm_sender_finish(sink->spec.samples_out);
    sink->all_told = rc == 0;
    return rc;
}

/* Takes samples.  Returns 0 when all are there, GM_AGAIN or < 0. */
static int hear(struct gm_range_sink *sink)
{
    for (;;) {
        struct gm_run run;
        int rc = gm_receiver_next(sink->spec.samples_in, &run);
        if (rc == GM_END) {
            sink->all_heard = true;
            return 0;
        }
        if (rc == GM_ETASK_MEMORY)
            return refuse_memory(sink);
        if (rc < 0)
            return gm_error_set(sink->spec.error, rc, "a frame of samples was refused: %s",
                                gm_receiver_why(sink->spec.samples_in));
        if (rc != 0)
            return rc;
        struct gm_range_message *message = &sink->messages[run.source];
        if (message->data != NULL || run.row_count != 1)
            return gm_error_set(sink->spec.error, GM_EFRAME_CORRUPT,
                                "executor %" PRIu32 " told its samples twice", run.source);
        uint8_t *copy = gm_heap_alloc(sink->spec.heap, run.bytes);
        if (copy == NULL)
            return refuse_memory(sink);
        memcpy(copy, run.rows, run.bytes);
        *message = (struct gm_range_message){.data = copy, .bytes = run.bytes};
    }
}

static int begin_sending(struct gm_range_sink *sink)
{
    for (uint32_t i = 0; i < sink->spec.executor_count; i++)
        if (sink->messages[i].data == NULL)
            return gm_error_set(sink->spec.error, GM_EFRAME_CORRUPT,
                                "executor %" PRIu32 " told no samples", i);
    int rc = gm_range_splitters_init(&sink->splitters, &sink->spec.plan->schema, &sink->order,
                                     sink->messages, sink->spec.executor_count,
                                     sink->spec.plan->partition_count, sink->spec.heap);
    if (rc == GM_ETASK_MEMORY)
        return refuse_memory(sink);
    if (rc < 0)
        return gm_error_set(sink->spec.error, rc, "the samples of an executor make no sense");
    free_messages(sink);
    sink->phase = PHASE_SEND;
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void choose_ranges(struct gm_range_sink *sink)
{
    const uint8_t *row = sink->piece.rows;
    for (uint32_t i = 0; i < sink->piece.row_count; i++) {
        sink->sizes[i] = (uint32_t)gm_row_bytes(&sink->order.layout, row);
        sink->ranges[i] = gm_range_of(&sink->splitters, row, sink->piece.position + i);
        row += sink->sizes[i];
    }
    GM_CHECK(row == sink->piece.rows + sink->piece.bytes);
}

static int send(struct gm_range_sink *sink)
{
    for (;;) {
        if (!sink->sending) {
            int rc = gm_row_queue_next(&sink->queue, &sink->piece);
            if (rc == GM_ETASK_MEMORY)
                return refuse_memory(sink);
            if (rc != 0)
                return rc;
            choose_ranges(sink);
            sink->taken = 0;
            sink->sending = true;
        }
        int rc = gm_sender_rows(sink->spec.sender, sink->piece.rows, sink->sizes, sink->ranges,
                                sink->piece.row_count, sink->piece.tag, &sink->taken);
        if (rc != 0)
            return rc == GM_ETASK_MEMORY ? refuse_memory(sink) : rc;
        sink->sending = false;
    }
}

static int sink_finish(void *opaque)
{
    struct gm_range_sink *sink = opaque;
    int rc = 0;
    if (sink->phase == PHASE_KEEP) {
        /* The memory is for those that take the rows from now on. */
        rc = gm_row_queue_settle(&sink->queue);
        if (rc == 0)
            rc = begin_telling(sink);
    }
    if (rc != 0)
        return rc;
    if (sink->phase == PHASE_TELL) {
        /* Both at once: two that only tell each other would wait for ever. */
        rc = sink->all_told ? 0 : tell(sink);
        if (rc < 0)
            return rc;
        rc = sink->all_heard ? 0 : hear(sink);
        if (rc < 0)
            return rc;
        if (!sink->all_told || !sink->all_heard)
            return GM_AGAIN;
        rc = begin_sending(sink);
        if (rc < 0)
            return rc;
    }
    if (sink->phase == PHASE_SEND) {
        rc = send(sink);
        if (rc != GM_END)
            return rc;
        sink->phase = PHASE_END;
    }
    return gm_sender_finish(sink->spec.sender);
}

struct gm_chain_sink gm_range_sink_port(struct gm_range_sink *sink)
{
    return (struct gm_chain_sink){.self = sink, .push = sink_push, .finish = sink_finish};
}
