// zdm_estimate(table, set, where, options): what a backfill would do.
#include "run/estimate.hpp"

#include <cmath>

#include "api/json_options.hpp"
#include "pg/arguments.hpp"

#include "pg/bridge.hpp"

#include "pg/postgres.hpp"

namespace {

using zdm::backfill::Range;
using zdm::run::Estimate;

constexpr int kColumns = 20;

class RowBuilder {
public:
    void text(const std::string& value) {
        put(PointerGetDatum(zdm::pg::call([&] {
            return cstring_to_text_with_len(value.data(), static_cast<int>(value.size()));
        })));
    }
    void number(std::int64_t value) { put(Int64GetDatum(value)); }
    void integer(int value) { put(Int32GetDatum(value)); }
    void flag(bool value) { put(BoolGetDatum(value)); }
    void null() {
        nulls_[next_] = true;
        put(Datum{0});
    }
    // Whole rows, bytes: down and up, so that the range holds what it held.
    void whole(const Range& range) {
        number(static_cast<std::int64_t>(std::floor(range.low)));
        number(static_cast<std::int64_t>(std::ceil(range.high)));
    }
    void real(const Range& range, double steps) {
        const double low = std::floor(range.low * steps) / steps;
        const double high = std::ceil(range.high * steps) / steps;
        zdm::pg::call([&] {
            put(Float8GetDatum(low));
            put(Float8GetDatum(high));
        });
    }
    void texts(const std::vector<std::string>& values) {
        put(zdm::pg::call([&] {
            const auto count = static_cast<int>(values.size());
            auto* const items = static_cast<Datum*>(palloc(sizeof(Datum) * (values.size() + 1)));
            for (int i = 0; i < count; ++i)
                items[i] = PointerGetDatum(cstring_to_text_with_len(
                    values[static_cast<std::size_t>(i)].data(),
                    static_cast<int>(values[static_cast<std::size_t>(i)].size())));
            return PointerGetDatum(construct_array(items, count, TEXTOID, -1, false, TYPALIGN_INT));
        }));
    }
    Datum row(FunctionCallInfo fcinfo) {
        return zdm::pg::call([&] {
            TupleDesc shape = nullptr;
            if (get_call_result_type(fcinfo, nullptr, &shape) != TYPEFUNC_COMPOSITE)
                elog(ERROR, "zdm_estimate is declared with another result");
            return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values_, nulls_));
        });
    }

private:
    void put(Datum value) { values_[next_++] = value; }

    Datum values_[kColumns] = {};
    bool nulls_[kColumns] = {};
    int next_ = 0;
};

Datum to_row(FunctionCallInfo fcinfo, const Estimate& estimate) {
    const auto& forecast = estimate.forecast;
    RowBuilder row;
    row.text(estimate.relation);
    row.number(estimate.pages);
    row.number(estimate.pages_sampled);
    row.whole(forecast.rows);
    row.integer(estimate.indexes);
    if (estimate.hot)
        row.flag(*estimate.hot);
    else
        row.null();
    row.real(forecast.moved, 1000);
    row.whole(forecast.wal);
    row.whole(forecast.table_growth);
    row.whole(forecast.index_growth);
    row.real(forecast.seconds, 10);
    row.texts(estimate.triggers);
    if (estimate.horizon)
        row.text(*estimate.horizon);
    else
        row.null();
    row.texts(estimate.notes);
    return row.row(fcinfo);
}

}  // namespace

ZDM_FUNCTION(zdm_estimate) {
    const auto where = zdm::pg::maybe_text(fcinfo, 2);
    return to_row(fcinfo, zdm::run::estimate(zdm::api::table_argument(fcinfo, 0),
                                             zdm::pg::text_argument(fcinfo, 1, "set_clause"), where,
                                             zdm::api::options_argument(fcinfo, 3)));
}
