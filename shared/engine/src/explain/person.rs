//! Who a user is, what they have, and what is under way with them, in words.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use crate::describe::Time;
use crate::identifiers::UserKey;
use crate::product::Product;
use crate::state::UserState;

/// How a person would call the user: by their name, else by their id in the shop, else as a visitor.
pub fn name(state: &UserState) -> Option<String> {
    let profile = &state.profile;
    let names: Vec<&str> =
        [&profile.first_name, &profile.last_name].into_iter().flatten().map(String::as_str).collect();
    match (names.is_empty(), &state.user_id) {
        (false, _) => Some(names.join(" ")),
        (true, Some(user_id)) => Some(user_id.to_string()),
        (true, None) => state.anonymous_id.as_ref().map(|id| format!("visitor {id}")),
    }
}

/// What is known of the user, each with what it is: ids, addresses, cart, orders, places.
pub fn facts(key: UserKey, state: &UserState) -> Vec<(&'static str, String)> {
    let mut facts = vec![("key", key.to_string()), ("clock", Time(state.clock).to_string())];
    let known = [
        ("userId", state.user_id.as_deref()),
        ("visitor", state.anonymous_id.as_deref()),
        ("email", state.profile.email.as_deref()),
        ("phone", state.profile.phone.as_deref()),
        ("telegram", state.profile.telegram.as_deref()),
        ("viber", state.profile.viber.as_deref()),
        ("whatsapp", state.profile.whatsapp.as_deref()),
        ("language", state.profile.locale.as_deref()),
        ("time zone", state.time_zone.as_deref()),
    ];
    facts.extend(known.into_iter().filter_map(|(what, value)| Some((what, value?.to_owned()))));
    match state.cart.items() {
        [] => facts.push(("cart", "empty".to_owned())),
        items => facts.extend(items.iter().rev().map(|item| ("cart", product(item)))),
    }
    if let Some(last_at) = state.orders.last_at {
        facts.push(("orders", format!("{}, the last {}", state.orders.count, Time(last_at))));
    }
    facts.extend(state.inside.iter().map(|inside| ("in", format!("{} since {}", inside.place, Time(inside.since)))));
    facts
}

/// What is under way with the user: each play that waits, goes on or starts by the clock, with what it waits for.
pub fn under_way(state: &UserState) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    for (play, standing) in &state.plays {
        if let Some(waiting) = &standing.waiting {
            let (due_at, after_at) = (Time(waiting.due_at), Time(waiting.after_at));
            facts.push(("waits until", format!("{due_at} ({play}), because of {} {after_at}", waiting.after)));
        }
        if let Some(run) = &standing.run {
            let (due_at, why) = (Time(run.due_at), &run.subject.why);
            facts.push(("under way", format!("{play}, goes on {due_at} at the latest; {why}")));
        }
        if let Some(scheduled) = &standing.scheduled {
            facts.push(("next", format!("{play}, {}", Time(scheduled.due_at))));
        }
    }
    facts
}

/// A product in a line: how many, its name, and what one costs.
fn product(product: &Product) -> String {
    let name = product.name.as_ref().unwrap_or(&product.id);
    let price = product.price.map(|price| format!(", {price}")).unwrap_or_default();
    let currency = product.currency.map(|currency| format!(" {}", currency.as_str())).unwrap_or_default();
    let each = if product.quantity > 1 && product.price.is_some() { " each" } else { "" };
    format!("{} × {name}{price}{currency}{each}", product.quantity)
}
