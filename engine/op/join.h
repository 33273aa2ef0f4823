/* join.h - what the two halves of the join share: the meeting in memory (join.c) and the way to it
 * from disk (join_disk.c).  For nobody else.
 *
 * From disk the rows of a partition come in sections.  A section is a join of its own: one side is
 * in memory as a table, the other runs along it, in memory or in pieces that are read one after the
 * other.
 */
#ifndef GM_OP_JOIN_H
#define GM_OP_JOIN_H

#include "engine/op/holding.h"
#include "engine/op/key.h"
#include "engine/op/packed.h"
#include "engine/op/table.h"

enum { GM_JOIN_LEFT = 0, GM_JOIN_RIGHT = 1, GM_JOIN_EITHER = 2 };

/* What is common to all partitions of one side. */
struct gm_join_side {
    struct gm_layout layout;
    struct gm_key_reader keys;
    bool nullable_keys;
    bool keeps_all; /* rows without a partner come out as well */
    struct gm_batch batch; /* its rows as columns, some at a time */
    struct gm_sort_order by_hash; /* runs have the hash in the place of a position */
};

/* A column of the result; EITHER: of the left side, where the row has one, else of the right. */
struct gm_join_column {
    uint8_t side;
    uint32_t left, right;
};

/* The rows of one side on their way to disk: sorted by hash, as many as there are entries for. */
struct gm_join_write {
    struct gm_holding *holding; /* NULL: none is under way */
    struct gm_packed_cursor cursor;
    struct gm_batch batch; /* those of the sides are in use */
    struct gm_sort_entry *entries;
    uint64_t capacity, count, next;
};

struct gm_join {
    struct gm_join_side sides[2];
    struct gm_join_column columns[GM_FIELDS_MAX];
    struct gm_batch result;
    uint32_t sizes[GM_BATCH_ROWS_MAX];
    uint32_t rows[GM_BATCH_ROWS_MAX];           /* of the batch that runs along the table */
    const uint8_t *partners[GM_BATCH_ROWS_MAX]; /* NULL: it has none */
    const struct gm_batch *running;             /* that batch */
    struct gm_slot *slots[GM_BATCH_ROWS_MAX];   /* by row of that batch; NULL: not in the table */
    bool silent[GM_BATCH_ROWS_MAX]; /* nested: nothing comes of it, should it have no partner */
    struct gleam_order no_columns;
    struct gm_join_write write;
};

/* A row of the table's side.  A slot's value is the only row of its key, or a list of such. */
struct gm_join_row {
    const uint8_t *row;
    struct gm_join_row *next;
};

enum gm_join_phase {
    GM_JOIN_COLLECT,
    GM_JOIN_STREAM, /* one side is whole and in the table; the other runs along it as it comes */
    GM_JOIN_PROBE,
    GM_JOIN_REST,
    GM_JOIN_NEXT, /* the section is done, there may be another */
    GM_JOIN_DONE,
};

/* Where more rows of the side that runs along the table come from. */
enum gm_join_feed {
    GM_JOIN_FEED_NONE,
    GM_JOIN_FEED_SCAN, /* its runs, in any order: all of the table's side is in memory */
    GM_JOIN_FEED_HASH, /* its merge, as long as the rows have the section's hash */
    GM_JOIN_FEED_AGAIN, /* the nested run */
};

struct gm_join_state {
    struct gm_packed rows[2];
    struct gm_holding holdings[2];
    uint32_t next_row; /* of the input batch */
    enum gm_join_phase phase;
    bool may_not_stream; /* it was tried, and there was no memory */
    bool in_input; /* STREAM: what was kept has run, it is the turn of the input */
    uint32_t build; /* the side in the table */
    struct gm_table table;
    bool has_table;
    struct gm_join_row *kept;
    uint64_t kept_capacity;
    struct gm_packed_cursor cursor; /* of the other side */
    uint32_t row;                   /* of its batch */
    struct gm_join_row *partner;    /* the row's next one; NULL: it has not begun */
    uint64_t position;              /* REST: in the table */
    /* from disk */
    enum gm_join_feed feed;
    bool on_disk;  /* both sides: there are sections */
    bool filling;  /* the rows of the next one are being read */
    uint64_t hash; /* of the rows that were read last */
    bool has_hash[2]; /* the side has rows of that hash */
    /* One hash has too many rows on both sides: the right ones lie in a run that is read for each
     * piece of the left ones. */
    struct gm_run_set nested_set; /* while it is written */
    struct gm_packed_cursor nested_cursor;
    struct gm_run_reader nested_reader;
    bool nesting; /* it is being written */
    bool nested;
    bool nested_open;
    bool is_first_piece, is_last_piece;
    struct gm_table left_keys; /* of that hash; where right rows without a partner come out */
};

int gm_join_refuse_memory(const struct gm_op *op);

/* join.c: makes the table of state->build.  Returns 0, or GM_ETASK_MEMORY without an error set. */
int gm_join_build(struct gm_op *op, struct gm_join_state *state);

/* join_disk.c */
int gm_join_give_back(struct gm_op *op, struct gm_holding *holding);
void gm_join_disk_end(struct gm_op *op, struct gm_join_state *state);
void gm_join_disk_close(struct gm_op *op);
/* All rows have come.  Returns 0: the table is made; GM_AGAIN or < 0. */
int gm_join_start(struct gm_op *op, struct gm_join_state *state);
/* The next section.  Returns 0: its table is made; GM_AGAIN, GM_END or < 0. */
int gm_join_next(struct gm_op *op, struct gm_join_state *state);
/* More rows for the side that runs along the table, in the place of those that were there.  Returns
 * 0, GM_AGAIN, GM_END or < 0. */
int gm_join_more(struct gm_op *op, struct gm_join_state *state);
/* Says which rows of a nested section are silent; keys are those of rows [first, first + count). */
void gm_join_silence(struct gm_op *op, struct gm_join_state *state, const struct gm_key *keys,
                     uint32_t first, uint32_t count);
/* A piece's keys become known to those behind it.  Returns 0 or GM_ETASK_MEMORY. */
int gm_join_note_keys(struct gm_op *op, struct gm_join_state *state, const struct gm_key *keys,
                      uint32_t count);

#endif
