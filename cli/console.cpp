#include "cli/console.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/connection.hpp"
#include "cli/exit_codes.hpp"

namespace zdm::cli {

namespace {

volatile std::sig_atomic_t interrupted = 0;

extern "C" void zdm_on_interrupt(int) {
    // Nothing here answers to the first one, e.g. while connecting: end as it would without us.
    if (interrupted != 0) _exit(code(Exit::detached));
    interrupted = 1;
}

std::string locale_name() {
    for (const char* const name : {"LC_ALL", "LC_CTYPE", "LANG"})
        if (const auto value = from_environment(name)) return *value;
    return "C";
}

void write(std::FILE* file, const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), file);
    std::fflush(file);
}

std::string with_end(const std::string& text) {
    return !text.empty() && text.back() == '\n' ? text : text + '\n';
}

}  // namespace

Console::Console(ColorMode color, bool json) : json_(json) {
    const auto term = from_environment("TERM");
    const bool dumb = !term || *term == "dumb";
    const bool colorful = !dumb && !from_environment("NO_COLOR");
    const auto colors = [&](int fd) {
        return color == ColorMode::always ||
               (color == ColorMode::automatic && colorful && isatty(fd) == 1);
    };
    bar_ = !json && !dumb && isatty(STDERR_FILENO) == 1;
    unicode_ = is_utf8_locale(locale_name());
    color_out_ = colors(STDOUT_FILENO);
    color_err_ = colors(STDERR_FILENO);
}

Console::~Console() { erase(); }

bool Console::can_ask() const {
    return !json_ && isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

int Console::width() const {
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

void Console::result(const std::string& text) {
    erase();
    write(stdout, with_end(text));
}

void Console::narrate(const std::string& text) {
    if (json_) return;
    const auto lines = drawn_;
    erase();
    write(stderr, with_end(text));
    draw(lines);
}

void Console::complain(const std::string& text) {
    erase();
    std::fflush(stdout);
    write(stderr, with_end(text));
}

void Console::draw(const std::vector<std::string>& lines) {
    if (!bar_ || lines == drawn_) return;
    erase();
    std::string text;
    // One column is left free: a line that fills the last one wraps on some terminals.
    for (const auto& line : lines) text += clipped(line, width() - 1) + "\033[0m\n";
    write(stderr, text);
    drawn_ = lines;
}

void Console::erase() {
    if (drawn_.empty()) return;
    // The terminal may have written ^C there.
    std::string text = "\r\033[K";
    for (std::size_t i = 0; i < drawn_.size(); ++i) text += "\033[1A\033[2K";
    write(stderr, text);
    drawn_.clear();
}

std::string Console::paint(bool color, Style style, std::string_view text) {
    if (!color || style == Style::plain) return std::string{text};
    const char* start = "";
    switch (style) {
    case Style::plain: break;
    case Style::good: start = "\033[32m"; break;
    case Style::bad: start = "\033[31m"; break;
    case Style::warning: start = "\033[33m"; break;
    case Style::strong: start = "\033[1m"; break;
    case Style::faint: start = "\033[2m"; break;
    }
    return start + std::string{text} + "\033[0m";
}

bool Console::ask(const std::string& question) {
    erase();
    write(stderr, question + " [y/N] ");
    std::string answer;
    if (!std::getline(std::cin, answer)) {
        write(stderr, "\n");
        return false;
    }
    return answer == "y" || answer == "Y" || answer == "yes" || answer == "Yes" || answer == "YES";
}

bool is_utf8_locale(std::string_view locale) {
    const auto dot = locale.find('.');
    if (dot == locale.npos) return false;
    std::string charset;
    for (const char c : locale.substr(dot + 1, locale.find('@') - dot - 1)) {
        if (c == '-') continue;
        charset += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return charset == "utf8";
}

std::string clipped(std::string_view text, int columns) {
    std::string out;
    int used = 0;
    for (std::size_t i = 0; i < text.size();) {
        std::size_t length = 1;
        if (text[i] == '\033') {
            while (i + length < text.size() && text[i + length] != 'm') ++length;
            ++length;
        } else {
            if (used == columns) break;
            while (i + length < text.size() && (text[i + length] & 0xC0) == 0x80) ++length;
            ++used;
        }
        out += text.substr(i, length);
        i += length;
    }
    return out;
}

Interrupts::Interrupts() {
    struct sigaction action {};
    action.sa_handler = zdm_on_interrupt;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, nullptr);
}

Interrupts::~Interrupts() {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, nullptr);
}

bool Interrupts::asked() { return interrupted != 0; }

void pause_for(std::chrono::milliseconds time) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
    timespec left{};
    left.tv_sec = seconds.count();
    left.tv_nsec = std::chrono::nanoseconds{time - seconds}.count();
    // A signal ends the sleep, which is the point.
    nanosleep(&left, nullptr);
}

}  // namespace zdm::cli
