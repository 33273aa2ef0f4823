/* flow_csv.c - building sources of rows and of commands; what is wrong with their options is said
 * when the plan is made. */
#define GLEAM_NO_PLACES
#include "engine/flow/flow_csv.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/flow/flow.h"

static char *copy_text(const char *text)
{
    if (text == NULL)
        return NULL;
    char *copy = strdup(text);
    GM_CHECK(copy != NULL);
    return copy;
}

struct gleam_csv_options *gm_csv_options_copy(const struct gleam_csv_options *options)
{
    struct gleam_csv_options *copy = calloc(1, sizeof *copy);
    GM_CHECK(copy != NULL);
    if (options == NULL)
        return copy;
    *copy = *options;
    copy->null_text = copy_text(options->null_text);
    copy->types = copy_text(options->types);
    return copy;
}

void gm_csv_options_free(struct gleam_csv_options *options)
{
    if (options == NULL)
        return;
    free((void *)(uintptr_t)options->null_text);
    free((void *)(uintptr_t)options->types);
    free(options);
}

static struct gleam_dataset *read_rows(struct gleam_flow *flow, const char *path,
                                       uint32_t partition_count,
                                       const struct gleam_csv_options *options, const char *name)
{
    struct gleam_dataset *node = gleam_read_texts(flow, &path, 1, partition_count);
    if (node == NULL)
        return NULL;
    node->kind = GM_NODE_READ_CSV;
    node->csv = gm_csv_options_copy(options);
    snprintf(node->name, sizeof node->name, "%s", name);
    return node;
}

struct gleam_dataset *gleam_read_csv(struct gleam_flow *flow, const char *path,
                                     uint32_t partition_count,
                                     const struct gleam_csv_options *options)
{
    struct gleam_dataset *node = read_rows(flow, path, partition_count, options, "csv");
    if (node == NULL)
        return NULL;
    if (node->csv->delimiter == 0)
        node->csv->delimiter = ',';
    if (node->csv->quote == 0)
        node->csv->quote = '"';
    return node;
}

struct gleam_dataset *gleam_read_tsv(struct gleam_flow *flow, const char *path,
                                     uint32_t partition_count,
                                     const struct gleam_csv_options *options)
{
    struct gleam_dataset *node = read_rows(flow, path, partition_count, options, "tsv");
    if (node == NULL)
        return NULL;
    if (node->csv->delimiter == 0)
        node->csv->delimiter = '\t';
    node->csv->unquoted = node->csv->unquoted || node->csv->quote == 0;
    return node;
}

struct gleam_dataset *gleam_read_jsonl(struct gleam_flow *flow, const char *path,
                                       uint32_t partition_count, int on_error)
{
    const struct gleam_csv_options options = {.delimiter = ',', .unquoted = true,
                                              .on_error = on_error};
    struct gleam_dataset *node = read_rows(flow, path, partition_count, &options, "jsonl");
    if (node != NULL)
        node->json = true;
    return node;
}

/* HOST:PORT; what the host is shows when somebody listens there. */
static bool has_address_form(const char *text)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || colon[1] == '\0' ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    return strlen(colon + 1) <= 5 && strtoul(colon + 1, NULL, 10) <= UINT16_MAX;
}

struct gleam_dataset *gleam_listen(struct gleam_flow *flow, const char *network,
                                   const char *address)
{
    if (network == NULL || strcmp(network, "tcp") != 0)
        return gm_flow_mistake(flow, "the network to listen at must be \"tcp\"");
    if (address == NULL || !has_address_form(address))
        return gm_flow_mistake(flow, "the address to listen at must be HOST:PORT, such as "
                                     "127.0.0.1:9000, or with port 0 for any that is free");
    struct gleam_dataset *node = gleam_read_texts(flow, &address, 1, 1);
    if (node == NULL)
        return NULL;
    node->listen = true;
    node->csv = gm_csv_options_copy(&(struct gleam_csv_options){.delimiter = '\t',
                                                                .unquoted = true});
    snprintf(node->name, sizeof node->name, "listen");
    return node;
}

struct gleam_dataset *gleam_exec(struct gleam_flow *flow, const char *command)
{
    if (command == NULL || command[0] == '\0')
        return gm_flow_mistake(flow, "the command is empty");
    if (strlen(command) >= GM_PATH_BYTES_MAX)
        return gm_flow_mistake(flow, "the command is longer than 4095 bytes: put it into a script");
    struct gleam_dataset *node = gleam_read_texts(flow, &command, 1, 1);
    if (node == NULL)
        return NULL;
    node->command = true;
    snprintf(node->name, sizeof node->name, "exec");
    return node;
}
