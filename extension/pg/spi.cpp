#include "pg/spi.hpp"

#include <charconv>

#include "pg/bridge.hpp"

namespace zdm::pg {

namespace {

struct Bound {
    Datum value;
    Oid type;
    bool null;
};

Datum text_array(const std::vector<std::string>& items) {
    std::vector<Datum> elements;
    elements.reserve(items.size());
    for (const auto& item : items) {
        elements.push_back(call([&] {
            return PointerGetDatum(
                cstring_to_text_with_len(item.data(), static_cast<int>(item.size())));
        }));
    }
    return call([&] {
        return PointerGetDatum(construct_array(elements.data(), static_cast<int>(elements.size()),
                                               TEXTOID, -1, false, TYPALIGN_INT));
    });
}

struct Binder {
    Bound operator()(std::nullopt_t) const { return {0, TEXTOID, true}; }
    Bound operator()(const std::string& text) const {
        return {call([&] {
                    return PointerGetDatum(
                        cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
                }),
                TEXTOID, false};
    }
    Bound operator()(std::int64_t number) const { return {Int64GetDatum(number), INT8OID, false}; }
    Bound operator()(bool flag) const { return {BoolGetDatum(flag), BOOLOID, false}; }
    Bound operator()(double number) const { return {Float8GetDatum(number), FLOAT8OID, false}; }
    Bound operator()(const std::vector<std::string>& items) const {
        return {text_array(items), TEXTARRAYOID, false};
    }
};

struct Arguments {
    explicit Arguments(const std::vector<Value>& parameters) {
        for (const auto& parameter : parameters) {
            const Bound bound = std::visit(Binder{}, parameter);
            types.push_back(bound.type);
            values.push_back(bound.value);
            nulls.push_back(bound.null ? 'n' : ' ');
        }
    }
    int count() const { return static_cast<int>(types.size()); }

    std::vector<Oid> types;
    std::vector<Datum> values;
    std::vector<char> nulls;
};

std::optional<std::string> column_text(SPITupleTable* table, std::uint64_t row, int column) {
    char* text = call([&] { return SPI_getvalue(table->vals[row], table->tupdesc, column); });
    if (text == nullptr) return std::nullopt;
    std::string copy{text};
    call([&] { pfree(text); });
    return copy;
}

// What the statement that SPI has just run gave.
Result result_of(int code, const char* sql) {
    if (code < 0) throw Error{state::kInternal, std::string{"ZD999: SPI refused: "} + sql};
    Result result;
    result.processed = SPI_processed;
    SPITupleTable* table = SPI_tuptable;
    if (table != nullptr) {
        const int columns = table->tupdesc->natts;
        for (std::uint64_t row = 0; row < table->numvals; ++row) {
            std::vector<std::optional<std::string>> fields;
            for (int column = 1; column <= columns; ++column)
                fields.push_back(column_text(table, row, column));
            result.rows.emplace_back(std::move(fields));
        }
        call([&] { SPI_freetuptable(table); });
    }
    return result;
}

}  // namespace

std::int64_t Row::number(std::size_t i) const {
    const std::string value = text(i);
    std::int64_t number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
}

double Row::real(std::size_t i) const {
    const std::string value = text(i);
    double number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
}

Spi::Spi() {
    call([] { SPI_connect(); });
}

Result Spi::run(const char* sql, const std::vector<Value>& parameters, bool read_only) {
    Arguments arguments{parameters};
    const int code = call([&] {
        return SPI_execute_with_args(sql, arguments.count(), arguments.types.data(),
                                     arguments.values.data(), arguments.nulls.data(), read_only, 0);
    });
    return result_of(code, sql);
}

Result Spi::run(Kept& statement, const std::vector<Value>& parameters) {
    Arguments arguments{parameters};
    const int code = call([&] {
        if (statement.plan_ == nullptr) {
            SPIPlanPtr plan = SPI_prepare_cursor(statement.sql_, arguments.count(),
                                                 arguments.types.data(), CURSOR_OPT_GENERIC_PLAN);
            if (plan == nullptr) return SPI_result;
            const int kept = SPI_keepplan(plan);
            if (kept < 0) return kept;
            statement.plan_ = plan;
        }
        return SPI_execute_plan(static_cast<SPIPlanPtr>(statement.plan_), arguments.values.data(),
                                arguments.nulls.data(), false, 0);
    });
    return result_of(code, statement.sql_);
}

void Spi::finish() {
    call([] { SPI_finish(); });
}

LatestSnapshot::LatestSnapshot() {
    call([] { PushActiveSnapshot(GetLatestSnapshot()); });
}

void LatestSnapshot::finish() {
    call([] { PopActiveSnapshot(); });
}

Result query(const char* sql, const std::vector<Value>& parameters) {
    Spi spi;
    Result result = spi.run(sql, parameters);
    spi.finish();
    return result;
}

Result query(Kept& statement, const std::vector<Value>& parameters) {
    Spi spi;
    Result result = spi.run(statement, parameters);
    spi.finish();
    return result;
}

std::string quote_ident(std::string_view name) {
    const std::string copy{name};
    return call([&] { return quote_identifier(copy.c_str()); });
}

std::string quote_literal(std::string_view text) {
    const std::string copy{text};
    return call([&] { return quote_literal_cstr(copy.c_str()); });
}

std::string quote_qualified(std::string_view schema, std::string_view name) {
    return quote_ident(schema) + "." + quote_ident(name);
}

}  // namespace zdm::pg
