//! A user's whole history, and every condition answered from it.

use kairos_engine::bounds::SUM_BUCKETS;
use kairos_engine::event::{Event, EventKind};
use kairos_engine::event_name::EventName;
use kairos_engine::money::Currency;
use kairos_engine::playbook::{
    CartTest, Channel, Condition, EventMatch, Playbook, Property, ReachTest, ReadinessValue, ValueTest,
};
use kairos_engine::product::Product;
use kairos_engine::time::{Span, Timestamp};
use serde_json::Value;

use crate::details::{at_path, details, holds_of, is_meant, micros, passes, product_detail};
use crate::facts::fact;
use crate::groups::{grouped_amounts, grouped_times};
use crate::habits::{has_habit, is_local_time};
use crate::moments::{current_moment, readiness, strength};
use crate::places::inside;

/// An event, and when it counts as done: its own time, or the user's clock when that was later.
#[derive(Clone, Debug)]
pub struct Done {
    /// What happened.
    pub event: Event,
    /// When, by the user's clock.
    pub at: Timestamp,
}

/// A message that was decided.
#[derive(Clone, Debug)]
pub struct Message {
    /// Of which play.
    pub play: String,
    /// When.
    pub at: Timestamp,
    /// After how many events: the last of these is what it answers.
    pub after: usize,
}

/// Everything that ever happened to a user.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Every event, in the order in which they were applied.
    pub done: Vec<Done>,
    /// Every message that was decided.
    pub messages: Vec<Message>,
    /// The user's clock: the time of the newest input. Never runs backwards.
    pub clock: Timestamp,
}

impl Life {
    /// An event comes in.
    pub fn apply(&mut self, event: Event) {
        self.clock = self.clock.max(event.at);
        self.done.push(Done { event, at: self.clock });
    }

    /// Time passes.
    pub fn tick(&mut self, at: Timestamp) {
        self.clock = self.clock.max(at);
    }

    /// What is known at `now`, after the first `count` events and what was answered to them.
    pub fn view<'a>(&'a self, playbook: &'a Playbook, count: usize, now: Timestamp) -> View<'a> {
        self.view_before_answer(playbook, count, count, now)
    }

    /// What is known at `now`, after the first `count` events, but only what was answered to the first
    /// `answered` of them.
    pub(crate) fn view_before_answer<'a>(
        &'a self,
        playbook: &'a Playbook,
        count: usize,
        answered: usize,
        now: Timestamp,
    ) -> View<'a> {
        let decided = self.messages.iter().filter(|message| message.after <= answered).count();
        View { playbook, done: &self.done[..count], messages: &self.messages[..decided], now }
    }
}

/// A user at an instant.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub(crate) playbook: &'a Playbook,
    pub(crate) done: &'a [Done],
    pub(crate) messages: &'a [Message],
    pub(crate) now: Timestamp,
}

impl View<'_> {
    /// Whether a condition holds.
    ///
    /// # Panics
    /// When the condition names a segment that the playbook does not have.
    pub fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::All(parts) => parts.iter().all(|part| self.holds(part)),
            Condition::Any(parts) => parts.iter().any(|part| self.holds(part)),
            Condition::Not(part) => !self.holds(part),
            Condition::Cart(test) => self.cart_is(test),
            Condition::Reachable(test) => self.reachable(*test),
            Condition::Trait { name, is } => holds_of(self.newest_trait(&[name]).as_ref(), is, self.now),
            Condition::Did { of, at_least, within, same } => {
                let recent = |times: &[Timestamp]| {
                    times.iter().filter(|at| self.is_within(**at, *within)).count() >= *at_least as usize
                };
                match same {
                    None => recent(&self.times(of)),
                    Some(by) => grouped_times(self, of, by).iter().any(|(_, times)| recent(times)),
                }
            }
            Condition::First { of, ago } => self.times(of).first().is_some_and(|at| self.is_ago(*at, *ago)),
            Condition::Last { of, ago } => self.times(of).last().is_some_and(|at| self.is_ago(*at, *ago)),
            Condition::LastValue { of, property, is } => self.last_value_is(of, property, is),
            Condition::Sum { of, property, at_least, currency, within, same } => {
                let enough = |amounts: &[(Timestamp, i64)]| {
                    let counted = amounts.iter().filter(|(at, _)| self.is_in_parts(*at, *within));
                    counted.map(|(_, amount)| amount).sum::<i64>() >= micros(*at_least)
                };
                match same {
                    None => enough(&self.amounts(of, property, *currency)),
                    Some(by) => {
                        grouped_amounts(self, of, property, *currency, by).iter().any(|(_, amounts)| enough(amounts))
                    }
                }
            }
            Condition::Distinct { of, property, at_least, within } => {
                let mut values: Vec<Value> = Vec::new();
                let meant = self.done.iter().filter(|done| is_meant(&done.event, of, done.at));
                for done in meant.filter(|done| self.is_within(done.at, *within)) {
                    for detail in details(&done.event, property) {
                        if !values.contains(&detail.value) {
                            values.push(detail.value);
                        }
                    }
                }
                values.len() >= *at_least as usize
            }
            Condition::Sequence { steps, within, last } => {
                self.completions(steps, *within).last().is_some_and(|at| self.is_within(*at, *last))
            }
            Condition::Absence { after, of, wait } => {
                // What both begins and ends the wait ends it.
                let ends = |done: &Done| is_meant(&done.event, of, done.at);
                let begins = |done: &Done| is_meant(&done.event, after, done.at) && !ends(done);
                let begun = self.done.iter().rposition(begins);
                begun.is_some_and(|begun| {
                    self.is_ago(self.done[begun].at, *wait) && !self.done[begun + 1..].iter().any(ends)
                })
            }
            Condition::AverageInterval { of, less_than } => match self.times(of).as_slice() {
                [first, .., last] => {
                    let intervals = self.times(of).len() as i64 - 1;
                    (last.as_millis() - first.as_millis()) < less_than.as_millis() * intervals
                }
                _ => false,
            },
            Condition::Habit { of, on, is } => has_habit(self, of, *on, *is),
            Condition::Visits { at_least, within } => {
                self.visits().iter().filter(|at| self.is_within(**at, Some(*within))).count() >= *at_least as usize
            }
            Condition::Context { fact: which, is } => holds_of(fact(self, *which).as_ref(), is, self.now),
            Condition::LocalTime(hours) => is_local_time(self, *hours),
            Condition::Inside(selector) => {
                let there = inside(self);
                self.playbook.places.iter().any(|place| there.contains(&place.name.as_str()) && selector.matches(place))
            }
            Condition::Moment { moment, at_least } => {
                current_moment(self) == Some(*moment)
                    && at_least.is_none_or(|at_least| strength(self, *moment) >= at_least)
            }
            Condition::Readiness { at_least } => readiness(self).is_some_and(|readiness| readiness >= *at_least),
            Condition::Segment(name) => {
                let segment = self.playbook.segments.iter().find(|segment| segment.name == *name);
                self.holds(&segment.expect("the segment is in the playbook").who)
            }
            Condition::Messaged { play, within } => self.messages.iter().any(|message| {
                play.as_ref().is_none_or(|play| *play == message.play) && self.is_within(message.at, Some(*within))
            }),
        }
    }

    /// Less than a span ago.
    pub(crate) fn is_within(&self, at: Timestamp, within: Option<Span>) -> bool {
        within.is_none_or(|within| self.now.as_millis() - at.as_millis() < within.as_millis())
    }

    /// At least a span ago.
    fn is_ago(&self, at: Timestamp, ago: Span) -> bool {
        self.now.as_millis() - at.as_millis() >= ago.as_millis()
    }

    /// Whether the part of the window in which something happened is not yet older than the window.
    fn is_in_parts(&self, at: Timestamp, within: Option<Span>) -> bool {
        within.is_none_or(|within| self.now < part_leaves_at(at, within))
    }

    fn times(&self, of: &[EventMatch]) -> Vec<Timestamp> {
        self.done.iter().filter(|done| is_meant(&done.event, of, done.at)).map(|done| done.at).collect()
    }

    fn amounts(&self, of: &[EventMatch], property: &Property, currency: Option<Currency>) -> Vec<(Timestamp, i64)> {
        let meant = self.done.iter().filter(|done| is_meant(&done.event, of, done.at));
        meant
            .flat_map(|done| {
                let found = details(&done.event, property);
                let found = found.into_iter().filter(|detail| currency.is_none() || detail.currency == currency);
                let found = found.filter_map(|detail| detail.value.as_f64());
                found.map(|amount| (done.at, micros(amount))).collect::<Vec<_>>()
            })
            .collect()
    }

    fn last_value_is(&self, of: &[EventMatch], property: &Property, is: &ValueTest) -> bool {
        let known = self.done.iter().rev().filter(|done| is_meant(&done.event, of, done.at));
        let newest = known.filter_map(|done| details(&done.event, property).pop()).next();
        holds_of(newest.map(|detail| detail.value).as_ref(), is, self.now)
    }

    /// When a sequence was completed. An event completes it when, going back from it and taking for each
    /// part the latest event that can be it, the first is less than `within` ago.
    fn completions(&self, steps: &[Vec<EventMatch>], within: Span) -> Vec<Timestamp> {
        let starts = |index: usize| {
            let mut before = index;
            for step in steps.iter().rev().skip(1) {
                before = self.done[..before].iter().rposition(|done| is_meant(&done.event, step, done.at))?;
            }
            Some(before)
        };
        let is_last = |done: &Done| steps.last().is_some_and(|step| is_meant(&done.event, step, done.at));
        let ends = self.done.iter().enumerate().filter(|(_, done)| is_last(done));
        ends.filter(|(index, done)| {
            starts(*index)
                .is_some_and(|start| done.at.as_millis() - self.done[start].at.as_millis() < within.as_millis())
        })
        .map(|(_, done)| done.at)
        .collect()
    }

    /// When visits began: with the first event of all, and with each that comes at least
    /// [`VISIT_GAP`](kairos_engine::bounds::VISIT_GAP) after the one before it.
    fn visits(&self) -> Vec<Timestamp> {
        let gap = kairos_engine::bounds::VISIT_GAP.as_millis();
        let begins =
            |index: usize| index == 0 || self.done[index].at.as_millis() - self.done[index - 1].at.as_millis() >= gap;
        (0..self.done.len()).filter(|index| begins(*index)).map(|index| self.done[index].at).collect()
    }

    /// The newest value of the first of these traits that was said; null forgets it, and what is no plain
    /// value is passed over.
    pub(crate) fn newest_trait(&self, names: &[&str]) -> Option<Value> {
        let mut said = self.done.iter().rev().filter_map(|done| match &done.event.kind {
            EventKind::Identify { traits } => names.iter().find_map(|name| traits.get(*name)),
            _ => None,
        });
        let plain = |value: &&Value| match value {
            Value::Array(entries) => entries.iter().all(Value::is_string),
            Value::Object(_) => false,
            _ => true,
        };
        said.find(plain).filter(|value| !value.is_null()).cloned()
    }

    fn reachable(&self, test: ReachTest) -> bool {
        let has = |channel: Channel| match channel {
            Channel::Email => self.newest_trait(&["email"]).is_some(),
            Channel::Sms => self.newest_trait(&["phone"]).is_some(),
            // They are the shop's, not the user's; and these playbooks have no notifications.
            Channel::Webhook | Channel::OnSite | Channel::WebPush | Channel::MobilePush => false,
            Channel::Telegram => self.newest_trait(&["telegram_chat_id"]).is_some(),
            Channel::Viber => self.newest_trait(&["viber_id"]).is_some(),
            Channel::Whatsapp => self.newest_trait(&["whatsapp"]).is_some(),
        };
        match test {
            ReachTest::Anyhow => Channel::PERSONAL.into_iter().any(has),
            ReachTest::By(channel) => has(channel),
        }
    }

    /// The cart: what was added, less what was removed, since the last order. What a late event says of the
    /// time before the last order went with that order.
    fn cart(&self) -> Vec<Product> {
        let mut cart: Vec<Product> = Vec::new();
        let mut ordered_at: Option<Timestamp> = None;
        for done in self.done {
            let EventKind::Track { event: name, .. } = &done.event.kind else { continue };
            if *name == EventName::OrderCompleted {
                cart.clear();
                ordered_at = Some(done.at);
                continue;
            }
            if ordered_at.is_some_and(|ordered_at| done.event.at < ordered_at) {
                continue;
            }
            if *name == EventName::CheckoutStarted && !done.event.products.is_empty() {
                cart.clear();
            }
            for product in &done.event.products {
                let before = cart.iter().position(|item| item.id == product.id).map(|index| cart.remove(index));
                let before_count = before.as_ref().map_or(0, |item| item.quantity);
                match name {
                    EventName::ProductAdded | EventName::WishlistProductAddedToCart | EventName::CheckoutStarted => {
                        cart.push(Product { quantity: before_count + product.quantity, ..product.clone() });
                    }
                    EventName::ProductRemoved => {
                        if let Some(left) = before
                            && before_count > product.quantity
                        {
                            cart.push(Product { quantity: before_count - product.quantity, ..left });
                        }
                    }
                    _ => cart.extend(before),
                }
            }
        }
        cart
    }

    fn cart_is(&self, test: &CartTest) -> bool {
        let cart = self.cart();
        match test {
            CartTest::NotEmpty => !cart.is_empty(),
            CartTest::Empty => cart.is_empty(),
            CartTest::ItemsAtLeast(count) => cart.iter().map(|item| item.quantity).sum::<u32>() >= *count,
            CartTest::TotalAtLeast { amount, currency } => {
                let prices = cart.iter().map(|item| Some(item.price?.get() * i64::from(item.quantity)));
                let total: Option<i64> = prices.sum();
                let one_currency = cart.iter().all(|item| item.currency == cart[0].currency);
                let right_currency = currency.is_none() || cart.iter().all(|item| item.currency == *currency);
                !cart.is_empty()
                    && one_currency
                    && right_currency
                    && total.is_some_and(|total| total >= micros(*amount))
            }
            CartTest::Contains { property, is } => {
                let found = cart.iter().filter_map(|item| product_detail(item, property));
                found.into_iter().any(|value| passes(&value, is, self.now))
            }
        }
    }

    /// The newest value of the context at a path.
    pub(crate) fn newest_context(&self, path: &[&str]) -> Option<Value> {
        self.done.iter().rev().find_map(|done| at_path(&done.event.context, path)).cloned()
    }
}

/// When the part of a window in which something happened becomes older than the window.
pub(crate) fn part_leaves_at(at: Timestamp, within: Span) -> Timestamp {
    // Rounded up to the millisecond.
    let width = (within.as_millis() + SUM_BUCKETS as i64 - 1) / SUM_BUCKETS as i64;
    let part = at.as_millis().div_euclid(width);
    Timestamp::from_millis((part + 1) * width + within.as_millis())
}

/// The conditions directly within a condition, those of segments and of the readiness included.
pub(crate) fn parts_of<'a>(playbook: &'a Playbook, condition: &'a Condition) -> Vec<&'a Condition> {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().collect(),
        Condition::Not(part) => vec![part],
        Condition::Segment(name) => {
            playbook.segments.iter().filter(|segment| segment.name == *name).map(|segment| &segment.who).collect()
        }
        Condition::Readiness { .. } => {
            let terms = playbook.moments.readiness.iter().flat_map(|readiness| &readiness.terms);
            terms
                .filter_map(|term| match &term.value {
                    ReadinessValue::Holds(condition) => Some(condition),
                    ReadinessValue::Strength(_) => None,
                })
                .collect()
        }
        _ => Vec::new(),
    }
}
