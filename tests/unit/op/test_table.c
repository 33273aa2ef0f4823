/* test_table.c
 * Goal:   the table holds exactly the keys that it was given, through growth, long keys, equal
 *         prefixes and clearing; a refusal of memory in the middle of a block leaves nothing
 *         behind.
 * Method: random blocks against a plain list; budgets that end at every possible place.
 */
#include "engine/op/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

#define KEYS_MAX 6000
#define KEY_BYTES_MAX 48

/* The model: key i of a fixed universe is in the table or not, and how often it was counted. */
struct model {
    uint8_t data[KEYS_MAX][KEY_BYTES_MAX + GM_BYTES_SLACK];
    uint32_t lengths[KEYS_MAX];
    uint64_t counts[KEYS_MAX];
    uint64_t used;
};

/* Different keys that begin alike: a number at the end, lengths around 8 and 16. */
static void universe(struct model *model)
{
    memset(model, 0, sizeof *model);
    for (uint32_t i = 0; i < KEYS_MAX; i++) {
        static const uint32_t lengths[] = {4, 7, 8, 9, 15, 16, 17, 20, 24, 40};
        const uint32_t length = lengths[i % 10];
        memset(model->data[i], 'x', length);
        memcpy(model->data[i] + length - 4, &i, 4);
        model->lengths[i] = length;
    }
    model->lengths[0] = 0; /* the empty key, and the same bytes in two lengths */
    memset(model->data[1], 0, 7);
    memset(model->data[2], 0, 8);
}

static struct gm_key key_of(const struct model *model, uint32_t i)
{
    uint64_t words[2];
    gm_hash_load16(model->data[i], model->lengths[i], words);
    return (struct gm_key){.hash = gm_hash_bytes(model->data[i], model->lengths[i]),
                           .low = words[0],
                           .high = words[1],
                           .data = model->data[i],
                           .length = model->lengths[i]};
}

static void assert_same(const struct gm_table *table, const struct model *model)
{
    uint64_t position = 0, found = 0;
    struct gm_slot *slot;
    assert_int_equal(table->count, model->used);
    while ((slot = gm_table_next(table, &position)) != NULL) {
        uint32_t length;
        const uint8_t *data = gm_slot_key(slot, &length);
        const uint32_t i = (uint32_t)(slot->values[1] - 1);
        assert_true(i < KEYS_MAX);
        assert_int_equal(length, model->lengths[i]);
        assert_memory_equal(data, model->data[i], length);
        assert_int_equal(slot->values[0], model->counts[i]);
        found++;
    }
    assert_int_equal(found, model->used);
}

/* Counts `count` keys of the universe below key_count.  Returns what the table does. */
static int count_block(struct gm_table *table, struct model *model, uint64_t *random,
                       uint32_t key_count, uint32_t count)
{
    struct gm_key keys[GM_KEY_BLOCK];
    uint32_t chosen[GM_KEY_BLOCK];
    struct gm_slot *slots[GM_KEY_BLOCK];
    uint64_t new_slots = 0;
    for (uint32_t i = 0; i < count; i++) {
        chosen[i] = random_below(random, key_count);
        keys[i] = key_of(model, chosen[i]);
    }
    const int rc = gm_table_block(table, keys, count, slots, &new_slots);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < count; i++) {
        const bool is_new = model->counts[chosen[i]] == 0;
        assert_int_equal(new_slots >> i & 1, is_new);
        if (is_new) {
            assert_int_equal(slots[i]->values[0], 0);
            assert_int_equal(slots[i]->values[1], 0);
            assert_int_equal(slots[i]->seen, 0);
            model->used++;
        }
        model->counts[chosen[i]]++;
        slots[i]->values[0]++;
        slots[i]->values[1] = chosen[i] + 1;
    }
    return 0;
}

static void random_blocks_match_a_model(void **state)
{
    (void)state;
    struct model *model = malloc(sizeof *model);
    assert_non_null(model);
    for (uint32_t run = 0; run < 8; run++) {
        struct gm_heap heap;
        struct gm_table table;
        uint64_t random = run;
        universe(model);
        assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
        assert_int_equal(gm_table_init(&table, 2, &heap), 0);
        const uint32_t key_count = 1 + random_below(&random, KEYS_MAX);
        for (uint32_t block = 0; block < 400; block++) {
            assert_int_equal(count_block(&table, model, &random, key_count,
                                         1 + random_below(&random, GM_KEY_BLOCK)),
                             0);
            if (block % 50 == 0)
                assert_same(&table, model);
            assert_true(gm_table_bytes(&table) <= heap.used_bytes);
            if (random_below(&random, 150) == 0) {
                gm_table_clear(&table);
                memset(model->counts, 0, sizeof model->counts);
                model->used = 0;
            }
        }
        assert_same(&table, model);
        assert_true(table.count * 4 <= (table.mask + 1) * 3);
        gm_table_fini(&table);
        assert_int_equal(heap.used_bytes, 0);
        gm_heap_fini(&heap);
    }
    free(model);
}

/* The heap has no room at the n-th allocation, for every n: the table is as before, and goes on
 * once there is room. */
static void refused_block_leaves_nothing_behind(void **state)
{
    (void)state;
    struct model *model = malloc(sizeof *model);
    assert_non_null(model);
    for (uint64_t limit = 30000; limit < 400000; limit += 1700) {
        struct gm_heap heap;
        struct gm_table table;
        uint64_t random = limit;
        universe(model);
        assert_int_equal(gm_heap_init(&heap, limit), 0);
        const int made = gm_table_init(&table, 2, &heap);
        if (made == 0) {
            uint32_t refused = 0;
            for (uint32_t block = 0; block < 60; block++)
                if (count_block(&table, model, &random, KEYS_MAX, GM_KEY_BLOCK) < 0) {
                    refused++;
                    assert_same(&table, model);
                }
            heap.limit_bytes = UINT64_MAX;
            for (uint32_t block = 0; refused > 0 && block < 30; block++)
                assert_int_equal(count_block(&table, model, &random, KEYS_MAX, GM_KEY_BLOCK), 0);
            assert_same(&table, model);
        }
        gm_table_fini(&table);
        assert_int_equal(heap.used_bytes, 0);
        gm_heap_fini(&heap);
    }
    free(model);
}

static void table_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_table table;
    assert_int_equal(gm_heap_init(&heap, 100), 0);
    assert_int_equal(gm_table_init(&table, 1, &heap), GM_ETASK_MEMORY);
    gm_table_fini(&table);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
}

/* Equal hashes in full: 17 byte keys whose form differs and whose hash is made the same. */
static void equal_hashes_are_told_apart(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_table table;
    static const uint8_t text[2][20 + GM_BYTES_SLACK] = {"twenty bytes of AAAA",
                                                         "twenty bytes of BBBB"};
    struct gm_key keys[4];
    struct gm_slot *slots[4];
    uint64_t new_slots;
    for (uint32_t i = 0; i < 4; i++)
        keys[i] = (struct gm_key){.hash = 7, .data = text[i % 2], .length = 20 - i / 2};
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    assert_int_equal(gm_table_init(&table, 0, &heap), 0);
    assert_int_equal(gm_table_block(&table, keys, 4, slots, &new_slots), 0);
    assert_int_equal(new_slots, 15);
    assert_int_equal(table.count, 4);
    assert_int_equal(gm_table_block(&table, keys, 4, slots, &new_slots), 0);
    assert_int_equal(new_slots, 0);
    gm_table_fini(&table);
    gm_heap_fini(&heap);
}

/* Every slot once, ascending by hash, whatever the number; short and long keys. */
static void sorted_slots_ascend_by_hash(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0, 1, 2, 16, 17, 300, 5000, 70000};
    for (uint32_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct gm_heap heap;
        struct gm_table table;
        assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
        assert_int_equal(gm_table_init(&table, 1 + c % 3, &heap), 0);
        for (uint32_t i = 0; i < counts[c]; i++) {
            uint8_t text[64 + GM_BYTES_SLACK] = {0};
            const uint32_t length = i % 3 == 0 ? 40 : 8;
            memcpy(text, &i, sizeof i);
            struct gm_key key = {.hash = gm_hash_bytes(text, length), .data = text,
                                 .length = length};
            if (length <= 16)
                memcpy(&key.low, text, 8);
            struct gm_slot *slot;
            uint64_t is_new;
            assert_int_equal(gm_table_block(&table, &key, 1, &slot, &is_new), 0);
            assert_int_equal(is_new, 1);
            slot->values[0] = i;
        }
        gm_table_sort(&table);
        uint64_t position = 0, sum = 0, count = 0, last = 0;
        const struct gm_slot *slot;
        while ((slot = gm_table_next(&table, &position)) != NULL) {
            uint32_t length, number;
            memcpy(&number, gm_slot_key(slot, &length), sizeof number);
            assert_int_equal(number, slot->values[0]);
            assert_int_equal(length, number % 3 == 0 ? 40 : 8);
            assert_true(gm_slot_hash(slot) >= last);
            last = gm_slot_hash(slot);
            sum += number;
            count++;
        }
        assert_int_equal(count, counts[c]);
        assert_int_equal(sum, (uint64_t)counts[c] * (counts[c] - (counts[c] > 0)) / 2);
        gm_table_fini(&table);
        assert_int_equal(heap.used_bytes, 0);
        gm_heap_fini(&heap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorted_slots_ascend_by_hash),
        cmocka_unit_test(random_blocks_match_a_model),
        cmocka_unit_test(refused_block_leaves_nothing_behind),
        cmocka_unit_test(table_that_does_not_fit_is_refused),
        cmocka_unit_test(equal_hashes_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
