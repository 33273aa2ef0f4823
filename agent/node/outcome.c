/* outcome.c - numbers of the node, then an executor's form of counters or error. */
#include "agent/node/outcome.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/cursor.h"

#define BYTES_MAX (GM_CONTROL_BYTES_MAX + 16 * GM_EXECUTORS_MAX + 64)

int gm_outcome_encode(const struct gm_outcome *outcome, const struct gm_error *error,
                      const struct gm_executor_counts *counts, const struct gm_plan *plan,
                      uint8_t **ret_data, size_t *ret_bytes)
{
    struct gm_writer writer;
    uint8_t *inner;
    size_t inner_bytes;
    int rc = gm_control_encode_outcome(error, counts, plan, &inner, &inner_bytes);
    if (rc < 0)
        return rc;
    gm_writer_init(&writer, BYTES_MAX);
    gm_writer_u64(&writer, outcome->region_bytes);
    gm_writer_u32(&writer, outcome->region_pages);
    gm_writer_u32(&writer, outcome->executor_count);
    for (uint32_t i = 0; i < outcome->executor_count; i++) {
        gm_writer_u64(&writer, outcome->busy_ns[i]);
        gm_writer_u64(&writer, outcome->peak_bytes[i]);
    }
    gm_writer_blob(&writer, inner, inner_bytes);
    free(inner);
    rc = gm_writer_take(&writer, ret_data, ret_bytes);
    gm_writer_fini(&writer);
    return rc;
}

int gm_outcome_decode(const void *data, size_t bytes, const struct gm_plan *plan,
                      struct gm_outcome *ret_outcome, struct gm_error *ret_error,
                      struct gm_executor_counts *counts)
{
    struct gm_cursor cursor;
    uint32_t inner_bytes;
    gm_cursor_init(&cursor, data, bytes);
    ret_outcome->region_bytes = gm_cursor_u64(&cursor);
    ret_outcome->region_pages = gm_cursor_u32(&cursor);
    ret_outcome->executor_count = gm_cursor_count(&cursor, GM_EXECUTORS_MAX, 16);
    for (uint32_t i = 0; i < ret_outcome->executor_count; i++) {
        ret_outcome->busy_ns[i] = gm_cursor_u64(&cursor);
        ret_outcome->peak_bytes[i] = gm_cursor_u64(&cursor);
    }
    const uint8_t *inner = gm_cursor_blob(&cursor, GM_CONTROL_BYTES_MAX, &inner_bytes);
    if (!gm_cursor_done(&cursor) || ret_outcome->region_pages > GM_PAGES_HUGETLB)
        return GM_EPEER_PROTOCOL;
    return gm_control_decode_outcome(inner, inner_bytes, plan, ret_error, counts);
}

int gm_outcome_encode_failure(const struct gm_error *error, uint8_t **ret_data, size_t *ret_bytes)
{
    const struct gm_outcome none = {0};
    const struct gm_executor_counts no_counts = {0};
    const struct gm_plan no_plan = {0};
    return gm_outcome_encode(&none, error, &no_counts, &no_plan, ret_data, ret_bytes);
}
