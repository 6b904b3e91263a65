-- 0011 energy accounting: what an enterprise's plant-level energy items come to per day and month, in standard coal and
-- carbon dioxide; which usages count in the comprehensive consumption; restated periods. Meaning: sql/README.md.

-- ---------------------------------------------------------------- rules of 综合能源消费量
-- An energy of an enterprise is counted on one basis a day: the first of these that it has usages for.
CREATE TABLE energy_basis (
    basis           text PRIMARY KEY,
    rank            smallint NOT NULL CONSTRAINT energy_basis_rank_key UNIQUE,
    classes         text[] NOT NULL,                    -- collect classes that may be counted so
    remark          text NOT NULL
);
INSERT INTO energy_basis (basis, rank, classes, remark) VALUES
    ('consumption', 1, '{01,02}',    'consumption as measured; holds what was recovered and made inside'),
    ('balance',     2, '{01,02,03}', 'what came in less what went out'),
    ('conversion',  3, '{01,02}',    'what an energy conversion enterprise put in');

-- sign: how a usage of that role (base_data list data_usage) counts on that basis; no row: not at all.
-- opens: a usage of that role is enough for the energy to be counted on that basis.
CREATE TABLE energy_role (
    role            text NOT NULL,
    basis           text NOT NULL REFERENCES energy_basis (basis),
    sign            smallint NOT NULL CONSTRAINT energy_role_sign_check CHECK (sign IN (-1, 1)),
    opens           boolean NOT NULL,
    remark          text NOT NULL,
    PRIMARY KEY (role, basis)
);
INSERT INTO energy_role (role, basis, sign, opens, remark) VALUES
    ('consumption',      'consumption', 1,  true,  '消费'),
    ('output',           'consumption', -1, false, '加工转换产出: its use is in the consumption, its source as well'),
    ('recovery',         'consumption', -1, false, '回收利用: its use is in the consumption'),
    ('purchase',         'balance',     1,  true,  '购进'),
    ('own_production',   'balance',     1,  true,  '自产一次能源'),
    ('stock_out',        'balance',     1,  false, '库存减少'),
    ('stock_in',         'balance',     -1, false, '库存增加'),
    ('supply_out',       'balance',     -1, true,  '外供'),
    ('conversion_input', 'conversion',  1,  true,  '加工转换投入'),
    ('output',           'conversion',  -1, true,  '加工转换产出');

-- ---------------------------------------------------------------- an enterprise's own coefficients (classes 05-07)
CREATE TABLE unit_coefficient (
    unit_id         integer NOT NULL,
    energy          text NOT NULL,                      -- collect class and item of the energy it belongs to: '010104'
    ts              timestamptz NOT NULL,               -- first day it holds; until the next row
    value           numeric NOT NULL,                   -- tce per unit of base data
    PRIMARY KEY (unit_id, energy, ts)
);

-- ---------------------------------------------------------------- what it comes to
CREATE TABLE unit_energy_day (
    unit_id         integer NOT NULL,
    ts              timestamptz NOT NULL,               -- first instant of the day
    energy          text NOT NULL,                      -- digits 9-14 of the data code
    usage           text NOT NULL,                      -- digits 15-16
    quantity        numeric NOT NULL,                   -- in `measure`
    measure         text NOT NULL,                      -- the unit of base data; the item's own where they do not convert
    tce             numeric,                            -- NULL: no coefficient
    co2             numeric,
    coefficient     numeric,                            -- tce per measure, as used
    own             boolean NOT NULL,                   -- the coefficient is the enterprise's own
    sign            smallint NOT NULL,                  -- in the comprehensive consumption: 1, -1; 0: not counted
    PRIMARY KEY (unit_id, ts, energy, usage)
) PARTITION BY RANGE (ts);
DO $$
DECLARE p record;
BEGIN
    FOR p IN SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = 'rollup_day'::regclass LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF unit_energy_day %s', replace(p.relname, 'rollup_day', 'unit_energy_day'), p.bound);
    END LOOP;
END $$;

CREATE TABLE unit_energy_month (                        -- what is counted, by energy
    unit_id         integer NOT NULL,
    ts              timestamptz NOT NULL,
    energy          text NOT NULL,
    quantity        numeric NOT NULL,
    measure         text NOT NULL,                      -- '': several
    tce             numeric NOT NULL,
    co2             numeric NOT NULL,
    PRIMARY KEY (unit_id, ts, energy)
);
CREATE TABLE unit_consumption_month (                   -- 综合能源消费量: all energies together
    unit_id         integer NOT NULL,
    ts              timestamptz NOT NULL,
    tce             numeric NOT NULL,
    co2             numeric NOT NULL,
    PRIMARY KEY (unit_id, ts)
);

CREATE INDEX collect_item_energy_idx ON collect_item (unit_id)
    WHERE scope = 1 AND substr(data_code, 9, 2) IN ('01', '02', '03', '05', '06', '07');

-- ---------------------------------------------------------------- restated periods
CREATE TABLE restatement (
    unit_id         integer NOT NULL,
    granularity     smallint NOT NULL,                  -- 1 day, 2 month, 3 year
    ts              timestamptz NOT NULL,
    slot            integer NOT NULL,
    id              bigint GENERATED ALWAYS AS IDENTITY,
    old_value       numeric,                            -- as a row of the period showed it; NULL: no value
    new_value       numeric,
    old_n           integer NOT NULL,
    new_n           integer NOT NULL,
    restated_at     timestamptz NOT NULL DEFAULT now(),
    upload_id       bigint,                             -- the last correction in the period, if one caused it
    PRIMARY KEY (unit_id, granularity, ts, slot, id)
);
CREATE INDEX restatement_at_idx ON restatement (restated_at);
CREATE TYPE restatement_in AS (unit_id integer, granularity smallint, ts timestamptz, until timestamptz, slot integer,
                               old_value numeric, new_value numeric, old_n integer, new_n integer);

-- What was rolled up before this step is accounted for as well.
INSERT INTO rollup_mark (unit_id, hour)
SELECT DISTINCT unit_id, ts FROM rollup_day WHERE to_regclass('reading_frame_' || to_char(ts, 'YYYYMM')) IS NOT NULL;
