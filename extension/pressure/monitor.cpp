#include "pressure/monitor.hpp"

#include <chrono>
#include <utility>

#include "pg/error.hpp"
#include "pg/transaction.hpp"
#include "pressure/signals.hpp"
#include "pressure/store.hpp"

namespace zdm::pressure {

namespace {

std::int64_t steady_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

Reading blind(const Signal& signal, const Limits& limits, const std::string& why) {
    Reading reading;
    reading.tripped = signal.is_on(limits);
    reading.reason =
        std::string{signal.name()} + " cannot be read: " + why + "; " + signal.remedy();
    return reading;
}

// Somebody's wish that the work stops is none of the signal's.
bool is_wish(const pg::Error& error) {
    return error.sqlstate == pg::state::kQueryCanceled ||
           error.sqlstate == pg::state::kAdminShutdown;
}

}  // namespace

Monitor::Monitor(Subject subject)
    : subject_(std::move(subject)), signals_(make_signals()), board_(signals_.size()) {}

Reading Monitor::read_one(Signal& signal, const Look& look) const {
    try {
        pg::Subtransaction attempt;
        Reading reading = signal.read(look);
        attempt.commit();
        return reading;
    } catch (const Blind& error) {
        return blind(signal, look.limits, error.what());
    } catch (const pg::Error& error) {
        if (is_wish(error)) throw;
        return blind(signal, look.limits, error.what());
    }
}

void Monitor::read(std::int64_t now_ms, const Limits& limits) {
    if (limits != limits_) board_.forget_due();
    limits_ = limits;
    const Look look{now_ms, limits, subject_};
    for (std::size_t i = 0; i < signals_.size(); ++i) {
        if (!board_.due(i, now_ms)) continue;
        Signal& signal = *signals_[i];
        const std::int64_t began = steady_ms();
        Reading reading = read_one(signal, look);
        board_.put(i, std::move(reading), signal.is_on(limits), now_ms, steady_ms() - began,
                   signal.fresh_ms());
    }
}

void Monitor::store(std::int64_t now_ms) {
    const auto news = board_.take_news(now_ms);
    if (news.empty()) return;
    std::vector<Shown> rows;
    for (const std::size_t i : news)
        rows.push_back({signals_[i]->name(), signals_[i]->unit(), board_.reading(i)});
    store_signals(subject_, rows);
}

std::vector<Monitor::Shown> Monitor::all() const {
    std::vector<Shown> rows;
    for (std::size_t i = 0; i < signals_.size(); ++i)
        rows.push_back({signals_[i]->name(), signals_[i]->unit(), board_.reading(i)});
    return rows;
}

}  // namespace zdm::pressure
