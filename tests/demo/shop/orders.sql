-- Every order has its user, although nothing enforces it yet.
INSERT INTO orders (id, user_id, status, amount, note, created_at)
SELECT n,
       1 + (n::bigint * 7919) % :users,
       (ARRAY['paid', 'paid', 'sent', 'sent', 'sent', 'back'])[1 + n % 6],
       (n % 9973) / 7.0,
       CASE WHEN n % 4 = 0 THEN 'gift for ' || md5(n::text) END,
       timestamptz '2021-01-01' + n * interval '31 seconds'
  FROM generate_series(1, :orders) AS n;
ALTER TABLE orders ADD PRIMARY KEY (id);
CREATE INDEX orders_user_id_idx ON orders (user_id);
SELECT setval(pg_get_serial_sequence('orders', 'id'), :orders) \g /dev/null
VACUUM (ANALYZE) orders;
