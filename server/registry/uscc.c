/* GB 32100-2015: 18 characters of an alphabet of 31 (no I, O, S, V, Z); the last makes the weighted sum of all
 * divisible by 31. The weight of place i is 3^i modulo 31. */
#include <string.h>

#include "registry/registry.h"

#define USCC_LEN 18
#define MODULUS 31

static int value_of(char c)
{
    static const char ALPHABET[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    const char *at = c ? strchr(ALPHABET, c) : NULL;
    return at ? (int)(at - ALPHABET) : -1;
}

bool uscc_valid(const char *code)
{
    int sum = 0, weight = 1;
    if (!code || strnlen(code, USCC_LEN + 1) != USCC_LEN) {
        return false;
    }
    for (int i = 0; i < USCC_LEN; i++) {
        int value = value_of(code[i]);
        if (value < 0) {
            return false;
        }
        sum += value * (i == USCC_LEN - 1 ? 1 : weight);
        weight = weight * 3 % MODULUS;
    }
    return sum % MODULUS == 0;
}
