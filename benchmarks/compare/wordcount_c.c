/* wordcount_c.c - the peer of the native word count: one thread, by hand, no engine.
 *
 *   gleam-compare-wordcount [--map] [--batch] FILE
 *
 * Words are maximal runs of [A-Za-z0-9].  64 bytes are classified at a time into a mask
 * (AVX-512, AVX2 or plain), words come out of it by counting trailing zeros, XXH3 hashes them, and
 * an open-addressing table with the hash, length and count inline counts them.  The file is read in
 * 1 MiB pieces and new words are copied.  With --map it is mapped and the table points into it,
 * which saves the copies but spreads the words to compare over the whole file: 1.2 to 1.4 times
 * slower on a text in the page cache.  With --batch words wait, hashed and with their place in the
 * table on its way into the cache, until there are BATCH_WORDS of them.  Prints one JSON line. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define TOP 5
#define PIECE_BYTES (1u << 20)
#define BATCH_WORDS 32
#define ALWAYS_INLINE static inline __attribute__((always_inline))

struct entry {
    uint64_t hash;
    const uint8_t *data; /* NULL: free */
    uint32_t length;
    uint32_t count;
};

struct chunk {
    struct chunk *previous;
    uint8_t bytes[];
};

struct waiting {
    uint64_t hash;
    const uint8_t *data;
    size_t length;
};

struct counter {
    struct entry *entries;
    uint64_t mask;
    uint64_t distinct;
    uint64_t words;
    bool copy; /* words do not outlive the call */
    struct chunk *chunks; /* the copied words */
    uint8_t *arena;
    size_t arena_left;
    const uint8_t *open; /* start of a word that reaches the end of what was seen, or NULL */
    size_t waiting_count;
    struct waiting waiting[BATCH_WORDS];
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "gleam-compare-wordcount: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct entry *table_make(uint64_t slots)
{
    size_t bytes = slots * sizeof(struct entry);
    void *table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (table == MAP_FAILED)
        die("table");
    madvise(table, bytes, MADV_HUGEPAGE);
    return table;
}

static void __attribute__((noinline)) table_grow(struct counter *counter)
{
    uint64_t slots = (counter->mask + 1) * 2;
    struct entry *old = counter->entries;
    counter->entries = table_make(slots);
    for (uint64_t i = 0; i <= counter->mask; i++) {
        if (!old[i].data)
            continue;
        uint64_t at = old[i].hash & (slots - 1);
        while (counter->entries[at].data)
            at = (at + 1) & (slots - 1);
        counter->entries[at] = old[i];
    }
    munmap(old, (counter->mask + 1) * sizeof *old);
    counter->mask = slots - 1;
}

static const uint8_t *keep(struct counter *counter, const uint8_t *data, size_t length)
{
    if (!counter->copy)
        return data;
    if (counter->arena_left < length) {
        counter->arena_left = length > PIECE_BYTES ? length : PIECE_BYTES;
        struct chunk *chunk = malloc(sizeof *chunk + counter->arena_left);
        if (!chunk)
            die("words");
        chunk->previous = counter->chunks;
        counter->chunks = chunk;
        counter->arena = chunk->bytes;
    }
    uint8_t *copy = memcpy(counter->arena, data, length);
    counter->arena += length;
    counter->arena_left -= length;
    return copy;
}

ALWAYS_INLINE void count_hashed(struct counter *counter, uint64_t hash, const uint8_t *data,
                                size_t length)
{
    uint64_t at = hash & counter->mask;
    counter->words++;
    for (;; at = (at + 1) & counter->mask) {
        struct entry *entry = &counter->entries[at];
        if (entry->hash == hash && entry->length == length &&
            memcmp(entry->data, data, length) == 0) {
            entry->count++;
            return;
        }
        if (entry->data)
            continue;
        *entry = (struct entry){hash, keep(counter, data, length), (uint32_t)length, 1};
        if (++counter->distinct * 2 > counter->mask)
            table_grow(counter);
        return;
    }
}

/* Two passes, because the copy of a word is found only through its entry. */
static void __attribute__((noinline)) count_waiting(struct counter *counter)
{
    const struct waiting *waiting = counter->waiting;
    for (size_t i = 0; i < counter->waiting_count; i++)
        __builtin_prefetch(counter->entries[waiting[i].hash & counter->mask].data);
    for (size_t i = 0; i < counter->waiting_count; i++)
        count_hashed(counter, waiting[i].hash, waiting[i].data, waiting[i].length);
    counter->waiting_count = 0;
}

/* `batch` is known where this is compiled in. */
ALWAYS_INLINE void count_word(struct counter *counter, const uint8_t *data, size_t length,
                              bool batch)
{
    uint64_t hash = XXH3_64bits(data, length);
    if (!batch) {
        count_hashed(counter, hash, data, length);
        return;
    }
    __builtin_prefetch(&counter->entries[hash & counter->mask], 1);
    counter->waiting[counter->waiting_count++] = (struct waiting){hash, data, length};
    if (counter->waiting_count == BATCH_WORDS)
        count_waiting(counter);
}

/* The words of 64 bytes; `bits` says which of them are letters or digits. */
ALWAYS_INLINE void count_block(struct counter *counter, const uint8_t *at, uint64_t bits,
                               bool batch)
{
    uint64_t edges = bits ^ (bits << 1 | (counter->open != NULL));
    const uint8_t *start = counter->open;
    while (edges) {
        const uint8_t *edge = at + __builtin_ctzll(edges);
        edges &= edges - 1;
        if (start) {
            count_word(counter, start, (size_t)(edge - start), batch);
            start = NULL;
        } else {
            start = edge;
        }
    }
    counter->open = start;
}

ALWAYS_INLINE uint64_t bits_plain(const uint8_t *at)
{
    uint64_t bits = 0;
    for (int i = 0; i < 64; i++) {
        bool letter = (uint8_t)((at[i] | 0x20) - 'a') < 26 || (uint8_t)(at[i] - '0') < 10;
        bits |= (uint64_t)letter << i;
    }
    return bits;
}

/* Words that wait lie in the bytes of this call, so none is left waiting at its end. */
#define COUNT_SPAN(bits_of, batch)                                                                 \
    for (; bytes >= 64; data += 64, bytes -= 64)                                                   \
        count_block(counter, data, bits_of(data), batch);                                          \
    if (bytes > 0) {                                                                               \
        uint8_t last[64] = {0};                                                                    \
        memcpy(last, data, bytes);                                                                 \
        count_block(counter, data, bits_of(last), batch);                                          \
    }                                                                                              \
    if (batch)                                                                                     \
        count_waiting(counter);

/* A pair of functions for a way to classify bytes. */
#define COUNT_FUNCTIONS(name, bits_of, target)                                                     \
    target static void name(struct counter *counter, const uint8_t *data, size_t bytes)            \
    {                                                                                              \
        COUNT_SPAN(bits_of, false)                                                                 \
    }                                                                                              \
    target static void name##_batch(struct counter *counter, const uint8_t *data, size_t bytes)    \
    {                                                                                              \
        COUNT_SPAN(bits_of, true)                                                                  \
    }

COUNT_FUNCTIONS(count_plain, bits_plain, )

#if defined(__x86_64__)

__attribute__((target("avx2"))) ALWAYS_INLINE uint64_t bits_avx2_half(const uint8_t *at)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)at);
    __m256i folded = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
    __m256i alpha = _mm256_and_si256(_mm256_cmpgt_epi8(folded, _mm256_set1_epi8('a' - 1)),
                                     _mm256_cmpgt_epi8(_mm256_set1_epi8('z' + 1), folded));
    __m256i digit = _mm256_and_si256(_mm256_cmpgt_epi8(bytes, _mm256_set1_epi8('0' - 1)),
                                     _mm256_cmpgt_epi8(_mm256_set1_epi8('9' + 1), bytes));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(alpha, digit));
}

__attribute__((target("avx2"))) ALWAYS_INLINE uint64_t bits_avx2(const uint8_t *at)
{
    return bits_avx2_half(at) | bits_avx2_half(at + 32) << 32;
}

__attribute__((target("avx512f,avx512bw"))) ALWAYS_INLINE uint64_t bits_avx512(const uint8_t *at)
{
    __m512i bytes = _mm512_loadu_si512(at);
    __m512i folded = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
    __m512i alpha = _mm512_sub_epi8(folded, _mm512_set1_epi8('a'));
    __m512i digit = _mm512_sub_epi8(bytes, _mm512_set1_epi8('0'));
    return _mm512_cmplt_epu8_mask(alpha, _mm512_set1_epi8(26)) |
           _mm512_cmplt_epu8_mask(digit, _mm512_set1_epi8(10));
}

COUNT_FUNCTIONS(count_avx2, bits_avx2, __attribute__((target("avx2,bmi,bmi2"))))
COUNT_FUNCTIONS(count_avx512, bits_avx512,
                __attribute__((target("avx2,bmi,bmi2,avx512f,avx512bw"))))

#endif

typedef void count_function(struct counter *counter, const uint8_t *data, size_t bytes);

static count_function *count_choose(bool batch)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi2"))
        return batch ? count_avx512_batch : count_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
        return batch ? count_avx2_batch : count_avx2;
#endif
    return batch ? count_plain_batch : count_plain;
}

/* The word that the last block left open ends where the input does. */
static void count_end(struct counter *counter, const uint8_t *end)
{
    if (counter->open)
        count_word(counter, counter->open, (size_t)(end - counter->open), false);
    counter->open = NULL;
}

static void count_mapped(struct counter *counter, int fd, size_t bytes, count_function *count)
{
    if (bytes == 0)
        return;
    const uint8_t *data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED)
        die("mmap");
    count(counter, data, bytes);
    count_end(counter, data + bytes);
}

/* Reads pieces behind the start of a word that the last piece left open. */
static void count_read(struct counter *counter, int fd, count_function *count)
{
    size_t capacity = 2 * PIECE_BYTES, carried = 0;
    uint8_t *buffer = malloc(capacity);
    if (!buffer)
        die("buffer");
    counter->copy = true;
    for (;;) {
        ssize_t got = read(fd, buffer + carried, PIECE_BYTES);
        if (got < 0)
            die("read");
        if (got == 0)
            break;
        count(counter, buffer + carried, (size_t)got);
        const uint8_t *end = buffer + carried + got;
        carried = counter->open ? (size_t)(end - counter->open) : 0;
        if (carried + PIECE_BYTES > capacity)
            errno = EFBIG, die("word");
        if (carried)
            counter->open = memmove(buffer, counter->open, carried);
    }
    count_end(counter, buffer + carried);
    free(buffer);
}

static bool before(const struct entry *left, const struct entry *right)
{
    if (left->count != right->count)
        return left->count > right->count;
    size_t common = left->length < right->length ? left->length : right->length;
    int order = memcmp(left->data, right->data, common);
    return order != 0 ? order < 0 : left->length < right->length;
}

static size_t top_words(const struct counter *counter, struct entry top[TOP])
{
    size_t used = 0;
    for (uint64_t i = 0; i <= counter->mask; i++) {
        struct entry entry = counter->entries[i];
        if (!entry.data || (used == TOP && !before(&entry, &top[TOP - 1])))
            continue;
        size_t at = used < TOP ? used++ : TOP - 1;
        for (; at > 0 && before(&entry, &top[at - 1]); at--)
            top[at] = top[at - 1];
        top[at] = entry;
    }
    return used;
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    bool by_map = false, batch = false;
    int option = 1;
    for (; option < argc - 1; option++) {
        by_map = by_map || strcmp(argv[option], "--map") == 0;
        batch = batch || strcmp(argv[option], "--batch") == 0;
    }
    if (argc != 2 + by_map + batch)
        return fputs("usage: gleam-compare-wordcount [--map] [--batch] FILE\n", stderr), 2;
    const char *path = argv[argc - 1];
    double start = now_seconds();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        die(path);
    struct counter counter = {.mask = (1u << 16) - 1};
    counter.entries = table_make(counter.mask + 1);
    if (by_map)
        count_mapped(&counter, fd, (size_t)status.st_size, count_choose(batch));
    else
        count_read(&counter, fd, count_choose(batch));
    struct entry top[TOP];
    size_t top_count = top_words(&counter, top);
    double seconds = now_seconds() - start;

    printf("{\"seconds\":%.4f,\"mb_per_s\":%.1f,\"words\":%llu,\"distinct\":%llu,\"top\":[",
           seconds, (double)status.st_size / 1e6 / seconds, (unsigned long long)counter.words,
           (unsigned long long)counter.distinct);
    for (size_t i = 0; i < top_count; i++)
        printf("%s[\"%.*s\",%u]", i ? "," : "", (int)top[i].length, top[i].data, top[i].count);
    puts("]}");
    while (counter.chunks) {
        struct chunk *chunk = counter.chunks;
        counter.chunks = chunk->previous;
        free(chunk);
    }
    return 0;
}
