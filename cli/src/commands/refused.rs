//! `kairos refused`: the events of a source that were not taken, and what was wrong with them.

use std::process::ExitCode;

use kairos_cloud::faults::fault;
use kairos_cloud::items::{self, text_in};

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
    let (client, table) = Target::find(&arguments.target).await?.refusals().await?;
    let request = client
        .query()
        .table_name(table)
        .key_condition_expression("#source = :source")
        .expression_attribute_names("#source", "source")
        .expression_attribute_values(":source", items::text(&arguments.source))
        .scan_index_forward(false)
        .limit(arguments.newest.into());
    let answer = request.send().await.map_err(|error| fault("RefusalsTable Query", &error))?;
    let style = Style::stdout();
    let refused = answer.items();
    for item in refused {
        let text = |name: &str| text_in(item, name).unwrap_or_default();
        // What tells it from others of the same moment is for programs.
        let at = text("refused_at").split('#').next().unwrap_or_default();
        line(format!("{at}  {}", style.bold(text("code"))));
        wrapped(text("message"), COLUMNS - 4).iter().for_each(|text| line(format!("    {text}")));
        line(format!("    {}", style.dim(shortened(text("excerpt"), COLUMNS - 4))));
    }
    match refused.len() {
        0 => line(format!("No event of {} has been refused lately.", arguments.source)),
        count if count == usize::from(arguments.newest) => line("There may be more: --newest shows them."),
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}
