/* bench_file.c - reading a file block by block: the disk port over io_uring and over pread, a plain
 * pread loop, and mmap.
 *
 * Makes its own file in the temporary directory (TMPDIR or /tmp), 32 MiB, or 1 GiB with --real.
 * Every variant adds up the file's words, so each byte reaches the processor, as a scan would need
 * it.  First from the page cache, then after the file was dropped from it.  Rounds are interleaved;
 * the best of each is printed, and the sum as the proof that all read the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "iouring/file.h"

#define ROUNDS 5
#define DEPTH_MAX 16
#define BLOCK_BYTES_MAX (1u << 20)

enum kind { KIND_URING, KIND_PORT_PREAD, KIND_LOOP, KIND_MMAP };

struct variant {
    enum kind kind;
    uint32_t block_bytes;
    uint32_t depth;
    double best_gbs;
    double cold_gbs;
};

static struct variant variants[] = {
    {KIND_LOOP, 64u << 10, 1, 0, 0},        {KIND_LOOP, 256u << 10, 1, 0, 0},
    {KIND_LOOP, 1u << 20, 1, 0, 0},         {KIND_MMAP, 1u << 20, 1, 0, 0},
    {KIND_PORT_PREAD, 256u << 10, 4, 0, 0}, {KIND_PORT_PREAD, 1u << 20, 4, 0, 0},
    {KIND_URING, 64u << 10, 4, 0, 0},       {KIND_URING, 256u << 10, 1, 0, 0},
    {KIND_URING, 256u << 10, 2, 0, 0},      {KIND_URING, 256u << 10, 4, 0, 0},
    {KIND_URING, 256u << 10, 8, 0, 0},      {KIND_URING, 256u << 10, 16, 0, 0},
    {KIND_URING, 1u << 20, 1, 0, 0},        {KIND_URING, 1u << 20, 2, 0, 0},
    {KIND_URING, 1u << 20, 4, 0, 0},        {KIND_URING, 1u << 20, 8, 0, 0},
};
#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static unsigned char *buffers[DEPTH_MAX];

static void fail(const char *what, int error)
{
    fprintf(stderr, "bench_file: %s: %s\n", what, strerror(error < 0 ? -error : error));
    exit(1);
}

static double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static uint64_t add_up(const unsigned char *bytes, uint64_t count)
{
    uint64_t sum = 0;
    uint64_t i = 0;
    for (; i + 8 <= count; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        sum += word;
    }
    return sum;
}

static uint64_t read_loop(const char *path, uint64_t file_bytes, uint32_t block_bytes)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        fail(path, errno);
    (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    uint64_t sum = 0;
    for (uint64_t offset = 0; offset < file_bytes;) {
        ssize_t got = pread(descriptor, buffers[0], block_bytes, (off_t)offset);
        if (got <= 0)
            fail("pread", errno);
        sum += add_up(buffers[0], (uint64_t)got);
        offset += (uint64_t)got;
    }
    close(descriptor);
    return sum;
}

static uint64_t read_map(const char *path, uint64_t file_bytes)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        fail(path, errno);
    unsigned char *bytes = mmap(NULL, file_bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (bytes == MAP_FAILED)
        fail("mmap", errno);
    (void)madvise(bytes, file_bytes, MADV_SEQUENTIAL);
    uint64_t sum = add_up(bytes, file_bytes);
    munmap(bytes, file_bytes);
    close(descriptor);
    return sum;
}

/* The blocks in flight, by buffer: what is still missing of each. */
struct block {
    uint64_t offset;
    uint32_t left_bytes;
};

static void must_read(struct gm_disk *disk, struct gm_disk_file *file, struct block *block,
                      uint64_t index)
{
    int rc = disk->ops->read(disk->self, file, block->offset, buffers[index], block->left_bytes,
                             (void *)(uintptr_t)index);
    if (rc != 0)
        fail("read", rc);
}

static uint64_t read_port(const char *path, uint64_t file_bytes, const struct variant *variant)
{
    struct gm_heap heap;
    struct gm_file_disk *owner;
    struct gm_disk_file *file;
    struct block blocks[DEPTH_MAX];
    int rc = gm_heap_init(&heap, UINT64_MAX);
    if (rc == 0)
        rc = gm_file_disk_create(variant->depth,
                                 variant->kind == KIND_URING ? GM_FILE_BACKEND_URING
                                                             : GM_FILE_BACKEND_PREAD,
                                 &heap, &owner);
    if (rc != 0)
        fail("disk", rc);
    struct gm_disk disk = gm_file_disk_port(owner);
    rc = disk.ops->open(disk.self, path, &file);
    if (rc != 0)
        fail(path, rc);

    uint64_t sum = 0, next = 0;
    uint32_t busy = 0;
    for (uint32_t i = 0; i < variant->depth && next < file_bytes; i++, busy++) {
        blocks[i] = (struct block){.offset = next, .left_bytes = variant->block_bytes};
        next += variant->block_bytes;
        must_read(&disk, file, &blocks[i], i);
    }
    while (busy > 0) {
        struct gm_disk_completion done[DEPTH_MAX];
        uint32_t count = disk.ops->poll(disk.self, done, DEPTH_MAX);
        for (uint32_t c = 0; c < count; c++) {
            uint64_t index = (uintptr_t)done[c].tag;
            struct block *block = &blocks[index];
            if (done[c].result <= 0)
                fail("completion", (int)done[c].result);
            sum += add_up(buffers[index], (uint64_t)done[c].result);
            block->offset += (uint64_t)done[c].result;
            block->left_bytes -= (uint32_t)done[c].result;
            if (block->left_bytes == 0) {
                if (next >= file_bytes) {
                    busy--;
                    continue;
                }
                *block = (struct block){.offset = next, .left_bytes = variant->block_bytes};
                next += variant->block_bytes;
            }
            must_read(&disk, file, block, index);
        }
    }
    disk.ops->close(disk.self, file);
    gm_file_disk_destroy(owner);
    gm_heap_fini(&heap);
    return sum;
}

static uint64_t read_variant(const char *path, uint64_t file_bytes, const struct variant *variant)
{
    if (variant->kind == KIND_LOOP)
        return read_loop(path, file_bytes, variant->block_bytes);
    if (variant->kind == KIND_MMAP)
        return read_map(path, file_bytes);
    return read_port(path, file_bytes, variant);
}

static uint64_t make_file(const char *path, uint64_t file_bytes)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0)
        fail(path, errno);
    uint64_t sum = 0, state = 1;
    for (uint64_t offset = 0; offset < file_bytes; offset += BLOCK_BYTES_MAX) {
        for (uint32_t i = 0; i < BLOCK_BYTES_MAX; i += 8) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            memcpy(buffers[0] + i, &state, 8);
        }
        if (write(descriptor, buffers[0], BLOCK_BYTES_MAX) != BLOCK_BYTES_MAX)
            fail("write", errno);
        sum += add_up(buffers[0], BLOCK_BYTES_MAX);
    }
    if (fsync(descriptor) < 0)
        fail("fsync", errno);
    close(descriptor);
    return sum;
}

static void drop_from_cache(const char *path)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        fail(path, errno);
    (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    close(descriptor);
}

static void run_round(const char *path, uint64_t file_bytes, uint64_t expected, bool cold,
                      bool uring)
{
    for (uint32_t v = 0; v < VARIANTS; v++) {
        struct variant *variant = &variants[v];
        if (variant->kind == KIND_URING && !uring)
            continue;
        if (cold)
            drop_from_cache(path);
        double start_s = now_s();
        uint64_t sum = read_variant(path, file_bytes, variant);
        double gbs = (double)file_bytes / (now_s() - start_s) * 1e-9;
        if (sum != expected)
            fail("a variant read other bytes", EIO);
        double *best = cold ? &variant->cold_gbs : &variant->best_gbs;
        if (gbs > *best)
            *best = gbs;
    }
}

static bool have_uring(void)
{
    struct gm_heap heap;
    struct gm_file_disk *owner = NULL;
    if (gm_heap_init(&heap, UINT64_MAX) != 0)
        return false;
    int rc = gm_file_disk_create(1, GM_FILE_BACKEND_URING, &heap, &owner);
    if (rc < 0)
        fprintf(stderr, "bench_file: io_uring is left out: %s\n", strerror(-rc));
    gm_file_disk_destroy(owner);
    gm_heap_fini(&heap);
    return rc == 0;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"io_uring port", "pread port", "pread loop", "mmap"};
    bool real = argc > 1 && strcmp(argv[1], "--real") == 0;
    uint64_t file_bytes = real ? 1ull << 30 : 32ull << 20;
    for (uint32_t i = 0; i < DEPTH_MAX; i++) {
        buffers[i] = aligned_alloc(4096, BLOCK_BYTES_MAX);
        if (buffers[i] == NULL)
            fail("buffers", ENOMEM);
        memset(buffers[i], 0, BLOCK_BYTES_MAX);
    }
    const char *base = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
    char directory[4096], path[4200];
    snprintf(directory, sizeof(directory), "%s/gleam-bench-file-XXXXXX", base);
    if (mkdtemp(directory) == NULL)
        fail(directory, errno);
    snprintf(path, sizeof(path), "%s/data", directory);

    bool uring = have_uring();
    uint64_t expected = make_file(path, file_bytes);
    for (uint32_t round = 0; round < ROUNDS; round++)
        run_round(path, file_bytes, expected, false, uring);
    for (uint32_t round = 0; round < (real ? 2 : 1); round++)
        run_round(path, file_bytes, expected, true, uring);
    unlink(path);
    rmdir(directory);

    printf("%-14s %10s %6s %12s %12s\n", "variant", "block KiB", "depth", "cached GB/s",
           "dropped GB/s");
    for (uint32_t v = 0; v < VARIANTS; v++)
        printf("%-14s %10u %6u %12.2f %12.2f\n", names[variants[v].kind],
               variants[v].block_bytes >> 10, variants[v].depth, variants[v].best_gbs,
               variants[v].cold_gbs);
    printf("%llu bytes, sum %016llx\n", (unsigned long long)file_bytes,
           (unsigned long long)expected);
    return 0;
}
