//! The playbook: what is in force, what there was before, what differs, and the way back.

use std::sync::Arc;

use askama::Template;
use kairos_cloud::playbooks::{PastPublication, runnable};
use kairos_engine::bounds::CHANGES_SHOWN_MAX;
use kairos_engine::describe::Time;
use kairos_engine::playbook::{Playbook, PlaybookVersion};
use kairos_engine::time::Timestamp;
use kairos_playbook::{Change, Cost, Difference, Differences, Side, contents, cost, differences};
use kairos_protocol::port::Fault;

use crate::console::{Console, clock_of};
use crate::format::{self, ShopClock};
use crate::page::{Page, Rendered, Reply, Section};
use crate::problem::Problem;
use crate::request::{Method, PageRequest, encoded};
use crate::tables::{Cell, Table};

/// What comes of a request below `/playbook`.
///
/// # Errors
/// When there is no such page or version, or it cannot be made.
pub(crate) async fn reply(
    console: &Console,
    request: &PageRequest,
    method: Method,
    path: &[&str],
) -> Result<Reply, Problem> {
    match (method, path) {
        (Method::Get, []) => Ok(Reply::Page(in_force(console, request).await?)),
        (Method::Get, ["compare"]) => Ok(Reply::Page(compare(console, request).await?)),
        (Method::Get, ["roll-back"]) => Ok(Reply::Page(confirm(console, request).await?)),
        (Method::Post, ["roll-back"]) => roll_back(console, request).await,
        (Method::Post, _) => Err(Problem::MethodNotAllowed),
        _ => Err(Problem::no_such_page()),
    }
}

/// Something that is counted.
struct Tile {
    what: String,
    value: String,
    beside: String,
}

#[derive(Template)]
#[template(path = "playbook.html")]
struct InForce<'a> {
    version: &'a str,
    since: String,
    said: Option<&'static str>,
    tiles: Vec<Tile>,
    warnings: Option<&'a [String]>,
    history: Rendered,
    costs: Rendered,
    changes: Rendered,
}

async fn in_force(console: &Console, request: &PageRequest) -> Result<Page, Problem> {
    let history = console.playbooks.history().await?;
    let current = history.first().ok_or_else(|| {
        Problem::NotFound(
            "No playbook is published yet. Check one with `kairos check`, and publish it with `kairos publish`.".into(),
        )
    })?;
    let playbook = console.playbooks.version(&current.version).await?;
    let clock = clock_of(&playbook);
    let warnings = console.playbooks.warnings(&current.version).await?;
    let program = runnable(&playbook)?;
    let cost = cost(&program);
    let changes = console.store.changes(CHANGES_SHOWN_MAX).await?;

    let mut tiles: Vec<Tile> = contents(&playbook)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| Tile {
            what: format!("{}s", format::title(what)),
            value: format::count(count as u64),
            beside: String::new(),
        })
        .collect();
    tiles.push(Tile {
        what: "Memory of a user".to_owned(),
        value: format!("{} B", format::count(cost.bytes_typical() as u64)),
        beside: format!(
            "usual; never more than {} of {} allowed",
            format::count(cost.bytes_max() as u64),
            format::count(Cost::bytes_allowed() as u64)
        ),
    });
    let history_table = history_table(&history);
    let costs = costs(&cost);
    let mut changed = Table::new(
        "changes",
        "What was done by way of the console",
        vec![("at", "When"), ("action", "What"), ("on", "On"), ("session", "Session")],
    )
    .or_when_empty("Nothing yet.");
    for change in changes {
        let what = change.action.replace('_', " ");
        changed.rows.push(vec![
            Cell::Time(change.at),
            Cell::Text(what),
            Cell::Text(change.on),
            Cell::Text(change.session),
        ]);
    }
    let version = current.version.to_string();
    let content = InForce {
        version: &version,
        since: shown(&clock, &current.published_at),
        said: (request.query.get("done") == Some("rolled-back")).then_some(
            "This version is in force again. All functions have it within half a minute; users who stay away are brought up to date by the segments' pass.",
        ),
        tiles,
        warnings: warnings.as_deref(),
        history: history_table.html(request, &clock),
        costs: costs.html(request, &clock),
        changes: changed.html(request, &clock),
    };
    Ok(Page::of("Playbook", Section::Playbook, &content).with_tables(vec![history_table, costs, changed]))
}

fn shown(clock: &ShopClock, published_at: &str) -> String {
    Timestamp::parse(published_at).map_or_else(|| published_at.to_owned(), |at| clock.time(at))
}

fn history_table(history: &[PastPublication]) -> Table {
    let columns = vec![
        ("at", "Published"),
        ("version", "Version"),
        ("how", "How"),
        ("compare", "Differences"),
        ("again", "Again"),
    ];
    let mut table = Table::new("history", "What was published", columns).with_note(
        "The newest first. Differences are those to the publication before; every version can be put in force again.",
    );
    for (place, past) in history.iter().enumerate() {
        let version = encoded(past.version.0.as_str());
        let before = history.get(place + 1);
        let is_current = past.version == history[0].version;
        table.rows.push(vec![
            Timestamp::parse(&past.published_at).map_or_else(|| Cell::text(&past.published_at), Cell::Time),
            Cell::text(past.version.0.as_str()),
            match (place, past.rolled_back) {
                (0, false) => Cell::Badge("good", "in force".to_owned()),
                (0, true) => Cell::Badge("good", "in force, rolled back".to_owned()),
                (_, true) => Cell::Badge("plain", "rolled back".to_owned()),
                (_, false) => Cell::Badge("plain", "published".to_owned()),
            },
            match before {
                Some(before) => Cell::link(
                    "Compare",
                    format!("/playbook/compare?from={}&to={version}", encoded(before.version.0.as_str())),
                ),
                None => Cell::Nothing,
            },
            match is_current {
                true => Cell::Nothing,
                false => Cell::link("Roll back …", format!("/playbook/roll-back?to={version}")),
            },
        ]);
    }
    table
}

fn costs(cost: &Cost) -> Table {
    let columns = vec![("what", "What"), ("asked", "Asked by"), ("typical", "Usual bytes"), ("most", "Most bytes")];
    let mut table = Table::new("cost", "What is remembered of each user", columns)
        .or_when_empty("Its conditions need no memory of behaviour.");
    for register in &cost.registers {
        table.rows.push(vec![
            Cell::text(&register.what),
            Cell::text(register.asked_by.join(", ")),
            Cell::Count(register.bytes_typical as u64),
            Cell::Count(register.bytes_max as u64),
        ]);
    }
    table
}

/// A version that was published, by its name in the address: nothing else is read.
async fn known(
    console: &Console,
    history: &[PastPublication],
    version: Option<&str>,
) -> Result<Arc<Playbook>, Problem> {
    let unknown = || Problem::NotFound("There is no such version among those that are remembered.".to_owned());
    let wanted = version.map(|version| PlaybookVersion(version.to_owned())).ok_or_else(unknown)?;
    let past = history.iter().find(|past| past.version == wanted).ok_or_else(unknown)?;
    console.playbooks.version(&past.version).await.map_err(|fault| match fault {
        Fault::Permanent { why, .. } => Problem::Conflict(why),
        fault => fault.into(),
    })
}

/// A part that differs, as it stands in the page.
struct Part {
    title: String,
    change: &'static str,
    kind: &'static str,
    words: Vec<(&'static str, &'static str, String)>,
    values: Vec<(String, Option<String>, Option<String>)>,
}

#[derive(Template)]
#[template(path = "differences.html")]
struct Parts {
    parts: Vec<Part>,
    is_cut: bool,
}

fn parts(found: Differences) -> Rendered {
    let part = |part: Difference| Part {
        title: match &part.name {
            Some(name) => format!("{} {name}", format::title(&part.kind)),
            None => format::title(&part.kind),
        },
        change: part.change.as_str(),
        kind: match part.change {
            Change::Added => "good",
            Change::Removed => "bad",
            Change::Changed => "warn",
        },
        words: part
            .words
            .into_iter()
            .map(|(side, line)| match side {
                Side::Before => ("gone", "−", line),
                Side::Both => ("same", " ", line),
                Side::After => ("new", "+", line),
            })
            .collect(),
        values: part.values.into_iter().map(|value| (value.place, value.before, value.after)).collect(),
    };
    Rendered::of(&Parts { parts: found.parts.into_iter().map(part).collect(), is_cut: found.is_cut })
}

#[derive(Template)]
#[template(path = "compare.html")]
struct Comparison<'a> {
    from: &'a str,
    to: &'a str,
    parts: Rendered,
}

async fn compare(console: &Console, request: &PageRequest) -> Result<Page, Problem> {
    let history = console.playbooks.history().await?;
    let before = known(console, &history, request.query.get("from")).await?;
    let after = known(console, &history, request.query.get("to")).await?;
    let content =
        Comparison { from: &before.version.0, to: &after.version.0, parts: parts(differences(&before, &after)) };
    Ok(Page::of("What differs", Section::Playbook, &content))
}

#[derive(Template)]
#[template(path = "roll_back.html")]
struct Confirmation<'a> {
    csrf: &'a str,
    from: &'a str,
    to: &'a str,
    in_force: &'a str,
    parts: Rendered,
    is_same: bool,
}

async fn confirm(console: &Console, request: &PageRequest) -> Result<Page, Problem> {
    let history = console.playbooks.history().await?;
    let wanted = known(console, &history, request.query.get("to")).await?;
    let current = &history[0];
    let now = console.playbooks.version(&current.version).await?;
    let content = Confirmation {
        csrf: &request.session.csrf,
        from: &current.version.0,
        to: &wanted.version.0,
        in_force: &current.published_at,
        parts: parts(differences(&now, &wanted)),
        is_same: wanted.version == current.version,
    };
    Ok(Page::of("Roll back", Section::Playbook, &content))
}

async fn roll_back(console: &Console, request: &PageRequest) -> Result<Reply, Problem> {
    let history = console.playbooks.history().await?;
    let wanted = known(console, &history, request.form.get("to")).await?;
    let in_force = request.form.get("in_force").unwrap_or_default();
    console.changed(request, "roll_back", &wanted.version.0).await?;
    console.playbooks.roll_back(&wanted.version, in_force).await.map_err(|fault| match fault {
        Fault::Permanent { why, .. } => Problem::Conflict(format!("It was not rolled back: {why}.")),
        fault => fault.into(),
    })?;
    let at = Time(request.now);
    tracing::info!(version = %wanted.version, %at, "rolled back");
    Ok(Reply::Done("/playbook?done=rolled-back".to_owned()))
}
