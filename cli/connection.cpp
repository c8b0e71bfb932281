#include "cli/connection.hpp"

#include <libpq-fe.h>

#include <cstdlib>
#include <memory>

#include "cli/failure.hpp"

namespace zdm::cli {

namespace {

using Keywords = std::map<std::string, std::string>;

// libpq's own rule for what -d may hold besides a name.
bool is_connection_string(const std::string& text) {
    return text.rfind("postgresql://", 0) == 0 || text.rfind("postgres://", 0) == 0 ||
           text.find('=') != text.npos;
}

Keywords parse(const std::string& text, const char* source) {
    char* said = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options{
        PQconninfoParse(text.c_str(), &said), &PQconninfoFree};
    const std::unique_ptr<char, decltype(&PQfreemem)> complaint{said, &PQfreemem};
    if (options == nullptr)
        // What libpq says quotes the string, and with it perhaps the password.
        throw Failure{Exit::usage,
                      "ZD803",
                      std::string{"the connection string in "} + source + " can't be read",
                      {},
                      "Write it as postgresql://user@host:port/database or as "
                      "'host=… port=… dbname=… user=…'."};
    Keywords keywords;
    for (const auto* option = options.get(); option->keyword != nullptr; ++option)
        if (option->val != nullptr && *option->val != '\0') keywords[option->keyword] = option->val;
    return keywords;
}

}  // namespace

std::optional<std::string> from_environment(const char* name) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
}

Keywords connection_keywords(const ConnectionFlags& flags, const Environment& environment) {
    Keywords keywords;
    if (flags.database && is_connection_string(*flags.database)) {
        // As with psql, such a string says more than -h, -p and -U, and URLs of the environment
        // don't mix with it.
        keywords = parse(*flags.database, "-d");
        if (flags.host) keywords.try_emplace("host", *flags.host);
        if (flags.port) keywords.try_emplace("port", *flags.port);
        if (flags.user) keywords.try_emplace("user", *flags.user);
    } else {
        for (const char* const variable : {"ZDM_DATABASE_URL", "DATABASE_URL"}) {
            const auto url = environment(variable);
            if (!url) continue;
            if (is_connection_string(*url))
                keywords = parse(*url, variable);
            else
                keywords["dbname"] = *url;
            break;
        }
        if (flags.host) {
            keywords["host"] = *flags.host;
            keywords.erase("hostaddr");
        }
        if (flags.port) keywords["port"] = *flags.port;
        if (flags.user) keywords["user"] = *flags.user;
        if (flags.database) keywords["dbname"] = *flags.database;
    }
    // Evidence, logs and gates know this program by its name; files are UTF-8.
    keywords["application_name"] = "zdm";
    keywords["client_encoding"] = "UTF8";
    return keywords;
}

std::string connection_string(const Keywords& keywords) {
    std::string text;
    for (const auto& [keyword, value] : keywords) {
        text += keyword + "='";
        for (const char c : value) {
            if (c == '\'' || c == '\\') text += '\\';
            text += c;
        }
        text += "' ";
    }
    return text;
}

std::string without_secrets(std::string text, const Keywords& keywords) {
    for (const char* const secret : {"password", "sslpassword"}) {
        const auto found = keywords.find(secret);
        if (found == keywords.end() || found->second.empty()) continue;
        for (auto at = text.find(found->second); at != text.npos;
             at = text.find(found->second, at + 3))
            text.replace(at, found->second.size(), "***");
    }
    return text;
}

}  // namespace zdm::cli
