/* text.h - the files of a simulated run, and what lines and words they hold.
 *
 * The lines here are cut in the plainest way there is: the engine's are compared with them.
 */
#ifndef GM_TESTS_SIM_TEXT_H
#define GM_TESTS_SIM_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "shuffle/port/random.h"

#define SIM_FILES_MAX 64

struct sim_file {
    char path[16];
    uint8_t *data;
    uint64_t bytes;
    bool size_unknown; /* the planner is not told */
};

struct sim_text {
    struct sim_file files[SIM_FILES_MAX];
    uint32_t file_count;
    uint64_t bytes; /* of the files whose size is known */
};

struct sim_text_spec {
    uint32_t size_scale; /* 1 small, 2, 3 and 4 larger */
    bool distinct;       /* hardly a word comes twice */
    bool may_be_unknown; /* the size of some files */
};

void sim_text_make(struct sim_text *text, struct gm_prng *prng, const struct sim_text_spec *spec);
void sim_text_free(struct sim_text *text);
const struct sim_file *sim_text_find(const struct sim_text *text, const char *path);

/* A line of all files, one behind the other.  Start: {0}. */
struct sim_line {
    uint32_t file;      /* of the next line */
    uint64_t at;        /* in that file */
    uint64_t begin;     /* of this line, counted over all files */
    uint64_t file_begin;
    const uint8_t *data;
    uint64_t bytes; /* without its end */
};
bool sim_text_line(const struct sim_text *text, struct sim_line *line);

/* The next run of letters and digits; false at the end.  *offset starts at 0. */
bool sim_text_word(const uint8_t *data, uint64_t bytes, uint64_t *offset, const uint8_t **ret_word,
                   uint64_t *ret_bytes);

#endif
