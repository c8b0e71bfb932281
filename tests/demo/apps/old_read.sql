\set user random(1, :users)
SELECT id, email, name, city, last_seen_at FROM users WHERE id = :user;
SELECT id, status, amount, created_at FROM orders WHERE user_id = :user ORDER BY id DESC LIMIT 10;
