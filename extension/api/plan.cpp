// zdm_plan(sql): the steps that a migration would take.
#include "pg/arguments.hpp"
#include "pg/bridge.hpp"
#include "plan/planner.hpp"
#include "settings.hpp"

#include "pg/postgres.hpp"

namespace {

using zdm::plan::Step;

constexpr int kColumns = 14;

class RowBuilder {
public:
    void text(std::string_view value) {
        nulls_[next_] = value.empty();
        values_[next_++] = value.empty() ? 0 : zdm::pg::text_result(std::string{value});
    }
    void number(std::optional<std::int64_t> value) {
        nulls_[next_] = !value.has_value();
        values_[next_++] = Int64GetDatum(value.value_or(0));
    }
    void integer(int value) {
        nulls_[next_] = value == 0;
        values_[next_++] = Int32GetDatum(value);
    }
    void flag(bool value) {
        nulls_[next_] = false;
        values_[next_++] = BoolGetDatum(value);
    }
    void put(ReturnSetInfo* result) {
        zdm::pg::call(
            [&] { tuplestore_putvalues(result->setResult, result->setDesc, values_, nulls_); });
    }

private:
    Datum values_[kColumns] = {};
    bool nulls_[kColumns] = {};
    int next_ = 0;
};

void put_step(ReturnSetInfo* result, int number, const Step& step) {
    RowBuilder row;
    row.integer(number);
    row.text(zdm::plan::to_text(step.phase));
    row.text(zdm::plan::to_text(step.kind));
    row.text(step.relation);
    row.text(step.command);
    row.text(zdm::plan::to_text(step.lock));
    row.flag(step.scans);
    row.flag(step.rewrites);
    row.number(step.rows);
    row.number(step.bytes);
    row.text(step.note);
    row.text(zdm::plan::undo_sql(step));
    row.flag(step.removal);
    row.integer(step.line);
    row.put(result);
}

}  // namespace

ZDM_FUNCTION(zdm_plan) {
    const std::string sql = zdm::pg::call([&] { return text_to_cstring(PG_GETARG_TEXT_PP(0)); });
    zdm::pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
    const zdm::plan::Plan plan =
        zdm::plan::make_plan(sql, {.small_table_bytes = zdm::settings::small_table_bytes()});
    auto* const result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    for (const auto& note : plan.notes)
        zdm::pg::call([&] { ereport(NOTICE, errmsg_internal("%s", note.c_str())); });
    int number = 0;
    for (const auto& step : plan.steps) put_step(result, ++number, step);
    return 0;
}
