//! `kairos why`: what is known of a user, and why they got a message or none.

use std::process::ExitCode;

use kairos_engine::bounds::FORWARD_HOPS_MAX;
use kairos_engine::commit::StoredUser;
use kairos_engine::identifiers::UserKey;
use kairos_engine::outcome::PlayOutcome;
use kairos_engine::product::Product;
use kairos_engine::state::UserState;

use super::Done;
use crate::demo::card;
use crate::records::Records;
use crate::target::{Target, TargetArguments};
use crate::terminal::{COLUMNS, Style, line, wrapped};

/// Whom to tell about.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The user's id in the shop (userId), or a visitor's (anonymousId)
    pub user: String,
    #[command(flatten)]
    target: TargetArguments,
}

/// Tells what is known of the user.
///
/// # Errors
/// When the installation cannot be found or read.
pub async fn run(arguments: &Arguments) -> Done {
    let records = Target::find(&arguments.target).await?.records().await?;
    let Some((mut key, mut stored)) = look_up(&records, &arguments.user).await? else {
        line(format!("Nothing is known of {}.", arguments.user));
        line("Either no event with this userId or anonymousId has come yet, or it was too long ago.");
        return Ok(ExitCode::FAILURE);
    };
    for _ in 0..FORWARD_HOPS_MAX {
        let Some(to) = stored.state.forwarded_to else { break };
        let Some(next) = records.users().get(to).await? else { break };
        line(format!("This visitor proved to be {}.", name(&next.state).unwrap_or_else(|| to.to_string())));
        (key, stored) = (to, next);
    }
    let style = Style::stdout();
    line(style.bold(name(&stored.state).unwrap_or_else(|| arguments.user.clone())));
    for (what, value) in facts(key, &stored) {
        line(format!("  {what:10} {value}"));
    }
    if stored.state.outcomes.is_empty() {
        line("  No play has considered them yet.");
    }
    for record in &stored.state.outcomes {
        line("");
        let heading = format!("{}  {}", record.at, style.bold(&record.play));
        let delivery = match record.outcome {
            PlayOutcome::Sent { delivery, .. } => records.delivery(delivery).await?,
            _ => None,
        };
        match delivery {
            Some(delivery) => {
                line(format!("{heading}  {}, {}", card::way(&delivery), delivery.status.as_str()));
                card::body(&delivery, style).into_iter().for_each(line);
            }
            None => {
                line(heading);
                wrapped(&record.outcome.to_string(), COLUMNS - 4).iter().for_each(|text| line(format!("    {text}")));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn look_up(
    records: &Records,
    user: &str,
) -> Result<Option<(UserKey, StoredUser)>, Box<dyn std::error::Error + Send + Sync>> {
    for key in [UserKey::known(user), UserKey::anonymous(user)] {
        if let Some(stored) = records.users().get(key).await? {
            return Ok(Some((key, stored)));
        }
    }
    Ok(None)
}

/// How a person would call the user.
pub fn name(state: &UserState) -> Option<String> {
    let profile = &state.profile;
    let names: Vec<&str> =
        [&profile.first_name, &profile.last_name].into_iter().flatten().map(String::as_str).collect();
    match (names.is_empty(), &state.user_id) {
        (false, _) => Some(names.join(" ")),
        (true, Some(user_id)) => Some(user_id.clone()),
        (true, None) => state.anonymous_id.as_ref().map(|id| format!("visitor {id}")),
    }
}

fn facts(key: UserKey, stored: &StoredUser) -> Vec<(&'static str, String)> {
    let state = &stored.state;
    let mut facts = vec![("key", key.to_string()), ("clock", state.clock.to_string())];
    let known = [
        ("userId", &state.user_id),
        ("visitor", &state.anonymous_id),
        ("email", &state.profile.email),
        ("phone", &state.profile.phone),
        ("language", &state.profile.locale),
    ];
    facts.extend(known.into_iter().filter_map(|(what, value)| Some((what, value.clone()?))));
    match state.cart.items() {
        [] => facts.push(("cart", "empty".into())),
        items => facts.extend(items.iter().rev().map(|item| ("cart", product(item)))),
    }
    if let Some(last_at) = state.orders.last_at {
        facts.push(("orders", format!("{}, the last {last_at}", state.orders.count)));
    }
    for (play, standing) in &state.plays {
        if let Some(waiting) = &standing.waiting {
            let why = format!("{} ({play}), because of {} {}", waiting.due_at, waiting.after, waiting.after_at);
            facts.push(("waits until", why));
        }
    }
    facts
}

fn product(product: &Product) -> String {
    let name = product.name.as_ref().unwrap_or(&product.id);
    let price = product.price.map(|price| format!(", {price}")).unwrap_or_default();
    let currency = product.currency.map(|currency| format!(" {}", currency.as_str())).unwrap_or_default();
    let each = if product.quantity > 1 && product.price.is_some() { " each" } else { "" };
    format!("{} × {name}{price}{currency}{each}", product.quantity)
}
