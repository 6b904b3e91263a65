-- session: whoever opens this database by other means (psql, a report tool) reads civil times, months and years in
-- the platform's zone, as the program's own sessions do.
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), current_setting('timezone'));
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'the database''s default time zone is unchanged: only its owner may set it';
END $$;
