#include "pg/arguments.hpp"

#include "pg/bridge.hpp"

namespace zdm::pg {

std::optional<std::string> maybe_text(FunctionCallInfo fcinfo, int i) {
    if (PG_ARGISNULL(i)) return std::nullopt;
    char* copy = call([&] { return text_to_cstring(PG_GETARG_TEXT_PP(i)); });
    return std::string{copy};
}

std::string text_argument(FunctionCallInfo fcinfo, int i, const char* what) {
    auto text = maybe_text(fcinfo, i);
    if (!text)
        throw Error{state::kInvalidParameter,
                    std::string{"ZD601: "} + what + " must not be null",
                    {},
                    std::string{"Give "} + what + " a value."};
    return *text;
}

bool flag_argument(FunctionCallInfo fcinfo, int i, bool fallback) {
    return PG_ARGISNULL(i) ? fallback : PG_GETARG_BOOL(i);
}

Datum text_result(const std::string& text) {
    return call([&] {
        return PointerGetDatum(
            cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
    });
}

void notice(const std::string& message, const std::string& hint) {
    const char* words = message.c_str();
    const char* next = hint.empty() ? nullptr : hint.c_str();
    call([&] {
        ereport(NOTICE, (errmsg_internal("%s", words), next != nullptr ? errhint("%s", next) : 0));
    });
}

}  // namespace zdm::pg
