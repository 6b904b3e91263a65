-- 0008 admission: the way of an enterprise from its application to acceptance, commands for its devices, base data by industry.

ALTER TABLE unit
    ADD COLUMN contact text NOT NULL DEFAULT '',
    ADD COLUMN trial_from timestamptz,
    ADD COLUMN trial_until timestamptz,                 -- the trial 试运行 ends here; exclusive
    ADD COLUMN state_before text NOT NULL DEFAULT '',   -- suspended: the state that resume returns to
    ADD COLUMN cert_former text NOT NULL DEFAULT '',    -- renewal: the certificate before the bound one …
    ADD COLUMN cert_former_until timestamptz;           -- … is good until here

-- Processes of different industries share their codes.
ALTER TABLE base_data DROP CONSTRAINT base_data_pkey, ADD CONSTRAINT base_data_pkey PRIMARY KEY (list, code, industry_code, valid_from);
CREATE INDEX base_data_version_idx ON base_data (dic_version);

CREATE TABLE command (                                  -- what an operator or the platform asks of an end device; given with Heartbeat
    command_id      text NOT NULL CONSTRAINT command_id_check CHECK (command_id ~ '^[0-9a-f]{32}$'),
    unit_id         integer NOT NULL REFERENCES unit (id),
    device_id       text,                               -- NULL: whichever device of the enterprise asks first, then that one
    kind            text NOT NULL CONSTRAINT command_kind_check CHECK (kind IN
                    ('REUPLOAD','COLLECT_NOW','SET_PERIOD','RELOAD_BASE_DATA','REREGISTER')),
    from_ts         timestamptz,
    to_ts           timestamptz,                        -- exclusive
    data_codes      text[] NOT NULL DEFAULT '{}',       -- none: all items
    value           text NOT NULL DEFAULT '',
    state           text NOT NULL DEFAULT 'queued' CONSTRAINT command_state_check CHECK (state IN
                    ('queued','sent','done','failed','cancelled')),
    automatic       boolean NOT NULL DEFAULT false,     -- raised by the platform for a gap
    created_at      timestamptz NOT NULL,
    sent_at         timestamptz,                        -- last time it was given
    times_sent      integer NOT NULL DEFAULT 0,
    finished_at     timestamptz,
    detail          text NOT NULL DEFAULT '',           -- the device's words, or why it was cancelled
    created_by      text NOT NULL,
    PRIMARY KEY (unit_id, command_id)
);
CREATE INDEX command_open_idx ON command (unit_id, created_at) WHERE state IN ('queued', 'sent');

-- The history of one enterprise, newest first, without reading everybody's.
CREATE INDEX audit_log_object_idx ON audit_log (object, at) WHERE object <> '';
