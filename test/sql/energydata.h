/* energydata: two enterprises with a season of readings, for tests of the view and of QueryData.
 *
 * Readings every 15 minutes from 2025-12-20 to 2026-03-05 with gaps of days, missing and invalid values, a register
 * with rollover and resets, a daily item, a second page, and reported values on days with and without readings. Values
 * are hashes of instant and slot: without pattern, and the same each time. */
#ifndef NHJC_TEST_ENERGYDATA_H
#define NHJC_TEST_ENERGYDATA_H

#include "dbtest.h"

#include "base/caltime.h"
#include "db/migrate.h"
#include "rollup/rollup.h"

#define FIRST_UNIT "91420100000000001A"
#define SECOND_UNIT "91420100000000002B"

static const char ENERGYDATA_UNITS[] =
    "INSERT INTO unit (id, code, name, region_code, state, next_slot) VALUES"
    " (1, '" FIRST_UNIT "', '钢铁', '420100', 'accepted', 131), (2, '" SECOND_UNIT "', '玻璃', '420200', 'trial', 8);"
    "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, unit, aggregation, period, scope, input_type,"
    " counter_max, config_version) SELECT u, s, c, t, n, w, a, p, 1, 4, m, 1 FROM (VALUES (1), (2)) x (u), (VALUES"
    " (0, '0000000002330010', 0, '用电量', 'kWh', 0, 900, NULL::bigint),"
    " (1, '0000000001150010', 0, '天然气表', 'm3', 2, 900, 5000000000),"
    " (2, '0000000010020180', 0, '功率因数', '', 1, 900, NULL),"
    " (3, '0000000002320010', 1, '热力日报', 'GJ', 0, 86400, NULL),"
    " (4, '0000000002330010', 1, '用电量日报', 'kWh', 0, 86400, NULL),"
    " (5, '0000000002330010', 2, '用电量月报', '万千瓦时', 0, 86400, NULL),"
    " (6, '0000000002330010', 3, '用电量年报', '万千瓦时', 0, 86400, NULL),"
    " (7, '0000000004010030', 0, '产量', 't', 0, 86400, NULL)) v (s, c, t, n, w, a, p, m);"
    "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, aggregation, period, scope, input_type,"
    " config_version) VALUES (1, 130, '0000000010010180', 0, '无功', 0, 3600, 1, 4, 1)";

/* h(ts, slot): 0 … 2^20-1. A fifth of all days is missing; h % 17 = 0 is missing, h % 13 = 0 is invalid. */
static const char ENERGYDATA_READINGS[] =
    "CREATE FUNCTION h(ts timestamptz, slot integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS"
    " $$ SELECT (hashint8extended(extract(epoch FROM ts)::bigint, slot) & 1048575) $$;"
    "SELECT partition_ensure('reading', m) FROM generate_series(timestamptz '2025-12-01', '2026-03-01', '1 month') m;"
    "INSERT INTO reading_frame (unit_id, page, ts, value, flag) SELECT u, 0, ts, ARRAY["
    " CASE WHEN h(ts, u) % 17 <> 0 THEN h(ts, u) * 1237 END,"
    " CASE WHEN h(ts, 10 + u) % 17 <> 0 THEN"
    "  (extract(epoch FROM ts)::bigint * 3000 + h(ts, 20 + u) * CASE h(ts, 30 + u) % 50 WHEN 0 THEN 3000 ELSE 1 END)"
    "  % 5000000000 END,"
    " CASE WHEN h(ts, 40 + u) % 17 <> 0 THEN h(ts, 40 + u) - 500000 END, NULL, NULL, NULL, NULL,"
    " CASE WHEN ts = date_trunc('day', ts) THEN h(ts, 50 + u) * 1000003 END],"
    " ARRAY[CASE WHEN h(ts, u) % 13 = 0 THEN 1 ELSE 0 END, CASE WHEN h(ts, 10 + u) % 13 = 0 THEN 1 ELSE 2 END,"
    " CASE WHEN h(ts, 40 + u) % 13 = 0 THEN 1 END]::smallint[]"
    " FROM generate_series(timestamptz '2025-12-20', '2026-03-05 12:00', '15 minutes') ts, generate_series(1, 2) u"
    " WHERE h(date_trunc('day', ts), u) % 5 <> 0;"
    "INSERT INTO reading_frame (unit_id, page, ts, value) SELECT 1, 1, ts, ARRAY[NULL, NULL, h(ts, 99) * 1000000000]"
    " FROM generate_series(timestamptz '2026-01-30', '2026-02-03', '1 hour') ts;"
    "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value, flag)"
    " SELECT u, 0, 1, ts, ARRAY[NULL, NULL, NULL, h(ts, 60) * 1000, h(ts, 61) * 100000], ARRAY[NULL, NULL, NULL,"
    " CASE h(ts, 62) % 7 WHEN 0 THEN 1 END, 0]::smallint[]"
    " FROM generate_series(timestamptz '2025-12-25', '2026-03-08', '1 day') ts, generate_series(1, 2) u;"
    "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value)"
    " SELECT 1, 0, 2, ts, ARRAY[NULL, NULL, NULL, NULL, NULL, h(ts, 63)]"
    " FROM generate_series(timestamptz '2025-11-01', '2026-06-01', '1 month') ts WHERE ts < '2025-12-01' OR ts >= "
    "'2026-01-01';"
    "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value)"
    " SELECT 1, 0, 3, ts, ARRAY[NULL, NULL, NULL, NULL, NULL, NULL, h(ts, 64)]"
    " FROM generate_series(timestamptz '2025-01-01', '2026-01-01', '1 year') ts;"
    /* the first enterprise's own coefficients, for electricity and gas, that change inside months */
    "INSERT INTO unit_coefficient (unit_id, energy, ts, value) VALUES (1, '023300', '2026-01-10', 2.5),"
    " (1, '023300', '2026-02-02', 3.25), (1, '011500', '2026-01-20', 0.0125), (1, '023200', '2026-01-05', 0.04);"
    "INSERT INTO rollup_mark (unit_id, hour) SELECT DISTINCT unit_id, date_trunc('hour', ts) FROM reading_frame";

static inline void energydata_roll_up(struct db *db)
{
    struct registry *registry;
    OK(registry_open(db, &registry));
    for (int32_t unit = 1; unit <= 2; unit++) {
        bool left = true;
        while (left) {
            OK(rollup_slice(db, registry, unit, 500, &left));
        }
    }
    registry_close(&registry);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM rollup_mark"), 0);
}

static inline void energydata_empty(void)
{
    OK(caltime_set_zone("Asia/Shanghai"));
    struct db *db = open_db_with("", 0, false);
    OK(db_exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    OK(db_migrate(db, NULL, NULL));
    db_close(&db);
}

static inline void energydata_make(void)
{
    energydata_empty();
    struct db *db = open_db_with("", 0, false);
    OK(db_exec(db, ENERGYDATA_UNITS));
    OK(db_exec(db, ENERGYDATA_READINGS));
    energydata_roll_up(db);
    OK(db_exec(db, "ANALYZE"));
    db_close(&db);
}

#endif
