-- 0001 core: who may upload, what was uploaded, what it adds up to, what is still to be forwarded.
--
-- Rules: every unique key of a fact table starts with unit_id (or sender_id) and holds the partition
-- column, so that the schema can be distributed by unit_id unchanged. No DEFAULT partitions: a row
-- without its partition is an error that the program answers by making the partition (partitions.sql).
-- Numbers: readings and bounds are bigint scaled by 10^6. Instants are timestamptz.

-- ---------------------------------------------------------------- who
CREATE SEQUENCE party_id_seq AS integer;

CREATE TABLE unit (                                     -- 重点用能单位
    id              integer PRIMARY KEY DEFAULT nextval('party_id_seq'),
    code            text NOT NULL CONSTRAINT unit_code_key UNIQUE,
    name            text NOT NULL,
    region_code     text NOT NULL,
    industry_code   text NOT NULL DEFAULT '',
    state           text NOT NULL CONSTRAINT unit_state_check CHECK (state IN
                    ('applied','approved','certified','testing','trial','accepted','suspended','retired')),
    state_since     timestamptz NOT NULL DEFAULT now(),
    from_platform   integer,                            -- known through this lower platform
    period          integer NOT NULL DEFAULT 900,
    upload_period   integer NOT NULL DEFAULT 900,
    upload_time     time NOT NULL DEFAULT '00:00:00',
    config_version  integer NOT NULL DEFAULT 0,
    config_digest   bytea,
    next_slot       integer NOT NULL DEFAULT 0,
    cert_fingerprint text NOT NULL DEFAULT '',
    ciphers         text NOT NULL DEFAULT '',
    allow_from      text NOT NULL DEFAULT '',
    enterprise      jsonb NOT NULL DEFAULT '{}',        -- the enterprise element of the last configuration
    created_at      timestamptz NOT NULL DEFAULT now(),
    modified_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX unit_region_idx ON unit (region_code, code);

CREATE TABLE platform (                                 -- lower platforms that forward to this one
    id              integer PRIMARY KEY DEFAULT nextval('party_id_seq'),
    code            text NOT NULL CONSTRAINT platform_code_key UNIQUE,
    platform_id     text NOT NULL,                      -- 32 hex, given by RegisterPlatform
    name            text NOT NULL,
    state           text NOT NULL DEFAULT 'admitted' CONSTRAINT platform_state_check CHECK (state IN ('admitted','suspended')),
    software_version text NOT NULL DEFAULT '',
    secret_key      bytea,
    last_seen       timestamptz,
    pending_uploads bigint,
    oldest_pending  timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE device (                                   -- 端设备
    unit_id         integer NOT NULL REFERENCES unit (id),
    serial          text NOT NULL,
    device_id       text NOT NULL CONSTRAINT device_id_key UNIQUE,
    manufacturer    text NOT NULL DEFAULT '',
    model           text NOT NULL DEFAULT '',
    software_version text NOT NULL DEFAULT '',
    secret_key      bytea,
    registered_at   timestamptz NOT NULL DEFAULT now(),
    last_seen       timestamptz,
    clock_offset_ms bigint,
    pending_records bigint,
    PRIMARY KEY (unit_id, serial)
);

CREATE TABLE config_document (                          -- configuration payloads as stored, every version
    unit_id         integer NOT NULL REFERENCES unit (id),
    version         integer NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    message_id      text NOT NULL,
    digest          bytea NOT NULL,
    content         bytea NOT NULL,
    PRIMARY KEY (unit_id, version)
);

CREATE TABLE config_object (                            -- processes, units, equipment, meters, products of the last configuration
    unit_id         integer NOT NULL REFERENCES unit (id),
    element         text NOT NULL,
    ordinal         integer NOT NULL,
    fields          jsonb NOT NULL,
    PRIMARY KEY (unit_id, element, ordinal)
);

CREATE TABLE collect_item (                             -- 采集数据项; a slot is given once and kept for ever
    unit_id         integer NOT NULL REFERENCES unit (id),
    slot            integer NOT NULL,
    data_code       text NOT NULL CONSTRAINT collect_item_code_check CHECK (data_code ~ '^[0-9]{16}$'),
    stat_type       smallint NOT NULL CONSTRAINT collect_item_stat_check CHECK (stat_type BETWEEN 0 AND 3),
    name            text NOT NULL,
    unit            text NOT NULL DEFAULT '',
    aggregation     smallint NOT NULL CONSTRAINT collect_item_aggregation_check CHECK (aggregation BETWEEN 0 AND 2),
    period          integer NOT NULL CONSTRAINT collect_item_period_check CHECK (period BETWEEN 60 AND 86400 AND 86400 % period = 0),
    scope           smallint NOT NULL,
    input_type      smallint NOT NULL,
    counter_max     bigint,
    value_min       bigint,
    value_max       bigint,
    jump_limit      bigint,
    stuck_count     integer NOT NULL DEFAULT 0,
    decimals        smallint,
    active          boolean NOT NULL DEFAULT true,
    config_version  integer NOT NULL,
    PRIMARY KEY (unit_id, slot),
    CONSTRAINT collect_item_key UNIQUE (unit_id, data_code, stat_type)
);

-- ---------------------------------------------------------------- what was uploaded
-- Blocks of identifiers: a process takes one value and owns value … value+999.
CREATE SEQUENCE upload_id_seq AS bigint START 1000 INCREMENT 1000;

CREATE TABLE receipt (                                  -- (sender, messageId) for ever; the message id as 128 bits of its SHA-256
    sender_id       integer NOT NULL,
    message_hash    uuid NOT NULL,
    upload_id       bigint NOT NULL,
    received_at     timestamptz NOT NULL,
    digest          bytea NOT NULL,                     -- of the plain XML, prefixed by the method byte
    PRIMARY KEY (sender_id, message_hash)
) PARTITION BY HASH (sender_id);
DO $$ BEGIN
    FOR i IN 0..7 LOOP
        EXECUTE format('CREATE TABLE receipt_%s PARTITION OF receipt FOR VALUES WITH (MODULUS 8, REMAINDER %s)', i, i);
    END LOOP;
END $$;

CREATE TABLE upload (                                   -- 上传记录: the receipt and its answer
    sender_id       integer NOT NULL,
    upload_id       bigint NOT NULL,
    received_at     timestamptz NOT NULL,
    unit_id         integer,                            -- NULL for a platform's set
    device_id       text,
    message_id      text NOT NULL,
    via             smallint NOT NULL DEFAULT 0,        -- 0 device, 1 platform, 2 file
    response_code   integer NOT NULL,
    received        integer NOT NULL,
    stored          integer NOT NULL,
    unchanged       integer NOT NULL,
    corrected       integer NOT NULL,
    suspect         integer NOT NULL,
    rejected        integer NOT NULL,
    findings        integer NOT NULL DEFAULT 0,         -- all, those not kept included
    PRIMARY KEY (sender_id, received_at, upload_id)
) PARTITION BY RANGE (received_at);
CREATE INDEX upload_id_idx ON upload (upload_id);

CREATE TABLE upload_payload (                           -- the archive: content as it arrived
    sender_id       integer NOT NULL,
    upload_id       bigint NOT NULL,
    received_at     timestamptz NOT NULL,
    encoding        smallint NOT NULL,                  -- 0 identity, 1 gzip
    cipher          smallint NOT NULL,                  -- 0 none …
    digest          bytea NOT NULL,
    content         bytea NOT NULL,
    rejected        integer[],                          -- ordinals of refused records, from 0; NULL: none
    PRIMARY KEY (sender_id, received_at, upload_id)
) PARTITION BY RANGE (received_at);
ALTER TABLE upload_payload ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE upload_finding (
    sender_id       integer NOT NULL,
    upload_id       bigint NOT NULL,
    received_at     timestamptz NOT NULL,
    ordinal         integer NOT NULL,
    code            integer NOT NULL,
    severity        smallint NOT NULL,
    line            bigint,
    data_code       text,
    stat_type       smallint,
    stat_date       text,
    message         text NOT NULL,
    PRIMARY KEY (sender_id, received_at, upload_id, ordinal)
) PARTITION BY RANGE (received_at);

CREATE TABLE upload_refused (                           -- whole refusals: they use up no messageId, but an operator must see them
    received_at     timestamptz NOT NULL,
    sender_code     text NOT NULL,
    peer            text NOT NULL,
    operation       text NOT NULL,
    message_id      text NOT NULL DEFAULT '',
    device_id       text NOT NULL DEFAULT '',
    code            integer NOT NULL,
    message         text NOT NULL
) PARTITION BY RANGE (received_at);
CREATE INDEX upload_refused_idx ON upload_refused (sender_code, received_at);

-- One enterprise's readings at one instant: value[slot % 128 + 1] of page slot / 128.
CREATE TABLE reading_frame (
    unit_id         integer NOT NULL,
    page            smallint NOT NULL,
    ts              timestamptz NOT NULL,
    value           bigint[] NOT NULL,
    flag            smallint[],                         -- NULL: all zero. Bits: see flag_bits in sql/README.md
    PRIMARY KEY (unit_id, page, ts)
) PARTITION BY RANGE (ts);

CREATE TABLE reported_frame (                           -- day, month, year values as reported (stat_type 1, 2, 3)
    unit_id         integer NOT NULL,
    page            smallint NOT NULL,
    stat_type       smallint NOT NULL,
    ts              timestamptz NOT NULL,
    value           bigint[] NOT NULL,
    flag            smallint[],
    PRIMARY KEY (unit_id, page, stat_type, ts)
) PARTITION BY RANGE (ts);

CREATE TABLE correction (                               -- old and new value of every corrected reading
    unit_id         integer NOT NULL,
    upload_id       bigint NOT NULL,
    received_at     timestamptz NOT NULL,
    ordinal         integer NOT NULL,
    slot            integer NOT NULL,
    stat_type       smallint NOT NULL,
    ts              timestamptz NOT NULL,
    old_value       bigint NOT NULL,
    old_flag        smallint NOT NULL,
    new_value       bigint NOT NULL,
    new_flag        smallint NOT NULL,
    PRIMARY KEY (unit_id, received_at, upload_id, ordinal)
) PARTITION BY RANGE (received_at);
CREATE INDEX correction_reading_idx ON correction (unit_id, slot, stat_type, ts);

-- ---------------------------------------------------------------- what it adds up to
CREATE TABLE rollup_mark (                              -- append-only; deleted by id by the thread that recomputed
    unit_id         integer NOT NULL,
    hour            timestamptz NOT NULL,
    id              bigint GENERATED ALWAYS AS IDENTITY,
    marked_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (unit_id, hour, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
        autovacuum_vacuum_cost_delay = 0);

-- n: valid readings. total/vmin/vmax: of quantities and means the readings, of registers the credited
-- differences, nd of them. wide[i] holds a total that does not fit 64 bits (then total[i] is NULL).
-- bad: readings with valid=false, left out. NULL arrays: nothing of the kind in the page.
CREATE TABLE rollup_hour (
    unit_id integer NOT NULL, page smallint NOT NULL, ts timestamptz NOT NULL,
    total bigint[] NOT NULL, vmin bigint[] NOT NULL, vmax bigint[] NOT NULL, n integer[] NOT NULL,
    nd integer[], bad integer[], wide numeric[],
    revision integer NOT NULL DEFAULT 1, computed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (unit_id, page, ts)
) PARTITION BY RANGE (ts);
CREATE TABLE rollup_day (
    unit_id integer NOT NULL, page smallint NOT NULL, ts timestamptz NOT NULL,
    total bigint[] NOT NULL, vmin bigint[] NOT NULL, vmax bigint[] NOT NULL, n integer[] NOT NULL,
    nd integer[], bad integer[], wide numeric[],
    revision integer NOT NULL DEFAULT 1, computed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (unit_id, page, ts)
) PARTITION BY RANGE (ts);
CREATE TABLE rollup_month (
    unit_id integer NOT NULL, page smallint NOT NULL, ts timestamptz NOT NULL,
    total bigint[] NOT NULL, vmin bigint[] NOT NULL, vmax bigint[] NOT NULL, n integer[] NOT NULL,
    nd integer[], bad integer[], wide numeric[],
    revision integer NOT NULL DEFAULT 1, computed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (unit_id, page, ts)
);
CREATE TABLE rollup_year (
    unit_id integer NOT NULL, page smallint NOT NULL, ts timestamptz NOT NULL,
    total bigint[] NOT NULL, vmin bigint[] NOT NULL, vmax bigint[] NOT NULL, n integer[] NOT NULL,
    nd integer[], bad integer[], wide numeric[],
    revision integer NOT NULL DEFAULT 1, computed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (unit_id, page, ts)
);

-- ---------------------------------------------------------------- what is still to be forwarded
CREATE TABLE destination (                              -- configured by [destination NAME] sections; rows keep the ids stable
    id              smallint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name            text NOT NULL CONSTRAINT destination_name_key UNIQUE,
    active          boolean NOT NULL DEFAULT true
);

CREATE TABLE fep_message (                              -- one SOAP message: bytes and id never change
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    destination_id  smallint NOT NULL REFERENCES destination (id),
    message_id      text NOT NULL,
    kind            smallint NOT NULL,                  -- 0 data, 1 configuration
    state           text NOT NULL CONSTRAINT fep_message_state_check CHECK (state IN ('leased','waiting','sent','parked')),
    lease_until     timestamptz,
    next_at         timestamptz,
    attempts        integer NOT NULL DEFAULT 0,
    digest          text NOT NULL,                      -- hex SHA-256 of the plain XML
    content         bytea,                              -- gzip of the XML; NULL once sent and expired
    records         integer NOT NULL DEFAULT 0,
    response_code   integer,
    response_text   text,
    remote_upload_id text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    settled_at      timestamptz
);
CREATE INDEX fep_message_open_idx ON fep_message (destination_id, state, next_at) WHERE state IN ('leased','waiting');
CREATE INDEX fep_message_parked_idx ON fep_message (destination_id, id) WHERE state = 'parked';

-- id is drawn under the unit's lock, so that order by id is commit order within a unit.
CREATE TABLE outbox (
    id              bigint GENERATED ALWAYS AS IDENTITY,
    destination_id  smallint NOT NULL,
    unit_id         integer NOT NULL,
    kind            smallint NOT NULL,                  -- 0 data, 1 configuration
    sender_id       integer NOT NULL,                   -- with upload_id, received_at: finds upload_payload
    upload_id       bigint NOT NULL,                    -- kind 1: configuration version
    received_at     timestamptz NOT NULL,
    message         bigint,                             -- fep_message.id once packed; NULL: ready
    PRIMARY KEY (unit_id, destination_id, id)
);
CREATE INDEX outbox_ready_idx ON outbox (destination_id, unit_id, id) WHERE message IS NULL;
CREATE INDEX outbox_message_idx ON outbox (message) WHERE message IS NOT NULL;

-- ---------------------------------------------------------------- who did what
CREATE TABLE audit_log (
    at              timestamptz NOT NULL DEFAULT now(),
    actor           text NOT NULL,                      -- certificate identity, or operator:NAME
    peer            text NOT NULL DEFAULT '',
    action          text NOT NULL,
    object          text NOT NULL DEFAULT '',
    code            integer NOT NULL DEFAULT 0,
    detail          text NOT NULL DEFAULT ''
) PARTITION BY RANGE (at);
CREATE INDEX audit_log_idx ON audit_log (at);

CREATE TABLE certificate (                              -- issued by `nhjcctl pki`, or bound by the operator
    fingerprint     text PRIMARY KEY,
    identity        text NOT NULL,
    serial          text NOT NULL,
    issuer          text NOT NULL,
    not_after       timestamptz NOT NULL,
    revoked_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------- base data 基础信息
CREATE SEQUENCE dic_version_seq AS integer;
CREATE TABLE base_data (
    list            text NOT NULL,                      -- 'region', 'industry', 'energy_type' …: sql/README.md
    code            text NOT NULL,
    name            text NOT NULL,
    parent_code     text NOT NULL DEFAULT '',
    unit            text NOT NULL DEFAULT '',
    precision       smallint,
    coal_factor     numeric(18,6),
    coal_factor_min numeric(18,6),
    coal_factor_max numeric(18,6),
    co2_factor      numeric(18,6),
    industry_code   text NOT NULL DEFAULT '',
    role            text NOT NULL DEFAULT '',           -- of a data usage in the energy balance
    remark          text NOT NULL DEFAULT '',
    valid_from      date NOT NULL DEFAULT '2010-01-01',
    valid_to        date,                               -- exclusive; NULL: open
    dic_version     integer NOT NULL,
    PRIMARY KEY (list, code, valid_from)
);

CREATE TABLE setting (                                  -- small facts of this installation
    key             text PRIMARY KEY,
    value           text NOT NULL
);

-- ---------------------------------------------------------------- parameter types of bulk statements (server/db/composite.h)
CREATE TYPE frame_in AS (unit_id integer, page smallint, ts timestamptz, value bigint[], flag smallint[]);
CREATE TYPE reported_in AS (unit_id integer, page smallint, stat_type smallint, ts timestamptz, value bigint[], flag smallint[]);
CREATE TYPE correction_in AS (unit_id integer, ordinal integer, slot integer, stat_type smallint, ts timestamptz,
                              old_value bigint, old_flag smallint, new_value bigint, new_flag smallint);
CREATE TYPE finding_in AS (ordinal integer, code integer, severity smallint, line bigint, data_code text,
                           stat_type smallint, stat_date text, message text);
CREATE TYPE rollup_in AS (unit_id integer, page smallint, ts timestamptz, total bigint[], vmin bigint[], vmax bigint[],
                          n integer[], nd integer[], bad integer[], wide numeric[]);
