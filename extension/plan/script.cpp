#include "plan/script.hpp"

namespace zdm::plan {

void Script::append(const Script& more) {
    for (const auto& [place, partition] : more.about_)
        about_[statements_.size() + place] = partition;
    if (more.key_at_ != 0) {
        key_at_ = statements_.size() + more.key_at_;
        key_ = more.key_;
        key_outside_ = more.key_outside_;
    }
    append(more.statements_);
}

void Script::describe(std::map<std::string, std::string>& parameters) const {
    std::string lines;
    for (const auto& [place, partition] : about_)
        lines += (lines.empty() ? "" : "\n") + std::to_string(place + 1) + " " + partition;
    if (!lines.empty()) parameters["about"] = lines;
    if (key_at_ == 0) return;
    parameters["key_at"] = std::to_string(key_at_);
    parameters["key"] = key_;
    parameters["key_outside"] = key_outside_;
}

}  // namespace zdm::plan
