/* range.c - reservoir sampling that skips (Li, "Reservoir-sampling algorithms of time complexity
 * O(n(1 + log(N/n)))", 1994), and weighted quantiles of the samples.
 */
#include "engine/op/range.h"

#include <math.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/row/codec.h"
#include "engine/row/list.h"

/* A message: rows seen, number of samples, their positions, their packed key rows. */
#define HEAD_BYTES 16
#define SAMPLES_MAX (1u << 20)

static void keys_init(struct gm_range_keys *keys, const struct gm_schema *schema,
                      const struct gleam_order *order)
{
    memset(keys, 0, sizeof *keys);
    keys->columns.count = order->count;
    for (uint32_t i = 0; i < order->count; i++) {
        const struct gm_field *field = &schema->fields[order->columns[i].column - 1];
        gm_schema_add(&keys->schema, NULL, (enum gleam_kind)field->kind, field->nullable);
        keys->columns.columns[i].column = i + 1;
        keys->columns.columns[i].ascending = order->columns[i].ascending;
    }
    gm_sort_order_init(&keys->order, &keys->schema, &keys->columns);
}

/* ---- sampling -------------------------------------------------------------------------------- */

/* In (0, 1). */
static double next_fraction(struct gm_prng *prng)
{
    return ((double)(gm_prng_next(prng) >> 11) + 0.5) * 0x1p-53;
}

static size_t lists_bytes(const struct gm_range_sampler *sampler)
{
    return sampler->source_order->count * GM_RANGE_KEY_BYTES_MAX + GM_BYTES_SLACK;
}

int gm_range_sampler_init(struct gm_range_sampler *sampler, const struct gm_schema *schema,
                          const struct gleam_order *order, uint32_t capacity, uint64_t seed,
                          struct gm_heap *heap)
{
    GM_CHECK(capacity > 0 && capacity <= SAMPLES_MAX);
    memset(sampler, 0, sizeof *sampler);
    keys_init(&sampler->keys, schema, order);
    sampler->source_order = order;
    sampler->heap = heap;
    gm_prng_init(&sampler->random, seed);
    const struct gm_layout *layout = &sampler->keys.order.layout;
    /* An `any` value has a kind byte as well. */
    sampler->slot_bytes = GM_SORT_POSITION_BYTES + layout->fixed_bytes +
                          layout->variable_count * (GM_RANGE_KEY_BYTES_MAX + 1);
    sampler->weight = 1;
    sampler->capacity = capacity;
    const size_t bytes = (size_t)capacity * sampler->slot_bytes + GM_BYTES_SLACK;
    sampler->slots = gm_heap_alloc(heap, bytes);
    sampler->lists = gm_heap_zalloc(heap, lists_bytes(sampler));
    if (sampler->slots == NULL || sampler->lists == NULL)
        return GM_ETASK_MEMORY;
    return gm_batch_init(&sampler->batch, &sampler->keys.schema, heap);
}

void gm_range_sampler_fini(struct gm_range_sampler *sampler)
{
    if (sampler->heap == NULL)
        return;
    gm_heap_free(sampler->heap, sampler->slots,
                 (size_t)sampler->capacity * sampler->slot_bytes + GM_BYTES_SLACK);
    gm_heap_free(sampler->heap, sampler->lists, lists_bytes(sampler));
    gm_batch_fini(&sampler->batch, sampler->heap);
    sampler->heap = NULL;
}

/* The values that a list begins with, as many as fit `room`, and the beginning of a text behind
 * them: that comes before the list. */
static struct gleam_value cut_list(const struct gleam_value *list, uint8_t *room)
{
    struct gm_list_cursor cursor;
    struct gleam_value value;
    uint8_t *end = room + GM_LIST_HEADER_BYTES;
    uint32_t count = 0;
    bool whole = true;
    gm_list_begin(&cursor, list);
    while (whole && gm_list_next(&cursor, &value)) {
        const size_t left = (size_t)(room + GM_RANGE_KEY_BYTES_MAX - end);
        const size_t bytes = gm_list_value_bytes(&value);
        whole = bytes <= left;
        if (!whole && value.kind == GLEAM_BYTES && bytes - value.bytes.length <= left)
            value.bytes.length -= bytes - left;
        if (gm_list_value_bytes(&value) > left)
            break;
        end = gm_list_write_value(&value, end);
        count++;
    }
    gm_list_write_header(count, room);
    struct gleam_value beginning = gleam_bytes((const char *)room, (size_t)(end - room));
    beginning.kind = GLEAM_LIST;
    return beginning;
}

/* room: GM_RANGE_KEY_BYTES_MAX for a list that has to be cut. */
static void set_value(struct gm_vector *vector, struct gleam_value value, uint8_t *room)
{
    vector->has_nulls = value.kind == GLEAM_NULL;
    vector->nulls[0] = value.kind == GLEAM_NULL;
    if (value.kind == GLEAM_BYTES && value.bytes.length > GM_RANGE_KEY_BYTES_MAX)
        value.bytes.length = GM_RANGE_KEY_BYTES_MAX;
    if (value.kind == GLEAM_LIST && value.bytes.length > GM_RANGE_KEY_BYTES_MAX)
        value = cut_list(&value, room);
    switch (vector->kind) {
    case GLEAM_I64:
        vector->i64[0] = value.kind == GLEAM_I64 ? value.i64 : 0;
        break;
    case GLEAM_F64:
        vector->f64[0] = value.kind == GLEAM_F64 ? value.f64 : 0;
        break;
    case GLEAM_BOOL:
        vector->boolean[0] = value.kind == GLEAM_BOOL && value.boolean;
        break;
    case GLEAM_BYTES:
        vector->bytes[0] = (struct gm_bytes){.data = (const uint8_t *)""};
        if (value.kind == GLEAM_BYTES)
            vector->bytes[0] = (struct gm_bytes){.data = (const uint8_t *)value.bytes.data,
                                                 .length = value.bytes.length};
        break;
    default:
        vector->has_nulls = false;
        vector->any[0] = value;
        break;
    }
}

/* Writes the row's key into slot `index`.  The encoder may write slack bytes behind it, so what
 * lies there is put back. */
static void keep(struct gm_range_sampler *sampler, uint32_t index, const struct gm_batch *batch,
                 uint32_t row, uint64_t position)
{
    struct gm_batch *key = &sampler->batch;
    uint8_t saved[GM_BYTES_SLACK];
    uint32_t bytes;
    for (uint32_t i = 0; i < sampler->source_order->count; i++) {
        const uint32_t column = sampler->source_order->columns[i].column - 1;
        set_value(&key->columns[i], gm_vector_get(&batch->columns[column], row),
                  sampler->lists + (size_t)i * GM_RANGE_KEY_BYTES_MAX);
    }
    key->row_count = 1;
    gm_codec_sizes(&sampler->keys.order.layout, key, 0, 1, &bytes);
    uint8_t *slot = sampler->slots + (size_t)index * sampler->slot_bytes;
    uint8_t *end = slot + GM_SORT_POSITION_BYTES + bytes;
    memcpy(slot, &position, sizeof position);
    memcpy(saved, end, sizeof saved);
    gm_codec_encode(&sampler->keys.order.layout, key, 0, 1, &bytes, slot + GM_SORT_POSITION_BYTES);
    memcpy(end, saved, sizeof saved);
}

/* Draws how many rows are passed over before the next one that replaces a sample. */
static void draw_skip(struct gm_range_sampler *sampler)
{
    sampler->weight *= exp(log(next_fraction(&sampler->random)) / sampler->capacity);
    const double skip = floor(log(next_fraction(&sampler->random)) / log1p(-sampler->weight));
    sampler->next += skip < 1e18 ? (uint64_t)skip + 1 : UINT64_C(1) << 60;
}

void gm_range_sampler_add(struct gm_range_sampler *sampler, const struct gm_batch *batch,
                          uint32_t first, uint32_t count, uint64_t position)
{
    const uint64_t begin = sampler->rows, end = begin + count;
    while (sampler->next < end) {
        const uint32_t row = (uint32_t)(sampler->next - begin);
        uint32_t index = sampler->count;
        if (index < sampler->capacity)
            sampler->count++;
        else
            index = (uint32_t)(((__uint128_t)gm_prng_next(&sampler->random) * index) >> 64);
        keep(sampler, index, batch, first + row, position + row);
        if (sampler->count < sampler->capacity)
            sampler->next++;
        else
            draw_skip(sampler);
    }
    sampler->rows = end;
}

int gm_range_sampler_tell(const struct gm_range_sampler *sampler, uint8_t **ret_message,
                          size_t *ret_bytes)
{
    const struct gm_layout *layout = &sampler->keys.order.layout;
    const uint8_t *slot = sampler->slots;
    size_t bytes = HEAD_BYTES;
    for (uint32_t i = 0; i < sampler->count; i++, slot += sampler->slot_bytes)
        bytes += 8 + gm_row_bytes(layout, slot + GM_SORT_POSITION_BYTES);
    uint8_t *message = gm_heap_alloc(sampler->heap, bytes);
    if (message == NULL)
        return GM_ETASK_MEMORY;
    const uint64_t head[2] = {sampler->rows, sampler->count};
    memcpy(message, head, HEAD_BYTES);
    uint8_t *positions = message + HEAD_BYTES;
    uint8_t *rows = positions + (size_t)sampler->count * 8;
    slot = sampler->slots;
    for (uint32_t i = 0; i < sampler->count; i++, slot += sampler->slot_bytes) {
        const size_t row_bytes = gm_row_bytes(layout, slot + GM_SORT_POSITION_BYTES);
        memcpy(positions + (size_t)i * 8, slot, 8);
        memcpy(rows, slot + GM_SORT_POSITION_BYTES, row_bytes);
        rows += row_bytes;
    }
    *ret_message = message;
    *ret_bytes = bytes;
    return 0;
}

/* ---- splitters ------------------------------------------------------------------------------- */

struct reading {
    struct gm_sort_entry *entries;
    uint64_t *weights; /* by message: rows that a sample stands for, times 65536 */
    uint8_t *memory;   /* entries' rows with their positions, message by message */
    uint32_t count;
    size_t memory_bytes;
    size_t table_bytes;
    const uint8_t **ends; /* by message, in memory */
};

/* The counts of a message.  Returns false when they make no sense. */
static bool read_head(const struct gm_range_message *message, uint64_t *ret_rows,
                      uint32_t *ret_count)
{
    uint64_t head[2];
    if (message->bytes < HEAD_BYTES)
        return false;
    memcpy(head, message->data, HEAD_BYTES);
    if (head[1] > SAMPLES_MAX || head[1] > head[0] || head[0] > UINT64_C(1) << 44 ||
        head[1] * 8 > message->bytes - HEAD_BYTES)
        return false;
    *ret_rows = head[0];
    *ret_count = (uint32_t)head[1];
    return true;
}

/* Copies a message's rows to `to`, each behind its position, and notes them as entries. */
static int read_rows(const struct gm_range_keys *keys, const struct gm_range_message *message,
                     uint32_t count, struct gm_batch *batch, struct gm_sort_entry *entries,
                     uint8_t **to)
{
    const uint8_t *positions = message->data + HEAD_BYTES;
    const uint8_t *rows = positions + (size_t)count * 8;
    size_t left = message->bytes - HEAD_BYTES - (size_t)count * 8;
    for (uint32_t done = 0; done < count;) {
        size_t used;
        /* Decoding is what checks that the rows are rows. */
        int rc = gm_codec_decode(&keys->order.layout, rows, left, count - done, batch, &used);
        if (rc < 0 || batch->row_count == 0)
            return GM_EFRAME_CORRUPT;
        for (uint32_t i = 0; i < batch->row_count; i++, done++) {
            const size_t bytes = gm_row_bytes(&keys->order.layout, rows);
            memcpy(*to, positions + (size_t)done * 8, 8);
            memcpy(*to + 8, rows, bytes);
            entries[done] = (struct gm_sort_entry){
                .prefix = gm_sort_prefix(&keys->order, *to + 8), .row = *to + 8};
            *to += 8 + bytes;
            rows += bytes;
            left -= bytes;
        }
    }
    return left == 0 ? 0 : GM_EFRAME_CORRUPT;
}

static void free_reading(struct reading *reading, struct gm_heap *heap)
{
    gm_heap_free(heap, reading->entries, reading->table_bytes);
    gm_heap_free(heap, reading->memory, reading->memory_bytes);
}

/* Weights and ends lie behind the entries, in one block. */
static int make_reading(struct reading *reading, const struct gm_range_message *messages,
                        uint32_t message_count, struct gm_heap *heap)
{
    *reading = (struct reading){.memory_bytes = 1};
    for (uint32_t i = 0; i < message_count; i++) {
        uint64_t rows;
        uint32_t count;
        if (!read_head(&messages[i], &rows, &count))
            return GM_EFRAME_CORRUPT;
        reading->count += count;
        reading->memory_bytes += messages[i].bytes;
    }
    reading->table_bytes =
        reading->count * sizeof *reading->entries +
        message_count * (sizeof *reading->weights + sizeof *reading->ends);
    reading->entries = gm_heap_alloc(heap, reading->table_bytes);
    reading->memory = gm_heap_alloc(heap, reading->memory_bytes);
    if (reading->entries == NULL || reading->memory == NULL) {
        free_reading(reading, heap);
        return GM_ETASK_MEMORY;
    }
    reading->weights = (uint64_t *)(reading->entries + reading->count);
    reading->ends = (const uint8_t **)(reading->weights + message_count);
    return 0;
}

/* Whose sample the entry was: its row lies in that message's part of the memory. */
static uint64_t weight_of(const struct reading *reading, uint32_t message_count,
                          const struct gm_sort_entry *entry)
{
    uint32_t low = 0, high = message_count - 1;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (entry->row < reading->ends[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return reading->weights[low];
}

/* The entries are sorted: the first ones at or behind each equal part of the weight. */
static int choose(struct gm_range_splitters *splitters, struct reading *reading,
                  uint32_t message_count)
{
    uint64_t total = 0, sum = 0;
    const uint32_t splitter_count = splitters->range_count - 1;
    for (uint32_t i = 0; i < reading->count; i++)
        total += weight_of(reading, message_count, &reading->entries[i]);
    splitters->entries_capacity = splitters->range_count;
    splitters->entries = gm_heap_alloc(
        splitters->heap, (size_t)splitters->entries_capacity * sizeof *splitters->entries);
    if (splitters->entries == NULL)
        return GM_ETASK_MEMORY;
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < reading->count && chosen < splitter_count; i++) {
        const struct gm_sort_entry *entry = &reading->entries[i];
        sum += weight_of(reading, message_count, entry);
        while (chosen < splitter_count &&
               (__uint128_t)sum * splitters->range_count >= (__uint128_t)total * (chosen + 1))
            splitters->entries[chosen++] = *entry;
    }
    /* Without samples every row is in the first range, for there is none. */
    GM_CHECK(chosen == splitter_count || reading->count == 0);
    if (reading->count == 0)
        splitters->range_count = 1;
    for (uint32_t i = 0; i < chosen; i++)
        splitters->entries[i].prefix =
            gm_sort_prefix(&splitters->keys.order, splitters->entries[i].row);
    return 0;
}

int gm_range_splitters_init(struct gm_range_splitters *splitters, const struct gm_schema *schema,
                            const struct gm_sort_order *rows,
                            const struct gm_range_message *messages, uint32_t message_count,
                            uint32_t range_count, struct gm_heap *heap)
{
    struct reading reading;
    struct gm_batch batch = {0};
    GM_CHECK(range_count > 0 && message_count > 0);
    memset(splitters, 0, sizeof *splitters);
    keys_init(&splitters->keys, schema, rows->order);
    splitters->rows = rows;
    splitters->range_count = range_count;
    int rc = make_reading(&reading, messages, message_count, heap);
    if (rc < 0)
        return rc;
    splitters->heap = heap;
    splitters->memory_bytes = reading.memory_bytes;
    rc = gm_batch_init(&batch, &splitters->keys.schema, heap);
    uint8_t *to = reading.memory;
    struct gm_sort_entry *entries = reading.entries;
    for (uint32_t i = 0; i < message_count && rc == 0; i++) {
        uint64_t row_count = 0;
        uint32_t count = 0;
        GM_CHECK(read_head(&messages[i], &row_count, &count));
        rc = read_rows(&splitters->keys, &messages[i], count, &batch, entries, &to);
        entries += count;
        reading.weights[i] = count > 0 ? (row_count << 16) / count : 0;
        reading.ends[i] = to;
    }
    gm_batch_fini(&batch, heap);
    if (rc == 0) {
        gm_sort_entries(&splitters->keys.order, reading.entries, reading.count);
        rc = choose(splitters, &reading, message_count);
    }
    splitters->memory = reading.memory; /* the splitters' rows lie there */
    gm_heap_free(heap, reading.entries, reading.table_bytes);
    if (rc < 0)
        gm_range_splitters_fini(splitters);
    return rc;
}

void gm_range_splitters_fini(struct gm_range_splitters *splitters)
{
    if (splitters->heap == NULL)
        return;
    gm_heap_free(splitters->heap, splitters->memory, splitters->memory_bytes);
    if (splitters->entries != NULL)
        gm_heap_free(splitters->heap, splitters->entries,
                     (size_t)splitters->entries_capacity * sizeof *splitters->entries);
    memset(splitters, 0, sizeof *splitters);
}

/* True when the row lies before the splitter. */
static bool lies_before(const struct gm_range_splitters *splitters, const uint8_t *row,
                        uint64_t position, const struct gm_sort_entry *splitter)
{
    const struct gleam_order *order = splitters->rows->order;
    for (uint32_t i = 0; i < order->count; i++) {
        const struct gleam_value left =
            gm_row_get(&splitters->rows->layout, row, order->columns[i].column - 1);
        const struct gleam_value right =
            gm_row_get(&splitters->keys.order.layout, splitter->row, i);
        const int result = gm_value_compare(&left, &right);
        if (result != 0)
            return (result < 0) == order->columns[i].ascending;
    }
    return position < gm_sort_position(splitter->row);
}

uint32_t gm_range_of(const struct gm_range_splitters *splitters, const uint8_t *row,
                     uint64_t position)
{
    const uint64_t prefix = gm_sort_prefix(splitters->rows, row);
    uint32_t low = 0, high = splitters->range_count - 1;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        const struct gm_sort_entry *splitter = &splitters->entries[middle];
        const bool before = prefix != splitter->prefix
                                ? prefix < splitter->prefix
                                : lies_before(splitters, row, position, splitter);
        if (before)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
