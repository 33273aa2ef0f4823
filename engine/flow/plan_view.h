/* plan_view.h - a plan for a person: as text, as a graph for Graphviz, as a picture.
 *
 * Threads: any, over a plan that nobody changes.
 * Memory:  malloc, given back before return; driver only.
 *
 * All three print the same lines: those of gm_plan_print.  A plan that has run may have notes: what
 * each position of it did, summed over all executors.  The positions of a plan are, chain by chain,
 * its source (with a fused kernel), its steps, and its exchange as the sender sees it.
 */
#ifndef GM_FLOW_PLAN_VIEW_H
#define GM_FLOW_PLAN_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/flow/plan.h"

enum gm_plan_form { GM_PLAN_TEXT, GM_PLAN_DOT, GM_PLAN_SVG };

/* "text", "dot" or "svg".  Returns 0 or -EINVAL. */
int gm_plan_form_parse(const char *name, enum gm_plan_form *ret_form);

/* What one position handed on. */
struct gm_plan_note {
    uint64_t rows;
    uint64_t rows_max; /* of the executor that had most of them */
    uint64_t bytes;    /* of values; of an exchange: as they were sent */
    uint64_t ns;       /* in its calls; of all executors added up */
};

struct gm_plan_notes {
    const struct gm_plan_note *notes; /* gm_plan_positions of them; borrowed */
    uint32_t executor_count;
};

/* Positions of all chains together, and of those before `chain`. */
uint32_t gm_plan_positions(const struct gm_plan *plan);
uint32_t gm_plan_position(const struct gm_plan *plan, uint32_t chain);

/* Share of all calls' time, 0 to 1. */
double gm_plan_time_share(const struct gm_plan *plan, const struct gm_plan_notes *notes,
                          uint32_t position);
/* Rows of the executor with most, divided by the mean: 1 when all had the same; 0 for no rows. */
double gm_plan_skew(const struct gm_plan_notes *notes, uint32_t position);

/* Writes the plan.  notes may be NULL.  Returns 0 or -ENOMEM with nothing useful written; errors
 * of the stream stay with the stream. */
int gm_plan_show(const struct gm_plan *plan, uint32_t executor_count, enum gm_plan_form form,
                 const struct gm_plan_notes *notes, FILE *file);

/* The forms alone. */
int gm_plan_print_notes(const struct gm_plan *plan, uint32_t executor_count,
                        const struct gm_plan_notes *notes, FILE *file);
int gm_plan_print_dot(const struct gm_plan *plan, uint32_t executor_count,
                      const struct gm_plan_notes *notes, FILE *file);
int gm_plan_print_svg(const struct gm_plan *plan, uint32_t executor_count,
                      const struct gm_plan_notes *notes, FILE *file);

/* One line of gm_plan_print, taken apart. */
struct gm_plan_line {
    char *label;  /* "reduce 'sum' by column 1 with sum_int64"; owned */
    char *schema; /* "word bytes, n i64"; "" of an exchange; owned */
    const char *where; /* file:line; "" when nobody knows; borrowed from the plan */
};

/* The line at a position of a chain: 0 its source, then its steps, then its exchange.  Returns 0
 * or -ENOMEM; the caller calls gm_plan_line_fini in both cases. */
int gm_plan_line_make(const struct gm_plan *plan, uint32_t chain, uint32_t position,
                      struct gm_plan_line *ret_line);
void gm_plan_line_fini(struct gm_plan_line *line);

/* "12.3 M rows, 4.0 MiB, 12 %, skew 1.05" */
void gm_plan_note_format(const struct gm_plan *plan, const struct gm_plan_notes *notes,
                         uint32_t position, char *text, size_t text_bytes);

/* What stands above a picture, which is of the last phase: it says so where others fill the cached
 * datasets that this one reads. */
void gm_plan_title(const struct gm_plan *plan, uint32_t executor_count, char *text,
                   size_t text_bytes);

/* Whether an exchange is what the chain reads: the edges of the graph. */
bool gm_plan_feeds(const struct gm_plan *plan, uint32_t exchange, uint32_t chain);

#endif
