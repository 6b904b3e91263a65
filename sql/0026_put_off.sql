-- 0026 put off: how many answers 9xxx in a row a message had. A message is divided, under new ids, when it was put off eight times
-- (server/fep/README.md); counted by attempts, one that seven broken connections had kept was divided by the first of them, though the
-- other side may have taken it long since.
ALTER TABLE fep_message ADD COLUMN put_off integer NOT NULL DEFAULT 0;
