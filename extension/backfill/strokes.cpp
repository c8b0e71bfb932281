#include "backfill/strokes.hpp"

#include <algorithm>

#include "pg/bridge.hpp"

namespace zdm::backfill {

namespace {

Strokes* under_way = nullptr;
const std::set<Tid>* left_out = nullptr;

bool is_left_out(const ItemPointerData* row) {
    return left_out->contains(
        {ItemPointerGetBlockNumberNoCheck(row), ItemPointerGetOffsetNumberNoCheck(row)});
}

Datum rest(FunctionCallInfo) {
    under_way->rest();
    return BoolGetDatum(true);
}

}  // namespace

Strokes::Strokes(Host& host, Pacer& pacer, double duty)
    : host_(host), pacer_(pacer), duty_(duty), began_ms_(host.fine_ms()) {
    if (duty < 1) under_way = this;
}

Strokes::~Strokes() { under_way = nullptr; }

void Strokes::rest() {
    const double ended = host_.fine_ms();
    pacer_.worked(ended - began_ms_, duty_);
    // Rows may be locked: what a row that took long is to be rested for comes after the batch.
    const double owed = std::min(pacer_.owed_ms(), 2 * kStrokeMs * (1 - duty_) / duty_);
    if (owed > 0) host_.rest(std::chrono::microseconds{static_cast<std::int64_t>(owed * 1000)});
    const double now = host_.fine_ms();
    if (owed > 0) pacer_.rested(now - ended);
    paid_ms_ += now - began_ms_;
    began_ms_ = now;
}

PassedOver::PassedOver(const std::set<Tid>* rows) {
    left_out = rows == nullptr || rows->empty() ? nullptr : rows;
}

PassedOver::~PassedOver() { left_out = nullptr; }

}  // namespace zdm::backfill

extern "C" {

PG_FUNCTION_INFO_V1(zdm_stroke);

// For each row that a batch reads: nothing but a look at the clock, most of the time.
Datum zdm_stroke(PG_FUNCTION_ARGS) {
    using namespace zdm::backfill;
    if (left_out != nullptr &&
        is_left_out(reinterpret_cast<ItemPointer>(DatumGetPointer(PG_GETARG_DATUM(0)))))
        PG_RETURN_BOOL(false);
    if (under_way == nullptr || !under_way->over()) PG_RETURN_BOOL(true);
    return zdm::pg::boundary(fcinfo, rest);
}
}
