\set order random(1, :orders)
UPDATE orders SET status = 'sent' WHERE id = :order;
