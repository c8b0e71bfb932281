#include "backfill/range.hpp"

#include <algorithm>
#include <map>

#include "backfill/leaves.hpp"
#include "backfill/state.hpp"
#include "backfill/words.hpp"
#include "pg/fault.hpp"

namespace zdm::backfill {

namespace {

std::vector<Leaf> all_of(const Task& task, const std::vector<Listed>& leaves) {
    std::vector<Leaf> all;
    for (const auto& listed : leaves) {
        if (!listed.fillable) throw not_fillable(task, listed.leaf);
        all.push_back(listed.leaf);
    }
    return all;
}

// Those with chunks of another file.
std::vector<Leaf> rewritten_of(const std::vector<Listed>& leaves,
                               const std::vector<Chunk>& chunks) {
    std::map<std::uint32_t, std::uint32_t> files;
    for (const auto& chunk : chunks) files[chunk.leaf.relation] = chunk.filenode;
    std::vector<Leaf> rewritten;
    for (const auto& listed : leaves) {
        const auto file = files.find(listed.leaf.relation);
        if (file != files.end() && file->second != listed.filenode)
            rewritten.push_back(listed.leaf);
    }
    return rewritten;
}

bool is_among(const std::vector<Listed>& leaves, std::uint32_t relation) {
    return std::any_of(leaves.begin(), leaves.end(),
                       [&](const Listed& listed) { return listed.leaf.relation == relation; });
}

std::uint32_t pages_of(const std::vector<Extent>& extents) {
    std::uint64_t pages = 0;
    for (const auto& extent : extents) pages += extent.blocks;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(pages, UINT32_MAX));
}

std::int64_t pages_of(const std::vector<Chunk>& chunks) {
    std::int64_t pages = 0;
    for (const auto& chunk : chunks) pages += std::int64_t{chunk.pages.end} - chunk.pages.first;
    return pages;
}

// How long leaves are now. Each is opened alone, since somebody may have it locked. False: told to
// stop.
bool measure(Work& work, const std::vector<Leaf>& leaves, std::vector<Extent>& extents) {
    for (const auto& leaf : leaves) {
        work.aim(leaf);
        try {
            const bool ready = work.with_table([&](Table& table) {
                extents.push_back({table.leaf(), table.filenode(), table.blocks()});
            });
            if (!ready) return false;
        } catch (const Gone&) {
            // It has no chunks, or whoever takes one of them finds out.
        }
    }
    return true;
}

void tell_begin(const Task& task, const std::vector<Chunk>& chunks, bool first) {
    std::set<std::uint32_t> relations;
    for (const auto& chunk : chunks) relations.insert(chunk.leaf.relation);
    const auto number = static_cast<std::int64_t>(relations.size());
    const bool whole = number == 1 && relations.contains(task.relation);
    add_event(task, (first ? "begins with " : "the table was rewritten, begins again with ") +
                        counted(pages_of(chunks), "page", "pages") + " of " + task.name + " in " +
                        counted(static_cast<std::int64_t>(chunks.size()), "chunk", "chunks") +
                        (whole       ? ""
                         : task.tree ? " of " + counted(number, "table", "tables")
                                     : " of " + counted(number, "partition", "partitions")));
}

void begin_again(const Task& task, Work& work, const Extent& extent) {
    forget_bad_rows(task, task.step, extent.leaf);
    work.forget_passed_over(extent.leaf);
    const auto each = chunk_pages(extent.blocks);
    make_chunks_anew(task, extent, each);
    const std::int64_t chunks = std::max<std::int64_t>(1, (extent.blocks + each - 1) / each);
    add_event(task, (extent.leaf.relation == task.relation ? "the table"
                     : task.tree                           ? "a child table"
                                                           : "a partition") +
                        std::string{" was rewritten, begins again with "} +
                        counted(extent.blocks, "page", "pages") + " of " + extent.leaf.name +
                        " in " + counted(chunks, "chunk", "chunks"));
}

}  // namespace

std::optional<std::set<std::uint32_t>> fix_range(const Task& task, Work& work,
                                                 [[maybe_unused]] const char* stage, bool begins) {
    std::vector<Listed> leaves;
    std::vector<Chunk> chunks;
    work.in_transaction([&] {
        leaves = list_leaves(task);
        chunks = load_chunks(task);
    });
    // A copy of the database (adopt_database) begins again with all.
    const bool anew =
        chunks.empty() || std::any_of(chunks.begin(), chunks.end(),
                                      [](const Chunk& chunk) { return chunk.filenode == 0; });
    std::vector<Extent> extents;
    if (!measure(work, anew ? all_of(task, leaves) : rewritten_of(leaves, chunks), extents))
        return std::nullopt;
    work.in_transaction([&] {
        if (anew || begins) forget_bad_rows(task, task.step);
        if (anew) {
            work.forget_passed_over();
            make_chunks(task, extents, chunk_pages(pages_of(extents)));
            tell_begin(task, load_chunks(task), chunks.empty());
        } else {
            // Of thousands of chunks one is enough to end all of its leaf.
            std::set<std::uint32_t> let;
            for (const auto& chunk : chunks)
                if (!chunk.done && !is_among(leaves, chunk.leaf.relation) &&
                    let.insert(chunk.leaf.relation).second)
                    let_go(task, chunk.leaf.relation,
                           Gone{task, chunk.leaf,
                                chunk.leaf.name.empty() ? "was dropped" : task.left()}
                               .what_happened);
            for (const auto& extent : extents) begin_again(task, work, extent);
        }
        work.progress().begin(pages_of(load_chunks(task)));
        ZDM_FAULT(stage + std::string{":chunks_before_commit"});
    });
    std::set<std::uint32_t> made;
    for (const auto& extent : extents) made.insert(extent.leaf.relation);
    return made;
}

}  // namespace zdm::backfill
