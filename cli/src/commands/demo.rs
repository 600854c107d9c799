//! `kairos demo`: shows Kairos at work on this machine. `make demo` builds everything and calls it.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Done;
use crate::demo::{Failure, Options, Verdict, console, evening, show};
use crate::local::{Engine, UpOptions};
use crate::terminal::{Style, line, note};

/// Exit code of a process that was interrupted, by convention of shells.
const EXIT_INTERRUPTED: u8 = 130;

/// Failed messages are handed out again after this many seconds, instead of the minutes that are right
/// for production: nobody should have to wait for that in a demo.
const RETRY_AFTER_S: u32 = 15;

/// What to show.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The playbook's folder
    #[arg(long, default_value = "playbook")]
    playbook: PathBuf,
    /// A recording in REES46's format to replay, instead of the generated day of a shop
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Send the recording a second time, and say how many messages more that makes
    #[arg(long, requires = "events")]
    twice: bool,
    /// Which day of the shop is generated
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave everything running afterwards, to look around
    #[arg(long)]
    keep: bool,
    /// Name of the local engine that the demo starts
    #[arg(long, default_value = "demo")]
    name: String,
}

/// Starts an engine of its own, shows the demo, and stops it, whatever happens.
///
/// # Errors
/// When the demo cannot be shown. When it shows something wrong, that is exit code 1.
pub async fn run(arguments: &Arguments) -> Done {
    let engine = Engine::find(&std::env::current_dir()?, &arguments.name)?;
    if engine.status().await?.is_some() {
        return Err(format!(
            "an engine called {0} is running, perhaps another demo: stop it with `kairos local down --name {0}`, \
             or give this one another --name",
            arguments.name
        )
        .into());
    }
    let options = Options {
        playbook: arguments.playbook.clone(),
        recording: arguments.events.clone(),
        twice: arguments.twice,
        seed: arguments.seed,
    };
    // The engine ends with this process, even if this process is killed; unless it is to stay.
    let owner = (!arguments.keep).then(std::process::id);
    let up = UpOptions { owner, retry_after_s: Some(RETRY_AFTER_S), ..UpOptions::default() };
    let shown = tokio::select! {
        shown = shown(&engine, &up, &options, arguments.keep) => Some(shown),
        () = interrupted() => None,
    };
    let keep = arguments.keep && matches!(shown, Some(Ok(_)));
    if keep {
        line("");
        line(format!("The engine is still running. Look around with `kairos why USER --stack {}`;", arguments.name));
        line(format!(
            "fetch what happened with `kairos archive get --stack {}`, and see by `kairos report` what came of it;",
            arguments.name
        ));
        line(format!("stop it with `kairos local down --name {}`.", arguments.name));
    } else {
        engine.down().await?;
    }
    match shown {
        Some(Ok(Verdict::Fine)) => Ok(ExitCode::SUCCESS),
        Some(Ok(Verdict::Wrong)) => Ok(ExitCode::FAILURE),
        Some(Err(error)) => Err(error),
        None => {
            note(Style::stderr().attention("Interrupted."));
            Ok(ExitCode::from(EXIT_INTERRUPTED))
        }
    }
}

/// Shows the demo, and then the console on what it has made.
async fn shown(engine: &Engine, up: &UpOptions, options: &Options, keep: bool) -> Result<Verdict, Failure> {
    let verdict = show(engine, up, options).await?;
    if options.recording.is_none() && (keep || console::is_seen()) {
        evening::live_through(engine).await?;
    }
    match keep {
        true => console::show_way_in(engine).await?,
        false => console::offer(engine).await?,
    }
    Ok(verdict)
}

/// Waits until a person or a program asks this process to end.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the process ends as any other, and the engine with it.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
