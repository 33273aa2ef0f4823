/* sources.h - what feeds a chain inside an executor: text files, values of the plan, an exchange.
 *
 * Each makes a struct gm_chain_source; all belong to one executor's thread.
 */
#ifndef GM_AGENT_SOURCES_H
#define GM_AGENT_SOURCES_H

#include "agent/cache.h"
#include "agent/reader.h"
#include "engine/chain/chain.h"
#include "shuffle/claims.h"
#include "shuffle/exchange.h"

struct gm_text_source;
struct gm_value_source;
struct gm_exchange_source;

/* Lines of a reader's spans, or their words when the tokenize step is fused in.  Borrows reader. */
int gm_text_source_create(const struct gm_source *source, struct gm_reader *reader,
                          struct gm_heap *heap, struct gm_text_source **ret_source);
void gm_text_source_destroy(struct gm_text_source *source);
struct gm_chain_source gm_text_source_port(struct gm_text_source *source);
uint64_t gm_text_source_lines(const struct gm_text_source *source); /* so far */

/* Strings or ints of the plan; partitions are claimed. */
int gm_value_source_create(const struct gm_source *source, const struct gm_claims *claims,
                           struct gm_heap *heap, struct gm_value_source **ret_source);
void gm_value_source_destroy(struct gm_value_source *source);
struct gm_chain_source gm_value_source_port(struct gm_value_source *source);

/* Where one input of a source comes from: the one or the other. */
struct gm_exchange_input {
    struct gm_receiver *receiver;
    struct gm_cache_reader *reader; /* of a cached dataset */
};

/* Rows of the source's exchanges and cached datasets, as they come; a batch says which input it
 * came by.  Borrows what is in inputs, one for each of the source's; their reasons go to error. */
int gm_exchange_source_create(const struct gm_source *source,
                              const struct gm_exchange_input *inputs, struct gm_heap *heap,
                              struct gm_error *error,
                              struct gm_exchange_source **ret_source);
void gm_exchange_source_destroy(struct gm_exchange_source *source);
struct gm_chain_source gm_exchange_source_port(struct gm_exchange_source *source);

#endif
