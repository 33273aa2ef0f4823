/* fuzz_frame.c - frames that anybody may have written.
 *
 * The first byte says whether the header gets a good seal, so that what is behind the seal is
 * reached too; then a header and its payload.  Checking must not fail in any other way than by
 * its code, and the runs of an accepted frame must lie in its payload.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/row/frame.h"
#include "tests/fuzz/target.h"

#define SECRET UINT64_C(0xfeedbeefcafe)

static void walk(const uint8_t *payload, uint32_t payload_bytes)
{
    struct gm_run_header run;
    const uint8_t *rows;
    uint32_t offset = 0;
    int rc;
    while ((rc = gm_frame_next_run(payload, payload_bytes, &offset, &run, &rows)) == 0) {
        GM_CHECK(rows >= payload + sizeof run);
        GM_CHECK(rows + run.bytes == payload + offset);
        GM_CHECK(offset <= payload_bytes);
    }
    GM_CHECK(rc == GM_END || rc == GM_EFRAME_CORRUPT);
    if (rc == GM_END)
        GM_CHECK(offset == payload_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct gm_frame_header header;
    if (bytes < 1 + sizeof header)
        return 0;
    const uint8_t how = data[0];
    memcpy(&header, data + 1, sizeof header);
    const size_t payload_bytes = bytes - 1 - sizeof header;
    if (how & 1) {
        header.magic = GM_FRAME_MAGIC;
        header.reserved = 0;
        header.flags &= GM_FRAME_END | GM_FRAME_CHECKSUM;
    }
    if (how & 2)
        header.payload_bytes = (uint32_t)payload_bytes;
    if (how & 4)
        header.seal = gm_frame_seal(&header, SECRET);
    const struct gm_frame_expect expect = {.exchange = header.exchange,
                                           .source = header.source,
                                           .destination = header.destination,
                                           .attempt = header.attempt,
                                           .sequence = header.sequence,
                                           .secret = SECRET,
                                           .frame_bytes = GM_FRAME_BYTES_DEFAULT};
    const char *why = NULL;
    const int rc = gm_frame_check(&header, &expect, &why);
    GM_CHECK(rc == 0 || (rc == GM_EFRAME_CORRUPT && why != NULL));
    /* A receiver walks what it has of the payload, never more than the header says. */
    if (rc == 0 && header.payload_bytes <= payload_bytes)
        walk(data + 1 + sizeof header, header.payload_bytes);
    walk(data, (uint32_t)bytes);
    return 0;
}
