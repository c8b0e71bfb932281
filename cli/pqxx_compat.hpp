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

// The SQLSTATE of an error. Before 8, libpqxx leaves it out for some that have a type of
// their own.
inline std::string sqlstate_of(const pqxx::sql_error& error) {
    std::string sqlstate{error.sqlstate()};
#if PQXX_VERSION_MAJOR < 8
    if (!sqlstate.empty()) return sqlstate;
    const auto is = [&error]<typename Type>(const Type*) {
        return dynamic_cast<const Type*>(&error) != nullptr;
    };
    if (is(static_cast<const pqxx::insufficient_privilege*>(nullptr))) return "42501";
    if (is(static_cast<const pqxx::undefined_column*>(nullptr))) return "42703";
    if (is(static_cast<const pqxx::undefined_function*>(nullptr))) return "42883";
    if (is(static_cast<const pqxx::undefined_table*>(nullptr))) return "42P01";
    if (is(static_cast<const pqxx::syntax_error*>(nullptr))) return "42601";
    if (is(static_cast<const pqxx::data_exception*>(nullptr))) return "22000";
    if (is(static_cast<const pqxx::feature_not_supported*>(nullptr))) return "0A000";
    if (is(static_cast<const pqxx::not_null_violation*>(nullptr))) return "23502";
    if (is(static_cast<const pqxx::foreign_key_violation*>(nullptr))) return "23503";
    if (is(static_cast<const pqxx::unique_violation*>(nullptr))) return "23505";
    if (is(static_cast<const pqxx::check_violation*>(nullptr))) return "23514";
    if (is(static_cast<const pqxx::disk_full*>(nullptr))) return "53100";
    if (is(static_cast<const pqxx::out_of_memory*>(nullptr))) return "53200";
#endif
    return sqlstate;
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
