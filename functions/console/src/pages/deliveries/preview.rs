//! A message as its receiver's program shows it, composed anew: records keep no HTML, which would cost a write unit for each
//! kilobyte of each email.

use askama::Template;
use kairos_delivery::composer::compose_from;
use kairos_delivery::samples::Samples;
use kairos_engine::mailbox::{DeliveryOrder, MessageData};
use kairos_engine::playbook::Playbook;
use kairos_engine::state::Subject;
use kairos_engine::time::Timestamp;
use kairos_protocol::delivery::{Content, DeliveryRecord};
use kairos_protocol::port::Fault;

use super::Console;
use crate::answer::Answer;
use crate::page::Rendered;
use crate::problem::Problem;

/// What is shown where there is no HTML.
#[derive(Template)]
#[template(path = "preview.html")]
struct Plain<'a> {
    text: &'a str,
    is_message: bool,
}

impl Plain<'_> {
    fn answer(&self) -> Answer {
        Answer::preview(Rendered::of(self).to_string())
    }
}

/// The document for the frame. It is somebody else's making: it runs nothing ([`Answer::preview`]).
///
/// # Errors
/// When the user or the playbook cannot be read just now.
pub(crate) async fn document(console: &Console, record: &DeliveryRecord, now: Timestamp) -> Result<Answer, Problem> {
    let cannot = |why: &str| Ok(Plain { text: why, is_message: false }.answer());
    let playbook = match console.playbooks.version(&record.playbook).await {
        Ok(playbook) => without_pixel(&playbook),
        Err(Fault::Permanent { why, .. }) => return cannot(&why),
        Err(fault) => return Err(fault.into()),
    };
    let Some(person) = console.records.people.of_key(record.user).await? else {
        return cannot("Nothing is known of the user any more: there is nobody to compose it for.");
    };
    let state = &person.stored.state;
    // What started it is known while the play is on its way; later, what they looked at or took last.
    let run = state.plays.get(record.play.as_str()).and_then(|standing| standing.run.as_ref());
    let subject = run.map_or_else(
        || Subject {
            product: state.viewed.last().or_else(|| state.cart.items().last()).cloned(),
            place: state.inside.last().map(|inside| inside.place.clone()),
            ..Subject::default()
        },
        |run| run.subject.clone(),
    );
    let order = DeliveryOrder {
        delivery: record.delivery,
        user: record.user,
        play: record.play.clone(),
        message: record.message.clone(),
        playbook: record.playbook.clone(),
        channel: record.channel,
        address: record.address.clone(),
        purpose: playbook.purpose(&record.message),
        locale: state.profile.locale.clone(),
        due_at: record.due_at,
        decided_at: record.decided_at,
        expires_at: record.moment_ends_at.max(now),
        why: record.why.clone(),
        correlation: None,
        who: None,
        data: MessageData::of(state, &subject),
    };
    let samples = Samples::default();
    let catalogue = &console.records.catalogue;
    match compose_from(&playbook, catalogue, &samples, &samples, &samples, &order).await {
        Ok(Content::Email { html: Some(html), .. }) => Ok(Answer::preview(html)),
        Ok(Content::Email { text, .. }) => Ok(Plain { text: &text, is_message: true }.answer()),
        Ok(_) => cannot("Only emails look like more than their text."),
        Err(answer) => {
            let why = answer.detail.unwrap_or(answer.code);
            cannot(&format!("It cannot be composed for the user as they are known now: {why}."))
        }
    }
}

/// Looking is not opening: no picture of one pixel.
fn without_pixel(playbook: &Playbook) -> Playbook {
    let mut playbook = playbook.clone();
    playbook.links.iter_mut().for_each(|links| links.opens = false);
    playbook
}
