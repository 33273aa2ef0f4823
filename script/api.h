/* api.h - the calls of gleam.h that gleam.lua makes.
 *
 * LuaJIT reads this text as its declarations, and script.c includes it behind gleam.h: a signature
 * that differs does not compile.  No preprocessor lines beyond this comment.
 */
void gleam_here(const char *file, int line);
struct gleam_function gleam_kernel(const char *name);
struct gleam_function gleam_lua(const char *source);
struct gleam_function gleam_library_with(const char *path, const char *symbol,
                                         const void *parameter, size_t length);

struct gleam_flow *gleam_flow_new(const char *name);
void gleam_flow_free(struct gleam_flow *flow);
const char *gleam_flow_error(const struct gleam_flow *flow);
void gleam_init_lua(struct gleam_flow *flow, const char *code);
uint32_t gleam_broadcast_bytes(struct gleam_flow *flow, const void *data, size_t length);

struct gleam_dataset *gleam_read_texts(struct gleam_flow *flow, const char *const *paths,
                                       size_t path_count, uint32_t partition_count);
struct gleam_dataset *gleam_byte_strings(struct gleam_flow *flow, const char *const *strings,
                                         const size_t *lengths, size_t count);
struct gleam_dataset *gleam_ints(struct gleam_flow *flow, int64_t from, int64_t to);

struct gleam_dataset *gleam_source(struct gleam_flow *flow, const char *name,
                                   struct gleam_function function);
uint32_t gleam_column(const char *name);
struct gleam_size_hint gleam_total_size(double megabytes);
struct gleam_size_hint gleam_partition_size(double megabytes);
struct gleam_dataset *gleam_hint(struct gleam_dataset *dataset, struct gleam_size_hint hint);
void gleam_flow_hint(struct gleam_flow *flow, struct gleam_size_hint hint);
struct gleam_dataset *gleam_sample(struct gleam_dataset *dataset, const char *step, uint32_t count,
                                   uint64_t seed);
struct gleam_dataset *gleam_sample_fraction(struct gleam_dataset *dataset, const char *step,
                                            double fraction, uint64_t seed);

struct gleam_dataset *gleam_as(struct gleam_dataset *dataset, const char *columns);
struct gleam_dataset *gleam_map(struct gleam_dataset *dataset, const char *step,
                                struct gleam_function function);
struct gleam_dataset *gleam_flat_map(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_function function);
struct gleam_dataset *gleam_filter(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_function function);
struct gleam_dataset *gleam_for_each(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_function function);
struct gleam_dataset *gleam_where(struct gleam_dataset *dataset, const char *step,
                                  uint32_t column, enum gleam_comparison comparison,
                                  struct gleam_value value);
struct gleam_dataset *gleam_reduce(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_function function);
struct gleam_dataset *gleam_local_reduce(struct gleam_dataset *dataset, const char *step,
                                         struct gleam_function function);
struct gleam_dataset *gleam_reduce_by_key(struct gleam_dataset *dataset, const char *step,
                                          struct gleam_function function);
struct gleam_dataset *gleam_partition_by_key(struct gleam_dataset *dataset, const char *step,
                                             uint32_t partition_count);

struct gleam_dataset *gleam_cache(struct gleam_dataset *dataset, const char *step);
struct gleam_dataset *gleam_on_disk(struct gleam_dataset *dataset, const char *step);
bool gleam_shows_plan(void);
void gleam_uncache(struct gleam_dataset *dataset);
struct gleam_dataset *gleam_rounds_begin(struct gleam_dataset *dataset, const char *step);
struct gleam_dataset *gleam_rounds_compute(struct gleam_dataset *rounds,
                                           struct gleam_dataset *next);
void gleam_rounds_end(struct gleam_dataset *rounds, struct gleam_dataset *computed);

struct gleam_dataset *gleam_cross_join(struct gleam_dataset *left, const char *step,
                                       struct gleam_dataset *right);
struct gleam_dataset *gleam_union(struct gleam_dataset *dataset, const char *step,
                                  struct gleam_dataset *const *others, size_t other_count);
struct gleam_dataset *gleam_local_limit(struct gleam_dataset *dataset, const char *step,
                                        uint64_t count, uint64_t offset);
struct gleam_dataset *gleam_limit(struct gleam_dataset *dataset, const char *step, uint64_t count);
struct gleam_dataset *gleam_round_robin(struct gleam_dataset *dataset, const char *step,
                                        uint32_t partition_count);
struct gleam_dataset *gleam_merge_to(struct gleam_dataset *dataset, const char *step,
                                     uint32_t partition_count);
struct gleam_dataset *gleam_broadcast(struct gleam_dataset *dataset, const char *step,
                                      uint32_t partition_count);

void gleam_printf(struct gleam_dataset *dataset, const char *format);
void gleam_printlnf(struct gleam_dataset *dataset, const char *format);
void gleam_fprintf(struct gleam_dataset *dataset, FILE *file, const char *format);
void gleam_fprintlnf(struct gleam_dataset *dataset, FILE *file, const char *format);
void gleam_pipe_out(struct gleam_dataset *dataset, FILE *file);
void gleam_write_formatted(struct gleam_dataset *dataset, const char *path, const char *format);

struct gleam_dataset *gleam_read_csv(struct gleam_flow *flow, const char *path,
                                     uint32_t partition_count,
                                     const struct gleam_csv_options *options);
struct gleam_dataset *gleam_read_tsv(struct gleam_flow *flow, const char *path,
                                     uint32_t partition_count,
                                     const struct gleam_csv_options *options);
struct gleam_dataset *gleam_read_jsonl(struct gleam_flow *flow, const char *path,
                                       uint32_t partition_count, int on_error);
struct gleam_dataset *gleam_exec(struct gleam_flow *flow, const char *command);
struct gleam_dataset *gleam_listen(struct gleam_flow *flow, const char *network,
                                   const char *address);
struct gleam_dataset *gleam_pipe_with(struct gleam_dataset *dataset, const char *step,
                                      const char *code, const struct gleam_pipe_options *options);
struct gleam_dataset *gleam_pipe_as_args_with(struct gleam_dataset *dataset, const char *step,
                                              const char *code,
                                              const struct gleam_pipe_options *options);
struct gleam_dataset *gleam_pipe_raw(struct gleam_dataset *dataset, const char *step,
                                     const char *code, const struct gleam_pipe_options *options);
void gleam_write_text(struct gleam_dataset *dataset, const char *path);
void gleam_write_csv(struct gleam_dataset *dataset, const char *path,
                     const struct gleam_write_options *options);
void gleam_write_tsv(struct gleam_dataset *dataset, const char *path,
                     const struct gleam_write_options *options);
void gleam_write_jsonl(struct gleam_dataset *dataset, const char *path);
void gleam_write_to(struct gleam_dataset *dataset, const char *command,
                    enum gleam_pipe_format format);
