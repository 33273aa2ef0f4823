/* flow_write.c - building outputs that are files of rows. */
#define GLEAM_NO_PLACES
#include "engine/flow/flow.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"

static void add_write(struct gleam_dataset *dataset, const char *path, const char *name,
                      const struct gm_write_plan *write)
{
    struct gm_output *output = gm_flow_add_output(dataset, GM_NODE_WRITE, name);
    if (output == NULL)
        return;
    if (path == NULL || path[0] == '\0') {
        gm_flow_mistake(dataset->flow, "the path to write to is empty");
        return;
    }
    struct gleam_dataset *node = dataset->flow->nodes[output->node];
    node->write = malloc(sizeof *write);
    GM_CHECK(node->write != NULL);
    *node->write = *write;
    output->kind = GM_OUTPUT_PATH; /* or parts, when it is planned */
    output->path = strdup(path);
    GM_CHECK(output->path != NULL);
}

void gleam_write_text(struct gleam_dataset *dataset, const char *path)
{
    add_write(dataset, path, "write text", &(struct gm_write_plan){.format = GM_WRITE_TEXT});
}

void gleam_write_jsonl(struct gleam_dataset *dataset, const char *path)
{
    add_write(dataset, path, "write jsonl", &(struct gm_write_plan){.format = GM_WRITE_JSONL});
}

/* An output that gets the text of all rows as it is. */
static struct gm_output *add_write_to(struct gleam_dataset *dataset, const char *name,
                                      const struct gm_write_plan *write)
{
    struct gm_output *output = gm_flow_add_output(dataset, GM_NODE_WRITE_TO, name);
    if (output == NULL)
        return NULL;
    struct gleam_dataset *node = dataset->flow->nodes[output->node];
    node->write = malloc(sizeof *write);
    GM_CHECK(node->write != NULL);
    *node->write = *write;
    return output;
}

void gleam_write_to(struct gleam_dataset *dataset, const char *command,
                    enum gleam_pipe_format format)
{
    struct gm_write_plan write = {.format = GM_WRITE_TEXT};
    if (format == GLEAM_PIPE_CSV)
        write = (struct gm_write_plan){.format = GM_WRITE_CSV, .delimiter = ',', .quote = '"'};
    else if (format == GLEAM_PIPE_JSONL)
        write.format = GM_WRITE_JSONL;
    if (dataset != NULL && (command == NULL || command[0] == '\0')) {
        gm_flow_mistake(dataset->flow, "the command to write to is empty");
        return;
    }
    if (dataset != NULL && (unsigned)format > GLEAM_PIPE_LINES) {
        gm_flow_mistake(dataset->flow, "there is no such format of rows for a command");
        return;
    }
    struct gm_output *output = add_write_to(dataset, "write to", &write);
    if (output == NULL)
        return;
    output->kind = GM_OUTPUT_COMMAND;
    output->path = strdup(command);
    output->where = dataset->flow->nodes[output->node]->where;
    GM_CHECK(output->path != NULL);
}

void gleam_pipe_out(struct gleam_dataset *dataset, FILE *file)
{
    if (dataset != NULL && file == NULL) {
        gm_flow_mistake(dataset->flow, "the file to write to is NULL");
        return;
    }
    struct gm_output *output = add_write_to(
        dataset, "pipe out", &(struct gm_write_plan){.format = GM_WRITE_TEXT});
    if (output == NULL)
        return;
    output->kind = GM_OUTPUT_STREAM;
    output->stream = file;
}

static void write_separated(struct gleam_dataset *dataset, const char *path, const char *name,
                            const struct gleam_write_options *options, char delimiter, char quote)
{
    static const struct gleam_write_options none;
    struct gm_write_plan write = {.format = GM_WRITE_CSV};
    if (options == NULL)
        options = &none;
    write.delimiter = (uint8_t)(options->delimiter != 0 ? options->delimiter : delimiter);
    write.quote = (uint8_t)(options->quote != 0 ? options->quote : quote);
    if (options->unquoted)
        write.quote = 0;
    write.quote_all = options->quote_all && write.quote != 0;
    write.header = options->header;
    const char *null_text = options->null_text != NULL ? options->null_text : "";
    write.null_bytes = (uint32_t)strnlen(null_text, sizeof write.null_text);
    if (write.null_bytes == sizeof write.null_text) {
        if (dataset != NULL)
            gm_flow_mistake(dataset->flow, "the text that means null is longer than 31 bytes");
        return;
    }
    memcpy(write.null_text, null_text, write.null_bytes);
    add_write(dataset, path, name, &write);
}

void gleam_write_csv(struct gleam_dataset *dataset, const char *path,
                     const struct gleam_write_options *options)
{
    write_separated(dataset, path, "write csv", options, ',', '"');
}

void gleam_write_tsv(struct gleam_dataset *dataset, const char *path,
                     const struct gleam_write_options *options)
{
    write_separated(dataset, path, "write tsv", options, '\t', 0);
}
