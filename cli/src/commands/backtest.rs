//! `kairos backtest`: what a playbook would have done with recorded events.

use std::fs::File;
use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kairos_backtest::page::page;
use kairos_backtest::table::{Details, Tone, lines};
use kairos_backtest::{Format, Gates, Options, Progress, PurchaseColumns, Reachable, Report};
use kairos_cloud::clock::SystemClock;
use kairos_engine::money::Currency;
use kairos_engine::program::Program;
use kairos_engine::time::Span;
use kairos_protocol::port::Clock;

use super::Done;
use super::check::checked;
use crate::terminal::{Style, line, note, thousands};

/// Exit code of a playbook or a recording that is not understood.
const EXIT_BAD_INPUT: u8 = 2;

/// How often the progress is shown anew.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// How many cores are taken when the machine does not tell how many it has.
const THREADS_WITHOUT_KNOWING: usize = 1;

/// What to play, and what to ask of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 done and every gate holds, 1 a gate is broken, 2 the playbook or the recording is not understood.

Formats are told apart by what is in the files, plain or gzip:
  segment    calls of the Segment spec, one or a batch in each line (as in S3 archives)
  ga4        rows of Google Analytics 4's BigQuery export, one JSON object in each line
  rees46     REES46's open data: CSV
  purchases  what was bought, when, by whom: CSV, such as UCI's Online Retail")]
pub struct Arguments {
    /// The playbook's folder
    pub playbook: PathBuf,
    /// Files of events, in the order of time; `-` reads standard input
    #[arg(required = true, value_name = "EVENTS")]
    pub events: Vec<PathBuf>,
    /// Another playbook to compare with, usually the one in force
    #[arg(long, value_name = "PLAYBOOK")]
    against: Option<PathBuf>,
    /// List whose messages differ, by user id
    #[arg(long, requires = "against")]
    users: bool,
    /// Show every day
    #[arg(long)]
    days: bool,
    /// Write the report as JSON to standard output
    #[arg(long)]
    json: bool,
    /// Write the report as a page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// The format of the files, when what is in them does not tell
    #[arg(long, value_parser = format, help_heading = "Recording")]
    format: Option<Format>,
    /// Fail when any row is not understood
    #[arg(long, help_heading = "Recording")]
    strict: bool,
    /// How late an event may stand in the recording to be brought into the order of time, as in 30m; one hour
    /// without it, 25 for GA4's rows, which stand in no order
    #[arg(long, value_parser = span_or_none, help_heading = "Recording")]
    window: Option<Span>,
    /// How long the clock runs on after the last event, as in 7d
    #[arg(long, default_value = "0", value_parser = span_or_none, help_heading = "Recording")]
    until: Span,
    /// The source that events come through where they do not say; `import`, `server` or the first one
    #[arg(long, help_heading = "Recording")]
    source: Option<String>,
    /// The currency of amounts without one, as in EUR
    #[arg(long, value_parser = currency, help_heading = "Recording")]
    currency: Option<Currency>,
    /// How people can be reached when the recording has no addresses: email, sms, both or nobody
    #[arg(long, default_value = "email", value_parser = ["email", "sms", "both", "nobody"], help_heading = "Recording")]
    assume_reachable: String,
    /// Take visitors for reachable, too
    #[arg(long, help_heading = "Recording")]
    assume_visitors_reachable: bool,
    /// How many cores work on it; all without it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1_024), help_heading = "Recording")]
    threads: Option<u16>,

    /// Column of purchases: who bought
    #[arg(long, value_name = "NAME", help_heading = "Columns of purchases")]
    customer_column: Option<String>,
    /// Column of purchases: when
    #[arg(long, value_name = "NAME", help_heading = "Columns of purchases")]
    date_column: Option<String>,
    /// Column of purchases: the product's id
    #[arg(long, value_name = "NAME", help_heading = "Columns of purchases")]
    product_column: Option<String>,
    /// Column of purchases: how many
    #[arg(long, value_name = "NAME", help_heading = "Columns of purchases")]
    quantity_column: Option<String>,
    /// Column of purchases: the price of one
    #[arg(long, value_name = "NAME", help_heading = "Columns of purchases")]
    price_column: Option<String>,
    /// Column of purchases: the amount of the whole row
    #[arg(long, value_name = "NAME", help_heading = "Columns of purchases")]
    total_column: Option<String>,
    /// Column of purchases: what the order is called
    #[arg(long, value_name = "NAME", help_heading = "Columns of purchases")]
    order_column: Option<String>,

    /// Fail when messages grow by more, as in 10%
    #[arg(long, value_parser = percent, requires = "against", help_heading = "Gates")]
    max_sends_growth: Option<f64>,
    /// Fail when messages shrink by more
    #[arg(long, value_parser = percent, requires = "against", help_heading = "Gates")]
    max_sends_drop: Option<f64>,
    /// Fail when the messages of a single play grow by more
    #[arg(long, value_parser = percent, requires = "against", help_heading = "Gates")]
    max_play_sends_growth: Option<f64>,
    /// Fail when one person would get more messages within seven days
    #[arg(long, value_name = "N", help_heading = "Gates")]
    max_sends_per_user_per_week: Option<u64>,
    /// Fail when there would be more messages altogether
    #[arg(long, value_name = "N", help_heading = "Gates")]
    max_sends: Option<u64>,
}

/// Plays the recording and shows the report.
///
/// # Errors
/// When the page cannot be written. A recording that is not understood is exit code 2.
pub fn run(arguments: &Arguments) -> Done {
    let bad_input = ExitCode::from(EXIT_BAD_INPUT);
    let Some(program) = program(&arguments.playbook)? else { return Ok(bad_input) };
    let against = match &arguments.against {
        Some(folder) => match self::program(folder)? {
            Some(against) => Some(against),
            None => return Ok(bad_input),
        },
        None => None,
    };
    let error = Style::stderr().bad("error:");
    let (files, bytes) = match files(&arguments.events) {
        Ok(files) => files,
        Err(what) => {
            note(format!("{error} {what}"));
            return Ok(bad_input);
        }
    };
    let options = options(arguments);
    let started = Instant::now();
    let mut report =
        match watched(bytes, |progress| kairos_backtest::run(&program, against.as_ref(), files, &options, progress)) {
            Ok(report) => report,
            Err(what) => {
                note(format!("{error} {what}"));
                return Ok(bad_input);
            }
        };
    let seconds = started.elapsed().as_secs_f64();
    report.gates = gates(arguments).check(&report);
    if arguments.json {
        line(serde_json::to_string_pretty(&report)?);
    } else {
        let style = Style::stdout();
        let paint = |tone: Tone, text: &str| match tone {
            Tone::Bold => style.bold(text),
            Tone::Dim => style.dim(text),
            Tone::Good => style.good(text),
            Tone::Bad => style.bad(text),
            Tone::Attention => style.attention(text),
        };
        lines(&report, Details { days: arguments.days }, &paint).iter().for_each(line);
    }
    if let Some(file) = &arguments.html {
        std::fs::write(file, page(&report)).map_err(|what| format!("{} cannot be written: {what}", file.display()))?;
        note(format!("The page is {}.", file.display()));
    }
    effort(&report, seconds, options.threads);
    if arguments.strict && report.recording.wrong_rows > 0 {
        let rows = match report.recording.wrong_rows {
            1 => "1 row was".to_owned(),
            count => format!("{} rows were", thousands(count)),
        };
        note(format!("{error} {rows} not understood, and --strict does not pass over that"));
        return Ok(bad_input);
    }
    let broken = report.gates.iter().filter(|gate| !gate.holds);
    for gate in broken.clone() {
        note(format!("{} {}: {}", Style::stderr().bad("broken:"), gate.asked, gate.found));
    }
    Ok(if broken.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The playbook, ready to run, or none after its problems were shown.
fn program(folder: &Path) -> Result<Option<Program>, Box<dyn std::error::Error + Send + Sync>> {
    let Some(playbook) = checked(folder) else { return Ok(None) };
    Program::new(playbook).map(Some).map_err(|error| format!("{}: {error}", folder.display()).into())
}

/// The files, opened, and their size together when it is known.
fn files(paths: &[PathBuf]) -> Result<(Vec<kairos_backtest::File>, Option<u64>), String> {
    let mut files = Vec::new();
    let mut bytes = Some(0);
    for path in paths {
        let name = path.display().to_string();
        if path.as_os_str() == "-" {
            if stdin().is_terminal() {
                return Err("standard input is the keyboard: pipe events into it, or name a file".to_owned());
            }
            files.push(kairos_backtest::File { name: "standard input".to_owned(), input: Box::new(stdin()) });
            bytes = None;
            continue;
        }
        let file = File::open(path).map_err(|error| format!("{name} cannot be opened: {error}"))?;
        let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
        bytes = bytes.and_then(|bytes| Some(bytes + size?));
        files.push(kairos_backtest::File { name, input: Box::new(file) });
    }
    Ok((files, bytes))
}

fn options(arguments: &Arguments) -> Options {
    let all = || std::thread::available_parallelism().map_or(THREADS_WITHOUT_KNOWING, usize::from);
    let by = arguments.assume_reachable.as_str();
    Options {
        format: arguments.format,
        purchases: PurchaseColumns {
            customer: arguments.customer_column.clone(),
            date: arguments.date_column.clone(),
            product: arguments.product_column.clone(),
            quantity: arguments.quantity_column.clone(),
            price: arguments.price_column.clone(),
            total: arguments.total_column.clone(),
            order: arguments.order_column.clone(),
        },
        window: arguments.window,
        until: arguments.until,
        threads: arguments.threads.map_or_else(all, usize::from),
        now: SystemClock.now(),
        source: arguments.source.clone(),
        currency: arguments.currency,
        reachable: Reachable {
            email: matches!(by, "email" | "both"),
            sms: matches!(by, "sms" | "both"),
            visitors: arguments.assume_visitors_reachable,
        },
        users: arguments.users,
    }
}

fn gates(arguments: &Arguments) -> Gates {
    Gates {
        sends_growth_percent_max: arguments.max_sends_growth,
        sends_drop_percent_max: arguments.max_sends_drop,
        play_sends_growth_percent_max: arguments.max_play_sends_growth,
        sends_per_user_per_week_max: arguments.max_sends_per_user_per_week,
        sends_max: arguments.max_sends,
    }
}

/// Works while its progress is shown, where somebody looks.
fn watched<T>(bytes: Option<u64>, work: impl FnOnce(&Progress) -> T) -> T {
    let progress = Progress::default();
    if !std::io::stderr().is_terminal() {
        return work(&progress);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let shows = scope.spawn(|| show(&progress, bytes, &done));
        let result = work(&progress);
        done.store(true, Ordering::Release);
        shows.thread().unpark();
        result
    })
}

fn show(progress: &Progress, bytes: Option<u64>, done: &AtomicBool) {
    use indicatif::{ProgressBar, ProgressStyle};
    let template = match bytes {
        Some(_) => "  {bar:30} {percent:>3} % of {total_bytes}  {msg}  {eta} left",
        None => "  {spinner} {bytes}  {msg}  {elapsed}",
    };
    let style = ProgressStyle::with_template(template).expect("the template names only known fields");
    let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_style(style);
    let started = Instant::now();
    while !done.load(Ordering::Acquire) {
        let events = progress.events.load(Ordering::Relaxed);
        let rate = events as f64 / started.elapsed().as_secs_f64().max(1e-3);
        let users = progress.users.load(Ordering::Relaxed);
        bar.set_position(progress.bytes.load(Ordering::Relaxed));
        bar.set_message(format!(
            "{} events, {} users, {} events/s",
            thousands(events),
            thousands(users),
            thousands(rate as u64)
        ));
        std::thread::park_timeout(PROGRESS_EVERY);
    }
    bar.finish_and_clear();
}

/// Says what it took: on standard error, because it is another each time.
fn effort(report: &Report, seconds: f64, threads: usize) {
    let events = report.recording.events;
    let memory = peak_memory_mib().map(|mib| format!(", {} MiB of memory at most", thousands(mib))).unwrap_or_default();
    let cores = if threads == 1 { "core" } else { "cores" };
    note(Style::stderr().dim(format!(
        "{} events in {seconds:.2} s on {threads} {cores} ({} events/s){memory}",
        thousands(events),
        thousands((events as f64 / seconds.max(1e-9)) as u64),
    )));
}

/// The most memory that this process has had, where the system tells (Linux).
fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.div_ceil(1_024))
}

pub(super) fn format(text: &str) -> Result<Format, String> {
    let found = Format::ALL.into_iter().find(|(name, _)| *name == text);
    found.map(|(_, format)| format).ok_or_else(|| {
        let known: Vec<&str> = Format::ALL.iter().map(|(name, _)| *name).collect();
        format!("write one of {}", known.join(", "))
    })
}

fn span_or_none(text: &str) -> Result<Span, String> {
    if text == "0" {
        return Ok(Span::ZERO);
    }
    Span::parse(text).ok_or_else(|| "write a whole number and a unit, as in 30m, 24h or 7d; or 0".to_owned())
}

pub(super) fn currency(text: &str) -> Result<Currency, String> {
    Currency::parse(text).ok_or_else(|| "write three letters, as in EUR".to_owned())
}

pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
    number
        .ok()
        .filter(|number| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| "write a percentage, as in 10%".to_owned())
}
