/* placed_sink.c - adds up the ranges before, and writes from there on. */
#include "agent/placed_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "agent/file_buffer.h"
#include "engine/base/check.h"
#include "shuffle/link.h"

#define NO_RANGE UINT32_MAX

struct gm_placed_sink {
    struct gm_placed_sink_spec spec;
    struct gm_file_buffer buffer;
    int fd;
    int direct; /* the same past the page cache; -1: not opened */
    uint32_t range; /* that is being written */
    uint64_t end;   /* of it, in the file */
};

static _Atomic uint64_t *word_of(const struct gm_placed_plan *plan,
                                 const struct gm_region *region, uint32_t range)
{
    return gm_region_word(region, plan->words_begin + range);
}

bool gm_placed_bytes(const struct gm_placed_plan *plan, const struct gm_region *region,
                     uint64_t *ret_bytes)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < plan->range_count; i++) {
        const uint64_t told =
            atomic_load_explicit(word_of(plan, region, i), memory_order_acquire);
        if (told == 0)
            return false;
        bytes += told - 1;
    }
    *ret_bytes = bytes;
    return true;
}

static int refuse(const struct gm_placed_sink *sink, int rc)
{
    return gm_error_set(sink->spec.error, GM_EJOB_OUTPUT,
                        "cannot write %s: %s (at byte %" PRIu64 " of it)", sink->spec.plan->target,
                        gm_error_name(rc), sink->buffer.offset);
}

int gm_placed_sink_create(const struct gm_placed_sink_spec *spec,
                          struct gm_placed_sink **ret_sink)
{
    struct gm_placed_sink *sink = gm_heap_zalloc(spec->heap, sizeof *sink);
    if (sink == NULL)
        return GM_ETASK_MEMORY;
    sink->spec = *spec;
    sink->range = NO_RANGE;
    sink->direct = -1;
    gm_file_buffer_init(&sink->buffer, spec->heap);
    sink->fd = open(spec->plan->path, O_WRONLY | O_CLOEXEC);
    if (sink->fd < 0) {
        const int rc = refuse(sink, -errno);
        gm_placed_sink_destroy(sink);
        return rc;
    }
    *ret_sink = sink;
    return 0;
}

void gm_placed_sink_destroy(struct gm_placed_sink *sink)
{
    if (sink == NULL)
        return;
    if (sink->fd >= 0)
        close(sink->fd);
    if (sink->direct >= 0)
        close(sink->direct);
    gm_file_buffer_fini(&sink->buffer);
    gm_heap_free(sink->spec.heap, sink, sizeof *sink);
}

static void sink_measured(void *opaque, uint32_t range, uint64_t bytes)
{
    struct gm_placed_sink *sink = opaque;
    GM_CHECK(range < sink->spec.plan->range_count);
    atomic_store_explicit(word_of(sink->spec.plan, sink->spec.region, range), bytes + 1,
                          memory_order_release);
    gm_link_wake_sleepers(sink->spec.region, sink->spec.bell, sink->spec.participant);
}

/* What was measured and what is printed must be the same, or ranges would overlap. */
static int end_range(struct gm_placed_sink *sink)
{
    if (sink->range == NO_RANGE)
        return 0;
    const int rc = gm_file_buffer_flush(&sink->buffer);
    if (rc < 0)
        return refuse(sink, rc);
    GM_CHECK(sink->buffer.offset == sink->end);
    sink->range = NO_RANGE;
    return 0;
}

/* A range that did not fit this executor's memory would drive everything else out of the page
 * cache, and has to wait for the disk anyway: it goes past it, into room reserved for it, so that
 * two that write do not wait for each other.  False: that cannot be done here. */
static bool begin_direct(struct gm_placed_sink *sink, uint64_t begin, uint64_t bytes)
{
    if (bytes < sink->spec.heap->limit_bytes)
        return false;
    if (sink->direct < 0)
        sink->direct = open(sink->spec.plan->path, O_WRONLY | O_DIRECT | O_CLOEXEC);
    return sink->direct >= 0 && fallocate(sink->fd, 0, (off_t)begin, (off_t)bytes) == 0 &&
           gm_file_buffer_begin_direct(&sink->buffer, sink->fd, sink->direct, begin);
}

/* Returns 0, GM_AGAIN while the length of a range before is not known, or < 0. */
static int begin_range(struct gm_placed_sink *sink, uint32_t range)
{
    const struct gm_placed_plan *plan = sink->spec.plan;
    uint64_t begin = plan->begin_bytes, bytes = 0;
    GM_CHECK(range < plan->range_count);
    for (uint32_t i = 0; i <= range; i++) {
        begin += bytes;
        const uint64_t told = atomic_load_explicit(word_of(plan, sink->spec.region, i),
                                                   memory_order_acquire);
        if (told == 0)
            return GM_AGAIN;
        bytes = told - 1;
    }
    const int rc = end_range(sink);
    if (rc < 0)
        return rc;
    sink->range = range;
    sink->end = begin + bytes;
    if (!begin_direct(sink, begin, bytes))
        gm_file_buffer_begin(&sink->buffer, sink->fd, begin);
    return 0;
}

static int sink_push(void *opaque, const struct gm_batch *batch, uint32_t partition)
{
    struct gm_placed_sink *sink = opaque;
    if (sink->range != partition) {
        const int rc = begin_range(sink, partition);
        if (rc != 0)
            return rc;
    }
    for (uint32_t row = 0; row < batch->row_count; row++) {
        const struct gm_bytes *text = &batch->columns[0].bytes[row];
        GM_CHECK(sink->buffer.offset + sink->buffer.used + text->length <= sink->end);
        const int rc = gm_file_buffer_append(&sink->buffer, text->data, text->length);
        if (rc < 0)
            return refuse(sink, rc);
    }
    return 0;
}

static int sink_finish(void *opaque)
{
    struct gm_placed_sink *sink = opaque;
    int rc = end_range(sink);
    if (rc < 0)
        return rc;
    /* Some file systems tell of a full disk only here. */
    const int fd = sink->fd;
    sink->fd = -1;
    if (sink->direct >= 0)
        close(sink->direct);
    sink->direct = -1;
    if (fd >= 0 && close(fd) < 0 && errno != EINTR)
        return refuse(sink, -errno);
    return gm_sender_finish(sink->spec.sender);
}

struct gm_chain_sink gm_placed_sink_port(struct gm_placed_sink *sink)
{
    return (struct gm_chain_sink){
        .self = sink, .push = sink_push, .finish = sink_finish, .measured = sink_measured};
}
