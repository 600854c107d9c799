//! Deliveries: the newest messages, and one of them with its record, what came back for it and what it said.
//!
//! The newest are found by the archive, which has each decision to send: no index of the table of deliveries is paid for with
//! each message. What became of them is read from the table.

use askama::Template;
use kairos_engine::bounds::{DELIVERIES_PER_PAGE, READ_BATCH_KEYS_MAX};
use kairos_engine::facts::Decision;
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::playbook::Channel;
use kairos_protocol::delivery::{DeliveryRecord, Status};

use super::users;
use crate::console::{Console, clock_of};
use crate::format::{self, ShopClock};
use crate::page::{Page, Rendered, Reply, Section};
use crate::problem::Problem;
use crate::request::{Method, PageRequest};
use crate::tables::{Cell, Table};

mod preview;

/// What comes of a request below `/deliveries`.
///
/// # Errors
/// When there is no such delivery or page, or it cannot be made.
pub(crate) async fn reply(
    console: &Console,
    request: &PageRequest,
    method: Method,
    path: &[&str],
) -> Result<Reply, Problem> {
    match (method, path) {
        (Method::Get, []) => Ok(Reply::Page(newest(console, request).await?)),
        (Method::Get, [delivery]) => Ok(Reply::Page(one(console, request, delivery).await?)),
        (Method::Get, [delivery, "preview"]) => {
            let record = record(console, delivery).await?;
            Ok(Reply::Answer(preview::document(console, &record, request.now).await?))
        }
        (Method::Post, _) => Err(Problem::MethodNotAllowed),
        _ => Err(Problem::no_such_page()),
    }
}

/// Something to choose in the filter.
struct Choice {
    value: String,
    title: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "deliveries.html")]
struct Newest {
    plays: Vec<Choice>,
    channels: Vec<Choice>,
    statuses: Vec<Choice>,
    is_filtered: bool,
    table: Rendered,
    looked: String,
    unreadable: usize,
    older: Option<String>,
    newest: Option<String>,
}

/// What is wanted of the newest.
struct Wanted {
    play: Option<String>,
    channel: Option<Channel>,
    status: Option<Status>,
}

impl Wanted {
    fn of(request: &PageRequest) -> Result<Self, Problem> {
        let unknown = |what: &str, names: Vec<&str>| {
            Problem::NotUnderstood(format!("There is no such {what}. There are: {}.", names.join(", ")))
        };
        let channel = request.query.get("channel").map(|name| {
            let found = Channel::ALL.into_iter().find(|channel| channel.as_str() == name);
            found.ok_or_else(|| unknown("channel", Channel::ALL.iter().map(|channel| channel.as_str()).collect()))
        });
        let status = request.query.get("status").map(|name| {
            let found = Status::ALL.into_iter().find(|status| status.as_str() == name);
            found.ok_or_else(|| unknown("status", Status::ALL.iter().map(|status| status.as_str()).collect()))
        });
        let play = request.query.get("play").map(str::to_owned);
        Ok(Self { play, channel: channel.transpose()?, status: status.transpose()? })
    }

    fn takes(&self, decision: &Decision) -> bool {
        decision.delivery.is_some()
            && self.play.as_ref().is_none_or(|play| decision.play == **play)
            && self.channel.is_none_or(|channel| decision.channel == Some(channel))
    }
}

async fn newest(console: &Console, request: &PageRequest) -> Result<Page, Problem> {
    let playbook = console.playbooks.in_force().await?;
    let clock = clock_of(&playbook);
    let wanted = Wanted::of(request)?;
    let before = request.query.get("before");
    let walk = console.records.archive.decisions_before(before, DELIVERIES_PER_PAGE, |one| wanted.takes(one)).await?;
    let mut decided: Vec<(UserKey, Decision)> = walk.found;
    decided.sort_by_key(|(_, decision)| std::cmp::Reverse(decision.at));

    let columns = vec![
        ("at", "Decided"),
        ("message", "Message"),
        ("play", "Play"),
        ("channel", "Channel"),
        ("status", "Status"),
        ("user", "User"),
    ];
    let mut table = Table::new("deliveries", "Messages", columns).or_when_empty(match before {
        None => "No such message was sent yet, as far as the archive knows. It is half a minute behind.",
        Some(_) => "No such message in this part of the archive.",
    });
    for chunk in decided.chunks(READ_BATCH_KEYS_MAX) {
        let ids = chunk.iter().filter_map(|(_, decision)| decision.delivery);
        let records = console.records.deliveries.get_all(ids).await?;
        for (user, decision) in chunk {
            let Some(delivery) = decision.delivery else { continue };
            let record = records.get(&delivery);
            if wanted.status.is_some_and(|status| record.is_none_or(|record| record.status != status)) {
                continue;
            }
            table.rows.push(row(*user, decision, delivery, record));
        }
    }
    let choice = |value: &str, title: String, chosen: Option<&str>| Choice {
        value: value.to_owned(),
        title,
        is_chosen: chosen == Some(value),
    };
    let content = Newest {
        plays: playbook
            .plays
            .iter()
            .map(|play| choice(&play.name, play.title.clone(), wanted.play.as_deref()))
            .collect(),
        channels: Channel::ALL
            .into_iter()
            .map(|channel| {
                choice(channel.as_str(), format::title(channel.as_str()), wanted.channel.map(Channel::as_str))
            })
            .collect(),
        statuses: Status::ALL
            .into_iter()
            .map(|status| choice(status.as_str(), format::title(status.as_str()), wanted.status.map(Status::as_str)))
            .collect(),
        is_filtered: wanted.play.is_some() || wanted.channel.is_some() || wanted.status.is_some(),
        looked: format::counted(walk.objects as u64, "file", "files"),
        unreadable: walk.unreadable,
        older: walk.next.map(|next| request.address_with("before", Some(&next))),
        newest: before.map(|_| request.address_with("before", None)),
        table: table.html(request, &clock),
    };
    Ok(Page::of("Deliveries", Section::Deliveries, &content).with_tables(vec![table]))
}

fn row(user: UserKey, decision: &Decision, delivery: DeliveryId, record: Option<&DeliveryRecord>) -> Vec<Cell> {
    let message = decision.message.clone().or_else(|| record.map(|record| record.message.clone()));
    vec![
        Cell::Time(decision.at),
        Cell::link(message.unwrap_or_else(|| delivery.to_string()), format!("/deliveries/{delivery}")),
        Cell::text(decision.play.as_str()),
        decision.channel.map_or(Cell::Nothing, |channel| Cell::text(channel.as_str())),
        record.map_or_else(|| Cell::Badge("plain", "no record".to_owned()), |record| users::status(record.status)),
        Cell::link(user.to_string().chars().take(8).collect::<String>(), users::address(user)),
    ]
}

#[derive(Template)]
#[template(path = "delivery.html")]
struct One<'a> {
    record: &'a DeliveryRecord,
    status: Rendered,
    facts: Vec<(&'static str, String)>,
    receipts: Vec<(&'static str, String)>,
    user: String,
    preview: Option<String>,
    is_cut: bool,
}

async fn record(console: &Console, delivery: &str) -> Result<DeliveryRecord, Problem> {
    let nothing = || {
        let said = "There is no record of this delivery: it was not taken up yet, or it was too long ago.";
        Problem::NotFound(said.to_owned())
    };
    let delivery = DeliveryId::parse(delivery).ok_or_else(nothing)?;
    console.records.deliveries.get(delivery).await?.ok_or_else(nothing)
}

#[derive(Template)]
#[template(source = "<span class=\"badge badge-{{ kind }}\">{{ text }}</span>", ext = "html")]
struct Badge {
    kind: &'static str,
    text: String,
}

async fn one(console: &Console, request: &PageRequest, delivery: &str) -> Result<Page, Problem> {
    let record = record(console, delivery).await?;
    let clock = clock_of(&*console.playbooks.in_force().await?);
    let status = match users::status(record.status) {
        Cell::Badge(kind, text) => Rendered::of(&Badge { kind, text }),
        _ => Rendered::default(),
    };
    let is_cut =
        record.text.as_ref().is_some_and(|text| text.len() + 4 > kairos_engine::bounds::DELIVERY_TEXT_BYTES_KEPT_MAX);
    let content = One {
        status,
        facts: facts(&record, &clock),
        receipts: receipts(&record, &clock),
        user: users::address(record.user),
        preview: (record.channel == Channel::Email).then(|| format!("{}/preview", request.path())),
        is_cut,
        record: &record,
    };
    Ok(Page::of(format!("{} by {}", record.message, record.channel), Section::Deliveries, &content))
}

fn facts(record: &DeliveryRecord, clock: &ShopClock) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("play", record.play.clone()),
        ("message", record.message.clone()),
        ("playbook", record.playbook.to_string()),
        ("to", record.address.clone()),
        ("due", clock.time(record.due_at)),
        ("decided", clock.time(record.decided_at)),
        ("moment ends", clock.time(record.moment_ends_at)),
        ("status since", clock.time(record.changed_at)),
        ("attempts", record.attempts.to_string()),
    ];
    facts.extend(record.sent_at.map(|at| ("sent", clock.time(at))));
    if record.doubtful {
        facts.push(("in doubt", "an earlier attempt may have reached the provider".to_owned()));
    }
    if let Some(answer) = &record.answer {
        facts.push(("answer", format!("{} ({})", answer.code, answer.class.as_str().replace('_', " "))));
        facts.extend(answer.detail.clone().map(|detail| ("details", detail)));
        facts.extend(answer.provider_id.clone().map(|id| ("provider's id", id)));
    }
    facts.push(("delivery", record.delivery.to_string()));
    facts
}

fn receipts(record: &DeliveryRecord, clock: &ShopClock) -> Vec<(&'static str, String)> {
    let noted = &record.receipts;
    let each = [
        ("delivered", noted.delivered_at),
        ("read", noted.read_at),
        ("bounced", noted.bounced_at),
        ("failed", noted.failed_at),
        ("complained", noted.complained_at),
    ];
    let mut receipts: Vec<_> = each.into_iter().filter_map(|(what, at)| Some((what, clock.time(at?)))).collect();
    receipts.extend(noted.code.clone().map(|code| ("code", code)));
    receipts
}
