/* spill_rig.h - a rig whose operator has a disk queue over a virtual disk; and the queue alone.
 * Included behind rig.h. */
#ifndef GM_TESTS_SPILL_RIG_H
#define GM_TESTS_SPILL_RIG_H

#include "shuffle/spill.h"
#include "tests/unit/shuffle/fake_spill_disk.h"

struct spill_rig {
    struct fake_spill_disk *disk;
    struct gm_spill_store *store;
};

static const char *const spill_rig_directories[] = {"/fake"};

static inline struct gm_spill spill_rig_open(struct spill_rig *spill, struct gm_heap *heap,
                                             uint32_t windows_max, struct gm_error *error)
{
    const struct gm_spill_spec spec = {
        .directories = spill_rig_directories,
        .directory_count = 1,
        .block_bytes = GM_SPILL_BLOCK_BYTES_MIN,
        .windows_max = windows_max,
        .secret = 5,
        .disk = {.ops = &fake_spill_ops, .self = spill->disk},
        .heap = heap,
        .error = error,
    };
    assert_int_equal(gm_spill_store_create(&spec, &spill->store), 0);
    return gm_spill_store_port(spill->store);
}

static inline void spill_rig_opened(struct rig *rig)
{
    rig->spill = spill_rig_open(rig->spill_rig, &rig->heap, 16, &rig->error);
}

static inline void spill_rig_closed(struct rig *rig)
{
    struct spill_rig *spill = rig->spill_rig;
    gm_spill_store_destroy(spill->store);
}

/* Before rig_open: the operator may use three quarters of its heap. */
static inline void spill_rig_use(struct spill_rig *spill, struct rig *rig,
                                 struct fake_spill_disk *disk, uint64_t heap_bytes)
{
    *spill = (struct spill_rig){.disk = disk};
    rig->spill_rig = spill;
    rig->spill_open = spill_rig_opened;
    rig->spill_close = spill_rig_closed;
    rig->spill_at_bytes = heap_bytes / 4 * 3;
}

#endif
