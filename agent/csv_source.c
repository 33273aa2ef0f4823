/* csv_source.c - from blocks to batches.
 *
 * A segment goes through: find its first record (which needs the parity of the quotes in front of
 * it), parse what the blocks hold, and read on behind its end until its last record is whole.
 */
#include "agent/csv_source.h"

#include <string.h>

#include "agent/csv_error.h"
#include "engine/base/check.h"
#include "engine/flow/plan_csv.h"
#include "engine/source/csv_convert.h"
#include "engine/source/jsonl.h"

/* A header longer than this is not compared with the first file's. */
#define HEADER_BYTES_MAX (16u << 10)

enum state {
    STATE_BETWEEN, /* the next block begins a segment, or ends a partition */
    STATE_SEEK,    /* the first record of the segment has not been found yet */
    STATE_NEXT,    /* the span is used up; the next block goes on */
    STATE_PARSE,   /* the parser has a span */
};

/* The block that the span lies in, which is to be given back. */
enum held { HELD_NONE, HELD_NEXT, HELD_EXTRA };

struct gm_csv_source {
    struct gm_csv_source_spec spec;
    const struct gm_csv_plan *csv;
    struct gm_blocks *blocks;
    struct gm_csv_parity_view parity;
    struct gm_csv_parser parser;
    struct gm_jsonl_parser json; /* instead, of lines of JSON */
    struct gm_batch raw;   /* every column as bytes */
    struct gm_batch typed; /* room for the columns that are not */
    struct gm_batch out;   /* the columns of one or the other */
    uint8_t bad[GM_BATCH_ROWS_MAX]; /* by row of a batch: some value is none */
    enum state state;

    uint32_t partition, segment;
    bool inside;        /* SEEK: quotes are open at the next block */
    bool skip_record;   /* a header */
    bool beyond;        /* the segment's last block was taken: more comes from behind it */
    enum held held;
    bool waits; /* the last next gave nothing */
    uint64_t next_offset; /* of the file, behind what was taken */
    uint64_t span_offset; /* of the file: where the span begins */
    uint64_t span_line;   /* streams: the line that the span begins in */
    uint8_t *span;
    size_t span_bytes;

    uint8_t *carry; /* the unfinished record, when no block is held */
    size_t carry_bytes, carry_capacity;
    size_t carry_goal; /* a record is looked at again when it has grown to this */
    uint64_t carry_offset;

    /* AHEAD: the piece that this executor counts */
    bool counting, pieces_over;
    uint32_t piece_segment;
    uint64_t piece_at, piece_end;
    uint64_t bad_values; /* rows with a value that is none */
};

static const struct gm_segment *segment_of(const struct gm_csv_source *self)
{
    return &self->spec.source->segments[self->segment];
}

static const struct gm_file *file_of(const struct gm_csv_source *self)
{
    return &self->spec.source->files[segment_of(self)->file];
}

/* CHAIN: counts the quotes of what arrives. */
static void count_quotes(void *opaque, uint32_t segment, const uint8_t *data, size_t bytes)
{
    struct gm_csv_source *self = opaque;
    if (gm_csv_parity_wanted(&self->parity, segment))
        gm_csv_parity_add(&self->parity, segment, bytes,
                          gm_csv_count(data, bytes, self->csv->format.dialect.quote));
}

int gm_csv_source_create(const struct gm_csv_source_spec *spec, struct gm_csv_source **ret_source)
{
    struct gm_csv_source *self = gm_heap_zalloc(spec->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    self->spec = *spec;
    self->csv = spec->source->csv;
    gm_csv_parser_init(&self->parser, &self->csv->format);
    gm_jsonl_parser_init(&self->json, &spec->source->schema, self->csv->format.on_error);
    gm_csv_parity_init(&self->parity, spec->source, spec->region, spec->bell, spec->participant);
    struct gm_schema raw = spec->source->schema;
    for (uint32_t i = 0; i < raw.field_count; i++)
        raw.fields[i].kind = GLEAM_BYTES;
    const bool chain = self->csv->parity == GM_CSV_PARITY_CHAIN;
    const struct gm_claims claims = gm_claims_of(spec->region, spec->claim);
    int rc = gm_batch_init(&self->raw, &raw, spec->heap);
    if (rc == 0)
        rc = gm_batch_init(&self->typed, &spec->source->schema, spec->heap);
    if (rc == 0)
        rc = gm_blocks_create(spec->source, spec->disk, &claims, spec->heap, spec->error,
                              chain ? count_quotes : NULL, self, &self->blocks);
    if (rc < 0) {
        gm_csv_source_destroy(self);
        return rc;
    }
    *ret_source = self;
    return 0;
}

void gm_csv_source_destroy(struct gm_csv_source *source)
{
    if (source == NULL)
        return;
    struct gm_heap *heap = source->spec.heap;
    gm_blocks_destroy(source->blocks);
    gm_batch_fini(&source->raw, heap);
    gm_batch_fini(&source->typed, heap);
    gm_heap_free(heap, source->carry, source->carry_capacity);
    gm_heap_free(heap, source, sizeof *source);
}

bool gm_csv_source_waits(const struct gm_csv_source *source)
{
    return source->waits && gm_blocks_reads(source->blocks);
}

uint64_t gm_csv_source_bytes(const struct gm_csv_source *source)
{
    return gm_blocks_bytes(source->blocks);
}

uint64_t gm_csv_source_bad_rows(const struct gm_csv_source *source)
{
    return source->parser.bad_rows + source->json.bad_rows + source->bad_values;
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* Of the text at `at` in the span. */
static struct gm_csv_place place_of(const struct gm_csv_source *self, const uint8_t *at,
                                    size_t bytes)
{
    const size_t distance = (size_t)(at - self->span);
    struct gm_csv_place place = {.source = self->spec.source,
                                 .path = file_of(self)->path,
                                 .text = at,
                                 .bytes = bytes};
    if (file_of(self)->bytes != UINT64_MAX)
        place.line = gm_csv_line_at(place.path, self->span_offset + distance);
    else
        place.line = self->span_line + gm_csv_count(self->span, distance, '\n');
    return place;
}

static int refuse_memory(struct gm_csv_source *self)
{
    struct gm_csv_place place = place_of(self, self->span, 0);
    return gm_error_set(self->spec.error, GM_ETASK_MEMORY,
                        "%s: step '%s': %s:%llu: the row that begins here has more than %zu bytes "
                        "and does not fit this executor's share of the memory: is a quote not "
                        "closed?  If it is right, give more with --memory",
                        self->csv->where, self->spec.source->name, place.path,
                        (unsigned long long)place.line, self->carry_bytes);
}

/* ---- spans ----------------------------------------------------------------------------------- */

static int carry_append(struct gm_csv_source *self, const uint8_t *data, size_t bytes)
{
    const size_t need = self->carry_bytes + bytes + GM_BYTES_SLACK;
    if (need > self->carry_capacity) {
        size_t capacity = self->carry_capacity > 0 ? self->carry_capacity
                                                   : GM_BLOCK_HEADROOM_BYTES;
        while (capacity < need)
            capacity *= 2;
        uint8_t *carry = NULL;
        if (need < GM_ROW_BYTES_MAX)
            carry = gm_heap_realloc(self->spec.heap, self->carry, self->carry_capacity, capacity);
        if (carry == NULL) {
            self->span = self->carry;
            self->span_offset = self->carry_offset;
            return refuse_memory(self);
        }
        self->carry = carry;
        self->carry_capacity = capacity;
    }
    if (bytes > 0)
        memcpy(self->carry + self->carry_bytes, data, bytes);
    self->carry_bytes += bytes;
    return 0;
}

static void release_block(struct gm_csv_source *self)
{
    if (self->held == HELD_EXTRA)
        gm_blocks_release_extra(self->blocks);
    else if (self->held == HELD_NEXT)
        gm_blocks_release(self->blocks);
    self->held = HELD_NONE;
}

static void lend_span(struct gm_csv_source *self, uint8_t *data, size_t bytes, uint64_t offset,
                      bool file_ends)
{
    const uint64_t end = segment_of(self)->end;
    const uint64_t limit = end == UINT64_MAX ? SIZE_MAX : end > offset ? end - offset : 0;
    self->span = data;
    self->span_bytes = bytes;
    self->span_offset = offset;
    if (self->csv->json)
        gm_jsonl_parser_span(&self->json, data, bytes, (size_t)limit, file_ends);
    else
        gm_csv_parser_span(&self->parser, data, bytes, (size_t)limit, file_ends,
                           self->skip_record);
    self->state = STATE_PARSE;
}

/* The block goes on where the last one stopped, at `from` in it; the carry comes first. */
static int take_block(struct gm_csv_source *self, const struct gm_block *block, size_t from,
                      enum held held)
{
    const size_t carry = self->carry_bytes;
    uint8_t *data = block->data + from;
    const size_t bytes = block->bytes - from;
    self->next_offset = block->offset + block->bytes;
    self->held = held;
    if (carry <= GM_BLOCK_HEADROOM_BYTES) {
        if (carry > 0)
            memcpy(data - carry, self->carry, carry);
        self->carry_bytes = 0;
        lend_span(self, data - carry, carry + bytes, block->offset + from - carry,
                  block->file_ends);
        return 0;
    }
    /* A long record: put together, and looked at when it has doubled, so that it is not scanned
     * once per block. */
    const int rc = carry_append(self, data, bytes);
    release_block(self);
    if (rc < 0)
        return rc;
    self->state = STATE_NEXT;
    if (self->carry_bytes >= self->carry_goal || block->file_ends)
        lend_span(self, self->carry, self->carry_bytes, self->carry_offset, block->file_ends);
    return 0;
}

/* What the parser left of the span becomes the carry. */
static int keep_rest(struct gm_csv_source *self)
{
    const size_t used = self->csv->json ? self->json.begin : self->parser.begin;
    const size_t begin = used < self->span_bytes ? used : self->span_bytes;
    const size_t rest = self->span_bytes - begin;
    int rc = 0;
    self->skip_record = !self->csv->json && self->parser.skip_record;
    if (segment_of(self)->end == UINT64_MAX)
        self->span_line += gm_csv_count(self->span, begin, '\n');
    if (self->held != HELD_NONE) {
        self->carry_bytes = 0;
        self->carry_offset = self->span_offset + begin;
        rc = carry_append(self, self->span + begin, rest);
    } else {
        memmove(self->carry, self->carry + begin, rest);
        self->carry_bytes = rest;
        self->carry_offset += begin;
    }
    self->carry_goal = 2 * rest;
    release_block(self);
    self->state = STATE_NEXT;
    return rc;
}

static void end_segment(struct gm_csv_source *self)
{
    release_block(self);
    self->carry_bytes = 0;
    self->state = STATE_BETWEEN;
    /* One enormous record is no reason to hold its memory for the rest of the job. */
    if (self->carry_capacity > GM_BLOCK_BYTES) {
        gm_heap_free(self->spec.heap, self->carry, self->carry_capacity);
        self->carry = NULL;
        self->carry_capacity = 0;
    }
}

/* ---- the parity of quotes in front ----------------------------------------------------------- */

/* AHEAD: counts pieces until it is known.  Returns 0 when a piece got on, GM_AGAIN, or < 0. */
static int count_piece(struct gm_csv_source *self)
{
    const struct gm_block *block;
    if (!self->counting) {
        if (self->csv->parity != GM_CSV_PARITY_AHEAD || self->pieces_over)
            return GM_AGAIN;
        self->counting = gm_csv_parity_claim(&self->parity, &self->piece_segment, &self->piece_at,
                                             &self->piece_end);
        self->pieces_over = !self->counting;
        return self->counting ? 0 : GM_AGAIN;
    }
    const uint64_t left = self->piece_end - self->piece_at;
    const uint32_t bytes = left < GM_BLOCK_BYTES ? (uint32_t)left : GM_BLOCK_BYTES;
    const int rc =
        gm_blocks_extra(self->blocks, self->piece_segment, self->piece_at, bytes, &block);
    if (rc != 0)
        return rc;
    gm_csv_parity_add(&self->parity, self->piece_segment, block->bytes,
                      gm_csv_count(block->data, block->bytes, self->csv->format.dialect.quote));
    self->piece_at += block->bytes;
    self->counting = self->piece_at < self->piece_end;
    gm_blocks_release_extra(self->blocks);
    return 0;
}

/* Returns 0 when it is known whether the segment begins inside quotes. */
static int know_parity(struct gm_csv_source *self, bool *ret_inside)
{
    for (;;) {
        /* A piece that was begun is finished first: others wait for it. */
        if (!self->counting && gm_csv_parity_at(&self->parity, self->segment, ret_inside))
            return 0;
        const int rc = count_piece(self);
        if (rc != 0)
            return rc;
    }
}

/* ---- segments -------------------------------------------------------------------------------- */

/* A header with other names would put values into wrong columns. */
static int check_header(struct gm_csv_source *self, const uint8_t *data, size_t bytes, bool whole)
{
    const size_t taken = bytes < HEADER_BYTES_MAX ? bytes : HEADER_BYTES_MAX;
    const size_t names_bytes = GM_CSV_FIELDS_MAX * sizeof(struct gm_bytes);
    const size_t room = names_bytes + taken + GM_BYTES_SLACK;
    struct gm_bytes *names = gm_heap_alloc(self->spec.heap, room);
    if (names == NULL)
        return gm_error_set(self->spec.error, GM_ETASK_MEMORY, "no memory for a header of CSV");
    uint8_t *copy = (uint8_t *)names + names_bytes;
    size_t used = 0;
    int rc = 0;
    memcpy(copy, data, taken);
    const uint32_t count =
        gm_csv_split_record(&self->csv->format.dialect, copy, taken, whole && taken == bytes, names,
                            NULL, GM_CSV_FIELDS_MAX, &used);
    if (count > 0 && count <= GM_CSV_FIELDS_MAX &&
        gm_csv_header_hash(names, count) != self->csv->header_hash) {
        const struct gm_csv_place place = {.source = self->spec.source,
                                           .path = file_of(self)->path,
                                           .line = 1,
                                           .text = data,
                                           .bytes = used};
        rc = gm_csv_refuse_header(&place, self->spec.error);
    }
    gm_heap_free(self->spec.heap, names, room);
    return rc;
}

/* The block that begins a file. */
static int begin_file(struct gm_csv_source *self, const struct gm_block *block)
{
    const size_t bom =
        block->bytes >= 3 && memcmp(block->data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    self->skip_record = self->csv->header;
    self->span_line = 1;
    if (self->csv->header && self->csv->header_hash != 0) {
        const int rc = check_header(self, block->data + bom, block->bytes - bom, block->file_ends);
        if (rc < 0)
            return rc;
    }
    return take_block(self, block, bom, HELD_NEXT);
}

/* Looks for the segment's first record in its next block. */
static int seek(struct gm_csv_source *self, const struct gm_block *block)
{
    const uint64_t end = segment_of(self)->end;
    size_t from = SIZE_MAX;
    if (block->first && segment_of(self)->begin == 0)
        return begin_file(self, block);
    if (block->first) {
        const int rc = know_parity(self, &self->inside);
        if (rc != 0)
            return rc; /* the block is asked for again */
        if (!self->inside && block->data[0] == '\n')
            from = 1;
    }
    if (from == SIZE_MAX) {
        const size_t skip = block->first; /* the byte before the segment */
        const size_t found = gm_csv_find_record(&self->csv->format.dialect, block->data + skip,
                                                block->bytes - skip, &self->inside);
        from = found == SIZE_MAX ? SIZE_MAX : found + skip;
    }
    if (from != SIZE_MAX && block->offset + from < end)
        return take_block(self, block, from, HELD_NEXT);
    self->held = HELD_NEXT;
    if (from != SIZE_MAX || block->last)
        end_segment(self);
    else
        release_block(self);
    return 0;
}

/* What follows in the file, behind the segment. */
static int read_beyond(struct gm_csv_source *self)
{
    const uint64_t left = file_of(self)->bytes - self->next_offset;
    const uint32_t bytes = left < GM_BLOCK_BYTES ? (uint32_t)left : GM_BLOCK_BYTES;
    const struct gm_block *block;
    const int rc =
        gm_blocks_extra(self->blocks, self->segment, self->next_offset, bytes, &block);
    return rc != 0 ? rc : take_block(self, block, 0, HELD_EXTRA);
}

/* Gets on with blocks until the parser has a span.  Returns 0, GM_PARTITION_END, GM_AGAIN, GM_END
 * or < 0. */
static int next_span(struct gm_csv_source *self, uint32_t *ret_partition)
{
    while (self->state != STATE_PARSE) {
        const struct gm_block *block;
        int rc = gm_blocks_work(self->blocks);
        if (rc < 0)
            return rc;
        if (self->state == STATE_NEXT && self->beyond) {
            rc = read_beyond(self);
            if (rc != 0)
                return rc;
            continue;
        }
        rc = gm_blocks_next(self->blocks, &block, ret_partition);
        if (rc != 0)
            return rc;
        if (self->state == STATE_BETWEEN) {
            self->partition = block->partition;
            self->segment = block->segment;
            self->skip_record = false;
            self->state = STATE_SEEK;
        }
        GM_CHECK(block->segment == self->segment);
        self->beyond = block->last;
        rc = self->state == STATE_SEEK ? seek(self, block) : take_block(self, block, 0, HELD_NEXT);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- batches --------------------------------------------------------------------------------- */

static int refuse_row(struct gm_csv_source *self, const struct gm_csv_fault *fault)
{
    const uint8_t *row = self->span + fault->begin;
    const struct gm_csv_place place = place_of(self, row, fault->end - fault->begin);
    return gm_csv_refuse_row(&place, fault, self->spec.error);
}

/* Turns one column's texts into values.  Returns 0 or < 0; *ret_bad: rows are marked as bad. */
static int convert_column(struct gm_csv_source *self, uint32_t column, uint32_t rows,
                          bool *ret_bad)
{
    const struct gm_vector *from = &self->raw.columns[column];
    struct gm_vector *to = &self->typed.columns[column];
    to->has_nulls = false;
    for (uint32_t row = 0; (row = gm_csv_convert(from, row, rows, to)) < rows; row++) {
        if (self->csv->format.on_error == GM_CSV_FAIL) {
            const struct gm_bytes *text = &from->bytes[row];
            const struct gm_csv_place place = place_of(self, text->data, text->length);
            return gm_csv_refuse_value(&place, column, self->spec.error);
        }
        if (!*ret_bad)
            memset(self->bad, 0, sizeof self->bad);
        *ret_bad = true;
        self->bad_values += self->bad[row] == 0;
        self->bad[row] = 1;
        to->nulls[row] = 1;
        to->has_nulls = true;
    }
    return 0;
}

static void leave_out(struct gm_vector *column, const uint8_t *bad, uint32_t rows)
{
    const uint32_t stride = gm_vector_stride(column->kind);
    uint8_t *data = column->data;
    uint32_t to = 0;
    for (uint32_t row = 0; row < rows; row++) {
        if (bad[row] != 0)
            continue;
        memmove(data + (size_t)to * stride, data + (size_t)row * stride, stride);
        column->nulls[to++] = column->nulls[row];
    }
}

static int finish_batch(struct gm_csv_source *self, uint32_t rows)
{
    const uint32_t columns = self->raw.column_count;
    bool bad = false;
    for (uint32_t i = 0; i < columns; i++) {
        const bool text = self->spec.source->schema.fields[i].kind == GLEAM_BYTES;
        const int rc = text ? 0 : convert_column(self, i, rows, &bad);
        if (rc < 0)
            return rc;
        self->out.columns[i] = text ? self->raw.columns[i] : self->typed.columns[i];
    }
    self->out.column_count = columns;
    self->out.row_count = rows;
    self->out.origin = self->partition;
    if (!bad || self->csv->format.on_error == GM_CSV_NULL)
        return 0;
    self->out.row_count = 0;
    for (uint32_t row = 0; row < rows; row++)
        self->out.row_count += self->bad[row] == 0;
    for (uint32_t i = 0; i < columns; i++)
        leave_out(&self->out.columns[i], self->bad, rows);
    return 0;
}

/* A batch without rows is no end: the chain goes on to its neighbours, and comes back. */
static int next_batch(struct gm_csv_source *self, const struct gm_batch **ret_batch,
                      uint32_t *ret_partition)
{
    int rc = self->state == STATE_PARSE ? gm_blocks_work(self->blocks) : 0;
    while (rc == 0) {
        struct gm_csv_fault fault;
        uint32_t rows;
        rc = next_span(self, ret_partition);
        if (rc != 0)
            return rc;
        rc = self->csv->json ? gm_jsonl_parse(&self->json, self->raw.columns, &rows, &fault)
                             : gm_csv_parse(&self->parser, self->raw.columns, &rows, &fault);
        if (rc == 0) {
            *ret_partition = self->partition;
            *ret_batch = &self->out;
            return finish_batch(self, rows);
        }
        if (rc == GM_CSV_BAD_ROW)
            return refuse_row(self, &fault);
        if (rc == GM_END)
            end_segment(self);
        rc = rc == GM_AGAIN ? keep_rest(self) : 0;
    }
    return rc;
}

static int csv_next(void *opaque, const struct gm_batch **ret_batch, uint32_t *ret_partition)
{
    struct gm_csv_source *self = opaque;
    const int rc = next_batch(self, ret_batch, ret_partition);
    self->waits = rc == GM_AGAIN;
    return rc;
}

struct gm_chain_source gm_csv_source_port(struct gm_csv_source *source)
{
    return (struct gm_chain_source){.self = source, .next = csv_next};
}
