-- 0020 device certificates: certificates that name one end device of an enterprise, and their binding.
ALTER TABLE unit ADD COLUMN device_certificates boolean NOT NULL DEFAULT false; -- only certificates that name their device may act
ALTER TABLE certificate ADD COLUMN device text NOT NULL DEFAULT '';             -- serial of the device it names; '': none

CREATE TABLE device_binding (                           -- the certificate of one end device, which need not have registered yet
    unit_id         integer NOT NULL REFERENCES unit (id),
    serial          text NOT NULL,
    fingerprint     text NOT NULL,
    former          text NOT NULL DEFAULT '',           -- renewal: the certificate before the bound one …
    former_until    timestamptz,                        -- … is good until here
    PRIMARY KEY (unit_id, serial)
);
