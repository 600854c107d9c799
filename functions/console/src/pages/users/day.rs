//! Everything that the archive has of a user on a day.

use askama::Template;
use jiff::civil::Date;
use kairos_engine::bounds::{ARCHIVE_ROW_SHOWN_BYTES_MAX, ARCHIVE_SEARCH_BYTES_MAX};
use kairos_engine::event::EventKind;
use kairos_engine::product::shortened;

use super::{
    Cell, Console, Fact, Input, Page, PageRequest, Person, Problem, Rendered, Row, Section, Table, address, called,
    clock_of, person,
};
use crate::format;

#[derive(Template)]
#[template(path = "user_day.html")]
struct Content<'a> {
    called: &'a str,
    address: String,
    day: String,
    on: &'a str,
    objects: String,
    unreadable: usize,
    /// Where the earlier part of the day is, when it was not read.
    earlier: Option<String>,
    rows: Rendered,
}

/// A user's day.
///
/// # Errors
/// When there is no such user, or the archive cannot be read.
pub(crate) async fn day(console: &Console, request: &PageRequest, user: &str) -> Result<Page, Problem> {
    let Person { key, stored, .. } = person(console, user).await?;
    let clock = clock_of(&*console.playbooks.in_force().await?);
    let on = request.query.get("on").unwrap_or_default();
    let day: Date = on.parse().map_err(|_| {
        Problem::NotUnderstood("The day is written as 2026-11-22, and stands in the address as on.".into())
    })?;
    let on = day.to_string();
    let walk = console.records.archive.day_of(key, &on, request.query.get("before")).await?;
    let columns = vec![("at", "When"), ("what", "What"), ("details", "Details")];
    let mut table = Table::new("day", "What happened", columns).or_when_empty(
        "The archive has nothing of them on this day. It is half a minute behind, and keeps what has happened since it is there.",
    );
    for row in &walk.found {
        let (what, details) = told(row);
        let details = shortened(&details, ARCHIVE_ROW_SHOWN_BYTES_MAX).to_owned();
        table.rows.push(vec![Cell::Time(row.fact.at()), Cell::Text(what), Cell::Text(details)]);
    }
    let called = called(key, &stored.state);
    let content = Content {
        called: &called,
        address: address(key),
        day: format::day(day),
        on: &on,
        objects: format::counted(walk.objects as u64, "file", "files"),
        unreadable: walk.unreadable,
        earlier: walk.next.map(|next| request.address_with("before", Some(&next))),
        rows: table.html(request, &clock),
    };
    let title = format!("{called} on {}", format::day(day));
    Ok(Page::of(title, Section::Users, &content).with_tables(vec![table]))
}

const _: () = assert!(ARCHIVE_ROW_SHOWN_BYTES_MAX < ARCHIVE_SEARCH_BYTES_MAX);

/// What a row says: in a word or two, and its details.
fn told(row: &Row) -> (String, String) {
    match &row.fact {
        Fact::Input { input, outcome, .. } => {
            let (what, details) = happened(input);
            let late = if outcome.as_str() == "applied_late" { " (came late)" } else { "" };
            (format!("{what}{late}"), details)
        }
        Fact::Merged { from, .. } => ("A visitor proved to be them".to_owned(), from.to_string()),
        Fact::Decision(decision) => {
            let mut details = vec![decision.outcome.replace('_', " ")];
            details.extend(decision.message.as_ref().map(|message| format!("message {message}")));
            details.extend(decision.channel.map(|channel| format!("by {channel}")));
            details.extend(decision.group.as_ref().map(|group| format!("group {group}")));
            details.extend(
                decision
                    .split
                    .as_ref()
                    .zip(decision.variant.as_ref())
                    .map(|(split, variant)| format!("{split}: {variant}")),
            );
            details.extend(decision.by.as_ref().map(|by| format!("by {by}")));
            details.extend(decision.delivery.map(|delivery| format!("delivery {delivery}")));
            (format!("Play {}", decision.play), details.join(", "))
        }
        Fact::Segment { segment, entered, .. } => {
            (format!("Segment {segment}"), if *entered { "entered" } else { "left" }.to_owned())
        }
        Fact::Moment { moment, strength, .. } => {
            (format!("Moment {}", moment.as_str()), format!("strength {strength:.2}"))
        }
        Fact::Delivery(delivery) => {
            let details = serde_json::to_value(delivery).unwrap_or_default();
            let details = details.as_object().into_iter().flatten().filter(|(name, _)| *name != "at");
            let details: Vec<String> =
                details.map(|(name, value)| format!("{}: {}", name.replace('_', " "), plain(value))).collect();
            ("A message".to_owned(), details.join(", "))
        }
        Fact::Omitted { facts, .. } => {
            ("Not kept".to_owned(), format!("{facts} facts had no room beside what is remembered"))
        }
    }
}

/// A value without the quotes of a text.
fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn happened(input: &Input) -> (String, String) {
    let json = |map: &serde_json::Map<String, serde_json::Value>| {
        if map.is_empty() { String::new() } else { serde_json::to_string(map).unwrap_or_default() }
    };
    match input {
        Input::Event { event, .. } => match &event.kind {
            EventKind::Track { event, properties } => (event.as_str().to_owned(), json(properties)),
            EventKind::Identify { traits } => ("Said who they are".to_owned(), json(traits)),
            EventKind::Page { name, properties } => {
                (format!("Page {}", name.as_deref().unwrap_or_default()), json(properties))
            }
            EventKind::Screen { name, properties } => {
                (format!("Screen {}", name.as_deref().unwrap_or_default()), json(properties))
            }
            EventKind::Group { group_id, traits } => (format!("Group {group_id}"), json(traits)),
            other => ("Event".to_owned(), serde_json::to_string(other).unwrap_or_default()),
        },
        Input::Recollection { .. } => {
            ("What they did before it was watched".to_owned(), "read from the archive after a publication".to_owned())
        }
        Input::Tick { .. } => ("An alarm rang".to_owned(), String::new()),
        Input::Link { to, .. } => ("Proved to be somebody".to_owned(), to.to_string()),
        Input::Merge { from, .. } => ("A visitor proved to be them".to_owned(), from.to_string()),
        Input::Catalogue { product, changes, .. } => {
            let changes = serde_json::to_string(changes).unwrap_or_default();
            (format!("Product {} has changed", product.name.as_ref().unwrap_or(&product.id)), changes)
        }
    }
}
