// Counting rows that a constraint would refuse, or in which old and new columns differ, page range
// by page range, so that no snapshot is held for long.
#include <algorithm>

#include "backfill/engine.hpp"
#include "backfill/state.hpp"
#include "backfill/work.hpp"
#include "pg/fault.hpp"

namespace zdm::backfill {

Matches count_matches(const Task& task, Host& host, const std::string& stage,
                      std::size_t examples) {
    Work work{task, host};
    Matches result;
    std::vector<Tid> some;
    Chunk chunk;
    SweepEnd end = SweepEnd::rewritten;
    while (end == SweepEnd::rewritten) {
        result.rows = 0;
        some.clear();
        Work::Sweep sweep;
        sweep.stage = stage;
        sweep.look_only = true;
        // Counted from the start each time: only one pass has one answer.
        const bool ready = work.with_table([&](Table& table) {
            sweep.filenode = table.filenode();
            const std::uint32_t blocks = table.blocks();
            make_chunks(task, {{task.whole(), sweep.filenode, blocks}},
                        std::max<std::uint32_t>(blocks, 1));
            chunk = load_chunks(task).front();
            work.progress().begin(blocks);
        });
        if (!ready) return result;
        sweep.record = [&](const Batch& batch) {
            if (!work.progress().due(host.now_ms())) return;
            work.advance(chunk, batch.next.block, 0, batch.next.block);
            work.write_progress_when_due();
        };
        sweep.finished = [&](const Batch& batch) {
            result.rows += static_cast<std::int64_t>(batch.rows.size());
            for (const Tid row : batch.rows)
                if (some.size() < examples) some.push_back(row);
        };
        end = work.sweep(chunk.pages, sweep);
    }
    if (end == SweepEnd::stopped) return result;
    const bool ready = work.with_table([&](Table& table) {
        for (const Tid row : some) result.examples.push_back(table.describe(row));
        finish_chunk(task, chunk, result.rows);
        work.progress().write(host.now_ms(), {});
    });
    if (!ready) return result;
    ZDM_FAULT(stage + ":finished");
    result.outcome = Outcome::finished;
    return result;
}

}  // namespace zdm::backfill
