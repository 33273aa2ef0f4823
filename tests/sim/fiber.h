/* fiber.h - a function with a stack of its own, which one thread enters and leaves.
 *
 * So the real, blocking-looking code of an executor runs here: where it calls a port, the simulator
 * may take the processor away and give it to another.
 *
 * Threads: one, for all fibers of a program.
 */
#ifndef GM_TESTS_SIM_FIBER_H
#define GM_TESTS_SIM_FIBER_H

#include <stdbool.h>

struct sim_fiber;

struct sim_fiber *sim_fiber_create(void (*function)(void *argument), void *argument);
/* It must have ended, or never begun.  NULL is allowed. */
void sim_fiber_destroy(struct sim_fiber *fiber);

/* Runs it until it yields or ends.  Only from outside of all fibers. */
void sim_fiber_resume(struct sim_fiber *fiber);
/* Back to whoever resumed; only from inside of one. */
void sim_fiber_yield(void);
bool sim_fiber_inside(void);
bool sim_fiber_ended(const struct sim_fiber *fiber);

#endif
