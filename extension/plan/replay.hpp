// Running utility statements on the clones, and seeing what they do there.
#pragma once

#include <string>
#include <vector>

#include "plan/clones.hpp"

struct Node;

namespace zdm::plan {

// Runs one utility statement (a raw parse tree) as part of this transaction; `source` is the text
// that its locations point into. Event triggers don't fire.
void run_utility(Node* statement, const std::string& source);
// Parses one statement of our own making and gives its tree without the RawStmt.
Node* parse_own(const std::string& sql);
// Runs one utility statement of our own making.
void run_own(const std::string& sql);

// The qualified name of a clone.
std::string clone_name(const Relation& relation);
// Changes a clone; `command` is what ALTER TABLE says behind its name.
void alter_clone(const Relation& relation, const std::string& command);

// What happens to the clones while it is in scope.
class Watch {
public:
    // Without `locks` it leaves those that are held: within a subtransaction it may not let them
    // go.
    explicit Watch(const Clones& clones, bool locks = true);
    // Locks, scans and rewrites since it began.
    Seen seen() const;

private:
    struct State {
        std::uint32_t clone = 0;
        std::size_t table = 0;
        bool leaf = false;
        std::string file;
        std::int64_t scans = 0;
    };
    std::vector<State> states() const;

    const Clones& clones_;
    std::vector<State> before_;
};

}  // namespace zdm::plan
