// The connection to the server and the calls of zdm's SQL interface. Knows nothing of what is
// shown.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/rows.hpp"

namespace zdm::cli {

// Who is connected to what, without secrets.
struct Target {
    std::string role;
    std::string host;
    std::string port;
    std::string database;

    std::string text() const;  // "role@host:port/database"
};

class Client {
public:
    using Notice = std::function<void(const std::string&)>;

    // Connects; throws Failure (no_connection). Messages of the server go to `notice`.
    Client(std::map<std::string, std::string> keywords, Notice notice);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Throws Failure (usage) if this server or database can't be worked with: older than 15, or zdm
    // is not installed.
    void require_zdm();

    // One statement in a transaction of its own. Throws Failure, or ConnectionLost.
    Rows query(const std::string& sql, const std::vector<Value>& values = {});

    // Runs `body`, whose queries share one transaction; commits when it returns true.
    void transaction(const std::function<bool()>& body);

    // Connects again after ConnectionLost; throws Failure (no_connection).
    void reconnect();

    // Name of a function of zdm, with the schema that the extension lives in, quoted by the server.
    std::string function(const std::string& name) const { return schema_ + "." + name; }

    const Target& target() const { return target_; }
    int server_version() const { return server_version_; }  // 150018
    const std::string& extension_version() const { return extension_version_; }

private:
    struct Connection;

    void connect();
    [[noreturn]] void rethrow();

    std::map<std::string, std::string> keywords_;
    Notice notice_;
    std::unique_ptr<Connection> connection_;
    Target target_;
    int server_version_ = 0;
    std::string schema_;  // empty: not looked up, or not installed
    std::string extension_version_;
};

}  // namespace zdm::cli
