// Where words go: results to stdout, narration to stderr, a bar below the narration on a terminal.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zdm::cli {

enum class ColorMode { automatic, always, never };

enum class Style { plain, good, bad, warning, strong, faint };

class Console {
public:
    // `json`: results are JSON, narration is left out so that stderr holds only errors, as JSON
    // too.
    Console(ColorMode color, bool json);
    ~Console();
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;

    bool json() const { return json_; }
    // Whether a person can answer a question.
    bool can_ask() const;
    // Whether narration goes to a terminal that can redraw a bar.
    bool has_bar() const { return bar_; }
    int width() const;
    // Symbols beyond ASCII only where the locale says UTF-8.
    std::string_view symbol(std::string_view unicode, std::string_view ascii) const {
        return unicode_ ? unicode : ascii;
    }

    // A line on stdout, one on stderr. Texts may have several lines.
    void result(const std::string& text);
    void narrate(const std::string& text);
    // An error, also with --json.
    void complain(const std::string& text);

    // Shows or replaces the lines below the narration; nothing without a bar.
    void draw(const std::vector<std::string>& lines);

    // Colours of stdout and of stderr; the text itself where there are none.
    std::string out(Style style, std::string_view text) const {
        return paint(color_out_, style, text);
    }
    std::string err(Style style, std::string_view text) const {
        return paint(color_err_, style, text);
    }

    // Asks for yes or no; only y and yes mean yes.
    bool ask(const std::string& question);

private:
    static std::string paint(bool color, Style style, std::string_view text);
    void erase();

    bool json_;
    bool bar_;
    bool unicode_;
    bool color_out_;
    bool color_err_;
    std::vector<std::string> drawn_;
};

// Whether a locale, as LC_ALL, LC_CTYPE and LANG name it, is one of UTF-8.
bool is_utf8_locale(std::string_view locale);

// Cuts a text to so many columns, taking each UTF-8 character for one and escape sequences for
// none.
std::string clipped(std::string_view text, int columns);

// Ctrl-C while one of these lives only sets a flag; a second one ends the program at once.
class Interrupts {
public:
    Interrupts();
    ~Interrupts();
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;

    static bool asked();
};

// Sleeps, or returns early on Ctrl-C.
void pause_for(std::chrono::milliseconds time);

}  // namespace zdm::cli
