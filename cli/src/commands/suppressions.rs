//! `kairos suppressions`: the addresses to which nothing is sent.

use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;

use kairos_cloud::clock::SystemClock;
use kairos_cloud::suppressions::{Changed, Suppression};
use kairos_engine::identifiers::AddressKey;
use kairos_engine::playbook::Channel;
use kairos_protocol::port::Clock;

use super::Done;
use crate::suppression_file::{SuppressionFile, address_on, channel_named, export, reason_named};
use crate::target::{Target, TargetArguments};
use crate::terminal::{COLUMNS, Progress, Style, line, note, thousands, wrapped};

/// Refused rows that are shown.
const REFUSED_SHOWN_MAX: usize = 30;

/// Addresses that a list shows.
const LISTED_MAX: usize = 50;

/// What to do with the suppression list.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Send nothing more to an address, whoever has it
    Add {
        /// `email`, `sms`, `telegram`, `viber` or `whatsapp`
        channel: String,
        /// The address
        address: String,
        /// `manual`, `hard_bounce`, `complaint` or `stop`
        #[arg(long, default_value = "manual")]
        reason: String,
    },
    /// Let messages go to an address again
    Remove {
        /// `email`, `sms`, `telegram`, `viber` or `whatsapp`
        channel: String,
        /// The address
        address: String,
    },
    /// Show whether an address is on the list, and why
    Show {
        /// `email`, `sms`, `telegram`, `viber` or `whatsapp`
        channel: String,
        /// The address
        address: String,
    },
    /// Show the beginning of the list
    List,
    /// Put the addresses of a CSV file on the list; doing it again changes nothing
    Import {
        /// A file as `export` writes it; a column `address` is enough
        file: PathBuf,
    },
    /// Write the whole list as CSV
    Export,
}

/// Does what was asked for.
///
/// # Errors
/// When the installation cannot be found, read or written to, or an address is none. Refused rows, or an address that is
/// not on the list, are exit code 1.
pub async fn run(arguments: &Arguments) -> Done {
    let style = Style::stdout();
    match &arguments.what {
        What::Add { channel, address, reason } => {
            let (channel, address, key) = read(channel, address)?;
            let suppression = Suppression {
                channel,
                key,
                address: Some(address),
                reason: reason_named(reason)?,
                source: "kairos suppressions add".to_owned(),
                at: SystemClock.now(),
            };
            match Target::find(&arguments.target).await?.suppressions().await?.add(&suppression).await? {
                Changed::Done => line(style.good("Nothing is sent there any more.")),
                Changed::LeftAsItIs => line("It is on the list already, because its owner has complained."),
            }
            Ok(ExitCode::SUCCESS)
        }
        What::Remove { channel, address } => {
            let (channel, _, key) = read(channel, address)?;
            Ok(match Target::find(&arguments.target).await?.suppressions().await?.remove(channel, key, None).await? {
                Changed::Done => {
                    line(style.good("Messages may go there again."));
                    ExitCode::SUCCESS
                }
                Changed::LeftAsItIs => {
                    line("It is not on the list.");
                    ExitCode::FAILURE
                }
            })
        }
        What::Show { channel, address } => {
            let (channel, _, key) = read(channel, address)?;
            Ok(match Target::find(&arguments.target).await?.suppressions().await?.get(channel, key).await? {
                Some(found) => {
                    line(format!("{} since {}, by {}", found.reason.as_str(), found.at, found.source));
                    ExitCode::SUCCESS
                }
                None => {
                    line("It is not on the list.");
                    ExitCode::FAILURE
                }
            })
        }
        What::List => {
            let list = Target::find(&arguments.target).await?.suppressions().await?;
            let (page, next) = list.page(None).await?;
            for found in page.iter().take(LISTED_MAX) {
                let address = found.address.clone().unwrap_or_else(|| found.key.to_string());
                let why = style.dim(format!("{} since {}, by {}", found.reason.as_str(), found.at, found.source));
                line(format!("{:9} {address}  {why}", found.channel.as_str()));
            }
            if page.is_empty() {
                line("There is nobody on the list.");
            } else if page.len() > LISTED_MAX || next.is_some() {
                line("… and more: `kairos suppressions export` writes them all.");
            }
            Ok(ExitCode::SUCCESS)
        }
        What::Import { file } => {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            let read = SuppressionFile::read(&text, SystemClock.now());
            let read = read.map_err(|error| format!("{}: {error}", file.display()))?;
            let list = Target::find(&arguments.target).await?.suppressions().await?;
            let progress = Progress::counted(read.suppressions.len(), "addresses");
            let brought = read.bring_into(&list, &progress).await;
            drop(progress);
            let (added, left) = brought.map_err(|error| format!("{error}. Run the same command again"))?;
            let there = thousands(added + left);
            line(style.good(format!("{there} addresses are on the list, {} for a complaint before", thousands(left))));
            told(&read);
            Ok(if read.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        What::Export => {
            let list = Target::find(&arguments.target).await?.suppressions().await?;
            let mut out = BufWriter::new(std::io::stdout().lock());
            let written = export(&list, &mut out, &Progress::open("addresses")).await?;
            note(format!("{} addresses", thousands(written)));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn read(channel: &str, address: &str) -> Result<(Channel, String, AddressKey), String> {
    let channel = channel_named(channel)?;
    let address = address_on(channel, address).ok_or(format!("this is no address for {channel}"))?;
    let key = AddressKey::of(channel, &address);
    Ok((channel, address, key))
}

fn told(file: &SuppressionFile) {
    let style = Style::stdout();
    if !file.refused.is_empty() {
        line(style.bad(format!("{} rows refused", thousands(file.refused.len() as u64))));
    }
    for (number, why) in file.refused.iter().take(REFUSED_SHOWN_MAX) {
        line(format!("  {}", style.bold(format!("line {number}"))));
        wrapped(why, COLUMNS - 4).iter().for_each(|text| line(format!("    {text}")));
    }
    if file.refused.len() > REFUSED_SHOWN_MAX {
        line(format!("  … and {} more", file.refused.len() - REFUSED_SHOWN_MAX));
    }
}
