// Statements of one transaction. Some are about one partition alone: they are left out when that
// has left its table. Pure.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "plan/rename.hpp"

namespace zdm::plan {

class Script {
public:
    Script() = default;
    Script(std::initializer_list<std::string> statements) : statements_(statements) {}

    const Statements& statements() const { return statements_; }
    bool empty() const { return statements_.empty(); }

    void push_back(std::string statement) { statements_.push_back(std::move(statement)); }
    void append(const Statements& more) {
        statements_.insert(statements_.end(), more.begin(), more.end());
    }
    void append(const Script& more);
    // About one partition, qualified.
    void about(const std::string& partition, std::string statement) {
        about_[statements_.size()] = partition;
        push_back(std::move(statement));
    }
    void about(const std::string& partition, const Statements& more) {
        for (const auto& statement : more) about(partition, statement);
    }
    // The next statement gives a partitioned table its primary key: until then each leaf must have
    // one over these columns, also those that came when nobody knew of them. `outside`: how they
    // are called before the transaction.
    void expect_keys(const std::string& columns, const std::string& outside) {
        key_at_ = statements_.size() + 1;
        key_ = columns;
        key_outside_ = outside;
    }
    // What the runner must know of it.
    void describe(std::map<std::string, std::string>& parameters) const;

private:
    Statements statements_;
    std::map<std::size_t, std::string> about_;  // by the place of the statement
    std::size_t key_at_ = 0;                    // number of the statement; 0: there is none
    std::string key_;
    std::string key_outside_;
};

}  // namespace zdm::plan
