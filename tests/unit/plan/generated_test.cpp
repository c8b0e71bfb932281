// What is written instead of a stored generated column.
#include "plan/generated.hpp"

#include <gtest/gtest.h>

namespace zdm::plan {
namespace {

StoredColumn total() {
    return {"s.t", "total",        "numeric(9,2)",  "(price * quantity)",
            false, "z_fill_total", "s.fill_t_total"};
}

TEST(PlanGenerated, ATriggerFillsAPlainColumn) {
    EXPECT_EQ(plain_column_sql(total()),
              "ALTER TABLE s.t ADD COLUMN total numeric(9,2); CREATE FUNCTION s.fill_t_total() "
              "RETURNS trigger LANGUAGE plpgsql AS $$BEGIN SELECT (price * quantity) INTO "
              "NEW.total FROM (SELECT NEW.*) AS r; RETURN NEW; END$$; CREATE TRIGGER z_fill_total "
              "BEFORE INSERT OR UPDATE ON s.t FOR EACH ROW EXECUTE FUNCTION s.fill_t_total(); "
              "UPDATE s.t SET total = (price * quantity) WHERE total IS NULL;");
}

TEST(PlanGenerated, NotNullStays) {
    StoredColumn column = total();
    column.not_null = true;
    EXPECT_NE(plain_column_sql(column).find("ADD COLUMN total numeric(9,2) NOT NULL;"),
              std::string::npos);
}

TEST(PlanGenerated, NothingEndsTheBodyTooEarly) {
    StoredColumn column = total();
    column.expression = "'$$'''::text";
    EXPECT_NE(plain_column_sql(column).find("AS 'BEGIN SELECT (''$$''''''::text) INTO NEW.total"),
              std::string::npos)
        << plain_column_sql(column);
}

}  // namespace
}  // namespace zdm::plan
