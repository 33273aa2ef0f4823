/* stdin.h - the driver's standard input, for executors to read.
 *
 * Executors are programs of their own, whose descriptor 0 is empty.  So they inherit a second
 * descriptor of the driver's standard input, under the same number in all of them: the path of that
 * number is a source's file.
 */
#ifndef GM_AGENT_STDIN_H
#define GM_AGENT_STDIN_H

/* The number, the same for the whole life of the program; < 0 when there is none to be had. */
int gm_stdin_descriptor(void);

#endif
