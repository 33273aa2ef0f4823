/* script.h - flows in Lua: runs a script with the module gleam.
 *
 * The script runs once, in the driver; functions of its steps travel to the executors
 * (engine/udf/values.lua).  Threads: the driver's.  Memory: LuaJIT's own.
 */
#ifndef GM_SCRIPT_SCRIPT_H
#define GM_SCRIPT_SCRIPT_H

#include <stddef.h>

/* Runs Lua code as a script.
 *   name      what messages call it: a path, "-" (standard input) or "-e"
 *   code      borrowed
 *   argv      the table `arg`: argv[0] is the script's name
 * Returns the exit status; what went wrong is on stderr. */
int gm_script_run(const char *name, const char *code, size_t code_bytes, int argc, char **argv);

#endif
