#include "backfill/progress.hpp"

#include <algorithm>
#include <cmath>

#include "backfill/state.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "executor/instrument.h"
}

namespace zdm::backfill {

namespace {

// A JSON string. Names of applications and standbys may hold anything.
std::string json_text(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return out + "\"";
}

std::string json_whole(double number) {
    return number < 0 ? "null" : std::to_string(static_cast<std::int64_t>(std::llround(number)));
}

}  // namespace

void Progress::begin(std::int64_t pages) {
    pages_ = pages;
    throttled_seconds_ = throttled_seconds(task_);
    wal_noted_ = pgWalUsage.wal_bytes;
}

std::int64_t Progress::wal_to_note() {
    wal_asked_ = pgWalUsage.wal_bytes;
    return static_cast<std::int64_t>(wal_asked_ - wal_noted_);
}

void Progress::write(std::int64_t now_ms, const std::string& throttled) {
    if (!shown_) return;
    written_ms_ = now_ms;
    const Totals totals = chunk_totals(task_);
    rate_.observe(now_ms, totals.rows, totals.pages_done);
    const std::int64_t left = std::max<std::int64_t>(0, pages_ - totals.pages_done);
    merge_result(task_,
                 "{\"rows\":" + std::to_string(totals.rows) +
                     ",\"wal_bytes\":" + std::to_string(totals.wal_bytes) +
                     ",\"rows_per_second\":" + json_whole(rate_.rows_per_second()) +
                     ",\"eta_seconds\":" + (left == 0 ? "0" : json_whole(rate_.seconds_for(left))) +
                     ",\"throttled\":" + (throttled.empty() ? "null" : json_text(throttled)) +
                     ",\"throttled_seconds\":" +
                     std::to_string(static_cast<std::int64_t>(throttled_seconds_ * 1000)) + "e-3}");
}

}  // namespace zdm::backfill
