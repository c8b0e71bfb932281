\set id random(1, :rows)
SELECT id, email, name, city, status, note FROM users WHERE id = :id;
