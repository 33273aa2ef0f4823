/* table.c - find or insert blocks of keys. */
#include "engine/op/table.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"

/* A dataset may have 40,000 partitions with a table each: an empty one takes half a KiB. */
#define SLOTS_MIN 16
#define KEY_INLINE_BYTES 16

static uint64_t slots_bytes(const struct gm_table *table, uint64_t slot_count)
{
    return slot_count * table->stride;
}

int gm_table_init(struct gm_table *table, uint32_t value_count, struct gm_heap *heap)
{
    *table = (struct gm_table){.heap = heap, .value_count = value_count};
    table->stride = (uint32_t)(sizeof(struct gm_slot) + 8 * value_count);
    gm_arena_init(&table->arena, heap);
    table->slots = gm_heap_zalloc(heap, slots_bytes(table, SLOTS_MIN));
    if (table->slots == NULL)
        return GM_ETASK_MEMORY;
    table->mask = SLOTS_MIN - 1;
    table->count_max = SLOTS_MIN / 4 * 3;
    return 0;
}

void gm_table_fini(struct gm_table *table)
{
    if (table->slots != NULL)
        gm_heap_free(table->heap, table->slots, slots_bytes(table, table->mask + 1));
    table->slots = NULL;
    gm_arena_fini(&table->arena);
}

void gm_table_clear(struct gm_table *table)
{
    memset(table->slots, 0, slots_bytes(table, table->mask + 1));
    table->count = 0;
    gm_arena_fini(&table->arena);
}

static struct gm_slot *slot_at(const struct gm_table *table, uint64_t index)
{
    return (struct gm_slot *)(table->slots + index * table->stride);
}

uint64_t gm_slot_hash(const struct gm_slot *slot)
{
    const uint32_t length = slot->used - 1;
    return length <= KEY_INLINE_BYTES ? gm_hash_words(slot->low, slot->high, length) : slot->high;
}

static int grow(struct gm_table *table)
{
    const uint64_t old_count = table->mask + 1;
    uint8_t *old_slots = table->slots;
    uint8_t *slots = gm_heap_zalloc(table->heap, slots_bytes(table, old_count * 2));
    if (slots == NULL)
        return GM_ETASK_MEMORY;
    table->slots = slots;
    table->mask = old_count * 2 - 1;
    table->count_max = old_count / 2 * 3;
    for (uint64_t i = 0; i < old_count; i++) {
        const struct gm_slot *old = (const struct gm_slot *)(old_slots + i * table->stride);
        if (old->used == 0)
            continue;
        uint64_t index = gm_slot_hash(old) & table->mask;
        while (slot_at(table, index)->used != 0)
            index = (index + 1) & table->mask;
        memcpy(slot_at(table, index), old, table->stride);
    }
    gm_heap_free(table->heap, old_slots, slots_bytes(table, old_count));
    return 0;
}

/* The slots as the hot loops see them.  stride is a constant in the common case: a shift in the
 * place of a multiplication for every probe. */
struct view {
    uint8_t *slots;
    uint64_t mask;
    uint64_t stride;
};

static inline struct gm_slot *view_slot(struct view view, uint64_t index)
{
    return (struct gm_slot *)(view.slots + (index & view.mask) * view.stride);
}

/* Long keys: compared by hash and length before the bytes. */
static bool same_long(const struct gm_slot *slot, const struct gm_key *key)
{
    return slot->used == key->length + 1 && slot->high == key->hash &&
           memcmp((const void *)(uintptr_t)slot->low, key->data, key->length) == 0;
}

static struct gm_slot *find_long(struct gm_table *table, struct view view,
                                 const struct gm_key *key, bool *ret_new)
{
    uint64_t index = key->hash;
    struct gm_slot *slot = view_slot(view, index);
    while (slot->used != 0) {
        if (same_long(slot, key))
            return slot;
        slot = view_slot(view, ++index);
    }
    uint8_t *copy = gm_arena_alloc(&table->arena, key->length);
    if (copy == NULL)
        return NULL;
    memcpy(copy, key->data, key->length);
    slot->low = (uint64_t)(uintptr_t)copy;
    slot->high = key->hash;
    slot->used = key->length + 1;
    *ret_new = true;
    return slot;
}

static inline struct gm_slot *find_short(struct view view, const struct gm_key *key, bool *ret_new)
{
    const uint32_t used = key->length + 1;
    for (uint64_t index = key->hash;; index++) {
        struct gm_slot *slot = view_slot(view, index);
        /* One compare of all three: a mispredicted first branch costs more than two loads. */
        if (((slot->low ^ key->low) | (slot->high ^ key->high) | (slot->used ^ used)) == 0)
            return slot;
        if (slot->used == 0) {
            slot->low = key->low;
            slot->high = key->high;
            slot->used = used;
            *ret_new = true;
            return slot;
        }
    }
}

/* The block's earlier keys may be new and hold nothing yet: takes them back, the latest first. */
static int undo(struct gm_slot **slots, uint64_t new_bits, uint32_t count)
{
    for (uint32_t i = count; i-- > 0;)
        if (new_bits >> i & 1)
            slots[i]->used = 0;
    return GM_ETASK_MEMORY;
}

static inline int find_block(struct gm_table *table, struct view view, const struct gm_key *keys,
                             uint32_t count, struct gm_slot **ret_slots, uint64_t *ret_new)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *slot = (const uint8_t *)view_slot(view, keys[i].hash);
        __builtin_prefetch(slot, 1);
        /* Half of the slots have their neighbour, the next one to be probed, in another line. */
        __builtin_prefetch(slot + view.stride, 1);
    }
    uint64_t new_bits = 0, new_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool is_new = false;
        ret_slots[i] = keys[i].length <= KEY_INLINE_BYTES
                           ? find_short(view, &keys[i], &is_new)
                           : find_long(table, view, &keys[i], &is_new);
        if (ret_slots[i] == NULL)
            return undo(ret_slots, new_bits, i);
        new_bits |= (uint64_t)is_new << i;
        new_count += is_new;
    }
    table->count += new_count;
    *ret_new = new_bits;
    return 0;
}

int gm_table_block(struct gm_table *table, const struct gm_key *keys, uint32_t count,
                   struct gm_slot **ret_slots, uint64_t *ret_new)
{
    GM_CHECK(count <= GM_KEY_BLOCK);
    while (table->count + count > table->count_max) {
        int rc = grow(table);
        if (rc < 0)
            return rc;
    }
    struct view view = {.slots = table->slots, .mask = table->mask, .stride = table->stride};
    if (table->value_count == 1) {
        view.stride = sizeof(struct gm_slot) + 8;
        return find_block(table, view, keys, count, ret_slots, ret_new);
    }
    return find_block(table, view, keys, count, ret_slots, ret_new);
}

static struct gm_slot *find(struct view view, const struct gm_key *key)
{
    const uint32_t used = key->length + 1;
    for (uint64_t index = key->hash;; index++) {
        struct gm_slot *slot = view_slot(view, index);
        if (slot->used == 0)
            return NULL;
        const bool same = key->length <= KEY_INLINE_BYTES
                              ? ((slot->low ^ key->low) | (slot->high ^ key->high) |
                                 (slot->used ^ used)) == 0
                              : same_long(slot, key);
        if (same)
            return slot;
    }
}

void gm_table_find(const struct gm_table *table, const struct gm_key *keys, uint32_t count,
                   struct gm_slot **ret_slots)
{
    const struct view view = {
        .slots = table->slots, .mask = table->mask, .stride = table->stride};
    GM_CHECK(count <= GM_KEY_BLOCK);
    for (uint32_t i = 0; i < count; i++)
        __builtin_prefetch(view_slot(view, keys[i].hash));
    for (uint32_t i = 0; i < count; i++)
        ret_slots[i] = find(view, &keys[i]);
}

struct gm_slot *gm_table_next(const struct gm_table *table, uint64_t *position)
{
    while (*position <= table->mask) {
        struct gm_slot *slot = slot_at(table, (*position)++);
        if (slot->used != 0)
            return slot;
    }
    return NULL;
}

uint64_t gm_table_bytes(const struct gm_table *table)
{
    return slots_bytes(table, table->mask + 1) + table->arena.held_bytes;
}

uint64_t gm_table_bytes_with(const struct gm_table *table, uint32_t count)
{
    const uint64_t slot_count = table->mask + 1;
    const bool grows = table->count + count > table->count_max;
    return gm_table_bytes(table) + (grows ? slots_bytes(table, slot_count) : 0);
}

/* ---- by hash --------------------------------------------------------------------------------- */

/* Groups up to this are sorted by insertion. */
#define INSERTION_MAX 16
#define STRIDE_MAX (sizeof(struct gm_slot) + 8 * GM_TABLE_VALUES_MAX)

static void swap_slots(const struct gm_table *table, uint64_t a, uint64_t b)
{
    uint8_t kept[STRIDE_MAX];
    memcpy(kept, slot_at(table, a), table->stride);
    memcpy(slot_at(table, a), slot_at(table, b), table->stride);
    memcpy(slot_at(table, b), kept, table->stride);
}

static uint64_t hash_at(const struct gm_table *table, uint64_t index)
{
    return gm_slot_hash(slot_at(table, index));
}

static void insert_slots(const struct gm_table *table, uint64_t begin, uint64_t end)
{
    for (uint64_t i = begin + 1; i < end; i++)
        for (uint64_t at = i; at > begin && hash_at(table, at) < hash_at(table, at - 1); at--)
            swap_slots(table, at, at - 1);
}

/* Distributes slots [begin, end) by the byte of their hashes at `shift`, in place, then each byte's
 * group by the next one: hashes are spread evenly, so a few levels do. */
static void sort_slots(const struct gm_table *table, uint64_t begin, uint64_t end, int shift)
{
    uint64_t nexts[256] = {0}, ends[256];
    if (end - begin <= INSERTION_MAX || shift < 0) {
        insert_slots(table, begin, end);
        return;
    }
    for (uint64_t i = begin; i < end; i++)
        nexts[hash_at(table, i) >> shift & 0xff]++;
    uint64_t sum = begin;
    for (uint32_t b = 0; b < 256; b++) {
        const uint64_t count = nexts[b];
        nexts[b] = sum;
        sum += count;
        ends[b] = sum;
    }
    for (uint32_t b = 0; b < 256; b++)
        while (nexts[b] < ends[b]) {
            const uint32_t to = hash_at(table, nexts[b]) >> shift & 0xff;
            if (to != b)
                swap_slots(table, nexts[b], nexts[to]);
            nexts[to]++;
        }
    for (uint32_t b = 0; b < 256; b++) {
        if (ends[b] - begin > 1)
            sort_slots(table, begin, ends[b], shift - 8);
        begin = ends[b];
    }
}

void gm_table_sort(struct gm_table *table)
{
    uint64_t used = 0;
    for (uint64_t i = 0; i <= table->mask; i++) {
        if (slot_at(table, i)->used == 0)
            continue;
        if (i != used) {
            memcpy(slot_at(table, used), slot_at(table, i), table->stride);
            slot_at(table, i)->used = 0;
        }
        used++;
    }
    GM_CHECK(used == table->count);
    sort_slots(table, 0, used, 56);
}
