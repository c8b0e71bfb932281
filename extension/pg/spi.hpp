// SQL from C++: constant text, bound parameters, rows as text. For what runs once per batch or
// less.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace zdm::pg {

// One bound parameter. std::nullopt is NULL (of type text unless the SQL casts it).
using Value =
    std::variant<std::nullopt_t, std::string, std::int64_t, bool, double, std::vector<std::string>>;

// A result row: the text form of each column, nullopt for NULL.
class Row {
public:
    explicit Row(std::vector<std::optional<std::string>> columns) : columns_(std::move(columns)) {}

    std::size_t size() const { return columns_.size(); }
    bool is_null(std::size_t i) const { return !columns_.at(i).has_value(); }
    const std::optional<std::string>& maybe(std::size_t i) const { return columns_.at(i); }
    // The text of column i, empty for NULL.
    std::string text(std::size_t i) const { return columns_.at(i).value_or(""); }
    // Column i as a whole number, 0 for NULL.
    std::int64_t number(std::size_t i) const;
    // Column i as a number, 0 for NULL.
    double real(std::size_t i) const;
    // Column i as a boolean, false for NULL.
    bool flag(std::size_t i) const { return text(i) == "t"; }

private:
    std::vector<std::optional<std::string>> columns_;
};

// What a statement gave.
struct Result {
    std::vector<Row> rows;
    std::uint64_t processed = 0;  // rows returned or changed

    bool empty() const { return rows.empty(); }
    const Row& front() const { return rows.front(); }
};

// A constant statement that is parsed and planned once in a session, for what runs in each batch.
// Its parameters have the same types each time.
class Kept {
public:
    explicit constexpr Kept(const char* sql) : sql_(sql) {}

private:
    friend class Spi;
    const char* sql_;
    void* plan_ = nullptr;
};

// A connection to SPI for the statements of one scope, in the transaction around it. finish() ends
// it; without finish the abort of the (sub)transaction does, so it has no destructor that could
// raise.
class Spi {
public:
    Spi();
    // Runs one constant statement with $1, $2 … bound. Integers are bound as bigint, strings as
    // text, vectors as text[]. read_only uses the snapshot of the caller and refuses writes.
    Result run(const char* sql, const std::vector<Value>& parameters = {}, bool read_only = false);
    Result run(Kept& statement, const std::vector<Value>& parameters = {});
    void finish();
};

// For read_only statements, a snapshot that sees what others have committed by now. The
// transaction's own is older where the caller runs REPEATABLE READ or SERIALIZABLE. Like Spi it has
// no destructor.
class LatestSnapshot {
public:
    LatestSnapshot();
    void finish();
};

// run() in an SPI connection of its own.
Result query(const char* sql, const std::vector<Value>& parameters = {});
Result query(Kept& statement, const std::vector<Value>& parameters = {});

// An identifier or a literal, quoted for SQL text.
std::string quote_ident(std::string_view name);
std::string quote_literal(std::string_view text);
// schema.name, both quoted where needed.
std::string quote_qualified(std::string_view schema, std::string_view name);

}  // namespace zdm::pg
