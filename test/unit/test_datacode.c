#include "unit.h"

#include <string.h>

#include "payload/datacode.h"

START_TEST(both_forms_give_the_same_sixteen_digits)
{
    char code[DATACODE_LEN + 1], dashed[21];
    ck_assert(datacode_parse("0204010302330011", 16, code));
    ck_assert_str_eq(code, "0204010302330011");
    datacode_dashed(code, dashed);
    ck_assert_str_eq(dashed, "02-04-0103-023300-11");
    memset(code, 'x', sizeof code);
    ck_assert(datacode_parse(dashed, 20, code));
    ck_assert_str_eq(code, "0204010302330011");
}
END_TEST

START_TEST(any_other_text_is_malformed)
{
    static const char *const BAD[] = {
        "",
        "0",
        "000000000233001",
        "00000000023300110",
        "00-00-0000-0233000-1",
        "00-00-0000023300-80",
        "00-00-0000-023300-1",
        "00-00-0000-023300-111",
        "00 00 0000 023300 11",
        "000000000233001a",
        " 000000000233001",
        "-000000000233001",
        "00-00-0000-02330a-11",
        "00--0-0000-023300-11",
        /* full-width digits: twenty bytes, none of them a digit */
        "０００００００００００００００００",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        char code[DATACODE_LEN + 1];
        ENSURE_MSG(!datacode_parse(BAD[i], strlen(BAD[i]), code), "\"%s\" was taken", BAD[i]);
    }
}
END_TEST

START_TEST(the_zero_segments_tell_the_scope)
{
    static const struct {
        const char *code;
        int scope;
    } ROWS[] = {
        {"0000000002330011", 1}, {"0200000002330011", 2}, {"0201000002330011", 3},
        {"0201010102330011", 4}, {"0201000102330011", 4}, {"0001000002330011", 0},
        {"0000010102330011", 0}, {"0200010102330011", 0}, {"0001010102330011", 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        ck_assert_msg(datacode_scope(ROWS[i].code) == ROWS[i].scope, "%s: %d", ROWS[i].code,
                      datacode_scope(ROWS[i].code));
    }
}
END_TEST

UNIT_MAIN("datacode", both_forms_give_the_same_sixteen_digits, any_other_text_is_malformed,
          the_zero_segments_tell_the_scope)
