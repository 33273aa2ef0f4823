/* cluster.h - one run: a random flow over random files on random executors, from one seed. */
#ifndef GM_TESTS_SIM_CLUSTER_H
#define GM_TESTS_SIM_CLUSTER_H

#include "tests/sim/world.h"

struct sim_run_options {
    uint64_t seed;
    enum sim_sabotage sabotage;
    bool print_trace;
};

struct sim_run_report {
    bool right;         /* the answer, or where harm was done to the disk, the failure */
    char verdict[1200]; /* what went wrong, or how it ended */
    char what[400];     /* the run in words */
    uint64_t trace;     /* a hash of all that happened, results included */
    uint64_t spilled_bytes; /* by all executors */
    uint64_t sabotaged_count;
    uint64_t ticks_count;
    bool failed_as_expected; /* a read failed, or memory was too small, and the job said so */
};

void sim_run(const struct sim_run_options *options, struct sim_run_report *ret_report);

#endif
