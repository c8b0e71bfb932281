\set user random(1, :users)
UPDATE users SET about = 'seen in ' || city, phone = '+47 ' || id, last_seen_at = now() WHERE id = :user;
