// What a query gave, free of any library's types: text by column name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace zdm::cli {

using Value = std::optional<std::string>;

class Row {
public:
    Row(std::shared_ptr<const std::vector<std::string>> names, std::vector<Value> values)
        : names_(std::move(names)), values_(std::move(values)) {}

    // The value of a column; throws std::logic_error for a column that the query does not have.
    const Value& operator[](const char* column) const;
    std::string text(const char* column) const { return (*this)[column].value_or(""); }
    bool is_true(const char* column) const { return (*this)[column] == "t"; }
    std::optional<std::int64_t> integer(const char* column) const;
    std::optional<double> number(const char* column) const;

    const std::vector<std::string>& names() const { return *names_; }
    const std::vector<Value>& values() const { return values_; }

private:
    std::shared_ptr<const std::vector<std::string>> names_;
    std::vector<Value> values_;
};

using Rows = std::vector<Row>;

}  // namespace zdm::cli
