/* Fails on purpose once the fuzzer has found its way: proves that instrumentation and alarm work. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 4 && data[0] == 'f' && data[1] == 'i' && data[2] == 'r' && data[3] == 'e') {
        fprintf(stderr, "the planted fault\n");
        abort();
    }
    return 0;
}
