-- 0015 command addressee: a command meant for one device is told apart from one that a device merely took first.
ALTER TABLE command ADD COLUMN addressed boolean NOT NULL DEFAULT false; -- device_id was given by the operator: nobody else may take it
UPDATE command SET addressed = true WHERE device_id IS NOT NULL AND NOT automatic;
