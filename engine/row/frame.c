/* frame.c - sealing and checking of frames, and walking their runs. */
#include "engine/row/frame.h"

#include <string.h>

#include "engine/base/error.h"
#include "engine/base/hash.h"

#define FLAGS_KNOWN (GM_FRAME_END | GM_FRAME_CHECKSUM)
#define RUN_FLAGS_KNOWN (GM_RUN_FIRST | GM_RUN_LAST)

/* The seal guards against accidents, not against somebody who knows the secret: four independent
 * multiplications, of which the last ties the others to the secret. */
uint64_t gm_frame_seal(const struct gm_frame_header *header, uint64_t secret)
{
    uint64_t word[7];
    memcpy(word, header, sizeof word);
    const uint64_t a = gm_hash_fold(word[0] ^ UINT64_C(0xa0761d6478bd642f),
                                    word[1] ^ secret ^ UINT64_C(0xe7037ed1a0b428db));
    const uint64_t b = gm_hash_fold(word[2] ^ UINT64_C(0x8ebc6af09c88c6e3),
                                    word[3] ^ secret ^ UINT64_C(0x589965cc75374cc3));
    const uint64_t c = gm_hash_fold(word[4] ^ UINT64_C(0x1d8e4e27c47d124f),
                                    word[5] ^ secret ^ UINT64_C(0xeb44accab455d165));
    return gm_hash_fold(a ^ (b << 1 | b >> 63) ^ secret,
                        c ^ word[6] ^ UINT64_C(0x9e3779b97f4a7c15));
}

_Static_assert(offsetof(struct gm_frame_header, seal) == 7 * sizeof(uint64_t),
               "the seal covers what lies before it");

/* What the sizes say about each other, whoever sent them. */
static const char *check_sizes(const struct gm_frame_header *header, uint32_t frame_bytes)
{
    const uint64_t run_bytes = (uint64_t)header->run_count * sizeof(struct gm_run_header);
    if (frame_bytes < sizeof *header || header->payload_bytes > frame_bytes - sizeof *header)
        return "payload longer than a frame";
    if (run_bytes > header->payload_bytes)
        return "more runs than the payload holds";
    if (header->run_count == 0 && header->payload_bytes > 0)
        return "payload without runs";
    if (header->run_count == 0 && !(header->flags & GM_FRAME_END))
        return "no runs in a frame that is not the last";
    /* A row takes a byte at least. */
    if (header->row_count > header->payload_bytes - run_bytes)
        return "more rows than the payload holds";
    return NULL;
}

static const char *check_header(const struct gm_frame_header *header,
                                const struct gm_frame_expect *expect)
{
    if (header->magic != GM_FRAME_MAGIC)
        return "magic number";
    if (header->seal != gm_frame_seal(header, expect->secret))
        return "seal";
    if (header->attempt != expect->attempt)
        return "attempt";
    if (header->exchange != expect->exchange)
        return "exchange";
    if (header->source != expect->source)
        return "source";
    if (header->destination != expect->destination)
        return "destination";
    if (header->sequence != expect->sequence)
        return "sequence";
    if ((header->flags & ~(FLAGS_KNOWN | (expect->may_be_packed ? GM_FRAME_PACKED : 0))) != 0)
        return "unknown flags";
    if (header->reserved != 0)
        return "reserved field";
    if (!(header->flags & GM_FRAME_CHECKSUM) && header->checksum != 0)
        return "checksum without its flag";
    return check_sizes(header, expect->frame_bytes);
}

int gm_frame_check(const struct gm_frame_header *header, const struct gm_frame_expect *expect,
                   const char **ret_why)
{
    const char *why = check_header(header, expect);
    if (why == NULL)
        return 0;
    *ret_why = why;
    return GM_EFRAME_CORRUPT;
}

int gm_frame_next_run(const uint8_t *payload, uint32_t payload_bytes, uint32_t *offset,
                      struct gm_run_header *ret_run, const uint8_t **ret_rows)
{
    struct gm_run_header run;
    if (*offset == payload_bytes)
        return GM_END;
    if (*offset > payload_bytes || payload_bytes - *offset < sizeof run)
        return GM_EFRAME_CORRUPT;
    /* The payload may be shared with the process that wrote it: believe the copy, never the
     * original. */
    memcpy(&run, payload + *offset, sizeof run);
    const uint32_t rows_offset = *offset + (uint32_t)sizeof run;
    if (run.bytes > payload_bytes - rows_offset || run.partition >= GM_PARTITIONS_MAX ||
        (run.flags & ~RUN_FLAGS_KNOWN) != 0)
        return GM_EFRAME_CORRUPT;
    if (run.flags == RUN_FLAGS_KNOWN) {
        /* A row takes a byte at least. */
        if (run.row_count == 0 || run.row_count > run.bytes)
            return GM_EFRAME_CORRUPT;
    } else if (run.bytes == 0 || run.row_count != (run.flags & GM_RUN_LAST ? 1 : 0)) {
        return GM_EFRAME_CORRUPT;
    }
    *offset = rows_offset + run.bytes;
    *ret_run = run;
    *ret_rows = payload + rows_offset;
    return 0;
}
