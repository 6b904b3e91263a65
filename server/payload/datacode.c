#include "payload/datacode.h"

#include <string.h>

#define DASHED_LEN 20

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The dashed form is PP-UU-EEEE-CCTTTT-NN. */
static bool is_dash_place(size_t i)
{
    return i == 2 || i == 5 || i == 10 || i == 17;
}

static bool all_digits(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i])) {
            return false;
        }
    }
    return true;
}

static bool parse_dashed(const char *text, char *out)
{
    for (size_t i = 0; i < DASHED_LEN; i++) {
        if (is_dash_place(i) ? text[i] != '-' : !is_digit(text[i])) {
            return false;
        }
        if (!is_dash_place(i)) {
            *out++ = text[i];
        }
    }
    *out = '\0';
    return true;
}

bool datacode_parse(const char *text, size_t len, char out[DATACODE_LEN + 1])
{
    if (len == DATACODE_LEN && all_digits(text, len)) {
        memcpy(out, text, DATACODE_LEN);
        out[DATACODE_LEN] = '\0';
        return true;
    }
    return len == DASHED_LEN && parse_dashed(text, out);
}

void datacode_dashed(const char code[DATACODE_LEN], char out[21])
{
    for (size_t i = 0; i < DASHED_LEN; i++) {
        out[i] = is_dash_place(i) ? '-' : *code++;
    }
    out[DASHED_LEN] = '\0';
}

int datacode_scope(const char code[DATACODE_LEN])
{
    bool process = memcmp(code, "00", 2) != 0;
    bool unit = memcmp(code + 2, "00", 2) != 0;
    bool equipment = memcmp(code + 4, "0000", 4) != 0;
    /* [process][unit][equipment]; the combinations left out contradict themselves */
    static const int SCOPE[8] = {[0] = 1, [4] = 2, [6] = 3, [7] = 4};
    return SCOPE[(process ? 4 : 0) | (unit ? 2 : 0) | (equipment ? 1 : 0)];
}
