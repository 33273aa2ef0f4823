/* target.h - what every fuzzer here defines; libFuzzer or standalone.c calls it.
 *
 * The input is borrowed and of its exact size.  Returns 0; aborts on a finding.
 */
#ifndef GM_TESTS_FUZZ_TARGET_H
#define GM_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#endif
