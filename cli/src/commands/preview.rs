//! `kairos preview`: what the messages of a play look like, before anybody gets them.

use std::path::PathBuf;
use std::process::ExitCode;

use kairos_cloud::clock::SystemClock;
use kairos_engine::explain;
use kairos_engine::money::Micros;
use kairos_engine::playbook::{Play, Playbook};
use kairos_messages::closest;
use kairos_playbook::Severity;
use kairos_protocol::port::Clock;

use super::{Done, check, why};
use crate::preview::shopper::{Catalogue, Shopper};
use crate::preview::{Wanted, page, paint, preview, sends};
use crate::target::{Target, TargetArguments};
use crate::terminal::{Style, line, note};

/// The dearest segment, in millionths: a slip is likelier than such a price.
const SMS_PRICE_MAX: i64 = 1_000_000_000;

/// What to show, and for whom.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is sent, and nothing counts as sent: promo codes are samples, and caps, quiet hours and segments are not asked.
Templates that `kairos check` refuses are told with their place; everything else is shown all the same.
  kairos preview abandoned_cart --html cart.html
  kairos preview abandoned_cart --user ann --locale de")]
pub struct Arguments {
    /// The play
    play: String,
    /// The playbook's folder
    #[arg(default_value = "playbook")]
    playbook: PathBuf,
    /// One message of the play; all without it
    #[arg(long)]
    message: Option<String>,
    /// The userId or anonymousId of somebody whom the installation knows
    #[arg(long)]
    user: Option<String>,
    /// A made-up shopper with a cart, as without --user
    #[arg(long, conflicts_with = "user")]
    sample: bool,
    /// What users of this language get, as in de or pt-BR; all languages without it
    #[arg(long, value_name = "LANGUAGE")]
    locale: Option<String>,
    /// Write a page to look at, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// What one segment of an SMS costs, as in 0.0075
    #[arg(long, value_name = "PRICE", value_parser = price)]
    sms_price: Option<Micros>,
    #[command(flatten)]
    target: TargetArguments,
}

/// Shows the messages.
///
/// # Errors
/// When there is no such play or message, the user's installation cannot be read, or the page cannot be written. When
/// something is wrong with the playbook, or a message has nothing to show, it is exit code 1.
pub async fn run(arguments: &Arguments) -> Done {
    let draft = match kairos_playbook::draft(&arguments.playbook) {
        Ok(draft) => draft,
        Err(found) => {
            check::tell(&arguments.playbook, &found);
            return Ok(ExitCode::FAILURE);
        }
    };
    check::tell(&arguments.playbook, &draft.found);
    let playbook = &draft.playbook;
    let play = wanted_play(playbook, arguments)?;
    let Some(shopper) = shopper(playbook, play, arguments).await? else { return Ok(ExitCode::FAILURE) };
    let wanted = Wanted {
        play,
        message: arguments.message.as_deref(),
        locale: arguments.locale.as_deref(),
        sms_price: arguments.sms_price,
        at: SystemClock.now(),
    };
    let preview = preview(playbook, &wanted, &shopper).await;
    paint::lines(&preview, Style::stdout()).into_iter().for_each(line);
    if let Some(file) = &arguments.html {
        std::fs::write(file, page::page(&preview)).map_err(|error| format!("{}: {error}", file.display()))?;
        note(format!("\nThe page is {}.", file.display()));
    }
    let is_wrong = draft.found.iter().any(|found| found.severity == Severity::Error);
    Ok(if is_wrong || preview.failures() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn wanted_play<'p>(playbook: &'p Playbook, arguments: &Arguments) -> Result<&'p Play, String> {
    let play = play_named(playbook, &arguments.play)?;
    arguments.message.as_deref().map_or(Ok(()), |message| knows_message(play, message))?;
    Ok(play)
}

/// The play with this name, or what there is instead.
pub(super) fn play_named<'p>(playbook: &'p Playbook, name: &str) -> Result<&'p Play, String> {
    let names = playbook.plays.iter().map(|play| play.name.as_str());
    playbook.play(name).ok_or_else(|| unknown("the playbook", "play", name, names))
}

/// Whether a play sends a message, or what it sends instead.
pub(super) fn knows_message(play: &Play, message: &str) -> Result<(), String> {
    let sends = sends(&play.steps);
    if sends.iter().any(|(name, _)| *name == message) {
        return Ok(());
    }
    let names = sends.iter().map(|(name, _)| *name);
    Err(unknown(&format!("the play {}", play.name), "message", message, names))
}

fn unknown<'n>(whole: &str, what: &str, name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    match closest(name, names.iter().copied()) {
        Some(meant) => format!("{whole} has no {what} {name}; did you mean {meant}?"),
        None if names.is_empty() => format!("{whole} has no {what} {name}; it has none"),
        None => format!("{whole} has no {what} {name}; it has {}", names.join(", ")),
    }
}

async fn shopper(
    playbook: &Playbook,
    play: &Play,
    arguments: &Arguments,
) -> Result<Option<Shopper>, Box<dyn std::error::Error + Send + Sync>> {
    let Some(user) = &arguments.user else { return Ok(Some(Shopper::sample(playbook, play))) };
    let target = Target::find(&arguments.target).await?;
    let Some((_, state)) = why::found(&target.records().await?, user).await? else { return Ok(None) };
    let name = explain::name(&state).unwrap_or_else(|| user.clone());
    let catalogue = Catalogue::Installed(target.catalogue().await?);
    Ok(Some(Shopper::known(&name, &state, playbook, play, catalogue)))
}

/// Reads a price with at most six decimals.
fn price(text: &str) -> Result<Micros, String> {
    let help = || "write a price with at most six decimals, as in 0.0075".to_owned();
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 6 {
        return Err(help());
    }
    let micros = format!("{whole}{decimals:0<6}").parse().ok().filter(|micros| *micros <= SMS_PRICE_MAX);
    micros.map(Micros::new).ok_or_else(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_exactly() {
        for (written, micros) in [
            ("0.0075", Some(7_500)),
            ("1", Some(1_000_000)),
            ("0.1", Some(100_000)),
            ("0.000001", Some(1)),
            ("0.0000001", None),
            ("-1", None),
            (".5", None),
            ("1.", None),
            ("1e3", None),
            ("99999999999999999999", None),
            ("", None),
        ] {
            assert_eq!(price(written).ok().map(Micros::get), micros, "{written}");
        }
    }
}
