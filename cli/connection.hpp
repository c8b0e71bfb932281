// Where to connect: flags, then ZDM_DATABASE_URL, then DATABASE_URL, then what libpq finds by
// itself.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

namespace zdm::cli {

// The flags, as psql has them; `database` may be a connection string or a URI.
struct ConnectionFlags {
    std::optional<std::string> host;
    std::optional<std::string> port;
    std::optional<std::string> user;
    std::optional<std::string> database;
};

using Environment = std::function<std::optional<std::string>(const char* name)>;

// The process's own environment; an empty variable counts as none.
std::optional<std::string> from_environment(const char* name);

// The keywords to connect with. Throws Failure (usage) for a connection string that libpq can't
// read; its message never holds the string itself, which may hold a password.
std::map<std::string, std::string> connection_keywords(const ConnectionFlags& flags,
                                                       const Environment& environment);

// The keywords as one connection string.
std::string connection_string(const std::map<std::string, std::string>& keywords);

// Takes the values of secret keywords out of a text that goes to the user.
std::string without_secrets(std::string text, const std::map<std::string, std::string>& keywords);

}  // namespace zdm::cli
