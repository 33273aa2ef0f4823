/* Goal:   parts of a region do not overlap, both ends of a region see the same, and a header that
 *         was written over is refused, not followed.
 * Method: layouts of many specs; a memfd joined by its fd; headers with random bytes changed.  Huge
 *         pages are tried where the machine has them, and their error where it has none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "shuffle/port/random.h"
#include "shuffle/claims.h"
#include "shuffle/region.h"

static struct gm_region_spec spec_small(void)
{
    return (struct gm_region_spec){
        .executor_count = 3,
        .exchange_count = 2,
        .exchanges = {{.to_driver = false, .quota_frames = 4, .ring_slots = 4},
                      {.to_driver = true, .quota_frames = 2, .ring_slots = 8}},
        .claim_count = 5,
        .word_count = 37,
        .frame_bytes = 4096,
        .attempt = 9,
        .secret = 77,
    };
}

static void bad_specs_have_no_footprint(void **state)
{
    (void)state;
    struct gm_region_spec spec = spec_small();
    assert_true(gm_region_footprint(&spec) > 18 * 4096);
#define REFUSES(change)                                                                            \
    do {                                                                                           \
        spec = spec_small();                                                                       \
        change;                                                                                    \
        assert_int_equal(gm_region_footprint(&spec), 0);                                           \
    } while (0)
    REFUSES(spec.executor_count = 0);
    REFUSES(spec.executor_count = GM_EXECUTORS_MAX + 1);
    REFUSES(spec.exchange_count = 0);
    REFUSES(spec.exchange_count = GM_EXCHANGES_MAX + 1);
    REFUSES(spec.claim_count = UINT32_MAX);
    REFUSES(spec.word_count = GM_WORDS_MAX + 1);
    REFUSES(spec.frame_bytes = 2048);
    REFUSES(spec.frame_bytes = 5000);
    REFUSES(spec.frame_bytes = GM_FRAME_BYTES_MAX * 2);
    REFUSES(spec.exchanges[0].quota_frames = 1);
    REFUSES(spec.exchanges[0].quota_frames = 5);
    REFUSES(spec.exchanges[1].ring_slots = 7);
    REFUSES(spec.exchanges[1].ring_slots = 0);
    REFUSES(spec.local_count = 4);
    REFUSES(spec.local_count = 2; spec.first_local = 2);
    REFUSES(spec.local_count = 2; spec.first_local = UINT32_MAX);
    REFUSES(spec.local_count = 2); /* others send here, and have no credit */
    REFUSES(spec.local_count = 2; spec.exchanges[0].credit_frames = 5);
    REFUSES(spec.driver_is_local = true); /* likewise */
#undef REFUSES
}

/* Writes over every part and sees that no other part changed. */
static void parts_do_not_overlap(void **state)
{
    (void)state;
    struct gm_region_spec spec = spec_small();
    struct gm_region region;
    assert_int_equal(gm_region_create_private(&spec, &region, NULL), 0);
    assert_int_equal(region.frame_count, 3 * 4 + 3 * 2);
    uint8_t *last = region.base;
    for (uint32_t i = 0; i <= 3; i++) {
        uint8_t *entry = (uint8_t *)gm_region_ledger(&region, i);
        assert_true(entry > last);
        last = entry + sizeof(struct gm_ledger_entry) - 1;
    }
    for (uint32_t i = 0; i < 5; i++) {
        uint8_t *claim = (uint8_t *)gm_region_claim(&region, i);
        assert_true(claim > last);
        assert_int_equal((uintptr_t)claim % GM_LINE_BYTES, 0);
        last = claim + GM_LINE_BYTES - 1;
    }
    for (uint32_t i = 0; i < 37; i++) {
        uint8_t *word = (uint8_t *)gm_region_word(&region, i);
        assert_true(word > last);
        assert_int_equal(atomic_load((_Atomic uint64_t *)word), 0);
        last = word + sizeof(uint64_t) - 1;
    }
    for (uint32_t exchange = 0; exchange < 2; exchange++) {
        for (uint32_t source = 0; source <= 3; source++) {
            for (uint32_t destination = 0; destination <= 4; destination++) {
                uint8_t *ring = gm_region_ring(&region, exchange, source, destination);
                bool there = source < 3 && (exchange == 0 ? destination < 3 : destination == 3);
                assert_int_equal(ring != NULL, there);
                if (!there)
                    continue;
                uint32_t slot_count = spec.exchanges[exchange].ring_slots;
                struct gm_ring_consumer consumer;
                assert_int_equal(gm_ring_join_consumer(ring, slot_count, &consumer), 0);
                assert_true(ring > last);
                last = ring + gm_ring_footprint(slot_count) - 1;
            }
        }
    }
    assert_null(gm_region_ring(&region, 2, 0, 0));
    assert_true((uint8_t *)region.pool > last);
    last = region.base + region.pool_offset + gm_pool_footprint(18, 6) - 1;
    for (uint32_t i = 0; i < 18; i++) {
        uint8_t *frame = gm_region_frame(&region, i);
        assert_true(frame > last);
        assert_int_equal((uintptr_t)frame % 4096, 0);
        memset(frame, 0xff, 4096);
        last = frame + 4095;
    }
    assert_true(last + GM_BYTES_SLACK < region.base + region.bytes);
    assert_null(gm_region_frame(&region, 18));
    assert_null(gm_region_frame(&region, UINT32_MAX));
    assert_int_equal(gm_pool_free_count(region.pool), 18);
    gm_region_leave(&region);
}

static void quotas_are_set_per_exchange_and_source(void **state)
{
    (void)state;
    struct gm_region_spec spec = spec_small();
    struct gm_region region;
    assert_int_equal(gm_region_create_private(&spec, &region, NULL), 0);
    for (uint32_t exchange = 0; exchange < 2; exchange++) {
        for (uint32_t source = 0; source < 3; source++) {
            uint32_t account = gm_region_account(&region, exchange, source);
            uint32_t index, count = 0;
            while (gm_pool_take(region.pool, account, &index) == 0)
                count++;
            assert_int_equal(count, spec.exchanges[exchange].quota_frames);
        }
    }
    assert_int_equal(gm_pool_free_count(region.pool), 0);
    gm_region_leave(&region);
}

/* Three nodes of one job: executors 0 and 1, executors 2 to 4, and the driver alone. */
static const uint32_t node_first[] = {0, 2, 5}, node_count[] = {2, 3, 0};

static struct gm_region_spec spec_of_node(uint32_t node)
{
    struct gm_region_spec spec = spec_small();
    spec.executor_count = 5;
    for (uint32_t i = 0; i < spec.exchange_count; i++)
        spec.exchanges[i].credit_frames = 2 + i;
    spec.exchanges[1].ring_slots = 4;
    spec.first_local = node_first[node];
    spec.local_count = node_count[node];
    spec.driver_is_local = node == 2;
    return spec;
}

static bool is_at(const struct gm_region_spec *spec, uint32_t participant)
{
    return participant == spec->executor_count ? spec->driver_is_local
                                               : gm_region_executor_is_local(spec, participant);
}

/* A ring is where one of its ends is, and nowhere else; no two lie in the same memory. */
static void a_nodes_region_has_the_rings_that_end_there(void **state)
{
    (void)state;
    for (uint32_t node = 0; node < 3; node++) {
        const struct gm_region_spec spec = spec_of_node(node);
        struct gm_region region;
        assert_int_equal(gm_region_create_private(&spec, &region, NULL), 0);
        uint32_t ring_count = 0;
        uint64_t least = UINT64_MAX, most = 0;
        for (uint32_t e = 0; e < spec.exchange_count; e++) {
            for (uint32_t s = 0; s < spec.executor_count; s++) {
                for (uint32_t d = 0; d <= spec.executor_count; d++) {
                    struct gm_ring_producer producer;
                    uint8_t *ring = gm_region_ring(&region, e, s, d);
                    const bool fits = (d == spec.executor_count) == spec.exchanges[e].to_driver;
                    assert_int_equal(ring != NULL, fits && (is_at(&spec, s) || is_at(&spec, d)));
                    if (ring == NULL)
                        continue;
                    const uint64_t offset = (uint64_t)(ring - region.base);
                    least = offset < least ? offset : least;
                    most = offset > most ? offset : most;
                    ring_count++;
                    /* Nobody else joined it yet, so it is empty; now it is not. */
                    assert_int_equal(gm_ring_join_producer(ring, 4, &producer), 0);
                    assert_int_equal(gm_ring_push(&producer, &(uint64_t){1}, 1), 1);
                    assert_int_equal(producer.write, 1);
                }
            }
        }
        assert_int_equal(most - least, (ring_count - 1) * gm_ring_footprint(4));
        assert_null(gm_region_damage(&region));
        gm_region_leave(&region);
    }
}

static void frames_of_other_nodes_have_accounts_of_their_own(void **state)
{
    (void)state;
    for (uint32_t node = 0; node < 3; node++) {
        const struct gm_region_spec spec = spec_of_node(node);
        struct gm_region region;
        assert_int_equal(gm_region_create_private(&spec, &region, NULL), 0);
        for (uint32_t e = 0; e < spec.exchange_count; e++) {
            for (uint32_t s = 0; s < spec.executor_count; s++) {
                uint32_t index, count = 0;
                while (gm_pool_take(region.pool, gm_region_account(&region, e, s), &index) == 0)
                    count++;
                const struct gm_exchange_shape *shape = &spec.exchanges[e];
                const bool arrives = shape->to_driver ? node == 2 : node != 2;
                assert_int_equal(count, is_at(&spec, s) ? shape->quota_frames
                                        : arrives       ? shape->credit_frames
                                                        : 0);
            }
        }
        assert_int_equal(gm_pool_free_count(region.pool), 0);
        gm_region_leave(&region);
    }
}

static void seats_number_who_is_at_a_node(void **state)
{
    (void)state;
    const struct gm_region_spec alone = spec_small();
    struct gm_region region;
    assert_int_equal(gm_region_create_private(&alone, &region, NULL), 0);
    assert_int_equal(gm_region_seat_count(&region.spec), 4);
    assert_false(gm_region_has_gateway(&region.spec));
    for (uint32_t i = 0; i <= 3; i++)
        assert_int_equal(gm_region_seat(&region.spec, i), i);
    gm_region_leave(&region);
    static const uint32_t seats[3][7] = {
        {0, 1, 2, 2, 2, 2, 2}, {3, 3, 0, 1, 2, 3, 3}, {1, 1, 1, 1, 1, 0, 1}};
    for (uint32_t node = 0; node < 3; node++) {
        const struct gm_region_spec spec = spec_of_node(node);
        assert_true(gm_region_has_gateway(&spec));
        assert_int_equal(gm_region_seat_count(&spec), node_count[node] + (node == 2) + 1);
        for (uint32_t i = 0; i <= 6; i++)
            assert_int_equal(gm_region_seat(&spec, i), seats[node][i]);
        assert_int_equal(gm_region_gateway(&spec), 6);
    }
}

/* Every partition is claimed once, at the node where an exchange would put it, and upwards. */
static void nodes_claim_every_partition_once(void **state)
{
    (void)state;
    enum { PARTITIONS = 17 };
    uint32_t claimed[PARTITIONS] = {0};
    for (uint32_t node = 0; node < 2; node++) {
        const struct gm_region_spec spec = spec_of_node(node);
        struct gm_region region;
        assert_int_equal(gm_region_create_private(&spec, &region, NULL), 0);
        const struct gm_claims claims = gm_claims_of(&region, 3);
        uint64_t last = 0;
        for (uint32_t i = 0;; i++) {
            const uint64_t partition = gm_claims_take(&claims);
            assert_true(i == 0 || partition > last);
            assert_true(partition >= i); /* a counter at the end has no partition in front */
            last = partition;
            if (partition >= PARTITIONS)
                break;
            claimed[partition]++;
            assert_true(gm_region_executor_is_local(&spec, (uint32_t)partition % 5));
        }
        gm_region_leave(&region);
    }
    for (uint32_t i = 0; i < PARTITIONS; i++)
        assert_int_equal(claimed[i], 1);
}

static void joined_region_is_the_same_memory(void **state)
{
    (void)state;
    struct gm_region_spec spec = spec_small();
    struct gm_region region, joined, view;
    struct gm_error error = {0};
    assert_int_equal(gm_region_create(&spec, GM_PAGES_AUTO, &region, &error), 0);
    assert_true(region.fd >= 0);
    assert_int_equal(gm_region_join(region.fd, &joined, &error), 0);
    assert_ptr_not_equal(joined.base, region.base);
    assert_int_equal(joined.frames_offset, region.frames_offset);
    assert_int_equal(joined.pages, region.pages);
    assert_memory_equal(&joined.spec, &region.spec, sizeof(spec));
    gm_region_frame(&joined, 17)[4095] = 42;
    assert_int_equal(gm_region_frame(&region, 17)[4095], 42);
    uint32_t index;
    assert_int_equal(gm_pool_take(joined.pool, 0, &index), 0);
    assert_int_equal(gm_pool_out(region.pool, 0), 1);
    gm_region_share(&joined, &view);
    assert_ptr_equal(gm_region_claim(&view, 4), gm_region_claim(&joined, 4));
    gm_region_leave(&view);
    atomic_store(gm_region_claim(&joined, 4), 7);
    assert_int_equal(atomic_load(gm_region_claim(&region, 4)), 7);
    atomic_store(gm_region_word(&joined, 36), 9);
    assert_int_equal(atomic_load(gm_region_word(&region, 36)), 9);
    /* Cut the file, and everyone who maps it would die of it. */
    assert_int_equal(ftruncate(region.fd, 4096), -1);
    gm_region_leave(&joined);
    gm_region_leave(&region);
    gm_region_leave(&region); /* left already: nothing happens */
}

static void header_that_was_written_over_is_refused(void **state)
{
    (void)state;
    struct gm_region_spec spec = spec_small();
    struct gm_region region, joined;
    struct gm_prng prng;
    gm_prng_init(&prng, 21);
    assert_int_equal(gm_region_create(&spec, GM_PAGES_OFF, &region, NULL), 0);
    assert_int_equal(region.pages, GM_PAGES_PLAIN);
    uint8_t saved[4096];
    memcpy(saved, region.base, sizeof(saved));
    uint32_t refused_count = 0;
    for (int round = 0; round < 3000; round++) {
        struct gm_error error = {0};
        uint32_t at = (uint32_t)gm_prng_below(&prng, 64);
        region.base[at] ^= (uint8_t)(1 + gm_prng_below(&prng, 255));
        if (gm_region_join(region.fd, &joined, &error) == 0) {
            /* What is believed fits the mapping. */
            assert_true(joined.frames_offset + (uint64_t)joined.frame_count *
                        joined.spec.frame_bytes + GM_BYTES_SLACK <= region.bytes);
            gm_region_leave(&joined);
        } else {
            assert_true(error.text[0] != '\0');
            refused_count++;
        }
        memcpy(region.base, saved, sizeof(saved));
    }
    assert_true(refused_count > 1000);
    memset(region.base + region.pool_offset, 0, 16);
    assert_int_equal(gm_region_join(region.fd, &joined, NULL), GM_EPEER_PROTOCOL);
    gm_region_leave(&region);
}

static void file_that_is_no_region_is_refused(void **state)
{
    (void)state;
    struct gm_region joined;
    struct gm_error error = {0};
    int fd = memfd_create("empty", MFD_CLOEXEC);
    assert_int_equal(gm_region_join(fd, &joined, &error), GM_EPEER_PROTOCOL);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    error = (struct gm_error){0};
    assert_int_equal(gm_region_join(fd, &joined, &error), GM_EPEER_PROTOCOL);
    assert_non_null(strstr(error.text, "magic"));
    close(fd);
    assert_true(gm_region_join(fd, &joined, NULL) < 0);
}

static void huge_pages_work_or_name_the_command(void **state)
{
    (void)state;
    struct gm_region_spec spec = spec_small();
    struct gm_region region;
    struct gm_error error = {0};
    if (gm_region_create(&spec, GM_PAGES_HUGE, &region, &error) == 0) {
        assert_int_equal(region.pages, GM_PAGES_HUGETLB);
        assert_int_equal(region.bytes % (2 << 20), 0);
        struct gm_region joined;
        assert_int_equal(gm_region_join(region.fd, &joined, NULL), 0);
        gm_region_leave(&joined);
        gm_region_leave(&region);
    } else {
        bool command = strstr(error.text, "| sudo tee /proc/sys/vm/nr_hugepages") != NULL;
        bool other = strstr(error.text, "--hugepages auto") != NULL;
        assert_true(command || other);
    }
    spec.frame_bytes = GM_FRAME_BYTES_MAX;
    spec.exchanges[0].quota_frames = spec.exchanges[0].ring_slots = 1 << 20;
    error = (struct gm_error){0};
    assert_true(gm_region_create(&spec, GM_PAGES_HUGE, &region, &error) < 0);
    if (strstr(error.text, "kernel has none") == NULL)
        assert_non_null(strstr(error.text, "; make them with: echo 15"));
}

/* Every byte before the frames is written over, one line at a time, and put back.  Slots, lists and
 * the ledger may hold anything; the fixed words may not. */
static void damage_is_seen_and_named(void **state)
{
    (void)state;
    struct gm_region_spec spec = {.executor_count = 2, .exchange_count = 1, .claim_count = 1,
                                  .frame_bytes = GM_FRAME_BYTES_MIN, .secret = 7};
    spec.exchanges[0] = (struct gm_exchange_shape){.quota_frames = 2, .ring_slots = 2};
    struct gm_region region;
    assert_int_equal(gm_region_create_private(&spec, &region, NULL), 0);
    assert_null(gm_region_damage(&region));
    bool header = false, pool = false, ring = false;
    for (uint64_t at = 0; at + GM_LINE_BYTES <= region.frames_offset; at += GM_LINE_BYTES) {
        uint8_t saved[GM_LINE_BYTES];
        memcpy(saved, region.base + at, sizeof saved);
        memset(region.base + at, 0xa5, sizeof saved);
        const char *what = gm_region_damage(&region);
        header = header || (what != NULL && strcmp(what, "its header") == 0);
        pool = pool || (what != NULL && strcmp(what, "its pool of frames") == 0);
        ring = ring || (what != NULL && strcmp(what, "a ring") == 0);
        memcpy(region.base + at, saved, sizeof saved);
        assert_null(gm_region_damage(&region));
    }
    assert_true(header && pool && ring);
    gm_region_leave(&region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_specs_have_no_footprint),
        cmocka_unit_test(parts_do_not_overlap),
        cmocka_unit_test(quotas_are_set_per_exchange_and_source),
        cmocka_unit_test(a_nodes_region_has_the_rings_that_end_there),
        cmocka_unit_test(frames_of_other_nodes_have_accounts_of_their_own),
        cmocka_unit_test(seats_number_who_is_at_a_node),
        cmocka_unit_test(nodes_claim_every_partition_once),
        cmocka_unit_test(joined_region_is_the_same_memory),
        cmocka_unit_test(header_that_was_written_over_is_refused),
        cmocka_unit_test(file_that_is_no_region_is_refused),
        cmocka_unit_test(huge_pages_work_or_name_the_command),
        cmocka_unit_test(damage_is_seen_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
