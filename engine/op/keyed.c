/* keyed.c - to the merge a record is a row of one bytes column. */
#include "engine/op/keyed.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"

/* Row of the merge: u32 length, then u64 position, u8 tag, u32 key's length, key, data. */
enum { LENGTH_AT = 0, POSITION_AT = 4, TAG_AT = 12, KEY_LENGTH_AT = 13, KEY_AT = 17 };

void gm_keyed_order_init(struct gm_sort_order *order)
{
    static const struct gleam_order no_columns;
    struct gm_schema schema = {0};
    gm_schema_add(&schema, NULL, GLEAM_BYTES, false);
    gm_sort_order_init(order, &schema, &no_columns);
}

int gm_keyed_put(struct gm_run_set *set, struct gm_op *op, uint32_t partition,
                 const struct gm_slot *slot, uint64_t position, uint8_t tag, const uint8_t *data,
                 uint32_t bytes)
{
    const uint64_t hash = gm_slot_hash(slot);
    uint8_t head[GM_SORT_POSITION_BYTES + KEY_AT];
    uint8_t *row = head + GM_SORT_POSITION_BYTES;
    uint32_t key_bytes;
    const uint8_t *key = gm_slot_key(slot, &key_bytes);
    const uint32_t length = KEY_AT - POSITION_AT + key_bytes + bytes;
    memcpy(head, &hash, sizeof hash);
    memcpy(row + LENGTH_AT, &length, sizeof length);
    memcpy(row + POSITION_AT, &position, sizeof position);
    row[TAG_AT] = tag;
    memcpy(row + KEY_LENGTH_AT, &key_bytes, sizeof key_bytes);
    const struct gm_run_part parts[] = {{.data = head, .bytes = sizeof head},
                                        {.data = key, .bytes = key_bytes},
                                        {.data = data, .bytes = bytes}};
    return gm_run_set_put_parts(set, op, partition, parts, bytes > 0 ? 3 : 2);
}

void gm_keyed_read(const uint8_t *row, uint64_t row_bytes, struct gm_keyed *ret_record)
{
    uint32_t key_bytes;
    uint64_t words[2];
    memcpy(&key_bytes, row + KEY_LENGTH_AT, sizeof key_bytes);
    GM_CHECK(row_bytes >= (uint64_t)KEY_AT + key_bytes);
    gm_hash_load16(row + KEY_AT, key_bytes, words);
    *ret_record = (struct gm_keyed){.key = {.hash = gm_sort_position(row),
                                            .low = words[0],
                                            .high = words[1],
                                            .data = row + KEY_AT,
                                            .length = key_bytes},
                                    .tag = row[TAG_AT],
                                    .data = row + KEY_AT + key_bytes,
                                    .bytes = (uint32_t)(row_bytes - KEY_AT - key_bytes)};
    memcpy(&ret_record->position, row + POSITION_AT, sizeof ret_record->position);
}
