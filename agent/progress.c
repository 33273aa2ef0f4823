/* progress.c - bytes and rows from the ledger, for a person who waits. */
#include "agent/progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/readable.h"
#include "engine/base/text.h"
#include "engine/base/utf8.h"
#include "engine/flow/plan_view.h"

#define TERMINAL_TICK_NS UINT64_C(200000000)
#define PLAIN_TICK_NS UINT64_C(10000000000)
/* Below this there is no rate to speak of. */
#define RATE_LEAST_NS UINT64_C(100000000)
#define LINE_BYTES (4 * GM_PROGRESS_COLUMNS_MAX)
#define COLUMNS_DEFAULT 80
#define LINES_DEFAULT 24

static uint32_t at_most(uint32_t number, uint32_t limit)
{
    return number < limit ? number : limit;
}

/* Whoever resizes a terminal goes on reading. */
static void measure_terminal(struct gm_progress *progress)
{
    struct winsize size;
    const int fd = fileno(progress->file); /* -1: a stream in memory */
    if (fd < 0 || ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
        return;
    progress->columns = at_most(size.ws_col, GM_PROGRESS_COLUMNS_MAX);
    progress->lines = at_most(size.ws_row, GM_PROGRESS_LINES_MAX);
}

void gm_progress_init_on(struct gm_progress *progress, const struct gm_plan *plan, FILE *file,
                         uint32_t columns, uint32_t lines, uint64_t now_ns)
{
    const bool terminal = columns > 0;
    *progress = (struct gm_progress){
        .file = file,
        .terminal = terminal,
        .columns = at_most(columns, GM_PROGRESS_COLUMNS_MAX),
        .lines = at_most(lines, GM_PROGRESS_LINES_MAX),
        .plan = plan,
        .begin_ns = now_ns,
        .next_ns = now_ns + (terminal ? TERMINAL_TICK_NS : PLAIN_TICK_NS),
    };
}

void gm_progress_init(struct gm_progress *progress, const struct gm_plan *plan, bool quiet,
                      uint64_t now_ns)
{
    const char *kind = getenv("TERM");
    const bool terminal =
        isatty(STDERR_FILENO) == 1 && (kind == NULL || strcmp(kind, "dumb") != 0);
    gm_progress_init_on(progress, plan, quiet ? NULL : stderr, terminal ? COLUMNS_DEFAULT : 0,
                        LINES_DEFAULT, now_ns);
}

/* ---- what is said ---------------------------------------------------------------------------- */

/* Executors of this node, the driver, and the gateway, which has the sums of other nodes. */
static const struct gm_ledger_entry *entry_of(const struct gm_region *region, uint32_t seat)
{
    const struct gm_region_spec *spec = &region->spec;
    const uint32_t participant = seat < spec->local_count ? spec->first_local + seat
                                 : seat == spec->local_count && spec->driver_is_local
                                     ? spec->executor_count
                                     : gm_region_gateway(spec);
    return gm_region_ledger(region, participant);
}

static uint64_t bytes_read(const struct gm_region *region)
{
    uint64_t bytes = 0;
    for (uint32_t seat = 0; seat < gm_region_seat_count(&region->spec); seat++)
        bytes += atomic_load_explicit(&entry_of(region, seat)->input_bytes, memory_order_relaxed);
    return bytes;
}

static uint64_t rows_at(const struct gm_region *region, uint32_t position)
{
    uint64_t rows = 0;
    if (position >= GM_LEDGER_ROWS_MAX)
        return 0;
    for (uint32_t seat = 0; seat < gm_region_seat_count(&region->spec); seat++)
        rows += atomic_load_explicit(&entry_of(region, seat)->rows[position],
                                     memory_order_relaxed);
    return rows;
}

/* Rows of all sources that are no exchanges. */
static uint64_t rows_read(const struct gm_plan *plan, const struct gm_region *region)
{
    uint64_t rows = 0;
    for (uint32_t c = 0; c < plan->chain_count; c++)
        if (plan->chains[c].source.kind != GM_SOURCE_EXCHANGE)
            rows += rows_at(region, gm_plan_position(plan, c));
    return rows;
}

/* "12 s left": whole seconds, since nobody knows better. */
static void say_left(double left_ns, char *text, size_t text_bytes)
{
    char time[32];
    const unsigned seconds = left_ns < 60e9 ? (unsigned)(left_ns / 1e9 + 0.999) : 60;
    if (seconds < 60)
        snprintf(time, sizeof time, "%u s", seconds);
    else
        gm_readable_time(left_ns < 1e18 ? (uint64_t)left_ns : UINT64_C(1000000000000000000), time,
                         sizeof time);
    snprintf(text, text_bytes, "%s left", time);
}

/* " 43 %  412.0 MiB of 953.7 MiB  1.2 GiB/s  1 s left"; where nobody knows how much there is,
 * what was read so far. */
static void say_whole(const struct gm_progress *progress, const struct gm_region *region,
                      uint64_t now_ns, char *text, size_t text_bytes)
{
    const uint64_t all = progress->plan->input_bytes, done = bytes_read(region);
    const uint64_t passed_ns = now_ns - progress->begin_ns;
    const double seconds = (double)(passed_ns > RATE_LEAST_NS ? passed_ns : RATE_LEAST_NS) / 1e9;
    char size[32], whole[32], rate[32], rest[48], rows[32];
    gm_text_format_size(done, size, sizeof size);
    gm_text_format_size((uint64_t)((double)done / seconds), rate, sizeof rate);
    if (all == 0) {
        const uint64_t row_count = rows_read(progress->plan, region);
        gm_readable_count(row_count, rows, sizeof rows);
        gm_readable_count((uint64_t)((double)row_count / seconds), whole, sizeof whole);
        gm_readable_time(passed_ns, rest, sizeof rest);
        snprintf(text, text_bytes, "%s rows  %s%s%s rows/s  %s", rows, done > 0 ? size : "",
                 done > 0 ? "  " : "", whole, rest);
        return;
    }
    gm_text_format_size(all, whole, sizeof whole);
    if (done >= all) {
        snprintf(rest, sizeof rest, "finishing");
    } else if (done == 0) {
        snprintf(rest, sizeof rest, "starting");
    } else {
        say_left((double)passed_ns * (double)(all - done) / (double)done, rest, sizeof rest);
    }
    snprintf(text, text_bytes, "%3u %%  %s of %s  %s/s  %s",
             done < all ? (unsigned)((double)done * 100 / (double)all) : 100, size, whole, rate,
             rest);
}

/* "  0: text (1.23 M) > append one (1.23 M) > sum (512)": a chain's steps with their rows. */
static void say_chain(const struct gm_progress *progress, const struct gm_region *region,
                      uint32_t chain, char *text, size_t text_bytes)
{
    const struct gm_chain_plan *of = &progress->plan->chains[chain];
    const uint32_t first = gm_plan_position(progress->plan, chain);
    size_t length = (size_t)snprintf(text, text_bytes, "%3u:", chain);
    for (uint32_t i = 0; i <= of->step_count && length < text_bytes; i++) {
        char rows[32] = "?";
        if (first + i < GM_LEDGER_ROWS_MAX)
            gm_readable_count(rows_at(region, first + i), rows, sizeof rows);
        length += (size_t)snprintf(text + length, text_bytes - length, "%s %s (%s)",
                                   i > 0 ? " >" : "",
                                   i == 0 ? of->source.name : of->steps[i - 1].name, rows);
    }
}

/* ---- where it is shown ----------------------------------------------------------------------- */

/* What goes to the terminal in one write: a step that prints meanwhile cannot come in between. */
struct drawing {
    size_t length;
    char text[GM_PROGRESS_LINES_MAX * (LINE_BYTES + 16) + 64];
};

static void append(struct drawing *drawing, const char *text)
{
    const size_t bytes = strlen(text);
    GM_CHECK(drawing->length + bytes <= sizeof drawing->text);
    memcpy(drawing->text + drawing->length, text, bytes);
    drawing->length += bytes;
}

/* One line of the terminal, cut to its width; a name's control characters do nothing there. */
static void append_line(struct gm_progress *progress, struct drawing *drawing, char *line)
{
    line[gm_utf8_prefix(line, progress->columns - 1)] = '\0';
    for (char *at = line; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
    append(drawing, progress->shown_lines > 0 ? "\n\r\033[K" : "\r\033[K");
    append(drawing, line);
    progress->shown_lines++;
}

/* The cursor goes back to the first of the lines: what a step prints meanwhile lies over them, and
 * stays when they are drawn again, below it. */
static void draw(struct gm_progress *progress, const struct gm_region *region, uint64_t now_ns)
{
    struct drawing drawing;
    char line[LINE_BYTES];
    drawing.length = 0; /* the text is 23 KiB: not zeroed */
    measure_terminal(progress);
    progress->shown_lines = 0;
    say_whole(progress, region, now_ns, line, sizeof line);
    append_line(progress, &drawing, line);
    /* A line is left for what comes behind. */
    for (uint32_t c = 0; c < progress->plan->chain_count && c + 2 < progress->lines; c++) {
        say_chain(progress, region, c, line, sizeof line);
        append_line(progress, &drawing, line);
    }
    append(&drawing, "\033[J\r");
    if (progress->shown_lines > 1) {
        snprintf(line, sizeof line, "\033[%uA", progress->shown_lines - 1);
        append(&drawing, line);
    }
    fwrite(drawing.text, 1, drawing.length, progress->file);
    fflush(progress->file);
}

void gm_progress_tick(struct gm_progress *progress, const struct gm_region *region,
                      uint64_t now_ns)
{
    if (progress->file == NULL || now_ns < progress->next_ns)
        return;
    progress->next_ns = now_ns + (progress->terminal ? TERMINAL_TICK_NS : PLAIN_TICK_NS);
    if (progress->terminal) {
        draw(progress, region, now_ns);
        return;
    }
    char text[LINE_BYTES];
    say_whole(progress, region, now_ns, text, sizeof text);
    fprintf(progress->file, "progress: %s\n", text + strspn(text, " "));
    fflush(progress->file);
}

void gm_progress_wipe(struct gm_progress *progress)
{
    if (progress->shown_lines == 0)
        return;
    fputs("\r\033[J", progress->file);
    fflush(progress->file);
    progress->shown_lines = 0;
}

void gm_progress_end(struct gm_progress *progress)
{
    gm_progress_wipe(progress);
    progress->file = NULL;
}
