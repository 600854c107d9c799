//! The channels of `delivery` against real sockets.

#![allow(clippy::unwrap_used)]

mod aws;
mod messengers;
mod mobile_push;
mod receiver;
mod web_push;
mod webhook;

use aws_lambda_events::event::sqs::SqsEvent;
use kairos_delivery::function::incoming;
use kairos_engine::mailbox::DeliveryOrder;

/// The order of an example event (`events/NAME.json`).
fn example_order(name: &str) -> DeliveryOrder {
    let file = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let event: SqsEvent = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    incoming(&event.records[0]).message.unwrap().order().clone()
}
