#include "unit.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "validate/network.h"

#define STEEL "91420100000000000U"
#define GLASS "91110000100000000R"

static struct peer_values values(int count, const char *first, const char *second)
{
    return (struct peer_values){.count = count, .at = {(char *)(uintptr_t)first, (char *)(uintptr_t)second}};
}

START_TEST(the_first_attribute_of_the_rule_that_is_present_decides)
{
    struct peer_cert both = {.uid = values(1, STEEL, NULL), .cn = values(1, "420000", NULL)};
    struct peer_cert only_cn = {.cn = values(1, "420000", NULL)};
    struct peer_cert many = {.cn = values(1, "steel works", NULL),
                             .ou = values(2, "energy department", GLASS),
                             .serial_number = values(1, "000000", NULL),
                             .san_uri = values(1, "urn:nhjc:enterprise:" STEEL, NULL)};
    const struct {
        const struct peer_cert *cert;
        const char *rule, *code; /* NULL: 1101 */
        enum identity_kind kind;
    } ROWS[] = {
        {&both, "", STEEL, IDENTITY_ENTERPRISE},
        {&both, NULL, STEEL, IDENTITY_ENTERPRISE},
        {&both, "CN,UID", "420000", IDENTITY_PLATFORM},
        {&both, "CN, UID", "420000", IDENTITY_PLATFORM},
        {&only_cn, "UID,CN", "420000", IDENTITY_PLATFORM},
        {&many, "OU", GLASS, IDENTITY_ENTERPRISE},
        {&many, "serialNumber", "000000", IDENTITY_PLATFORM},
        {&many, "SAN", STEEL, IDENTITY_ENTERPRISE},
        {&many, "UID,SAN,CN", STEEL, IDENTITY_ENTERPRISE},
        {&many, "CN,SAN", NULL, 0}, /* CN is there, and holds no code */
        {&only_cn, "UID", NULL, 0},
        {&only_cn, "uid,CN", NULL, 0}, /* no attribute of ours */
        {&only_cn, "DN", NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct identity id;
        struct result r = identity_from_peer(ROWS[i].cert, ROWS[i].rule, &id);
        if (ROWS[i].code) {
            ck_assert_msg(result_ok(r) && strcmp(id.code, ROWS[i].code) == 0 && id.kind == ROWS[i].kind, "row %zu", i);
        } else {
            ck_assert_msg(r.kind == ERR_UNAUTHORISED && r.code == 1101, "row %zu", i);
        }
    }
}
END_TEST

START_TEST(an_identity_must_be_exactly_one_usable_code)
{
    static const char *const UNUSABLE[] = {"",
                                           "42000",
                                           "4200000",
                                           "42000a",
                                           "４２００００",
                                           "91420100000000000V",
                                           "91420100000000000u",
                                           "91420100000000000",
                                           " 420000",
                                           "420000 "};
    struct identity id;
    for (size_t i = 0; i < ARRAY_LEN(UNUSABLE); i++) {
        struct peer_cert cert = {.uid = values(1, UNUSABLE[i], NULL)};
        ck_assert_msg(identity_from_peer(&cert, NULL, &id).code == 1101, "\"%s\"", UNUSABLE[i]);
        ck_assert_str_eq(id.code, "");
    }
    struct peer_cert two = {.uid = values(2, STEEL, GLASS)}, twice = {.uid = values(2, STEEL, STEEL)};
    struct peer_cert more = {.uid = {.count = PEER_MAX_VALUES + 1, .at = {(char *)(uintptr_t)STEEL}}};
    ck_assert_int_eq(identity_from_peer(&two, NULL, &id).code, 1101);
    ck_assert_int_eq(identity_from_peer(&twice, NULL, &id).code, 1101);
    ck_assert_int_eq(identity_from_peer(&more, NULL, &id).code, 1101);
}
END_TEST

START_TEST(the_check_digit_of_gb_32100_is_checked)
{
    static const char *const GOOD[] = {STEEL, GLASS, "91310000607200000G", "914403001922038216"};
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        char changed[19];
        ck_assert_msg(uscc_valid(GOOD[i]), "%s", GOOD[i]);
        for (int k = 0; k < 18; k++) { /* every single wrong character is found */
            for (const char *c = "0123456789ABCDEFGHJKLMNPQRTUWXYIOSVZ-a"; *c; c++) {
                strcpy(changed, GOOD[i]);
                changed[k] = *c;
                ENSURE(uscc_valid(changed) == (*c == GOOD[i][k]));
            }
        }
    }
    ck_assert(!uscc_valid(NULL) && !uscc_valid("") && !uscc_valid("0") && !uscc_valid("9144030019220382160"));
}
END_TEST

START_TEST(a_platform_covers_what_lies_under_its_code)
{
    static const struct {
        const char *platform, *region;
        bool covers;
    } ROWS[] = {
        {"000000", "420000", true},  {"000000", "110101", true},  {"420000", "420000", true},
        {"420000", "420106", true},  {"420000", "421000", true},  {"420000", "430000", false},
        {"420100", "420106", true},  {"420100", "420100", true},  {"420100", "420206", false},
        {"420100", "420000", false}, {"420106", "420106", true},  {"420106", "420107", false},
        {"421000", "421002", true},  {"421000", "421102", false}, {"420000", "", false},
        {"420000", "42000", false},  {"42000x", "42000x", false}, {"", "420000", false},
        {"000000", "42010", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        ck_assert_msg(region_covers(ROWS[i].platform, ROWS[i].region) == ROWS[i].covers, "%s over %s", ROWS[i].platform,
                      ROWS[i].region);
    }
}
END_TEST

static struct unit steel_works(enum unit_state state)
{
    struct unit u = {.state = state, .cert_fingerprint = "", .allow = ""};
    strcpy(u.code, STEEL);
    strcpy(u.region, "420106");
    return u;
}

static int may(const char *code, enum identity_kind kind, const struct unit *u)
{
    struct identity id = {.kind = kind};
    struct peer_cert cert = {.fingerprint = "ab12"};
    strcpy(id.code, code);
    return network_may_upload(&id, &cert, "10.1.2.3:5000", u).code;
}

START_TEST(an_identity_acts_for_itself_and_a_platform_for_its_region)
{
    struct unit u = steel_works(UNIT_ACCEPTED);
    ck_assert_int_eq(may(STEEL, IDENTITY_ENTERPRISE, &u), 0);
    ck_assert_int_eq(may(GLASS, IDENTITY_ENTERPRISE, &u), 1103);
    ck_assert_int_eq(may("420100", IDENTITY_PLATFORM, &u), 0);
    ck_assert_int_eq(may("000000", IDENTITY_PLATFORM, &u), 0);
    ck_assert_int_eq(may("420200", IDENTITY_PLATFORM, &u), 1103);
    ck_assert_int_eq(may(STEEL, IDENTITY_ENTERPRISE, NULL), 1104);
}
END_TEST

START_TEST(only_admitted_states_upload_and_the_refusal_names_the_state)
{
    static const struct {
        enum unit_state state;
        int code;
        const char *word;
    } ROWS[] = {
        {UNIT_APPLIED, 1104, "applied"},
        {UNIT_APPROVED, 1104, "approved"},
        {UNIT_CERTIFIED, 0, ""},
        {UNIT_TESTING, 0, ""},
        {UNIT_TRIAL, 0, ""},
        {UNIT_ACCEPTED, 0, ""},
        {UNIT_SUSPENDED, 1104, "suspended"},
        {UNIT_RETIRED, 1104, "retired"},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct unit u = steel_works(ROWS[i].state);
        struct identity id = {IDENTITY_ENTERPRISE, STEEL};
        struct result r = network_may_upload(&id, NULL, "10.1.2.3:5000", &u);
        ck_assert_msg(r.code == ROWS[i].code && strstr(r.text, ROWS[i].word), "state %d: %s", ROWS[i].state, r.text);
    }
}
END_TEST

START_TEST(a_platforms_own_enterprises_need_no_admission_here)
{
    struct unit u = steel_works(UNIT_APPLIED);
    ck_assert_int_eq(may("420000", IDENTITY_PLATFORM, &u), 1104);
    u.from_platform = true;
    ck_assert_int_eq(may("420000", IDENTITY_PLATFORM, &u), 0);
    ck_assert_int_eq(may(STEEL, IDENTITY_ENTERPRISE, &u), 1104);
    u.state = UNIT_SUSPENDED;
    ck_assert_int_eq(may("420000", IDENTITY_PLATFORM, &u), 1104);
}
END_TEST

START_TEST(a_bound_certificate_and_an_allow_list_hold_for_the_enterprise_itself)
{
    struct unit u = steel_works(UNIT_ACCEPTED);
    u.cert_fingerprint = "AB12";
    ck_assert_int_eq(may(STEEL, IDENTITY_ENTERPRISE, &u), 0);
    u.cert_fingerprint = "ab13";
    ck_assert_int_eq(may(STEEL, IDENTITY_ENTERPRISE, &u), 1103);
    ck_assert_int_eq(may("420000", IDENTITY_PLATFORM, &u), 0);
    u.cert_fingerprint = "";
    u.allow = "10.1.0.0/16";
    ck_assert_int_eq(may(STEEL, IDENTITY_ENTERPRISE, &u), 0);
    u.allow = "10.2.0.0/16";
    ck_assert_int_eq(may(STEEL, IDENTITY_ENTERPRISE, &u), 1105);
    ck_assert_int_eq(may("420000", IDENTITY_PLATFORM, &u), 0);
}
END_TEST

START_TEST(the_certificate_before_a_renewal_is_good_until_its_grace_ends)
{
    struct unit u = steel_works(UNIT_ACCEPTED);
    u.cert_fingerprint = "ab13";
    u.cert_former = "AB12";
    u.cert_former_until = 1000;
    clock_set_fake(999);
    ck_assert_int_eq(may(STEEL, IDENTITY_ENTERPRISE, &u), 0);
    clock_set_fake(1000);
    ck_assert_int_eq(may(STEEL, IDENTITY_ENTERPRISE, &u), 1103);
    clock_set_real();
}
END_TEST

START_TEST(allow_lists_speak_ipv4_and_ipv6)
{
    static const struct {
        const char *allow, *peer;
        bool allowed;
    } ROWS[] = {
        {"", "10.1.2.3:1", true},
        {"  ", "10.1.2.3:1", true},
        {NULL, "10.1.2.3:1", true},
        {"10.1.2.3", "10.1.2.3:1", true},
        {"10.1.2.3", "10.1.2.4:1", false},
        {"10.1.2.0/24", "10.1.2.255:1", true},
        {"10.1.2.0/24", "10.1.3.0:1", false},
        {"10.1.2.128/25", "10.1.2.127:1", false},
        {"10.1.2.128/25", "10.1.2.128:1", true},
        {"0.0.0.0/0", "203.0.113.9:1", true},
        {"0.0.0.0/0", "[2001:db8::1]:1", false},
        {"192.0.2.1 10.0.0.0/8", "10.200.0.1:65535", true},
        {"192.0.2.1  10.0.0.0/8 ", "192.0.2.2:1", false},
        {"2001:db8::/32", "[2001:db8:1::2]:443", true},
        {"2001:db8::/32", "2001:db8:1::2:443", true},
        {"2001:db8::/32", "[2001:db9::1]:443", false},
        {"::1", "[::1]:9", true},
        {"::/0", "[::1]:9", true},
        {"10.0.0.0/8", "[::ffff:10.1.2.3]:9", true},
        /* whoever writes an entry wrong shuts the door */
        {"10.0.0.0/33", "10.1.2.3:1", false},
        {"10.0.0.0/", "10.1.2.3:1", false},
        {"10.0.0.0/8x", "10.1.2.3:1", false},
        {"10.0.0.0/-1", "10.1.2.3:1", false},
        {"10.0.0/8", "10.1.2.3:1", false},
        {"2001:db8::/129", "[2001:db8::1]:1", false},
        {"everyone", "10.1.2.3:1", false},
        {"10.0.0.0/8", "", false},
        {"10.0.0.0/8", "unix", false},
        {"10.0.0.0/8", NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        ck_assert_msg(address_allowed(ROWS[i].allow, ROWS[i].peer) == ROWS[i].allowed, "row %zu", i);
    }
}
END_TEST

/* ---- the device that a certificate names ---- */

START_TEST(a_certificate_is_good_for_the_device_that_it_names)
{
    struct unit any = steel_works(UNIT_ACCEPTED), strict = any;
    struct peer_cert none = {.device = PEER_DEVICE_NONE}, odd = {.device = PEER_DEVICE_UNREADABLE};
    struct peer_cert seven = {.device = PEER_DEVICE_NAMED, .device_serial = (char *)(uintptr_t) "7"};
    strict.device_certificates = true;
    const struct {
        const struct peer_cert *cert;
        const struct unit *unit;
        const char *serial;
        enum device_verdict verdict;
    } ROWS[] = {
        {&none, &any, NULL, DEVICE_FITS},         {&none, &any, "7", DEVICE_FITS},
        {&none, &strict, NULL, DEVICE_NOT_NAMED}, {&none, &strict, "7", DEVICE_NOT_NAMED},
        {&seven, &any, NULL, DEVICE_FITS},        {&seven, &any, "7", DEVICE_FITS},
        {&seven, &any, "8", DEVICE_OTHER},        {&seven, &any, "", DEVICE_OTHER},
        {&seven, &any, "7 ", DEVICE_OTHER},       {&seven, &strict, NULL, DEVICE_FITS},
        {&seven, &strict, "7", DEVICE_FITS},      {&seven, &strict, "8", DEVICE_OTHER},
        {&odd, &any, NULL, DEVICE_UNREADABLE},    {&odd, &any, "7", DEVICE_UNREADABLE},
        {&odd, &strict, NULL, DEVICE_UNREADABLE},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        ck_assert_msg(network_judge_device(ROWS[i].cert, ROWS[i].unit, ROWS[i].serial) == ROWS[i].verdict, "row %zu",
                      i);
    }
}
END_TEST

START_TEST(a_named_device_goes_by_its_own_binding_and_nothing_unbound_passes_beside_a_binding)
{
    static struct device_binding seven[] = {{"7", "AA", "bb", 1000}};
    const struct {
        const char *bound; /* to the enterprise */
        bool seven_bound;
        const char *device, *fingerprint; /* device NULL: names none */
        int code;
    } ROWS[] = {
        {"", false, NULL, "xx", 0},     {"", false, "7", "xx", 0}, /* nothing is bound */
        {"", true, "7", "aa", 0},       {"", true, "7", "bb", 0},  /* its own, and the one before it */
        {"", true, "7", "xx", 1103},    {"", true, "8", "xx", 1103},  {"", true, NULL, "xx", 1103},
        {"", true, "8", "aa", 1103},    {"", true, NULL, "aa", 1103}, /* another's */
        {"cc", true, "7", "cc", 1103},  {"cc", true, "7", "aa", 0},   {"cc", true, NULL, "cc", 0},
        {"cc", false, "7", "xx", 1103}, {"cc", false, "7", "cc", 0},  {"cc", false, NULL, "xx", 1103},
    };
    struct identity id = {IDENTITY_ENTERPRISE, STEEL};
    clock_set_fake(999);
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct unit u = steel_works(UNIT_ACCEPTED);
        struct peer_cert cert = {.device = ROWS[i].device ? PEER_DEVICE_NAMED : PEER_DEVICE_NONE,
                                 .device_serial = (char *)(uintptr_t)ROWS[i].device};
        strcpy(cert.fingerprint, ROWS[i].fingerprint);
        u.cert_fingerprint = ROWS[i].bound;
        u.bindings = seven;
        u.binding_count = ROWS[i].seven_bound;
        ck_assert_msg(network_may_upload(&id, &cert, "10.1.2.3:5000", &u).code == ROWS[i].code, "row %zu", i);
    }
    struct unit u = steel_works(UNIT_ACCEPTED);
    struct peer_cert former = {
        .fingerprint = "bb", .device = PEER_DEVICE_NAMED, .device_serial = (char *)(uintptr_t) "7"};
    u.bindings = seven;
    u.binding_count = 1;
    ck_assert_int_eq(network_may_upload(&id, &former, "10.1.2.3:5000", &u).code, 0);
    clock_set_fake(1000);
    ck_assert_int_eq(network_may_upload(&id, &former, "10.1.2.3:5000", &u).code, 1103);
    clock_set_real();
}
END_TEST

UNIT_MAIN("network", a_certificate_is_good_for_the_device_that_it_names,
          a_named_device_goes_by_its_own_binding_and_nothing_unbound_passes_beside_a_binding,
          the_certificate_before_a_renewal_is_good_until_its_grace_ends,
          the_first_attribute_of_the_rule_that_is_present_decides, an_identity_must_be_exactly_one_usable_code,
          the_check_digit_of_gb_32100_is_checked, a_platform_covers_what_lies_under_its_code,
          an_identity_acts_for_itself_and_a_platform_for_its_region,
          only_admitted_states_upload_and_the_refusal_names_the_state,
          a_platforms_own_enterprises_need_no_admission_here,
          a_bound_certificate_and_an_allow_list_hold_for_the_enterprise_itself, allow_lists_speak_ipv4_and_ipv6)
