/* test_files.c - goal: files, directories and patterns give their files in order with their sizes,
 * and everything that would read nothing is an error with the path and the reason.
 * Method: a small tree in a temporary directory.
 */
#include "agent/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sample.h"

static char root[64];
static struct gm_file_list list;
static struct gm_error error;

static const char *const names[] = {"b.txt", "a.txt", "c[1].log", ".hidden"};
static const char *const folders[] = {"empty", "deep"};

static uint32_t read_fails_after = UINT32_MAX;

/* In the place of the C library's, which it calls: it fails after so many entries. */
struct dirent *readdir(DIR *directory)
{
    static struct dirent *(*real)(DIR *);
    if (real == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "readdir64");
        memcpy(&real, &symbol, sizeof real);
    }
    if (read_fails_after == 0) {
        errno = EIO;
        return NULL;
    }
    read_fails_after--;
    return real(directory);
}

static const char *place(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s%s%s", root, name[0] != '\0' ? "/" : "", name);
    return path;
}

static int setup(void **state)
{
    (void)state;
    strcpy(root, "/tmp/gleam-files-XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        FILE *file = fopen(place(names[i]), "we");
        if (file == NULL)
            return -1;
        fprintf(file, "%.*s", (int)i + 1, "12345678");
        fclose(file);
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (mkdir(place(folders[i]), 0700) < 0)
            return -1;
    return mkfifo(place("pipe"), 0600);
}

static void forget(void)
{
    for (uint32_t i = 0; i < list.count; i++)
        free(list.files[i].path);
    free(list.files);
    list = (struct gm_file_list){0};
    error = (struct gm_error){0};
}

static int teardown(void **state)
{
    (void)state;
    forget();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(place(names[i]));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        rmdir(place(folders[i]));
    unlink(place("pipe"));
    return rmdir(root);
}

static void expect(const char *name, uint32_t index, uint64_t bytes)
{
    assert_true(index < list.count);
    const char *slash = strrchr(list.files[index].path, '/');
    assert_string_equal(slash + 1, name);
    assert_int_equal(list.files[index].bytes, bytes);
    assert_false(list.files[index].command);
}

static void refused(const char *path, const char *why)
{
    forget();
    assert_int_equal(gm_files_list(path, &list, &error), GM_EJOB_INPUT);
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, why));
    assert_int_equal(list.count, 0);
}

static void a_directory_gives_its_files_in_order(void **state)
{
    (void)state;
    assert_int_equal(gm_files_list(root, &list, &error), 0);
    assert_int_equal(list.count, 3); /* no hidden one, no directory, no FIFO */
    expect("a.txt", 0, 2);
    expect("b.txt", 1, 1);
    expect("c[1].log", 2, 3);
}

static void several_paths_are_appended(void **state)
{
    (void)state;
    forget();
    assert_int_equal(gm_files_list(place("b.txt"), &list, &error), 0);
    assert_int_equal(gm_files_list(place("a.txt"), &list, &error), 0);
    assert_int_equal(gm_files_list(place("*.txt"), &list, &error), 0);
    assert_int_equal(gm_files_list(place(".hidden"), &list, &error), 0);
    assert_int_equal(list.count, 5);
    expect("b.txt", 0, 1);
    expect("a.txt", 1, 2);
    expect("a.txt", 2, 2);
    expect("b.txt", 3, 1);
    expect(".hidden", 4, 4);
}

static void a_name_with_brackets_is_that_file(void **state)
{
    (void)state;
    forget();
    assert_int_equal(gm_files_list(place("c[1].log"), &list, &error), 0);
    assert_int_equal(list.count, 1);
    expect("c[1].log", 0, 3);
    forget();
    assert_int_equal(gm_files_list(place("[ab].txt"), &list, &error), 0);
    assert_int_equal(list.count, 2);
}

static void what_has_no_size_is_a_stream(void **state)
{
    (void)state;
    forget();
    assert_int_equal(gm_files_list(place("pipe"), &list, &error), 0);
    expect("pipe", 0, UINT64_MAX);
    forget();
    assert_int_equal(gm_files_list("/proc/version", &list, &error), 0);
    expect("version", 0, UINT64_MAX);
}

static void what_gives_nothing_is_refused(void **state)
{
    (void)state;
    refused(place("missing"), "No such file");
    refused(place("a.txt/deeper"), "Not a directory");
    refused(place("*.none"), "no file matches");
    refused(place("d*"), "only directories match");
    refused(place("empty"), "has no files");
    forget();
    assert_int_equal(gm_files_list("", &list, &error), GM_EJOB_INPUT);
    assert_non_null(strstr(error.text, "empty"));
}

/* Nobody may read it, and root reads everything: the case is somebody else for a while. */
static void a_directory_that_cannot_be_read_is_refused(void **state)
{
    (void)state;
    const bool is_root = geteuid() == 0;
    char closed[256];
    snprintf(closed, sizeof closed, "%s", place("empty"));
    chmod(root, 0755);
    chmod(place("deep"), 0755); /* it may come first in the directory, and is not meant */
    chmod(closed, 0000);
    assert_int_equal(is_root ? seteuid(65534) : 0, 0);
    static const char *const patterns[] = {"*/x*", "*/x", "e*/*"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        forget();
        assert_int_equal(gm_files_list(place(patterns[i]), &list, &error), GM_EJOB_INPUT);
        assert_non_null(strstr(error.text, closed));
        assert_non_null(strstr(error.text, "Permission denied"));
    }
    assert_int_equal(is_root ? seteuid(0) : 0, 0);
    chmod(closed, 0700);
}

static void a_directory_that_stops_half_way_is_refused(void **state)
{
    (void)state;
    read_fails_after = 2;
    refused(place(""), "Input/output error");
    read_fails_after = 2;
    forget();
    assert_int_equal(gm_files_list(place("*.txt"), &list, &error), GM_EJOB_INPUT);
    assert_non_null(strstr(error.text, root));
    assert_non_null(strstr(error.text, "Input/output error"));
    read_fails_after = UINT32_MAX;
}

static void tree_is(const char *pattern, const char *wanted)
{
    char got[512] = "";
    forget();
    char path[256];
    snprintf(path, sizeof path, "%s%s", root, pattern);
    assert_int_equal(gm_files_list(path, &list, &error), 0);
    for (uint32_t i = 0; i < list.count; i++) {
        strcat(got, list.files[i].path + strlen(root));
        strcat(got, " ");
    }
    assert_string_equal(got, wanted);
}

static void two_stars_search_the_tree(void **state)
{
    (void)state;
    assert_int_equal(mkdir(place("deep/er"), 0700), 0);
    assert_int_equal(mkdir(place("deep/.hidden"), 0700), 0);
    static const char *const more[] = {"deep/a.txt", "deep/er/z.txt", "deep/er/z.log",
                                       "deep/.hidden/x.txt"};
    for (size_t i = 0; i < 4; i++) {
        FILE *file = fopen(place(more[i]), "we");
        assert_non_null(file);
        fclose(file);
    }
    assert_int_equal(symlink("..", place("deep/er/loop")), 0);
    tree_is("/**", "/a.txt /b.txt /c[1].log /deep/a.txt /deep/er/z.log /deep/er/z.txt ");
    tree_is("/**/*.txt", "/a.txt /b.txt /deep/a.txt /deep/er/z.txt ");
    tree_is("/deep/**/z.*", "/deep/er/z.log /deep/er/z.txt ");
    tree_is("/**/er/**", "/deep/er/z.log /deep/er/z.txt ");
    tree_is("/**/deep/**/a.txt", "/deep/a.txt ");
    refused(place("**/none"), "no file matches");
    forget();
    assert_int_equal(gm_files_list(place("no/**"), &list, &error), GM_EJOB_INPUT);
    assert_non_null(strstr(error.text, "/no/: No such file"));
    unlink(place("deep/er/loop"));
    for (size_t i = 0; i < 4; i++)
        unlink(place(more[i]));
    rmdir(place("deep/.hidden"));
    rmdir(place("deep/er"));
}

static void samples_show_the_first_bytes(void **state)
{
    uint8_t data[16];
    size_t bytes;
    bool whole;
    struct gm_file file = {.path = (char *)(uintptr_t)place("a.txt"), .bytes = 2};
    (void)state;
    error = (struct gm_error){0};
    assert_int_equal(gm_sample_file(&file, data, 16, &bytes, &whole, &error), 0);
    assert_int_equal(bytes, 2);
    assert_true(whole);
    assert_memory_equal(data, "12", 2);
    assert_int_equal(gm_sample_file(&file, data, 1, &bytes, &whole, &error), 0);
    assert_true(bytes == 1 && !whole);
    file.path = (char *)(uintptr_t)place("pipe");
    assert_int_equal(gm_sample_file(&file, data, 16, &bytes, &whole, &error), GM_AGAIN);
    file.path = (char *)(uintptr_t)place("nothing");
    assert_int_equal(gm_sample_file(&file, data, 16, &bytes, &whole, &error), GM_EJOB_INPUT);
    assert_non_null(strstr(error.text, "nothing: No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_show_the_first_bytes),
        cmocka_unit_test(two_stars_search_the_tree),
        cmocka_unit_test(a_directory_gives_its_files_in_order),
        cmocka_unit_test(several_paths_are_appended),
        cmocka_unit_test(a_name_with_brackets_is_that_file),
        cmocka_unit_test(what_has_no_size_is_a_stream),
        cmocka_unit_test(what_gives_nothing_is_refused),
        cmocka_unit_test(a_directory_that_cannot_be_read_is_refused),
        cmocka_unit_test(a_directory_that_stops_half_way_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
