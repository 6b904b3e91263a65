/* Energy accounting: from rows of rollup_day to standard coal, the enterprise's own coefficients, what is counted in
 * the comprehensive consumption, restated periods. The worked examples are those of sql/README.md. */
#include "dbtest.h"

#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "db/migrate.h"
#include "rollup/rollup.h"

static void before(void)
{
    OK(caltime_set_zone("Asia/Shanghai"));
    struct db *db = open_db();
    OK(db_exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    OK(db_migrate(db, NULL, NULL));
    OK(db_exec(
        db,
        "INSERT INTO base_data (list, code, name, role, dic_version) VALUES ('data_usage', '20', '外供', 'supply_out', "
        "2),"
        " ('data_usage', '40', '回收利用', 'recovery', 2), ('data_usage', '50', '库存增加', 'stock_in', 2);"
        "INSERT INTO unit (id, code, name, region_code, state, next_slot) VALUES"
        " (1, '91420100000000001A', '水泥', '420100', 'accepted', 20),"
        " (2, '91420100000000002B', '电厂', '420200', 'accepted', 20);"
        "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, unit, aggregation, period, scope, "
        "input_type,"
        " config_version) SELECT u, s, '00000000' || c, t, 'i', w, a, 900, 1, 4, 1 FROM (VALUES (1), (2)) x (u), "
        "(VALUES"
        " (0, '02330010', 0, 'kWh', 0), (1, '01010410', 0, 't', 0), (2, '02320020', 0, 'GJ', 0),"
        " (3, '01010411', 0, 't', 0), (4, '02330030', 0, '万千瓦时', 0), (5, '02330060', 0, 'kWh', 0),"
        " (6, '02370040', 0, 'GJ', 0), (7, '01010011', 0, 't', 0), (8, '02000011', 0, 'tce', 0),"
        " (9, '05010480', 0, 'kgce/kg', 1), (10, '06330080', 1, '', 1), (11, '04010030', 0, 't', 0),"
        " (12, '01010450', 0, 't', 0), (13, '02330099', 0, 'kWh', 0), (14, '09000180', 2, '万元', 0),"
        " (15, '02320011', 0, 'm3', 0), (16, '01010460', 0, 't', 2), (17, '02330011', 0, 'kWh', 0)) v (s, c, t, w, a);"
        "SELECT partition_ensure('reading', m) FROM generate_series(timestamptz '2024-03-01', '2024-05-01', '1 month') "
        "m;"
        /* readings of one slot: an hour's reading is all there is of the day */
        "CREATE FUNCTION put(u integer, at timestamptz, slot integer, v numeric, bad boolean DEFAULT false) RETURNS "
        "void"
        " LANGUAGE plpgsql AS $$ DECLARE a bigint[]; f smallint[]; BEGIN"
        "  SELECT value, flag INTO a, f FROM reading_frame WHERE unit_id = u AND page = 0 AND ts = at;"
        "  a := coalesce(a, array_fill(NULL::bigint, ARRAY[20])); f := coalesce(f, array_fill(0::smallint, ARRAY[20]));"
        "  a[slot + 1] := v * 1000000; f[slot + 1] := bad::integer::smallint;"
        "  INSERT INTO reading_frame VALUES (u, 0, at, a, f) ON CONFLICT (unit_id, page, ts) DO UPDATE SET value = a, "
        "flag = f;"
        "  INSERT INTO rollup_mark (unit_id, hour) VALUES (u, date_trunc('hour', at)); END $$;"
        "CREATE FUNCTION tce(u integer, d timestamptz) RETURNS text LANGUAGE sql AS"
        " $$ SELECT trim_scale(coalesce(sum(sign * tce), 0))::text FROM unit_energy_day WHERE unit_id = u AND ts = d "
        "$$;"
        "CREATE FUNCTION account(u integer, d timestamptz, e text, n text) RETURNS text LANGUAGE sql AS"
        " $$ SELECT concat_ws(' ', quantity, measure, tce, co2, coefficient, own, sign) FROM unit_energy_day"
        " WHERE unit_id = u AND ts = d AND energy = e AND usage = n $$"));
    db_close(&db);
}

/* Until no mark is left: a changed coefficient makes new ones. */
static void roll_up(struct db *db)
{
    struct registry *registry;
    OK(registry_open(db, &registry));
    for (int slices = 0; NUMBER(db, "SELECT count(*) FROM rollup_mark") > 0; slices++) {
        bool left = false;
        ck_assert_int_lt(slices, 100);
        OK(rollup_slice(db, registry, 1 + slices % 2, 500, &left));
    }
    registry_close(&registry);
}

static int64_t differences(struct db *db, int32_t unit, bool repair)
{
    struct registry *registry;
    struct buf report = BUF_INIT;
    int64_t n = 0;
    OK(registry_open(db, &registry));
    OK(rollup_verify(db, registry, unit, 0, clock_now(), repair ? &(struct rollup_repair){NULL, NULL} : NULL, &report,
                     &n));
    registry_close(&registry);
    buf_free(&report);
    return n;
}

#define TEXT_IS(db, expected, expression)                                                                              \
    do {                                                                                                               \
        struct db_rows *text_rows_ = ROWS(db, NULL, "SELECT (" expression ")::text");                                  \
        ck_assert_str_eq(db_get_text(text_rows_, 0, 0), expected);                                                     \
        db_rows_free(&text_rows_);                                                                                     \
    } while (0)

START_TEST(purchases_less_what_was_supplied_are_the_consumption)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 0, 120000), put(1, '2024-03-01 10:00', 1, 50),"
                   " put(1, '2024-03-01 10:00', 2, 200)"));
    roll_up(db);
    TEXT_IS(db, "12 万千瓦时 14.748 68.436 1.229 f 1", "account(1, '2024-03-01', '023300', '10')");
    TEXT_IS(db, "50 吨 35.715 87.0875 0.7143 f 1", "account(1, '2024-03-01', '010104', '10')");
    TEXT_IS(db, "200 吉焦 6.824 22 0.03412 f -1", "account(1, '2024-03-01', '023200', '20')");
    TEXT_IS(db, "43.639", "tce(1, '2024-03-01')");
    TEXT_IS(db, "43.639", "SELECT tce FROM unit_consumption_month WHERE unit_id = 1 AND ts = '2024-03-01'");
    db_close(&db);
}
END_TEST

START_TEST(a_measured_consumption_replaces_the_balance_and_its_deductions_are_made_once)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(2, '2024-03-01 10:00', 1, 1200), put(2, '2024-03-01 10:00', 3, 1000),"
                   " put(2, '2024-03-01 10:00', 4, 200), put(2, '2024-03-01 10:00', 5, 100000),"
                   " put(2, '2024-03-01 10:00', 6, 500), put(2, '2024-03-01 10:00', 12, 200)"));
    roll_up(db);
    TEXT_IS(db, "1200 吨 857.16 2090.1 0.7143 f 0", "account(2, '2024-03-01', '010104', '10')");
    TEXT_IS(db, "200 吨 142.86 348.35 0.7143 f 0", "account(2, '2024-03-01', '010104', '50')");
    TEXT_IS(db, "1000 吨 714.3 1741.75 0.7143 f 1", "account(2, '2024-03-01', '010104', '11')");
    TEXT_IS(db, "200 万千瓦时 245.8 1140.6 1.229 f -1", "account(2, '2024-03-01', '023300', '30')");
    TEXT_IS(db, "500 吉焦 17.06 0 0.03412 f 0", "account(2, '2024-03-01', '023700', '40')");
    TEXT_IS(db, "480.79", "tce(2, '2024-03-01')");
    db_close(&db);
}
END_TEST

START_TEST(a_kind_is_not_counted_beside_its_parent_nor_the_total_beside_energies)
{
    struct db *db = open_db();
    OK(db_exec(
        db, "SELECT put(1, '2024-03-01 10:00', 7, 10), put(1, '2024-03-01 10:00', 3, 4),"
            " put(1, '2024-03-01 10:00', 8, 99), put(1, '2024-03-02 10:00', 8, 99), put(1, '2024-03-03 10:00', 3, 4),"
            " put(1, '2024-04-02 10:00', 8, 99)"));
    roll_up(db);
    TEXT_IS(db, "7.143", "tce(1, '2024-03-01')");
    TEXT_IS(db, "0", "tce(1, '2024-03-02')"); /* what the energies lack that day is not their total */
    TEXT_IS(db, "0", "tce(1, '2024-03-03')");
    TEXT_IS(db, "99", "tce(1, '2024-04-02')");
    ck_assert_int_eq(differences(db, 1, false), 0);
    db_close(&db);
}
END_TEST

/* Slot 16 is a register: silent on the 2nd, when 5000 t are bought, it credits their use on the 3rd. */
START_TEST(a_day_without_the_measured_consumption_is_not_counted_by_the_balance)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 16, 100), put(1, '2024-03-01 11:00', 16, 300),"
                   " put(1, '2024-03-02 10:00', 1, 5000)"));
    roll_up(db);
    TEXT_IS(db, "142.86", "tce(1, '2024-03-01')");
    TEXT_IS(db, "0", "tce(1, '2024-03-02')");
    OK(db_exec(db, "SELECT put(1, '2024-03-03 10:00', 16, 700)"));
    roll_up(db);
    TEXT_IS(db, "285.72", "tce(1, '2024-03-03')");
    TEXT_IS(db, "428.58", "SELECT tce FROM unit_consumption_month WHERE unit_id = 1");
    ck_assert_int_eq(differences(db, 1, false), 0);
    /* without the register the month is balanced, with it again not: all days follow the first and the last of it */
    OK(db_exec(db, "SELECT put(1, ts, 16, 0, true) FROM (VALUES (timestamptz '2024-03-01 10:00'), ('2024-03-01 11:00'),"
                   " ('2024-03-03 10:00')) v (ts)"));
    roll_up(db);
    TEXT_IS(db, "3571.5", "SELECT tce FROM unit_consumption_month WHERE unit_id = 1");
    OK(db_exec(db, "SELECT put(1, '2024-03-20 10:00', 16, 1), put(1, '2024-03-20 11:00', 16, 2)"));
    roll_up(db);
    TEXT_IS(db, "0.7143", "SELECT tce FROM unit_consumption_month WHERE unit_id = 1");
    ck_assert_int_eq(differences(db, 1, false), 0);
    db_close(&db);
}
END_TEST

START_TEST(what_is_bought_and_burnt_at_once_is_part_of_the_consumption)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 5, 100000), put(1, '2024-03-01 10:00', 17, 60000),"
                   " put(1, '2024-04-01 10:00', 17, 60000)"));
    roll_up(db);
    TEXT_IS(db, "12.29", "tce(1, '2024-03-01')");
    TEXT_IS(db, "7.374", "tce(1, '2024-04-01')");
    ck_assert_int_eq(differences(db, 1, false), 0);
    db_close(&db);
}
END_TEST

START_TEST(a_corrected_unit_changes_the_accounts_and_own_coefficients_of_the_past)
{
    struct db *db = open_db();
    OK(db_exec(db,
               "SELECT put(1, '2024-03-01 10:00', 5, 100000), put(1, '2024-03-01 10:00', 3, 100),"
               " put(1, '2024-03-01 08:00', 9, 500);"
               "UPDATE collect_item SET unit = 'MWh' WHERE slot = 5; UPDATE collect_item SET unit = 'tce' WHERE slot = "
               "9"));
    roll_up(db);
    TEXT_IS(db, "62290", "tce(1, '2024-03-01')");
    OK(db_exec(db, "UPDATE collect_item SET unit = 'kWh' WHERE slot = 5; UPDATE collect_item SET unit = 'kgce/t' WHERE "
                   "slot = 9; SELECT item_remeasured(1, '{5,9}')"));
    roll_up(db);
    TEXT_IS(db, "62.29", "tce(1, '2024-03-01')");
    ck_assert_int_eq(differences(db, 1, false), 0);
    db_close(&db);
}
END_TEST

START_TEST(units_parents_and_roles_count_from_their_day_on)
{
    struct db *db = open_db();
    OK(db_exec(
        db, "SELECT put(1, ts + interval '10 hours', 5, 30000), put(1, ts + interval '10 hours', 13, 70000),"
            " put(1, ts + interval '10 hours', 7, 10), put(1, ts + interval '10 hours', 3, 10)"
            " FROM generate_series(timestamptz '2024-03-01', '2024-03-02', '1 day') ts;"
            "UPDATE base_data SET valid_to = '2024-03-02' WHERE list = 'energy_type' AND code IN ('3300', '0104') AND "
            "valid_to IS NULL;"
            "INSERT INTO base_data (list, code, name, parent_code, unit, coal_factor, valid_from, dic_version)"
            " VALUES ('energy_type', '3300', '电力', '02', 'MWh', 0.1229, '2024-03-02', 2),"
            " ('energy_type', '0104', '一般烟煤', '01', '吨', 0.7143, '2024-03-02', 2);"
            "INSERT INTO base_data (list, code, name, role, valid_from, dic_version) VALUES ('data_usage', '99', 'x', "
            "'consumption', '2024-03-02', 2)"));
    roll_up(db);
    TEXT_IS(db, "3 万千瓦时 3.687 17.109 1.229 f 1", "account(1, '2024-03-01', '023300', '60')");
    TEXT_IS(db, "30 MWh 3.687 0.1229 f 1", "account(1, '2024-03-02', '023300', '60')");
    TEXT_IS(db, "10.83", "tce(1, '2024-03-01')");
    TEXT_IS(db, "26.576",
            "tce(1, '2024-03-02')"); /* with the usage 99, and with a kind that is none of 原煤 any more */
    db_close(&db);
}
END_TEST

START_TEST(accounts_are_rounded_once)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, ts + interval '10 hours', 5, 0.01) FROM generate_series(timestamptz '2024-03-01', "
                   "'2024-03-10', '1 day') ts"));
    roll_up(db); /* 0.1 kWh; 0.000001229 tce a day */
    TEXT_IS(db, "0.00001229", "SELECT trim_scale(tce) FROM unit_consumption_month WHERE unit_id = 1");
    db_close(&db);
}
END_TEST

/* A rollup that runs while coefficients are imported: it may neither write what the import does not see nor be late. */
START_TEST(an_import_and_a_rollup_at_the_same_time_leave_no_old_coefficient)
{
    struct db *db = open_db(), *importer = open_db();
    struct registry *registry;
    bool left = false;
    OK(registry_open(db, &registry));
    OK(db_exec(db, "SET lock_timeout = '300ms'; SELECT put(1, '2024-03-01 10:00', 5, 10000)"));
    OK(db_begin(importer));
    OK(db_exec(importer, "SELECT base_data_import('energy_type', '[{\"code\": \"3300\", \"coal_factor\": 4}]', "
                         "'2024-01-01', '2026-01-01', false, true)"));
    struct result r = rollup_slice(db, registry, 1, 10, &left); /* waits for the import: gives up here */
    if (!result_ok(r)) {
        db_rollback(db);
    }
    OK(db_commit(importer));
    roll_up(db);
    TEXT_IS(db, "4", "tce(1, '2024-03-01')");
    registry_close(&registry);
    db_close(&importer);
    db_close(&db);
}
END_TEST

START_TEST(a_unit_or_usage_that_says_nothing_is_kept_but_not_counted)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 13, 10000), put(1, '2024-03-01 10:00', 15, 7)"));
    roll_up(db);
    TEXT_IS(db, "1 万千瓦时 1.229 5.703 1.229 f 0", "account(1, '2024-03-01', '023300', '99')");
    TEXT_IS(db, "7 m3 f 1", "account(1, '2024-03-01', '023200', '11')");
    db_close(&db);
}
END_TEST

START_TEST(own_coefficients_come_first_from_their_day_on_and_change_the_days_they_cover)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, ts + interval '10 hours', 3, 100), put(1, ts + interval '10 hours', 5, 10000)"
                   " FROM generate_series(timestamptz '2024-03-01', '2024-03-10', '1 day') ts"));
    roll_up(db);
    TEXT_IS(db, "100 吨 71.43 174.175 0.7143 f 1", "account(1, '2024-03-05', '010104', '11')");
    OK(db_exec(db, "SELECT put(1, '2024-03-04 08:00', 9, 0.5), put(1, '2024-03-04 09:00', 9, 0.6),"
                   " put(1, '2024-03-08 09:00', 9, 0.7)"));
    roll_up(db);
    TEXT_IS(db, "100 吨 71.43 174.175 0.7143 f 1", "account(1, '2024-03-03', '010104', '11')");
    TEXT_IS(db, "100 吨 55 174.175 0.55 t 1", "account(1, '2024-03-04', '010104', '11')");
    TEXT_IS(db, "100 吨 55 174.175 0.55 t 1", "account(1, '2024-03-07', '010104', '11')");
    TEXT_IS(db, "100 吨 70 174.175 0.7 t 1", "account(1, '2024-03-10', '010104', '11')");
    OK(db_exec(db, "SELECT put(1, '2024-03-08 09:00', 9, 0.7, true)"));
    roll_up(db);
    TEXT_IS(db, "100 吨 55 174.175 0.55 t 1", "account(1, '2024-03-10', '010104', '11')");
    OK(db_exec(db, "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value) SELECT 1, 0, 1, '2024-03-06',"
                   " array_fill(NULL::bigint, ARRAY[10]) || 1500000::bigint;"
                   "INSERT INTO rollup_mark (unit_id, hour) VALUES (1, '2024-03-06')"));
    roll_up(db);
    TEXT_IS(db, "1 万千瓦时 1.229 5.703 1.229 f 1", "account(1, '2024-03-05', '023300', '60')");
    TEXT_IS(db, "1 万千瓦时 1.5 5.703 1.5 t 1", "account(1, '2024-03-09', '023300', '60')");
    ck_assert_int_eq(differences(db, 1, false), 0);
    db_close(&db);
}
END_TEST

/* 06330080 in the base data's own unit: what it says cannot be converted while that is a volume. */
START_TEST(an_own_coefficient_that_says_nothing_leaves_the_table_everywhere)
{
    struct db *db = open_db();
    OK(db_exec(
        db,
        "UPDATE base_data SET valid_to = '2024-03-05' WHERE list = 'energy_type' AND code = '3300' AND valid_to IS "
        "NULL;"
        "INSERT INTO base_data (list, code, name, parent_code, unit, coal_factor, valid_from, valid_to, dic_version)"
        " VALUES ('energy_type', '3300', 'x', '02', 'm3', 7, '2024-03-05', '2024-03-08', 2),"
        " ('energy_type', '3300', 'x', '02', '万千瓦时', 2, '2024-03-08', NULL, 2);"
        "SELECT put(1, ts + interval '10 hours', 5, 10000) FROM generate_series(timestamptz '2024-03-01', "
        "'2024-03-10', '1 day') ts;"
        "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value) SELECT 1, 0, 1, ts, "
        "array_fill(NULL::bigint, ARRAY[10]) || v * 1000000 FROM (VALUES (timestamptz '2024-03-02', 5::bigint), "
        "('2024-03-06', 6), ('2024-03-10', 4)) v (ts, v);"
        "INSERT INTO rollup_mark (unit_id, hour) SELECT 1, ts FROM reported_frame"));
    roll_up(db);
    TEXT_IS(db, "1:1.229 2:5 3:5 4:5 5:5 6:- 7:- 8:2 9:2 10:4",
            "SELECT string_agg(extract(day FROM ts) || ':' || coalesce(tce::text, '-'), ' ' ORDER BY ts) FROM "
            "unit_energy_day WHERE energy = '023300'");
    TEXT_IS(
        db, "1:1.229 2:5 3:5 4:5 5:5 6:- 7:- 8:2 9:2 10:4",
        "SELECT string_agg(extract(day FROM d) || ':' || coalesce(trim_scale(energy_tce(1, 10000, '0000000002330060', "
        "'kWh', d))::text, '-'), ' ' ORDER BY d) FROM generate_series(timestamptz '2024-03-01', '2024-03-10', '1 day') "
        "d");
    TEXT_IS(db, "1:1.229 2:5 3:5 4:5 5:5 6:- 7:- 8:2 9:2 10:4",
            "SELECT string_agg(extract(day FROM d) || ':' || coalesce(trim_scale(c.tce * 10000)::text, '-'), ' ' ORDER "
            "BY d)"
            " FROM generate_series(timestamptz '2024-03-01', '2024-03-10', '1 day') d LEFT JOIN "
            "unit_energy_coefficients(1, "
            "'0000000002330060', 'kWh') c ON c.valid_from <= d::date AND (c.valid_to IS NULL OR d::date < c.valid_to)");
    ck_assert_int_eq(differences(db, 1, false), 0);
    db_close(&db);
}
END_TEST

START_TEST(a_changed_coefficient_of_base_data_marks_the_days_it_covers)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, ts + interval '10 hours', 5, 10000), put(1, ts + interval '10 hours', 3, 1)"
                   " FROM generate_series(timestamptz '2024-03-01', '2024-03-10', '1 day') ts"));
    roll_up(db);
    OK(db_exec(
        db,
        "UPDATE base_data SET valid_to = '2024-03-05' WHERE list = 'energy_type' AND code = '3300' AND valid_to IS "
        "NULL;"
        "INSERT INTO base_data (list, code, name, parent_code, unit, coal_factor, co2_factor, valid_from, dic_version)"
        " VALUES ('energy_type', '3300', '电力', '02', '万千瓦时', 3, 5, '2024-03-05', 2)"));
    ck_assert_int_eq(differences(db, 1, false), 6);
    ck_assert_int_eq(NUMBER(db, "SELECT coefficient_remark('2024-03-05', NULL, '3300')"), 6);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_mark"), 6);
    roll_up(db);
    ck_assert_int_eq(differences(db, 1, false), 0);
    TEXT_IS(db, "1 万千瓦时 1.229 5.703 1.229 f 1", "account(1, '2024-03-04', '023300', '60')");
    TEXT_IS(db, "1 万千瓦时 3 5 3 f 1", "account(1, '2024-03-05', '023300', '60')");
    TEXT_IS(db, "22.916", "SELECT sum(tce) FROM unit_energy_month WHERE energy = '023300'");
    db_close(&db);
}
END_TEST

START_TEST(an_import_of_coefficients_or_roles_changes_the_accounts)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 13, 10000)"));
    roll_up(db);
    TEXT_IS(db, "0", "tce(1, '2024-03-01')");
    OK(db_exec(db, "SELECT base_data_import('data_usage', '[{\"code\": \"99\", \"name\": \"消费\", \"role\": "
                   "\"consumption\"}]', NULL, '2026-01-01', false, true)"));
    roll_up(db);
    TEXT_IS(db, "1.229", "tce(1, '2024-03-01')");
    OK(db_exec(db, "SELECT base_data_import('energy_type', '[{\"code\": \"3300\", \"coal_factor\": 4}]', '2024-01-01',"
                   " '2026-01-01', false, true)"));
    roll_up(db);
    TEXT_IS(db, "4", "tce(1, '2024-03-01')");
    db_close(&db);
}
END_TEST

/* The servers' rollups listen. */
START_TEST(changed_coefficients_tell_the_rollup)
{
    struct db *db = open_db(), *listener = open_db();
    char *channel = NULL, *payload = NULL;
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 5, 10000), put(1, '2024-03-02 10:00', 5, 10000)"));
    roll_up(db);
    OK(db_exec(listener, "LISTEN nhjc_rollup"));
    OK(db_exec(db, "SELECT coefficient_remark(NULL, NULL, '0104')")); /* nothing depends on it */
    OK(db_wait_notify(listener, 0, &channel, &payload));
    ck_assert_ptr_null(channel);
    OK(db_exec(db, "SELECT coefficient_remark(NULL, NULL)"));
    OK(db_wait_notify(listener, 20000, &channel, &payload));
    ck_assert_str_eq(channel ? channel : "none", "nhjc_rollup");
    mem_free(channel);
    mem_free(payload);
    roll_up(db);
    OK(db_exec(db, "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value) SELECT 1, 0, 1, '2024-03-01',"
                   " array_fill(NULL::bigint, ARRAY[10]) || 1500000::bigint;"
                   "INSERT INTO rollup_mark (unit_id, hour) VALUES (1, '2024-03-01')"));
    roll_up(db); /* the day behind it is marked by the rollup itself */
    OK(db_wait_notify(listener, 20000, &channel, &payload));
    ck_assert_str_eq(channel ? channel : "none", "nhjc_rollup");
    mem_free(channel);
    mem_free(payload);
    db_close(&listener);
    db_close(&db);
}
END_TEST

START_TEST(a_changed_coefficient_reaches_days_whose_readings_have_expired)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 5, 10000)"));
    roll_up(db);
    OK(db_exec(db, "DROP TABLE reading_frame_202403;"
                   "UPDATE base_data SET coal_factor = 2 WHERE list = 'energy_type' AND code = '3300'"));
    ck_assert_int_eq(NUMBER(db, "SELECT coefficient_remark(NULL, NULL)"), 1);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_mark"), 0);
    TEXT_IS(db, "2", "tce(1, '2024-03-01')");
    db_close(&db);
}
END_TEST

START_TEST(a_coefficient_reported_for_a_time_without_readings_takes_effect)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 5, 10000), put(1, '2024-04-01 10:00', 5, 10000)"));
    roll_up(db);
    OK(db_exec(db, "DROP TABLE reading_frame_202403; INSERT INTO setting VALUES ('raw_from', '2024-04-01 00:00:00+08');"
                   "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value) SELECT 1, 0, 1, '2024-02-01',"
                   " array_fill(NULL::bigint, ARRAY[10]) || 1500000::bigint;"
                   "INSERT INTO rollup_mark (unit_id, hour) VALUES (1, '2024-02-01')"));
    roll_up(db);
    TEXT_IS(db, "1.5", "tce(1, '2024-03-01')");
    TEXT_IS(db, "1.5", "tce(1, '2024-04-01')");
    TEXT_IS(db, "1.5 1.5", "SELECT string_agg(trim_scale(tce)::text, ' ') FROM unit_consumption_month");
    db_close(&db);
}
END_TEST

START_TEST(verify_finds_and_repairs_accounts)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 5, 10000), put(1, '2024-03-02 10:00', 5, 20000)"));
    roll_up(db);
    ck_assert_int_eq(differences(db, 1, false), 0);
    OK(db_exec(db, "UPDATE unit_energy_day SET tce = 9 WHERE ts = '2024-03-01'; DELETE FROM unit_energy_day WHERE ts = "
                   "'2024-03-02';"
                   "INSERT INTO unit_energy_day SELECT unit_id, ts + interval '2 days', energy, usage, quantity, "
                   "measure, tce, co2,"
                   " coefficient, own, sign FROM unit_energy_day"));
    ck_assert_int_eq(differences(db, 1, true), 3);
    ck_assert_int_eq(differences(db, 1, false), 0);
    TEXT_IS(db, "3.687", "SELECT tce FROM unit_consumption_month WHERE unit_id = 1");
    db_close(&db);
}
END_TEST

START_TEST(a_report_that_is_cut_says_so)
{
    struct db *db = open_db();
    struct registry *registry;
    struct buf report = BUF_INIT;
    int64_t n = 0;
    OK(db_exec(
        db, "SELECT put(1, h, 11, 1) FROM generate_series(timestamptz '2024-03-01', '2024-04-11 23:00', '1 hour') h"));
    roll_up(db);
    OK(db_exec(db, "UPDATE rollup_hour SET total[12] = 5"));
    OK(registry_open(db, &registry));
    OK(rollup_verify(db, registry, 1, 0, clock_now(), NULL, &report, &n));
    ck_assert_int_eq(n, 1008);
    ck_assert_ptr_nonnull(strstr(buf_str(&report), "8 more are not listed"));
    registry_close(&registry);
    buf_free(&report);
    db_close(&db);
}
END_TEST

/* The account is right, what it is compared with is not: the preview tells of what will change, and of nothing else. */
START_TEST(an_account_is_not_told_of_where_its_days_row_is_the_wrong_one)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 5, 10000), put(1, '2024-03-02 10:00', 5, 20000)"));
    roll_up(db);
    OK(db_exec(db, "UPDATE rollup_day SET total[6] = 5 WHERE ts = '2024-03-01'"));
    ck_assert_int_eq(differences(db, 1, false), 1);
    OK(db_exec(db, "UPDATE unit_energy_day SET tce = 9"));
    ck_assert_int_eq(differences(db, 1, true), 2);
    ck_assert_int_eq(differences(db, 1, false), 0);
    TEXT_IS(db, "3.687", "SELECT sum(tce) FROM unit_energy_day");
    TEXT_IS(db, "repair", "SELECT string_agg(DISTINCT reason, ' ') FROM restatement"); /* no coefficient changed */
    db_close(&db);
}
END_TEST

START_TEST(verify_finds_and_repairs_months_and_own_coefficients)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 5, 10000), put(1, '2024-04-01 10:00', 5, 20000),"
                   " put(1, '2024-04-02 10:00', 3, 100), put(1, '2024-03-04 08:00', 9, 0.5)"));
    roll_up(db);
    ck_assert_int_eq(differences(db, 1, false), 0);
    OK(db_exec(db, "UPDATE unit_energy_month SET tce = 9 WHERE ts = '2024-03-01' AND energy = '023300';"
                   "UPDATE unit_consumption_month SET tce = 8 WHERE ts = '2024-03-01';"
                   "DELETE FROM unit_energy_month WHERE ts = '2024-04-01' AND energy = '010104';"
                   "INSERT INTO unit_energy_month VALUES (1, '2024-05-01', '023300', 1, '吨', 1, 1);"
                   "INSERT INTO unit_consumption_month VALUES (1, '2024-05-01', 1, 1);"
                   "UPDATE unit_coefficient SET value = 2"));
    ck_assert_int_eq(differences(db, 1, false),
                     6); /* the last makes 2 April differ, and so its month is not looked at */
    ck_assert_int_eq(differences(db, 1, true), 6);
    ck_assert_int_eq(differences(db, 1, false), 0);
    TEXT_IS(db, "0.5", "SELECT value FROM unit_coefficient");
    TEXT_IS(db, "1.229 52.458",
            "SELECT string_agg(trim_scale(tce)::text, ' ' ORDER BY ts) FROM unit_consumption_month");
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM unit_energy_month"), 3);
    db_close(&db);
}
END_TEST

#define STATISTICS(group, region, energy, per, since, until, compare)                                                  \
    "SELECT string_agg(concat_ws(' ', key, stat_date::date, trim_scale(tce), compare_tce), '|' ORDER BY stat_date, "   \
    "key)"                                                                                                             \
    " FROM energy_statistics('" group "', '" region "', '', '" energy "', '" per "', '" since "', '" until             \
    "', '" compare "', 100)"

START_TEST(districts_and_counties_without_a_city_stand_beside_the_cities)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(u, '2024-03-01 10:00', 5, 10000 * u) FROM generate_series(1, 2) u"));
    roll_up(db);
    OK(db_exec(db, "UPDATE unit SET region_code = CASE id WHEN 1 THEN '110105' ELSE '110108' END"));
    TEXT_IS(db, "110000 2024-03-01 3.687", STATISTICS("region", "", "", "month", "2024-03-01", "2024-04-01", "none"));
    TEXT_IS(db, "110105 2024-03-01 1.229|110108 2024-03-01 2.458",
            STATISTICS("region", "11", "", "month", "2024-03-01", "2024-04-01", "none"));
    TEXT_IS(db, "110105 2024-03-01 1.229|110108 2024-03-01 2.458",
            STATISTICS("region", "1101", "", "month", "2024-03-01", "2024-04-01", "none"));
    OK(db_exec(db, "UPDATE unit SET region_code = CASE id WHEN 1 THEN '420106' ELSE '429004' END"));
    TEXT_IS(db, "420000 2024-03-01 3.687", STATISTICS("region", "", "", "month", "2024-03-01", "2024-04-01", "none"));
    TEXT_IS(db, "420100 2024-03-01 1.229|429004 2024-03-01 2.458",
            STATISTICS("region", "42", "", "month", "2024-03-01", "2024-04-01", "none"));
    TEXT_IS(db, "420106 2024-03-01 1.229",
            STATISTICS("region", "4201", "", "month", "2024-03-01", "2024-04-01", "none"));
    db_close(&db);
}
END_TEST

START_TEST(an_energy_asked_for_holds_its_kinds)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 3, 100), put(1, '2024-03-01 10:00', 5, 10000),"
                   " put(2, '2024-03-01 10:00', 7, 10)"));
    roll_up(db);
    TEXT_IS(db, "0100 2024-03-01 7.143|0104 2024-03-01 71.43",
            STATISTICS("energyType", "", "0100", "month", "2024-03-01", "2024-04-01", "none"));
    TEXT_IS(db, "420000 2024-03-01 78.573",
            STATISTICS("region", "", "0100", "day", "2024-03-01", "2024-03-02", "none"));
    TEXT_IS(db, "420000 2024-03-01 71.43", STATISTICS("region", "", "0104", "day", "2024-03-01", "2024-03-02", "none"));
    TEXT_IS(db, "420000 2024-03-01 71.43",
            STATISTICS("region", "", "010104", "month", "2024-03-01", "2024-04-01", "none"));
    db_close(&db);
}
END_TEST

/* 29 February has no day a year before; the 28th and 1 March have theirs, and nothing is compared twice. */
START_TEST(a_year_before_29_february_is_nothing)
{
    struct db *db = open_db();
    OK(db_exec(
        db,
        "SELECT partition_ensure('reading', m) FROM (VALUES (timestamptz '2023-02-01'), ('2023-03-01'), ('2024-02-01'),"
        " ('2025-02-01')) v (m);"
        "SELECT put(1, ts + interval '10 hours', 5, 10000) FROM unnest(ARRAY['2023-02-28', '2023-03-01', "
        "'2024-02-28', '2024-02-29', '2024-03-01', '2025-02-28']::timestamptz[]) ts"));
    roll_up(db);
    TEXT_IS(db, "420000 2024-02-28 1.229 1.229|420000 2024-02-29 1.229|420000 2024-03-01 1.229 1.229",
            STATISTICS("region", "", "", "day", "2024-02-28", "2024-03-02", "yoy"));
    TEXT_IS(db, "420000 2025-02-28 1.229 1.229",
            STATISTICS("region", "", "", "day", "2025-02-28", "2025-03-01", "yoy"));
    TEXT_IS(db, "420000 2024-02-01 2.458 1.229",
            STATISTICS("region", "", "", "month", "2024-02-01", "2024-03-01", "yoy"));
    db_close(&db);
}
END_TEST

START_TEST(an_account_goes_with_its_last_reading)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 5, 10000)"));
    roll_up(db);
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 5, 10000, true)"));
    roll_up(db);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM unit_energy_day"), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM unit_energy_month"), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM unit_consumption_month"), 0);
    db_close(&db);
}
END_TEST

START_TEST(intensity_is_standard_coal_per_product_and_per_value)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 5, 1000000), put(1, '2024-03-01 10:00', 11, 400);"
                   "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value) SELECT 1, 0, 2, '2024-03-01',"
                   " array_fill(NULL::bigint, ARRAY[14]) || 50000000::bigint"));
    roll_up(db);
    TEXT_IS(db, "product 0100 400 t 122.9 0.30725|value 0001 50 万元 122.9 2.458",
            "SELECT string_agg(concat_ws(' ', kind, code, quantity, measure, tce, tce_per_unit), '|' ORDER BY kind)"
            " FROM unit_intensity(1, '2024-01-01', '2025-01-01')");
    db_close(&db);
}
END_TEST

/* What was reported stands in where nothing was measured (May), not where nothing was produced (April): as rows show
 * it. */
START_TEST(a_reported_product_stands_in_only_where_no_reading_is)
{
    struct db *db = open_db();
    OK(db_exec(
        db, "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, unit, aggregation, period, scope, "
            "input_type, config_version) VALUES (1, 18, '0000000004010030', 2, 'i', 't', 0, 900, 1, 4, 1);"
            "SELECT put(1, '2024-04-01 10:00', 5, 1000000), put(1, '2024-04-01 10:00', 11, 0), put(1, '2024-05-01 "
            "10:00', 5, 1000000); INSERT INTO reported_frame (unit_id, page, stat_type, ts, value) SELECT 1, 0, 2, m, "
            "array_fill(NULL::bigint, ARRAY[18]) || 400000000::bigint FROM unnest('{2024-04-01,2024-05-01}'"
            "::timestamptz[]) m"));
    roll_up(db);
    TEXT_IS(db, "2024-05-01 400 0.30725",
            "SELECT string_agg(concat_ws(' ', ts::date, quantity, tce_per_unit), '|' ORDER BY ts)"
            " FROM unit_intensity(1, '2024-01-01', '2025-01-01')");
    db_close(&db);
}
END_TEST

#define RECEIVED(ids)                                                                                                  \
    "INSERT INTO upload (sender_id, upload_id, received_at, unit_id, message_id, response_code, received, stored, "    \
    "unchanged, corrected, suspect, rejected) SELECT 1, i, now(), 1, i, 0, 1, 0, 0, 1, 0, 0 FROM "                     \
    "unnest('{" ids "}'::bigint[]) i;"

START_TEST(only_periods_that_were_over_and_had_a_value_are_restated)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 5, 10), put(1, '2024-03-01 11:00', 10, 1);"
                   "SELECT partition_ensure('reading', now()), put(1, date_trunc('hour', now()), 5, 1)"));
    roll_up(db);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM restatement"), 0);
    OK(db_exec(
        db,
        RECEIVED(
            "77") "INSERT INTO correction (unit_id, upload_id, received_at, ordinal, slot, stat_type, ts, old_value, "
                  "old_flag,"
                  " new_value, new_flag) VALUES (1, 77, now(), 0, 5, 0, '2024-03-01 10:00', 10000000, 0, 12500000, 0);"
                  "SELECT put(1, '2024-03-01 10:00', 5, 12.5), put(1, date_trunc('hour', now()), 5, 2);"
                  "UPDATE rollup_mark SET upload_id = 77"));
    roll_up(db);
    TEXT_IS(db, "1 5 10 12.5 1 1 77|2 5 10 12.5 1 1 77|3 5 10 12.5 1 1 77",
            "SELECT string_agg(concat_ws(' ', granularity, slot, old_value, new_value, old_n, new_n, upload_id), '|'"
            " ORDER BY granularity) FROM restatement");
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 5, 12.5, true)"));
    roll_up(db);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM restatement WHERE new_value IS NULL AND old_value = 12.5"), 3);
    db_close(&db);
}
END_TEST

#define RESTATED(order)                                                                                                \
    "SELECT string_agg(concat_ws(' ', granularity, stat_date::date, substr(data_code, 9, 6), old_value, new_value, "   \
    "old_tce, new_tce, old_co2, new_co2, reason, upload_id), '|' ORDER BY " order ") FROM bv_restatement"

START_TEST(a_restatement_names_the_upload_that_came_late_or_corrected)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 11, 10), put(1, '2024-03-20 10:00', 11, 5)"));
    roll_up(db);
    /* two uploads of the day are rolled up together: the one marked last; the other one corrected slot 0 */
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 0, 3), put(1, '2024-03-02 10:00', 0, 1)"));
    roll_up(db);
    OK(db_exec(
        db,
        RECEIVED(
            "800,901,902") "INSERT INTO correction (unit_id, upload_id, received_at, ordinal, slot, stat_type, ts, "
                           "old_value, "
                           "old_flag, new_value, new_flag) VALUES (1, 902, now(), 0, 0, 0, '2024-03-01 10:00', "
                           "3000000, 0, 4000000, "
                           "0), (1, 800, now(), 0, 11, 0, '2024-03-01 10:00', 3000000, 0, 4000000, 0);" /* 800: rolled
                                                                                                           up long ago
                                                                                                         */
                           "SELECT put(1, '2024-03-01 10:00', 0, 4); UPDATE rollup_mark SET upload_id = 902;"
                           "SELECT put(1, '2024-03-01 11:00', 11, 7); UPDATE rollup_mark SET upload_id = 901 WHERE "
                           "upload_id IS NULL"));
    roll_up(db);
    TEXT_IS(db,
            "day 2024-03-01 023300 3 4 correction 902|day 2024-03-01 040100 10 17 late 901|"
            "month 2024-03-01 023300 4 5 correction 902|month 2024-03-01 040100 15 22 late 901|"
            "year 2024-01-01 023300 4 5 correction 902|year 2024-01-01 040100 15 22 late 901",
            RESTATED("granularity, data_code"));
    db_close(&db);
}
END_TEST

/* A register's late reading changes the difference of the next one, days later. */
START_TEST(what_follows_from_a_late_reading_names_its_upload_too)
{
    struct db *db = open_db();
    OK(db_exec(db,
               "SELECT put(1, '2024-03-01 10:00', 16, 100), put(1, '2024-03-01 11:00', 16, 110), put(1, '2024-03-05 "
               "10:00', 16, 200)"));
    roll_up(db);
    OK(db_exec(db, "SELECT put(1, '2024-03-03 10:00', 16, 150); UPDATE rollup_mark SET upload_id = 55"));
    roll_up(db);
    TEXT_IS(db, "day 2024-03-05 010104 90 50 late 55", RESTATED("granularity, data_code"));
    OK(db_exec(db,
               "INSERT INTO meter_replacement (unit_id, slot, at, final_old, first_new) VALUES (1, 16, '2024-03-04', "
               "160000000, 0); SELECT meter_remark(1, 16, '2024-03-04')"));
    roll_up(db);
    TEXT_IS(db, "day 2024-03-05 010104 50 210 meter",
            RESTATED("granularity, id") " WHERE reason <> 'late' AND "
                                        "granularity = 'day'");
    db_close(&db);
}
END_TEST

START_TEST(changed_coefficients_restate_standard_coal_and_carbon_dioxide)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, ts + interval '10 hours', 5, 10000), put(1, date_trunc('hour', now()), 5, 10000)"
                   " FROM generate_series(timestamptz '2024-03-30', '2024-04-01', '1 day') ts;"
                   "SELECT partition_ensure('reading', now())"));
    roll_up(db);
    OK(db_exec(
        db, "SELECT base_data_import('energy_type', '[{\"code\": \"3300\", \"coal_factor\": 4, \"co2_factor\": 6}]', "
            "'2024-03-31', '2026-01-01', false, true)"));
    roll_up(db);
    TEXT_IS(
        db,
        "day 2024-03-31 023300 1.229 4 5.703 6 base_data|day 2024-04-01 023300 1.229 4 5.703 6 base_data|"
        "month 2024-03-01 023300 2.458 5.229 11.406 11.703 base_data|month 2024-04-01 023300 1.229 4 5.703 6 base_data|"
        "year 2024-01-01 023300 3.687 9.229 17.109 17.703 base_data",
        RESTATED("granularity, stat_date"));
    /* the same again, and what is counted otherwise, is no restatement */
    OK(db_exec(db, "SELECT coefficient_remark(NULL, NULL); SELECT put(1, '2024-04-01 11:00', 0, 0)"));
    roll_up(db);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM restatement"), 5);
    /* the enterprise's own, by an upload; the days behind it follow from its mark, and a day later it would be a new
     * row */
    OK(db_exec(db, "UPDATE restatement SET restated_at = now() - interval '2 days';"
                   "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value) SELECT 1, 0, 1, '2024-03-31',"
                   " array_fill(NULL::bigint, ARRAY[10]) || 1500000::bigint;"
                   "INSERT INTO rollup_mark (unit_id, hour, upload_id) VALUES (1, '2024-03-31', 66)"));
    roll_up(db);
    TEXT_IS(db,
            "day 2024-03-31 023300 4 1.5 6 6 own_coefficient 66|day 2024-04-01 023300 4 1.5 6 6 own_coefficient 66|"
            "month 2024-03-01 023300 5.229 2.729 11.703 11.703 own_coefficient 66|"
            "month 2024-04-01 023300 4 1.5 6 6 own_coefficient 66|"
            "year 2024-01-01 023300 9.229 4.229 17.703 17.703 own_coefficient 66",
            RESTATED("granularity, stat_date") " WHERE reason = 'own_coefficient'");
    OK(db_exec(db, "UPDATE reported_frame SET value[11] = 1600000; INSERT INTO rollup_mark (unit_id, hour, upload_id) "
                   "VALUES (1, '2024-03-31', 67)"));
    roll_up(db);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM restatement"), 10);
    TEXT_IS(db, "year 2024-01-01 023300 9.229 4.429 17.703 17.703 own_coefficient 67",
            RESTATED("granularity, stat_date") " WHERE reason = 'own_coefficient' AND granularity = 'year'");
    db_close(&db);
}
END_TEST

START_TEST(expired_days_and_corrected_units_are_restated_too)
{
    struct db *db = open_db();
    OK(db_exec(db, "SELECT put(1, '2024-03-01 10:00', 5, 10000), put(1, '2024-04-01 10:00', 5, 10000)"));
    roll_up(db);
    OK(db_exec(db, "DROP TABLE reading_frame_202403; INSERT INTO setting VALUES ('raw_from', '2024-04-01 00:00:00+08');"
                   "UPDATE base_data SET coal_factor = 2 WHERE list = 'energy_type' AND code = '3300';"
                   "SELECT coefficient_remark(NULL, '2024-04-01')"));
    TEXT_IS(db,
            "day 2024-03-01 023300 1.229 2 5.703 5.703 base_data|month 2024-03-01 023300 1.229 2 5.703 5.703 base_data|"
            "year 2024-01-01 023300 2.458 3.229 11.406 11.406 base_data",
            RESTATED("granularity, stat_date"));
    OK(db_exec(
        db, "UPDATE base_data SET coal_factor = 1.229 WHERE list = 'energy_type' AND code = '3300' AND coal_factor = 2;"
            "UPDATE collect_item SET unit = 'MWh' WHERE slot = 5 AND unit_id = 1; SELECT item_remeasured(1, '{5}')"));
    roll_up(db);
    TEXT_IS(db, "day 2024-04-01 023300 1.229 1229 5.703 5703 measure",
            RESTATED("granularity, stat_date") " WHERE stat_date >= '2024-04-01' AND granularity = 'day'");
    db_close(&db);
}
END_TEST

START_TEST(a_past_that_fills_up_is_restated_once_a_day)
{
    struct db *db = open_db();
    for (int hour = 0; hour < 6; hour++) {
        char *text = mem_printf("SELECT put(1, '2024-03-01 %02d:00', 5, 10), put(1, '2024-04-%02d 00:00', 5, 1)", hour,
                                hour + 1);
        OK(db_exec(db, text));
        mem_free(text);
        OK(db_exec(db, "UPDATE rollup_mark SET upload_id = (SELECT max(id) FROM rollup_mark)"));
        roll_up(db);
    }
    ck_assert_int_eq(NUMBER(db, "SELECT count(DISTINCT upload_id) FROM restatement WHERE reason = 'late'"), 1);
    TEXT_IS(db, "1 2024-03-01 10 60 1 6|2 2024-03-01 10 60 1 6|2 2024-04-01 1 6 1 6|3 2024-01-01 11 66 2 12",
            "SELECT string_agg(concat_ws(' ', granularity, ts::date, old_value, new_value, old_n, new_n), '|'"
            " ORDER BY granularity, ts) FROM restatement");
    db_close(&db);
}
END_TEST

DBTEST_MAIN("accounting", before, purchases_less_what_was_supplied_are_the_consumption,
            a_measured_consumption_replaces_the_balance_and_its_deductions_are_made_once,
            a_kind_is_not_counted_beside_its_parent_nor_the_total_beside_energies,
            a_day_without_the_measured_consumption_is_not_counted_by_the_balance,
            what_is_bought_and_burnt_at_once_is_part_of_the_consumption,
            a_corrected_unit_changes_the_accounts_and_own_coefficients_of_the_past,
            units_parents_and_roles_count_from_their_day_on, accounts_are_rounded_once,
            an_import_and_a_rollup_at_the_same_time_leave_no_old_coefficient,
            a_unit_or_usage_that_says_nothing_is_kept_but_not_counted,
            own_coefficients_come_first_from_their_day_on_and_change_the_days_they_cover,
            an_own_coefficient_that_says_nothing_leaves_the_table_everywhere,
            a_changed_coefficient_of_base_data_marks_the_days_it_covers,
            an_import_of_coefficients_or_roles_changes_the_accounts, changed_coefficients_tell_the_rollup,
            a_changed_coefficient_reaches_days_whose_readings_have_expired,
            a_coefficient_reported_for_a_time_without_readings_takes_effect, verify_finds_and_repairs_accounts,
            a_report_that_is_cut_says_so, an_account_is_not_told_of_where_its_days_row_is_the_wrong_one,
            verify_finds_and_repairs_months_and_own_coefficients,
            districts_and_counties_without_a_city_stand_beside_the_cities, an_energy_asked_for_holds_its_kinds,
            a_year_before_29_february_is_nothing, an_account_goes_with_its_last_reading,
            intensity_is_standard_coal_per_product_and_per_value, a_reported_product_stands_in_only_where_no_reading_is,
            only_periods_that_were_over_and_had_a_value_are_restated,
            a_restatement_names_the_upload_that_came_late_or_corrected,
            what_follows_from_a_late_reading_names_its_upload_too,
            changed_coefficients_restate_standard_coal_and_carbon_dioxide,
            expired_days_and_corrected_units_are_restated_too, a_past_that_fills_up_is_restated_once_a_day)
