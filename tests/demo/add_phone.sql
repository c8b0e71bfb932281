ALTER TABLE users ADD COLUMN phone text NOT NULL;
UPDATE users SET phone = 'unknown' WHERE phone IS NULL;
ALTER TABLE orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES users (id);
CREATE INDEX orders_created_at_idx ON orders (created_at);
