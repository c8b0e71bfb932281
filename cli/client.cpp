#include "cli/client.hpp"

#include <fmt/format.h>

#include "cli/connection.hpp"
#include "cli/failure.hpp"
#include "cli/pqxx_compat.hpp"
#include "cli/server_error.hpp"

namespace zdm::cli {

namespace {

constexpr int kOldestServer = 150000;

std::string text_or(const char* text, const char* otherwise) {
    return text == nullptr || *text == '\0' ? otherwise : text;
}

Rows copy(const pqxx::result& result) {
    auto names = std::make_shared<std::vector<std::string>>();
    for (pqxx::row::size_type c = 0; c < result.columns(); ++c)
        names->emplace_back(result.column_name(c));
    Rows rows;
    for (pqxx::result::size_type r = 0; r < result.size(); ++r) {
        std::vector<Value> values;
        for (pqxx::row::size_type c = 0; c < result.columns(); ++c) {
            const auto field = result[r][c];
            values.push_back(field.is_null() ? Value{} : Value{field.c_str()});
        }
        rows.emplace_back(names, std::move(values));
    }
    return rows;
}

// The server ended this session: shutdown, crash, starting up, or somebody's pg_terminate_backend.
bool means_lost(std::string_view sqlstate) {
    return sqlstate.substr(0, 2) == "08" || sqlstate == "57P01" || sqlstate == "57P02" ||
           sqlstate == "57P03" || sqlstate == "57P05";
}

}  // namespace

std::string Target::text() const { return fmt::format("{}@{}:{}/{}", role, host, port, database); }

// In this order: the receiver must go before the connection, the transaction before both.
struct Client::Connection {
    Connection(const std::string& how, const Notice& notice)
        : link(how), notices(link, [notice](const std::string& text) { notice(text); }) {}

    pqxx::connection link;
    pqxx_compat::NoticeReceiver notices;
    std::unique_ptr<pqxx::work> transaction;
};

Client::Client(std::map<std::string, std::string> keywords, Notice notice)
    : keywords_(std::move(keywords)), notice_(std::move(notice)) {
    connect();
}

Client::~Client() = default;

void Client::connect() {
    connection_.reset();
    try {
        connection_ = std::make_unique<Connection>(connection_string(keywords_), notice_);
    } catch (const std::exception& error) {
        auto why = without_secrets(error.what(), keywords_);
        while (!why.empty() && why.back() == '\n') why.pop_back();
        throw Failure{
            Exit::no_connection, "ZD801", "cannot connect to the server", why,
            "Check -h, -p, -U and -d, or ZDM_DATABASE_URL, DATABASE_URL and PG* variables; "
            "a password comes from ~/.pgpass or PGPASSWORD."};
    }
    auto& link = connection_->link;
    server_version_ = link.server_version();
    target_ = {text_or(link.username(), "?"), text_or(link.hostname(), "local"),
               text_or(pqxx_compat::port_of(link).c_str(), "5432"), text_or(link.dbname(), "?")};
}

void Client::reconnect() { connect(); }

void Client::require_zdm() {
    if (server_version_ < kOldestServer)
        throw Failure{Exit::usage, "ZD505",
                      fmt::format("zdm needs PostgreSQL 15 or newer, this is {}.{}",
                                  server_version_ / 10000, server_version_ % 10000),
                      "Target: " + target_.text() + ".", "Upgrade the server first."};
    const auto rows = query(
        "SELECT pg_catalog.quote_ident(n.nspname) AS schema, e.extversion"
        " FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace"
        " WHERE e.extname = 'zdm'");
    if (rows.empty())
        throw Failure{Exit::usage, "ZD504", "zdm is not installed in this database",
                      "Target: " + target_.text() + ".",
                      "Run there as a superuser: CREATE EXTENSION zdm"};
    schema_ = rows.front().text("schema");
    extension_version_ = rows.front().text("extversion");
}

// Called in a handler: gives what libpqxx threw the project's own shape.
void Client::rethrow() {
    try {
        throw;
    } catch (const pqxx::sql_error& error) {
        const auto sqlstate = pqxx_compat::sqlstate_of(error);
        if (means_lost(sqlstate) || !connection_->link.is_open())
            throw ConnectionLost{parse_server_error(error.what()).message};
        throw failure_from(error.what(), sqlstate);
    } catch (const pqxx::broken_connection& error) {
        throw ConnectionLost{without_secrets(error.what(), keywords_)};
    } catch (const pqxx::in_doubt_error& error) {
        throw ConnectionLost{error.what()};
    } catch (const std::exception& error) {
        // libpqxx 6 says "connection lost" in several ways; the socket tells.
        if (!connection_->link.is_open()) throw ConnectionLost{error.what()};
        throw;
    }
}

Rows Client::query(const std::string& sql, const std::vector<Value>& values) {
    if (connection_ == nullptr) throw ConnectionLost{"not connected"};
    try {
        if (connection_->transaction)
            return copy(pqxx_compat::execute(*connection_->transaction, sql, values));
        pqxx::nontransaction alone{connection_->link};
        return copy(pqxx_compat::execute(alone, sql, values));
    } catch (const Failure&) {
        throw;
    } catch (...) {
        rethrow();
    }
}

void Client::transaction(const std::function<bool()>& body) {
    if (connection_ == nullptr) throw ConnectionLost{"not connected"};
    auto& open = connection_->transaction;
    try {
        open = std::make_unique<pqxx::work>(connection_->link);
        if (body())
            open->commit();
        else
            open->abort();
        open.reset();
    } catch (const Failure&) {
        open.reset();
        throw;
    } catch (...) {
        open.reset();
        rethrow();
    }
}

}  // namespace zdm::cli
