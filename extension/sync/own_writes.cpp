#include "sync/own_writes.hpp"

#include "pg/executor.hpp"

namespace zdm::sync {

namespace {

Oid own_relation = InvalidOid;
Oid own_leaf = InvalidOid;
int own_depth = 0;

// How many triggers are being executed around this call.
int trigger_depth() noexcept { return DatumGetInt32(pg_trigger_depth(nullptr)); }

}  // namespace

OwnWrites::OwnWrites(std::uint32_t relation, std::uint32_t leaf) noexcept
    : relation_(own_relation), leaf_(own_leaf), depth_(own_depth) {
    own_relation = relation;
    own_leaf = leaf;
    own_depth = trigger_depth();
}

OwnWrites::~OwnWrites() {
    own_relation = relation_;
    own_leaf = leaf_;
    own_depth = depth_;
}

bool is_own_write(std::uint32_t relation) noexcept {
    return (own_relation == relation || own_leaf == relation) && trigger_depth() == own_depth + 1;
}

}  // namespace zdm::sync
