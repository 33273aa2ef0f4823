/* check.h - assertions.
 *
 * GM_CHECK stays in release builds: arguments, state changes, relations between fields.
 * GM_DCHECK is for per-row paths and is compiled only with -Ddebug_checks=true.
 * They are for our own mistakes; whatever the world can do wrong is an error (error.h).
 */
#ifndef GM_BASE_CHECK_H
#define GM_BASE_CHECK_H

/* Prints the condition and its place to stderr and aborts. */
_Noreturn void gm_check_failed(const char *condition, const char *file, int line);

#define GM_CHECK(condition)                                                                        \
    ((condition) ? (void)0 : gm_check_failed(#condition, __FILE__, __LINE__))

#ifdef GM_DEBUG_CHECKS
#define GM_DCHECK(condition) GM_CHECK(condition)
#else
#define GM_DCHECK(condition) ((void)0)
#endif

#endif
