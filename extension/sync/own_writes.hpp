// Marks the writes of zdm's own backfill, which the sync trigger must not take for an
// application's.
#pragma once

#include <cstdint>

namespace zdm::sync {

// While in scope, the statements of this backend that write `relation` directly, or `leaf`, a table
// that inherits from it and has a trigger of its own, are zdm's own: the sync trigger leaves their
// rows as they are. What the relation's other triggers write meanwhile,
// to the same relation too, is an application's and is filled.
class OwnWrites {
public:
    OwnWrites(std::uint32_t relation, std::uint32_t leaf) noexcept;
    ~OwnWrites();
    OwnWrites(const OwnWrites&) = delete;
    OwnWrites& operator=(const OwnWrites&) = delete;

private:
    std::uint32_t relation_;
    std::uint32_t leaf_;
    int depth_;
};

// Whether the row that a trigger on `relation` is called for is zdm's own write. For the trigger.
bool is_own_write(std::uint32_t relation) noexcept;

}  // namespace zdm::sync
