-- 0014 meter replacement: a register's meter was exchanged. The readings stay as they are; what was used across the exchange
-- follows from the old meter's last and the new meter's first register, at roll-up time.

CREATE TABLE meter_replacement (
    unit_id         integer NOT NULL,
    slot            integer NOT NULL,
    at              timestamptz NOT NULL,
    final_old       bigint NOT NULL CONSTRAINT meter_replacement_final_check CHECK (final_old >= 0), -- scaled by 10^6
    first_new       bigint NOT NULL CONSTRAINT meter_replacement_first_check CHECK (first_new >= 0),
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (unit_id, slot, at)
);
