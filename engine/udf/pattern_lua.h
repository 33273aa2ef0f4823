/* pattern_lua.h - puts the compiled patterns of pattern.h into a LuaJIT state.
 *
 * Threads:   as the state's: one at a time.
 * Memory:    programs and walks are objects of the state, at most 768 patterns of at most 16 KiB;
 *            a usual one has 100 to 300 bytes.
 */
#ifndef GM_UDF_PATTERN_LUA_H
#define GM_UDF_PATTERN_LUA_H

struct lua_State;

/* Replaces string.find, string.match and string.gmatch by versions that LuaJIT's compiler takes
 * into its traces, and that do the same in every case, errors included.  Needs the libraries
 * string and ffi (package.loaded is enough).  Without its compiler LuaJIT is faster by itself, so
 * then nothing is replaced.  Returns 0 and leaves the stack as it was, or -EINVAL with a message
 * on top of it. */
int gm_pattern_open(struct lua_State *state);

#endif
