/* plan_svg.c - a plan as a picture: a box per chain with its steps, an edge per exchange.
 *
 * Widths are reckoned, not measured: the font is fixed, and a character takes CHAR_WIDTH.
 */
#include "engine/flow/plan_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/utf8.h"
#include "engine/flow/plan_layout.h"

/* Of a 12 pixel DejaVu Sans Mono, which is as wide as these fonts get. */
#define CHAR_WIDTH 7.25
#define LINE_HEIGHT 16.0
#define PADDING 10.0
#define MARGIN 24.0
#define TITLE_HEIGHT 28.0
#define LINE_CHARACTERS 64
#define LABEL_CHARACTERS 48
#define LABEL_LINES_MAX 8
#define BAR_HEIGHT 3.0
#define LABEL_GAP 10.0
#define BEND_HEIGHT 36.0

enum style { STYLE_HEAD, STYLE_STEP, STYLE_MORE, STYLE_SCHEMA, STYLE_NOTE };

struct line {
    char *text; /* owned */
    enum style style;
    double share; /* of the time, drawn as a bar below a note */
};

struct lines {
    struct line *items;
    uint32_t count, room;
};

/* What a box or an edge says. */
struct drawing {
    const struct gm_plan *plan;
    const struct gm_plan_notes *notes;
    struct gm_plan_layout layout;
    struct lines *boxes; /* layout.box_count */
    struct lines *edges; /* layout.edge_count */
};

/* ---- lines ----------------------------------------------------------------------------------- */

static int add_line(struct lines *lines, const char *text, size_t bytes, enum style style,
                    double share)
{
    if (lines->count == lines->room) {
        const uint32_t room = lines->room > 0 ? lines->room * 2 : 16;
        struct line *items = realloc(lines->items, room * sizeof *items);
        if (items == NULL)
            return -ENOMEM;
        lines->items = items;
        lines->room = room;
    }
    char *copy = strndup(text, bytes);
    if (copy == NULL)
        return -ENOMEM;
    lines->items[lines->count++] = (struct line){.text = copy, .style = style, .share = share};
    return 0;
}

/* Breaks a text into lines of at most `characters`, at a blank where there is one. */
static int add_wrapped(struct lines *lines, const char *text, size_t characters,
                       enum style style, enum style next_style)
{
    int rc = 0;
    for (uint32_t i = 0; i < LABEL_LINES_MAX && *text != '\0' && rc == 0; i++) {
        size_t bytes = gm_utf8_prefix(text, characters);
        if (text[bytes] != '\0') {
            size_t blank = bytes;
            while (blank > 0 && text[blank] != ' ')
                blank--;
            bytes = blank > 0 ? blank : bytes;
        }
        rc = add_line(lines, text, bytes, i == 0 ? style : next_style, 0);
        text += bytes;
        text += strspn(text, " ");
    }
    return rc;
}

static void free_lines(struct lines *lines)
{
    for (uint32_t i = 0; i < lines->count; i++)
        free(lines->items[i].text);
    free(lines->items);
}

static double lines_width(const struct lines *lines)
{
    size_t most = 0;
    for (uint32_t i = 0; i < lines->count; i++) {
        const size_t indent = lines->items[i].style > STYLE_STEP ? 2 : 0;
        const size_t length = gm_utf8_length(lines->items[i].text) + indent;
        most = length > most ? length : most;
    }
    return (double)most * CHAR_WIDTH + 2 * PADDING;
}

/* ---- what is said ---------------------------------------------------------------------------- */

static int say_position(const struct drawing *drawing, uint32_t chain, uint32_t position,
                        size_t characters, struct lines *lines)
{
    struct gm_plan_line line;
    int rc = gm_plan_line_make(drawing->plan, chain, position, &line);
    if (rc == 0)
        rc = add_wrapped(lines, line.label, characters, STYLE_STEP, STYLE_MORE);
    if (rc == 0 && line.schema[0] != '\0')
        rc = add_wrapped(lines, line.schema, characters, STYLE_SCHEMA, STYLE_SCHEMA);
    gm_plan_line_fini(&line);
    if (rc == 0 && drawing->notes != NULL) {
        const uint32_t at = gm_plan_position(drawing->plan, chain) + position;
        char text[160];
        gm_plan_note_format(drawing->plan, drawing->notes, at, text, sizeof text);
        rc = add_line(lines, text, strlen(text), STYLE_NOTE,
                      gm_plan_time_share(drawing->plan, drawing->notes, at));
    }
    return rc;
}

static int say_chain(struct drawing *drawing, uint32_t chain)
{
    struct lines *lines = &drawing->boxes[chain];
    char head[32];
    snprintf(head, sizeof head, "chain %u", chain);
    int rc = add_line(lines, head, strlen(head), STYLE_HEAD, 0);
    for (uint32_t p = 0; p <= drawing->plan->chains[chain].step_count && rc == 0; p++)
        rc = say_position(drawing, chain, p, LINE_CHARACTERS, lines);
    return rc;
}

static uint32_t count_edges(const struct gm_plan *plan)
{
    uint32_t count = 0;
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        const uint32_t exchange = plan->chains[c].exchange;
        count += plan->exchanges[exchange].kind == GM_EXCHANGE_OUTPUT;
        for (uint32_t to = 0; to < plan->chain_count; to++)
            count += gm_plan_feeds(plan, exchange, to);
    }
    return count;
}

static int add_edge(struct drawing *drawing, uint32_t *index, uint32_t from, uint32_t to)
{
    drawing->layout.edges[*index].from = from;
    drawing->layout.edges[*index].to = to;
    return say_position(drawing, from, drawing->plan->chains[from].step_count + 1,
                        LABEL_CHARACTERS, &drawing->edges[(*index)++]);
}

/* Boxes are the chains, then a box for each chain that feeds an output, in their order. */
static int say_all(struct drawing *drawing)
{
    const struct gm_plan *plan = drawing->plan;
    uint32_t edge = 0, box = plan->chain_count;
    int rc = 0;
    for (uint32_t c = 0; c < plan->chain_count && rc == 0; c++) {
        const struct gm_exchange_plan *exchange = &plan->exchanges[plan->chains[c].exchange];
        rc = say_chain(drawing, c);
        for (uint32_t to = 0; to < plan->chain_count && rc == 0; to++)
            if (gm_plan_feeds(plan, plan->chains[c].exchange, to))
                rc = add_edge(drawing, &edge, c, to);
        if (rc == 0 && exchange->kind == GM_EXCHANGE_OUTPUT) {
            char text[32];
            snprintf(text, sizeof text, "output %u", exchange->output);
            rc = add_line(&drawing->boxes[box], text, strlen(text), STYLE_HEAD, 0);
            if (rc == 0)
                rc = add_edge(drawing, &edge, c, box++);
        }
    }
    return rc;
}

static uint32_t count_outputs(const struct gm_plan *plan)
{
    uint32_t count = 0;
    for (uint32_t c = 0; c < plan->chain_count; c++)
        count += plan->exchanges[plan->chains[c].exchange].kind == GM_EXCHANGE_OUTPUT;
    return count;
}

/* Room between two layers for the largest label of an edge, and for its bend below. */
static void set_sizes(struct drawing *drawing)
{
    struct gm_plan_layout *layout = &drawing->layout;
    uint32_t most = 1;
    for (uint32_t i = 0; i < layout->box_count; i++) {
        layout->boxes[i].width = lines_width(&drawing->boxes[i]);
        layout->boxes[i].height = drawing->boxes[i].count * LINE_HEIGHT + PADDING;
    }
    for (uint32_t i = 0; i < layout->edge_count; i++) {
        struct gm_plan_layout_box *from = &layout->boxes[layout->edges[i].from];
        const double width = lines_width(&drawing->edges[i]);
        from->width = width > from->width ? width : from->width;
        most = drawing->edges[i].count > most ? drawing->edges[i].count : most;
    }
    layout->gap_y = LABEL_GAP + most * LINE_HEIGHT + 4 + BEND_HEIGHT;
    layout->gap_x = 32;
}

/* ---- drawing --------------------------------------------------------------------------------- */

/* XML has no control characters but three, and no U+FFFE and U+FFFF, not even escaped. */
static void print_escaped(const char *text, FILE *file)
{
    while (*text != '\0') {
        const size_t bytes = gm_utf8_bytes(text);
        const unsigned char first = (unsigned char)*text;
        if (bytes == 0 || first < 0x20 || first == 0x7f || strncmp(text, "\xef\xbf\xbe", 3) == 0 ||
            strncmp(text, "\xef\xbf\xbf", 3) == 0)
            fputs(GM_UTF8_BAD, file);
        else if (first == '<')
            fputs("&lt;", file);
        else if (first == '>')
            fputs("&gt;", file);
        else if (first == '&')
            fputs("&amp;", file);
        else if (first == '"')
            fputs("&quot;", file);
        else
            fwrite(text, 1, bytes, file);
        text += bytes > 0 ? bytes : 1;
    }
}

static const char *const style_names[] = {[STYLE_HEAD] = "head",
                                          [STYLE_STEP] = "step",
                                          [STYLE_MORE] = "step",
                                          [STYLE_SCHEMA] = "schema",
                                          [STYLE_NOTE] = "note"};

static void draw_lines(const struct lines *lines, double x, double y, double width, FILE *file)
{
    for (uint32_t i = 0; i < lines->count; i++) {
        const struct line *line = &lines->items[i];
        const double indent = line->style > STYLE_STEP ? 2 * CHAR_WIDTH : 0;
        const double base = y + (i + 1) * LINE_HEIGHT - 3;
        fprintf(file, "<text class=\"%s\" x=\"%.0f\" y=\"%.0f\">", style_names[line->style],
                x + indent, base);
        print_escaped(line->text, file);
        fputs("</text>\n", file);
        if (line->share > 0)
            fprintf(file,
                    "<rect class=\"share\" x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" "
                    "height=\"%.0f\"/>\n",
                    x + indent, base + 3, (width - indent) * line->share, BAR_HEIGHT - 1);
    }
}

static void draw_box(const struct drawing *drawing, uint32_t index, FILE *file)
{
    const struct gm_plan_layout_box *box = &drawing->layout.boxes[index];
    const struct lines *lines = &drawing->boxes[index];
    const bool output = index >= drawing->plan->chain_count;
    const double x = box->x + MARGIN, y = box->y + MARGIN + TITLE_HEIGHT;
    fprintf(file,
            "<rect class=\"%s\" x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" rx=\"%d\"/>\n",
            output ? "output" : "chain", x, y, box->width, box->height, output ? 12 : 4);
    draw_lines(lines, output ? x + (box->width - lines_width(lines)) / 2 + PADDING : x + PADDING,
               y + PADDING / 2, box->width - 2 * PADDING, file);
}

/* Straight down past the label and beside the boxes of the layer, then a bend to what stands in the
 * next one; through the bends to the upper edge of the other box. */
static void draw_edge(const struct drawing *drawing, uint32_t index, FILE *file)
{
    const struct gm_plan_layout *layout = &drawing->layout;
    const struct gm_plan_layout_edge *edge = &layout->edges[index];
    const struct gm_plan_layout_box *from = &layout->boxes[edge->from];
    double x = from->x + from->width / 2 + MARGIN;
    fprintf(file, "<path class=\"edge\" marker-end=\"url(#arrow)\" d=\"M %.0f %.0f", x,
            from->y + from->height + MARGIN + TITLE_HEIGHT);
    for (uint32_t i = 0; i <= edge->bend_count; i++) {
        const struct gm_plan_layout_box *to =
            &layout->boxes[i < edge->bend_count ? edge->bend_first + i : edge->to];
        const double to_x = to->x + to->width / 2 + MARGIN;
        const double to_y = to->y + MARGIN + TITLE_HEIGHT;
        fprintf(file, " L %.0f %.0f C %.0f %.0f %.0f %.0f %.0f %.0f", x, to_y - BEND_HEIGHT, x,
                to_y - BEND_HEIGHT / 2, to_x, to_y - BEND_HEIGHT / 2, to_x, to_y);
        x = to_x;
    }
    fputs("\"/>\n", file);
}

/* Right below the box, which is as wide as it: labels never meet.  Edges that leave one box are of
 * one exchange, and have one label. */
static void draw_label(const struct drawing *drawing, uint32_t index, FILE *file)
{
    const struct gm_plan_layout *layout = &drawing->layout;
    const struct lines *lines = &drawing->edges[index];
    const struct gm_plan_layout_box *from = &layout->boxes[layout->edges[index].from];
    if (index > 0 && layout->edges[index - 1].from == layout->edges[index].from)
        return;
    const double width = lines_width(lines), height = lines->count * LINE_HEIGHT + 4;
    const double x = from->x + from->width / 2 - width / 2 + MARGIN;
    const double y = from->y + from->height + LABEL_GAP + MARGIN + TITLE_HEIGHT;
    fprintf(file,
            "<rect class=\"label\" x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\"/>\n", x, y,
            width, height);
    draw_lines(lines, x + PADDING, y, width - 2 * PADDING, file);
}

static void draw_head(const struct drawing *drawing, uint32_t executor_count, FILE *file)
{
    char title[256];
    gm_plan_title(drawing->plan, executor_count, title, sizeof title);
    const double title_width = (double)gm_utf8_length(title) * CHAR_WIDTH * 1.2;
    double width = drawing->layout.width > title_width ? drawing->layout.width : title_width;
    width += 2 * MARGIN;
    const double height = drawing->layout.height + 2 * MARGIN + TITLE_HEIGHT;
    fprintf(file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
            "viewBox=\"0 0 %.0f %.0f\">\n<title>",
            width, height, width, height);
    print_escaped(title, file);
    fputs("</title>\n<style>\n"
          "text { font: 12px \"DejaVu Sans Mono\", Menlo, Consolas, monospace; fill: #222; }\n"
          "text.title { font-size: 14px; font-weight: bold; }\n"
          "text.head { font-weight: bold; fill: #1f4e79; }\n"
          "text.schema { fill: #666; }\n"
          "text.note { fill: #8a4b00; }\n"
          "rect.paper { fill: #fff; }\n"
          "rect.chain { fill: #f4f8fc; stroke: #1f4e79; stroke-width: 1.2; }\n"
          "rect.output { fill: #f3f9f1; stroke: #3c763d; stroke-width: 1.2; }\n"
          "rect.label { fill: #fff; fill-opacity: 0.92; }\n"
          "rect.share { fill: #e08a1e; }\n"
          "path.edge { fill: none; stroke: #444; stroke-width: 1.3; }\n"
          "</style>\n"
          "<defs><marker id=\"arrow\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" "
          "markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">"
          "<path d=\"M 0 0 L 10 5 L 0 10 z\" fill=\"#444\"/></marker></defs>\n", file);
    fprintf(file, "<rect class=\"paper\" width=\"%.0f\" height=\"%.0f\"/>\n", width, height);
    fprintf(file, "<text class=\"title\" x=\"%.0f\" y=\"%.0f\">", MARGIN, MARGIN + 4);
    print_escaped(title, file);
    fputs("</text>\n", file);
}

static void draw_all(const struct drawing *drawing, uint32_t executor_count, FILE *file)
{
    draw_head(drawing, executor_count, file);
    for (uint32_t i = 0; i < drawing->layout.edge_count; i++)
        draw_edge(drawing, i, file);
    for (uint32_t i = 0; i < drawing->layout.box_count; i++)
        draw_box(drawing, i, file);
    for (uint32_t i = 0; i < drawing->layout.edge_count; i++)
        draw_label(drawing, i, file);
    fputs("</svg>\n", file);
}

int gm_plan_print_svg(const struct gm_plan *plan, uint32_t executor_count,
                      const struct gm_plan_notes *notes, FILE *file)
{
    struct drawing drawing = {.plan = plan, .notes = notes};
    int rc = gm_plan_layout_init(&drawing.layout, plan->chain_count + count_outputs(plan),
                            count_edges(plan));
    drawing.boxes = calloc(drawing.layout.box_count + (size_t)1, sizeof *drawing.boxes);
    drawing.edges = calloc(drawing.layout.edge_count + (size_t)1, sizeof *drawing.edges);
    if (rc == 0 && (drawing.boxes == NULL || drawing.edges == NULL))
        rc = -ENOMEM;
    if (rc == 0)
        rc = say_all(&drawing);
    if (rc == 0) {
        set_sizes(&drawing);
        rc = gm_plan_layout_place(&drawing.layout);
    }
    if (rc == 0)
        draw_all(&drawing, executor_count, file);
    for (uint32_t i = 0; drawing.boxes != NULL && i < drawing.layout.box_count; i++)
        free_lines(&drawing.boxes[i]);
    for (uint32_t i = 0; drawing.edges != NULL && i < drawing.layout.edge_count; i++)
        free_lines(&drawing.edges[i]);
    free(drawing.boxes);
    free(drawing.edges);
    gm_plan_layout_fini(&drawing.layout);
    return rc;
}
