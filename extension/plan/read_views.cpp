// Views over a column that is renamed: made on the clones before, and read back after.
#include <algorithm>

#include "pg/bridge.hpp"
#include "plan/ask.hpp"
#include "plan/read_rename.hpp"
#include "plan/replay.hpp"

#include "pg/compat.hpp"

namespace zdm::plan {

namespace {

// $1 the table, $2 the number of the column; views of others are refused before.
constexpr auto kViews =
    "SELECT DISTINCT v.oid, pg_catalog.quote_ident(n.nspname) || '.' ||"
    "  pg_catalog.quote_ident(v.relname), pg_catalog.pg_get_viewdef(v.oid),"
    " pg_catalog.array_to_string(v.reloptions, ', ')"
    " FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid"
    " JOIN pg_catalog.pg_class v ON v.oid = w.ev_class"
    " JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace"
    " WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
    " AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    " AND d.refobjid = $1::oid AND d.refobjsubid = $2 AND v.relkind = 'v'"
    " AND w.rulename = '_RETURN' ORDER BY 2";

std::string clone_of(const pg::Row& row) { return "zdm_view_" + row.text(0); }

struct Named {
    RangeVar** relations;
    int count;
    int room;
};

void note_name(RangeVar* relation, void* context) {
    auto* const named = static_cast<Named*>(context);
    if (named->count == named->room) {
        named->room *= 2;
        named->relations = static_cast<RangeVar**>(
            repalloc(named->relations, sizeof(RangeVar*) * static_cast<std::size_t>(named->room)));
    }
    named->relations[named->count++] = relation;
}

// The relations that a query names, the last one first.
std::vector<RangeVar*> names_in(Node* query) {
    Named named{};
    pg::call([&] {
        named.room = 16;
        named.relations = static_cast<RangeVar**>(palloc(sizeof(RangeVar*) * 16));
        visit_relations(query, note_name, &named);
    });
    std::vector<RangeVar*> names{named.relations, named.relations + named.count};
    std::sort(names.begin(), names.end(),
              [](const RangeVar* a, const RangeVar* b) { return a->location > b->location; });
    return names;
}

// Puts other text in the place of the name at a byte of a statement.
void replace_name(const Source& source, int location, const std::string& by, std::string& text) {
    const auto& tokens = source.tokens();
    std::size_t first = 0;
    while (tokens.at(first).start != location) ++first;
    std::size_t last = first;
    while (last + 2 < tokens.size() && tokens[last + 1].code == '.') last += 2;
    text = text.substr(0, static_cast<std::size_t>(location)) + by +
           text.substr(static_cast<std::size_t>(tokens[last].end));
}

// A name in WITH looks like that of a relation.
bool has_with(const Source& source) {
    for (const auto& token : source.tokens())
        if (source.slice(token.start, token.end) == "WITH") return true;
    return false;
}

}  // namespace

void RenameReader::prepare_views() {
    for (const auto& row : ask(kViews, {std::int64_t{relation().oid}, number_}).rows) {
        const std::string sql = "CREATE VIEW pg_temp." + clone_of(row) + " AS " + row.text(2);
        if (has_with(Source{sql}))
            refuse_piece("view " + row.text(1) + " reads it, and has WITH in its definition", {},
                         "Drop the view before, and make it again when the migration is done.");
        const PinnedText pinned;
        Node* const tree = parse_own(sql);
        r_.redirect_names(tree);
        run_utility(tree, sql);
    }
}

// Names of the clones, which stand alone in the path, become those of the originals.
void RenameReader::read_views(RenameColumn& rename) const {
    for (const auto& row : ask(kViews, {std::int64_t{relation().oid}, number_}).rows) {
        const auto found =
            ask("SELECT pg_catalog.pg_get_viewdef(('pg_temp.' || $1)::regclass)", {clone_of(row)});
        std::string text = "CREATE OR REPLACE VIEW " + row.text(1) +
                           (row.text(3).empty() ? "" : " WITH (" + row.text(3) + ")") + " AS" +
                           found.front().text(0);
        const Source source{text};
        const PinnedText pinned;
        for (RangeVar* const name : names_in(source.statements().front().tree->stmt)) {
            const Oid oid = pg::call([&] { return RangeVarGetRelid(name, NoLock, true); });
            const std::size_t index = r_.clones_.find(oid);
            if (index == kNoTable) continue;
            const Relation& clone = r_.clones_.relation(index);
            if (clone.clone != oid) continue;
            // Else its columns are called by another name, which would stay in the view.
            if (clone.clone_name != clone.name)
                refuse_piece("view " + row.text(1) + " reads it", {},
                             "Drop the view before, and make it again when the migration is done.");
            replace_name(source, name->location, r_.clones_.table(index).qualified, text);
        }
        rename.views.push_back({row.text(1), text});
    }
}

}  // namespace zdm::plan
