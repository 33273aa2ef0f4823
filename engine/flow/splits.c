/* splits.c - byte ranges of files laid end to end. */
#include "engine/flow/splits.h"

#include <stdlib.h>

#include "engine/base/check.h"

/* A partition costs about 20 us to claim and open; 1 MiB takes 2 to 4 ms to work on. */
#define SPLIT_BYTES_MIN (1u << 20)
#define SPLIT_BYTES_MAX (4u << 20)
/* Splits per executor: the last one to finish is then at most 1/256 behind. */
#define SPLITS_PER_EXECUTOR 256

static uint64_t known_bytes(const struct gm_source *source, uint32_t *ret_unknown_count)
{
    uint64_t total = 0;
    *ret_unknown_count = 0;
    for (uint32_t i = 0; i < source->file_count; i++) {
        if (source->files[i].bytes == UINT64_MAX)
            (*ret_unknown_count)++;
        else
            total += source->files[i].bytes;
    }
    return total;
}

uint32_t gm_splits_count(const struct gm_source *source, uint32_t executor_count)
{
    uint32_t unknown_count;
    const uint64_t total = known_bytes(source, &unknown_count);
    uint64_t split = total / ((uint64_t)executor_count * SPLITS_PER_EXECUTOR);
    split = split < SPLIT_BYTES_MIN ? SPLIT_BYTES_MIN : split;
    split = split > SPLIT_BYTES_MAX ? SPLIT_BYTES_MAX : split;
    uint64_t count = total / split + unknown_count;
    count = count < 1 ? 1 : count;
    return count > GM_PARTITIONS_MAX ? GM_PARTITIONS_MAX : (uint32_t)count;
}

static void add_segment(struct gm_source *source, uint32_t file, uint64_t begin, uint64_t end)
{
    source->segments[source->segment_count++] =
        (struct gm_segment){.file = file, .begin = begin, .end = end};
}

/* k T / n without overflow: T up to 2^64 / 65536 = 256 TiB. */
static uint64_t boundary(uint64_t total, uint32_t partition, uint32_t count)
{
    return (uint64_t)((__uint128_t)total * partition / count);
}

uint64_t gm_splits_make(struct gm_source *source, uint32_t partition_count)
{
    uint32_t unknown_count;
    const uint64_t total = known_bytes(source, &unknown_count);
    GM_CHECK(partition_count >= 1 && partition_count <= GM_PARTITIONS_MAX);
    source->partition_count = partition_count;
    source->partition_ends = calloc(partition_count, sizeof *source->partition_ends);
    /* Every partition boundary and every file boundary starts a segment. */
    source->segments =
        calloc((size_t)partition_count + source->file_count, sizeof *source->segments);
    GM_CHECK(source->partition_ends != NULL && source->segments != NULL);

    /* Boundaries are between records: the files' sizes are multiples of theirs. */
    const uint64_t unit = source->record_bytes > 0 ? source->record_bytes : 1;
    uint32_t file = 0;
    uint64_t file_begin = 0; /* of the current file, in the row of all files */
    uint32_t unknown_next = 0, unknown_done = 0;
    for (uint32_t partition = 0; partition < partition_count; partition++) {
        const uint64_t begin = boundary(total / unit, partition, partition_count) * unit;
        const uint64_t end = boundary(total / unit, partition + 1, partition_count) * unit;
        uint64_t at = begin;
        while (at < end) {
            const uint64_t file_bytes = source->files[file].bytes;
            if (file_bytes == UINT64_MAX || at >= file_begin + file_bytes) {
                file_begin += file_bytes == UINT64_MAX ? 0 : file_bytes;
                file++;
                continue;
            }
            const uint64_t stop =
                end < file_begin + file_bytes ? end : file_begin + file_bytes;
            add_segment(source, file, at - file_begin, stop - file_begin);
            at = stop;
        }
        /* Files of unknown size are dealt out evenly. */
        const uint32_t share = (uint32_t)((uint64_t)unknown_count * (partition + 1) /
                                          partition_count);
        for (; unknown_done < share; unknown_next++)
            if (source->files[unknown_next].bytes == UINT64_MAX) {
                add_segment(source, unknown_next, 0, UINT64_MAX);
                unknown_done++;
            }
        source->partition_ends[partition] = source->segment_count;
    }
    return total;
}
