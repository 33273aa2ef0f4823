/* csv_parity.c - one fetch_add per piece: the count in the low 63 bits, and in the highest one the
 * parity, whose carry falls off. */
#include "agent/csv_parity.h"

#include "engine/base/check.h"
#include "shuffle/link.h"

#define PARITY_BIT (UINT64_C(1) << 63)

static const struct gm_segment *segment_at(const struct gm_csv_parity_view *view, uint32_t segment)
{
    return &view->source->segments[segment];
}

static _Atomic uint64_t *word_of(const struct gm_csv_parity_view *view, uint32_t segment)
{
    return gm_region_word(view->region, view->source->csv->words_begin + 1 + segment);
}

void gm_csv_parity_init(struct gm_csv_parity_view *view, const struct gm_source *source,
                        const struct gm_region *region, const struct gm_bell *bell,
                        uint16_t participant)
{
    *view = (struct gm_csv_parity_view){.source = source,
                                        .region = region,
                                        .bell = bell,
                                        .participant = participant,
                                        .file = UINT32_MAX};
}

bool gm_csv_parity_wanted(const struct gm_csv_parity_view *view, uint32_t segment)
{
    const struct gm_segment *range = segment_at(view, segment);
    return view->source->csv->parity != GM_CSV_PARITY_NONE && range->end != UINT64_MAX &&
           range->end < view->source->files[range->file].bytes;
}

void gm_csv_parity_add(const struct gm_csv_parity_view *view, uint32_t segment, uint64_t bytes,
                       uint64_t quotes)
{
    const struct gm_segment *range = segment_at(view, segment);
    const uint64_t before = atomic_fetch_add_explicit(
        word_of(view, segment), bytes + (quotes % 2 == 1 ? PARITY_BIT : 0), memory_order_acq_rel);
    if ((before & ~PARITY_BIT) + bytes == range->end - range->begin)
        gm_link_wake_sleepers(view->region, view->bell, view->participant);
}

/* Begins to add up from the file's first segment. */
static void start_file(struct gm_csv_parity_view *view, uint32_t segment)
{
    view->file = segment_at(view, segment)->file;
    view->inside = false;
    /* Streams, which have no such segments, may stand between those of a file. */
    while (segment > 0 && (segment_at(view, segment - 1)->file == view->file ||
                           segment_at(view, segment - 1)->end == UINT64_MAX))
        segment--;
    view->segment = segment;
}

bool gm_csv_parity_at(struct gm_csv_parity_view *view, uint32_t segment, bool *ret_inside)
{
    const uint32_t file = segment_at(view, segment)->file;
    if (segment_at(view, segment)->begin == 0 ||
        view->source->csv->parity == GM_CSV_PARITY_NONE) {
        *ret_inside = false;
        return true;
    }
    if (view->file != file || view->segment > segment)
        start_file(view, segment);
    for (; view->segment < segment; view->segment++) {
        const struct gm_segment *range = segment_at(view, view->segment);
        if (range->file != file)
            continue;
        const uint64_t word =
            atomic_load_explicit(word_of(view, view->segment), memory_order_acquire);
        if ((word & ~PARITY_BIT) != range->end - range->begin)
            return false;
        view->inside ^= (word & PARITY_BIT) != 0;
    }
    *ret_inside = view->inside;
    return true;
}

bool gm_csv_parity_claim(struct gm_csv_parity_view *view, uint32_t *ret_segment,
                         uint64_t *ret_begin, uint64_t *ret_end)
{
    GM_CHECK(view->source->csv->parity == GM_CSV_PARITY_AHEAD);
    _Atomic uint64_t *claim = gm_region_word(view->region, view->source->csv->words_begin);
    const uint64_t piece = atomic_fetch_add_explicit(claim, 1, memory_order_relaxed);
    /* Pieces are numbered through the segments that are wanted; claims only grow. */
    for (; view->piece_segment < view->source->segment_count; view->piece_segment++) {
        const struct gm_segment *range = segment_at(view, view->piece_segment);
        if (!gm_csv_parity_wanted(view, view->piece_segment))
            continue;
        const uint64_t bytes = range->end - range->begin;
        const uint64_t pieces = (bytes + GM_CSV_PIECE_BYTES - 1) / GM_CSV_PIECE_BYTES;
        if (piece - view->piece >= pieces) {
            view->piece += pieces;
            continue;
        }
        const uint64_t offset = (piece - view->piece) * GM_CSV_PIECE_BYTES;
        *ret_segment = view->piece_segment;
        *ret_begin = range->begin + offset;
        *ret_end = bytes - offset < GM_CSV_PIECE_BYTES ? range->end
                                                       : *ret_begin + GM_CSV_PIECE_BYTES;
        return true;
    }
    return false;
}
