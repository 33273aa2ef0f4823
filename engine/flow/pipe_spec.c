/* pipe_spec.c - encoding, decoding and printing of what a pipe step runs. */
#include "engine/flow/pipe_spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/cursor.h"

int gm_pipe_spec_encode(const struct gm_pipe_spec *spec, struct gm_step *step)
{
    struct gm_writer writer;
    uint8_t *data;
    size_t bytes;
    gm_writer_init(&writer, GM_PARAM_BYTES_MAX);
    gm_writer_u8(&writer, spec->format);
    gm_writer_bool(&writer, spec->escape);
    gm_writer_bool(&writer, spec->blocks_in);
    gm_writer_bool(&writer, spec->texts_out);
    gm_writer_u32(&writer, spec->parallel);
    gm_writer_u32(&writer, spec->command_count);
    for (uint32_t i = 0; i < spec->command_count; i++) {
        /* With their NULs: a decoded spec points at them. */
        const char *const texts[] = {spec->commands[i].code, spec->commands[i].name,
                                     spec->commands[i].where};
        for (size_t t = 0; t < 3; t++)
            gm_writer_blob(&writer, texts[t], (uint32_t)strlen(texts[t]) + 1);
    }
    const int rc = gm_writer_take(&writer, &data, &bytes);
    gm_writer_fini(&writer);
    if (rc < 0)
        return rc;
    free(step->parameter);
    step->parameter = data;
    step->parameter_bytes = (uint32_t)bytes;
    return 0;
}

static const char *read_text(struct gm_cursor *cursor)
{
    uint32_t bytes = 0;
    const uint8_t *data = gm_cursor_blob(cursor, GM_PARAM_BYTES_MAX, &bytes);
    if (data == NULL || bytes == 0 || memchr(data, '\0', bytes) != data + bytes - 1) {
        gm_cursor_fail(cursor);
        return NULL;
    }
    return (const char *)data;
}

int gm_pipe_spec_decode(const void *data, size_t bytes, struct gm_pipe_spec *ret_spec)
{
    struct gm_cursor cursor;
    struct gm_pipe_spec spec = {0};
    gm_cursor_init(&cursor, data, bytes);
    spec.format = gm_cursor_u8(&cursor);
    spec.escape = gm_cursor_bool(&cursor);
    spec.blocks_in = gm_cursor_bool(&cursor);
    spec.texts_out = gm_cursor_bool(&cursor);
    spec.parallel = gm_cursor_u32(&cursor);
    spec.command_count = gm_cursor_count(&cursor, GM_PIPE_COMMANDS_MAX, 3);
    for (uint32_t i = 0; i < spec.command_count && !cursor.failed; i++) {
        spec.commands[i].code = read_text(&cursor);
        spec.commands[i].name = read_text(&cursor);
        spec.commands[i].where = read_text(&cursor);
    }
    if (!gm_cursor_done(&cursor) || spec.command_count == 0 || spec.format > GLEAM_PIPE_LINES ||
        spec.parallel == 0 || spec.parallel > GM_PIPE_PARALLEL_MAX)
        return -EINVAL;
    *ret_spec = spec;
    return 0;
}

bool gm_pipe_spec_plain(const struct gm_pipe_spec *spec)
{
    return !spec->escape && (spec->format == GLEAM_PIPE_TSV || spec->format == GLEAM_PIPE_LINES);
}

void gm_pipe_spec_title(const struct gm_pipe_spec *spec, char *text, size_t text_bytes)
{
    size_t length = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < spec->command_count && length < text_bytes; i++)
        length += (size_t)snprintf(text + length, text_bytes - length, "%s%s", i > 0 ? " | " : "",
                                   spec->commands[i].code);
    if (length >= text_bytes && text_bytes >= 4)
        memcpy(text + text_bytes - 4, "...", 4);
    for (char *at = text; *at != '\0'; at++)
        if (*at == '\n' || *at == '\t')
            *at = ' ';
}

void gm_pipe_spec_print(const struct gm_step *step, FILE *file)
{
    static const char *const formats[] = {[GLEAM_PIPE_TSV] = "",
                                          [GLEAM_PIPE_CSV] = " as csv",
                                          [GLEAM_PIPE_JSONL] = " as jsonl",
                                          [GLEAM_PIPE_LINES] = " as lines"};
    struct gm_pipe_spec spec;
    char title[256];
    if (gm_pipe_spec_decode(step->parameter, step->parameter_bytes, &spec) < 0)
        return;
    gm_pipe_spec_title(&spec, title, sizeof title);
    fprintf(file, " through %s%s%s%s", title, formats[spec.format],
            spec.escape ? ", escaped" : "", spec.texts_out ? ", printed" : "");
    if (step->kind == GM_STEP_PIPE_ARGS)
        fprintf(file, ", %u rows at a time", spec.parallel);
}
