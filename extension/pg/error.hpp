// The one exception type: what ereport knows, carried through C++ frames.
#pragma once

#include <stdexcept>
#include <string>

namespace zdm::pg {

// Five characters of a SQLSTATE, packed as the server packs them (MAKE_SQLSTATE).
constexpr int sqlstate(const char (&code)[6]) {
    int packed = 0;
    for (int i = 0; i < 5; ++i) packed |= ((code[i] - '0') & 0x3F) << (6 * i);
    return packed;
}

// The five characters of a packed SQLSTATE.
std::string sqlstate_text(int packed);

// An error on its way to the user. `message` of zdm's own errors starts with its stable code,
// "ZD103: ..."; `detail` says what happened, `hint` the next command. Errors of the server keep
// every field that it gave them.
struct Error : std::runtime_error {
    Error(int state, const std::string& message, std::string detail_text = {},
          std::string hint_text = {})
        : std::runtime_error(message),
          sqlstate(state),
          detail(std::move(detail_text)),
          hint(std::move(hint_text)) {}

    int sqlstate;
    std::string detail;
    std::string hint;
    std::string context;
    std::string schema;
    std::string table;
    std::string column;
    std::string constraint;
    int position = 0;  // 1-based character in the source, 0 when unknown
};

// SQLSTATEs that zdm raises or handles itself.
namespace state {
inline constexpr int kFeatureNotSupported = sqlstate("0A000");
inline constexpr int kInvalidParameter = sqlstate("22023");
inline constexpr int kNotNullViolation = sqlstate("23502");
inline constexpr int kForeignKeyViolation = sqlstate("23503");
inline constexpr int kUniqueViolation = sqlstate("23505");
inline constexpr int kCheckViolation = sqlstate("23514");
inline constexpr int kSerializationFailure = sqlstate("40001");
inline constexpr int kDeadlock = sqlstate("40P01");
inline constexpr int kInsufficientPrivilege = sqlstate("42501");
inline constexpr int kSyntaxError = sqlstate("42601");
inline constexpr int kUndefinedColumn = sqlstate("42703");
inline constexpr int kUndefinedObject = sqlstate("42704");
inline constexpr int kDuplicateObject = sqlstate("42710");
inline constexpr int kUndefinedTable = sqlstate("42P01");
inline constexpr int kWrongObjectType = sqlstate("42809");
inline constexpr int kTooManyWorkers = sqlstate("53400");
inline constexpr int kNotInPrerequisiteState = sqlstate("55000");
inline constexpr int kObjectInUse = sqlstate("55006");
inline constexpr int kLockNotAvailable = sqlstate("55P03");
inline constexpr int kQueryCanceled = sqlstate("57014");
inline constexpr int kAdminShutdown = sqlstate("57P01");
inline constexpr int kInternal = sqlstate("XX000");
}  // namespace state

}  // namespace zdm::pg
