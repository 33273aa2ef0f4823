/* csv.c - records from the places that the kernel finds.
 *
 * Rows are taken in runs: first the places of a run are checked to be rows of the right length,
 * then each column is written in a loop of its own.  What is no such row (an empty line, a comment,
 * a bad one) ends the run and is looked at alone.
 */
#include "engine/source/csv.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"

void gm_csv_parser_init(struct gm_csv_parser *parser, const struct gm_csv_format *format)
{
    GM_CHECK(format->field_count >= 1 && format->field_count <= GM_CSV_FIELDS_MAX);
    GM_CHECK(format->column_count <= GM_FIELDS_MAX);
    for (uint32_t i = 0; i < format->column_count; i++)
        GM_CHECK(format->columns[i].field < format->field_count);
    parser->format = *format;
    parser->bad_rows = 0;
    parser->low = parser->high = 0;
    parser->bytes = parser->begin = 0;
}

void gm_csv_parser_span(struct gm_csv_parser *parser, uint8_t *data, size_t bytes, size_t limit,
                        bool last, bool skip_record)
{
    GM_CHECK(bytes < UINT32_MAX);
    parser->data = data;
    parser->bytes = bytes;
    parser->limit = limit;
    parser->last = last;
    parser->ended = false;
    parser->skip_record = skip_record;
    parser->begin = 0;
    parser->low = parser->high = 0;
    gm_csv_scanner_init(&parser->scanner, &parser->format.dialect, data, bytes, false);
}

/* Gets more places into the window.  Returns false when there are no more. */
static bool refill(struct gm_csv_parser *parser)
{
    if (parser->ended)
        return false;
    parser->high -= parser->low;
    memmove(parser->window, parser->window + parser->low, parser->high * sizeof *parser->window);
    parser->low = 0;
    const uint32_t before = parser->high;
    parser->high += (uint32_t)gm_csv_scan(&parser->scanner, parser->data,
                                          parser->window + before, GM_CSV_WINDOW - before);
    if (parser->scanner.at < parser->scanner.end)
        return parser->high > before;
    parser->ended = true;
    /* The last line of a file may lack its end: it gets one, behind the span. */
    const size_t newest = parser->high > 0 ? parser->window[parser->high - 1] : 0;
    const bool open = parser->high == 0 ? parser->begin < parser->bytes
                                        : newest + 1 < parser->bytes ||
                                              parser->data[newest] != '\n';
    if (parser->last && open) {
        parser->data[parser->bytes] = '\n';
        GM_CHECK(parser->high < GM_CSV_WINDOW);
        parser->window[parser->high++] = (uint32_t)parser->bytes;
    }
    return parser->high > before;
}

/* ---- one field ------------------------------------------------------------------------------- */

/* Whether a field is as RFC 4180 wants it; returns 0 or 1 + the fault's kind. */
static unsigned check_field(const struct gm_csv_dialect *dialect, const uint8_t *data,
                            size_t length)
{
    const uint8_t quote = dialect->quote, escape = dialect->escape;
    if (quote == 0)
        return 0;
    const bool quoted = length > 0 && data[0] == quote;
    for (size_t i = quoted; i < length; i++) {
        if (escape != 0 && data[i] == escape) {
            i++;
        } else if (data[i] == quote) {
            if (!quoted)
                return 1 + GM_CSV_FAULT_QUOTE;
            if (i + 1 == length)
                return 0;
            if (escape != 0 || data[i + 1] != quote)
                return 1 + GM_CSV_FAULT_STRAY;
            i++;
        }
    }
    return quoted ? 1 + GM_CSV_FAULT_STRAY : 0;
}

/* A good field's value: without its quotes, doubled quotes and escapes.  In place. */
static struct gm_bytes decode_field(const struct gm_csv_dialect *dialect, uint8_t *data,
                                    size_t length, bool *ret_quoted)
{
    const uint8_t quote = dialect->quote;
    *ret_quoted = quote != 0 && length >= 2 && data[0] == quote && data[length - 1] == quote;
    if (*ret_quoted) {
        data++;
        length -= 2;
    }
    /* What makes the byte behind it plain; a quote does only inside quotes. */
    const uint8_t hides = dialect->escape != 0 ? dialect->escape : *ret_quoted ? quote : 0;
    const uint8_t *found = hides != 0 ? memchr(data, hides, length) : NULL;
    if (found == NULL)
        return (struct gm_bytes){.data = data, .length = length};
    size_t to = (size_t)(found - data);
    for (size_t from = to; from < length; from++) {
        if (data[from] == hides && from + 1 < length)
            from++;
        data[to++] = data[from];
    }
    /* So that the span keeps its number of line ends. */
    memset(data + to, ' ', length - to);
    return (struct gm_bytes){.data = data, .length = to};
}

static bool is_null_text(const struct gm_csv_format *format, const struct gm_bytes *value)
{
    return value->length == format->null_bytes &&
           memcmp(value->data, format->null_text, value->length) == 0;
}

/* A field that begins with a quote, or any of a dialect with escapes. */
static void put_field(const struct gm_csv_format *format, uint32_t column, uint8_t *data,
                      size_t length, struct gm_vector *to, uint32_t row)
{
    bool quoted;
    to->bytes[row] = decode_field(&format->dialect, data, length, &quoted);
    to->nulls[row] = 0;
    if (format->columns[column].nullable && !quoted && is_null_text(format, &to->bytes[row])) {
        to->nulls[row] = 1;
        to->has_nulls = true;
    }
}

/* ---- runs of good rows ----------------------------------------------------------------------- */

/* How many rows of the right length stand at the window's low end, at most `most`. */
static uint32_t count_rows(const struct gm_csv_parser *parser, uint32_t most)
{
    const uint8_t *data = parser->data;
    const uint32_t fields = parser->format.field_count;
    const uint32_t *place = parser->window + parser->low;
    size_t begin = parser->begin;
    uint32_t rows = 0;
    const uint32_t there = (parser->high - parser->low) / fields;
    most = most < there ? most : there;
    for (; rows < most && begin < parser->limit; rows++) {
        unsigned wrong = data[place[fields - 1]] != '\n';
        for (uint32_t i = 0; i + 1 < fields; i++)
            wrong |= data[place[i]] == '\n';
        if (wrong)
            break;
        begin = (size_t)place[fields - 1] + 1;
        place += fields;
    }
    return rows;
}

/* Where fields have to be looked at one by one: rows up to the first bad one, or a comment. */
static uint32_t check_rows(const struct gm_csv_parser *parser, uint32_t rows)
{
    const struct gm_csv_dialect *dialect = &parser->format.dialect;
    const uint32_t fields = parser->format.field_count;
    const uint32_t *place = parser->window + parser->low;
    size_t begin = parser->begin;
    for (uint32_t row = 0; row < rows; row++) {
        if (dialect->comment != 0 && parser->data[begin] == dialect->comment)
            return row;
        for (uint32_t i = 0; i < fields; i++) {
            size_t end = *place++;
            const size_t next = end + 1;
            end -= i + 1 == fields && end > begin && parser->data[end - 1] == '\r';
            if (check_field(dialect, parser->data + begin, end - begin) != 0)
                return row;
            begin = next;
        }
    }
    return rows;
}

/* One column of a run.  last_field: its end is a line end. */
static inline __attribute__((always_inline)) void put_column(const struct gm_csv_parser *parser,
                                                             uint32_t column,
                                                             struct gm_vector *to, uint32_t first,
                                                             uint32_t rows, bool last_field)
{
    const struct gm_csv_format *format = &parser->format;
    const uint32_t fields = format->field_count, field = format->columns[column].field;
    const uint8_t quote = format->dialect.quote;
    const bool nullable = format->columns[column].nullable;
    const bool marks = nullable || format->on_error == GM_CSV_NULL; /* has_nulls may become true */
    const bool slow = format->dialect.escape != 0;
    const uint32_t *place = parser->window + parser->low + field;
    uint8_t *data = parser->data;
    struct gm_bytes *values = to->bytes + first;
    size_t begin = field == 0 ? parser->begin : (size_t)place[-1] + 1;
    for (uint32_t row = 0; row < rows; row++, place += fields) {
        size_t end = place[0];
        if (last_field)
            end -= end > begin && data[end - 1] == '\r';
        if ((quote != 0 && data[begin] == quote) || slow) {
            put_field(format, column, data + begin, end - begin, to, first + row);
        } else {
            values[row] = (struct gm_bytes){.data = data + begin, .length = end - begin};
            if (marks) {
                const bool null = nullable && is_null_text(format, &values[row]);
                to->nulls[first + row] = null;
                to->has_nulls |= null;
            }
        }
        if (row + 1 < rows) /* place[fields - 1] of the last row may be the window's last entry */
            begin = (size_t)place[(size_t)fields - 1] + 1;
    }
}

/* In front of field 0 stands the last field of the row before: place[fields - 1]; in front of
 * another its neighbour, which is the same distance away. */
static void put_rows(struct gm_csv_parser *parser, struct gm_vector *columns, uint32_t first,
                     uint32_t rows)
{
    const struct gm_csv_format *format = &parser->format;
    for (uint32_t i = 0; i < format->column_count; i++) {
        if (format->columns[i].field + 1u == format->field_count)
            put_column(parser, i, &columns[i], first, rows, true);
        else
            put_column(parser, i, &columns[i], first, rows, false);
    }
    parser->low += rows * format->field_count;
    parser->begin = (size_t)parser->window[parser->low - 1] + 1;
}

/* ---- what is no good row --------------------------------------------------------------------- */

/* The record at the window's low end, alone. */
struct record {
    size_t end;           /* of its text, without the line end */
    size_t next;          /* the next record's begin */
    uint32_t field_count;
    uint32_t stored;      /* places of its fields at window[low...) */
    uint32_t used;        /* places of the window that are its */
};

/* Returns false when its end is not in the span. */
static bool gather(struct gm_csv_parser *parser, struct record *ret)
{
    const uint32_t keep = parser->format.field_count;
    uint32_t at = 0, dropped = 0;
    for (;; at++) {
        while (parser->low + at == parser->high) {
            if (refill(parser))
                continue;
            if (parser->ended || at <= keep)
                return false;
            /* More fields than the window holds: only the first ones are of interest. */
            dropped += at - keep;
            parser->high = parser->low + keep;
            at = keep;
        }
        if (parser->data[parser->window[parser->low + at]] == '\n')
            break;
    }
    const size_t line_end = parser->window[parser->low + at];
    ret->field_count = dropped + at + 1;
    ret->stored = ret->field_count < keep ? ret->field_count : keep;
    ret->used = at + 1;
    ret->next = line_end + 1;
    ret->end = line_end - (line_end > parser->begin && parser->data[line_end - 1] == '\r');
    return true;
}

/* The first of the record's stored fields that is bad, or none; returns 0 or 1 + the kind. */
static unsigned find_bad_field(const struct gm_csv_parser *parser, const struct record *record,
                               uint32_t *ret_field)
{
    size_t begin = parser->begin;
    for (uint32_t i = 0; i < record->stored; i++) {
        const size_t place = parser->window[parser->low + i];
        const size_t end = place < record->end ? place : record->end;
        const unsigned kind = check_field(&parser->format.dialect, parser->data + begin,
                                          end > begin ? end - begin : 0);
        if (kind != 0) {
            *ret_field = i;
            return kind;
        }
        begin = place + 1;
    }
    return 0;
}

/* Writes what there is of a bad row, and nulls for the rest. */
static void put_bad_row(const struct gm_csv_parser *parser, const struct record *record,
                        struct gm_vector *columns, uint32_t row)
{
    const struct gm_csv_format *format = &parser->format;
    for (uint32_t i = 0; i < format->column_count; i++) {
        const uint32_t field = format->columns[i].field;
        struct gm_vector *to = &columns[i];
        to->bytes[row] = (struct gm_bytes){.data = parser->data, .length = 0};
        to->nulls[row] = 1;
        if (field < record->stored) {
            const uint32_t *place = &parser->window[parser->low + field];
            const size_t begin = field == 0 ? parser->begin : (size_t)place[-1] + 1;
            const size_t end = *place < record->end ? *place : record->end;
            const size_t length = end > begin ? end - begin : 0;
            if (check_field(&format->dialect, parser->data + begin, length) == 0)
                put_field(format, i, parser->data + begin, length, to, row);
        }
        to->has_nulls |= to->nulls[row] != 0;
    }
}

static void leave(struct gm_csv_parser *parser, const struct record *record)
{
    parser->low += record->used;
    parser->begin = record->next;
}

static bool is_no_record(const struct gm_csv_parser *parser, const struct record *record)
{
    const uint8_t comment = parser->format.dialect.comment;
    if (record->end == parser->begin)
        return parser->format.field_count > 1;
    return comment != 0 && parser->data[parser->begin] == comment;
}

/* Looks at the one record that is next.  Returns 0 when it is dealt with (*rows may have grown),
 * or what gm_csv_parse returns. */
static int take_odd_record(struct gm_csv_parser *parser, struct gm_vector *columns,
                           uint32_t *rows, struct gm_csv_fault *ret_fault)
{
    struct record record;
    if (!gather(parser, &record))
        return parser->last ? GM_END : GM_AGAIN;
    if (is_no_record(parser, &record) || parser->skip_record) {
        parser->skip_record = parser->skip_record && is_no_record(parser, &record);
        leave(parser, &record);
        return 0;
    }
    const bool unclosed = record.next > parser->bytes && parser->scanner.inside != 0;
    struct gm_csv_fault fault = {.begin = parser->begin,
                                 .end = record.end,
                                 .field_count = record.field_count};
    const unsigned kind = find_bad_field(parser, &record, &fault.field);
    fault.kind = unclosed ? GM_CSV_FAULT_UNCLOSED : kind != 0 ? kind - 1 : GM_CSV_FAULT_FIELDS;
    if (parser->format.on_error == GM_CSV_FAIL) {
        *ret_fault = fault;
        return GM_CSV_BAD_ROW;
    }
    parser->bad_rows++;
    if (parser->format.on_error == GM_CSV_NULL) {
        put_bad_row(parser, &record, columns, *rows);
        (*rows)++;
    }
    leave(parser, &record);
    return 0;
}

int gm_csv_parse(struct gm_csv_parser *parser, struct gm_vector *columns, uint32_t *ret_rows,
                 struct gm_csv_fault *ret_fault)
{
    uint32_t rows = 0;
    int rc = 0;
    for (uint32_t i = 0; i < parser->format.column_count; i++)
        columns[i].has_nulls = false;
    while (rows < GM_BATCH_ROWS_MAX && rc == 0) {
        if (parser->begin >= parser->limit) {
            rc = GM_END;
            break;
        }
        uint32_t found = 0;
        if (!parser->skip_record) {
            if (parser->high - parser->low < parser->format.field_count)
                refill(parser);
            found = count_rows(parser, GM_BATCH_ROWS_MAX - rows);
            /* Or the file ended inside quotes, and the last record's line end is made up. */
            const bool cut = parser->ended && parser->last && parser->scanner.inside != 0;
            if (found > 0 && (parser->scanner.suspicious || cut))
                found = check_rows(parser, found);
        }
        if (found > 0) {
            put_rows(parser, columns, rows, found);
            rows += found;
        } else {
            rc = take_odd_record(parser, columns, &rows, ret_fault);
        }
    }
    *ret_rows = rows;
    return rows > 0 ? 0 : rc;
}

/* ---- beginnings ------------------------------------------------------------------------------ */

size_t gm_csv_find_record(const struct gm_csv_dialect *dialect, const uint8_t *data, size_t bytes,
                          bool *inside)
{
    struct gm_csv_scanner scanner;
    uint32_t places[4 * GM_CSV_SCAN_ROOM_MIN];
    gm_csv_scanner_init(&scanner, dialect, data, bytes, *inside);
    while (scanner.at < scanner.end) {
        const uint8_t *base = scanner.at;
        const size_t count = gm_csv_scan(&scanner, base, places, sizeof places / sizeof *places);
        for (size_t i = 0; i < count; i++)
            if (base[places[i]] == '\n')
                return (size_t)(base - data) + places[i] + 1;
    }
    *inside = scanner.inside != 0;
    return SIZE_MAX;
}

/* Fields of one record that ends at stop. */
static uint32_t split_fields(const struct gm_csv_dialect *dialect, uint8_t *data, size_t stop,
                             struct gm_bytes *ret_fields, bool *ret_quoted, uint32_t fields_max)
{
    struct gm_csv_scanner scanner;
    uint32_t places[4 * GM_CSV_SCAN_ROOM_MIN];
    uint32_t count = 0;
    size_t begin = 0, line = stop;
    line -= line > 0 && data[line - 1] == '\r';
    gm_csv_scanner_init(&scanner, dialect, data, line, false);
    for (;;) {
        const size_t found = gm_csv_scan(&scanner, data, places, sizeof places / sizeof *places);
        const bool ended = scanner.at == scanner.end;
        for (size_t i = 0; i < found + ended; i++) {
            const size_t end = i < found ? places[i] : line;
            bool quoted = false;
            if (check_field(dialect, data + begin, end - begin) != 0)
                return 0;
            const struct gm_bytes field =
                decode_field(dialect, data + begin, end - begin, &quoted);
            if (count < fields_max) {
                ret_fields[count] = field;
                if (ret_quoted != NULL)
                    ret_quoted[count] = quoted;
            }
            count++;
            begin = end + 1;
        }
        if (ended)
            return count;
    }
}

uint32_t gm_csv_split_record(const struct gm_csv_dialect *dialect, uint8_t *data, size_t bytes,
                             bool whole, struct gm_bytes *ret_fields, bool *ret_quoted,
                             uint32_t fields_max, size_t *ret_used)
{
    size_t begin = 0;
    while (begin < bytes) {
        bool inside = false;
        uint8_t *record = data + begin;
        size_t next = gm_csv_find_record(dialect, record, bytes - begin, &inside);
        *ret_used = begin;
        if (next == SIZE_MAX && (!whole || inside))
            return 0;
        const bool has_end = next != SIZE_MAX;
        next = has_end ? next : bytes - begin;
        const size_t stop = next - has_end;
        const bool empty = stop == 0 || (stop == 1 && record[0] == '\r');
        if (!empty && (dialect->comment == 0 || record[0] != dialect->comment)) {
            const uint32_t count =
                split_fields(dialect, record, stop, ret_fields, ret_quoted, fields_max);
            *ret_used = count > 0 ? begin + next : begin;
            return count;
        }
        begin += next;
    }
    *ret_used = bytes;
    return 0;
}
