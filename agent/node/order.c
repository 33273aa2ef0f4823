/* order.c - the order as bytes, and who is where. */
#include "agent/node/order.h"

#include "engine/base/cursor.h"

#define ORDER_MAGIC UINT32_C(0x314f4e47) /* "GNO1" */
#define ORDER_BYTES_MAX (GM_PLAN_BYTES_MAX + (1u << 20))

int gm_order_encode(const struct gm_order *order, uint8_t **ret_data, size_t *ret_bytes)
{
    struct gm_writer writer;
    gm_writer_init(&writer, ORDER_BYTES_MAX);
    gm_writer_u32(&writer, ORDER_MAGIC);
    gm_writer_u32(&writer, order->attempt);
    gm_writer_u64(&writer, order->secret);
    gm_writer_u32(&writer, order->frame_bytes);
    gm_writer_bool(&writer, order->analyze);
    gm_writer_string(&writer, order->directory);
    gm_writer_u32(&writer, order->node_count);
    for (uint32_t i = 0; i < order->node_count; i++) {
        gm_writer_string(&writer, order->nodes[i].name);
        gm_writer_u32(&writer, order->nodes[i].executor_count);
    }
    gm_writer_blob(&writer, order->plan, order->plan_bytes);
    const int rc = gm_writer_take(&writer, ret_data, ret_bytes);
    gm_writer_fini(&writer);
    return rc;
}

static bool is_sound(const struct gm_order *order)
{
    uint32_t executors = 0;
    if (order->node_count < 2 || order->nodes[order->node_count - 1].executor_count != 0)
        return false;
    for (uint32_t i = 0; i + 1 < order->node_count; i++) {
        if (order->nodes[i].executor_count == 0 ||
            order->nodes[i].executor_count > GM_EXECUTORS_MAX)
            return false;
        executors += order->nodes[i].executor_count;
    }
    const uint32_t frame = order->frame_bytes;
    return executors <= GM_EXECUTORS_MAX && frame >= GM_FRAME_BYTES_MIN &&
           frame <= GM_FRAME_BYTES_MAX && (frame & (frame - 1)) == 0;
}

int gm_order_decode(const void *data, size_t bytes, struct gm_order *ret_order,
                    struct gm_error *error)
{
    struct gm_cursor cursor;
    struct gm_order *order = ret_order;
    gm_cursor_init(&cursor, data, bytes);
    const uint32_t magic = gm_cursor_u32(&cursor);
    order->attempt = gm_cursor_u32(&cursor);
    order->secret = gm_cursor_u64(&cursor);
    order->frame_bytes = gm_cursor_u32(&cursor);
    order->analyze = gm_cursor_bool(&cursor);
    gm_cursor_string(&cursor, order->directory, sizeof order->directory);
    order->node_count = gm_cursor_count(&cursor, GM_NODES_MAX, 8);
    for (uint32_t i = 0; i < order->node_count; i++) {
        gm_cursor_string(&cursor, order->nodes[i].name, sizeof order->nodes[i].name);
        order->nodes[i].executor_count = gm_cursor_u32(&cursor);
    }
    order->plan = gm_cursor_blob(&cursor, GM_PLAN_BYTES_MAX, &order->plan_bytes);
    if (magic == ORDER_MAGIC && gm_cursor_done(&cursor) && is_sound(order))
        return 0;
    return gm_error_set(error, GM_EPEER_PROTOCOL,
                        "the driver's order makes no sense: is its program of another version?");
}

uint32_t gm_order_executor_count(const struct gm_order *order)
{
    return gm_order_first(order, order->node_count);
}

uint32_t gm_order_first(const struct gm_order *order, uint32_t node)
{
    uint32_t first = 0;
    for (uint32_t i = 0; i < node; i++)
        first += order->nodes[i].executor_count;
    return first;
}

struct gm_job_place gm_order_place(const struct gm_order *order, uint32_t node)
{
    return (struct gm_job_place){.executor_count = gm_order_executor_count(order),
                                 .first_local = gm_order_first(order, node),
                                 .local_count = order->nodes[node].executor_count,
                                 .driver_is_local = node + 1 == order->node_count,
                                 .frame_bytes = order->frame_bytes};
}
