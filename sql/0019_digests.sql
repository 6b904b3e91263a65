-- 0019 digests: which digest methods an enterprise's uploads may use, as its encryptions already are.
ALTER TABLE unit ADD COLUMN digests text NOT NULL DEFAULT ''; -- SM3, SHA-256, separated by blanks; '': all
