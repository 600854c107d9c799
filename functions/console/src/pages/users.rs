//! Users: search, and one user's story with why.
//!
//! What is searched for is an id or an address: it is sent by a form and stands in no address, so that no history and no log
//! has it. Pages of a user are at the user key, which is a hash.

use std::collections::BTreeMap;

use askama::Template;
use kairos_cloud::people::{FoundBy, Person};
use kairos_engine::explain;
use kairos_engine::facts::{Fact, Row};
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::mailbox::Input;
use kairos_engine::outcome::{OutcomeRecord, PlayOutcome};
use kairos_engine::program::Program;
use kairos_engine::state::UserState;
use kairos_engine::time::Timestamp;
use kairos_protocol::delivery::{DeliveryRecord, Status};

use crate::console::{Console, clock_of};
use crate::explained::tree;
use crate::format::{self, ShopClock};
use crate::page::{Page, Rendered, Reply, Section};
use crate::problem::Problem;
use crate::request::{Method, PageRequest, encoded};
use crate::tables::{Cell, Table};

mod day;

/// What comes of a request below `/users`.
///
/// # Errors
/// When there is no such user or page, or it cannot be made.
pub(crate) async fn reply(
    console: &Console,
    request: &PageRequest,
    method: Method,
    path: &[&str],
) -> Result<Reply, Problem> {
    match (method, path) {
        (Method::Get, []) => Ok(Reply::Page(search(console, request, None).await?)),
        (Method::Post, []) => found(console, request).await,
        (Method::Get, [user]) => Ok(Reply::Page(user_page(console, request, user).await?)),
        (Method::Get, [user, "day"]) => Ok(Reply::Page(day::day(console, request, user).await?)),
        (Method::Get, [user, "plays", play]) => Ok(Reply::Page(why(console, request, user, play).await?)),
        (Method::Post, _) => Err(Problem::MethodNotAllowed),
        _ => Err(Problem::no_such_page()),
    }
}

/// Where a user's story is.
pub(crate) fn address(user: UserKey) -> String {
    format!("/users/{user}")
}

/// Somebody who was found.
struct FoundLine {
    called: String,
    address: String,
    by: String,
    seen: String,
    reached: String,
}

#[derive(Template)]
#[template(path = "users.html")]
struct Search<'a> {
    csrf: &'a str,
    asked: &'a str,
    found: Option<Vec<FoundLine>>,
}

async fn search(console: &Console, request: &PageRequest, found: Option<(&str, &[Person])>) -> Result<Page, Problem> {
    let clock = clock_of(&*console.playbooks.in_force().await?);
    let line = |person: &Person| {
        let (state, profile) = (&person.stored.state, &person.stored.state.profile);
        let reached = [&profile.email, &profile.phone].into_iter().flatten().cloned().collect::<Vec<_>>().join(", ");
        FoundLine {
            called: called(person.key, state),
            address: address(person.key),
            by: by(person),
            seen: clock.time(state.clock),
            reached,
        }
    };
    let lines = found.map(|(_, people)| people.iter().map(line).collect());
    let asked = found.map(|(asked, _)| asked).unwrap_or_default();
    Ok(Page::of("Users", Section::Users, &Search { csrf: &request.session.csrf, asked, found: lines }))
}

async fn found(console: &Console, request: &PageRequest) -> Result<Reply, Problem> {
    let asked = request.form.get("q").unwrap_or_default().trim();
    let people = console.records.people.find(asked).await?;
    match people.as_slice() {
        [only] => Ok(Reply::Done(address(only.key))),
        people => Ok(Reply::Page(search(console, request, Some((asked, people))).await?)),
    }
}

fn by(person: &Person) -> String {
    match (person.by, person.visitors.len()) {
        (FoundBy::AnonymousId, 1..) => "a visitor who proved to be them".to_owned(),
        (by, _) => by.as_str().to_owned(),
    }
}

fn called(key: UserKey, state: &UserState) -> String {
    explain::name(state).unwrap_or_else(|| key.to_string())
}

/// Who has this key.
async fn person(console: &Console, user: &str) -> Result<Person, Problem> {
    let nobody = || {
        let said = "Nothing is known of this user: either no event of theirs has come yet, or it was too long ago.";
        Problem::NotFound(said.to_owned())
    };
    let key = UserKey::parse(user).ok_or_else(nobody)?;
    console.records.people.of_key(key).await?.ok_or_else(nobody)
}

/// How strong a moment is.
struct MomentLine {
    name: String,
    strength: String,
    reached_at: String,
    /// In thousandths of what it takes.
    bar: u32,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "user.html")]
struct Story<'a> {
    called: &'a str,
    key: UserKey,
    visitors: &'a [UserKey],
    facts: Vec<(&'static str, String)>,
    traits: Vec<(String, String)>,
    under_way: Vec<(&'static str, String)>,
    moments: Vec<MomentLine>,
    readiness: Option<String>,
    terms: Vec<(String, String)>,
    devices: Vec<String>,
    segments: Rendered,
    consent: Rendered,
    plays: Rendered,
    timeline: Rendered,
    day: String,
    zone: &'a str,
}

async fn user_page(console: &Console, request: &PageRequest, user: &str) -> Result<Page, Problem> {
    let Person { key, stored, visitors, .. } = person(console, user).await?;
    let state = stored.state;
    let program = console.playbooks.current().await?;
    let clock = clock_of(program.playbook());
    let at = request.now.max(state.clock);
    let ids = state.outcomes.iter().filter_map(delivery_of);
    let records = console.records.deliveries.get_all(ids).await?;

    let moments = explain::moments(&program, &state, at);
    let tables = [segments(&program, &state, at), consent(&state), plays(&program, key, &state, at)];
    let [segments, consent, plays] = tables;
    let timeline = timeline(key, &state, &records);
    let called = called(key, &state);
    let content = Story {
        called: &called,
        key,
        visitors: &visitors,
        facts: explain::facts(key, &state),
        traits: state.profile.traits.iter().map(|(name, value)| (name.clone(), value.to_string())).collect(),
        under_way: explain::under_way(&state),
        moments: moments
            .moments
            .iter()
            .map(|found| MomentLine {
                name: format::title(found.moment.as_str()),
                strength: format!("{:.2}", found.strength),
                reached_at: format!("{:.2}", found.reached_at),
                bar: ((found.strength / found.reached_at).clamp(0.0, 1.0) * 1_000.0) as u32,
                is_current: moments.current == Some(found.moment),
            })
            .collect(),
        readiness: moments.readiness.as_ref().map(|readiness| format::percent(readiness.value)),
        terms: moments
            .readiness
            .iter()
            .flat_map(|readiness| &readiness.terms)
            .filter(|term| term.adds != 0.0)
            .map(|term| (term.term.clone(), format!("{:+.2}", term.adds)))
            .collect(),
        devices: devices(&state, &clock),
        segments: segments.html(request, &clock),
        consent: consent.html(request, &clock),
        plays: plays.html(request, &clock),
        timeline: timeline.html(request, &clock),
        day: state.clock.to_string().chars().take(10).collect(),
        zone: clock.name(),
    };
    Ok(Page::of(called.as_str(), Section::Users, &content).with_tables(vec![timeline, plays, segments, consent]))
}

/// Browsers and devices that show notifications: which service reaches them, since when. Nothing by which they could be
/// written to.
fn devices(state: &UserState, clock: &ShopClock) -> Vec<String> {
    let browsers = state.web_push.iter().map(|one| ("a browser", one.service(), one.at));
    let devices = state.devices.iter().map(|one| ("a device", one.platform.key(), one.at));
    browsers.chain(devices).map(|(what, by, at)| format!("{what} by {by}, since {}", clock.time(at))).collect()
}

fn segments(program: &Program, state: &UserState, at: Timestamp) -> Table {
    let columns = vec![("segment", "Segment"), ("inside", "In it"), ("since", "Since"), ("missing", "Why")];
    let mut table = Table::new("segments", "Segments", columns).or_when_empty("The playbook has no segments.");
    for segment in explain::segments(program, state, at) {
        let who = segment.who;
        let why = match (who.missing, who.found) {
            (Some(missing), _) => format!("{}; missing: {missing}", who.asked),
            (None, Some(found)) => format!("{}: {found}", who.asked),
            (None, None) => who.asked,
        };
        table.rows.push(vec![
            Cell::text(if segment.title.is_empty() { segment.segment.to_string() } else { segment.title }),
            match segment.since {
                Some(_) => Cell::Badge("good", "in".to_owned()),
                None => Cell::Badge("plain", "out".to_owned()),
            },
            segment.since.map_or(Cell::Nothing, Cell::Time),
            Cell::Text(why),
        ]);
    }
    // Those that they are in first.
    table.rows.sort_by_key(|row| matches!(row[2], Cell::Nothing));
    table
}

fn consent(state: &UserState) -> Table {
    let columns = vec![("purpose", "For"), ("channel", "On"), ("choice", "Said"), ("at", "When"), ("way", "By way of")];
    let mut table = Table::new("consent", "Consent", columns)
        .or_when_empty("They have not said what they want to get, and no address of theirs is dead.");
    for entry in state.consent.entries() {
        let kind = match entry.choice.as_str() {
            "given" => "good",
            "refused" => "bad",
            _ => "plain",
        };
        table.rows.push(vec![
            Cell::text(entry.purpose.as_str()),
            Cell::text(entry.channel.map_or("every channel", |channel| channel.as_str())),
            Cell::Badge(kind, entry.choice.as_str().to_owned()),
            Cell::Time(entry.at),
            Cell::text(entry.way.as_str()),
        ]);
    }
    for dead in state.consent.dead() {
        table.rows.push(vec![
            Cell::text("everything"),
            Cell::text(dead.channel.as_str()),
            Cell::Badge("bad", "dead address".to_owned()),
            Cell::Time(dead.at),
            Cell::text(dead.reason.as_str().replace('_', " ")),
        ]);
    }
    table
}

fn plays(program: &Program, key: UserKey, state: &UserState, at: Timestamp) -> Table {
    let columns = vec![("play", "Play"), ("would_send", "Now"), ("would", "If its moment came now"), ("last", "Last")];
    let mut table = Table::new("plays", "Every play, and why", columns)
        .with_note("What each play would do if its moment came now. Open one for every condition with what was found.")
        .or_when_empty("The playbook has no plays.");
    for play in &program.playbook().plays {
        let Some(explained) = explain::play(program, &play.name, key, state, at) else { continue };
        let now = match explained.would_send {
            Some(true) => Cell::Badge("good", "would send".to_owned()),
            Some(false) => Cell::Badge("plain", "would not".to_owned()),
            None => Cell::Badge("warn", "would wait".to_owned()),
        };
        table.rows.push(vec![
            Cell::link(&explained.title, format!("{}/plays/{}", address(key), encoded(&play.name))),
            now,
            Cell::text(explained.would.join("; ")),
            explained.considered.first().map_or(Cell::Nothing, |last| Cell::Time(last.at)),
        ]);
    }
    table
}

fn delivery_of(record: &OutcomeRecord) -> Option<DeliveryId> {
    match &record.outcome {
        PlayOutcome::Sent { delivery, .. } => Some(*delivery),
        _ => None,
    }
}

/// The newest considerations, the newest first, with the messages that came of them.
fn timeline(key: UserKey, state: &UserState, records: &BTreeMap<DeliveryId, DeliveryRecord>) -> Table {
    let columns =
        vec![("at", "When"), ("play", "Play"), ("what", "What"), ("message", "Message"), ("status", "Status")];
    let mut table = Table::new("timeline", "Lately", columns)
        .with_note(
            "What was decided for them last, the newest first: the memory of the user keeps the newest of each end.",
        )
        .or_when_empty("No play has considered them yet.");
    for record in state.outcomes.iter().rev() {
        let delivery = delivery_of(record);
        let known = delivery.and_then(|delivery| records.get(&delivery));
        table.rows.push(vec![
            Cell::Time(record.at),
            Cell::link(record.play.as_str(), format!("{}/plays/{}", address(key), encoded(&record.play))),
            Cell::text(
                known
                    .map_or_else(|| record.outcome.to_string(), |known| format!("a message, because of {}", known.why)),
            ),
            match (delivery, known) {
                (Some(delivery), Some(known)) => {
                    Cell::link(format!("{} by {}", known.message, known.channel), format!("/deliveries/{delivery}"))
                }
                _ => Cell::Nothing,
            },
            match (delivery, known) {
                (_, Some(known)) => status(known.status),
                (Some(_), None) => Cell::Badge("plain", "not taken up".to_owned()),
                _ => Cell::Nothing,
            },
        ]);
    }
    table
}

/// Where a delivery stands, as a badge.
pub(crate) fn status(status: Status) -> Cell {
    let kind = match status {
        Status::Sent => "good",
        Status::Failed | Status::Refused | Status::Unconfirmed => "bad",
        Status::Waiting | Status::Claimed => "warn",
        Status::Expired => "plain",
    };
    Cell::Badge(kind, status.as_str().to_owned())
}

#[derive(Template)]
#[template(path = "user_play.html")]
struct Why<'a> {
    called: &'a str,
    address: String,
    explained: &'a explain::PlayExplanation,
    at: String,
    would_kind: &'static str,
    starts_with: Option<Rendered>,
    who: Option<Rendered>,
    unless: Option<Rendered>,
    waits_for: Option<Rendered>,
    considered: Rendered,
}

async fn why(console: &Console, request: &PageRequest, user: &str, play: &str) -> Result<Page, Problem> {
    let Person { key, stored, .. } = person(console, user).await?;
    let state = stored.state;
    let program = console.playbooks.current().await?;
    let clock = clock_of(program.playbook());
    let at = request.now.max(state.clock);
    let explained = explain::play(&program, play, key, &state, at).ok_or_else(|| {
        Problem::NotFound(
            "The playbook in force has no such play. It may have had it when this was decided.".to_owned(),
        )
    })?;
    let columns = vec![("at", "When"), ("outcome", "End"), ("text", "In words")];
    let mut considered = Table::new("considered", "Considered of late", columns)
        .or_when_empty("This play has not considered them of late.");
    for one in &explained.considered {
        considered.rows.push(vec![Cell::Time(one.at), Cell::text(one.outcome), Cell::text(&one.text)]);
    }
    let of = |found: &Option<explain::Explanation>, wanted| found.as_ref().map(|found| tree(found, wanted, at, &clock));
    let called = called(key, &state);
    let content = Why {
        called: &called,
        address: address(key),
        explained: &explained,
        at: clock.time(at),
        would_kind: match explained.would_send {
            Some(true) => "said",
            Some(false) => "said said-plain",
            None => "warning",
        },
        starts_with: of(&explained.starts_with, true),
        who: of(&explained.who, true),
        unless: of(&explained.unless, false),
        waits_for: of(&explained.waits_for, true),
        considered: considered.html(request, &clock),
    };
    let title = format!("{}: {called}", explained.title);
    Ok(Page::of(title, Section::Users, &content).with_tables(vec![considered]))
}
