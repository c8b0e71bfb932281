#include "pressure/board.hpp"

#include <algorithm>
#include <utility>

namespace zdm::pressure {

bool Board::due(std::size_t signal, std::int64_t now_ms) const {
    return now_ms >= entries_[signal].due_ms;
}

bool Board::any_due(std::int64_t now_ms) const {
    return std::any_of(entries_.begin(), entries_.end(),
                       [&](const Entry& entry) { return now_ms >= entry.due_ms; });
}

void Board::put(std::size_t signal, Reading reading, bool on, std::int64_t now_ms,
                std::int64_t took_ms, std::int64_t fresh_ms) {
    Entry& entry = entries_[signal];
    const bool flipped = !entry.read || entry.reading.tripped != reading.tripped;
    urgent_ |= flipped;
    entry.changed |= flipped || reading.tripped || entry.reading.value != reading.value ||
                     entry.reading.limit != reading.limit || entry.reading.reason != reading.reason;
    entry.reading = std::move(reading);
    entry.read = true;
    entry.wrote = 0;
    // One that took long may only have waited for a processor, or for others.
    const std::int64_t cost_ms = std::min(took_ms, std::exchange(entry.took_ms, took_ms));
    entry.due_ms = now_ms + std::max({on ? fresh_ms : kOffMs, fresh_ms, 20 * cost_ms});
}

void Board::wrote(double bytes) {
    for (Entry& entry : entries_) {
        entry.wrote += bytes;
        if (entry.pressing()) entry.due_ms = INT64_MIN;
    }
}

bool Board::pressing() const {
    return std::any_of(entries_.begin(), entries_.end(),
                       [](const Entry& entry) { return entry.pressing(); });
}

void Board::forget_due() {
    for (Entry& entry : entries_) entry.due_ms = INT64_MIN;
}

bool Board::tripped() const {
    return std::any_of(entries_.begin(), entries_.end(),
                       [](const Entry& entry) { return entry.reading.tripped; });
}

std::string Board::reasons() const {
    std::vector<std::string> all;
    for (const Entry& entry : entries_)
        if (entry.reading.tripped &&
            std::find(all.begin(), all.end(), entry.reading.reason) == all.end())
            all.push_back(entry.reading.reason);
    std::string text;
    for (const auto& reason : all) text += (text.empty() ? "" : "; ") + reason;
    return text;
}

std::vector<std::size_t> Board::take_news(std::int64_t now_ms) {
    if (!urgent_ && now_ms - written_ms_ < kWriteMs) return {};
    std::vector<std::size_t> news;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        Entry& entry = entries_[i];
        if (!entry.read) continue;
        if (!entry.changed && now_ms - entry.written_ms < kRefreshMs) continue;
        entry.changed = false;
        entry.written_ms = now_ms;
        news.push_back(i);
    }
    urgent_ = false;
    if (!news.empty()) written_ms_ = now_ms;
    return news;
}

}  // namespace zdm::pressure
