//! Words on the terminal: colour only where a person looks, progress that reads well in a log too.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
pub use kairos_backtest::table::{shortened, thousands, wrapped};

/// Width for which the output is laid out, in columns.
pub const COLUMNS: usize = 100;

/// How many times a plain log says how far a long piece of work is.
const PLAIN_STEPS: u64 = 4;

/// Writes one line to standard output. A reader that has gone away (`kairos why … | head`) is no error.
pub fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes one line to standard error: progress and problems, not results.
pub fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// How words are emphasised.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// No emphasis: for files and tests.
    pub const PLAIN: Self = Self { colour: false };

    /// For standard output: colour on a terminal, unless `NO_COLOR` (<https://no-color.org>) is set.
    pub fn stdout() -> Self {
        Self { colour: std::io::stdout().is_terminal() && wants_colour() }
    }

    /// The same for standard error.
    pub fn stderr() -> Self {
        Self { colour: std::io::stderr().is_terminal() && wants_colour() }
    }

    /// What to read first.
    pub fn bold(self, text: impl Display) -> String {
        self.wrap("1", text)
    }

    /// What to read last.
    pub fn dim(self, text: impl Display) -> String {
        self.wrap("2", text)
    }

    /// Good news.
    pub fn good(self, text: impl Display) -> String {
        self.wrap("32", text)
    }

    /// Bad news.
    pub fn bad(self, text: impl Display) -> String {
        self.wrap("1;31", text)
    }

    /// News to look at.
    pub fn attention(self, text: impl Display) -> String {
        self.wrap("33", text)
    }

    fn wrap(self, code: &str, text: impl Display) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}

fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Progress of one piece of work, on standard error: a bar on a terminal, a few plain lines elsewhere.
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
    what: &'static str,
}

impl Progress {
    /// Work on `total` things that are called `what` ("events").
    pub fn counted(total: usize, what: &'static str) -> Self {
        let style = ProgressStyle::with_template("  {bar:40} {human_pos} of {human_len} {msg}  {elapsed}")
            .expect("the template names only known fields");
        Self::start(ProgressBar::new(total as u64).with_style(style), what)
    }

    /// Work whose end is not known; `say` tells how it stands.
    pub fn open(what: &'static str) -> Self {
        let style = ProgressStyle::with_template("  {spinner} {msg}  {elapsed}").expect("the template is plain");
        Self::start(ProgressBar::new_spinner().with_style(style), what)
    }

    fn start(bar: ProgressBar, what: &'static str) -> Self {
        let plain = !std::io::stderr().is_terminal();
        bar.set_draw_target(if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() });
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, plain, what }
    }

    /// Whether nobody sees it move, so that lines have to tell.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// So many more are done.
    pub fn advance(&self, more: usize) {
        let before = self.bar.position();
        self.bar.inc(more as u64);
        let (after, total) = (self.bar.position(), self.bar.length().unwrap_or(0).max(1));
        let step = |position: u64| position * PLAIN_STEPS / total;
        if self.plain && step(after) > step(before) && after < total {
            note(format!("  {} of {} {}", thousands(after), thousands(total), self.what));
        }
    }

    /// How it stands, for work whose end is not known; shown on a terminal only.
    pub fn say(&self, text: impl Display) {
        self.bar.set_message(text.to_string());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_readable() {
        for (number, shown) in
            [(0_u64, "0"), (999, "999"), (1_000, "1,000"), (17_434, "17,434"), (1_234_567, "1,234,567")]
        {
            assert_eq!(thousands(number), shown);
        }
    }

    #[test]
    fn text_is_broken_between_words_and_never_wider_than_asked() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("https://shop.example/long", 10), ["https://s…"]);
        assert_eq!(wrapped("", 10), [""]);
    }

    #[test]
    fn plain_text_has_no_colour_codes() {
        assert_eq!(Style::PLAIN.bad("x"), "x");
        assert_eq!(Style { colour: true }.bold("x"), "\u{1b}[1mx\u{1b}[0m");
    }
}
