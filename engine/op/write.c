/* write.c - the last step before files: rows to text, many rows to one bytes value.
 *
 * A value holds whole rows only, or a whole compressed member of them, so whoever writes the values
 * of a partition one after the other has its file.
 */
#include "engine/op/op.h"
#include "engine/sink/write.h"

/* A text is handed on when it passes this: most of a frame. */
#define TEXT_BYTES (48u << 10)
/* What is compressed at once.  Members of 512 KiB lose 1 % against one for the whole file. */
#define MEMBER_BYTES (512u << 10)

struct write {
    struct gm_compressor *compressor; /* NULL: none */
    struct gm_text text;              /* handed on */
    struct gm_bytes value;
    int64_t rows;
    uint32_t next_row;
    struct gm_error why;
};

/* Of one partition. */
struct file {
    bool begun; /* the header is written */
    struct gm_text pending; /* to be compressed */
    int64_t rows;           /* in there */
};

static int refuse(const struct gm_op *op, int rc)
{
    const struct write *self = op->self;
    return gm_error_set(op->error, rc, "%s: step '%s': %s", op->step->where, op->step->name,
                        rc == GM_ETASK_MEMORY
                            ? "the text of its rows does not fit this executor's share of the "
                              "memory: give more with --memory"
                            : self->why.text);
}

static int write_open(struct gm_op *op)
{
    struct write *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    self->text.heap = op->heap;
    if (op->step->write->compression == GM_COMPRESSION_NONE)
        return 0;
    return gm_compressor_create(op->step->write->compression, op->heap, &self->compressor);
}

static void write_close(struct gm_op *op)
{
    struct write *self = op->self;
    if (self == NULL)
        return;
    gm_compressor_destroy(self->compressor);
    gm_heap_free(op->heap, self->text.data, self->text.capacity);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int write_begin(struct gm_op *op, void **ret_state)
{
    struct file *file = gm_heap_zalloc(op->heap, sizeof *file);
    if (file == NULL)
        return GM_ETASK_MEMORY;
    file->pending.heap = op->heap;
    *ret_state = file;
    return 0;
}

static void write_end(struct gm_op *op, void *state)
{
    struct file *file = state;
    gm_heap_free(op->heap, file->pending.data, file->pending.capacity);
    gm_heap_free(op->heap, file, sizeof *file);
}

static void hand_on(struct write *self, int64_t rows, struct gm_batch *out)
{
    self->value.data = (const uint8_t *)self->text.data;
    self->value.length = self->text.length;
    self->rows = rows;
    out->row_count = self->text.length > 0 ? 1 : 0;
    out->column_count = 2; /* the second is of use where it is counted */
    out->columns[0] = (struct gm_vector){.kind = GLEAM_BYTES, .bytes = &self->value};
    out->columns[1] = (struct gm_vector){.kind = GLEAM_I64, .i64 = &self->rows};
}

/* The pending rows become a member.  Returns 0 or GM_ETASK_MEMORY. */
static int compress(struct gm_op *op, struct file *file, struct gm_batch *out)
{
    struct write *self = op->self;
    const size_t room = gm_compressor_bound(self->compressor, file->pending.length);
    if (self->text.capacity < room) {
        char *data =
            gm_heap_realloc(op->heap, self->text.data, self->text.capacity, room);
        if (data == NULL)
            return GM_ETASK_MEMORY;
        self->text.data = data;
        self->text.capacity = room;
    }
    self->text.length = gm_compressor_run(self->compressor, file->pending.data,
                                          file->pending.length, self->text.data, room);
    if (self->text.length == 0)
        return GM_ETASK_MEMORY;
    hand_on(self, file->rows, out);
    file->pending.length = 0;
    file->rows = 0;
    return 0;
}

static int write_process(struct gm_op *op, void *state, const struct gm_batch *in,
                         struct gm_batch *out)
{
    struct write *self = op->self;
    struct file *file = state;
    struct gm_text *text = self->compressor != NULL ? &file->pending : &self->text;
    const size_t bytes_max = self->compressor != NULL ? MEMBER_BYTES : TEXT_BYTES;
    uint32_t rows = 0;
    int rc = 0;
    if (self->compressor == NULL)
        self->text.length = 0;
    if (!file->begun)
        rc = gm_write_header(op->step->write, op->input_schema, text, &self->why);
    file->begun = true;
    if (rc == 0)
        rc = gm_write_rows(op->step->write, op->input_schema, in, self->next_row, bytes_max, text,
                           &rows, &self->why);
    if (rc == 0 && text->length >= GM_VALUE_BYTES_MAX)
        rc = gm_error_set(&self->why, GM_EJOB_FLOW, "the text of a row is longer than 1 GiB");
    self->next_row += rows;
    if (rc == 0 && self->compressor == NULL)
        hand_on(self, rows, out);
    file->rows += rows;
    if (rc == 0 && self->compressor != NULL && text->length >= MEMBER_BYTES)
        rc = compress(op, file, out);
    if (rc < 0)
        return refuse(op, rc);
    out->column_count = op->step->schema.field_count;
    if (self->next_row < in->row_count)
        return GM_OP_HAVE_MORE;
    self->next_row = 0;
    return GM_OP_NEED_INPUT;
}

static int write_finish(struct gm_op *op, void *state, struct gm_batch *out)
{
    struct file *file = state;
    if (file->pending.length == 0)
        return GM_OP_NEED_INPUT;
    const int rc = compress(op, file, out);
    if (rc < 0)
        return refuse(op, rc);
    out->column_count = op->step->schema.field_count;
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_write = {
    .name = "write",
    .open = write_open,
    .close = write_close,
    .begin = write_begin,
    .end = write_end,
    .process = write_process,
    .finish = write_finish,
};
