//! `kairos publish`: checks a playbook and puts it in force.

use std::path::PathBuf;
use std::process::ExitCode;

use kairos_engine::bounds::PLAYBOOK_REFRESH;
use kairos_playbook::summary;

use super::Done;
use super::check::checked_with_warnings;
use crate::target::{Target, TargetArguments};
use crate::terminal::{Style, line};

/// What to publish, and where.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The playbook's folder
    #[arg(default_value = "playbook")]
    pub playbook: PathBuf,
    #[command(flatten)]
    target: TargetArguments,
    /// Name of the table of playbooks, when it cannot be found by the name of the stack
    #[arg(long)]
    table: Option<String>,
}

/// Checks the playbook and puts it in force.
///
/// # Errors
/// When the installation cannot be found or written to. A playbook with problems is exit code 1.
pub async fn run(arguments: &Arguments) -> Done {
    let Some((playbook, warnings)) = checked_with_warnings(&arguments.playbook) else {
        return Ok(ExitCode::FAILURE);
    };
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let target = Target::find(&arguments.target).await?;
    let publication = target.playbooks(arguments.table.as_deref()).await?.publish_checked(&playbook, &warnings).await?;
    line(format!("{} {}", Style::stdout().good("published"), summary(&playbook)));
    line(format!("It is in force everywhere within {PLAYBOOK_REFRESH}."));
    if publication.watches_anew {
        line(
            "It watches something else than the one before. Users who stay away are brought up to date within minutes:",
        );
        line("`kairos segments status` says how far that is.");
    }
    match publication.watched_from_now {
        0 => {}
        count => {
            let things = match count {
                1 => "One thing that it asks about users was".to_owned(),
                count => format!("{count} things that it asks about users were"),
            };
            line(format!("{things} not watched before: nothing is known of the time until now, until"));
            line("`kairos segments backfill` tells users what the archive knows.");
        }
    }
    Ok(ExitCode::SUCCESS)
}
