// The only place that knows which libpqxx it is: 6 (Debian 12), 7 (Debian 13), 8 (Debian testing).
#pragma once

#include <pqxx/pqxx>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/rows.hpp"

namespace zdm::cli::pqxx_compat {

// Runs one statement with bound parameters; none is ever pasted.
inline pqxx::result execute(pqxx::transaction_base& work, const std::string& sql,
                            const std::vector<Value>& values) {
#if PQXX_VERSION_MAJOR < 7
    std::vector<const char*> pointers;
    for (const auto& value : values) pointers.push_back(value ? value->c_str() : nullptr);
    return work.exec_params(sql, pqxx::prepare::make_dynamic_params(pointers));
#else
    pqxx::params parameters;
    parameters.reserve(values.size());
    for (const auto& value : values) {
        if (value)
            parameters.append(*value);
        else
            parameters.append();
    }
#if PQXX_VERSION_MAJOR == 7 && PQXX_VERSION_MINOR < 10
    return work.exec_params(sql, parameters);
#else
    return work.exec(sql, parameters);
#endif
#endif
}

// The port of the server; empty when there is none to tell.
inline std::string port_of(const pqxx::connection& connection) {
#if PQXX_VERSION_MAJOR < 8
    // Before 7 this is no const function.
    const char* const port = const_cast<pqxx::connection&>(connection).port();
    return port == nullptr ? "" : port;
#else
    const auto port = connection.port_number();
    return port ? std::to_string(*port) : std::string{};
#endif
}

// Hands NOTICE and WARNING messages on while it lives; must not outlive the connection.
#if PQXX_VERSION_MAJOR < 7 || (PQXX_VERSION_MAJOR == 7 && PQXX_VERSION_MINOR < 10)
class NoticeReceiver : public pqxx::errorhandler {
public:
    NoticeReceiver(pqxx::connection& connection, std::function<void(const std::string&)> receive)
        : pqxx::errorhandler(connection), receive_(std::move(receive)) {}
    bool operator()(char const message[]) noexcept override {
        try {
            receive_(message);
        } catch (const std::exception&) {
            // A message that can't be shown must not end what it is about.
        }
        return false;
    }

private:
    std::function<void(const std::string&)> receive_;
};
#else
class NoticeReceiver {
public:
    NoticeReceiver(pqxx::connection& connection, std::function<void(const std::string&)> receive) {
        connection.set_notice_handler(
            [receive = std::move(receive)](pqxx::zview message) { receive(std::string{message}); });
    }
};
#endif

}  // namespace zdm::cli::pqxx_compat
