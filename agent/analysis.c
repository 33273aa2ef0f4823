/* analysis.c - adding up what executors did. */
#include "agent/analysis.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/base/check.h"

int gm_analysis_init(struct gm_analysis *analysis, const struct gm_plan *plan)
{
    *analysis = (struct gm_analysis){.count = gm_plan_positions(plan)};
    analysis->notes = calloc(analysis->count + (size_t)1, sizeof *analysis->notes);
    return analysis->notes == NULL ? -ENOMEM : 0;
}

void gm_analysis_fini(struct gm_analysis *analysis)
{
    free(analysis->notes);
    *analysis = (struct gm_analysis){0};
}

void gm_analysis_add(struct gm_analysis *analysis, uint32_t position, uint64_t rows,
                     uint64_t bytes, uint64_t ns)
{
    GM_CHECK(position < analysis->count);
    struct gm_plan_note *note = &analysis->notes[position];
    note->rows += rows;
    note->rows_max = rows > note->rows_max ? rows : note->rows_max;
    note->bytes += bytes;
    note->ns += ns;
}

void gm_analysis_merge(struct gm_analysis *total, const struct gm_analysis *one)
{
    for (uint32_t i = 0; i < one->count; i++)
        gm_analysis_add(total, i, one->notes[i].rows, one->notes[i].bytes, one->notes[i].ns);
}

void gm_analysis_write(const struct gm_analysis *analysis, struct gm_writer *writer)
{
    for (uint32_t i = 0; i < analysis->count; i++) {
        gm_writer_u64(writer, analysis->notes[i].rows);
        gm_writer_u64(writer, analysis->notes[i].bytes);
        gm_writer_u64(writer, analysis->notes[i].ns);
    }
}

void gm_analysis_read(struct gm_analysis *total, struct gm_cursor *cursor)
{
    for (uint32_t i = 0; i < total->count; i++) {
        const uint64_t rows = gm_cursor_u64(cursor);
        const uint64_t bytes = gm_cursor_u64(cursor);
        const uint64_t ns = gm_cursor_u64(cursor);
        gm_analysis_add(total, i, rows, bytes, ns);
    }
}
