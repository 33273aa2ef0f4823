/* write_c.c - rows that lie in memory, written as CSV.
 *
 *     gleam-compare-write [run options] ROWS OUTPUT
 *
 * A table of 1024 rows (number, sentence, name; about 90 bytes of CSV each, one sentence in eight
 * with a comma) is built once per executor and handed over again and again, with numbers that go
 * on.  So next to nothing is computed: what is measured is formatting, quoting and writing.
 *
 * OUTPUT becomes a directory with a file for each partition, in order. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/gleam.h"

#define TABLE_ROWS 1024
#define SENTENCE_BYTES_MAX 96
#define NAME_BYTES_MAX 16

struct table {
    int ready;
    struct gleam_value numbers[TABLE_ROWS], sentences[TABLE_ROWS], names[TABLE_ROWS];
    char texts[TABLE_ROWS][SENTENCE_BYTES_MAX], name_texts[TABLE_ROWS][NAME_BYTES_MAX];
};

static _Thread_local struct table table;

static void make_row(size_t row)
{
    static const char *const words[] = {"the",   "river", "and",   "stone", "in",  "morning",
                                        "ships", "carry", "salt",  "to",    "old", "walls",
                                        "under", "light", "gulls", "hills"};
    uint32_t state = (uint32_t)row * 2654435761u + 1;
    char *const text = table.texts[row];
    size_t length = 0;
    while (length < 60) {
        state = state * 1664525 + 1013904223;
        const char *separator = row % 8 == 0 && length > 0 ? ", " : " ";
        length += (size_t)snprintf(text + length, SENTENCE_BYTES_MAX - length, "%s%s",
                                   length > 0 ? separator : "", words[state >> 28]);
    }
    const int name_length =
        snprintf(table.name_texts[row], NAME_BYTES_MAX, "name-%u", (unsigned)(state >> 20));
    table.sentences[row] = gleam_bytes(text, length);
    table.names[row] = gleam_bytes(table.name_texts[row], (size_t)name_length);
}

static int hand_over(struct gleam_call *call, const struct gleam_value *row, uint32_t column_count)
{
    (void)column_count;
    if (!table.ready)
        for (size_t i = 0; i < TABLE_ROWS; i++)
            make_row(i);
    table.ready = 1;
    for (size_t i = 0; i < TABLE_ROWS; i++)
        table.numbers[i] = gleam_i64(row[0].i64 * TABLE_ROWS + (int64_t)i);
    const struct gleam_column columns[] = {
        {.values = table.numbers}, {.values = table.sentences}, {.values = table.names}};
    return gleam_emit_columns(call, columns, 3, TABLE_ROWS);
}

int main(int argc, char **argv)
{
    gleam_register_mapper("hand_over", hand_over);
    gleam_init(&argc, &argv);
    if (argc != 3) {
        fprintf(stderr, "usage: %s [run options] ROWS OUTPUT\n", argv[0]);
        return 2;
    }
    struct gleam_flow *flow = gleam_flow_new("write");
    struct gleam_dataset *rows = gleam_ints(flow, 0, strtoll(argv[1], NULL, 10) / TABLE_ROWS);
    rows = gleam_flat_map(rows, "hand over", gleam_mapper("hand_over"));
    rows = gleam_as(rows, "number i64, sentence bytes, name bytes");
    gleam_write_csv(rows, argv[2], NULL);
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}
