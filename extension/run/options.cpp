#include "run/options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace zdm::run {

namespace {

struct Known {
    const char* name;
    double least;
    double most;
    const char* meaning;
};

constexpr double kNoLimit = std::numeric_limits<double>::max();
constexpr Known kKnown[] = {
    {"batch_target", 1, 10000, "milliseconds a batch may hold row locks, 1 to 10000"},
    {"duty", 0.01, 64, "processors kept at work, 0.01 to 64; 1 is one worker that never rests"},
    {"max_rate", 0, kNoLimit, "rows per second, 0 for no limit"},
    {"max_wal_rate", 0, kNoLimit, "bytes of WAL per second, 0 for no limit"},
    {"workers", 1, 64, "workers at a table at most, 1 to 64"},
    {"max_replica_lag", 0, kNoLimit, "seconds a standby may be behind, 0 for no limit"},
    {"quiet_period", 0, kNoLimit, "seconds without an old application before contract, 0 or more"},
};

std::optional<double> number_from(const std::string& text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    if (std::isnan(value) || std::isinf(value)) return std::nullopt;
    return value;
}

std::chrono::milliseconds whole_ms(double ms) {
    constexpr double kYear = 366.0 * 86400 * 1000;
    return std::chrono::milliseconds{static_cast<std::int64_t>(ms < kYear ? ms : kYear)};
}

}  // namespace

std::string check_option(const std::string& option, const std::string& value, std::string& hint) {
    for (const auto& known : kKnown) {
        if (option != known.name) continue;
        hint = option + " is " + known.meaning + ".";
        const auto number = number_from(value);
        if (!number) return "\"" + value + "\" is not a number";
        if (*number < known.least || *number > known.most) return value + " is out of range";
        return {};
    }
    hint = "Options are:";
    for (const auto& known : kKnown)
        hint += std::string{" "} + known.name + " (" + known.meaning + ");";
    hint.back() = '.';
    return "there is no option \"" + option + "\"";
}

backfill::Options apply_options(const std::map<std::string, std::string>& options,
                                backfill::Options result) {
    for (const auto& [name, text] : options) {
        const double value = number_from(text).value_or(0);
        if (name == "batch_target") result.batch_target = whole_ms(value);
        if (name == "duty") result.duty = value;
        if (name == "max_rate") result.max_rate = value;
        if (name == "max_wal_rate") result.max_wal_rate = value;
        if (name == "workers") result.workers = static_cast<int>(value);
        if (name == "max_replica_lag") result.limits.replica_lag = value;
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
