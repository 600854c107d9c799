//! How a result is shown and kept: a small table for people, one JSON line for programs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// Results of one bench under way.
#[derive(Debug)]
pub struct Figures {
    bench: &'static str,
    rows: Vec<(String, String)>,
    values: Map<String, Value>,
}

impl Figures {
    /// Starts the results of a bench, which says first what it does.
    pub fn new(bench: &'static str, what: &str) -> Self {
        say(&format!("\n{bench}: {what}"));
        Self { bench, rows: Vec::new(), values: Map::new() }
    }

    /// Adds a figure: `key` for programs, with the unit last; `label` and `shown` for people.
    pub fn add(&mut self, key: &str, value: impl Into<Value>, label: &str, shown: impl Into<String>) {
        self.values.insert(key.to_owned(), value.into());
        self.rows.push((label.to_owned(), shown.into()));
    }

    /// Adds a figure that only programs read.
    pub fn keep(&mut self, key: &str, value: impl Into<Value>) {
        self.values.insert(key.to_owned(), value.into());
    }

    /// Adds a line that only people read.
    pub fn note(&mut self, label: &str, shown: impl Into<String>) {
        self.rows.push((label.to_owned(), shown.into()));
    }

    /// Prints the table and writes `target/bench/BENCH.json`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> io::Result<()> {
        let width = self.rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        for (label, shown) in &self.rows {
            let padding = " ".repeat(width - label.chars().count());
            say(&format!("  {label}{padding}  {shown}"));
        }
        let directory = target_directory().join("bench");
        fs::create_dir_all(&directory)?;
        let mut line = Map::from_iter([("bench".to_owned(), Value::from(self.bench))]);
        line.extend(self.values);
        fs::write(directory.join(format!("{}.json", self.bench)), format!("{}\n", Value::Object(line)))
    }
}

/// Where cargo builds: the bench itself was built there.
fn target_directory() -> PathBuf {
    let built = std::env::current_exe().ok();
    let target = built.as_deref().and_then(|path| path.ancestors().find(|path| path.ends_with("target")));
    target.map_or_else(|| root().join("target"), Path::to_path_buf)
}

/// The directories of built functions that the command line names, relative to the project; without any,
/// that of the release build.
pub fn directories() -> Vec<PathBuf> {
    let named: Vec<PathBuf> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).map(|path| root().join(path)).collect();
    if named.is_empty() { vec![root().join("target/release")] } else { named }
}

/// The project's own directory.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is in the project").to_path_buf()
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "a bench is read on the terminal")]
pub fn say(line: &str) {
    println!("{line}");
}

/// Values of one thing measured many times.
#[derive(Clone, Debug, Default)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// From values in any order.
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The value that this share of the values does not exceed (nearest rank); 0 without values.
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.saturating_sub(1).min(self.0.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }

    /// The middle one.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The smallest.
    pub fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    /// The largest.
    pub fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Runs `work` on what `prepare` gives, `times` times, and gives the seconds that `work` alone took.
pub fn timed<I, O>(times: usize, mut prepare: impl FnMut() -> I, mut work: impl FnMut(I) -> O) -> Sample {
    let mut seconds = Vec::with_capacity(times);
    for _ in 0..times {
        let input = std::hint::black_box(prepare());
        let started = Instant::now();
        let output = std::hint::black_box(work(input));
        seconds.push(started.elapsed().as_secs_f64());
        drop(output);
    }
    Sample::new(seconds)
}

/// Runs `work` on all of `items`, `times` times over, and gives the seconds that `work` alone took. It gets
/// `batch` of them at a time, copied just before: as something that has just been read, and is read only once.
pub fn timed_as_read<I, T: Clone>(
    times: usize,
    mut prepare: impl FnMut() -> I,
    items: &[T],
    batch: usize,
    mut work: impl FnMut(&mut I, &[T]),
) -> Sample {
    let mut seconds = Vec::with_capacity(times);
    for _ in 0..times {
        let mut input = std::hint::black_box(prepare());
        let mut taken = Duration::ZERO;
        for items in items.chunks(batch) {
            let read = std::hint::black_box(items.to_vec());
            let started = Instant::now();
            work(&mut input, &read);
            taken += started.elapsed();
        }
        std::hint::black_box(input);
        seconds.push(taken.as_secs_f64());
    }
    Sample::new(seconds)
}

/// A number with thin groups of three: `1 234 567`.
pub fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(' ');
        }
        shown.push(digit);
    }
    shown
}

/// Milliseconds of a duration, with their fraction.
pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let sample = Sample::new(vec![3.0, 1.0, 2.0, 4.0]);
        assert_eq!((sample.min(), sample.median(), sample.quantile(0.99), sample.max()), (1.0, 2.0, 4.0, 4.0));
        assert_eq!(Sample::default().median(), 0.0);
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(grouped(1_234_567.4), "1 234 567");
        assert_eq!(grouped(12.0), "12");
    }
}
