// The chunks of a step as a queue that several workers take from. Who has one holds a lock that
// ends with its session, so that whatever happens to him, somebody else takes it up.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "backfill/state.hpp"

namespace zdm::backfill {

class Queue {
public:
    explicit Queue(const Task& task) : task_(task) {}
    ~Queue() { give_back(); }
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    // Begins from the first chunk again: they were made anew.
    void rewind() { from_ = 0; }
    // The first chunk that is not done and that nobody else has, ours until give_back(); nullopt
    // when there is none. In a transaction of the caller; one chunk at a time.
    std::optional<Chunk> take();
    void give_back() noexcept;
    // Takes no more chunks of this one's file, which is none of its leaf any more. Whoever began
    // the step makes others in their place.
    void shun(const Chunk& chunk) { shunned_.insert({chunk.leaf.relation, chunk.filenode}); }
    // Whether take() has passed over such a chunk.
    bool has_shunned() const { return has_shunned_; }
    // As take() saw it: chunks that are not done, whoever has them.
    int open() const { return open_; }

private:
    const Task& task_;
    int from_ = 0;  // all before it are done
    int open_ = 0;
    std::set<std::pair<std::uint32_t, std::uint32_t>> shunned_;  // relations and files
    bool has_shunned_ = false;
    std::optional<int> taken_;
};

}  // namespace zdm::backfill
