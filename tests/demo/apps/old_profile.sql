\set user random(1, :users)
UPDATE users SET about = 'seen in ' || city, last_seen_at = now() WHERE id = :user;
