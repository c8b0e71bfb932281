// What of a row must agree before old columns go, as a condition for SQL: the differing rows are
// those for which it is true. Pure. Columns are quoted, types as behind a cast.
#pragma once

#include <string>
#include <vector>

namespace zdm::plan {

// A new column and the rule that gives it.
struct Following {
    std::string column;
    std::string type;
    std::string expression;
    std::string condition;           // for which rows, empty: all
    std::vector<std::string> reads;  // columns
};

// An old column that goes.
struct Going {
    std::string column;
    std::string given;  // whether a row has anything in it that an application gave
    // Where it is given back from new columns: the rule. Without a type it is not compared.
    bool reversed = false;
    std::string type;
    std::string expression;
    std::vector<std::string> reads;
    // What the rule gives may be nothing that the new column's rule takes, which would raise: that
    // is only asked where the old column is not what its own rule gives.
    bool foreign = false;
};

struct Comparison {
    std::string differs;  // empty: nothing that goes is carried over
    std::string lost;     // new values that the old columns don't have: what going back loses
    std::vector<std::string> olds;  // columns
    std::vector<std::string> news;
};

// A new column must be, by bytes, what its rule gives. Where old columns follow the new ones too,
// it will do as well that these are what their rules give: of a value that does not fit the old
// column nothing is lost. Where they don't, and the row has a new value and nothing in the old
// columns, the new application made it.
Comparison compare(const std::vector<Following>& news, const std::vector<Going>& olds);

// The columns of a row with their values, as a JSON object; long values are cut.
std::string shown(const std::vector<std::string>& columns);
// Whether a column is not, by bytes, this value of its type.
std::string differs_from(const std::string& column, const std::string& expression,
                         const std::string& type);
// Whether a column has anything that an application gave: neither NULL nor a constant default.
std::string given(const std::string& column, const std::string& default_text,
                  const std::string& type);

}  // namespace zdm::plan
