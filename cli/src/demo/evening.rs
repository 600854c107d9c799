//! The evening of the demo's day: some of those who got a message follow its link, and some of them buy. Then what a day's end
//! brings: the report. So the console has something to show.

use std::time::{Duration, Instant};

use kairos_cloud::clock::SystemClock;
use kairos_engine::commit::StoredUser;
use kairos_engine::playbook::Channel;
use kairos_engine::time::Span;
use kairos_protocol::delivery::{DeliveryRecord, Status};
use kairos_protocol::port::Clock;
use reqwest::header::USER_AGENT;
use serde_json::{Value, json};

use super::{Failure, WEBSITE, quiet, stage};
use crate::calls::{Call, Caller, Limits, pack};
use crate::commands::replay;
use crate::local::Engine;
use crate::sender::{Destination, http_client, send};
use crate::target::Target;
use crate::terminal::{Progress, note};

/// What they hold in the hand.
const BROWSER: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                       Version/18.5 Mobile/15E148 Safari/604.1";
/// Of three who got a message with a link, two follow it, and one of them buys.
const ONE_IN: usize = 3;
/// How long figures may take: a minute, and something for a busy machine.
const FIGURES_WAIT_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Lives through it, on the engine of a demo that is over.
///
/// # Errors
/// When the engine does not answer.
pub async fn live_through(engine: &Engine) -> Result<(), Failure> {
    let stack = engine.status().await?.ok_or("the demo's engine has ended by itself")?;
    let links = stack.function_url("LinksUrl").ok_or("the stack has no links")?;
    let ingest = stack.ingest_url.clone();
    let target = Target::local(stack);
    let began = SystemClock.now();
    let playbook = target.playbooks(None).await?.in_force().await?;
    let write_key = replay::source(&playbook, WEBSITE).ok_or("the playbook has no source")?;

    stage(5, "Letting the evening come: some follow their message's link, and some of them buy");
    let records = target.records().await?;
    let users: std::collections::BTreeMap<_, StoredUser> = records.all_users().await?.into_iter().collect();
    let mut deliveries = records.all_deliveries().await?;
    deliveries.retain(|delivery| delivery.status == Status::Sent);
    deliveries.sort_by_key(|delivery| (delivery.due_at, delivery.delivery));
    let client = http_client()?;
    let (mut followed, mut orders) = (0, Vec::new());
    let with_links = deliveries.iter().filter_map(|delivery| Some((delivery, link(delivery)?)));
    for (number, (delivery, link)) in with_links.enumerate().filter(|(number, _)| number % ONE_IN > 0) {
        let answer = client.get(format!("{links}/{link}")).header(USER_AGENT, BROWSER).send().await?;
        if !answer.status().is_redirection() {
            return Err(format!("a link of a message led nowhere ({})", answer.status()).into());
        }
        followed += 1;
        let order = users.get(&delivery.user).filter(|_| number % ONE_IN == 1).and_then(|user| order(user, number));
        orders.extend(order);
    }
    // Behind the clicks, which have their own way to the mailbox.
    quiet::wait(&target).await?;
    let destination = Destination { url: ingest, write_key };
    let packed: Vec<_> = orders.iter().flat_map(|calls| pack(std::slice::from_ref(calls), Limits::API)).collect();
    send(&destination, &packed, &Progress::counted(orders.iter().map(Vec::len).sum(), "events")).await?;
    quiet::wait(&target).await?;
    note(format!("  {followed} have followed a link, {} of them have bought", orders.len()));

    stage(6, "Waiting for the archive, and making the report of the day");
    figures(&target, began, orders.len() as u64).await?;
    let day = &began.to_string()[..10];
    engine.invoke("ReportsFunction", &json!({ "job": "daily", "day": day })).await?;
    Ok(())
}

/// Waits until the live figures know of these orders.
async fn figures(target: &Target, began: kairos_engine::time::Timestamp, orders: u64) -> Result<(), Failure> {
    let (table, started) = (target.figures().await?, Instant::now());
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    while started.elapsed() < FIGURES_WAIT_MAX {
        ticks.tick().await;
        let found = table.between(began.minus(Span::from_hours(1)), began.plus(Span::from_hours(1))).await?;
        if found.iter().map(|(_, counts)| counts.total.plays.converted).sum::<u64>() >= orders {
            note(format!("  the live figures knew of them after {:.0} s", started.elapsed().as_secs_f64()));
            return Ok(());
        }
    }
    Err(format!("the live figures did not know of the orders after {} s", FIGURES_WAIT_MAX.as_secs()).into())
}

/// The path of the first link of a message that people read.
fn link(delivery: &DeliveryRecord) -> Option<String> {
    if !matches!(delivery.channel, Channel::Email | Channel::Sms) {
        return None;
    }
    let (_, path) = delivery.text.as_deref()?.split_once(".on.aws/c/")?;
    let token: String = path.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    Some(format!("c/{token}"))
}

/// The order of what somebody has in the cart. None when that is nothing.
fn order(user: &StoredUser, number: usize) -> Option<Vec<Call>> {
    let user_id = user.state.user_id.as_deref()?;
    let items = user.state.cart.items();
    let euros = |micros: i64| micros as f64 / 1_000_000.0;
    let products: Vec<Value> = items
        .iter()
        .map(|item| {
            let price = item.price.map(|price| euros(price.get()));
            json!({ "product_id": item.id, "name": item.name, "price": price, "quantity": item.quantity })
        })
        .collect();
    let total: i64 = items.iter().filter_map(|item| Some(item.price?.times(item.quantity).get())).sum();
    if products.is_empty() {
        return None;
    }
    let context = json!({ "library": { "name": "kairos.js" }, "userAgent": BROWSER });
    let caller = Caller { user_id: Some(user_id), anonymous_id: None, context: &context };
    let order = json!({
        "order_id": format!("evening-{number}"), "currency": "EUR", "total": euros(total), "products": products,
    });
    let checkout = json!({ "currency": "EUR", "products": order["products"] });
    let at = SystemClock.now();
    let id = |what| format!("evening-{what}-{number}");
    Some(vec![
        Call::track(caller, id("checkout"), at, "Checkout Started", checkout),
        Call::track(caller, id("order"), at.plus(Span::from_millis(1)), "Order Completed", order),
    ])
}
