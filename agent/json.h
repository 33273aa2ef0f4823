/* json.h - the one part of JSON that needs care when it is written: strings. */
#ifndef GM_AGENT_JSON_H
#define GM_AGENT_JSON_H

#include <stdio.h>

/* Writes the text in quotes, escaped; U+FFFD stands for every byte that is no UTF-8. */
void gm_json_string(FILE *file, const char *text);

#endif
