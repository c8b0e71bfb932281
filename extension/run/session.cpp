#include "run/session.hpp"

#include "pg/transaction.hpp"

#include "pg/bridge.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "pgstat.h"
#include "parser/analyze.h"
#include "storage/ipc.h"
#include "tcop/dest.h"
#include "tcop/utility.h"
#include "utils/portal.h"
}

namespace zdm::run {

namespace {

// Both the value after a reset and the value now.
void override_setting(const char* name, const char* value) {
    pg::call([&] { SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE); });
}

void set_session(const char* name, const char* value) {
    pg::call([&] {
        set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
    });
}

constexpr const char* kPinnedPath = "pg_catalog, pg_temp";

// What decides the meaning of a statement, with zdm's own values for them.
struct Meaning {
    const char* name;
    const char* own;  // nullptr: the server's default
};
constexpr Meaning kMeaning[] = {
    {"search_path", kPinnedPath},
    {"TimeZone", nullptr},
    {"DateStyle", nullptr},
    {"IntervalStyle", nullptr},
    {"default_tablespace", nullptr},
    {"default_table_access_method", nullptr},
    {"check_function_bodies", nullptr},
    {"quote_all_identifiers", nullptr},
    {"xmloption", nullptr},
    {"bytea_output", nullptr},
    {"extra_float_digits", nullptr},
    {"standard_conforming_strings", nullptr},
    {"transform_null_equals", nullptr},
    {"default_toast_compression", nullptr},
};

void apply(const std::map<std::string, std::string>& settings, GucAction action) {
    for (const auto& meaning : kMeaning) {
        const auto found = settings.find(meaning.name);
        if (found == settings.end()) continue;
        const char* value = found->second.c_str();
        pg::call([&] {
            set_config_option(meaning.name, value, PGC_SUSET, PGC_S_SESSION, action, true, 0,
                              false);
        });
    }
}

RawStmt* single_statement(const char* sql) {
    List* parsed = pg_parse_query(sql);
    if (list_length(parsed) != 1) elog(ERROR, "expected one statement: %s", sql);
    return linitial_node(RawStmt, parsed);
}

void run_raw(RawStmt* raw, const char* sql, MemoryContext memory) {
    const bool snapshot = analyze_requires_snapshot(raw);
    if (snapshot) PushActiveSnapshot(GetTransactionSnapshot());
    MemoryContext before = MemoryContextSwitchTo(memory);
    List* queries = pg_analyze_and_rewrite_fixedparams(raw, sql, nullptr, 0, nullptr);
    List* plans = pg_plan_queries(queries, sql, CURSOR_OPT_PARALLEL_OK, nullptr);
    MemoryContextSwitchTo(before);
    if (snapshot) PopActiveSnapshot();

    Portal portal = CreatePortal("", true, true);
    portal->visible = false;
    PortalDefineQuery(portal, nullptr, sql, CreateCommandTag(raw->stmt), plans, nullptr);
    PortalStart(portal, nullptr, 0, InvalidSnapshot);
    QueryCompletion completion;
    pg::compat::run_portal(portal, None_Receiver, &completion);
    PortalDrop(portal, false);
}

}  // namespace

void reset_session() {
    struct Fixed {
        const char* name;
        const char* value;
    };
    const Fixed fixed[] = {
        {"search_path", kPinnedPath},
        {"statement_timeout", "0"},
        {"lock_timeout", "0"},
        {"idle_in_transaction_session_timeout", "0"},
        {"idle_session_timeout", "0"},
        {"default_transaction_isolation", "read committed"},
        {"default_transaction_read_only", "off"},
        {"default_transaction_deferrable", "off"},
        {"row_security", "off"},
        {"session_replication_role", "origin"},
        {"max_parallel_workers_per_gather", "0"},
        {"max_parallel_maintenance_workers", "0"},
        {"application_name", "zdm"},
    };
    for (const auto& setting : fixed) override_setting(setting.name, setting.value);
    if (pg::compat::kHasTransactionTimeout) override_setting("transaction_timeout", "0");
}

void become(std::uint32_t role) {
    pg::Transaction transaction;
    // The setting takes the name as it is in the catalog, without quotes.
    const char* name = pg::call([&] { return GetUserNameFromId(role, false); });
    set_session("role", name);
    transaction.commit();
}

std::map<std::string, std::string> meaning_settings() {
    std::map<std::string, std::string> settings;
    for (const auto& meaning : kMeaning) {
        const char* value = pg::call([&] { return GetConfigOption(meaning.name, true, false); });
        if (value != nullptr) settings[meaning.name] = value;
    }
    return settings;
}

UserSettings::UserSettings(const std::map<std::string, std::string>& settings) {
    pg::Transaction transaction;
    apply(settings, GUC_ACTION_SET);
    transaction.commit();
    changed_ = true;
}

UserSettings::~UserSettings() {
    if (!changed_) return;
    try {
        pg::Transaction transaction;
        for (const auto& meaning : kMeaning)
            if (meaning.own != nullptr)
                set_session(meaning.name, meaning.own);
            else
                pg::call([&] {
                    set_config_option(meaning.name, nullptr, PGC_SUSET, PGC_S_SESSION,
                                      GUC_ACTION_SET, true, 0, false);
                });
        transaction.commit();
    } catch (const pg::Error& error) {
        // A worker that can't have its own path back must not go on; it is started again afresh.
        elog(LOG, "zdm worker ends, its settings cannot be restored: %s", error.what());
        proc_exit(1);
    }
}

LocalUserSettings::LocalUserSettings(const std::map<std::string, std::string>& settings)
    : nest_level_(pg::call([] { return NewGUCNestLevel(); })) {
    apply(settings, GUC_ACTION_SAVE);
}

void set_local_settings(const std::map<std::string, std::string>& settings) {
    apply(settings, GUC_ACTION_LOCAL);
}

LocalUserSettings::~LocalUserSettings() { AtEOXact_GUC(false, nest_level_); }

void set_local(const char* name, const std::string& value) {
    pg::call([&] {
        set_config_option(name, value.c_str(), PGC_SUSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
                          false);
    });
}

void run_statements(const std::string& sql) {
    run_statements(sql, [](int) { return true; });
}

void run_statements(const std::string& sql, const std::function<bool(int)>& wanted) {
    const char* const text = sql.c_str();
    List* const parsed = pg::call([&] { return pg_parse_query(text); });
    for (int i = 0; i < list_length(parsed); ++i) {
        if (!wanted(i + 1)) continue;
        pg::call([&] {
            run_raw(list_nth_node(RawStmt, parsed, i), text, CurrentMemoryContext);
            CommandCounterIncrement();
        });
    }
}

void run_alone(const std::string& sql) {
    // Internal commits free the transaction's memory: the parse tree must live outside.
    MemoryContext caller = CurrentMemoryContext;
    MemoryContext memory = pg::call([] {
        return AllocSetContextCreate(TopMemoryContext, "zdm statement", ALLOCSET_DEFAULT_SIZES);
    });
    // Whatever happens, the statement's transaction is over, and nothing points to its text.
    struct End {
        MemoryContext caller;
        MemoryContext memory;
        ~End() {
            AbortOutOfAnyTransaction();
            debug_query_string = nullptr;
            pgstat_report_activity(STATE_IDLE, nullptr);
            MemoryContextSwitchTo(caller);
            MemoryContextDelete(memory);
        }
    } const end{caller, memory};
    pg::call([&] {
        MemoryContextSwitchTo(memory);
        RawStmt* raw = single_statement(sql.c_str());
        debug_query_string = sql.c_str();
        pgstat_report_activity(STATE_RUNNING, sql.c_str());
        SetCurrentStatementStartTimestamp();
        StartTransactionCommand();
        run_raw(raw, sql.c_str(), memory);
        CommitTransactionCommand();
        pgstat_report_stat(false);
    });
}

}  // namespace zdm::run
