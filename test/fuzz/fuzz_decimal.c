#include "fuzz.h"

#include <string.h>

#include "base/decimal.h"

/* What is accepted is written back in a form that reads as the same value, exactly. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t value, again;
    char text[DECIMAL_TEXT];
    enum decimal_status status = decimal_parse((const char *)data, size, &value);
    REQUIRE(value > -DECIMAL_LIMIT_REGISTER && value < DECIMAL_LIMIT_REGISTER);
    if (status == DECIMAL_OK || status == DECIMAL_ROUNDED) {
        decimal_format(value, text);
        REQUIRE(decimal_parse(text, strlen(text), &again) == DECIMAL_OK);
        REQUIRE(again == value);
    } else {
        REQUIRE(value == 0);
    }
    return 0;
}
