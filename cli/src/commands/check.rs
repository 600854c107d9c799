//! `kairos check`: what is wrong with a playbook, where, and what to write instead.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kairos_engine::playbook::{Playbook, Trigger};

use super::Done;
use crate::terminal::{COLUMNS, Style, line, note, wrapped};

/// What to check.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The playbook's folder
    #[arg(default_value = "playbook")]
    pub playbook: PathBuf,
}

/// Checks and summarises a playbook.
///
/// # Errors
/// Never; a playbook with problems is exit code 1.
pub fn run(arguments: &Arguments) -> Done {
    let Some(playbook) = checked(&arguments.playbook) else {
        return Ok(ExitCode::FAILURE);
    };
    let style = Style::stdout();
    line(format!("{} {}", style.good("ok"), summary(&playbook)));
    for play in &playbook.plays {
        let trigger = match &play.trigger {
            Trigger::Event(patterns) => format!("on {}", joined(patterns)),
            Trigger::Absence { after, of, wait } => format!("{wait} after {}, without {}", joined(after), joined(of)),
        };
        line(format!("   {}", style.bold(&play.name)));
        wrapped(&trigger, COLUMNS - 6).into_iter().for_each(|text| line(format!("      {text}")));
    }
    Ok(ExitCode::SUCCESS)
}

/// The compiled playbook, or none after its problems were shown.
pub fn checked(folder: &Path) -> Option<Playbook> {
    let problems = match kairos_playbook::load(folder) {
        Ok(playbook) => return Some(playbook),
        Err(problems) => problems,
    };
    let style = Style::stderr();
    for problem in &problems {
        let text = problem.to_string();
        let coloured = text.strip_prefix("error:").map(|rest| format!("{}{rest}", style.bad("error:")));
        note(format!("{}\n", coloured.unwrap_or(text)));
    }
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    note(style.bold(format!("{} has {count}.", folder.display())));
    None
}

/// One line about a playbook.
pub fn summary(playbook: &Playbook) -> String {
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!(
        "version {}: {}, {}, {}",
        playbook.version,
        count(playbook.plays.len(), "play"),
        count(playbook.messages.len(), "message"),
        count(playbook.sources.len(), "source"),
    )
}

fn joined(patterns: &[impl std::fmt::Display]) -> String {
    patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}
