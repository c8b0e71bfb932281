#include "pressure/answer.hpp"

namespace zdm::pressure {

Reading judge_answer(const Answer& answer) {
    Reading reading;
    switch (answer.kind) {
    case Answer::Kind::nothing: break;
    case Answer::Kind::boolean:
        reading.tripped = answer.text == "t";
        if (reading.tripped) reading.reason = "pressure_query says so";
        break;
    case Answer::Kind::text:
        reading.tripped = !answer.text.empty();
        reading.reason = answer.text;
        break;
    case Answer::Kind::other:
        throw Blind{"it gives neither a boolean nor a text, but \"" + answer.text + "\""};
    }
    return reading;
}

}  // namespace zdm::pressure
