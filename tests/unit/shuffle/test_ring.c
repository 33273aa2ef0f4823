/* Goal:   the ring keeps every descriptor, in order, whatever the sizes of pushes and pops, and
 *         never leaves its memory when a position in it is nonsense.
 * Method: random operations against a model that is an array; two threads; two processes; and
 *         positions written over by hand. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/base/error.h"
#include "shuffle/port/random.h"
#include "shuffle/ring.h"

#define WORDS_PER_LINE (GM_LINE_BYTES / sizeof(uint64_t))

static uint64_t *ring_memory(uint32_t slot_count)
{
    uint64_t *memory = aligned_alloc(GM_LINE_BYTES, gm_ring_footprint(slot_count));
    assert_non_null(memory);
    memset(memory, 0xa5, gm_ring_footprint(slot_count));
    gm_ring_new(memory, slot_count);
    return memory;
}

static void footprint_refuses_bad_counts(void **state)
{
    (void)state;
    assert_int_equal(gm_ring_footprint(0), 0);
    assert_int_equal(gm_ring_footprint(1), 0);
    assert_int_equal(gm_ring_footprint(3), 0);
    assert_int_equal(gm_ring_footprint(GM_RING_SLOTS_MAX * 2), 0);
    for (uint32_t count = 2; count <= GM_RING_SLOTS_MAX; count *= 2) {
        assert_true(gm_ring_footprint(count) >= count * 8);
        assert_int_equal(gm_ring_footprint(count) % GM_LINE_BYTES, 0);
    }
}

static void join_refuses_what_is_no_ring(void **state)
{
    (void)state;
    uint64_t *memory = ring_memory(8);
    struct gm_ring_producer producer;
    struct gm_ring_consumer consumer;
    assert_int_equal(gm_ring_join_producer(memory, 16, &producer), GM_EFRAME_CORRUPT);
    assert_int_equal(gm_ring_join_consumer(memory, 4, &consumer), GM_EFRAME_CORRUPT);
    memory[0] ^= 1;
    assert_int_equal(gm_ring_join_producer(memory, 8, &producer), GM_EFRAME_CORRUPT);
    assert_int_equal(gm_ring_join_consumer(memory, 8, &consumer), GM_EFRAME_CORRUPT);
    free(memory);
}

static void full_ring_takes_none_and_empty_ring_gives_none(void **state)
{
    (void)state;
    uint64_t *memory = ring_memory(4);
    struct gm_ring_producer producer;
    struct gm_ring_consumer consumer;
    assert_int_equal(gm_ring_join_producer(memory, 4, &producer), 0);
    assert_int_equal(gm_ring_join_consumer(memory, 4, &consumer), 0);
    uint64_t values[6] = {1, 2, 3, 4, 5, 6}, out[6];
    assert_int_equal(gm_ring_pop(&consumer, out, 6), 0);
    assert_int_equal(gm_ring_push(&producer, values, 6), 4);
    assert_int_equal(gm_ring_push(&producer, values, 1), 0);
    assert_int_equal(gm_ring_ready(&consumer), 4);
    assert_int_equal(gm_ring_pop(&consumer, out, 1), 1);
    assert_int_equal(out[0], 1);
    assert_int_equal(gm_ring_push(&producer, values + 4, 2), 1);
    assert_int_equal(gm_ring_pop(&consumer, out, 6), 4);
    assert_memory_equal(out, values + 1, 4 * sizeof(*out));
    assert_int_equal(gm_ring_push(&producer, values, 0), 0);
    assert_int_equal(gm_ring_pop(&consumer, out, 0), 0);
    free(memory);
}

static void random_operations_agree_with_a_model(void **state)
{
    (void)state;
    struct gm_prng prng;
    gm_prng_init(&prng, 7);
    for (uint32_t slot_count = 2; slot_count <= 64; slot_count *= 2) {
        uint64_t *memory = ring_memory(slot_count);
        struct gm_ring_producer producer;
        struct gm_ring_consumer consumer;
        assert_int_equal(gm_ring_join_producer(memory, slot_count, &producer), 0);
        assert_int_equal(gm_ring_join_consumer(memory, slot_count, &consumer), 0);
        uint64_t written = 0, taken = 0;
        for (int step = 0; step < 20000; step++) {
            uint64_t values[80];
            uint32_t count = (uint32_t)gm_prng_below(&prng, 80);
            if (gm_prng_below(&prng, 2) == 0) {
                for (uint32_t i = 0; i < count; i++)
                    values[i] = (written + i) * UINT64_C(0x9e3779b97f4a7c15);
                uint64_t room = slot_count - (written - taken);
                uint32_t pushed = gm_ring_push(&producer, values, count);
                assert_int_equal(pushed, count < room ? count : room);
                written += pushed;
            } else {
                uint32_t popped = gm_ring_pop(&consumer, values, count);
                assert_int_equal(popped, count < written - taken ? count : written - taken);
                for (uint32_t i = 0; i < popped; i++)
                    assert_int_equal(values[i], (taken + i) * UINT64_C(0x9e3779b97f4a7c15));
                taken += popped;
            }
            /* An end that leaves and comes back finds its place again. */
            if (gm_prng_below(&prng, 50) == 0) {
                assert_int_equal(gm_ring_join_producer(memory, slot_count, &producer), 0);
                assert_int_equal(gm_ring_join_consumer(memory, slot_count, &consumer), 0);
            }
        }
        free(memory);
    }
}

static void absurd_positions_stay_inside(void **state)
{
    (void)state;
    struct gm_prng prng;
    gm_prng_init(&prng, 11);
    uint64_t *memory = ring_memory(8); /* the sanitizer watches its ends */
    for (int step = 0; step < 2000; step++) {
        struct gm_ring_producer producer;
        struct gm_ring_consumer consumer;
        uint64_t values[16] = {0};
        gm_ring_new(memory, 8);
        assert_int_equal(gm_ring_join_producer(memory, 8, &producer), 0);
        assert_int_equal(gm_ring_join_consumer(memory, 8, &consumer), 0);
        memory[WORDS_PER_LINE] = gm_prng_next(&prng) >> gm_prng_below(&prng, 64);
        memory[2 * WORDS_PER_LINE] = gm_prng_next(&prng) >> gm_prng_below(&prng, 64);
        assert_true(gm_ring_ready(&consumer) <= 8);
        assert_true(gm_ring_pop(&consumer, values, 16) <= 8);
        assert_true(gm_ring_push(&producer, values, 16) <= 8);
        memory[WORDS_PER_LINE] = gm_prng_next(&prng);
        memory[2 * WORDS_PER_LINE] = gm_prng_next(&prng);
        int rc = gm_ring_join_producer(memory, 8, &producer);
        assert_true(rc == 0 || rc == GM_EFRAME_CORRUPT);
        if (rc == 0)
            assert_true(gm_ring_push(&producer, values, 16) <= 8);
        rc = gm_ring_join_consumer(memory, 8, &consumer);
        assert_true(rc == 0 || rc == GM_EFRAME_CORRUPT);
        if (rc == 0)
            assert_true(gm_ring_pop(&consumer, values, 16) <= 8);
    }
    free(memory);
}

#define STREAM_COUNT UINT64_C(200000)

struct stream {
    void *memory;
    uint64_t *payload; /* plain words, published by the ring alone */
    uint64_t wrong_count;
};

/* Every value is a place in payload that was written just before the push. */
static void *stream_send(void *argument)
{
    struct stream *stream = argument;
    struct gm_ring_producer producer;
    struct gm_prng prng;
    gm_prng_init(&prng, 3);
    if (gm_ring_join_producer(stream->memory, 32, &producer) != 0)
        return NULL;
    uint64_t sent = 0;
    while (sent < STREAM_COUNT) {
        uint64_t values[16];
        uint64_t count = 1 + gm_prng_below(&prng, 16);
        if (count > STREAM_COUNT - sent)
            count = STREAM_COUNT - sent;
        for (uint64_t i = 0; i < count; i++) {
            values[i] = sent + i;
            stream->payload[sent + i] = (sent + i) ^ UINT64_C(0x5555);
        }
        uint32_t pushed = 0;
        while (pushed < count) {
            uint32_t now = gm_ring_push(&producer, values + pushed, (uint32_t)count - pushed);
            if (now == 0)
                sched_yield();
            pushed += now;
        }
        sent += count;
    }
    return NULL;
}

static void stream_receive(struct stream *stream)
{
    struct gm_ring_consumer consumer;
    struct gm_prng prng;
    gm_prng_init(&prng, 4);
    if (gm_ring_join_consumer(stream->memory, 32, &consumer) != 0) {
        stream->wrong_count = UINT64_MAX;
        return;
    }
    uint64_t expected = 0;
    while (expected < STREAM_COUNT) {
        uint64_t values[16];
        uint32_t count = gm_ring_pop(&consumer, values, 1 + (uint32_t)gm_prng_below(&prng, 16));
        if (count == 0)
            sched_yield();
        for (uint32_t i = 0; i < count; i++, expected++)
            if (values[i] != expected || stream->payload[expected] != (expected ^ 0x5555))
                stream->wrong_count++;
    }
}

static void two_threads_see_every_descriptor_in_order(void **state)
{
    (void)state;
    struct stream stream = {.memory = ring_memory(32),
                            .payload = calloc(STREAM_COUNT, sizeof(uint64_t))};
    assert_non_null(stream.payload);
    pthread_t sender;
    assert_int_equal(pthread_create(&sender, NULL, stream_send, &stream), 0);
    stream_receive(&stream);
    pthread_join(sender, NULL);
    assert_int_equal(stream.wrong_count, 0);
    free(stream.payload);
    free(stream.memory);
}

static void two_processes_see_every_descriptor_in_order(void **state)
{
    (void)state;
    size_t bytes = 4096 + STREAM_COUNT * sizeof(uint64_t);
    uint8_t *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    struct stream stream = {.memory = shared, .payload = (uint64_t *)(shared + 4096)};
    gm_ring_new(shared, 32);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        stream_send(&stream);
        _exit(0);
    }
    stream_receive(&stream);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(stream.wrong_count, 0);
    munmap(shared, bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(footprint_refuses_bad_counts),
        cmocka_unit_test(join_refuses_what_is_no_ring),
        cmocka_unit_test(full_ring_takes_none_and_empty_ring_gives_none),
        cmocka_unit_test(random_operations_agree_with_a_model),
        cmocka_unit_test(absurd_positions_stay_inside),
        cmocka_unit_test(two_threads_see_every_descriptor_in_order),
        cmocka_unit_test(two_processes_see_every_descriptor_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
