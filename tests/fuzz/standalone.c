/* standalone.c - runs a fuzz target without libFuzzer.
 *
 *     fuzz_codec FILE...              runs each file once: for findings and a corpus
 *     fuzz_codec --runs N --seed S    runs N random inputs; the same S gives the same inputs
 *
 * Random inputs are of mixed texture: plain noise, small numbers (which look like lengths and
 * kinds), and an earlier input with a few bytes changed.  Each lies in a block of its exact size,
 * so that AddressSanitizer sees one byte too much.  When a target fails it aborts; the line
 * printed for every thousandth run and the seed find the input again.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"
#include "tests/unit/row/random_rows.h"

#define INPUT_BYTES_MAX 4096
#define FILE_BYTES_MAX (64u << 20)

static void run_block(const uint8_t *data, size_t bytes)
{
    uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
    if (exact == NULL)
        abort();
    memcpy(exact, data, bytes);
    LLVMFuzzerTestOneInput(exact, bytes);
    free(exact);
}

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    uint8_t *data = malloc(FILE_BYTES_MAX);
    if (data == NULL)
        abort();
    const size_t bytes = fread(data, 1, FILE_BYTES_MAX, file);
    fclose(file);
    run_block(data, bytes);
    free(data);
    return 0;
}

static size_t fill_input(uint64_t *random, uint8_t *input, size_t old_bytes)
{
    const uint32_t texture = random_below(random, 3);
    if (texture == 2 && old_bytes > 0) {
        for (uint32_t i = 0; i <= random_below(random, 6); i++)
            input[random_below(random, (uint32_t)old_bytes)] = (uint8_t)random_next(random);
        return old_bytes;
    }
    const size_t bytes = random_below(random, 1u << (4 + random_below(random, 9)));
    for (size_t i = 0; i < bytes; i++)
        input[i] = texture == 0 || random_below(random, 12) == 0
                       ? (uint8_t)random_next(random)
                       : (uint8_t)random_below(random, 10);
    return bytes;
}

static void run_random(uint64_t runs, uint64_t seed)
{
    static uint8_t input[INPUT_BYTES_MAX];
    uint64_t random = seed;
    size_t bytes = 0;
    printf("# %llu runs from seed %llu\n", (unsigned long long)runs, (unsigned long long)seed);
    for (uint64_t run = 0; run < runs; run++) {
        if (run % 1000 == 0) {
            printf("# run %llu\n", (unsigned long long)run);
            fflush(stdout);
        }
        bytes = fill_input(&random, input, bytes);
        run_block(input, bytes);
    }
}

int main(int argc, char **argv)
{
    uint64_t runs = 0, seed = 1;
    int status = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
            runs = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else
            status |= run_file(argv[i]);
    }
    run_random(runs, seed);
    return status;
}
