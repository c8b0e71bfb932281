\set n random(1, 1000000000000000)
INSERT INTO users (email, name, city, about, phone) VALUES ('new' || :n || '.' || :client_id || '@example.org', 'New User', 'Oslo', 'says hello', '+47 ' || :n) RETURNING id;
