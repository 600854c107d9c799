//! What is looked for in rows: the playbook's conversions and funnels, orders, messages, visits and their sources.

use std::sync::Arc;

use kairos_engine::event::{Event, EventKind, INBOX, REDEMPTIONS};
use kairos_engine::event_name::EventName;
use kairos_engine::facts::Decision;
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_engine::local_time::LocalClock;
use kairos_engine::money::{Currency, Micros};
use kairos_engine::playbook::{Channel, Conversions, EventPattern, Playbook, host, is_one_of};
use serde_json::Value;

use crate::moments::{MessageKey, Moments, Seen};

/// What a report is about, beside what plays did.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) conversions: Arc<Conversions>,
    /// The shop's own time zone, by name, and its clock.
    pub(crate) time_zone: String,
    pub(crate) clock: LocalClock,
}

impl Default for Watched {
    fn default() -> Self {
        Self { conversions: Arc::default(), time_zone: "UTC".to_owned(), clock: LocalClock::utc() }
    }
}

impl Watched {
    pub(crate) fn of(playbook: &Playbook) -> Self {
        let conversions = Arc::new(playbook.conversions.clone());
        match LocalClock::of(&playbook.policy.time_zone) {
            Some(clock) => {
                Self { conversions, time_zone: playbook.policy.time_zone.clone(), clock: clock.with_steady_spans() }
            }
            // Read before there were time zones in policies, or of none: then it is that of all clocks.
            None => Self { conversions, ..Self::default() },
        }
    }

    /// Notes what an event says.
    pub(crate) fn event(&self, user: UserKey, event: &Event, moments: &mut Moments) {
        let at = event.at;
        let mut is_watched = false;
        let on_site = event.is_on_site();
        if on_site && let Some(source) = source(event) {
            let source = moments.names.number(source);
            moments.note(user, at, Seen::Source(source));
        }
        if let EventKind::Track { event: name, properties } = &event.kind {
            let text = |name: &str| properties.get(name).and_then(Value::as_str);
            if *name == EventName::OrderCompleted {
                let currency = text("currency").unwrap_or_default().to_uppercase();
                let currency = moments.names.number(&currency);
                moments.note(user, at, Seen::Order { value: event.worth(), currency });
            }
            let id = || text("delivery_id").and_then(DeliveryId::parse);
            if let (Some(touched), Some(id)) = (touch(name), id()) {
                let channel = match event.source.as_str() {
                    INBOX => Some(Channel::OnSite),
                    _ => text("channel").and_then(|name| Channel::ALL.into_iter().find(|one| one.as_str() == name)),
                };
                let message = text("play").zip(text("message")).zip(channel).map(|((play, message), channel)| {
                    MessageKey { play: play.into(), message: message.to_owned(), channel }
                });
                let delivery = moments.delivery(id, message);
                moments.note(user, at, touched(delivery));
            }
        }
        // The numbers of what the playbook declares are bounded far below those of 16 bits.
        let Conversions { macros, micros, funnels, .. } = &*self.conversions;
        // Steps first, and macro-conversions last: an event that is both was no step to itself.
        for (number, funnel) in (0..).zip(funnels) {
            let bits = funnel.steps.iter().enumerate().filter(|(_, step)| is_one_of(&step.of, event));
            let steps = bits.fold(0, |bits, (step, _)| bits | 1 << step);
            if steps != 0 {
                is_watched = true;
                moments.note(user, at, Seen::Steps { funnel: number, steps });
            }
        }
        for (number, one) in (0..).zip(macros) {
            if is_one_of(&one.of, event) {
                is_watched = true;
                let (value, currency) = one.worth(event);
                let currency = moments.names.number(currency.as_ref().map_or("", Currency::as_str));
                moments.note(user, at, Seen::Macro { of: number, value, currency });
            }
        }
        for (number, one) in (0..).zip(micros) {
            if is_one_of(&one.of, event) {
                is_watched = true;
                moments.note(user, at, Seen::Micro(number));
            }
        }
        if is_watched || EventPattern::Any.matches(event) {
            moments.note_activity(user, at, on_site);
        }
    }

    /// Notes a message that was sent.
    pub(crate) fn sent(&self, user: UserKey, decision: &Decision, moments: &mut Moments) {
        if let (Some(id), Some(message), Some(channel)) = (decision.delivery, &decision.message, decision.channel) {
            let message = MessageKey { play: decision.play.clone(), message: message.clone(), channel };
            let delivery = moments.delivery(id, Some(message));
            moments.note(user, decision.at, Seen::Sent(delivery));
        }
    }
}

/// What touches a message, when an event does.
fn touch(name: &EventName) -> Option<fn(u32) -> Seen> {
    match name {
        EventName::MessageOpened | EventName::MessageRead => Some(Seen::Opened),
        EventName::MessageLinkClicked => Some(Seen::Clicked),
        EventName::Custom(name) => match name.as_ref() {
            "On-site Message Seen" => Some(Seen::Opened),
            "On-site Message Clicked" => Some(Seen::Clicked),
            _ => None,
        },
        _ => None,
    }
}

/// Where a visit comes from: the campaign's source, else the host that referred, when it is another one.
fn source(event: &Event) -> Option<&str> {
    let of = |group: &str, name: &str| event.context.get(group)?.get(name)?.as_str();
    let told = of("campaign", "source").map(str::trim).filter(|source| !source.is_empty());
    told.or_else(|| {
        let without_www = |host| str::strip_prefix(host, "www.").unwrap_or(host);
        let referrer = without_www(host(of("page", "referrer").or_else(|| of("referrer", "url"))?)?);
        let own = of("page", "url").and_then(host).map(without_www);
        (own != Some(referrer)).then_some(referrer)
    })
}

/// A promo code that was used.
pub(crate) struct Redemption<'e> {
    pub(crate) promotion: &'e str,
    /// Online, or in a store.
    pub(crate) channel: &'e str,
    /// What was taken off.
    pub(crate) discount: Option<Micros>,
    /// What the order came to.
    pub(crate) total: Option<Micros>,
    pub(crate) currency: &'e str,
}

/// The promo code that was used, when Kairos itself tells of one.
pub(crate) fn redemption(event: &Event) -> Option<Redemption<'_>> {
    let EventKind::Track { event: EventName::CouponApplied, properties } = &event.kind else { return None };
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    let amount = |name: &str| properties.get(name).and_then(Micros::from_json);
    (event.source == REDEMPTIONS).then_some(())?;
    Some(Redemption {
        promotion: text("coupon_id")?,
        channel: text("channel").unwrap_or_default(),
        discount: amount("discount"),
        total: amount("total"),
        currency: text("currency").unwrap_or_default(),
    })
}
