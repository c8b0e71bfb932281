#include "plan/partition_names.hpp"

#include <algorithm>

#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "plan/ask.hpp"
#include "plan/text.hpp"

#include "pg/postgres.hpp"
extern "C" {
#include "commands/defrem.h"
}

namespace zdm::plan {

namespace {

// As the server joins them for a name.
std::string joined_columns(std::uint32_t index) {
    std::string joined;
    for (const auto& row : ask("SELECT attname FROM pg_catalog.pg_attribute"
                               " WHERE attrelid = $1::oid ORDER BY attnum",
                               {std::int64_t{index}})
                               .rows) {
        joined += (joined.empty() ? "" : "_") + row.text(0);
        if (joined.size() >= NAMEDATALEN) break;
    }
    return joined;
}

struct Name {
    const std::string& schema;  // quoted
    const std::string& name;
};

bool gives_name(const std::vector<PartitionIndex>& indexes, const Name& wanted) {
    return std::any_of(indexes.begin(), indexes.end(), [&](const PartitionIndex& index) {
        return index.schema == wanted.schema && index.name == wanted.name;
    });
}

// Whether an index or constraint that an earlier statement makes has the name.
bool in_plan(const Facts& facts, const Name& wanted) {
    const auto gives = [&](const auto* made) {
        return made != nullptr && ((made->schema == wanted.schema && made->name == wanted.name) ||
                                   gives_name(made->partitions, wanted));
    };
    return std::any_of(facts.actions.begin(), facts.actions.end(), [&](const Action& action) {
        return gives(std::get_if<CreateIndex>(&action.detail)) ||
               gives(std::get_if<AddUnique>(&action.detail));
    });
}

bool names_constraint(std::uint32_t schema, const std::string& name) {
    return !ask("SELECT FROM pg_catalog.pg_constraint WHERE connamespace = $1::oid"
                " AND conname = $2",
                {std::int64_t{schema}, name})
                .empty();
}

std::string label_of(IndexRole role) {
    switch (role) {
    case IndexRole::index: return "idx";
    case IndexRole::unique_key: return "key";
    case IndexRole::primary_key: return "pkey";
    }
    return "idx";
}

}  // namespace

bool is_taken(const Facts& facts, std::uint32_t schema, const std::string& name) {
    const bool there = !ask("SELECT FROM pg_catalog.pg_class WHERE relnamespace = $1::oid"
                            " AND relname = $2",
                            {std::int64_t{schema}, name})
                            .empty();
    if (!there) return false;
    // A name that an earlier statement drops is free again.
    for (const auto& action : facts.actions)
        if (const auto* drop = std::get_if<DropIndex>(&action.detail))
            if (unquoted(drop->name) == name) return false;
    return true;
}

std::vector<PartitionIndex> name_in_partitions(const Facts& facts,
                                               const std::vector<Member>& members,
                                               const IndexOfAll& wanted) {
    const bool key = wanted.role != IndexRole::index;
    const std::string columns = joined_columns(wanted.index);
    // A primary key's name does not say its columns.
    const char* const middle = wanted.role == IndexRole::primary_key ? nullptr : columns.c_str();
    std::vector<PartitionIndex> made;
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (members[i].foreign) continue;
        const std::string schema = pg::quote_ident(members[i].schema);
        const char* const table = members[i].name.c_str();
        std::string name;
        for (int n = 0; n < 1000; ++n) {
            const std::string label = label_of(wanted.role) + (n == 0 ? "" : std::to_string(n));
            name = pg::call([&] { return makeObjectName(table, middle, label.c_str()); });
            const std::string quoted = pg::quote_ident(name);
            const Name own{schema, quoted};
            const bool of_root = wanted.schema == schema && wanted.name == quoted;
            if (!of_root && !is_taken(facts, members[i].schema_oid, name) &&
                !(key && names_constraint(members[i].schema_oid, name)) && !gives_name(made, own) &&
                !in_plan(facts, own))
                break;
        }
        made.push_back({i, pg::quote_ident(name), schema});
    }
    return made;
}

}  // namespace zdm::plan
