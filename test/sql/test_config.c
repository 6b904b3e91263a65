/* Configuration documents against a real database: whose they may replace, and each message takes effect once. */
#include "dbtest.h"

#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "db/migrate.h"
#include "ingest/config_upload.h"
#include "ingest/ingest.h"
#include "rollup/rollup.h"

#define HUBEI "914201007581234560"   /* admitted here, of 420100 */
#define HUNAN "914301007581234561"   /* brought by the platform 430000 */
#define ANOTHER "914301007581234562" /* not known at first */

static const char POWER[] = "0000000002330010", GAS[] = "0000000001150010";

static struct db *db;
static struct registry *registry;
static struct ingest *ingest;
static struct arena *arena;
static struct config_answer answer;

static void before(void)
{
    OK(caltime_set_zone("Asia/Shanghai"));
    payload_init();
    db = open_db();
    OK(db_exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    OK(db_migrate(db, NULL, NULL));
    OK(db_exec(db, "INSERT INTO unit (code, name, region_code, state) VALUES ('" HUBEI "', 'w', '420100', 'accepted');"
                   "INSERT INTO platform (code, platform_id, name) VALUES ('420000', 'p', 'p'), ('430000', 'q', 'q')"));
    OK(registry_open(db, &registry));
    struct ingest_config config = {
        .registry = registry, .limits = &PAYLOAD_LIMITS_DEFAULT, .max_plain = 1 << 26, .future_ms = 300000};
    OK(ingest_new(&config, db, &ingest));
    arena = arena_new(0);
}

static void finish(void)
{
    ingest_free(&ingest);
    registry_close(&registry);
    arena_free(&arena);
    db_close(&db);
}

/* One enterprise with one item, without the XML declaration. */
static char *document(const char *code, const char *region, const char *item)
{
    return arena_printf(arena,
                        "<enterpriseConfig xmlns=\"urn:nhjc:config:v1\">\n<enterprise code=\"%s\" name=\"试验企业\" "
                        "typeCode=\"150\" typeName=\"有限责任公司\" industryCode=\"C3120\" regionCode=\"%s\" "
                        "center=\"false\" corporationCode=\"%s\" jgzh=\"false\" energyConsumeLevel=\"3\" "
                        "latitude=\"30.5800\" longitude=\"114.2900\" phone=\"027-80000000\"/>\n"
                        "<collectItem name=\"i\" processCode=\"00\" processUnitCode=\"00\" equipmentCode=\"00\" "
                        "equipmentUnitCode=\"00\" energyClassCode=\"%.2s\" energyTypeCode=\"%.4s\" "
                        "dataUsageCode=\"%s\" inputType=\"4\" statType=\"0\" scope=\"1\" dataCode=\"%s\" "
                        "aggregation=\"sum\"/>\n</enterpriseConfig>\n",
                        code, region, code, item + 8, item + 10, item + 14, item);
}

/* A platform's UploadEnterprises with one or two documents; gives the code. */
static int set_of(const char *platform, const char *id, const char *one, const char *two)
{
    static const struct db_stmt PARTY = {"t.party", "SELECT id FROM platform WHERE code = $1"};
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, platform);
    OK(db_query(db, &PARTY, &p, &rows));
    char *xml = arena_printf(arena, "<enterpriseConfigSet xmlns=\"urn:nhjc:config:v1\">%s%s</enterpriseConfigSet>", one,
                             two ? two : "");
    struct config_request q = {.message_id = id,
                               .platform_code = platform,
                               .platform_party = (int32_t)db_get_int(rows, 0, 0),
                               .content = xml,
                               .content_len = strlen(xml)};
    db_rows_free(&rows);
    db_params_free(&p);
    ingest_config(ingest, &q, arena, &answer);
    return answer.code;
}

/* The enterprise's own UploadConfig. */
static int own(const char *id, const char *xml)
{
    struct unit *unit = NULL;
    OK(registry_unit(registry, db, HUBEI, &unit));
    struct config_request q = {
        .message_id = id, .unit = unit, .device_id = "d", .content = xml, .content_len = strlen(xml)};
    ingest_config(ingest, &q, arena, &answer);
    unit_release(&unit);
    return answer.code;
}

#define VERSION_OF(code) NUMBER(db, "SELECT config_version FROM unit WHERE code = '" code "'")
#define HAS_REGION(code, region)                                                                                       \
    (NUMBER(db, "SELECT count(*) FROM unit WHERE code = '" code "' AND region_code = '" region "'") == 1)

static bool found(int code)
{
    for (size_t i = 0; i < answer.findings.count; i++)
        if (answer.findings.at[i].code == code && answer.findings.at[i].line > 0)
            return true;
    return false;
}

START_TEST(a_platform_replaces_no_configuration_outside_its_region)
{
    ck_assert_int_eq(own("m1", document(HUBEI, "420100", POWER)), 0);
    /* the document claims another region than the one the enterprise is known to be in */
    ck_assert_int_eq(set_of("430000", "m2", document(HUBEI, "430100", GAS), NULL), 1103);
    ck_assert(found(1103));
    ck_assert_int_eq(VERSION_OF(HUBEI), 1);
    /* nor does one good document beside it count */
    ck_assert_int_eq(set_of("430000", "m3", document(HUNAN, "430100", GAS), document(HUBEI, "430100", GAS)), 1103);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM unit"), 1);
    ck_assert_int_eq(set_of("420000", "m4", document(HUBEI, "420100", GAS), NULL), 0);
    ck_assert_int_eq(VERSION_OF(HUBEI), 2);
    finish();
}
END_TEST

START_TEST(a_stopped_enterprise_is_not_configured_by_its_platform)
{
    ck_assert_int_eq(set_of("430000", "m1", document(HUNAN, "430100", POWER), NULL), 0);
    OK(db_exec(db, "UPDATE unit SET state = 'suspended' WHERE code = '" HUNAN "'"));
    ck_assert_int_eq(set_of("430000", "m2", document(HUNAN, "430100", GAS), NULL), 1104);
    ck_assert(found(1104));
    OK(db_exec(db, "UPDATE unit SET state = 'retired' WHERE code = '" HUNAN "'"));
    ck_assert_int_eq(set_of("430000", "m2", document(HUNAN, "430100", GAS), NULL), 1104);
    OK(db_exec(db, "UPDATE unit SET state = 'accepted' WHERE code = '" HUNAN "'"));
    ck_assert_int_eq(VERSION_OF(HUNAN), 1);
    ck_assert_int_eq(set_of("430000", "m2", document(HUNAN, "430100", GAS), NULL), 0);
    ck_assert_int_eq(VERSION_OF(HUNAN), 2);
    finish();
}
END_TEST

START_TEST(an_enterprise_known_through_a_platform_moves_within_its_region)
{
    ck_assert_int_eq(set_of("430000", "m1", document(HUNAN, "430100", POWER), NULL), 0);
    ck_assert(HAS_REGION(HUNAN, "430100"));
    ck_assert_int_eq(set_of("430000", "m2", document(HUNAN, "430200", POWER), NULL), 0);
    ck_assert(HAS_REGION(HUNAN, "430200"));
    ck_assert_int_eq(set_of("430000", "m3", document(HUNAN, "420100", POWER), NULL), 1103);
    ck_assert(HAS_REGION(HUNAN, "430200"));
    /* one that was admitted here stays where the operator put it */
    ck_assert_int_eq(set_of("420000", "m4", document(HUBEI, "420200", POWER), NULL), 0);
    ck_assert(HAS_REGION(HUBEI, "420100"));
    finish();
}
END_TEST

START_TEST(an_old_message_that_comes_again_reverts_nothing)
{
    char *first = document(HUBEI, "420100", POWER), *second = document(HUBEI, "420100", GAS);
    ck_assert_int_eq(own("m1", first), 0);
    ck_assert_int_eq(own("m2", second), 0);
    ck_assert_int_eq(answer.config_version, 2);
    ck_assert_int_eq(own("m1", first), 0); /* its answer was lost on the way */
    ck_assert_int_eq(answer.config_version, 1);
    ck_assert_int_eq(VERSION_OF(HUBEI), 2);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM collect_item WHERE active AND data_code = '0000000001150010'"),
                     1);
    ck_assert_int_eq(own("m1", second), 2107);
    ck_assert_int_eq(own("m3", first), 0); /* a new message may go back */
    ck_assert_int_eq(answer.config_version, 3);
    ck_assert_int_eq(own("m4", first), 0);
    ck_assert_int_eq(answer.config_version, 3);
    ck_assert_int_eq(own("m4", first), 0);
    ck_assert_int_eq(answer.config_version, 3);
    finish();
}
END_TEST

START_TEST(a_platforms_set_takes_effect_once)
{
    char *a = document(HUNAN, "430100", POWER), *b = document(ANOTHER, "430100", POWER);
    ck_assert_int_eq(set_of("430000", "m1", a, b), 0);
    ck_assert_int_eq(set_of("430000", "m2", document(HUNAN, "430100", GAS), NULL), 0);
    ck_assert_int_eq(set_of("430000", "m1", a, b), 0);
    ck_assert_int_eq(VERSION_OF(HUNAN), 2);
    ck_assert_int_eq(set_of("430000", "m1", b, a), 2107);
    ck_assert_int_eq(set_of("430000", "m3", a, NULL), 0);
    ck_assert_int_eq(VERSION_OF(HUNAN), 3);
    finish();
}
END_TEST

START_TEST(a_refused_document_uses_up_no_message_id)
{
    ck_assert_int_eq(own("m1", document(ANOTHER, "420100", POWER)), 2111);
    ck_assert_int_eq(own("m1", document(HUBEI, "420100", POWER)), 0);
    /* accepted once: what the rules have become meanwhile does not change the answer */
    OK(db_exec(db, "UPDATE unit SET state = 'accepted'"));
    ck_assert_int_eq(own("m1", document(HUBEI, "420100", POWER)), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT coalesce(sum(found), 0) FROM storage_orphans('-infinity')"), 0);
    finish();
}
END_TEST

START_TEST(a_code_with_a_wrong_check_digit_is_warned_about_in_a_set)
{
    ck_assert_int_eq(set_of("430000", "m1", document("91430100MA0000015K", "430100", POWER), NULL), 0);
    ck_assert_uint_eq(answer.findings.count, 0);
    ck_assert_int_eq(set_of("430000", "m2", document(HUNAN, "430100", POWER), NULL), 0);
    ck_assert(found(3501));
    ck_assert_int_eq(VERSION_OF(HUNAN), 1);
    finish();
}
END_TEST

/* The document with another period for its item. */
static char *with_period(char *xml, const char *period)
{
    char *at = strstr(xml, "aggregation=");
    return arena_printf(arena, "%.*s period=\"%s\" %s", (int)(at - xml), xml, period, at);
}

START_TEST(a_changed_period_marks_exactly_the_hours_that_have_readings)
{
    ck_assert_int_eq(own("m1", document(HUBEI, "420100", POWER)), 0);
    OK(db_exec(db,
               "SELECT partition_ensure('reading', m) FROM generate_series(timestamptz '2024-03-01 00:00:00+08', "
               "'2024-06-01 00:00:00+08', interval '1 month') m;"
               "INSERT INTO reading_frame (unit_id, page, ts, value) SELECT u.id, p, t, '{1}' FROM unit u, "
               "(VALUES (0, timestamptz '2024-03-01 00:15:00+08'), (0, '2024-03-01 00:45:00+08'), "
               "(0, '2024-03-01 05:00:00+08'), (0, '2024-06-01 10:59:59+08'), (1, '2024-06-02 10:00:00+08')) v(p, t)"));
    ck_assert_int_eq(own("m2", with_period(document(HUBEI, "420100", POWER), "1800")), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_mark"), 3);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_mark WHERE hour IN ('2024-03-01 00:00:00+08', "
                                "'2024-03-01 05:00:00+08', '2024-06-01 10:00:00+08')"),
                     3);
    finish();
}
END_TEST

/* The document with another unit for its item. */
static char *with_unit(char *xml, const char *unit)
{
    char *at = strstr(xml, "aggregation=");
    return arena_printf(arena, "%.*s unit=\"%s\" %s", (int)(at - xml), xml, unit, at);
}

/* A rollup slice takes the locks of its enterprises in the order of their ids. The function that takes them for a
 * changed unit is replaced by one that writes down who called. */
START_TEST(changed_units_of_a_set_are_taken_up_in_the_order_of_the_enterprises)
{
    ck_assert_int_eq(set_of("430000", "m1", document(HUNAN, "430100", POWER), document(ANOTHER, "430100", POWER)), 0);
    OK(db_exec(db, "CREATE TABLE called (n serial, unit_id integer, slots integer[]);"
                   "CREATE OR REPLACE FUNCTION item_remeasured(of_unit integer, slots integer[]) RETURNS void LANGUAGE "
                   "sql AS 'INSERT INTO called (unit_id, slots) VALUES (of_unit, slots)'"));
    ck_assert_int_eq(set_of("430000", "m2", with_unit(document(ANOTHER, "430100", POWER), "MWh"),
                            with_unit(document(HUNAN, "430100", POWER), "MWh")),
                     0);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM called WHERE slots = '{0}'"), 2);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM called a JOIN called b ON a.n < b.n AND a.unit_id < b.unit_id"),
                     1);
    ck_assert_int_eq(set_of("430000", "m3", with_unit(document(HUNAN, "430100", POWER), "MWh"), NULL), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM called"), 2);
    finish();
}
END_TEST

/* The document with its item as a mean. */
static char *as_mean(char *xml)
{
    char *at = strstr(xml, "\"sum\"");
    return arena_printf(arena, "%.*s\"mean\"%s", (int)(at - xml), xml, at + strlen("\"sum\""));
}

static void roll_up(void)
{
    int32_t unit = (int32_t)NUMBER(db, "SELECT id FROM unit WHERE code = '" HUBEI "'");
    for (bool left = true; left;)
        OK(rollup_slice(db, registry, unit, 500, &left));
}

static void assert_restated(const char *expected)
{
    struct db_rows *rows = ROWS(
        db, NULL,
        "WITH gone AS (DELETE FROM restatement RETURNING *) SELECT string_agg(concat_ws(' ', (ARRAY['day', 'month', "
        "'year'])[granularity], ts::date, old_value, new_value, old_n, new_n, reason, upload_id), '; ' ORDER BY "
        "granularity, ts) FROM gone");
    ck_assert_str_eq(db_get_text(rows, 0, 0), expected);
    db_rows_free(&rows);
}

/* From a total to a mean and back: what past rows show changes though no total does. */
START_TEST(periods_that_show_a_mean_in_place_of_a_total_are_restated)
{
    static const char OTHER[] = "0000000010020180";
    ck_assert_int_eq(own("m1", document(HUBEI, "420100", OTHER)), 0);
    OK(db_exec(
        db, "SELECT partition_ensure('reading', timestamptz '2024-03-01');"
            "INSERT INTO reading_frame (unit_id, page, ts, value) SELECT u.id, 0, t, ARRAY[v * 1000000] FROM unit u, "
            "(VALUES (timestamptz '2024-03-01 00:15', 10), ('2024-03-01 05:00', 20), ('2024-03-02 05:00', 7)) v (t, v) "
            "WHERE u.code = '" HUBEI "'; INSERT INTO rollup_mark (unit_id, hour) SELECT unit_id, "
            "date_trunc('hour', ts) FROM reading_frame"));
    roll_up();
    ck_assert_int_eq(own("m2", as_mean(document(HUBEI, "420100", OTHER))), 0);
    roll_up();
    assert_restated("day 2024-03-01 30 15 2 2 configuration; month 2024-03-01 37 12.333333 3 3 configuration; "
                    "year 2024-01-01 37 12.333333 3 3 configuration");
    ck_assert_int_eq(own("m3", document(HUBEI, "420100", OTHER)), 0);
    roll_up();
    assert_restated("day 2024-03-01 15 30 2 2 configuration; month 2024-03-01 12.333333 37 3 3 configuration; "
                    "year 2024-01-01 12.333333 37 3 3 configuration");
    finish();
}
END_TEST

DBTEST_MAIN("config", before, a_platform_replaces_no_configuration_outside_its_region,
            a_stopped_enterprise_is_not_configured_by_its_platform,
            an_enterprise_known_through_a_platform_moves_within_its_region,
            an_old_message_that_comes_again_reverts_nothing, a_platforms_set_takes_effect_once,
            a_refused_document_uses_up_no_message_id, a_code_with_a_wrong_check_digit_is_warned_about_in_a_set,
            a_changed_period_marks_exactly_the_hours_that_have_readings,
            changed_units_of_a_set_are_taken_up_in_the_order_of_the_enterprises,
            periods_that_show_a_mean_in_place_of_a_total_are_restated)
