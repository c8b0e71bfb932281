#include "cli/server_error.hpp"

#include <array>
#include <charconv>
#include <optional>

#include "cli/quantity.hpp"

namespace zdm::cli {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
    return text;
}

// The number at the start of the text, which is cut off; nothing when there is none.
std::optional<int> take_number(std::string_view& text) {
    int number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

bool starts(std::string_view text, std::string_view with) {
    return text.substr(0, with.size()) == with;
}

// "LINE 3: …": where libpq shows the place in the query that it sent, which is ours, not the
// user's.
bool is_cursor_line(std::string_view line) {
    if (!starts(line, "LINE ")) return false;
    line.remove_prefix(5);
    return take_number(line).has_value() && starts(line, ":");
}

}  // namespace

ServerError parse_server_error(std::string_view text) {
    ServerError error;
    text = trimmed(text);
    // "ERROR:  message", the first word in the server's language.
    if (const auto colon = text.find(":  "); colon != text.npos && colon < text.find('\n'))
        text.remove_prefix(colon + 3);
    std::string ignored;
    std::string* current = &error.message;
    // libpq writes the fields in this order; each may have many lines.
    const std::array<std::pair<std::string_view, std::string*>, 5> fields = {
        {{"DETAIL:  ", &error.detail},
         {"HINT:  ", &error.hint},
         {"QUERY:  ", &ignored},
         {"CONTEXT:  ", &ignored},
         {"LOCATION:  ", &ignored}}};
    std::size_t next_field = 0;
    bool first = true;
    while (!text.empty()) {
        auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (current == &error.message && is_cursor_line(line)) {
            current = &ignored;
            continue;
        }
        for (std::size_t i = next_field; i < fields.size(); ++i) {
            if (!starts(line, fields[i].first)) continue;
            line.remove_prefix(fields[i].first.size());
            current = fields[i].second;
            next_field = i + 1;
            first = true;
            break;
        }
        if (!first) *current += '\n';
        *current += line;
        first = false;
    }
    error.spot = find_spot(error.message);
    if (error.spot.line == 0) error.spot = find_spot(error.detail);
    return error;
}

std::string zd_code(std::string_view message) {
    if (message.size() < 6 || !starts(message, "ZD") || message[5] != ':') return {};
    for (int i = 2; i < 5; ++i)
        if (!is_digit(message[static_cast<std::size_t>(i)])) return {};
    return std::string{message.substr(0, 5)};
}

Spot find_spot(std::string_view text) {
    for (auto at = text.find("line "); at != text.npos; at = text.find("line ", at + 1)) {
        if (at > 0 && text[at - 1] != ' ' && text[at - 1] != '(') continue;
        auto rest = text.substr(at + 5);
        const auto line = take_number(rest);
        if (!line || *line < 1) continue;
        Spot spot{*line, 0};
        if (starts(rest, ", column ")) {
            rest.remove_prefix(9);
            spot.column = take_number(rest).value_or(0);
        }
        return spot;
    }
    return {};
}

Exit exit_for(std::string_view zd_code, std::string_view sqlstate) {
    if (!zd_code.empty()) {
        if (zd_code == "ZD305") return Exit::busy;
        if (zd_code == "ZD306") return Exit::timeout;
        switch (zd_code[2]) {
        case '0':
        case '1':
        case '3':
        case '5':
        case '6': return Exit::usage;
        case '4': return Exit::gate;
        default: return Exit::failed;
        }
    }
    const auto cls = sqlstate.substr(0, 2);
    if (cls == "08" || cls == "28") return Exit::no_connection;
    // Bad values, names that do not exist, syntax and privileges: the statement did nothing.
    if (cls == "22" || cls == "42" || cls == "0A" || cls == "3F") return Exit::usage;
    if (sqlstate == "55006" || sqlstate == "55P03") return Exit::busy;
    return Exit::failed;
}

namespace {

// The name in "('it''s', …)" at the start of a text, and how long all up to ")" is; nothing if it
// is not like that.
struct Call {
    std::string name;
    bool forced = false;
    bool keeps = false;
    bool to_switched = false;
    std::size_t length = 0;
};

std::optional<Call> read_call(std::string_view text) {
    if (!starts(text, "('")) return std::nullopt;
    Call call;
    std::size_t at = 2;
    for (;; ++at) {
        if (at >= text.size()) return std::nullopt;
        if (text[at] == '\'') {
            if (at + 1 >= text.size() || text[at + 1] != '\'') break;
            ++at;
        }
        call.name += text[at];
    }
    const auto end = text.find(')', at);
    if (end == text.npos) return std::nullopt;
    const auto options = text.substr(at, end - at);
    call.forced = options.find("force => true") != options.npos;
    call.to_switched = options.find("'switched'") != options.npos;
    call.keeps = options.find("keep => true") != options.npos;
    call.length = end + 1;
    return call;
}

}  // namespace

std::string as_commands(std::string_view hint) {
    static constexpr std::array<std::string_view, 7> kCalls = {
        "CALL zdm_wait", "zdm_switch", "zdm_contract", "zdm_rollback",
        "zdm_resume",    "zdm_pause",  "zdm_wait"};
    std::string out;
    while (!hint.empty()) {
        std::size_t taken = 0;
        for (const auto function : kCalls) {
            if (!starts(hint, function)) continue;
            const auto call = read_call(hint.substr(function.size()));
            if (!call) {
                out += "zdm " + std::string{function.substr(function.find("zdm_") + 4)};
                taken = function.size();
                break;
            }
            out += "zdm " + std::string{function.substr(function.find("zdm_") + 4)} + " " +
                   shell_word(call->name);
            if (call->forced) out += " --force --reason '...'";
            if (call->to_switched) out += " --for switched";
            if (call->keeps) out += " --keep";
            taken = function.size() + call->length;
            break;
        }
        if (taken == 0) {
            out += hint.front();
            taken = 1;
        }
        hint.remove_prefix(taken);
    }
    return out;
}

Failure failure_from(std::string_view text, std::string_view sqlstate) {
    auto error = parse_server_error(text);
    auto code = zd_code(error.message);
    const auto exit = exit_for(code, sqlstate);
    if (!code.empty()) {
        error.message.erase(0, 6);
        error.message.erase(0, error.message.find_first_not_of(' '));
    }
    Failure failure{exit, std::move(code), error.message, std::move(error.detail),
                    as_commands(error.hint)};
    failure.sqlstate = sqlstate;
    failure.spot = error.spot;
    return failure;
}

}  // namespace zdm::cli
