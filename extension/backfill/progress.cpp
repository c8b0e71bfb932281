#include "backfill/progress.hpp"

#include <algorithm>
#include <cmath>

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

void Progress::load(std::int64_t rows) {
    totals_ = load_totals(task_);
    totals_.rows = rows;
    wal_seen_ = pgWalUsage.wal_bytes;
}

void Progress::set_pages(std::int64_t all, std::int64_t done) {
    pages_ = all;
    pages_done_ = done;
}

void Progress::add(std::int64_t rows, std::int64_t pages) {
    totals_.rows += rows;
    pages_done_ += pages;
}

void Progress::write(std::int64_t now_ms, const std::string& throttled) {
    written_ms_ = now_ms;
    rate_.observe(now_ms, totals_.rows, pages_done_);
    totals_.wal_bytes += static_cast<std::int64_t>(pgWalUsage.wal_bytes - wal_seen_);
    wal_seen_ = pgWalUsage.wal_bytes;
    const std::int64_t left = std::max<std::int64_t>(0, pages_ - pages_done_);
    merge_result(task_,
                 "{\"rows\":" + std::to_string(totals_.rows) +
                     ",\"wal_bytes\":" + std::to_string(totals_.wal_bytes) +
                     ",\"rows_per_second\":" + json_whole(rate_.rows_per_second()) +
                     ",\"eta_seconds\":" + (left == 0 ? "0" : json_whole(rate_.seconds_for(left))) +
                     ",\"throttled\":" + (throttled.empty() ? "null" : json_text(throttled)) +
                     ",\"throttled_seconds\":" +
                     std::to_string(static_cast<std::int64_t>(totals_.throttled_seconds * 1000)) +
                     "e-3}");
}

}  // namespace zdm::backfill
