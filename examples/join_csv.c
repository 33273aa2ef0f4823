/* join_csv.c - joins two CSV files: who has lent which book of a library.
 *
 *     join_csv [run options] BOOKS.csv LOANS.csv
 *
 * A book is number,author,language,title; a loan is date,number,reader (examples/data has two such
 * files).  Prints a line for each loan of a known book, in no order.
 */
#include <stdio.h>

#include <gleam.h>

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    if (argc != 3 || argv[1][0] == '-') {
        fprintf(stderr, "usage: %s [--cores N] [--memory SIZE] BOOKS.csv LOANS.csv\n", argv[0]);
        return 2;
    }
    struct gleam_flow *flow = gleam_flow_new("loans");
    struct gleam_dataset *books = gleam_read_csv(flow, argv[1], 0, NULL);
    struct gleam_dataset *loans = gleam_read_csv(flow, argv[2], 0, NULL);
    /* Number and title; number and reader. */
    books = gleam_select(books, "title", gleam_then_by(gleam_field(1), 4, true));
    loans = gleam_select(loans, "reader", gleam_then_by(gleam_field(2), 3, true));
    gleam_printlnf(gleam_join_by_key(books, "loans of books", loans), "%s: %s, lent by %s");
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}
