-- Rows of about 160 bytes; the same in every run.
INSERT INTO users (id, email, name, city, about, created_at, last_seen_at)
SELECT n,
       'user' || n || '@example.org',
       (ARRAY['Ann', 'Bo', 'Cem', 'Dana', 'Eva', 'Finn', 'Gil', 'Hana'])[1 + n % 8] || ' ' || md5(n::text)::varchar(10),
       (ARRAY['Oslo', 'Lima', 'Kyoto', 'Accra', 'Quito', 'Turin', 'Perth', 'Austin'])[1 + (n / 8) % 8],
       CASE WHEN n % 3 > 0 THEN repeat(md5('about' || n), 1 + n % 3) END,
       timestamptz '2020-01-01' + n * interval '97 seconds',
       timestamptz '2024-01-01' + n * interval '53 seconds'
  FROM generate_series(1, :users) AS n;
ALTER TABLE users ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX users_email_idx ON users (email);
CREATE INDEX users_city_idx ON users (city);
CREATE INDEX users_created_at_idx ON users (created_at);
SELECT setval(pg_get_serial_sequence('users', 'id'), :users) \g /dev/null
VACUUM (ANALYZE) users;
