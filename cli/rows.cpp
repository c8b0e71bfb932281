#include "cli/rows.hpp"

#include <charconv>
#include <stdexcept>

namespace zdm::cli {

namespace {

template <typename Number>
std::optional<Number> number_of(const Value& value) {
    if (!value) return std::nullopt;
    Number number{};
    const auto [end, problem] =
        std::from_chars(value->data(), value->data() + value->size(), number);
    if (problem != std::errc{}) return std::nullopt;
    return number;
}

}  // namespace

const Value& Row::operator[](const char* column) const {
    for (std::size_t i = 0; i < names_->size(); ++i)
        if ((*names_)[i] == column) return values_[i];
    throw std::logic_error{std::string{"no column "} + column};
}

std::optional<std::int64_t> Row::integer(const char* column) const {
    return number_of<std::int64_t>((*this)[column]);
}

std::optional<double> Row::number(const char* column) const {
    return number_of<double>((*this)[column]);
}

}  // namespace zdm::cli
