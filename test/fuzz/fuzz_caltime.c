#include "fuzz.h"

#include <string.h>

#include "base/caltime.h"

/* What is accepted lies inside its periods and reads back from what is written. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t us, again;
    char text[CALTIME_TEXT];
    if (!caltime_parse((const char *)data, size, &us)) {
        return 0;
    }
    for (enum granularity g = GRAN_MINUTE; g <= GRAN_YEAR; g++) {
        int64_t start = period_start(g, us);
        REQUIRE(start <= us && us < period_next(g, start));
    }
    struct civil c = caltime_civil(us);
    REQUIRE(caltime_instant(&c) == us);
    caltime_format_iso(us, text);
    if (c.year >= 1 && c.year <= 9999) { /* an offset can lead out of the years that have four digits */
        REQUIRE(caltime_parse(text, strlen(text), &again) && again == us);
    }
    return 0;
}
