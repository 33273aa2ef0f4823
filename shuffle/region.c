#include "shuffle/region.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/base/check.h"

#define REGION_MAGIC UINT32_C(0x31475247) /* "GRG1" */
#define REGION_VERSION 3
#define REGION_BYTES_MAX (UINT64_C(1) << 46) /* half of what a process can map */
#define PAGE_BYTES UINT64_C(4096)
#define HUGE_PAGE_BYTES (UINT64_C(2) << 20)
#define HUGE_PAGES_DIR "/sys/kernel/mm/hugepages/hugepages-2048kB/"

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif

struct region_header {
    _Atomic uint32_t magic; /* stored last: who sees it sees the rest */
    uint32_t version;
    uint32_t pages;  /* enum gm_pages, for those who join */
    uint32_t unused; /* 0 */
    uint64_t bytes;
    struct gm_region_spec spec;
};

/* One line for its counters, one for `sleeping`: the senders' looks do not disturb the counters. */
_Static_assert(sizeof(struct gm_ledger_entry) ==
                   2 * GM_LINE_BYTES + GM_LEDGER_ROWS_MAX * sizeof(uint64_t),
               "shared by processes");
_Static_assert(sizeof(struct region_header) <= PAGE_BYTES, "the first page holds it");

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* A bool that was read from shared memory may hold anything. */
static bool bool_is_sound(const bool *value)
{
    uint8_t byte;
    memcpy(&byte, value, 1);
    return byte <= 1;
}

/* Sources of other nodes that send to somebody here. */
static uint32_t arriving_count(const struct gm_region_spec *spec, uint32_t exchange)
{
    const bool here = spec->exchanges[exchange].to_driver ? spec->driver_is_local
                                                          : spec->local_count > 0;
    return here ? spec->executor_count - spec->local_count : 0;
}

static bool shape_is_sound(const struct gm_region_spec *spec, uint32_t exchange)
{
    const struct gm_exchange_shape *shape = &spec->exchanges[exchange];
    if (!bool_is_sound(&shape->to_driver))
        return false;
    if (shape->quota_frames < 2 || shape->quota_frames > shape->ring_slots)
        return false;
    if (arriving_count(spec, exchange) > 0 &&
        (shape->credit_frames < 2 || shape->credit_frames > shape->ring_slots))
        return false;
    return gm_ring_footprint(shape->ring_slots) != 0;
}

static bool places_are_sound(const struct gm_region_spec *spec)
{
    return bool_is_sound(&spec->driver_is_local) && spec->local_count <= spec->executor_count &&
           spec->first_local <= spec->executor_count - spec->local_count &&
           (spec->local_count > 0 || spec->driver_is_local);
}

/* The spec with places where it named none. */
static struct gm_region_spec with_places(const struct gm_region_spec *spec)
{
    struct gm_region_spec placed = *spec;
    if (spec->local_count == 0 && !spec->driver_is_local) {
        placed.first_local = 0;
        placed.local_count = spec->executor_count;
        placed.driver_is_local = true;
    }
    return placed;
}

static bool spec_is_sound(const struct gm_region_spec *spec)
{
    if (spec->executor_count == 0 || spec->executor_count > GM_EXECUTORS_MAX)
        return false;
    if (spec->exchange_count == 0 || spec->exchange_count > GM_EXCHANGES_MAX)
        return false;
    if (spec->claim_count > GM_FILES_MAX || spec->word_count > GM_WORDS_MAX)
        return false;
    uint32_t frame_bytes = spec->frame_bytes;
    if (frame_bytes < GM_FRAME_BYTES_MIN || frame_bytes > GM_FRAME_BYTES_MAX ||
        (frame_bytes & (frame_bytes - 1)) != 0)
        return false;
    if (!places_are_sound(spec))
        return false;
    for (uint32_t i = 0; i < spec->exchange_count; i++)
        if (!shape_is_sound(spec, i))
            return false;
    return true;
}

static uint64_t ring_count(const struct gm_region_spec *spec, uint32_t exchange)
{
    uint64_t here = spec->local_count, all = spec->executor_count;
    if (spec->exchanges[exchange].to_driver)
        return spec->driver_is_local ? all : here;
    return here * all + (all - here) * here;
}

/* Works out where everything lies; region->spec is set.  False when the spec is bad.  The order is
 * header, ledger, claims, words, rings, pool, frames, slack; every part starts on a line, and
 * frames on a multiple of their size, so that none crosses a page of either size. */
static bool region_lay_out(struct gm_region *region)
{
    const struct gm_region_spec *spec = &region->spec;
    if (!spec_is_sound(spec))
        return false;
    uint64_t offset = PAGE_BYTES;
    offset += gm_region_seat_count(spec) * (uint64_t)sizeof(struct gm_ledger_entry);
    region->claims_offset = offset;
    /* A line per claim: all executors add to them. */
    offset += (uint64_t)spec->claim_count * GM_LINE_BYTES;
    region->words_offset = offset;
    offset += round_up((uint64_t)spec->word_count * sizeof(uint64_t), GM_LINE_BYTES);
    uint64_t frame_count = 0;
    for (uint32_t i = 0; i < spec->exchange_count; i++) {
        region->ring_offsets[i] = offset;
        offset += ring_count(spec, i) * gm_ring_footprint(spec->exchanges[i].ring_slots);
        frame_count += (uint64_t)spec->exchanges[i].quota_frames * spec->local_count;
        frame_count += (uint64_t)spec->exchanges[i].credit_frames * arriving_count(spec, i);
    }
    region->pool_offset = offset;
    /* None: this node has the driver alone, and no exchange leads to it. */
    if (frame_count == 0 || frame_count > UINT32_MAX)
        return false;
    region->frame_count = (uint32_t)frame_count;
    uint64_t pool_bytes =
        gm_pool_footprint(region->frame_count, spec->exchange_count * spec->executor_count);
    if (pool_bytes == 0)
        return false;
    region->frames_offset = round_up(offset + pool_bytes, spec->frame_bytes);
    uint64_t end = region->frames_offset + frame_count * spec->frame_bytes + GM_BYTES_SLACK;
    region->bytes = round_up(end, PAGE_BYTES);
    return region->bytes <= REGION_BYTES_MAX;
}

uint64_t gm_region_footprint(const struct gm_region_spec *spec)
{
    struct gm_region region = {.spec = with_places(spec)};
    return region_lay_out(&region) ? region.bytes : 0;
}

/* ---- making --------------------------------------------------------------------------------- */

/* Formats zeroed memory that is laid out and mapped. */
static void region_format(struct gm_region *region)
{
    const struct gm_region_spec *spec = &region->spec;
    struct region_header *header = (struct region_header *)region->base;
    header->version = REGION_VERSION;
    header->pages = region->pages;
    header->bytes = region->bytes;
    header->spec = *spec;
    for (uint32_t i = 0; i < spec->exchange_count; i++) {
        uint64_t ring_bytes = gm_ring_footprint(spec->exchanges[i].ring_slots);
        uint8_t *ring = region->base + region->ring_offsets[i];
        for (uint64_t left = ring_count(spec, i); left > 0; left--, ring += ring_bytes)
            gm_ring_new(ring, spec->exchanges[i].ring_slots);
    }
    uint8_t *pool = region->base + region->pool_offset;
    uint32_t account_count = spec->exchange_count * spec->executor_count;
    gm_pool_new(pool, region->frame_count, account_count);
    region->pool = gm_pool_join(pool, region->frame_count, account_count);
    GM_CHECK(region->pool != NULL);
    for (uint32_t i = 0; i < spec->exchange_count; i++)
        for (uint32_t source = 0; source < spec->executor_count; source++) {
            uint32_t quota_frames = spec->exchanges[i].quota_frames;
            if (!gm_region_executor_is_local(spec, source))
                quota_frames = arriving_count(spec, i) > 0 ? spec->exchanges[i].credit_frames : 0;
            gm_pool_set_quota(region->pool, gm_region_account(region, i, source), quota_frames);
        }
    atomic_store_explicit(&header->magic, REGION_MAGIC, memory_order_release);
}

/* Makes and maps a memfd of region->bytes.  Returns 0 or -errno. */
static int region_map_new(struct gm_region *region, unsigned flags)
{
    int fd = memfd_create("gleam", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
    if (fd < 0)
        return -errno;
    int rc;
    void *base;
    if (ftruncate(fd, (off_t)region->bytes) < 0) {
        rc = -errno;
        goto close_fd;
    }
    /* Nobody who is handed the fd can cut it and so kill the others by SIGBUS. */
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        rc = -errno;
        goto close_fd;
    }
    /* For hugetlb this also reserves the pages: it fails here, not in the middle of a job. */
    base = mmap(NULL, region->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        rc = -errno;
        goto close_fd;
    }
    region->base = base;
    region->fd = fd;
    return 0;

close_fd:
    close(fd);
    return rc;
}

/* The kernel's decimal number in a file of HUGE_PAGES_DIR, or 0. */
static uint64_t huge_pages_read(const char *name)
{
    char path[128], text[32];
    snprintf(path, sizeof(path), HUGE_PAGES_DIR "%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof(text) - 1);
    close(fd);
    uint64_t value = 0;
    for (ssize_t i = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    return value;
}

static int region_map_huge(struct gm_region *region)
{
    uint64_t plain_bytes = region->bytes;
    region->bytes = round_up(plain_bytes, HUGE_PAGE_BYTES);
    int rc = region_map_new(region, MFD_HUGETLB | MFD_HUGE_2MB);
    if (rc == 0)
        region->pages = GM_PAGES_HUGETLB;
    else
        region->bytes = plain_bytes;
    return rc;
}

static int huge_pages_error(const struct gm_region *region, int rc, struct gm_error *error)
{
    if (access(HUGE_PAGES_DIR, F_OK) != 0)
        return gm_error_set(error, GM_EJOB_OPTION,
                            "huge pages were asked for, but this kernel has none of 2 MiB; run "
                            "with --hugepages auto");
    uint64_t needed = round_up(region->bytes, HUGE_PAGE_BYTES) / HUGE_PAGE_BYTES;
    uint64_t total = huge_pages_read("nr_hugepages");
    uint64_t available = huge_pages_read("free_hugepages");
    uint64_t reserved = huge_pages_read("resv_hugepages"); /* promised, but not yet touched */
    available = available > reserved ? available - reserved : 0;
    uint64_t wanted = total - (available < total ? available : total) + needed;
    if (available >= needed)
        return gm_error_set(error, GM_EJOB_OPTION,
                            "the shared region needs %llu huge pages of 2 MiB and %llu are free, "
                            "but they cannot be mapped: %s (a cgroup's hugetlb limit?); run with "
                            "--hugepages auto",
                            (unsigned long long)needed, (unsigned long long)available,
                            gm_error_name(rc));
    return gm_error_set(error, GM_EJOB_OPTION,
                        "the shared region needs %llu huge pages of 2 MiB, %llu are free; make "
                        "them with: echo %llu | sudo tee /proc/sys/vm/nr_hugepages",
                        (unsigned long long)needed, (unsigned long long)available,
                        (unsigned long long)wanted);
}

/* Whether madvise makes transparent huge pages of shared memory. */
static bool shmem_thp_is_allowed(void)
{
    char text[128];
    int fd = open("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return strstr(text, "[never]") == NULL && strstr(text, "[deny]") == NULL;
}

int gm_region_create(const struct gm_region_spec *spec, enum gm_pages_want want,
                     struct gm_region *ret_region, struct gm_error *error)
{
    struct gm_region region = {.fd = -1, .spec = with_places(spec), .pages = GM_PAGES_PLAIN};
    bool laid_out = region_lay_out(&region);
    GM_CHECK(laid_out);
    if (want != GM_PAGES_OFF) {
        int rc = region_map_huge(&region);
        if (rc < 0 && want == GM_PAGES_HUGE)
            return huge_pages_error(&region, rc, error);
    }
    if (region.base == NULL) {
        int rc = region_map_new(&region, 0);
        if (rc < 0)
            return gm_error_set(error, rc, "cannot map a shared region of %llu MiB: %s; give a "
                                "smaller --memory", (unsigned long long)(region.bytes >> 20),
                                gm_error_name(rc));
        if (want == GM_PAGES_AUTO && shmem_thp_is_allowed() &&
            madvise(region.base, region.bytes, MADV_HUGEPAGE) == 0)
            region.pages = GM_PAGES_THP;
    }
    region_format(&region);
    *ret_region = region;
    return 0;
}

int gm_region_create_private(const struct gm_region_spec *spec, struct gm_region *ret_region,
                             struct gm_error *error)
{
    struct gm_region region = {.fd = -1, .spec = with_places(spec), .pages = GM_PAGES_PLAIN};
    bool laid_out = region_lay_out(&region);
    GM_CHECK(laid_out);
    void *base = mmap(NULL, region.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                      0);
    if (base == MAP_FAILED)
        return gm_error_set(error, -errno, "cannot map a region of %llu MiB: %s; give a smaller "
                            "--memory", (unsigned long long)(region.bytes >> 20),
                            gm_error_name(-errno));
    if (madvise(base, region.bytes, MADV_HUGEPAGE) == 0)
        region.pages = GM_PAGES_THP;
    region.base = base;
    region_format(&region);
    *ret_region = region;
    return 0;
}

/* ---- joining -------------------------------------------------------------------------------- */

static int region_refuse(struct gm_region *region, struct gm_error *error, const char *why)
{
    munmap(region->base, region->bytes);
    return gm_error_set(error, GM_EPEER_PROTOCOL, "cannot join the shared region: %s", why);
}

int gm_region_join(int fd, struct gm_region *ret_region, struct gm_error *error)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return gm_error_set(error, -errno, "cannot join the shared region: %s",
                            gm_error_name(-errno));
    if (status.st_size < (off_t)PAGE_BYTES)
        return gm_error_set(error, GM_EPEER_PROTOCOL,
                            "cannot join the shared region: it has %lld bytes, less than a header",
                            (long long)status.st_size);
    struct gm_region region = {.fd = -1, .bytes = (uint64_t)status.st_size};
    void *base = mmap(NULL, region.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return gm_error_set(error, -errno, "cannot map the shared region of %llu MiB: %s",
                            (unsigned long long)(region.bytes >> 20), gm_error_name(-errno));
    region.base = base;
    struct region_header *shared = base;
    if (atomic_load_explicit(&shared->magic, memory_order_acquire) != REGION_MAGIC)
        return region_refuse(&region, error, "it does not begin with the magic number");
    /* Everything below believes these copies, never the shared words again. */
    uint32_t version = shared->version;
    uint32_t pages = shared->pages;
    uint64_t bytes = shared->bytes;
    memcpy(&region.spec, &shared->spec, sizeof(region.spec));
    if (version != REGION_VERSION)
        return region_refuse(&region, error, "it was made by another version of this program");
    struct gm_region laid_out = {.fd = -1, .base = base, .spec = region.spec};
    if (pages > GM_PAGES_HUGETLB || !region_lay_out(&laid_out))
        return region_refuse(&region, error, "its header makes no sense");
    if (bytes != region.bytes || laid_out.bytes > bytes)
        return region_refuse(&region, error, "its size does not fit its header");
    laid_out.bytes = region.bytes;
    laid_out.pages = (enum gm_pages)pages;
    laid_out.pool = gm_pool_join(laid_out.base + laid_out.pool_offset, laid_out.frame_count,
                                 laid_out.spec.exchange_count * laid_out.spec.executor_count);
    if (laid_out.pool == NULL)
        return region_refuse(&region, error, "its pool is none, or not of the size in its header");
    if (pages == GM_PAGES_THP)
        madvise(base, region.bytes, MADV_HUGEPAGE); /* a wish: plain pages do as well */
    *ret_region = laid_out;
    return 0;
}

void gm_region_share(const struct gm_region *region, struct gm_region *ret_view)
{
    *ret_view = *region;
    ret_view->fd = -1;
    ret_view->shared_view = true;
}

void gm_region_leave(struct gm_region *region)
{
    if (region->base != NULL && !region->shared_view)
        munmap(region->base, region->bytes);
    if (region->fd >= 0)
        close(region->fd);
    *region = (struct gm_region){.fd = -1};
}

/* ---- looking up ----------------------------------------------------------------------------- */

const char *gm_region_damage(const struct gm_region *region)
{
    const struct region_header *header = (const struct region_header *)region->base;
    const struct gm_region_spec *spec = &region->spec;
    if (atomic_load_explicit(&header->magic, memory_order_relaxed) != REGION_MAGIC ||
        header->version != REGION_VERSION || header->bytes != region->bytes ||
        header->spec.secret != spec->secret || header->spec.frame_bytes != spec->frame_bytes)
        return "its header";
    if (!gm_pool_is_sound(region->pool, region->frame_count,
                          spec->exchange_count * spec->executor_count))
        return "its pool of frames";
    for (uint32_t exchange = 0; exchange < spec->exchange_count; exchange++)
        for (uint32_t source = 0; source < spec->executor_count; source++)
            for (uint32_t peer = 0; peer <= spec->executor_count; peer++) {
                const void *ring = gm_region_ring(region, exchange, source, peer);
                if (ring != NULL && !gm_ring_is_sound(ring, spec->exchanges[exchange].ring_slots))
                    return "a ring";
            }
    return NULL;
}

struct gm_ledger_entry *gm_region_ledger(const struct gm_region *region, uint32_t participant)
{
    uint32_t seat = gm_region_seat(&region->spec, participant);
    GM_CHECK(participant <= region->spec.executor_count + 1);
    GM_CHECK(seat < gm_region_seat_count(&region->spec));
    return (struct gm_ledger_entry *)(region->base + PAGE_BYTES) + seat;
}

_Atomic uint64_t *gm_region_claim(const struct gm_region *region, uint32_t claim)
{
    GM_CHECK(claim < region->spec.claim_count);
    return (_Atomic uint64_t *)(region->base + region->claims_offset +
                                (uint64_t)claim * GM_LINE_BYTES);
}

_Atomic uint64_t *gm_region_word(const struct gm_region *region, uint32_t word)
{
    GM_CHECK(word < region->spec.word_count);
    return (_Atomic uint64_t *)(region->base + region->words_offset) + word;
}

void *gm_region_ring(const struct gm_region *region, uint32_t exchange, uint32_t source,
                     uint32_t destination)
{
    const struct gm_region_spec *spec = &region->spec;
    if (exchange >= spec->exchange_count || source >= spec->executor_count)
        return NULL;
    const struct gm_exchange_shape *shape = &spec->exchanges[exchange];
    uint64_t here = spec->local_count, all = spec->executor_count;
    bool source_here = gm_region_executor_is_local(spec, source);
    uint64_t number;
    if (shape->to_driver) {
        if (destination != spec->executor_count || !(source_here || spec->driver_is_local))
            return NULL;
        number = spec->driver_is_local ? source : source - spec->first_local;
    } else {
        if (destination >= spec->executor_count)
            return NULL;
        if (source_here) {
            number = (source - spec->first_local) * all + destination;
        } else {
            /* Behind those of our own sources: sources of other nodes, to us alone. */
            if (!gm_region_executor_is_local(spec, destination))
                return NULL;
            uint64_t other = source < spec->first_local ? source : source - here;
            number = here * all + other * here + (destination - spec->first_local);
        }
    }
    return region->base + region->ring_offsets[exchange] +
           number * gm_ring_footprint(shape->ring_slots);
}

uint32_t gm_region_account(const struct gm_region *region, uint32_t exchange, uint32_t source)
{
    GM_CHECK(exchange < region->spec.exchange_count);
    GM_CHECK(source < region->spec.executor_count);
    return exchange * region->spec.executor_count + source;
}

uint8_t *gm_region_frame(const struct gm_region *region, uint32_t index)
{
    if (index >= region->frame_count)
        return NULL;
    return region->base + region->frames_offset + (uint64_t)index * region->spec.frame_bytes;
}
