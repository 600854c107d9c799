//! `kairos local`: the whole system on this machine.

use std::path::Path;
use std::process::ExitCode;

use super::Done;
use crate::local::{DEFAULT_NAME, Engine, LocalError, Stack, UpOptions};
use crate::terminal::{Style, line};

/// What to do with the local engine.
#[derive(Debug, clap::Subcommand)]
pub enum Arguments {
    /// Start it and deploy template.yaml with the functions that were built
    Up {
        /// Which one.
        #[command(flatten)]
        engine: Name,
        /// Port on 127.0.0.1; a free one when absent
        #[arg(long)]
        port: Option<u16>,
        /// Value for a parameter of template.yaml
        #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
        parameter: Vec<(String, String)>,
    },
    /// Stop it and every function process
    Down {
        /// Which one.
        #[command(flatten)]
        engine: Name,
    },
    /// Say where it is; exit code 3 when it is not running
    Status {
        /// Which one.
        #[command(flatten)]
        engine: Name,
    },
}

/// Which local engine.
#[derive(Debug, clap::Args)]
pub struct Name {
    /// Name of the engine; engines of different names run side by side
    #[arg(long, default_value = DEFAULT_NAME)]
    name: String,
}

/// Starts, stops or describes the local engine.
///
/// # Errors
/// When it cannot be done.
pub async fn run(arguments: &Arguments) -> Done {
    match arguments {
        Arguments::Up { engine, port, parameter } => {
            let options = UpOptions { port: *port, parameters: parameter.clone(), ..UpOptions::default() };
            let stack = find(engine)?.up(&options).await?;
            describe(&stack);
            line("Next: kairos publish, then send events, or kairos replay FILE.");
        }
        Arguments::Down { engine } => {
            find(engine)?.down().await?;
            line(format!("The local engine {} is stopped.", engine.name));
        }
        Arguments::Status { engine } => match find(engine)?.status().await? {
            Some(stack) => describe(&stack),
            None => {
                line(format!("The local engine {} is not running.", engine.name));
                return Ok(ExitCode::from(3));
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn find(engine: &Name) -> Result<Engine, Box<dyn std::error::Error + Send + Sync>> {
    let directory = std::env::current_dir()?;
    Ok(Engine::find(Path::new(&directory), &engine.name).map_err(|error: LocalError| error.to_string())?)
}

fn describe(stack: &Stack) {
    let style = Style::stdout();
    line(format!("The local engine {} is running.", style.bold(&stack.name)));
    for (what, value) in [
        ("events go to", stack.ingest_url.clone()),
        ("from browsers", stack.ingest_browser_url.clone()),
        ("messages", stack.browser_url("InboxUrl").unwrap_or_default()),
        ("AWS clients", format!("AWS_ENDPOINT_URL={} AWS_REGION={}", stack.endpoint, stack.region)),
        (
            "",
            format!(
                "AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}",
                stack.credentials.access_key_id, stack.credentials.secret_access_key
            ),
        ),
        ("its log", stack.log.display().to_string()),
    ] {
        line(format!("  {what:13} {value}"));
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err("write NAME=VALUE".to_owned()),
    }
}
