#include "run/options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "pressure/hours.hpp"

namespace zdm::run {

namespace {

enum class Kind { number, bytes, flag, hours, text };

struct Known {
    const char* name;
    double least;
    double most;
    const char* meaning;
    Kind kind = Kind::number;
};

constexpr double kNoLimit = std::numeric_limits<double>::max();
constexpr Known kKnown[] = {
    {"batch_target", 1, 10000, "milliseconds a batch may hold row locks, 1 to 10000"},
    {"duty", 0.01, 64,
     "processors kept at work, 0.01 to 64; 1 is one worker that never rests. Without it: 0.2 while "
     "applications are busy, up to 1 while they are not"},
    {"max_rate", 0, kNoLimit, "rows per second, 0 for no limit"},
    {"max_wal_rate", 0, kNoLimit, "WAL per second, such as 20MB, 0 for no limit", Kind::bytes},
    {"max_bad_rows", 0, 100000,
     "rows that can't be changed and are passed over before the backfill stops, 0 to 100000"},
    {"fire_triggers", 0, 0,
     "whether the table's own triggers fire for the rows that are changed, true or false; those of "
     "foreign keys do in any case",
     Kind::flag},
    {"workers", 1, 64, "workers at a table at most, 1 to 64, and no more than zdm.workers"},
    {"standby_grace", 0, 86400,
     "seconds for which old row versions are kept beside a standby without hot_standby_feedback, 0 "
     "to 86400"},
    {"max_replica_lag", 0, kNoLimit, "seconds a standby may be behind, 0 for no limit"},
    {"max_replica_lag_bytes", 0, kNoLimit,
     "WAL that a standby may be behind, such as 64MB, 0 for no limit", Kind::bytes},
    {"max_slot_wal", 0, kNoLimit,
     "WAL that a replication slot may keep, such as 10GB, 0 for no limit", Kind::bytes},
    {"max_archive_backlog", 0, kNoLimit, "WAL files that may wait to be archived, 0 for no limit"},
    {"max_lock_waiters", 0, kNoLimit,
     "processes that may wait for locks of the migration, 0 for no limit"},
    {"max_requested_checkpoints", 0, kNoLimit,
     "checkpoints that WAL may ask for in a minute, 0 for no limit"},
    {"max_active_sessions", 0, kNoLimit, "sessions that may be active, 0 for no limit"},
    {"max_dead_tuples", 0, kNoLimit, "dead rows that the table may have, 0 for no limit"},
    {"min_free_disk", 0, kNoLimit, "disk that must be free, such as 2GB, 0 for no limit",
     Kind::bytes},
    {"allowed_hours", 0, 0, "hours and a time zone, such as 22:00-06:00 Europe/Berlin, or empty",
     Kind::hours},
    {"pressure_query", 0, 0,
     "a SELECT that gives true, or a text, while the backfill is to wait, or empty", Kind::text},
    {"quiet_period", 0, kNoLimit, "seconds without an old application before contract, 0 or more"},
};

const Known* find_known(const std::string& option) {
    for (const auto& known : kKnown)
        if (option == known.name) return &known;
    return nullptr;
}

std::optional<double> number_from(const std::string& text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    if (std::isnan(value) || std::isinf(value)) return std::nullopt;
    return value;
}

// "512", "64MB", "1.5 GB".
std::optional<double> bytes_from(const std::string& text) {
    const auto end = text.find_first_not_of("0123456789.");
    const auto number = number_from(text.substr(0, end));
    if (!number || end == std::string::npos) return number;
    std::string unit = text.substr(end);
    unit.erase(0, unit.find_first_not_of(' '));
    double factor = 1;
    for (const char* known : {"B", "kB", "MB", "GB", "TB"}) {
        if (unit == known) return *number * factor;
        factor *= 1024;
    }
    return std::nullopt;
}

std::optional<double> amount_from(const Known& known, const std::string& text) {
    return known.kind == Kind::bytes ? bytes_from(text) : number_from(text);
}

std::chrono::milliseconds whole_ms(double ms) {
    constexpr double kYear = 366.0 * 86400 * 1000;
    return std::chrono::milliseconds{static_cast<std::int64_t>(ms < kYear ? ms : kYear)};
}

}  // namespace

std::string check_option(const std::string& option, const std::optional<std::string>& value,
                         std::string& hint) {
    const Known* known = find_known(option);
    if (known == nullptr) {
        hint = "Options are:";
        for (const auto& one : kKnown)
            hint += std::string{" "} + one.name + " (" + one.meaning + ");";
        hint.back() = '.';
        return "there is no option \"" + option + "\"";
    }
    hint = option + " is " + known->meaning + ".";
    if (!value) return {};
    if (known->kind == Kind::text) return {};
    if (known->kind == Kind::hours)
        return value->empty() || pressure::hours_from(*value)
                   ? ""
                   : "\"" + *value + "\" are no hours with a time zone";
    if (known->kind == Kind::flag)
        return *value == "true" || *value == "false" ? ""
                                                     : "\"" + *value + "\" is not true or false";
    const auto number = amount_from(*known, *value);
    if (!number)
        return "\"" + *value + "\" is not a " + (known->kind == Kind::bytes ? "size" : "number");
    if (*number < known->least || *number > known->most) return *value + " is out of range";
    return {};
}

backfill::Options apply_options(const std::map<std::string, std::string>& options,
                                backfill::Options result) {
    auto& limits = result.limits;
    const std::pair<const char*, double*> plain[] = {
        {"duty", &result.duty},
        {"max_rate", &result.max_rate},
        {"max_wal_rate", &result.max_wal_rate},
        {"max_replica_lag", &limits.replica_lag},
        {"max_replica_lag_bytes", &limits.replica_lag_bytes},
        {"max_slot_wal", &limits.slot_wal},
        {"max_archive_backlog", &limits.archive_backlog},
        {"max_lock_waiters", &limits.lock_waiters},
        {"max_requested_checkpoints", &limits.requested_checkpoints},
        {"max_active_sessions", &limits.active_sessions},
        {"max_dead_tuples", &limits.dead_tuples},
        {"min_free_disk", &limits.min_free_disk},
    };
    for (const auto& [name, text] : options) {
        const Known* known = find_known(name);
        if (known == nullptr) continue;
        const double value = amount_from(*known, text).value_or(0);
        if (name == "max_bad_rows") result.max_bad_rows = static_cast<std::int64_t>(value);
        if (name == "standby_grace") result.standby_grace = whole_ms(value * 1000);
        if (name == "fire_triggers") result.fire_triggers = text != "false";
        if (name == "batch_target") result.batch_target = whole_ms(value);
        // What the server allows may only be less.
        if (name == "workers") result.workers = std::min(result.workers, static_cast<int>(value));
        if (name == "allowed_hours") limits.allowed_hours = text;
        if (name == "pressure_query") limits.query = text;
        for (const auto& [option, member] : plain)
            if (name == option) *member = value;
    }
    return for_each_worker(result);
}

backfill::Options for_each_worker(backfill::Options all) {
    const double wanted = std::ceil(all.duty);
    all.workers = static_cast<int>(std::clamp(wanted, 1.0, std::max(1.0, double(all.workers))));
    all.duty = std::min(1.0, all.duty / all.workers);
    all.max_rate /= all.workers;
    all.max_wal_rate /= all.workers;
    return all;
}

std::chrono::seconds quiet_period(const std::map<std::string, std::string>& options,
                                  std::chrono::milliseconds fallback) {
    const auto found = options.find("quiet_period");
    const double seconds = found == options.end() ? static_cast<double>(fallback.count()) / 1000
                                                  : number_from(found->second).value_or(0);
    return std::chrono::seconds{static_cast<std::int64_t>(std::ceil(std::min(seconds, 1e9)))};
}

}  // namespace zdm::run
