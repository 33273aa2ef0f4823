/* plan_dot.c - a plan as a graph for Graphviz: a box per chain, an edge per exchange. */
#include "engine/flow/plan_view.h"

#include "engine/base/utf8.h"

/* Inside a quoted string.  A newline in a name must not break the line. */
static void print_escaped(const char *text, FILE *file)
{
    while (*text != '\0') {
        const size_t bytes = gm_utf8_bytes(text);
        if (bytes == 0)
            fputs(GM_UTF8_BAD, file);
        else if (*text == '"' || *text == '\\')
            fprintf(file, "\\%c", *text);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f)
            fputc(' ', file);
        else
            fwrite(text, 1, bytes, file);
        text += bytes > 0 ? bytes : 1;
    }
}

static int print_position(const struct gm_plan *plan, uint32_t chain, uint32_t position,
                          const struct gm_plan_notes *notes, const char *end, FILE *file)
{
    struct gm_plan_line line;
    int rc = gm_plan_line_make(plan, chain, position, &line);
    if (rc == 0) {
        print_escaped(line.label, file);
        fputs(end, file);
        if (line.schema[0] != '\0') {
            fputs("    -> ", file);
            print_escaped(line.schema, file);
            fputs(end, file);
        }
        if (notes != NULL) {
            char text[160];
            gm_plan_note_format(plan, notes, gm_plan_position(plan, chain) + position, text,
                                sizeof text);
            fprintf(file, "    %s%s", text, end);
        }
    }
    gm_plan_line_fini(&line);
    return rc;
}

static int print_chain(const struct gm_plan *plan, uint32_t chain,
                       const struct gm_plan_notes *notes, FILE *file)
{
    int rc = 0;
    fprintf(file, "  chain%u [label=\"chain %u\\l", chain, chain);
    for (uint32_t p = 0; p <= plan->chains[chain].step_count && rc == 0; p++)
        rc = print_position(plan, chain, p, notes, "\\l", file);
    fputs("\"];\n", file);
    return rc;
}

static int print_edges(const struct gm_plan *plan, uint32_t chain,
                       const struct gm_plan_notes *notes, FILE *file)
{
    const uint32_t exchange = plan->chains[chain].exchange;
    const uint32_t position = plan->chains[chain].step_count + 1;
    int rc = 0;
    for (uint32_t to = 0; to < plan->chain_count && rc == 0; to++) {
        if (!gm_plan_feeds(plan, exchange, to))
            continue;
        fprintf(file, "  chain%u -> chain%u [label=\"", chain, to);
        rc = print_position(plan, chain, position, notes, "\\n", file);
        fputs("\"];\n", file);
    }
    if (rc == 0 && plan->exchanges[exchange].kind == GM_EXCHANGE_OUTPUT) {
        const uint32_t output = plan->exchanges[exchange].output;
        fprintf(file, "  output%u [label=\"output %u\", style=rounded];\n", output, output);
        fprintf(file, "  chain%u -> output%u [label=\"", chain, output);
        rc = print_position(plan, chain, position, notes, "\\n", file);
        fputs("\"];\n", file);
    }
    return rc;
}

int gm_plan_print_dot(const struct gm_plan *plan, uint32_t executor_count,
                      const struct gm_plan_notes *notes, FILE *file)
{
    char title[256];
    int rc = 0;
    gm_plan_title(plan, executor_count, title, sizeof title);
    fputs("digraph plan {\n  label=\"", file);
    print_escaped(title, file);
    fputs("\";\n  labelloc=t;\n  node [shape=box, fontname=\"monospace\", fontsize=10];\n"
          "  edge [fontname=\"monospace\", fontsize=9];\n", file);
    for (uint32_t c = 0; c < plan->chain_count && rc == 0; c++)
        rc = print_chain(plan, c, notes, file);
    for (uint32_t c = 0; c < plan->chain_count && rc == 0; c++)
        rc = print_edges(plan, c, notes, file);
    fputs("}\n", file);
    return rc;
}
