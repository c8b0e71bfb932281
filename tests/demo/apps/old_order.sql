\set user random(1, :users)
\set amount random(100, 99999)
BEGIN;
SELECT name, city FROM users WHERE id = :user;
INSERT INTO orders (user_id, status, amount, note) VALUES (:user, 'new', :amount / 100.0, 'by the demo') RETURNING id;
UPDATE users SET last_seen_at = now() WHERE id = :user;
COMMIT;
