/* commands.c - lines out of a buffer, rows out of lines, and words for what went wrong. */
#include "engine/op/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/sink/jsonl.h"
#include "engine/source/lines.h"

/* A text of lines is handed on when it has so much: most of a frame. */
#define TEXT_BYTES (48u << 10)
/* What a message shows of a line. */
#define SHOWN_BYTES 80

int gm_commands_open(struct gm_commands *commands, struct gm_op *op)
{
    const struct gm_step *step = op->step;
    commands->op = op;
    gm_arena_init(&commands->arena, op->heap);
    if (gm_pipe_spec_decode(step->parameter, step->parameter_bytes, &commands->spec) < 0)
        return gm_error_set(op->error, GM_EPEER_PROTOCOL,
                            "%s: step '%s': what it runs makes no sense", step->where, step->name);
    const bool csv = commands->spec.format == GLEAM_PIPE_CSV;
    const bool escape = commands->spec.escape;
    commands->writer =
        (struct gm_row_writer){.schema = op->input_schema, .csv = csv, .escape = escape};
    commands->reader =
        (struct gm_row_reader){.schema = &step->schema, .csv = csv, .escape = escape};
    return gm_batch_init(&commands->batch, &step->schema, op->heap);
}

void gm_commands_close(struct gm_commands *commands)
{
    if (commands->op == NULL)
        return;
    gm_batch_fini(&commands->batch, commands->op->heap);
    gm_arena_fini(&commands->arena);
}

/* ---- rows to text ---------------------------------------------------------------------------- */

int gm_commands_write(struct gm_commands *commands, const struct gm_batch *in, uint32_t row,
                      uint64_t row_number, struct gm_text *text)
{
    const struct gm_op *op = commands->op;
    struct gm_error why = {0};
    const int rc = commands->spec.format == GLEAM_PIPE_JSONL
                       ? gm_jsonl_write(op->input_schema, in, row, text, &why)
                       : gm_row_write(&commands->writer, in, row, text, &why);
    if (rc == GM_ETASK_MEMORY)
        return gm_error_set(op->error, rc,
                            "%s: step '%s': the text of row %" PRIu64 " of partition %u does not "
                            "fit this executor's share of the memory: give more with --memory",
                            op->step->where, op->step->name, row_number, op->partition);
    if (rc < 0)
        return gm_error_set(op->error, rc, "%s: step '%s': row %" PRIu64 " of partition %u: %s",
                            op->step->where, op->step->name, row_number, op->partition, why.text);
    return 0;
}

/* ---- text to rows ---------------------------------------------------------------------------- */

static const struct gm_pipe_command *last_command(const struct gm_commands *commands)
{
    return &commands->spec.commands[commands->spec.command_count - 1];
}

/* A text of the world as one line of a message: cut, and without control characters. */
static void show(const char *data, size_t bytes, char *text, size_t text_bytes)
{
    const struct gleam_value value = gleam_bytes(data, bytes);
    gm_format_value(&value, text, text_bytes);
}

static int refuse_long(struct gm_commands *commands, const struct gm_command_lines *lines, int rc)
{
    const struct gm_pipe_command *command = last_command(commands);
    char code[SHOWN_BYTES];
    show(command->code, strlen(command->code), code, sizeof code);
    return gm_error_set(commands->op->error, rc,
                        "%s: step '%s': line %" PRIu64 " of what '%s' writes in partition %u is "
                        "longer than %zu bytes, %s",
                        command->where, command->name, lines->count + 1, code,
                        commands->op->partition, lines->end - lines->begin,
                        rc == GM_ETASK_MEMORY
                            ? "which does not fit this executor's share of the memory: give more "
                              "with --memory, or let the command end its lines"
                            : "more than one value may have: let the command end its lines");
}

/* Room behind what is there; what was taken makes some. */
static int make_room(struct gm_commands *commands, struct gm_command_lines *lines)
{
    const size_t left = lines->end - lines->begin;
    if (lines->begin > 0) {
        if (left > 0)
            memmove(lines->data, lines->data + lines->begin, left);
        lines->begin = 0;
        lines->end = left;
    }
    const bool grows = lines->filled && lines->capacity < GM_COMMANDS_BUFFER_BYTES;
    if (lines->end < lines->capacity && !grows)
        return 0;
    if (lines->capacity > GM_VALUE_BYTES_MAX)
        return refuse_long(commands, lines, GM_EJOB_FLOW);
    const size_t capacity =
        lines->capacity > 0 ? 2 * lines->capacity : GM_COMMANDS_BUFFER_BYTES_MIN;
    uint8_t *data =
        gm_heap_realloc(commands->op->heap, lines->data, lines->capacity, capacity);
    if (data == NULL && lines->end < lines->capacity)
        return 0; /* it would only have been faster */
    if (data == NULL)
        return refuse_long(commands, lines, GM_ETASK_MEMORY);
    lines->data = data;
    lines->capacity = capacity;
    return 0;
}

int gm_commands_fill(struct gm_commands *commands, struct gm_process *process,
                     struct gm_command_lines *lines)
{
    const struct gm_processes *port = commands->op->processes;
    size_t bytes;
    if (lines->ended)
        return GM_END;
    int rc = make_room(commands, lines);
    if (rc < 0)
        return rc;
    rc = port->ops->read(port->self, process, lines->data + lines->end,
                         lines->capacity - lines->end, &bytes);
    if (rc == 0)
        lines->end += bytes;
    lines->filled = lines->end == lines->capacity;
    lines->ended = rc == GM_END;
    return rc < 0 ? gm_commands_refuse(commands, rc, "cannot read what it writes") : rc;
}

void gm_commands_free(struct gm_commands *commands, struct gm_command_lines *lines)
{
    gm_heap_free(commands->op->heap, lines->data, lines->capacity);
    *lines = (struct gm_command_lines){0};
}

static int parse_line(struct gm_commands *commands, struct gm_command_lines *lines, uint8_t *line,
                      size_t bytes, uint32_t row)
{
    const struct gm_op *op = commands->op;
    struct gm_error why = {0};
    char text[SHOWN_BYTES], code[SHOWN_BYTES];
    /* Fields are decoded in place: what the message shows is the line as it came. */
    show((const char *)line, bytes < SHOWN_BYTES ? bytes : SHOWN_BYTES, text, sizeof text);
    const int rc = commands->spec.format == GLEAM_PIPE_JSONL
                       ? gm_jsonl_read(&op->step->schema, line, bytes, &commands->batch, row,
                                       &commands->arena, &why)
                       : gm_row_read(&commands->reader, line, bytes, &commands->batch, row, &why);
    if (rc == 0)
        return 0;
    const struct gm_pipe_command *command = last_command(commands);
    show(command->code, strlen(command->code), code, sizeof code);
    if (rc == GM_ETASK_MEMORY)
        return gm_error_set(op->error, rc,
                            "%s: step '%s': a line does not fit this executor's share of the "
                            "memory: give more with --memory",
                            command->where, command->name);
    return gm_error_set(op->error, rc,
                        "%s: step '%s': line %" PRIu64 " of what '%s' wrote in partition %u cannot "
                        "be a row: %s; the line: '%s'",
                        command->where, command->name, lines->count + 1, code, op->partition,
                        why.text, text);
}

/* Lines of one bytes column are rows as they are. */
static bool is_plain(const struct gm_commands *commands)
{
    const struct gm_schema *schema = commands->reader.schema;
    return gm_pipe_spec_plain(&commands->spec) && schema->field_count == 1 &&
           schema->fields[0].kind == GLEAM_BYTES;
}

static uint32_t take_plain(struct gm_commands *commands, struct gm_command_lines *lines)
{
    const uint8_t *at = lines->data + lines->begin;
    const uint8_t *end = lines->data + lines->end;
    /* Behind the last "\n" there is no whole line; what was looked through has none. */
    if (!lines->ended) {
        const uint8_t *from = at + lines->looked;
        const uint8_t *last = from < end ? memrchr(from, '\n', (size_t)(end - from)) : NULL;
        if (last == NULL) {
            lines->looked = (size_t)(end - at);
            return 0;
        }
        end = last + 1;
    }
    const uint32_t count =
        gm_lines_split(&at, end, commands->batch.columns[0].bytes, GM_BATCH_ROWS_MAX);
    lines->begin = (size_t)(at - lines->data);
    lines->looked = 0;
    return count;
}

static int take_parsed(struct gm_commands *commands, struct gm_command_lines *lines,
                       uint32_t *ret_count)
{
    uint32_t count = 0;
    gm_arena_reset(&commands->arena);
    for (uint32_t c = 0; c < commands->batch.column_count; c++)
        commands->batch.columns[c].has_nulls = false;
    while (count < GM_BATCH_ROWS_MAX && lines->begin < lines->end) {
        uint8_t *line = lines->data + lines->begin;
        const uint8_t *end = lines->data + lines->end;
        const uint8_t *newline =
            gm_row_end(&commands->reader, line + lines->looked, end, &lines->quoted);
        if (newline == NULL && !lines->ended) {
            lines->looked = (size_t)(end - line);
            break;
        }
        const size_t bytes = (size_t)((newline != NULL ? newline : end) - line);
        int rc = parse_line(commands, lines, line, bytes, count);
        if (rc < 0)
            return rc;
        lines->begin += bytes + (newline != NULL);
        lines->looked = 0;
        lines->quoted = false;
        lines->count++;
        count++;
    }
    *ret_count = count;
    return 0;
}

/* One value of many lines, as they are. */
static int take_text(struct gm_commands *commands, struct gm_command_lines *lines,
                     struct gm_batch *out)
{
    uint8_t *begin = lines->data + lines->begin;
    size_t have = lines->end - lines->begin;
    size_t bytes = have;
    if (!lines->ended || have > TEXT_BYTES) {
        const uint8_t *last = memrchr(begin, '\n', have < TEXT_BYTES ? have : TEXT_BYTES);
        const size_t from = lines->looked > TEXT_BYTES ? lines->looked : TEXT_BYTES;
        if (last == NULL && have > from)
            last = memchr(begin + from, '\n', have - from);
        if (last == NULL && !lines->ended) {
            lines->looked = have;
            return 0;
        }
        bytes = last != NULL ? (size_t)(last + 1 - begin) : have;
    }
    lines->begin += bytes;
    lines->looked = 0;
    /* The last line may have no end, and there is room for one: every block has slack behind. */
    if (begin[bytes - 1] != '\n')
        begin[bytes++] = '\n';
    const uint64_t count = gm_lines_count(begin, bytes);
    lines->count += count;
    commands->op->hidden_rows = count - 1;
    commands->text = (struct gm_bytes){.data = begin, .length = bytes};
    out->row_count = 1;
    out->column_count = 1;
    out->columns[0] = (struct gm_vector){.kind = GLEAM_BYTES, .bytes = &commands->text};
    return 0;
}

int gm_commands_take(struct gm_commands *commands, struct gm_command_lines *lines,
                     struct gm_batch *out)
{
    uint32_t count = 0;
    if (lines->begin == lines->end)
        return 0;
    if (commands->spec.texts_out)
        return take_text(commands, lines, out);
    if (is_plain(commands)) {
        count = take_plain(commands, lines);
        lines->count += count;
    } else {
        int rc = take_parsed(commands, lines, &count);
        if (rc < 0)
            return rc;
    }
    out->row_count = count;
    out->column_count = commands->batch.column_count;
    memcpy(out->columns, commands->batch.columns,
           out->column_count * sizeof commands->batch.columns[0]);
    return 0;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void show_words(const char *words, char *text, size_t text_bytes)
{
    size_t length = strlen(words);
    while (length > 0 && words[length - 1] == '\n')
        length--;
    text[0] = '\0';
    if (length == 0)
        return;
    size_t at = (size_t)snprintf(text, text_bytes, "; its last words: ");
    for (size_t i = 0; i < length && at + 4 < text_bytes; i++) {
        if (words[i] == '\n')
            at += (size_t)snprintf(text + at, text_bytes - at, " | ");
        else
            text[at++] = (unsigned char)words[i] < ' ' ? ' ' : words[i];
    }
    text[at] = '\0';
}

void gm_command_end_text(const struct gm_process_end *end, struct gm_command_end_text *ret_text)
{
    char *cause = ret_text->cause;
    const size_t bytes = sizeof ret_text->cause;
    show_words(end->words, ret_text->words, sizeof ret_text->words);
    if (end->error != 0)
        snprintf(cause, bytes, "could not be started: %s", gm_error_name(end->error));
    else if (end->signal != 0)
        snprintf(cause, bytes, "was killed by signal %d (%s)", end->signal, strsignal(end->signal));
    else
        snprintf(cause, bytes, "ended with exit status %d%s", end->status,
                 end->status == 127   ? ": there is no such command"
                 : end->status == 126 ? ": it cannot be executed"
                                      : "");
}

int gm_commands_check(struct gm_commands *commands, const struct gm_process_end *end)
{
    const struct gm_op *op = commands->op;
    char code[SHOWN_BYTES];
    struct gm_command_end_text text;
    if (end->failed >= commands->spec.command_count)
        return 0;
    const struct gm_pipe_command *command = &commands->spec.commands[end->failed];
    const bool may_be_fine = end->error == 0 && end->signal == 0 && end->status == 1;
    show(command->code, strlen(command->code), code, sizeof code);
    gm_command_end_text(end, &text);
    return gm_error_set(op->error, GM_EJOB_UDF, "%s: step '%s': '%s' %s%s, in partition %u%s",
                        command->where, command->name, code, text.cause,
                        may_be_fine ? " (where that is no failure, write `COMMAND || true`)" : "",
                        op->partition, text.words);
}

int gm_commands_refuse(struct gm_commands *commands, int rc, const char *what)
{
    const struct gm_op *op = commands->op;
    const struct gm_pipe_command *command = &commands->spec.commands[0];
    char code[SHOWN_BYTES];
    show(command->code, strlen(command->code), code, sizeof code);
    const char *hint = rc == -EMFILE || rc == -ENFILE || rc == -EAGAIN
                           ? ": too many partitions at a time for this system's limits; use fewer"
                       : rc == GM_EPEER_DIED ? ": the guard of the commands was killed"
                                             : "";
    return gm_error_set(op->error, rc, "%s: step '%s': '%s', partition %u: %s: %s%s",
                        command->where, command->name, code, op->partition, what,
                        gm_error_name(rc), hint);
}
