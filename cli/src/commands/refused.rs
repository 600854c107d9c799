//! `kairos refused`: the events of a source that were not taken, and what was wrong with them.

use std::process::ExitCode;

use super::Done;
use crate::target::{Target, TargetArguments};
use crate::terminal::{COLUMNS, Style, line, shortened, wrapped};

/// Whose events to show.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The source's name, as in sources.yaml
    pub source: String,
    /// How many to show, the newest first
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub newest: u16,
    #[command(flatten)]
    target: TargetArguments,
}

/// Shows the newest refused events of a source.
///
/// # Errors
/// When the installation cannot be found or read.
pub async fn run(arguments: &Arguments) -> Done {
    let table = Target::find(&arguments.target).await?.refusals().await?;
    let refused = table.newest(&arguments.source, arguments.newest).await?;
    let style = Style::stdout();
    for refusal in &refused {
        line(format!("{}  {}", refusal.at, style.bold(&refusal.code)));
        wrapped(&refusal.message, COLUMNS - 4).iter().for_each(|text| line(format!("    {text}")));
        line(format!("    {}", style.dim(shortened(&refusal.excerpt, COLUMNS - 4))));
    }
    match refused.len() {
        0 => line(format!("No event of {} has been refused lately.", arguments.source)),
        count if count == usize::from(arguments.newest) => line("There may be more: --newest shows them."),
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}
