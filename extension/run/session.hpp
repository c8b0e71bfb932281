// The session of a worker: settings that must not leak in from role or database, and the settings
// that the user's own statements run under.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace zdm::run {

// Neutralises what ALTER ROLE or ALTER DATABASE SET may have put in; outside any transaction.
void reset_session();

// Becomes `role` where the worker had to log in as another one.
void become(std::uint32_t role);

// The settings that decide what a statement means, as they are in this session now.
std::map<std::string, std::string> meaning_settings();

// For the statements of the user: these settings until the scope ends, then zdm's own again.
// Outside any transaction.
class UserSettings {
public:
    explicit UserSettings(const std::map<std::string, std::string>& settings);
    ~UserSettings();
    UserSettings(const UserSettings&) = delete;
    UserSettings& operator=(const UserSettings&) = delete;

private:
    bool changed_ = false;
};

// The same inside a transaction, for one statement: what an abort restores, the destructor does
// too.
class LocalUserSettings {
public:
    explicit LocalUserSettings(const std::map<std::string, std::string>& settings);
    ~LocalUserSettings();
    LocalUserSettings(const LocalUserSettings&) = delete;
    LocalUserSettings& operator=(const LocalUserSettings&) = delete;

private:
    int nest_level_;
};

// The same until the current transaction ends.
void set_local_settings(const std::map<std::string, std::string>& settings);

// Sets a setting for the rest of the current transaction, with the server's own rights.
void set_local(const char* name, const std::string& value);

// Runs statements one by one at top level: transactional ones inside the current transaction. Needs
// a transaction to be open.
void run_statements(const std::string& sql);
// The same, but only those that are wanted; their numbers begin at 1.
void run_statements(const std::string& sql, const std::function<bool(int)>& wanted);
// Runs one statement that manages transactions of its own (CONCURRENTLY), outside any.
void run_alone(const std::string& sql);

}  // namespace zdm::run
