\set id random(1, :rows)
UPDATE users SET seen_at = now(), status = 2 WHERE id = :id;
