-- The same change as one would do it by hand, in one transaction.
BEGIN;
ALTER TABLE users ADD COLUMN phone text;
UPDATE users SET phone = 'unknown' WHERE phone IS NULL;
ALTER TABLE users ALTER COLUMN phone SET NOT NULL;
ALTER TABLE orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES users (id);
CREATE INDEX orders_created_at_idx ON orders (created_at);
COMMIT;
