/* step.h - the places where a simulated participant may lose its turn inside the shuffle.
 *
 * Between a push and the bell, or between the two halves of a give, another processor may be at any
 * place of its own.  The simulator runs all participants in one thread; it compiles the lock-free
 * sources once more with GM_SIMULATION and switches at these marks.  In the product they are
 * nothing.
 */
#ifndef GM_SHUFFLE_PORT_STEP_H
#define GM_SHUFFLE_PORT_STEP_H

#ifdef GM_SIMULATION
void gm_sim_yield(void); /* whoever compiles with GM_SIMULATION defines it */
#define GM_SIM_YIELD() gm_sim_yield()
#else
#define GM_SIM_YIELD() ((void)0)
#endif

#endif
