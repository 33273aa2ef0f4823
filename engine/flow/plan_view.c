/* plan_view.c - lines and notes of a plan, and the text with notes. */
#include "engine/flow/plan_view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/readable.h"
#include "engine/base/text.h"

int gm_plan_form_parse(const char *name, enum gm_plan_form *ret_form)
{
    static const char *const names[] = {
        [GM_PLAN_TEXT] = "text", [GM_PLAN_DOT] = "dot", [GM_PLAN_SVG] = "svg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *ret_form = (enum gm_plan_form)i;
            return 0;
        }
    return -EINVAL;
}

/* ---- positions and notes --------------------------------------------------------------------- */

uint32_t gm_plan_position(const struct gm_plan *plan, uint32_t chain)
{
    uint32_t count = 0;
    for (uint32_t c = 0; c < chain; c++)
        count += plan->chains[c].step_count + 2;
    return count;
}

uint32_t gm_plan_positions(const struct gm_plan *plan)
{
    return gm_plan_position(plan, plan->chain_count);
}

double gm_plan_time_share(const struct gm_plan *plan, const struct gm_plan_notes *notes,
                          uint32_t position)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < gm_plan_positions(plan); i++)
        all += notes->notes[i].ns;
    return all > 0 ? (double)notes->notes[position].ns / (double)all : 0;
}

double gm_plan_skew(const struct gm_plan_notes *notes, uint32_t position)
{
    const struct gm_plan_note *note = &notes->notes[position];
    if (note->rows == 0)
        return 0;
    return (double)note->rows_max * notes->executor_count / (double)note->rows;
}

void gm_plan_note_format(const struct gm_plan *plan, const struct gm_plan_notes *notes,
                         uint32_t position, char *text, size_t text_bytes)
{
    const struct gm_plan_note *note = &notes->notes[position];
    char rows[32], bytes[32], percent[32], skew[32];
    gm_readable_count(note->rows, rows, sizeof rows);
    gm_text_format_size(note->bytes, bytes, sizeof bytes);
    gm_readable_fixed(gm_plan_time_share(plan, notes, position) * 100, 1, percent,
                      sizeof percent);
    gm_readable_fixed(gm_plan_skew(notes, position), 2, skew, sizeof skew);
    snprintf(text, text_bytes, "%s row%s, %s, %s %% of the time%s%s", rows,
             note->rows == 1 ? "" : "s", bytes, percent, note->rows > 0 ? ", skew " : "",
             note->rows > 0 ? skew : "");
}

bool gm_plan_feeds(const struct gm_plan *plan, uint32_t exchange, uint32_t chain)
{
    const struct gm_source *source = &plan->chains[chain].source;
    for (uint32_t i = 0; source->kind == GM_SOURCE_EXCHANGE && i < source->input_count; i++)
        if (source->inputs[i].exchange == exchange)
            return true;
    return false;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Cuts the tail off a text that ends with it. */
static void cut_tail(char *text, const char *mark, const char *tail)
{
    const size_t length = strlen(text), mark_length = strlen(mark), tail_length = strlen(tail);
    if (length >= mark_length + tail_length &&
        strcmp(text + length - tail_length, tail) == 0 &&
        strncmp(text + length - tail_length - mark_length, mark, mark_length) == 0)
        text[length - tail_length - mark_length] = '\0';
}

/* The last "-> " of a line stands before the schema, whose names have no blanks. */
static int split_schema(struct gm_plan_line *line)
{
    char *arrow = NULL;
    for (char *next = line->label; (next = strstr(next, " -> ")) != NULL; next++)
        arrow = next;
    line->schema = strdup(arrow != NULL ? arrow + strlen(" -> ") : "");
    if (arrow != NULL)
        *arrow = '\0';
    return line->schema == NULL ? -ENOMEM : 0;
}

int gm_plan_line_make(const struct gm_plan *plan, uint32_t chain, uint32_t position,
                      struct gm_plan_line *ret_line)
{
    const struct gm_chain_plan *of = &plan->chains[chain];
    size_t bytes = 0;
    *ret_line = (struct gm_plan_line){.where = ""};
    FILE *file = open_memstream(&ret_line->label, &bytes);
    if (file == NULL)
        return -ENOMEM;
    if (position == 0) {
        gm_plan_print_source(&of->source, file);
    } else if (position <= of->step_count) {
        gm_plan_print_step(&of->steps[position - 1], file);
        ret_line->where = of->steps[position - 1].where;
    } else {
        gm_plan_print_exchange(&plan->exchanges[of->exchange], of->exchange, file);
    }
    if (fclose(file) != 0)
        return -ENOMEM;
    char *text = ret_line->label;
    const size_t skipped = strspn(text, " =>");
    memmove(text, text + skipped, strlen(text) - skipped + 1);
    cut_tail(text, "", "\n");
    if (ret_line->where[0] != '\0')
        cut_tail(text, "   # ", ret_line->where);
    if (position <= of->step_count)
        return split_schema(ret_line);
    ret_line->schema = strdup("");
    return ret_line->schema == NULL ? -ENOMEM : 0;
}

void gm_plan_line_fini(struct gm_plan_line *line)
{
    free(line->label);
    free(line->schema);
    *line = (struct gm_plan_line){.where = ""};
}

/* ---- the text with notes --------------------------------------------------------------------- */

static void print_note(const struct gm_plan *plan, const struct gm_plan_notes *notes,
                       uint32_t position, FILE *file)
{
    const struct gm_plan_note *note = &notes->notes[position];
    char bytes[32], percent[32], skew[32] = "-";
    gm_text_format_size(note->bytes, bytes, sizeof bytes);
    gm_readable_fixed(gm_plan_time_share(plan, notes, position) * 100, 1, percent,
                      sizeof percent);
    if (note->rows > 0)
        gm_readable_fixed(gm_plan_skew(notes, position), 2, skew, sizeof skew);
    fprintf(file, "%14" PRIu64 "  %10s  %5s %%  %6s", note->rows, bytes, percent, skew);
}

void gm_plan_title(const struct gm_plan *plan, uint32_t executor_count, char *text,
                   size_t text_bytes)
{
    bool reads_cached = false;
    for (uint32_t c = 0; c < plan->chain_count; c++)
        reads_cached = reads_cached || gm_source_is_kept(&plan->chains[c].source);
    snprintf(text, text_bytes, "%s, %u executor%s%s", plan->name, executor_count,
             executor_count == 1 ? "" : "s",
             reads_cached ? ", behind the plans that fill what is cached (--plan as text has them)"
                          : "");
}

int gm_plan_print_notes(const struct gm_plan *plan, uint32_t executor_count,
                        const struct gm_plan_notes *notes, FILE *file)
{
    fprintf(file, "flow '%s': %u chain%s, %u executor%s\n", plan->name, plan->chain_count,
            plan->chain_count == 1 ? "" : "s", executor_count, executor_count == 1 ? "" : "s");
    fprintf(file, "%14s  %10s  %7s  %6s\n", "rows out", "bytes out", "time", "skew");
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        fprintf(file, "chain %u\n", c);
        const uint32_t first = gm_plan_position(plan, c);
        for (uint32_t p = 0; p < plan->chains[c].step_count + 2; p++) {
            struct gm_plan_line line;
            int rc = gm_plan_line_make(plan, c, p, &line);
            if (rc == 0) {
                const bool sent = p == plan->chains[c].step_count + 1;
                print_note(plan, notes, first + p, file);
                fprintf(file, "  %s%s%s%s\n", sent ? "=> " : "", line.label,
                        line.schema[0] != '\0' ? " -> " : "", line.schema);
            }
            gm_plan_line_fini(&line);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

int gm_plan_show(const struct gm_plan *plan, uint32_t executor_count, enum gm_plan_form form,
                 const struct gm_plan_notes *notes, FILE *file)
{
    if (form == GM_PLAN_DOT)
        return gm_plan_print_dot(plan, executor_count, notes, file);
    if (form == GM_PLAN_SVG)
        return gm_plan_print_svg(plan, executor_count, notes, file);
    if (notes != NULL)
        return gm_plan_print_notes(plan, executor_count, notes, file);
    gm_plan_print(plan, executor_count, file);
    return 0;
}
