/* sources.c - batches from spans of text, from values of the plan, and from runs of an exchange. */
#include "agent/sources.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/op/tokenize_kernel.h"
#include "engine/row/codec.h"
#include "engine/source/lines.h"

/* ---- text ------------------------------------------------------------------------------------ */

struct gm_text_source {
    struct gm_reader *reader;
    struct gm_heap *heap;
    struct gm_batch batch;
    struct gm_span span;
    uint32_t record_bytes, key_bytes; /* 0: lines */
    bool tokenize;
    bool blocks;
    bool counted;
    bool open; /* the span has more */
    const uint8_t *cursor;
    struct gm_tokenizer tokenizer;
    uint64_t lines;
    uint64_t empty_rows; /* of the span, that are still to come */
};

int gm_text_source_create(const struct gm_source *source, struct gm_reader *reader,
                          struct gm_heap *heap, struct gm_text_source **ret_source)
{
    struct gm_text_source *self = gm_heap_zalloc(heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    self->reader = reader;
    self->heap = heap;
    self->tokenize = source->tokenize;
    /* A plan from somebody else's hands: a column that is not there must not be written to. */
    if (source->record_bytes > 0 &&
        source->schema.field_count != (source->key_bytes < source->record_bytes ? 2u : 1u)) {
        gm_heap_free(heap, self, sizeof *self);
        return GM_EPEER_PROTOCOL;
    }
    self->blocks = source->blocks;
    self->counted = source->counted;
    self->record_bytes = source->record_bytes;
    self->key_bytes = source->key_bytes;
    int rc = gm_batch_init(&self->batch, &source->schema, heap);
    if (rc < 0) {
        gm_text_source_destroy(self);
        return rc;
    }
    *ret_source = self;
    return 0;
}

void gm_text_source_destroy(struct gm_text_source *source)
{
    if (source == NULL)
        return;
    gm_batch_fini(&source->batch, source->heap);
    gm_heap_free(source->heap, source, sizeof *source);
}

static uint32_t words_of(struct gm_text_source *self)
{
    struct gm_bytes *out = self->batch.columns[0].bytes;
    uint32_t count = 0;
    while (self->open && GM_BATCH_ROWS_MAX - count >= GM_TOKENIZE_ROOM_MIN) {
        const size_t found = gm_tokenize(&self->tokenizer, out + count, GM_BATCH_ROWS_MAX - count);
        count += (uint32_t)found;
        if (found == 0) {
            const bool unfinished = self->span.data[self->span.bytes - 1] != '\n';
            self->lines += self->tokenizer.newline_count + unfinished;
            self->open = false;
        }
    }
    return count;
}

static uint32_t lines_of(struct gm_text_source *self)
{
    const uint8_t *end = self->span.data + self->span.bytes;
    const uint32_t count =
        gm_lines_next(&self->cursor, end, self->batch.columns[0].bytes, GM_BATCH_ROWS_MAX);
    self->lines += count;
    self->open = self->cursor < end;
    return count;
}

/* The span itself is the only row. */
static uint32_t block_of(struct gm_text_source *self)
{
    const struct gm_span *span = &self->span;
    self->batch.columns[0].bytes[0] = (struct gm_bytes){.data = span->data, .length = span->bytes};
    self->lines += gm_lines_count(span->data, span->bytes) + (span->data[span->bytes - 1] != '\n');
    self->open = false;
    return 1;
}

/* As many rows as the span has lines, all of them empty. */
static uint32_t empty_rows_of(struct gm_text_source *self)
{
    const struct gm_span *span = &self->span;
    if (self->cursor == span->data) {
        self->cursor += span->bytes;
        self->empty_rows =
            gm_lines_count(span->data, span->bytes) + (span->data[span->bytes - 1] != '\n');
        self->lines += self->empty_rows;
    }
    const uint32_t count =
        self->empty_rows < GM_BATCH_ROWS_MAX ? (uint32_t)self->empty_rows : GM_BATCH_ROWS_MAX;
    memset(self->batch.columns[0].bytes, 0, count * sizeof *self->batch.columns[0].bytes);
    self->empty_rows -= count;
    self->open = self->empty_rows > 0;
    return count;
}

static uint32_t records_of(struct gm_text_source *self)
{
    const uint8_t *end = self->span.data + self->span.bytes;
    struct gm_bytes *keys = self->batch.columns[0].bytes;
    const uint32_t value_bytes = self->record_bytes - self->key_bytes;
    struct gm_bytes *values = value_bytes > 0 ? self->batch.columns[1].bytes : NULL;
    const uint8_t *at = self->cursor;
    uint32_t count = 0;
    for (; count < GM_BATCH_ROWS_MAX && at < end; count++, at += self->record_bytes) {
        keys[count] = (struct gm_bytes){.data = at, .length = self->key_bytes};
        if (values != NULL)
            values[count] = (struct gm_bytes){.data = at + self->key_bytes, .length = value_bytes};
    }
    self->cursor = at;
    self->lines += count;
    self->open = at < end;
    return count;
}

/* A batch without rows is no end: the chain goes on to its neighbours, and comes back. */
static int text_next(void *opaque, const struct gm_batch **ret_batch, uint32_t *ret_partition)
{
    struct gm_text_source *self = opaque;
    if (!self->open) {
        int rc = gm_reader_next(self->reader, &self->span);
        *ret_partition = self->span.partition;
        if (rc != 0)
            return rc;
        GM_CHECK(self->span.bytes > 0);
        self->open = true;
        self->cursor = self->span.data;
        if (self->tokenize)
            gm_tokenizer_init(&self->tokenizer, self->span.data, self->span.bytes);
    }
    self->batch.row_count = self->record_bytes > 0 ? records_of(self)
                          : self->tokenize         ? words_of(self)
                          : self->blocks           ? block_of(self)
                          : self->counted          ? empty_rows_of(self)
                                                   : lines_of(self);
    self->batch.origin = self->span.partition;
    *ret_partition = self->span.partition;
    *ret_batch = &self->batch;
    return 0;
}

static void text_skip(void *opaque)
{
    struct gm_text_source *self = opaque;
    self->open = false;
    gm_reader_skip(self->reader);
}

struct gm_chain_source gm_text_source_port(struct gm_text_source *source)
{
    return (struct gm_chain_source){.self = source, .next = text_next, .skip = text_skip};
}

uint64_t gm_text_source_lines(const struct gm_text_source *source)
{
    return source->lines;
}

/* ---- values ---------------------------------------------------------------------------------- */

struct gm_value_source {
    const struct gm_source *source;
    struct gm_claims claims;
    struct gm_heap *heap;
    struct gm_batch batch;
    bool claimed;
    uint32_t partition;
    uint64_t next, end; /* values of the claimed partition, counted from 0 */
};

int gm_value_source_create(const struct gm_source *source, const struct gm_claims *claims,
                           struct gm_heap *heap, struct gm_value_source **ret_source)
{
    struct gm_value_source *self = gm_heap_zalloc(heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    self->source = source;
    self->claims = *claims;
    self->heap = heap;
    int rc = gm_batch_init(&self->batch, &source->schema, heap);
    if (rc < 0) {
        gm_value_source_destroy(self);
        return rc;
    }
    *ret_source = self;
    return 0;
}

void gm_value_source_destroy(struct gm_value_source *source)
{
    if (source == NULL)
        return;
    gm_batch_fini(&source->batch, source->heap);
    gm_heap_free(source->heap, source, sizeof *source);
}

static bool claim_values(struct gm_value_source *self)
{
    const struct gm_source *source = self->source;
    const uint64_t partition = gm_claims_take(&self->claims);
    if (partition >= source->partition_count)
        return false;
    uint64_t total = source->string_count;
    if (source->kind == GM_SOURCE_INTS)
        total = source->to > source->from ? (uint64_t)source->to - (uint64_t)source->from : 0;
    self->partition = (uint32_t)partition;
    self->next = (uint64_t)((__uint128_t)total * partition / source->partition_count);
    self->end = (uint64_t)((__uint128_t)total * (partition + 1) / source->partition_count);
    self->claimed = true;
    return true;
}

static int value_next(void *opaque, const struct gm_batch **ret_batch, uint32_t *ret_partition)
{
    struct gm_value_source *self = opaque;
    if (!self->claimed && !claim_values(self))
        return GM_END;
    *ret_partition = self->partition;
    if (self->next == self->end) {
        self->claimed = false;
        return GM_PARTITION_END;
    }
    struct gm_vector *column = &self->batch.columns[0];
    uint32_t count = 0;
    for (; count < GM_BATCH_ROWS_MAX && self->next < self->end; count++, self->next++) {
        if (self->source->kind == GM_SOURCE_INTS) {
            column->i64[count] = (int64_t)((uint64_t)self->source->from + self->next);
        } else {
            const struct gm_string *string = &self->source->strings[self->next];
            column->bytes[count] = (struct gm_bytes){.data = (const uint8_t *)string->data,
                                                     .length = string->bytes};
        }
    }
    self->batch.row_count = count;
    self->batch.origin = self->partition;
    *ret_batch = &self->batch;
    return 0;
}

static void value_skip(void *opaque)
{
    struct gm_value_source *self = opaque;
    self->next = self->end;
}

struct gm_chain_source gm_value_source_port(struct gm_value_source *source)
{
    return (struct gm_chain_source){.self = source, .next = value_next, .skip = value_skip};
}

/* ---- exchange -------------------------------------------------------------------------------- */

/* The rows of one of the exchanges. */
struct exchange_input {
    struct gm_exchange_input from;
    struct gm_layout layout;
    struct gm_batch batch;
    struct gm_run run;
    const uint8_t *cursor;
    uint32_t left_bytes;
    uint32_t left_rows;
    bool ended;
};

struct gm_exchange_source {
    struct gm_heap *heap;
    struct gm_error *error;
    uint32_t input_count;
    uint32_t ended_count;
    uint32_t current; /* the input that is asked first */
    uint32_t ended_inputs;
    struct exchange_input inputs[];
};

static size_t exchange_source_bytes(uint32_t input_count)
{
    return sizeof(struct gm_exchange_source) + input_count * sizeof(struct exchange_input);
}

int gm_exchange_source_create(const struct gm_source *source,
                              const struct gm_exchange_input *inputs, struct gm_heap *heap,
                              struct gm_error *error,
                              struct gm_exchange_source **ret_source)
{
    struct gm_exchange_source *self =
        gm_heap_zalloc(heap, exchange_source_bytes(source->input_count));
    if (self == NULL)
        return GM_ETASK_MEMORY;
    self->heap = heap;
    self->error = error;
    self->input_count = source->input_count;
    int rc = 0;
    for (uint32_t i = 0; i < source->input_count && rc == 0; i++) {
        struct exchange_input *input = &self->inputs[i];
        input->from = inputs[i];
        gm_layout_init(&input->layout, &source->inputs[i].schema);
        rc = gm_batch_init(&input->batch, &source->inputs[i].schema, heap);
        input->batch.input = i;
    }
    if (rc < 0) {
        gm_exchange_source_destroy(self);
        return rc;
    }
    *ret_source = self;
    return 0;
}

void gm_exchange_source_destroy(struct gm_exchange_source *source)
{
    if (source == NULL)
        return;
    for (uint32_t i = 0; i < source->input_count; i++)
        gm_batch_fini(&source->inputs[i].batch, source->heap);
    gm_heap_free(source->heap, source, exchange_source_bytes(source->input_count));
}

static int take_run(const struct gm_exchange_source *self, struct exchange_input *input)
{
    if (input->from.reader != NULL)
        return gm_cache_reader_next(input->from.reader, &input->run);
    int rc = gm_receiver_next(input->from.receiver, &input->run);
    if (rc == GM_ETASK_MEMORY)
        return gm_error_set(self->error, rc,
                            "a row that came through an exchange does not fit this executor's "
                            "share of the memory: give more with --memory");
    if (rc < 0)
        return gm_error_set(self->error, rc, "a frame was refused: %s",
                            gm_receiver_why(input->from.receiver));
    return rc;
}

static int next_run(const struct gm_exchange_source *self, struct exchange_input *input)
{
    const int rc = take_run(self, input);
    input->cursor = input->run.rows;
    input->left_bytes = input->run.bytes;
    input->left_rows = rc == 0 ? input->run.row_count : 0;
    return rc;
}

/* The next batch of one input.  Returns as the source's next. */
static int input_next(const struct gm_exchange_source *self, struct exchange_input *input)
{
    while (input->left_rows == 0) {
        int rc = next_run(self, input);
        if (rc != 0)
            return rc;
    }
    size_t used;
    int rc = gm_codec_decode(&input->layout, input->cursor, input->left_bytes, input->left_rows,
                             &input->batch, &used);
    if (rc < 0 || input->batch.row_count == 0 ||
        (input->batch.row_count == input->left_rows && used != input->left_bytes))
        return gm_error_set(self->error, GM_EFRAME_CORRUPT,
                            "a frame from executor %u was refused: its rows do not fit its length",
                            input->run.source);
    input->cursor += used;
    input->left_bytes -= (uint32_t)used;
    input->left_rows -= input->batch.row_count;
    input->batch.origin = input->run.origin;
    return 0;
}

/* Inputs take turns, run by run, and one that has nothing now is passed over: waiting for it could
 * close a cycle of waits. */
static int exchange_next(void *opaque, const struct gm_batch **ret_batch,
                         uint32_t *ret_partition)
{
    struct gm_exchange_source *self = opaque;
    for (uint32_t looked = 0; looked < self->input_count; looked++) {
        struct exchange_input *input = &self->inputs[self->current];
        int rc = input->ended ? GM_END : input_next(self, input);
        if (rc < 0)
            return rc;
        if (rc != 0 || input->left_rows == 0)
            self->current = self->current + 1 < self->input_count ? self->current + 1 : 0;
        if (rc == 0) {
            input->batch.ended_inputs = self->ended_inputs;
            *ret_batch = &input->batch;
            *ret_partition = input->run.partition;
            return 0;
        }
        if (rc == GM_END && !input->ended) {
            self->ended_count++;
            self->ended_inputs |= input->batch.input < 32 ? 1u << input->batch.input : 0;
        }
        input->ended = rc == GM_END;
    }
    return self->ended_count == self->input_count ? GM_END : GM_AGAIN;
}

struct gm_chain_source gm_exchange_source_port(struct gm_exchange_source *source)
{
    return (struct gm_chain_source){.self = source, .next = exchange_next};
}
